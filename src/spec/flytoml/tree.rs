//! A fly.toml with the place of every value, read section by section: what nobody asked for is left over and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::spec::diagnostic::Severity;
use crate::spec::finding::nearest_help;

/// Where something stands in a fly.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// JSON pointer of it, for example `/services/0/ports`.
    pub pointer: String,
    /// Byte offsets in the text.
    pub span: Range<usize>,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub mark: Mark,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Section),
    /// Dates and times, which fly.toml has no use for.
    Other,
}

/// A table whose entries are taken out one by one.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub mark: Mark,
    entries: BTreeMap<String, Node>,
    /// The keys that somebody asked for: those that mean something here.
    asked: BTreeSet<String>,
}

/// A problem of a fly.toml.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub severity: Severity,
    pub mark: Mark,
    pub message: String,
    pub help: Option<String>,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Report(pub Vec<Problem>);

impl Report {
    pub(super) fn error(&mut self, mark: &Mark, message: impl Into<String>) {
        self.add(Severity::Error, mark, message.into(), None);
    }

    pub(super) fn warn(&mut self, mark: &Mark, message: impl Into<String>, help: Option<&str>) {
        self.add(Severity::Warning, mark, message.into(), help.map(str::to_owned));
    }

    fn add(&mut self, severity: Severity, mark: &Mark, message: String, help: Option<String>) {
        let mark = mark.clone();
        self.0.push(Problem { severity, mark, message, help });
    }
}

/// Reads the text of a fly.toml.
pub(super) fn read(text: &str, report: &mut Report) -> Option<Section> {
    match DeTable::parse(text) {
        Ok(table) => {
            let mark = Mark { pointer: String::new(), span: 0..0 };
            Some(section(mark, table.get_ref()))
        }
        Err(error) => {
            let mark = Mark { pointer: String::new(), span: error.span().unwrap_or(0..0) };
            report.error(&mark, format!("this is not TOML: {}", error.message()));
            None
        }
    }
}

fn section(mark: Mark, table: &DeTable<'_>) -> Section {
    let entries = table
        .iter()
        .map(|(key, value)| {
            let key = key.get_ref().to_string();
            let pointer = crate::spec::positions::child(&mark.pointer, &key);
            (key, node(Mark { pointer, span: value.span() }, value.get_ref()))
        })
        .collect();
    Section { mark, entries, asked: BTreeSet::new() }
}

fn node(mark: Mark, value: &DeValue<'_>) -> Node {
    let kind = match value {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Kind::Other, Kind::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().map_or(Kind::Other, Kind::Float),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(_) => Kind::Other,
        DeValue::Array(items) => Kind::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let pointer = format!("{}/{index}", mark.pointer);
                    node(Mark { pointer, span: item.span() }, item.get_ref())
                })
                .collect(),
        ),
        DeValue::Table(table) => Kind::Table(section(mark.clone(), table)),
    };
    Node { mark, kind }
}

impl Section {
    /// Takes an entry out.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        self.asked.insert(key.to_owned());
        self.entries.remove(key)
    }

    /// Where an entry stands.
    pub(super) fn mark_of(&self, key: &str) -> Option<Mark> {
        self.entries.get(key).map(|node| node.mark.clone())
    }

    /// Takes all entries out.
    pub(super) fn take_all(&mut self) -> BTreeMap<String, Node> {
        std::mem::take(&mut self.entries)
    }

    /// Drops entries that mean nothing to Hangar and need no word.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.entries.remove(*key);
        }
    }

    /// Warns of an entry that Hangar cannot express.
    pub(super) fn refuse(&mut self, key: &str, message: &str, help: Option<&str>, report: &mut Report) {
        if let Some(node) = self.take(key) {
            report.warn(&node.mark, message, help);
        }
    }

    /// Warns of all entries that nobody took.
    pub(super) fn finish(self, report: &mut Report) {
        for (key, node) in self.entries {
            let help = nearest_help(&key, self.asked.iter().map(String::as_str));
            let message = format!("`{key}` is not a setting that Hangar knows here; it is ignored");
            report.warn(&node.mark, message, help.as_deref());
        }
    }

    pub(super) fn text(&mut self, key: &str, report: &mut Report) -> Option<String> {
        self.take(key)?.into_text(report)
    }

    pub(super) fn integer(&mut self, key: &str, report: &mut Report) -> Option<i64> {
        self.take(key)?.into_integer(report)
    }

    pub(super) fn boolean(&mut self, key: &str, report: &mut Report) -> Option<bool> {
        let node = self.take(key)?;
        match node.kind {
            Kind::Bool(value) => Some(value),
            _ => node.wrong("`true` or `false`", report),
        }
    }

    /// A list of strings; a single string counts as a list of one.
    pub(super) fn texts(&mut self, key: &str, report: &mut Report) -> Option<Vec<String>> {
        let node = self.take(key)?;
        match node.kind {
            Kind::Text(text) => Some(vec![text]),
            Kind::List(items) => Some(items.into_iter().filter_map(|item| item.into_text(report)).collect()),
            _ => node.wrong("a list of strings", report),
        }
    }

    /// A table.
    pub(super) fn table(&mut self, key: &str, report: &mut Report) -> Option<Section> {
        let node = self.take(key)?;
        match node.kind {
            Kind::Table(section) => Some(section),
            _ => node.wrong("a table", report),
        }
    }

    /// A list of tables; a single table counts as a list of one.
    pub(super) fn tables(&mut self, key: &str, report: &mut Report) -> Vec<Section> {
        match self.take(key) {
            None => Vec::new(),
            Some(Node { kind: Kind::Table(section), .. }) => vec![section],
            Some(Node { kind: Kind::List(items), .. }) => items
                .into_iter()
                .filter_map(|item| match item.kind {
                    Kind::Table(section) => Some(section),
                    _ => item.wrong("a table", report),
                })
                .collect(),
            Some(node) => node.wrong("a list of tables", report).into_iter().collect(),
        }
    }
}

impl Node {
    /// Reports that the value is not what belongs here.
    pub(super) fn wrong<T>(&self, expected: &str, report: &mut Report) -> Option<T> {
        report.error(&self.mark, format!("this must be {expected}"));
        None
    }

    pub(super) fn into_text(self, report: &mut Report) -> Option<String> {
        match self.kind {
            Kind::Text(text) => Some(text),
            _ => self.wrong("a string", report),
        }
    }

    /// A whole number, which old files also write as a string.
    pub(super) fn into_integer(self, report: &mut Report) -> Option<i64> {
        match &self.kind {
            Kind::Integer(number) => Some(*number),
            Kind::Text(text) => match text.trim().parse() {
                Ok(number) => Some(number),
                Err(_) => self.wrong("a whole number", report),
            },
            _ => self.wrong("a whole number", report),
        }
    }

    /// A string, number or boolean as text.
    pub(super) fn into_scalar_text(self, report: &mut Report) -> Option<String> {
        match self.kind {
            Kind::Text(text) => Some(text),
            Kind::Integer(number) => Some(number.to_string()),
            Kind::Float(number) => Some(number.to_string()),
            Kind::Bool(value) => Some(value.to_string()),
            _ => self.wrong("a string, number or boolean", report),
        }
    }

    /// The value as JSON with keys in camelCase; header names stay as they are.
    pub(super) fn into_json(self) -> Value {
        self.json(true)
    }

    /// The value as JSON with keys as they are.
    pub(super) fn into_json_as_is(self) -> Value {
        self.json(false)
    }

    fn json(self, rename: bool) -> Value {
        match self.kind {
            Kind::Text(text) => Value::from(text),
            Kind::Integer(number) => Value::from(number),
            Kind::Float(number) => Value::from(number),
            Kind::Bool(value) => Value::from(value),
            Kind::List(items) => items.into_iter().map(|item| item.json(rename)).collect(),
            Kind::Table(mut section) => section
                .take_all()
                .into_iter()
                .map(|(key, node)| {
                    let below = node.json(rename && key != "headers");
                    (if rename { camel_case(&key) } else { key }, below)
                })
                .collect(),
            Kind::Other => Value::Null,
        }
    }
}

fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut joined, word| {
        let mut characters = word.chars();
        joined.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        joined.push_str(characters.as_str());
        joined
    })
}
