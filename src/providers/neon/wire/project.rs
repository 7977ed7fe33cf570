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
    /// Who pays for it; not in listings.
    pub owner: Option<ProjectOwner>,
}

/// What the plan of a project's owner is, and allows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProjectOwner {
    /// How many branches a project has: of free plans the most, of others how many are included.
    pub branches_limit: i64,
    /// Such as `free_v3` or `launch_v3`.
    pub subscription_type: String,
}

impl ProjectOwner {
    /// Whether nothing is billed, so that there is nothing beyond the limits.
    pub fn is_free(&self) -> bool {
        self.subscription_type.starts_with("free")
    }
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct ProjectAnswer {
    pub(in crate::providers::neon) project: Project,
}
