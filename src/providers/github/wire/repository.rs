//! Repositories, branches, commits.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repository {
    /// Its number. Unlike its name it never changes.
    pub id: u64,
    /// `owner/name` as it is now: another one than was asked for, if it was renamed.
    pub full_name: String,
    /// The branch that pull requests go to unless they say otherwise.
    pub default_branch: String,
    /// Whether only some people see it.
    #[serde(default)]
    pub private: bool,
    /// Whether it is read-only for everybody.
    #[serde(default)]
    pub archived: bool,
    /// Its page for people.
    #[serde(rename = "html_url", default)]
    pub url: String,
}

/// A branch and what it points to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "BranchRow")]
pub struct Branch {
    /// Its name, which may contain slashes.
    pub name: String,
    /// The commit that it points to.
    pub sha: String,
}

#[derive(Deserialize)]
struct BranchRow {
    name: String,
    commit: Tip,
}

#[derive(Deserialize)]
struct Tip {
    sha: String,
}

impl From<BranchRow> for Branch {
    fn from(row: BranchRow) -> Self {
        Self { name: row.name, sha: row.commit.sha }
    }
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "CommitRow")]
pub struct Commit {
    /// Its hash, in full.
    pub sha: String,
    /// When it was committed, by the clock of whoever did it; `None` if GitHub does not say.
    pub committed_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct CommitRow {
    sha: String,
    commit: Inner,
}

#[derive(Deserialize)]
struct Inner {
    committer: Option<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    date: Option<DateTime<Utc>>,
}

impl From<CommitRow> for Commit {
    fn from(row: CommitRow) -> Self {
        Self { sha: row.sha, committed_at: row.commit.committer.and_then(|committer| committer.date) }
    }
}
