//! Where the values of secrets come from. A spec never holds a secret, only its source.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Where a secret's value comes from.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// Name of an environment variable of the controller, for example `{fromEnv: OPENAI_API_KEY}`.
    FromEnv(String),
    /// Path of a file on the controller's machine, for example `{fromFile: /run/secrets/key}`.
    FromFile(String),
    /// An expression, for example `{value: "${{ fly.worker.secrets.WORKER_SECRET }}"}`.
    Value(String),
    /// A value that Hangar derives from its master key, for example `{generate: {length: 32}}`.
    Generate(Generate),
}

const SOURCES: &[&str] = &["fromEnv", "fromFile", "value", "generate"];
const SOURCE_HELP: &str = "say where the value comes from: `{fromEnv: NAME}`, `{fromFile: path}`, `{generate: {}}` or `{value: \"${{ … }}\"}`";

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SourceVisitor;

        impl<'de> Visitor<'de> for SourceVisitor {
            type Value = SecretSource;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one of `fromEnv`, `fromFile`, `value`, `generate`")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<SecretSource, E> {
                // The text is not repeated: it is a secret that was put into the spec by mistake.
                Err(E::custom(format!("a secret's value does not belong into a spec\n{SOURCE_HELP}")))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
                let Some(kind) = map.next_key::<String>()? else {
                    return Err(A::Error::invalid_length(0, &self));
                };
                let source = match kind.as_str() {
                    "fromEnv" => SecretSource::FromEnv(map.next_value()?),
                    "fromFile" => SecretSource::FromFile(map.next_value()?),
                    "value" => SecretSource::Value(map.next_value()?),
                    "generate" => SecretSource::Generate(map.next_value()?),
                    other => return Err(A::Error::unknown_field(other, SOURCES)),
                };
                match map.next_key::<String>()? {
                    None => Ok(source),
                    Some(second) => Err(A::Error::custom(format!(
                        "the secret has two sources, `{kind}` and `{second}`\nkeep exactly one of them"
                    ))),
                }
            }
        }

        deserializer.deserialize_struct("SecretSource", SOURCES, SourceVisitor)
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromEnv(name) => formatter.debug_tuple("FromEnv").field(name).finish(),
            Self::FromFile(path) => formatter.debug_tuple("FromFile").field(path).finish(),
            // Somebody may have written the secret itself here.
            Self::Value(_) => formatter.write_str("Value([REDACTED])"),
            Self::Generate(generate) => formatter.debug_tuple("Generate").field(generate).finish(),
        }
    }
}

/// How a value is derived from the master key: the same on every machine, unguessable, stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generate {
    /// Number of characters, 16 to 256. Default: 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 256))]
    pub length: Option<u32>,
    /// The characters that are used. Default: `alphanumeric`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<Charset>,
    /// Raise it to get a new value. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub generation: Option<u32>,
}

/// The characters of a generated secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Charset {
    /// `A` to `Z`, `a` to `z`, `0` to `9`.
    #[default]
    Alphanumeric,
    /// `0` to `9`, `a` to `f`.
    Hex,
    /// Letters, digits, `-` and `_`.
    #[serde(rename = "base64url")]
    Base64Url,
    /// `a` to `z` and `0` to `9`.
    Lowercase,
}
