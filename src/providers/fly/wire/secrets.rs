//! An app's secrets: names and digests. Values never come back.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::providers::lenient::{moment, or_default};

/// A secret's name and digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecretDigest {
    /// The variable's name.
    pub name: String,
    /// A fingerprint made by Fly in a way it does not document: only good for seeing that a value changed.
    #[serde(default, deserialize_with = "or_default")]
    pub digest: String,
    /// When it was first set.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last set.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<DateTime<Utc>>,
}

/// An app's secrets after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsVersion {
    /// The vault's version; machines get these values when created or updated with at least it.
    pub version: Option<u64>,
    /// Names and digests as they are now, where Fly says so.
    pub secrets: Vec<SecretDigest>,
}

/// The list. `null` is an empty one; missing is an answer to something else.
#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct SecretsAnswer {
    #[serde(deserialize_with = "or_default")]
    pub(in crate::providers::fly) secrets: Vec<SecretDigest>,
}

/// The answer to a change.
#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct SecretsChanged {
    #[serde(default, deserialize_with = "or_default")]
    secrets: Vec<SecretDigest>,
    #[serde(default)]
    version: Option<u64>,
    /// The same under its older name.
    #[serde(default, rename = "Version")]
    old_version: Option<u64>,
}

impl From<SecretsChanged> for SecretsVersion {
    fn from(answer: SecretsChanged) -> Self {
        Self { version: answer.version.or(answer.old_version), secrets: answer.secrets }
    }
}
