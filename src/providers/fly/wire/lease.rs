//! Leases: who alone may change a machine, and until when.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::providers::lenient::{moment, or_default};
use crate::secret::SecretText;

/// A lease.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What proves that it is ours. Only the holder gets to see it.
    pub nonce: Option<SecretText>,
    /// Who and until when.
    pub holder: LeaseHolder,
}

/// Who holds a lease, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LeaseHolder {
    /// The user or token that holds it.
    #[serde(default, deserialize_with = "or_default")]
    pub owner: String,
    /// What the holder said it is for.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "moment")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A lease as it comes: in an envelope (what servers send) or flat (what the document says).
#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct LeaseAnswer {
    #[serde(default)]
    data: Option<FlatLease>,
    #[serde(flatten)]
    flat: FlatLease,
}

#[derive(Debug, Default, Deserialize)]
struct FlatLease {
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    owner: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    #[serde(default, deserialize_with = "moment")]
    expires_at: Option<DateTime<Utc>>,
}

impl From<LeaseAnswer> for Lease {
    fn from(answer: LeaseAnswer) -> Self {
        let flat = answer.data.unwrap_or(answer.flat);
        Self {
            nonce: flat.nonce.filter(|nonce| !nonce.is_empty()).map(SecretText::new),
            holder: LeaseHolder { owner: flat.owner, description: flat.description, expires_at: flat.expires_at },
        }
    }
}
