//! Kind `Environment`: a named set of resources that live and die together.

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::duration::Duration;
use super::fly::FlySpec;
use super::job::Job;
use super::neon::NeonSpec;
use super::postgres::PostgresSpec;
use super::report::ReportSpec;
use super::supabase::SupabaseSpec;
use super::text::{StringList, Text};
use super::vercel::VercelSpec;

/// What an environment is made of, how long it lives and how far Hangar may go with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// How much the environment matters. `production` implies `protect: true`. Default: `preview`.
    #[serde(default)]
    pub class: Class,
    /// What Hangar may do here: `full`, `noDelete` (creates and updates), `createOnly` (changes nothing that exists) or
    /// `observe` (only reports). Default: `full`.
    #[serde(default)]
    pub level: Level,
    /// Never delete anything of this environment, even when its spec is gone. Default: `false`, and `true` for class `production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
    /// What happens to the resources once the spec is gone: `delete` them, or `retain` them. Default: `delete`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Leave the environment exactly as it is until this is `false` again. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pause: bool,
    /// How long the environment may live. Exclusive with `expiresAt`. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// The moment (RFC 3339) from which the environment is torn down. Exclusive with `ttl`. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "moment")]
    #[schemars(example = &"2026-12-01T00:00:00Z")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Conditions that must hold before anything is changed.
    #[serde(default, skip_serializing_if = "Requires::is_empty")]
    pub requires: Requires,
    /// Values of your own, for use as `${{ params.key }}` in this environment. Numbers and booleans become strings.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, Text>,
    /// What runs on Fly.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fly: Option<FlySpec>,
    /// Branches of a Neon project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neon: Option<NeonSpec>,
    /// Clusters and databases of Fly Managed Postgres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresSpec>,
    /// Preview branches of a Supabase project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supabase: Option<SupabaseSpec>,
    /// What there is in Vercel projects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vercel: Option<VercelSpec>,
    /// Commands that run to their end while the environment is brought about, by name: migrations, seeds, smoke tests. Default: none.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub jobs: IndexMap<String, Job>,
    /// Commands that are run, one after the other, before anything of the environment is deleted. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub finalizers: Vec<Finalizer>,
    /// Where others are told how it is doing. Only in the template of a `PreviewSet`. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportSpec>,
}

impl EnvironmentSpec {
    /// Whether nothing of this environment may be deleted: stated, or by its class.
    pub fn is_protected(&self) -> bool {
        self.protect.unwrap_or(self.class == Class::Production)
    }

    /// What a job can come before or after, by the names that specs use: components and jobs.
    pub fn parts(&self) -> Vec<String> {
        let apps = self.fly.iter().flat_map(|fly| fly.apps.keys()).cloned();
        let neon = self.neon.iter().flat_map(|neon| neon.branches.keys()).map(|name| format!("neon.{name}"));
        let postgres = self.postgres.iter().flat_map(|all| all.clusters.keys().chain(all.databases.keys()));
        let postgres = postgres.map(|name| format!("postgres.{name}"));
        let supabase = self.supabase.iter().flat_map(|all| all.branches.keys().chain(all.projects.keys()));
        let supabase = supabase.map(|name| format!("supabase.{name}"));
        let vercel = self.vercel.iter().flat_map(|vercel| vercel.projects.keys()).map(|name| format!("vercel.{name}"));
        apps.chain(neon).chain(postgres).chain(supabase).chain(vercel).chain(self.jobs.keys().cloned()).collect()
    }
}

/// How much an environment matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Short-lived, for one change under review.
    #[default]
    Preview,
    /// Long-lived, shared by a team.
    Staging,
    /// Serves customers; protected from deletion unless stated otherwise.
    Production,
}

/// How far Hangar may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Creates, updates and deletes.
    #[default]
    Full,
    /// Creates and updates.
    NoDelete,
    /// Creates what is missing and changes nothing that exists.
    CreateOnly,
    /// Only reports.
    Observe,
}

/// What happens to a resource once no spec asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeletionPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, and Hangar forgets it.
    Retain,
}

/// What happens to something that holds data, once no spec asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DataDeletionPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, and Hangar forgets it.
    Retain,
    /// It is deleted once what is in it has been put aside.
    Snapshot,
}

/// Limits of an environment's life.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ttl {
    /// Time since the environment was created after which it is torn down, for example `14d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
}

/// A command that is run before anything of its environment is deleted, for example to dump a database or to tell somebody.
///
/// It runs in a machine of its own beside the component's machines, with their image, size, environment, files and secrets, and
/// without their services, checks and volumes. Whether it works or not, the deletion goes on when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finalizer {
    /// Its name, for example `dump`.
    #[schemars(example = &"dump")]
    pub name: String,
    /// The component in whose app it is run.
    pub component: String,
    /// The command, as a list or as a string that is split like a shell does, for example `bin/dump --to s3`. It takes the place of the
    /// component's command; an entrypoint stays.
    pub command: StringList,
    /// How long it may take, from `1s` to `24h`. Then the deletion goes on without it. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Gates: conditions that must hold before anything is changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requires {
    /// A person must approve every plan first. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub approval: bool,
    /// Names of environments that must have converged first, for example `[staging]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Checks at GitHub that must have succeeded at a commit first. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<RequiredChecks>,
}

impl Requires {
    /// Whether there is no gate at all.
    pub fn is_empty(&self) -> bool {
        !self.approval && self.environments.is_empty() && self.checks.is_none()
    }
}

/// What must have succeeded at a commit: jobs of GitHub Actions, checks of Apps, or commit statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredChecks {
    /// Their names, as a pull request shows them: of check runs (a job of GitHub Actions is one), or contexts of commit statuses.
    #[schemars(length(min = 1, max = 20), extend("examples" = [["test", "build"]]))]
    pub names: Vec<String>,
    /// The repository, as `owner/name`. Default: in the template of a `PreviewSet` that of the pull request or branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"acme/chat")]
    pub repo: Option<String>,
    /// The commit: its whole hash. Default: in the template of a `PreviewSet` the newest one of the pull request or branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"${{ params.sha }}")]
    pub commit: Option<Text>,
}

pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    DateTime::parse_from_rfc3339(&text).map(|moment| Some(moment.to_utc())).map_err(|error| {
        D::Error::custom(format!("`{text}` is not a moment ({error})\nmoments look like `2026-12-01T00:00:00Z`"))
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}
