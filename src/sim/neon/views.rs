//! What a test sees of Neon.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::state::{Branch, Endpoint, Project};
use super::work::Operation;

/// A branch, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeonBranchView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its parent, unless it is a root.
    pub parent: Option<String>,
    /// `init`, `resetting`, `ready` or `archived`.
    pub state: String,
    /// Whether it is the default branch.
    pub default: bool,
    /// Whether it is protected.
    pub protected: bool,
    /// When it is going to be deleted by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// What was noted of it when it was made.
    pub annotation: BTreeMap<String, String>,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// The names of its databases.
    pub databases: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was reset or restored last.
    pub last_reset_at: Option<DateTime<Utc>>,
}

/// A compute, as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeonEndpointView {
    /// Its id.
    pub id: String,
    /// The id of its branch.
    pub branch: String,
    /// What it was named, if it was.
    pub name: Option<String>,
    /// Where it answers.
    pub host: String,
    /// `read_write` or `read_only`.
    pub kind: String,
    /// `init`, `active` or `idle`.
    pub state: String,
    /// The least and the most compute units.
    pub sizes: (f64, f64),
    /// After how many seconds without use it is suspended; 0 for the default, -1 for never.
    pub suspend_seconds: i64,
}

/// An operation, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeonOperationView {
    /// Its id.
    pub id: String,
    /// What it does.
    pub action: String,
    /// How far it is.
    pub status: String,
    /// The id of the branch that it is about.
    pub branch: Option<String>,
}

impl NeonBranchView {
    pub(super) fn of(branch: &Branch) -> Self {
        Self {
            id: branch.id.clone(),
            name: branch.name.clone(),
            parent: branch.parent_id.clone(),
            state: branch.state.name().to_owned(),
            default: branch.default,
            protected: branch.protected,
            expires_at: branch.expires_at,
            annotation: branch.annotation.clone().unwrap_or_default(),
            roles: branch.roles.iter().map(|role| role.name.clone()).collect(),
            databases: branch.databases.iter().map(|database| database.name.clone()).collect(),
            created_at: branch.created_at,
            last_reset_at: branch.last_reset_at,
        }
    }
}

impl NeonEndpointView {
    pub(super) fn of(project: &Project, endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id.clone(),
            branch: endpoint.branch_id.clone(),
            name: endpoint.name.clone(),
            host: project.host(&endpoint.id, false),
            kind: if endpoint.read_write { "read_write" } else { "read_only" }.to_owned(),
            state: endpoint.state.name().to_owned(),
            sizes: (endpoint.min_cu, endpoint.max_cu),
            suspend_seconds: endpoint.suspend_seconds,
        }
    }
}

impl NeonOperationView {
    pub(super) fn of(operation: &Operation, now: DateTime<Utc>) -> Self {
        Self {
            id: operation.id.clone(),
            action: operation.action.clone(),
            status: operation.status(now).to_owned(),
            branch: operation.branch_id.clone(),
        }
    }
}
