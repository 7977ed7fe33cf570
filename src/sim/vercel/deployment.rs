//! A deployment, and how it moves with time: its state is a function of the moment, so nothing has to be scheduled.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::access::VercelTimes;
use crate::sim::world::schedule::after;

/// How a build ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VercelBuild {
    /// It is ready, and its aliases lead to it.
    Ready,
    /// It fails.
    Fails {
        /// The code, such as `BUILD_FAILED`.
        code: String,
        /// What is said about it.
        message: String,
        /// The step, such as `buildStep`.
        step: String,
    },
    /// It is ready, but its aliases cannot be assigned.
    AliasFails {
        /// The code, such as `cert_missing`.
        code: String,
        /// What is said about it.
        message: String,
    },
    /// The ignored build step says that there is nothing to build: it is canceled. It counts as a deployment all the same.
    Skipped,
    /// Somebody of the team has to authorize it first.
    Blocked,
}

impl VercelBuild {
    /// The usual failure.
    pub fn failed() -> Self {
        Self::Fails {
            code: "BUILD_FAILED".to_owned(),
            message: "Command \"npm run build\" exited with 1".to_owned(),
            step: "buildStep".to_owned(),
        }
    }
}

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ReadyState {
    Queued,
    Initializing,
    Building,
    Ready,
    Error,
    Canceled,
    Blocked,
    Deleted,
}

impl ReadyState {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Initializing => "INITIALIZING",
            Self::Building => "BUILDING",
            Self::Ready => "READY",
            Self::Error => "ERROR",
            Self::Canceled => "CANCELED",
            Self::Blocked => "BLOCKED",
            Self::Deleted => "DELETED",
        }
    }

    /// Whether it can still become ready by itself.
    pub(super) const fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Initializing | Self::Building)
    }
}

/// The commit that a deployment is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) repo_id: u64,
    pub(super) org: String,
    pub(super) repo: String,
    pub(super) branch: String,
    pub(super) sha: String,
    pub(super) message: String,
    pub(super) author: String,
    pub(super) pull: Option<u64>,
}

/// A deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) host: String,
    /// Counts the deployments of a project; those of one moment are told apart by it.
    pub(super) number: u64,
    /// `git`, `redeploy`, `api-trigger-git-deploy`, `cli`.
    pub(super) source: String,
    /// `production`, or `None` for a preview.
    pub(super) target: Option<String>,
    /// The id of the custom environment that it is for.
    #[serde(default)]
    pub(super) environment: Option<String>,
    pub(super) creator: String,
    pub(super) git: Option<Source>,
    pub(super) meta: BTreeMap<String, String>,
    pub(super) build: VercelBuild,
    /// The values of its variables, as they were when it was made.
    pub(super) env: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) initializing_at: DateTime<Utc>,
    pub(super) building_at: DateTime<Utc>,
    /// When its build ends, however.
    pub(super) ended_at: DateTime<Utc>,
    pub(super) aliased_at: DateTime<Utc>,
    pub(super) canceled_at: Option<DateTime<Utc>>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
    /// Whether production domains go to it by themselves.
    pub(super) assigns_domains: bool,
}

/// What a new deployment is made of.
pub(super) struct NewDeployment {
    pub(super) source: &'static str,
    pub(super) target: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) creator: String,
    pub(super) git: Option<Source>,
    pub(super) meta: BTreeMap<String, String>,
}

impl Deployment {
    /// Lets it begin at `at`.
    pub(super) fn begin(&mut self, at: DateTime<Utc>, times: &VercelTimes) {
        self.initializing_at = after(at, times.queue);
        self.building_at = after(self.initializing_at, times.initialize);
        self.ended_at = after(self.building_at, times.build);
        self.aliased_at = after(self.ended_at, times.alias);
    }

    pub(super) fn state(&self, now: DateTime<Utc>) -> ReadyState {
        if self.deleted_at.is_some_and(|at| at <= now) {
            return ReadyState::Deleted;
        }
        if self.canceled_at.is_some_and(|at| at <= now) {
            return ReadyState::Canceled;
        }
        if self.build == VercelBuild::Blocked {
            return ReadyState::Blocked;
        }
        match now {
            now if now < self.initializing_at => ReadyState::Queued,
            now if now < self.building_at => ReadyState::Initializing,
            _ if self.build == VercelBuild::Skipped => ReadyState::Canceled,
            now if now < self.ended_at => ReadyState::Building,
            _ if matches!(self.build, VercelBuild::Fails { .. }) => ReadyState::Error,
            _ => ReadyState::Ready,
        }
    }

    /// Whether its aliases lead to it, as far as it has any.
    pub(super) fn is_routed(&self, now: DateTime<Utc>) -> bool {
        self.was_routed(now) && self.state(now) == ReadyState::Ready
    }

    /// The same, also if it was deleted since.
    pub(super) fn was_routed(&self, now: DateTime<Utc>) -> bool {
        self.canceled_at.is_none() && self.build == VercelBuild::Ready && self.aliased_at <= now
    }

    pub(super) fn branch(&self) -> Option<&str> {
        self.git.as_ref().map(|git| git.branch.as_str())
    }

    pub(super) fn is_production(&self) -> bool {
        self.target.as_deref() == Some("production")
    }
}
