//! How text is shown: colours, symbols and width, as the caller has found them out.

use owo_colors::OwoColorize as _;

/// What a text is shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are written.
    pub color: bool,
    /// Whether symbols outside ASCII are written (`→`, `±`, `✓`).
    pub unicode: bool,
    /// How many columns a line has. Long values are shortened and sentences are wrapped to it.
    pub width: usize,
}

impl Style {
    /// No colour, 100 columns: for files, logs and tests.
    pub const PLAIN: Self = Self { color: false, unicode: true, width: 100 };
}

impl Default for Style {
    fn default() -> Self {
        Self::PLAIN
    }
}

/// What a piece of text means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Something new.
    Create,
    /// Something changed in place.
    Update,
    /// Something made anew.
    Replace,
    /// Something that goes, or failed.
    Delete,
    /// Something that is held.
    Held,
    /// Something that is as it should be.
    Good,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// An address to open.
    Link,
}

impl Style {
    /// `text` in the colour of `tone`.
    pub(super) fn paint(self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        match tone {
            Tone::Create | Tone::Good => text.green().to_string(),
            Tone::Update | Tone::Held => text.yellow().to_string(),
            Tone::Replace => text.magenta().to_string(),
            Tone::Delete => text.red().to_string(),
            Tone::Dim => text.dimmed().to_string(),
            Tone::Strong => text.bold().to_string(),
            Tone::Link => text.cyan().to_string(),
        }
    }

    /// Between an old and a new value.
    pub(super) const fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// In place of what was left out.
    pub(super) const fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// Between two facts on one line.
    pub(super) const fn dot(self) -> &'static str {
        if self.unicode { "·" } else { "-" }
    }

    /// Before a replaced resource.
    pub(super) const fn replaced(self) -> &'static str {
        if self.unicode { "±" } else { "-/+" }
    }

    /// Before what is as it should be.
    pub(super) const fn tick(self) -> &'static str {
        if self.unicode { "✓" } else { "ok" }
    }

    /// Before what did not work.
    pub(super) const fn cross(self) -> &'static str {
        if self.unicode { "✗" } else { "x" }
    }

    /// Between the ends of a range.
    pub(super) const fn range(self) -> &'static str {
        if self.unicode { "–" } else { ".." }
    }
}
