//! `spec.vercel`: what an environment has in Vercel projects.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::duration::Duration;
use super::environment::is_false;
use super::secret::SecretSource;

/// What an environment has in Vercel projects of one team.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VercelSpec {
    /// Slug of the Vercel team. Default: the token's own scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"acme")]
    pub team: Option<String>,
    /// The projects by component name. The component name is how other values refer to it: `${{ vercel.<component>.url }}`,
    /// `branchUrl`, `deploymentId`, `bypassSecret`, and `domain`, which is known before anything is created.
    pub projects: IndexMap<String, VercelProject>,
}

/// What an environment has in one project.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VercelProject {
    /// Name or id of the project, for example `chat-web`.
    #[schemars(example = &"chat-web")]
    pub project: String,
    /// The git branch, for example `${{ branch.name }}`. It has to be there in the project's repository. Needed unless `target` is
    /// another than `preview`; with a custom environment, the branch whose deployment is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Where variables are for: `preview`, `production`, or the slug of a custom environment. Default: `preview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"preview")]
    pub target: Option<String>,
    /// Environment variables. A text is written encrypted, `{plain: …}` as it is, and `{fromEnv: …}`, `{generate: …}` and the like as
    /// sensitive, which nobody can read back.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, VercelVariable>,
    /// Domains that show the branch's newest deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Hosts that lead to the deployment that `deployment` asks for, and follow it, without being domains of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Which deployment there has to be. Default: whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<VercelDeployment>,
    /// Make a secret by which automation passes the project's protection. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bypass: bool,
    /// What has to be as wanted before anything is changed here: components (`worker`, `neon.main`) and jobs. What its values refer to
    /// need not be named. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["worker", "migrate"]]))]
    pub after: Vec<String>,
    /// Change variables, domains and aliases of these names that Hangar has not made. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopt: bool,
}

/// A variable: a text, or where a secret comes from.
#[derive(Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum VercelVariable {
    /// A text with expressions.
    Text(String),
    /// A text that everybody in the project may read.
    Plain(PlainVariable),
    /// A secret.
    Secret(SecretSource),
}

/// A text that everybody in the project may read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlainVariable {
    /// The text, with expressions; nothing secret may be in it. For example `{plain: "${{ env.name }}"}`.
    pub plain: String,
}

impl fmt::Debug for PlainVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PlainVariable([REDACTED])")
    }
}

/// Where a secret can come from.
const SOURCES: [&str; 4] = ["fromEnv", "fromFile", "value", "generate"];

impl<'de> Deserialize<'de> for VercelVariable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Bool(value) => Ok(Self::Text(value.to_string())),
            Value::Number(value) => Ok(Self::Text(value.to_string())),
            Value::Object(map) if map.contains_key("plain") => {
                if map.get("plain").is_some_and(Value::is_object) {
                    let message =
                        "`plain` holds a text that everybody may read; a secret goes without it: `{fromEnv: …}`";
                    return Err(serde::de::Error::custom(message));
                }
                PlainVariable::deserialize(Value::Object(map)).map(Self::Plain).map_err(serde::de::Error::custom)
            }
            Value::Object(map) if !map.keys().any(|key| SOURCES.contains(&key.as_str())) => {
                let unknown = map.keys().next().map(|key| format!("unknown field `{key}`, ")).unwrap_or_default();
                let known = SOURCES.map(|source| format!("`{source}`")).join(", ");
                Err(serde::de::Error::custom(format!("{unknown}expected one of `plain`, {known}, or a text")))
            }
            other => SecretSource::deserialize(other).map(Self::Secret).map_err(serde::de::Error::custom),
        }
    }
}

impl fmt::Debug for VercelVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Somebody may have written the secret itself here.
            Self::Text(_) => formatter.write_str("Text([REDACTED])"),
            Self::Plain(text) => text.fmt(formatter),
            Self::Secret(source) => formatter.debug_tuple("Secret").field(source).finish(),
        }
    }
}

/// Which deployment there has to be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VercelDeployment {
    /// The commit, for example `${{ head.sha }}`. With the `target` `production` it is the one that is in production: promoted once it is ready,
    /// and gone back to where it is an earlier one. Default: the branch's newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// Who makes it: `git` (Vercel's own integration, at each push) or `hangar`, where that is switched off. Default: `git`.
    #[serde(default)]
    pub by: DeployedBy,
    /// How long it may take to be ready. Default: `15m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Who makes deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeployedBy {
    /// Vercel's git integration.
    #[default]
    Git,
    /// Hangar.
    Hangar,
}
