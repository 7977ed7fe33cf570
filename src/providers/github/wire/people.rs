//! What people may do, and how they react.

use serde::{Deserialize, Serialize};

/// What somebody may do in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RightsRow")]
pub struct Rights {
    /// Write to it.
    pub write: bool,
}

#[derive(Deserialize)]
struct RightsRow {
    /// `admin`, `write`, `read` or `none`, also for a role of the organization's own.
    permission: String,
}

impl From<RightsRow> for Rights {
    fn from(row: RightsRow) -> Self {
        Self { write: matches!(row.permission.as_str(), "admin" | "maintain" | "write") }
    }
}

/// A reaction to a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reaction {
    /// 👍
    #[serde(rename = "+1")]
    Up,
    /// 👎
    #[serde(rename = "-1")]
    Down,
    /// 😕
    #[serde(rename = "confused")]
    Confused,
}

/// A reaction that somebody has given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "ReactionRow")]
pub struct KnownReaction {
    /// Its id; later ones are higher.
    pub id: u64,
    /// The login of whoever has; `ghost` if the account is gone.
    pub author: String,
}

#[derive(Deserialize)]
struct ReactionRow {
    id: u64,
    user: Option<super::Account>,
}

impl From<ReactionRow> for KnownReaction {
    fn from(row: ReactionRow) -> Self {
        Self { id: row.id, author: row.user.map_or_else(|| "ghost".to_owned(), |user| user.login) }
    }
}
