//! Whom to tell how a preview is doing.

use chrono::{DateTime, Utc};

use super::facts::Facts;
use super::orders::{Answer, Destroyed};
use crate::resource::RepoName;
use crate::spec::report::GithubReport;

/// Whom to tell how a preview is doing, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The repository.
    pub repo: RepoName,
    /// The number of the pull request; none for a preview of a branch.
    pub pull: Option<u64>,
    /// The commit at its head.
    pub sha: String,
    /// What is to be said.
    pub how: GithubReport,
    /// Whether there is to be a preview of it.
    pub asks: Asks,
    /// What the last commands in its comments are answered.
    pub answers: Vec<Answer>,
    /// Why the last of them was not done, for people.
    pub note: Option<String>,
}

/// Whether something is to have a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// It is.
    Preview,
    /// Not any more: it was closed.
    NoneSince {
        /// When.
        closed_at: DateTime<Utc>,
    },
    /// It is open, and somebody has asked for the end of its preview.
    Destroyed(Destroyed),
    /// It is open, and not selected (any more).
    None,
}

impl Audience {
    /// The audience of what has these facts. Nothing where they name no repository.
    pub(super) fn of(facts: &Facts, how: &GithubReport, asks: Asks) -> Option<Self> {
        Some(Self {
            repo: facts.get("repo.fullName")?.parse().ok()?,
            pull: facts.get("pr.number").and_then(|number| number.parse().ok()),
            sha: facts.get("head.sha")?.to_owned(),
            how: how.clone(),
            asks,
            answers: Vec::new(),
            note: None,
        })
    }
}
