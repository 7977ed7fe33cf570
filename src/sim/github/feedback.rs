//! What is said about commits and pull requests: comments, commit statuses, deployments and their environments.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::Repo;

/// All of it, for one repository.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Feedback {
    pub(super) comments: BTreeMap<u64, Comment>,
    /// Oldest first; none is ever changed.
    pub(super) statuses: Vec<Status>,
    /// The newest of each name and commit.
    #[serde(default)]
    pub(super) checks: Vec<CheckRun>,
    pub(super) deployments: BTreeMap<u64, Deployment>,
    /// The names of environments, and since when they are there. None goes by itself.
    pub(super) environments: BTreeMap<String, DateTime<Utc>>,
    last_id: u64,
}

#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Comment {
    pub(super) id: u64,
    pub(super) pull: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    /// Oldest first; each account has at most one of each kind.
    #[serde(default)]
    pub(super) reactions: Vec<Reaction>,
}

#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Reaction {
    pub(super) id: u64,
    pub(super) author: String,
    pub(super) content: String,
    pub(super) at: DateTime<Utc>,
}

/// What is said of a commit in one context.
#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(super) id: u64,
    pub(super) sha: String,
    pub(super) context: String,
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) target_url: Option<String>,
    pub(super) creator: String,
    pub(super) at: DateTime<Utc>,
}

/// What an App, such as that of GitHub Actions, says of a commit.
#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct CheckRun {
    pub(super) id: u64,
    pub(super) sha: String,
    pub(super) name: String,
    /// How it ended, once it has.
    pub(super) conclusion: Option<String>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) completed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(super) id: u64,
    /// As it was named when the deployment was made.
    pub(super) reference: String,
    pub(super) sha: String,
    pub(super) task: String,
    pub(super) environment: String,
    pub(super) description: Option<String>,
    /// As JSON.
    pub(super) payload: String,
    pub(super) transient: bool,
    pub(super) production: bool,
    pub(super) creator: String,
    pub(super) at: DateTime<Utc>,
    pub(super) statuses: Vec<DeploymentStatus>,
}

#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct DeploymentStatus {
    pub(super) id: u64,
    pub(super) state: String,
    pub(super) description: String,
    pub(super) environment_url: String,
    pub(super) log_url: String,
    pub(super) creator: String,
    pub(super) at: DateTime<Utc>,
}

impl Feedback {
    /// Ids rise, so that the older of two things has the lower one.
    pub(super) const fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// The latest status of each context of a commit. Contexts are compared without regard to case.
    pub(super) fn latest(&self, sha: &str) -> Vec<&Status> {
        let mut latest: BTreeMap<String, &Status> = BTreeMap::new();
        for status in self.statuses.iter().filter(|status| status.sha == sha) {
            latest.insert(status.context.to_lowercase(), status);
        }
        latest.into_values().collect()
    }

    /// Adds a reaction to a comment unless the account has reacted like this; returns it, and whether it is new.
    pub(super) fn react(
        &mut self,
        comment: u64,
        author: &str,
        content: &str,
        now: DateTime<Utc>,
    ) -> Option<(Reaction, bool)> {
        let id = self.next_id();
        let comment = self.comments.get_mut(&comment)?;
        let is_it = |one: &&Reaction| one.author == author && one.content == content;
        if let Some(known) = comment.reactions.iter().find(is_it) {
            return Some((known.clone(), false));
        }
        let reaction = Reaction { id, author: author.to_owned(), content: content.to_owned(), at: now };
        comment.reactions.push(reaction.clone());
        Some((reaction, true))
    }

    /// Lets the deployments that `retires` say that they are inactive, unless they do.
    pub(super) fn retire(&mut self, by: &str, now: DateTime<Utc>, retires: impl Fn(&Deployment) -> bool) {
        let ids: Vec<u64> = self.deployments.values().filter(|one| retires(one)).map(|one| one.id).collect();
        for id in ids {
            let status_id = self.next_id();
            let Some(deployment) = self.deployments.get_mut(&id).filter(|one| one.state() != "inactive") else {
                continue;
            };
            deployment.statuses.push(DeploymentStatus {
                id: status_id,
                state: "inactive".to_owned(),
                description: String::new(),
                environment_url: String::new(),
                log_url: String::new(),
                creator: by.to_owned(),
                at: now,
            });
        }
    }
}

impl Deployment {
    /// What was said of it last; `pending` before anything was.
    pub(super) fn state(&self) -> &str {
        self.statuses.last().map_or("pending", |status| &status.state)
    }
}

impl Repo {
    /// Adds a comment to a pull request, which counts as a change of it.
    pub(super) fn comment(&mut self, pull: u64, author: &str, body: &str, now: DateTime<Utc>) -> Option<u64> {
        self.pulls.get_mut(&pull)?.updated_at = now;
        let id = self.feedback.next_id();
        let (author, body) = (author.to_owned(), body.to_owned());
        let comment = Comment { id, pull, author, body, created_at: now, updated_at: now, reactions: Vec::new() };
        self.feedback.comments.insert(id, comment);
        Some(id)
    }
}
