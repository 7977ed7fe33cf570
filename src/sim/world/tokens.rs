//! The tokens that were made by request, and those that are no longer good. Only hashes of tokens are kept.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Tokens beside those of the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// By the hash of the token.
    made: BTreeMap<String, DeployToken>,
    /// The hashes of tokens, of any origin, that have expired.
    expired: BTreeSet<String>,
}

/// A token for one app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeployToken {
    pub(crate) id: String,
    pub(crate) org: String,
    /// The id of the app: a later app of the same name is another one.
    pub(crate) app_id: String,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Tokens {
    pub(crate) fn add(&mut self, token: &str, made: DeployToken) {
        self.made.insert(hash(token), made);
    }

    /// What the token stands for, if it was made by request.
    pub(crate) fn find(&self, token: &str) -> Option<&DeployToken> {
        if self.made.is_empty() { None } else { self.made.get(&hash(token)) }
    }

    /// From now on `token` is not good any more.
    pub(crate) fn expire(&mut self, token: &str) {
        self.expired.insert(hash(token));
    }

    /// Whether the token's time is over.
    pub(crate) fn is_expired(&self, token: &str, now: DateTime<Utc>) -> bool {
        self.find(token).is_some_and(|made| made.expires_at <= now)
            || (!self.expired.is_empty() && self.expired.contains(&hash(token)))
    }
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
