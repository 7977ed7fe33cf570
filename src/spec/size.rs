//! Sizes of memory and disks.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A size, written `512MB` or `1GB`; one GB is 1024 MB, as Fly counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size {
    megabytes: u64,
}

const SIZE_HELP: &str = "sizes look like `512MB` or `1GB`";

impl Size {
    /// That many MB.
    pub const fn from_mb(megabytes: u64) -> Self {
        Self { megabytes }
    }

    /// That many GB.
    pub const fn from_gb(gigabytes: u64) -> Self {
        Self { megabytes: gigabytes.saturating_mul(1024) }
    }

    /// The size in MB.
    pub const fn mb(self) -> u64 {
        self.megabytes
    }

    /// The size in GB, if it is a whole number of them.
    pub fn whole_gb(self) -> Option<u64> {
        self.megabytes.is_multiple_of(1024).then_some(self.megabytes / 1024)
    }

    /// Reads `512MB` or `1GB`; the error says what is wrong and, on a second line, what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = trimmed.strip_prefix(digits).unwrap_or_default().trim();
        let Ok(number) = digits.parse::<u64>() else {
            return Err(format!("`{text}` is not a size in whole MB or GB\n{SIZE_HELP}"));
        };
        let factor = match unit {
            "MB" => 1,
            "GB" => 1024,
            "" => return Err(format!("`{text}` has no unit\nwrite `{text}MB` or `{text}GB`")),
            other => return Err(format!("`{other}` is not a unit of size\n{SIZE_HELP}")),
        };
        number
            .checked_mul(factor)
            // A thousand TB: more than any provider has, and safe in later arithmetic.
            .filter(|megabytes| *megabytes <= 1 << 30)
            .map(Self::from_mb)
            .ok_or_else(|| format!("`{text}` is larger than any machine or volume\n{SIZE_HELP}"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_gb() {
            Some(gigabytes) if gigabytes > 0 => write!(formatter, "{gigabytes}GB"),
            _ => write!(formatter, "{}MB", self.megabytes),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as `512MB`")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Size, E> {
                Size::parse(value).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Size, E> {
                Size::parse(&value.to_string()).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: a whole number with `MB` or `GB`; one GB is 1024 MB.",
            "type": "string",
            "pattern": "^\\s*[0-9]+\\s*(MB|GB)\\s*$",
            "examples": ["512MB", "1GB"]
        })
    }
}
