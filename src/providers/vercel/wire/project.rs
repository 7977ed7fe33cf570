//! Projects, and who asks.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::lenient::moment;
use crate::providers::lenient::or_default;
use crate::secret::SecretText;

/// A project.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the team, or of the user, that has it.
    #[serde(default)]
    pub account_id: String,
    /// The repository that it is connected with. Without one it can have nothing for a branch.
    #[serde(default)]
    pub link: Option<RepoLink>,
    /// Whether it is paused.
    #[serde(default, deserialize_with = "or_default")]
    pub paused: bool,
    /// The environments that it has besides production and previews.
    #[serde(default, deserialize_with = "or_default")]
    pub custom_environments: Vec<CustomEnvironment>,
    /// Whether Vercel sends new builds of production there by itself. A rollback ends that, a promotion begins it anew.
    #[serde(default, rename = "autoAssignCustomDomains")]
    pub auto_assigns: Option<bool>,
    /// Only read for what is said to people: whatever its form is, it is no reason to know nothing of the project.
    #[serde(default)]
    git_provider_options: Value,
    #[serde(default, deserialize_with = "or_default")]
    targets: BTreeMap<String, Option<ProductionTarget>>,
    #[serde(default, deserialize_with = "or_default")]
    protection_bypass: BypassMap,
    /// The last promotion or rollback.
    #[serde(default)]
    pub last_alias_request: Option<AliasRequest>,
}

impl Project {
    /// The deployment that is in production.
    pub fn production(&self) -> Option<&ProductionTarget> {
        self.targets.get("production").and_then(Option::as_ref)
    }

    /// Whether it makes no deployments of what is pushed, because somebody has switched that off.
    pub fn ignores_pushes(&self) -> bool {
        self.git_provider_options.get("createDeployments").and_then(Value::as_str) == Some("disabled")
    }

    /// The secrets that go past its protection.
    pub fn bypass_secrets(&self) -> &[BypassSecret] {
        &self.protection_bypass.0
    }
}

/// An environment besides production and previews.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomEnvironment {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub slug: String,
}

/// The connection with a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoLink {
    /// Where it is, such as `github`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Its owner.
    #[serde(default)]
    pub org: String,
    /// Its name.
    #[serde(default)]
    pub repo: String,
    /// Its number.
    #[serde(default)]
    pub repo_id: Option<u64>,
    /// The branch of production.
    #[serde(default)]
    pub production_branch: String,
    /// Whether the project sees none of its branches.
    #[serde(default)]
    pub sourceless: bool,
}

/// The deployment that a target leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductionTarget {
    /// Its id.
    pub id: String,
    /// Its own host.
    #[serde(default)]
    pub url: String,
    /// The hosts that lead to it.
    #[serde(default, deserialize_with = "or_default")]
    pub alias: Vec<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
}

/// How far a promotion or a rollback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AliasJob {
    /// It has not begun.
    Pending,
    /// It is under way.
    InProgress,
    /// It is done.
    Succeeded,
    /// It failed.
    Failed,
    /// There was nothing to do.
    Skipped,
    /// A word that is not known.
    #[serde(other)]
    Other,
}

/// A promotion or a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasRequest {
    /// `promote` or `rollback`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is.
    pub job_status: AliasJob,
    /// The id of the deployment that was in production before.
    #[serde(default)]
    pub from_deployment_id: Option<String>,
    /// The id of the deployment that goes to production.
    pub to_deployment_id: String,
    /// Since when.
    #[serde(default, deserialize_with = "moment")]
    pub requested_at: Option<DateTime<Utc>>,
}

/// A secret that goes past the protection of a project's deployments.
#[derive(Debug, Clone)]
pub struct BypassSecret {
    /// The secret itself: Vercel shows it to whoever may read the project.
    pub secret: SecretText,
    /// `automation-bypass`, or that of an integration.
    pub scope: String,
    /// What somebody wrote beside it.
    pub note: Option<String>,
    /// Whether builds get it as `VERCEL_AUTOMATION_BYPASS_SECRET`. Of all of a project exactly one is so.
    pub is_env_var: bool,
    /// The id of the user who made it.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
}

/// The secrets, which are the keys of a map on the wire.
#[derive(Debug, Clone, Default)]
struct BypassMap(Vec<BypassSecret>);

impl<'de> Deserialize<'de> for BypassMap {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry {
            #[serde(default)]
            scope: String,
            #[serde(default)]
            note: Option<String>,
            #[serde(default, deserialize_with = "or_default")]
            is_env_var: bool,
            #[serde(default)]
            created_by: Option<String>,
            #[serde(default, deserialize_with = "moment")]
            created_at: Option<DateTime<Utc>>,
        }
        let map = BTreeMap::<String, Entry>::deserialize(input)?;
        let secrets = map.into_iter().map(|(secret, entry)| BypassSecret {
            secret: SecretText::new(secret),
            scope: entry.scope,
            note: entry.note,
            is_env_var: entry.is_env_var,
            created_by: entry.created_by,
            created_at: entry.created_at,
        });
        Ok(Self(secrets.collect()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::providers::vercel) struct BypassAnswer {
    #[serde(default, deserialize_with = "or_default")]
    protection_bypass: BypassMap,
}

impl BypassAnswer {
    pub(in crate::providers::vercel) fn into_secrets(self) -> Vec<BypassSecret> {
        self.protection_bypass.0
    }
}

/// The user whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The id of the team that is meant where none is named.
    #[serde(default)]
    pub default_team_id: Option<String>,
}
