//! Pull requests.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// The login that GitHub shows for accounts that are gone.
const GHOST: &str = "ghost";

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Row")]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Its title. Anybody may have written it.
    pub title: String,
    /// The login of whoever opened it; `ghost` if the account is gone.
    pub author: String,
    /// What the author is to the repository: `OWNER`, `MEMBER`, `COLLABORATOR`, `CONTRIBUTOR`, `FIRST_TIME_CONTRIBUTOR`, `NONE` …
    pub author_association: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    /// The names of its labels, as they are spelled in the repository. GitHub compares them without regard to case.
    pub labels: Vec<String>,
    /// What it would merge.
    pub head: Head,
    /// Into what.
    pub base: Base,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When anything about it last changed, comments included.
    pub updated_at: DateTime<Utc>,
    /// When it was closed, unless it is open.
    pub closed_at: Option<DateTime<Utc>>,
    /// Whether it was merged.
    pub merged: bool,
    /// Its page for people.
    pub url: String,
}

/// The newest commit of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The branch, in the repository that it is in: a fork's may have the name of one of ours.
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// The repository that it is in; `None` if that was deleted.
    pub repo_id: Option<u64>,
}

/// What a pull request goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The branch.
    pub branch: String,
    /// The commit of the branch that GitHub compares with.
    pub sha: String,
    /// The repository.
    pub repo_id: u64,
}

impl PullRequest {
    /// Whether what it would merge is in another repository, or in one that is gone.
    pub fn is_fork(&self) -> bool {
        self.head.repo_id != Some(self.base.repo_id)
    }
}

/// The name of a file that a pull request changes, and the one that it had before.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::providers::github) struct ChangedFile {
    pub(in crate::providers::github) filename: String,
    pub(in crate::providers::github) previous_filename: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    number: u64,
    #[serde(default)]
    title: String,
    user: Option<User>,
    #[serde(default)]
    author_association: String,
    #[serde(default)]
    draft: bool,
    state: String,
    #[serde(default)]
    labels: Vec<Label>,
    head: End,
    base: BaseEnd,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    merged_at: Option<DateTime<Utc>>,
    #[serde(default)]
    html_url: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    repo: Option<Id>,
}

#[derive(Deserialize)]
struct BaseEnd {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    repo: Id,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl From<Row> for PullRequest {
    fn from(row: Row) -> Self {
        Self {
            number: row.number,
            title: row.title,
            author: row.user.map_or_else(|| GHOST.to_owned(), |user| user.login),
            author_association: row.author_association,
            draft: row.draft,
            open: row.state == "open",
            labels: row.labels.into_iter().map(|label| label.name).collect(),
            head: Head { branch: row.head.branch, sha: row.head.sha, repo_id: row.head.repo.map(|repo| repo.id) },
            base: Base { branch: row.base.branch, sha: row.base.sha, repo_id: row.base.repo.id },
            created_at: row.created_at,
            updated_at: row.updated_at,
            closed_at: row.closed_at,
            merged: row.merged_at.is_some(),
            url: row.html_url,
        }
    }
}
