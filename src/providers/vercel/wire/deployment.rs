//! Deployments and their build logs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::lenient::{moment, truthy};
use crate::providers::lenient::or_default;

/// What the commit of a deployment is noted as.
const SHA: &str = "githubCommitSha";

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReadyState {
    /// It waits.
    Queued,
    /// It begins.
    Initializing,
    /// It is being built.
    Building,
    /// It is built. That does not mean that its aliases lead to it.
    Ready,
    /// It failed.
    Error,
    /// It was canceled: by somebody, by a newer one, or because there was nothing to build.
    Canceled,
    /// Somebody of the team has to authorize it first.
    Blocked,
    /// It was deleted.
    Deleted,
    /// A word that is not known.
    #[serde(other)]
    Other,
}

/// The commit that a deployment was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitCommit {
    /// The branch.
    pub branch: Option<String>,
    /// The commit.
    pub sha: Option<String>,
    /// The number of the pull request. Absent if the branch was pushed before it was opened.
    pub pull: Option<u64>,
}

/// The custom environment of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EnvironmentOf {
    /// Its id.
    pub id: String,
    /// What people call it. Absent in some answers.
    #[serde(default)]
    pub slug: Option<String>,
}

/// A deployment in a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRow {
    /// Its id.
    pub uid: String,
    /// The id of its project.
    #[serde(default)]
    pub project_id: String,
    /// Its own host. Absent while its files are being sent.
    #[serde(default)]
    pub url: Option<String>,
    /// Its state.
    pub ready_state: ReadyState,
    /// `production`, `staging`, or `None` for a preview.
    #[serde(default)]
    pub target: Option<String>,
    /// How it came about, such as `git`.
    #[serde(default)]
    pub source: Option<String>,
    /// The custom environment that it is for, if it is for one.
    #[serde(default)]
    pub custom_environment: Option<EnvironmentOf>,
    #[serde(default)]
    ready_substate: Option<String>,
    #[serde(default)]
    is_rollback_candidate: Option<bool>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "or_default")]
    meta: BTreeMap<String, Value>,
}

impl DeploymentRow {
    /// Whether production led to it once, and Vercel can send it back there at once.
    pub fn was_in_production(&self) -> bool {
        let has_seen_it = matches!(self.ready_substate.as_deref(), Some("PROMOTED" | "ROLLING"));
        self.is_rollback_candidate.unwrap_or(has_seen_it)
    }

    /// The commit that it was made of.
    pub fn commit(&self) -> GitCommit {
        commit_of(&self.meta)
    }
}

/// A deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// The id of its project. Absent for those who may not see all of it.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Its own host.
    #[serde(default)]
    pub url: Option<String>,
    /// Its state.
    pub ready_state: ReadyState,
    /// `production`, `staging`, or `None` for a preview.
    #[serde(default)]
    pub target: Option<String>,
    /// How it came about, such as `git`.
    #[serde(default)]
    pub source: Option<String>,
    /// The custom environment that it is for, if it is for one.
    #[serde(default)]
    pub custom_environment: Option<EnvironmentOf>,
    /// The page where people look at it.
    #[serde(default)]
    pub inspector_url: Option<String>,
    /// The hosts that lead to it.
    #[serde(default, deserialize_with = "or_default")]
    pub alias: Vec<String>,
    /// Those of them that Vercel has made up. They cannot be computed: names are shortened.
    #[serde(default, deserialize_with = "or_default")]
    pub automatic_aliases: Vec<String>,
    #[serde(default, deserialize_with = "truthy")]
    alias_assigned: bool,
    #[serde(default)]
    alias_error: Option<AliasError>,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    error_step: Option<String>,
    #[serde(default)]
    ready_state_reason: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    build_skipped: bool,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "or_default")]
    meta: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct AliasError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It goes on by itself.
    UnderWay(ReadyState),
    /// It is built, and its aliases do not lead to it yet.
    Built,
    /// Its aliases lead to it.
    Routed,
    /// It is built, but its aliases cannot be assigned.
    AliasFailed {
        /// Vercel's word for it.
        code: String,
        /// What Vercel says.
        message: String,
    },
    /// Its build failed.
    Failed {
        /// Vercel's word for it, such as `BUILD_FAILED`.
        code: String,
        /// The step that failed, if it is known.
        step: Option<String>,
        /// What Vercel says.
        message: String,
    },
    /// It was canceled; or skipped, because the project says that there was nothing to build.
    Canceled {
        /// Whether it was skipped.
        skipped: bool,
    },
    /// Somebody of the team has to authorize it first.
    Blocked {
        /// What Vercel says.
        message: String,
    },
    /// It was deleted.
    Deleted,
}

impl Deployment {
    /// The commit that it was made of.
    pub fn commit(&self) -> GitCommit {
        commit_of(&self.meta)
    }

    /// The same build, with the commit of another deployment of its branch in the place of its own.
    #[must_use]
    pub fn standing_for(mut self, other: &Self) -> Self {
        self.meta.extend(other.meta.get(SHA).map(|sha| (SHA.to_owned(), sha.clone())));
        self
    }

    /// What is noted beside it under a name.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.meta.get(name).and_then(Value::as_str)
    }

    /// How far it is. `READY` alone is not enough: its aliases have to lead to it.
    pub fn progress(&self) -> Progress {
        let reason = || self.error_message.clone().or_else(|| self.ready_state_reason.clone()).unwrap_or_default();
        match (self.ready_state, &self.alias_error) {
            (ReadyState::Ready, Some(error)) => {
                Progress::AliasFailed { code: error.code.clone(), message: error.message.clone() }
            }
            (ReadyState::Ready, None) if self.alias_assigned => Progress::Routed,
            (ReadyState::Ready, None) => Progress::Built,
            (ReadyState::Error, _) => Progress::Failed {
                code: self.error_code.clone().unwrap_or_default(),
                step: self.error_step.clone(),
                message: reason(),
            },
            (ReadyState::Canceled, _) => Progress::Canceled { skipped: self.build_skipped },
            (ReadyState::Blocked, _) => Progress::Blocked { message: reason() },
            (ReadyState::Deleted, _) => Progress::Deleted,
            (state, _) => Progress::UnderWay(state),
        }
    }
}

fn commit_of(meta: &BTreeMap<String, Value>) -> GitCommit {
    let text = |name: &str| meta.get(name).and_then(Value::as_str).map(str::to_owned);
    GitCommit {
        branch: text("githubCommitRef"),
        sha: text(SHA),
        pull: text("githubPrId").and_then(|number| number.parse().ok()),
    }
}

/// A line of a build log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Option<DateTime<Utc>>,
    /// Whether it is an error.
    pub is_error: bool,
    /// What it says.
    pub text: String,
}

impl LogLine {
    /// The line in an event, if there is one. An older form has it one level deeper.
    pub(in crate::providers::vercel) fn of(event: &Value) -> Option<Self> {
        let kind = event.get("type").and_then(Value::as_str)?;
        if !matches!(kind, "command" | "stdout" | "stderr" | "fatal" | "exit") {
            return None;
        }
        let field = |name: &str| event.get(name).or_else(|| event.get("payload")?.get(name));
        let text = field("text").and_then(Value::as_str)?.trim_end();
        let at = field("date").or_else(|| field("created")).and_then(Value::as_i64);
        let is_error = kind == "fatal" || field("level").and_then(Value::as_str) == Some("error");
        (!text.is_empty()).then(|| Self {
            at: at.and_then(DateTime::from_timestamp_millis),
            is_error,
            text: text.to_owned(),
        })
    }
}
