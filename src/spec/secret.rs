//! Where the values of secrets come from. A spec never holds a secret, only its source.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess};
use serde::{Deserialize, Deserializer, Serialize};

use super::source::{self, Source};

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

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        source::deserialize(deserializer)
    }
}

impl Source for SecretSource {
    const NAMES: &'static [&'static str] = &["fromEnv", "fromFile", "value", "generate"];
    const EXPECTED: &'static str = "one of `fromEnv`, `fromFile`, `value`, `generate`";
    const HELP: &'static str = "say where the value comes from: `{fromEnv: NAME}`, `{fromFile: path}`, `{generate: {}}` or \
                                `{value: \"${{ … }}\"}`";

    fn read<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<Self, A::Error> {
        match name {
            "fromEnv" => Ok(Self::FromEnv(map.next_value()?)),
            "fromFile" => Ok(Self::FromFile(map.next_value()?)),
            "value" => Ok(Self::Value(map.next_value()?)),
            "generate" => Ok(Self::Generate(map.next_value()?)),
            other => Err(A::Error::unknown_field(other, Self::NAMES)),
        }
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
