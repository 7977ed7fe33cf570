//! Maps with exactly one entry that says where a secret value comes from.
//!
//! Serde's own enums would repeat a bare text in their error, and that text may be the secret, put here by mistake.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, MapAccess, Visitor};

/// A choice of sources, written as a map with one entry.
pub(super) trait Source: Sized {
    /// The keys.
    const NAMES: &'static [&'static str];
    /// What is expected, in words.
    const EXPECTED: &'static str;
    /// What to write instead of the value itself.
    const HELP: &'static str;

    /// Reads the value of the key `name`.
    fn read<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<Self, A::Error>;
}

/// Reads a source.
pub(super) fn deserialize<'de, D: Deserializer<'de>, S: Source>(deserializer: D) -> Result<S, D::Error> {
    deserializer.deserialize_struct("Source", S::NAMES, SourceVisitor(PhantomData))
}

struct SourceVisitor<S>(PhantomData<S>);

impl<'de, S: Source> Visitor<'de> for SourceVisitor<S> {
    type Value = S;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(S::EXPECTED)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<S, E> {
        Err(E::custom(format!("a secret's value does not belong into a spec\n{}", S::HELP)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let source = S::read(&name, &mut map)?;
        match map.next_key::<String>()? {
            None => Ok(source),
            Some(second) => {
                let message = format!("there are two sources, `{name}` and `{second}`\nkeep exactly one of them");
                Err(A::Error::custom(message))
            }
        }
    }
}
