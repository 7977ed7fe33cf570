//! Why a value does not fit its type, in the words of YAML instead of Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::finding::{Finding, did_you_mean, nearest_help};
use super::positions::child;
use super::tree::{Node, Shape};

/// Findings by pointer and whether they are about the key, so that attempts do not repeat them.
pub(super) type Found = BTreeMap<(String, bool), Finding>;

/// Why a value does not fit its type. The first line of a custom message says what is wrong, the second what to do.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) pointer: Option<String>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) absent: Option<Absent>,
}

/// What is missing, where that is the problem; it may be there in truth, hidden or misspelt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Absent {
    Field(&'static str),
    Everything,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { pointer: None, message: message.into(), help: None, absent: None }
    }

    pub(super) fn with_help(self, help: String) -> Self {
        Self { help: Some(help), ..self }
    }

    /// Whether this is only the consequence of a problem that has been found: what is missing is there, but wrong or misspelt.
    pub(super) fn follows_from(&self, pointer: &str, hidden: &BTreeSet<String>, found: &Found) -> bool {
        let inside = |other: &str| other.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/'));
        match self.absent {
            None => false,
            Some(Absent::Everything) => {
                hidden.iter().any(|hidden| inside(hidden)) || found.keys().any(|(other, _)| inside(other))
            }
            Some(Absent::Field(field)) => {
                let place = child(pointer, field);
                let meant = Some(format!("did you mean `{field}`?"));
                let within = |other: &str| {
                    other.strip_prefix(&place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                hidden.iter().any(|hidden| within(hidden))
                    || found.iter().any(|((other, at_key), finding)| *at_key && inside(other) && finding.help == meant)
            }
        }
    }

    /// The same problem at this place, unless its place is known already.
    pub(super) fn at(mut self, pointer: &str) -> Self {
        self.pointer.get_or_insert_with(|| pointer.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once('\n') {
            Some((message, help)) => Self::new(message).with_help(help.to_owned()),
            None => Self::new(message),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let problem = Self::new(format!("expected {}, found {}", describe(expected), found(unexpected)));
        match (unexpected, expected.to_string().as_str()) {
            (Unexpected::Str(text), number) if is_number(number) && text.parse::<f64>().is_ok() => {
                problem.with_help("remove the quotes".to_owned())
            }
            (Unexpected::Str(text), "a sequence") if !text.contains([' ', ',', '[', ']', '{', '}', ':', '#']) => {
                problem.with_help(format!("write `[{text}]`"))
            }
            (Unexpected::Str("yes" | "no" | "on" | "off" | "True" | "False"), "a boolean") => {
                problem.with_help("write `true` or `false`".to_owned())
            }
            (
                Unexpected::Bool(_) | Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_),
                "a string",
            ) => problem.with_help("put it in quotes".to_owned()),
            (Unexpected::Unit, "a string" | "a string, number or boolean") => {
                problem.with_help("write `\"\"` for an empty string".to_owned())
            }
            _ => problem,
        }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} is out of range: expected {}", found(unexpected), describe(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = nearest_help(variant, expected.iter().copied());
        Self { help, ..Self::new(format!("`{variant}` is not one of {}", list(expected))) }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self { help: did_you_mean(field, expected.iter().copied()), ..Self::new(format!("unknown field `{field}`")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { absent: Some(Absent::Field(field)), ..Self::new(format!("the field `{field}` is missing")) }
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self { absent: Some(Absent::Everything), ..Self::new(format!("expected {}, found none", describe(expected))) }
    }
}

pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn is_number(expected: &str) -> bool {
    matches!(expected, "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "f64")
}

/// What was expected, in the words of YAML instead of Rust.
fn describe(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u8" | "u32" | "u64" => "a whole number from 0".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") => "a map".to_owned(),
        other => other.to_owned(),
    }
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("the boolean `{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value}`"),
        Unexpected::Str(text) if text.chars().count() > 40 => "a long string".to_owned(),
        Unexpected::Str(text) => format!("the string `{text}`"),
        Unexpected::Unit => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

pub(super) fn unexpected(node: &Node) -> Unexpected<'_> {
    match &node.shape {
        Shape::Null => Unexpected::Unit,
        Shape::Bool(value) => Unexpected::Bool(*value),
        Shape::Number(number, _) => {
            number.as_i64().map_or(Unexpected::Float(number.as_f64().unwrap_or_default()), Unexpected::Signed)
        }
        Shape::Text(text) => Unexpected::Str(text),
        Shape::List(_) => Unexpected::Seq,
        Shape::Map(_) => Unexpected::Map,
    }
}
