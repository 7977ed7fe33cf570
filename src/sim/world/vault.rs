//! The secrets of an app. Writing stages them; machines are given the vault as it is when they are created or updated.

use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::rfc3339;
use super::schedule::after;

/// A secret value. It cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(pub(crate) String);

impl Debug for SecretText {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The secrets of an app, and their earlier versions as far as machines still have them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Vault {
    salt: String,
    secrets: BTreeMap<String, Secret>,
    versions: Vec<Version>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Secret {
    value: SecretText,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The whole vault as it was after one write.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Version {
    number: u64,
    at: DateTime<Utc>,
    secrets: BTreeMap<String, Secret>,
}

impl Vault {
    pub(crate) const fn new(salt: String) -> Self {
        Self { salt, secrets: BTreeMap::new(), versions: Vec::new() }
    }

    /// The number of the newest version; 0 before the first write.
    pub(crate) fn version(&self) -> u64 {
        self.versions.last().map_or(0, |version| version.number)
    }

    /// The version that a machine gets at `now`: the newest one, unless it is younger than `lag` and not asked for.
    pub(crate) fn version_for(&self, now: DateTime<Utc>, lag: Duration, at_least: u64) -> u64 {
        self.versions
            .iter()
            .rev()
            .find(|version| version.number <= at_least || after(version.at, lag) <= now)
            .map_or(0, |version| version.number)
    }

    /// Sets and (with `None`) unsets secrets. Only a real write makes a new version; unsetting what is not there is no error.
    pub(crate) fn write(&mut self, values: BTreeMap<String, Option<String>>, at: DateTime<Utc>) {
        let mut changed = false;
        for (name, value) in values {
            match value {
                Some(value) => {
                    changed = true;
                    let created_at = self.secrets.get(&name).map_or(at, |secret| secret.created_at);
                    self.secrets.insert(name, Secret { value: SecretText(value), created_at, updated_at: at });
                }
                None => changed |= self.secrets.remove(&name).is_some(),
            }
        }
        if changed {
            let secrets = self.secrets.clone();
            self.versions.push(Version { number: self.version().saturating_add(1), at, secrets });
        }
    }

    /// Drops the versions that no machine has, except for the newest ones.
    pub(crate) fn prune(&mut self, in_use: &[u64]) {
        let newest = self.version();
        self.versions.retain(|version| version.number.saturating_add(5) > newest || in_use.contains(&version.number));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.secrets.keys().cloned().collect()
    }

    /// The value that `name` has in the newest version.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.secrets.get(name).map(|secret| secret.value.0.as_str())
    }

    /// The value that `name` had in the version `number`.
    pub(crate) fn value_at(&self, number: u64, name: &str) -> Option<&str> {
        let version = self.versions.iter().find(|version| version.number == number)?;
        version.secrets.get(name).map(|secret| secret.value.0.as_str())
    }

    /// The secrets as a reader sees them at `now`: writes younger than `lag` are not yet there, unless it asks for their version.
    fn seen(&self, now: DateTime<Utc>, lag: Duration, at_least: u64) -> Option<&BTreeMap<String, Secret>> {
        if lag.is_zero() {
            return Some(&self.secrets);
        }
        let number = self.version_for(now, lag, at_least);
        self.versions.iter().find(|version| version.number == number).map(|version| &version.secrets)
    }

    /// A secret as the API shows it: without its value.
    pub(crate) fn render(&self, name: &str) -> Option<Value> {
        self.secrets.get(name).map(|secret| self.shown(name, secret))
    }

    fn shown(&self, name: &str, secret: &Secret) -> Value {
        json!({
            "name": name,
            "digest": self.digest(&secret.value),
            "created_at": rfc3339(secret.created_at),
            "updated_at": rfc3339(secret.updated_at),
        })
    }

    /// All secrets as the API shows them to a reader at `now`, who may insist on a version.
    pub(crate) fn render_seen(&self, now: DateTime<Utc>, lag: Duration, at_least: u64) -> BTreeMap<&str, Value> {
        let seen = self.seen(now, lag, at_least).into_iter().flatten();
        seen.map(|(name, secret)| (name.as_str(), self.shown(name, secret))).collect()
    }

    /// All secrets as the API shows them.
    pub(crate) fn render_all(&self) -> Vec<Value> {
        self.secrets.keys().filter_map(|name| self.render(name)).collect()
    }

    /// Equal for equal values of this app, and of no use for guessing a value.
    fn digest(&self, value: &SecretText) -> String {
        let mut hash = Sha256::new();
        hash.update(self.salt.as_bytes());
        hash.update([0]);
        hash.update(value.0.as_bytes());
        hex::encode(hash.finalize()).chars().take(16).collect()
    }
}

/// The keys of an app. Their values are not kept, for nothing is computed with them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SecretKeys {
    pub(crate) keys: BTreeMap<String, SecretKey>,
    pub(crate) version: u64,
}

/// A key: what is known of it beside its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecretKey {
    pub(crate) kind: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl SecretKeys {
    /// A key as the API shows it.
    pub(crate) fn render(&self, name: &str) -> Option<Value> {
        let key = self.keys.get(name)?;
        Some(json!({
            "name": name, "type": key.kind, "created_at": rfc3339(key.created_at), "updated_at": rfc3339(key.updated_at),
        }))
    }
}
