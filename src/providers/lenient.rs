//! Reading what may be `null`, missing, or in another form than documented.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

/// `null` is the default value.
pub(in crate::providers) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    input: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(input).map(Option::unwrap_or_default)
}

/// A moment as RFC 3339 text, or as a number of seconds or milliseconds. Anything else is "not known".
pub(in crate::providers) fn moment<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    /// Numbers above are milliseconds: as seconds they would lie three thousand years ahead.
    const MILLISECONDS_ABOVE: i64 = 100_000_000_000;
    Ok(match serde_json::Value::deserialize(input)? {
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) if number > MILLISECONDS_ABOVE => DateTime::from_timestamp_millis(number),
            Some(number) if number > 0 => DateTime::from_timestamp(number, 0),
            _ => None,
        },
        _ => None,
    })
}

/// An enum of words that the provider may extend: an unknown word is kept in `Other`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)+
            /// A word that is not known: do nothing on the strength of it, and report it. Empty if there was none.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let word = Option::<String>::deserialize(input)?.unwrap_or_default();
                Ok(Self::from(word.as_str()))
            }
        }
    };
}

pub(in crate::providers) use words;
