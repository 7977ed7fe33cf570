//! What Neon goes on doing after it has answered.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::providers::lenient::{or_default, words};

words! {
    /// How far an operation is.
    OperationStatus {
        /// It has not begun.
        Scheduling = "scheduling",
        /// It has begun.
        Running = "running",
        /// It is done.
        Finished = "finished",
        /// It did not work; Neon tries again by itself if there is a moment for that.
        Failed = "failed",
        /// It did not work, for good.
        Error = "error",
        /// It is being called off.
        Cancelling = "cancelling",
        /// It was called off.
        Cancelled = "cancelled",
        /// It was not needed: as good as done.
        Skipped = "skipped",
    }
}

/// An operation. Until all operations of a project are over, it takes no other write.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does: an open list of words.
    pub action: String,
    /// How far it is.
    #[serde(default)]
    pub status: OperationStatus,
    /// What went wrong with it.
    pub error: Option<String>,
    /// The id of the branch that it is about.
    pub branch_id: Option<String>,
    /// The id of the compute that it is about.
    pub endpoint_id: Option<String>,
    /// How often it has failed.
    #[serde(default)]
    pub failures_count: u32,
    /// When it is tried again.
    pub retry_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl Operation {
    /// Whether it is done, or was not needed.
    pub fn is_done(&self) -> bool {
        matches!(self.status, OperationStatus::Finished | OperationStatus::Skipped)
    }

    /// Whether it will never be done.
    pub fn has_failed(&self) -> bool {
        match self.status {
            OperationStatus::Error | OperationStatus::Cancelled => true,
            OperationStatus::Failed => self.retry_at.is_none(),
            _ => false,
        }
    }
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct OperationAnswer {
    pub(in crate::providers::neon) operation: Operation,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct OperationsPage {
    pub(in crate::providers::neon) operations: Vec<Operation>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) pagination: Option<LastSeen>,
}

/// Where the next page begins. It is there on the last page as well.
#[derive(Deserialize)]
pub(in crate::providers::neon) struct LastSeen {
    pub(in crate::providers::neon) cursor: String,
}
