//! What is said about commits and pull requests.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "CommentRow")]
pub struct Comment {
    /// Its id; later ones are higher.
    pub id: u64,
    /// The login of whoever wrote it; `ghost` if the account is gone.
    pub author: String,
    /// What it says. Anybody may have written it.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct CommentRow {
    id: u64,
    user: Option<Account>,
    #[serde(default)]
    body: Option<String>,
    created_at: DateTime<Utc>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The name that it goes by; an app's ends in `[bot]`.
    pub login: String,
}

impl From<CommentRow> for Comment {
    fn from(row: CommentRow) -> Self {
        Self {
            id: row.id,
            author: row.user.map_or_else(|| "ghost".to_owned(), |user| user.login),
            body: row.body.unwrap_or_default(),
            created_at: row.created_at,
        }
    }
}

/// What is said of a commit in one context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitStatus {
    /// How it is.
    pub state: StatusState,
    /// In which context; contexts are compared without regard to case.
    pub context: String,
    /// A short text; cut to the 140 characters that GitHub takes.
    pub description: String,
    /// Where more is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

/// What was said of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownStatus {
    /// Its id; later ones are higher.
    pub id: u64,
    /// How it is.
    pub state: StatusState,
    /// In which context.
    pub context: String,
    /// A short text.
    #[serde(default)]
    pub description: Option<String>,
    /// Where more is told.
    #[serde(default)]
    pub target_url: Option<String>,
    /// Who has said it; nothing if the account is gone.
    #[serde(default)]
    pub creator: Option<Account>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// How a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// Not decided yet.
    Pending,
    /// As it should be.
    Success,
    /// Not as it should be.
    Failure,
    /// It could not be found out.
    Error,
}

/// A deployment to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewDeployment {
    /// The commit.
    #[serde(rename = "ref")]
    pub sha: String,
    /// Where it goes. GitHub makes the environment if there is none of this name, and never removes it by itself.
    pub environment: String,
    /// A short text; cut to the 140 characters that GitHub takes.
    pub description: String,
    /// Whether the environment goes away again.
    #[serde(rename = "transient_environment")]
    pub transient: bool,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deployment {
    /// Its id; later ones are higher.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// Where it went.
    pub environment: String,
}

/// What is to be said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewDeploymentStatus {
    /// How it is.
    pub state: DeploymentState,
    /// A short text; cut to the 140 characters that GitHub takes.
    pub description: String,
    /// Where it can be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_url: Option<String>,
    /// Where more is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
}

/// What was said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownDeploymentStatus {
    /// How it is.
    pub state: DeploymentState,
    /// A short text.
    #[serde(default)]
    pub description: String,
    /// Where it can be looked at; empty if nobody said.
    #[serde(default)]
    pub environment_url: Option<String>,
}

/// How a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// It waits.
    Queued,
    /// It is on its way.
    InProgress,
    /// It is there.
    Success,
    /// It did not get there.
    Failure,
    /// It could not be found out.
    Error,
    /// It is not decided yet.
    Pending,
    /// It is gone.
    Inactive,
}
