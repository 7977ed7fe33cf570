//! Projects.

use serde::Deserialize;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is, such as `aws-us-east-2`.
    pub region_id: String,
    /// The id of the organization that it belongs to.
    pub org_id: Option<String>,
    /// The version of Postgres.
    #[serde(default)]
    pub pg_version: u32,
    /// Whether passwords can be read back.
    #[serde(default)]
    pub store_passwords: bool,
    /// For how many seconds back a branch can be made or restored.
    #[serde(default)]
    pub history_retention_seconds: u64,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct ProjectAnswer {
    pub(in crate::providers::neon) project: Project,
}
