//! Aliases: hosts that lead to a deployment.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::lenient::moment;

/// A host that leads to a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// Its id.
    pub uid: String,
    /// The host.
    pub alias: String,
    /// The id of the deployment, where the answer says it.
    #[serde(default)]
    pub deployment_id: Option<String>,
    /// The id of the project, where the answer says it.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Since when.
    #[serde(default, rename = "created", deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
}

/// What came of assigning an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedAlias {
    /// The host.
    pub alias: String,
    /// The id of the deployment that it led to before, if it did.
    pub moved_from: Option<String>,
    /// Whether it led there already.
    pub was_there: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::providers::vercel) struct AssignedAnswer {
    #[serde(default)]
    pub(in crate::providers::vercel) old_deployment_id: Option<String>,
}
