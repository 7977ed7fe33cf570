//! `spec.neon`: branches of a Neon project.

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::environment::{DataDeletionPolicy, is_false, moment};
use super::text::Text;

/// Branches of one Neon project.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeonSpec {
    /// Id of the Neon project, for example `quiet-sun-123456`.
    #[schemars(example = &"quiet-sun-123456")]
    pub project: String,
    /// The branches by component name. The component name is how other values refer to the branch:
    /// `${{ neon.<component>.uri }}`, `pooledUri`, `host`, `database`, `role`, `password`.
    pub branches: IndexMap<String, NeonBranch>,
}

/// One branch with its endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeonBranch {
    /// Its name at Neon, for example `preview/${{ env.name }}`. Default: the environment's name, a dash, and the component's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name or id of the branch that it is made from. Default: the project's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"staging")]
    pub parent: Option<String>,
    /// Take over the parent's schema and none of its data. Such a branch has no parent, and Neon has a limit of its own for them.
    /// Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub schema_only: bool,
    /// The database that others use. Default: the parent's, where it has one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The role that others use. Default: the parent's, where it has one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Further databases, each made if it is not there, and never removed. They belong to `role`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Further roles, each made if it is not there, and never removed. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The size of its endpoint. Default: the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<NeonCompute>,
    /// Neon refuses to delete or reset it. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// How long after somebody has looked after it Neon deletes it by itself, at most `30d`: a safety net, should Hangar not be there. The
    /// end is moved once a quarter of the time is over. A branch that is protected, retained, adopted or others' parent gets none. Default:
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
    /// Another text or number here resets the branch to the state of its parent; everything in it is lost. A number that is raised, or for
    /// example `${{ head.sha }}`, after each push. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Text>,
    /// Bring the branch back to what it was at a moment of its own past, once for each `backupName`. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<NeonRestore>,
    /// Take over a branch of this name that Hangar has not made. It is never deleted. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopt: bool,
    /// What happens to it once the spec is gone: `delete`, `retain`, or `snapshot`, which leaves the branch without its compute and under
    /// another name, `<name>-before-deletion-<time>`. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DataDeletionPolicy>,
}

/// The moment that a branch was brought back to. What it was until then goes on as a branch of its own, from which it hangs afterwards: that
/// one takes a place among the project's branches, cannot be deleted while this one lives, and is never deleted by Hangar.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeonRestore {
    /// The moment (RFC 3339), not further back than the project keeps its history. Exclusive with `lsn`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "moment")]
    #[schemars(example = &"2026-11-20T10:00:00Z")]
    pub to: Option<DateTime<Utc>>,
    /// The place in its log (LSN). Exclusive with `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0/1E88A40")]
    pub lsn: Option<String>,
    /// The name under which what the branch was goes on; another one for each time that it is restored. A branch that has this name, and from
    /// which this one hangs, says that it was done.
    #[schemars(example = &"main-before-restore")]
    pub backup_name: String,
    /// Let branches that were made from it move to the one that is preserved, as Neon does it. Without it a branch that has some is not
    /// restored. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reparent_children: bool,
}

/// The size of an endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeonCompute {
    /// The least compute units, in steps of a quarter, for example `0.25`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most compute units, for example `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// How long nobody may have connected before it sleeps, from `1m` to `7d`. The free plan does not take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Duration>,
}
