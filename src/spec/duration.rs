//! Durations as people write them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time, written `500ms`, `90s`, `5m`, `72h`, `14d`, `2w` or together (`1h 30m`).
///
/// Months and years are refused, because they are not always equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(std::time::Duration);

/// Units from the largest to the smallest, with their length in milliseconds.
const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Duration {
    /// That many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// The same span as the standard library has it.
    pub const fn to_std(self) -> std::time::Duration {
        self.0
    }

    /// Whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Reads `90s`, `5m`, `1h 30m`; the error says what is wrong and, on a second line, what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unit = text
            .split(|c: char| !c.is_alphabetic())
            .find(|unit| !unit.is_empty() && !matches!(*unit, "ms" | "s" | "m" | "h" | "d" | "w"));
        match unit {
            Some("M" | "mo" | "month" | "months" | "y" | "year" | "years") => {
                return Err(format!("`{text}` is not a fixed length of time\nwrite days, for example `30d`"));
            }
            Some(unit) => return Err(format!("`{unit}` is not a unit of time\n{DURATION_HELP}")),
            None if text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty() => {
                return Err(format!("`{text}` has no unit of time\nwrite `{text}s` for seconds; {DURATION_HELP}"));
            }
            None => {}
        }
        // A thousand years are refused too: later arithmetic on dates could overflow.
        Some(text)
            .filter(|text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '))
            .and_then(|text| humantime::parse_duration(text).ok())
            .filter(|duration| duration.as_secs() <= 365_000 * 86_400)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a duration\n{DURATION_HELP}"))
    }
}

const DURATION_HELP: &str = "durations look like `90s`, `5m`, `72h`, `14d`";

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return formatter.write_str("0s");
        }
        for (unit, length) in UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                write!(formatter, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DurationVisitor;

        impl Visitor<'_> for DurationVisitor {
            type Value = Duration;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as `90s`")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Duration, E> {
                Duration::parse(value).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Duration, E> {
                Duration::parse(&value.to_string()).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(DurationVisitor)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: a number with `ms`, `s`, `m`, `h`, `d` or `w`.",
            "type": "string",
            "pattern": "^\\s*([0-9]+\\s*(ms|s|m|h|d|w)\\s*)+$",
            "examples": ["90s", "5m", "72h", "14d"]
        })
    }
}
