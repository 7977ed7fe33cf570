//! `spec.postgres`: clusters of Fly Managed Postgres, and databases in them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::{DataDeletionPolicy, DeletionPolicy, is_false};

/// What an environment has of Managed Postgres, in its Fly organization. A component of either kind is referred to by
/// `${{ postgres.<component>.uri }}`, `pooledUri`, `host`, `database`, `role`, `password`; no component may be of both.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresSpec {
    /// Clusters of its own, by component name: minutes until they can be used, and a plan each. Default: none.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub clusters: IndexMap<String, PostgresCluster>,
    /// Databases, each with a user of its own, in clusters that others use as well, by component name. Default: none.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub databases: IndexMap<String, PostgresDatabase>,
}

/// One cluster. It is named after the environment and the component, with a digest that says that it is ours.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresCluster {
    /// Take over the cluster of this name, which Hangar has not made. It is never deleted. Only with `adopt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether `name` is taken over. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopt: bool,
    /// Its size: `basic`, `starter`, `launch`, `scale` or `Performance`. Default: `basic`, or that of `forkOf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Where it runs. Default: the region of `fly`, or that of `forkOf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The size of its disk in GB, from 10 to 1000. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 1000))]
    pub disk_gb: Option<u64>,
    /// The major version of Postgres, `"16"` or `"17"`. Default: Fly's, `16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name or id of a cluster of the organization that it begins as a copy of, data and all. Default: it begins empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<String>,
    /// The database that others use; made if it is not there. Default: `fly-db`, which every cluster begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The user that others log in as; made if it is not there. Default: `fly-user`, which every cluster begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Raise it to change the password of that user. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<u32>,
    /// What happens to it once the spec is gone. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::deletion::of_cluster")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// One database with a user of its own. Both are named after the environment and the component, with a digest that says that they are
/// ours.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresDatabase {
    /// Name or id of the cluster that it is made in. Another text here means another database.
    #[schemars(example = &"previews")]
    pub cluster: String,
    /// What its user may do: `schema_admin` (everything), `writer` or `reader`. Default: `schema_admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Raise it to change the password of its user. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<u32>,
    /// What happens to it once the spec is gone: `delete`, `retain`, or `snapshot`, which waits for a backup of the whole cluster first.
    /// Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DataDeletionPolicy>,
}
