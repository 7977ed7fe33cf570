//! Strings that people write in more than one way.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name by which these types ask a deserializer for numbers as they were written, so that `1.10` does not become `1.1`.
pub(super) const TEXT_MARKER: &str = "hangar::Text";

/// A string that may be written as a number or a boolean: `8080`, `true` and `1.10` are taken as they stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl Text {
    /// The string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, number or boolean")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_str<E>(self, value: &str) -> Result<Text, E> {
                Ok(Text(value.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }

        deserializer.deserialize_newtype_struct(TEXT_MARKER, TextVisitor)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A string; numbers and booleans are taken as they are written.",
            "type": ["string", "number", "boolean"]
        })
    }
}

/// A command: a list of arguments, or one string that is split like a shell does (quotes and backslashes, no variables).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct StringList(pub Vec<String>);

impl StringList {
    /// The arguments.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for StringList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = StringList;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<StringList, E> {
                split_command(value).map(StringList).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<StringList, A::Error> {
                let items = Vec::<Text>::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?;
                Ok(StringList(items.into_iter().map(|item| item.0).collect()))
            }
        }

        deserializer.deserialize_any(ListVisitor)
    }
}

impl JsonSchema for StringList {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<Text>();
        json_schema!({
            "description": "A list of arguments, or one string that is split like a shell does.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": item}],
            "examples": ["bin/serve --port 8080", ["bin/serve", "--port", "8080"]]
        })
    }
}

/// Splits a command like a POSIX shell does, without variables, globs or operators.
fn split_command(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match chars.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("the command ends with a backslash".to_owned()),
            },
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote `{open}` in the command is never closed"));
    }
    words.extend(word);
    Ok(words)
}

/// One value, or a list of values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OneOrMany(pub Vec<String>);

impl Serialize for OneOrMany {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match HeaderRule::deserialize(deserializer)? {
            HeaderRule::Set(values) => Ok(Self(values)),
            HeaderRule::Remove => Ok(Self(vec!["false".to_owned()])),
        }
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Text>();
        json_schema!({"description": "One value, or a list of values.", "anyOf": [text, {"type": "array", "items": text}]})
    }
}

/// What the proxy does with one response header: sets it to one or more values, or removes it (`false`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderRule {
    /// Set to these values.
    Set(Vec<String>),
    /// Removed.
    Remove,
}

impl Serialize for HeaderRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(values) => OneOrMany(values.clone()).serialize(serializer),
            Self::Remove => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RuleVisitor;

        impl<'de> Visitor<'de> for RuleVisitor {
            type Value = HeaderRule;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<HeaderRule, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_bool<E>(self, value: bool) -> Result<HeaderRule, E> {
                Ok(if value { HeaderRule::Set(vec![value.to_string()]) } else { HeaderRule::Remove })
            }

            fn visit_i64<E>(self, value: i64) -> Result<HeaderRule, E> {
                Ok(HeaderRule::Set(vec![value.to_string()]))
            }

            fn visit_u64<E>(self, value: u64) -> Result<HeaderRule, E> {
                Ok(HeaderRule::Set(vec![value.to_string()]))
            }

            fn visit_f64<E>(self, value: f64) -> Result<HeaderRule, E> {
                Ok(HeaderRule::Set(vec![value.to_string()]))
            }

            fn visit_str<E>(self, value: &str) -> Result<HeaderRule, E> {
                Ok(HeaderRule::Set(vec![value.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<HeaderRule, A::Error> {
                let items = Vec::<Text>::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?;
                Ok(HeaderRule::Set(items.into_iter().map(|item| item.0).collect()))
            }
        }

        deserializer.deserialize_newtype_struct(TEXT_MARKER, RuleVisitor)
    }
}

impl JsonSchema for HeaderRule {
    fn schema_name() -> Cow<'static, str> {
        "HeaderRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Text>();
        json_schema!({
            "description": "One value, a list of values, or `false` to remove the header.",
            "anyOf": [text, {"type": "array", "items": text}]
        })
    }
}
