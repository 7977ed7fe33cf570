//! A YAML document as a tree of values, each with its place and with numbers as they were written.
//!
//! This is the only module that knows the YAML library and its options.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Options, Spanned};

use super::positions::{Place, Positions, child};
use super::syntax::{SyntaxError, bytes, syntax_error};

/// Deepest nesting of a document. Real specs stay below 16, and reading recurses on the stack of whoever calls.
pub(super) const MAX_DEPTH: usize = 24;
/// Most values of one file, aliases expanded: more than twice what a real spec of the largest size has.
pub(super) const MAX_NODES: usize = 100_000;

/// Most documents of one file that are read apart: each may be as large as a whole file.
const MAX_APART: usize = 50;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) shape: Shape,
    /// Where it stands, in bytes; of an alias, where it is used.
    pub(super) span: Range<usize>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Null,
    Bool(bool),
    /// A number, and how it was written.
    Number(Number, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// An entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

/// A key that stands twice in one map.
#[derive(Debug, PartialEq)]
pub(super) struct DuplicateKey {
    pub(super) key: String,
    pub(super) second: Range<usize>,
}

/// Reads all documents of a file. Empty documents are left out; duplicate keys are kept, in order.
pub(super) fn read(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let documents: Vec<Spanned<Raw>> =
        serde_saphyr::from_multiple_with_options(text, options(DuplicateKeyPolicy::LastWins))
            .map_err(|error| syntax_error(&error, text))?;
    let documents: Vec<Node> = documents.into_iter().map(|document| node(document, text)).collect();
    if documents.iter().all(|document| duplicate_keys(document).is_empty()) {
        // The library drops duplicates itself once a map has a number as a key; its strict mode tells of those.
        serde_saphyr::from_multiple_with_options::<Raw>(text, options(DuplicateKeyPolicy::Error))
            .map_err(|error| syntax_error(&error, text))?;
    }
    Ok(documents)
}

/// Reads each document of a file by itself: those that can be read, and why the others cannot. For files that [`read`] refuses.
pub(super) fn read_apart(text: &str) -> (Vec<Node>, Vec<SyntaxError>) {
    let mut starts = vec![0];
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        if at > 0
            && line.strip_prefix("---").is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with([' ', '\t']))
        {
            starts.push(at);
        }
        at = at.saturating_add(line.len());
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for (start, end) in starts.iter().zip(ends).take(MAX_APART) {
        // What stands before is blanked out, so that every place stays what it is.
        let before = text.get(..*start).unwrap_or_default().bytes();
        let mut alone: String = before.map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        alone.push_str(text.get(*start..end).unwrap_or_default());
        match read(&alone) {
            Ok(read) => documents.extend(read),
            Err(error) => errors.push(error),
        }
    }
    (documents, errors)
}

/// All keys that stand twice, or more, in one map.
pub(super) fn duplicate_keys(document: &Node) -> Vec<DuplicateKey> {
    let mut found = Vec::new();
    find_duplicates(document, &mut found);
    found
}

fn find_duplicates(node: &Node, found: &mut Vec<DuplicateKey>) {
    match &node.shape {
        Shape::List(items) => items.iter().for_each(|item| find_duplicates(item, found)),
        Shape::Map(entries) => {
            let mut seen = BTreeSet::new();
            for entry in entries {
                find_duplicates(&entry.value, found);
                if !seen.insert(entry.key.as_str()) {
                    found.push(DuplicateKey { key: entry.key.clone(), second: entry.key_span.clone() });
                }
            }
        }
        Shape::Null | Shape::Bool(_) | Shape::Number(..) | Shape::Text(_) => {}
    }
}

impl Node {
    /// The value of an entry, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.shape {
            Shape::Map(entries) => entries.iter().rev().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// All entries, if this is a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.shape {
            Shape::Map(entries) => entries.as_slice(),
            _ => &[],
        }
    }

    /// The values of all entries, if this is a map.
    pub(super) fn values(&self) -> impl Iterator<Item = &Node> {
        self.entries().iter().map(|entry| &entry.value)
    }

    /// The string that this is.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Where every value of the document stands.
    pub(super) fn positions(&self) -> Positions {
        let mut positions = Positions::default();
        self.note_positions(String::new(), None, &mut positions);
        positions
    }

    fn note_positions(&self, pointer: String, key: Option<Range<usize>>, positions: &mut Positions) {
        match &self.shape {
            Shape::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.note_positions(child(&pointer, &index.to_string()), None, positions);
                }
            }
            Shape::Map(entries) => {
                for entry in entries {
                    entry.value.note_positions(child(&pointer, &entry.key), Some(entry.key_span.clone()), positions);
                }
            }
            Shape::Null | Shape::Bool(_) | Shape::Number(..) | Shape::Text(_) => {}
        }
        positions.insert(pointer, Place { value: self.visible_span(key.as_ref()), key });
    }

    /// What a caret shall point at: a scalar itself; of a map or list its key or, in a list, its first entry.
    fn visible_span(&self, key: Option<&Range<usize>>) -> Range<usize> {
        match (&self.shape, key) {
            (Shape::List(_) | Shape::Map(_) | Shape::Null, Some(key)) => key.clone(),
            (Shape::Map(entries), None) => {
                entries.first().map_or_else(|| self.span.clone(), |entry| entry.key_span.clone())
            }
            (Shape::List(items), None) => {
                items.first().map_or_else(|| self.span.clone(), |item| item.visible_span(None))
            }
            _ => self.span.clone(),
        }
    }

    /// The value as JSON.
    pub(super) fn to_json(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Bool(value) => Value::Bool(*value),
            Shape::Number(number, _) => Value::Number(number.clone()),
            Shape::Text(text) => Value::String(text.clone()),
            Shape::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Shape::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        let shape = match value {
            Value::Null => Shape::Null,
            Value::Bool(value) => Shape::Bool(*value),
            Value::Number(number) => Shape::Number(number.clone(), number.to_string()),
            Value::String(text) => Shape::Text(text.clone()),
            Value::Array(items) => Shape::List(items.iter().map(Self::from).collect()),
            Value::Object(entries) => Shape::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry { key: key.clone(), key_span: 0..0, value: Self::from(value) })
                    .collect(),
            ),
        };
        Self { shape, span: 0..0 }
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: duplicate_keys,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
    }
}

/// A value as the YAML library hands it over.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Number(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Number(value.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Raw, E> {
                Number::from_f64(value).map(Raw::Number).ok_or_else(|| E::custom("the number is not finite"))
            }

            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }

        deserializer.deserialize_any(RawVisitor)
    }
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let span = bytes(raw.referenced.span()).unwrap_or_default();
    let written = bytes(raw.defined.span()).and_then(|span| text.get(span)).unwrap_or_default();
    let shape = match raw.value {
        Raw::Null => Shape::Null,
        Raw::Bool(value) => Shape::Bool(value),
        Raw::Number(number) => Shape::Number(number, written.trim().to_owned()),
        Raw::Text(value) => Shape::Text(value),
        Raw::List(items) => Shape::List(items.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(entries) => Shape::Map(entries.into_iter().map(|(key, value)| entry(key, value, text)).collect()),
    };
    Node { shape, span }
}

fn entry(key: Spanned<String>, value: Spanned<Raw>, text: &str) -> Entry {
    let key_span = bytes(key.referenced.span()).unwrap_or_default();
    Entry { key: key.value, key_span, value: node(value, text) }
}
