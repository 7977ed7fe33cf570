//! What GitHub answers to an App.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

use crate::secret::SecretText;

/// A GitHub App, as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its name in addresses. The account that it acts by is called so too, with `[bot]` behind it.
    pub slug: String,
}

/// A token for the repositories of one installation of an App.
#[derive(Debug, Clone, Deserialize)]
pub struct InstallationToken {
    /// The token itself. Its form may change; nothing is read from it.
    #[serde(deserialize_with = "secret")]
    pub token: SecretText,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
    String::deserialize(deserializer).map(SecretText::new)
}
