//! The results as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

/// One table.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What is measured, in a sentence.
    pub(crate) about: &'static str,
    /// Name in the JSON, heading in the table.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    pub(crate) rows: Vec<Value>,
}

impl Section {
    pub(crate) fn to_json(&self) -> Value {
        json!({"name": self.name, "about": self.about, "rows": self.rows})
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        let cell = |row: &Value, name: &str| shown(row.get(name).unwrap_or(&Value::Null));
        let width = |name: &str, heading: &str| {
            let widest = self.rows.iter().map(|row| cell(row, name).chars().count()).max().unwrap_or(0);
            widest.max(heading.chars().count())
        };
        let columns: Vec<_> =
            self.columns.iter().map(|(name, heading)| (*name, *heading, width(name, heading))).collect();
        for (_, heading, width) in &columns {
            write!(f, "  {heading:>width$}")?;
        }
        for row in &self.rows {
            writeln!(f)?;
            for (name, _, width) in &columns {
                write!(f, "  {:>width$}", cell(row, name))?;
            }
        }
        Ok(())
    }
}

/// Three figures are as much as a measure on a shared machine is good for.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() && value < 10.0 => format!("{value:.2}"),
            Some(value) if number.is_f64() && value < 100.0 => format!("{value:.1}"),
            Some(value) if number.is_f64() => format!("{value:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}
