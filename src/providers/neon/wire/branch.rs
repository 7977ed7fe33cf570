//! Branches.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::endpoint::Endpoint;
use super::operation::Operation;
use super::role::{Database, Role};
use super::secret;
use crate::providers::lenient::{or_default, words};
use crate::secret::SecretText;

words! {
    /// Where a branch is in its life.
    BranchState {
        /// It is being made.
        Init = "init",
        /// It is being reset or restored.
        Resetting = "resetting",
        /// It can be used.
        Ready = "ready",
        /// It was put away; using it brings it back.
        Archived = "archived",
    }
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Branch {
    /// Its id, `br-…`.
    pub id: String,
    /// The id of its project.
    pub project_id: String,
    /// Its name, unique in the project.
    pub name: String,
    /// The id of its parent; a root has none. Restoring a branch gives it another one.
    pub parent_id: Option<String>,
    /// The moment of the parent that it was made from.
    pub parent_timestamp: Option<DateTime<Utc>>,
    /// The place of the parent's log that it was made from.
    #[serde(default)]
    pub parent_lsn: Option<String>,
    /// How it is.
    #[serde(default)]
    pub current_state: BranchState,
    /// How it is going to be once its operations are done.
    pub pending_state: Option<BranchState>,
    /// Whether it is the default branch.
    #[serde(default)]
    pub default: bool,
    /// Whether it is protected.
    #[serde(default)]
    pub protected: bool,
    /// `parent-data` or `schema-only`.
    pub init_source: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When anything about it changed last.
    pub updated_at: DateTime<Utc>,
    /// When Neon deletes it by itself, soon after that moment.
    pub expires_at: Option<DateTime<Utc>>,
    /// The length of the life that `expires_at` ends, in seconds; a reset begins it anew.
    pub ttl_interval_seconds: Option<i64>,
    /// When it was reset or restored last.
    pub last_reset_at: Option<DateTime<Utc>>,
}

/// A branch with what was noted of it when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    /// The branch.
    pub branch: Branch,
    /// The notes; nothing can change them later.
    pub annotation: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::providers::neon) struct Annotation {
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) value: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct BranchesPage {
    pub(in crate::providers::neon) branches: Vec<Branch>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) annotations: BTreeMap<String, Annotation>,
    /// Without it, nobody knows whether this is the whole list.
    pub(in crate::providers::neon) pagination: Option<NextPage>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct NextPage {
    pub(in crate::providers::neon) next: Option<String>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct BranchAnswer {
    pub(in crate::providers::neon) branch: Branch,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) annotation: Annotation,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) operations: Vec<Operation>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct CountAnswer {
    pub(in crate::providers::neon) count: u64,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct CreatedAnswer {
    pub(in crate::providers::neon) branch: Branch,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) endpoints: Vec<Endpoint>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) operations: Vec<Operation>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) roles: Vec<Role>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) databases: Vec<Database>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) connection_uris: Vec<ConnectionUri>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct ConnectionUri {
    #[serde(deserialize_with = "secret")]
    pub(in crate::providers::neon) connection_uri: SecretText,
}
