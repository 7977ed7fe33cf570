//! Which fields of a machine's configuration a spec has set: the record that tells "removed from the spec" from "never set".
//!
//! The record is kept in machine metadata in a compact, readable form, for example
//! `env(LOG,PORT)guest(cpus,memory_mb)services(tcp:8080(ports(443(handlers))))`.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::machine::list_key;

/// A set of field paths, as a tree. A node without children is a field that was set whole.
///
/// Each level is a list in the order of its names, because there is one of these for every machine that is seen: a map would take
/// several times the room.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldSet(Box<[(Box<str>, FieldSet)]>);

impl FieldSet {
    /// All fields that `config` (in normal form) sets.
    pub fn of(config: &Value) -> Self {
        Self::of_named("", config)
    }

    fn of_named(list: &str, value: &Value) -> Self {
        match value {
            Value::Object(map) => {
                Self::from_entries(map.iter().map(|(key, item)| (key.as_str().into(), Self::of_named(key, item))))
            }
            Value::Array(items) => {
                let keys: Option<Vec<String>> = items.iter().map(|item| list_key(list, item)).collect();
                // A list whose elements share keys is compared, and so recorded, as a whole.
                match keys.filter(|keys| keys.iter().collect::<BTreeSet<_>>().len() == keys.len()) {
                    Some(keys) => {
                        let below = items.iter().map(|item| Self::of_named("", item));
                        Self::from_entries(keys.into_iter().map(String::into_boxed_str).zip(below))
                    }
                    None => Self::default(),
                }
            }
            _ => Self::default(),
        }
    }

    /// Of several entries of one name the last one counts.
    fn from_entries(entries: impl Iterator<Item = (Box<str>, Self)>) -> Self {
        let mut entries: Vec<_> = entries.collect();
        entries.reverse();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|(one, _), (other, _)| one == other);
        Self(entries.into_boxed_slice())
    }

    /// The same, and below `key` these fields alone, set whole.
    #[must_use]
    pub fn with<'n>(self, key: &str, names: impl Iterator<Item = &'n String>) -> Self {
        let below = Self::from_entries(names.map(|name| (name.as_str().into(), Self::default())));
        let entries = self.0.into_iter().chain(std::iter::once((key.into(), below)));
        Self::from_entries(entries)
    }

    /// The fields below `key`, if any field there was set.
    pub fn below(&self, key: &str) -> Option<&Self> {
        let place = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.0.get(place).map(|(_, below)| below)
    }

    /// The part of `config` (in normal form) that these fields are.
    pub fn part_of(&self, config: &Value) -> Value {
        self.part_of_named("", config)
    }

    fn part_of_named(&self, list: &str, value: &Value) -> Value {
        if self.is_empty() {
            return value.clone();
        }
        match value {
            Value::Object(map) => {
                let part =
                    map.iter().filter_map(|(key, item)| Some((key.clone(), self.below(key)?.part_of_named(key, item))));
                Value::Object(part.collect())
            }
            Value::Array(items) => {
                let part =
                    items.iter().filter_map(|item| Some(self.below(&list_key(list, item)?)?.part_of_named("", item)));
                Value::Array(part.collect())
            }
            other => other.clone(),
        }
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`fmt::Display`] wrote. A damaged record yields what could be read of it: then fewer fields count as set by
    /// us, and fields that a spec no longer has are left alone rather than removed.
    pub fn parse(text: &str) -> Self {
        let mut characters = text.chars().peekable();
        Self::parse_level(&mut characters, 0)
    }

    fn parse_level(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, depth: usize) -> Self {
        let mut set = Vec::new();
        let mut name = String::new();
        loop {
            let next = characters.next();
            match next {
                Some('(') if depth < 32 => {
                    let below = Self::parse_level(characters, depth.saturating_add(1));
                    set.push((unescape(&std::mem::take(&mut name)).into_boxed_str(), below));
                }
                Some(',' | ')') | None => {
                    if !name.is_empty() {
                        set.push((unescape(&std::mem::take(&mut name)).into_boxed_str(), Self::default()));
                    }
                    if next != Some(',') {
                        return Self::from_entries(set.into_iter());
                    }
                }
                Some(other) => name.push(other),
            }
        }
    }
}

impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut needs_comma = false;
        for (key, below) in &self.0 {
            if needs_comma {
                f.write_str(",")?;
            }
            f.write_str(&escape(key))?;
            needs_comma = below.is_empty();
            if !below.is_empty() {
                write!(f, "({below})")?;
            }
        }
        Ok(())
    }
}

fn escape(key: &str) -> String {
    key.replace('%', "%25").replace('(', "%28").replace(')', "%29").replace(',', "%2C")
}

fn unescape(text: &str) -> String {
    text.replace("%2C", ",").replace("%29", ")").replace("%28", "(").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_record_survives_a_round_trip() {
        let config = json!({
            "env": {"PORT": "80", "ODD(,)%": "1"},
            "guest": {"cpus": 1},
            "image": "a",
            "services": [{"protocol": "tcp", "internal_port": 80, "ports": [{"port": 443, "handlers": ["http", "tls"]}]}],
            "init": {"cmd": ["a", "b"]},
        });
        let fields = FieldSet::of(&config);
        let text = fields.to_string();
        assert_eq!(
            text,
            "env(ODD%28%2C%29%25,PORT)guest(cpus)image,init(cmd)services(tcp:80(internal_port,ports(443(handlers,port))protocol))"
        );
        assert_eq!(FieldSet::parse(&text), fields);
    }

    #[test]
    fn the_part_of_a_configuration_that_was_set_can_be_told_from_the_rest() {
        let set =
            json!({"image": "a", "env": {"A": "1"}, "mounts": [{"path": "/d", "volume": "v"}], "init": {"cmd": ["x"]}});
        let live = json!({
            "image": "a", "env": {"A": "1", "HAND": "2"}, "schedule": "daily", "init": {"cmd": ["x"], "tty": true},
            "mounts": [{"path": "/d", "volume": "v", "size_gb": 3}, {"path": "/other", "volume": "w"}],
        });
        assert_eq!(FieldSet::of(&set).part_of(&live), set);
    }

    #[test]
    fn a_damaged_record_does_not_panic() {
        for text in ["", "(", ")))", "a(b(c", ",,,", "a)b(c)", &"(".repeat(10_000)] {
            drop(FieldSet::parse(text));
        }
    }
}
