//! What people say at GitHub, and what they are shown of what was said.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::feedback::{CheckRun, Status};
use super::hand::RepositoryHand;
use crate::sim::edits::EditError;

/// A comment, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommentView {
    /// Its id; later ones are higher.
    pub id: u64,
    /// The login of whoever wrote it.
    pub author: String,
    /// What it says, in Markdown.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last edited.
    pub updated_at: DateTime<Utc>,
    /// The reactions to it, oldest first: who, and with what (`+1`, `-1`, `confused` …).
    pub reactions: Vec<(String, String)>,
}

/// What is said of a commit in one context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusView {
    /// In which context.
    pub context: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// A short text.
    pub description: Option<String>,
    /// Where more is told.
    pub target_url: Option<String>,
}

/// A deployment, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentView {
    /// Its id; later ones are higher.
    pub id: u64,
    /// Where it went.
    pub environment: String,
    /// Which commit.
    pub sha: String,
    /// What was said of it last; `pending` before anything was.
    pub state: String,
    /// Where it can be looked at; empty if nobody said.
    pub url: String,
    /// Whether the environment is said to go away again.
    pub transient: bool,
}

impl RepositoryHand {
    /// Somebody comments on a pull request; returns the comment's id.
    pub fn comment(&self, number: u64, author: &str, body: &str) -> Result<u64, EditError> {
        self.change(|repo, _, now| {
            let what = format!("pull request {number} of {}", repo.full_name());
            repo.comment(number, author, body, now).ok_or(EditError::NotFound { what })
        })
    }

    /// Somebody says something of a commit in a context: `pending`, `success`, `failure` or `error`.
    pub fn say_status(&self, sha: &str, context: &str, state: &str, login: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let status = Status {
                id: repo.feedback.next_id(),
                sha: sha.to_owned(),
                context: context.to_owned(),
                state: state.to_owned(),
                description: None,
                target_url: None,
                creator: login.to_owned(),
                at: now,
            };
            repo.feedback.statuses.push(status);
            Ok(())
        })
    }

    /// GitHub Actions says how a job stands at a commit: with a conclusion (`success`, `failure`, `skipped` …) once it has ended.
    pub fn check(&self, sha: &str, name: &str, conclusion: Option<&str>) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let is_same = |run: &CheckRun| run.sha == sha && run.name == name;
            let before = repo.feedback.checks.iter().position(is_same).map(|index| repo.feedback.checks.remove(index));
            // A job that has ended and runs again is another run.
            let id = match before {
                Some(CheckRun { id, conclusion: None, .. }) => id,
                _ => repo.feedback.next_id(),
            };
            repo.feedback.checks.push(CheckRun {
                id,
                sha: sha.to_owned(),
                name: name.to_owned(),
                conclusion: conclusion.map(str::to_owned),
                started_at: now,
                completed_at: conclusion.map(|_| now),
            });
            Ok(())
        })
    }

    /// Somebody gives a comment another text.
    pub fn edit_comment(&self, id: u64, body: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let what = format!("comment {id}");
            let comment = repo.feedback.comments.get_mut(&id).ok_or(EditError::NotFound { what })?;
            (comment.body, comment.updated_at) = (body.to_owned(), now);
            Ok(())
        })
    }

    /// Somebody reacts to a comment: `+1`, `-1`, `laugh`, `confused`, `heart`, `hooray`, `rocket` or `eyes`.
    pub fn react(&self, id: u64, author: &str, content: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let what = format!("comment {id}");
            repo.feedback.react(id, author, content, now).map(|_| ()).ok_or(EditError::NotFound { what })
        })
    }

    /// Somebody deletes a comment.
    pub fn delete_comment(&self, id: u64) -> Result<(), EditError> {
        self.change(|repo, _, _| {
            let gone = repo.feedback.comments.remove(&id);
            gone.map(|_| ()).ok_or_else(|| EditError::NotFound { what: format!("comment {id}") })
        })
    }

    /// The comments on a pull request, oldest first.
    pub fn comments(&self, number: u64) -> Vec<CommentView> {
        self.look(|repo| {
            let on_it = repo.feedback.comments.values().filter(|comment| comment.pull == number);
            on_it
                .map(|comment| CommentView {
                    id: comment.id,
                    author: comment.author.clone(),
                    body: comment.body.clone(),
                    created_at: comment.created_at,
                    updated_at: comment.updated_at,
                    reactions: comment.reactions.iter().map(|one| (one.author.clone(), one.content.clone())).collect(),
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// What is said of a commit, the latest of each context.
    pub fn statuses(&self, sha: &str) -> Vec<StatusView> {
        self.look(|repo| {
            let latest = repo.feedback.latest(sha).into_iter();
            latest
                .map(|status| StatusView {
                    context: status.context.clone(),
                    state: status.state.clone(),
                    description: status.description.clone(),
                    target_url: status.target_url.clone(),
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// All deployments, oldest first.
    pub fn deployments(&self) -> Vec<DeploymentView> {
        self.look(|repo| {
            let all = repo.feedback.deployments.values();
            all.map(|one| DeploymentView {
                id: one.id,
                environment: one.environment.clone(),
                sha: one.sha.clone(),
                state: one.state().to_owned(),
                url: one.statuses.last().map(|status| status.environment_url.clone()).unwrap_or_default(),
                transient: one.transient,
            })
            .collect()
        })
        .unwrap_or_default()
    }

    /// The names of all environments. None goes by itself.
    pub fn environments(&self) -> Vec<String> {
        self.look(|repo| repo.feedback.environments.keys().cloned().collect()).unwrap_or_default()
    }
}
