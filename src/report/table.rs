//! Columns that stand under each other, whatever their colours.

use super::style::{Style, Tone};
use super::text::{columns, pad};

/// One cell: clean text, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// Text in the ordinary colour.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: None }
    }

    /// Text in the colour of what it means.
    pub(super) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }

    fn paint(&self, text: &str, style: Style) -> String {
        match self.tone {
            Some(tone) => style.paint(tone, text),
            None => text.to_owned(),
        }
    }
}

/// The rows as lines, two spaces between columns, nothing after the last cell of a row.
pub(super) fn lines(rows: &[Vec<Cell>], style: Style) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            let width = columns(&cell.text);
            match widths.get_mut(index) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    rows.iter().map(|row| line(row, &widths, style)).collect()
}

fn line(row: &[Cell], widths: &[usize], style: Style) -> String {
    let filled = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last.saturating_add(1));
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).take(filled).enumerate() {
        if index > 0 {
            line.push_str("  ");
        }
        let is_last = index.saturating_add(1) == filled;
        // Padding stays outside of the colour.
        line.push_str(&cell.paint(&cell.text, style));
        if !is_last {
            line.push_str(pad(&cell.text, *width).strip_prefix(cell.text.as_str()).unwrap_or_default());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_seen() {
        let style = Style { color: true, ..Style::PLAIN };
        let rows = vec![
            vec![Cell::toned(Tone::Good, "日本"), Cell::plain("b"), Cell::plain("")],
            vec![Cell::plain("a"), Cell::plain("c"), Cell::plain("d")],
        ];
        assert_eq!(lines(&rows, style), ["\u{1b}[32m日本\u{1b}[39m  b", "a     c  d"]);
    }
}
