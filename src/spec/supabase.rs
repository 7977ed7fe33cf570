//! `spec.supabase`: preview branches of a Supabase project, and how to connect to projects that are there.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::{DeletionPolicy, is_false};
use super::secret::SecretSource;

/// Preview branches of one Supabase project, each of which is a project of its own, with a database, keys, and compute that is paid for;
/// and projects that others use as they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupabaseSpec {
    /// The reference of the project that branches are made of: 20 lower-case letters, as its address has them.
    /// Only with `branches`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"abcdefghijklmnopqrst")]
    pub project: Option<String>,
    /// The branches by component name. The component name is how other values refer to the branch: `${{ supabase.<component>.uri }}`,
    /// `pooledUri`, `host`, `database`, `role`, `password`, `url`, `anonKey`, `serviceKey`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub branches: IndexMap<String, SupabaseBranch>,
    /// Projects that are there, by component name: they are neither asked for nor changed, and give `${{ supabase.<component>.uri }}`,
    /// `pooledUri`, `host`, `database`, `role`, `password`, `url` and `project`. No component may be of both.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub projects: IndexMap<String, SupabaseProject>,
}

/// A project that is there. Supabase tells nobody the password of its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupabaseProject {
    /// Its reference.
    #[schemars(example = &"abcdefghijklmnopqrst")]
    pub project: String,
    /// Where the password of its database comes from, for example `{fromEnv: SUPABASE_DB_PASSWORD}`.
    pub password: SecretSource,
    /// The host of its pooler, as its dashboard shows it. Default: there is no `pooledUri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"aws-0-us-east-1.pooler.supabase.com")]
    pub pooler: Option<String>,
}

/// One branch. It is named after the environment and the component, with a digest that says that it is ours.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupabaseBranch {
    /// Take over the branch of this name, which Hangar has not made: the GitHub integration names them after the branch in git. It is
    /// never deleted. Only with `adopt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether `name` is taken over. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopt: bool,
    /// The branch in git that it follows, for its migrations. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"${{ branch.name }}")]
    pub git_branch: Option<String>,
    /// Whether it neither pauses when nobody uses it nor goes with its pull request. Default: as it is, and `false` of a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Where it runs, for example `us-east-1`; only when it is made. Default: where the project is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The size of its compute, for example `micro`; only when it is made. Default: Supabase's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Whether it begins with the project's rows, and not only with its schema. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub with_data: bool,
    /// What happens to it once the spec is gone: `delete` or `retain`. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::deletion::of_supabase")]
    pub deletion_policy: Option<DeletionPolicy>,
}
