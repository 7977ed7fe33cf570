//! Computes.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::operation::Operation;
use crate::providers::lenient::{or_default, words};

words! {
    /// What a compute is for. A branch has one that writes at most.
    EndpointKind {
        /// Reads and writes.
        ReadWrite = "read_write",
        /// Only reads.
        ReadOnly = "read_only",
    }
}

words! {
    /// How a compute is.
    EndpointState {
        /// It has not started yet.
        Init = "init",
        /// It runs.
        Active = "active",
        /// It was suspended, and wakes as soon as somebody connects: as good as running.
        Idle = "idle",
    }
}

/// A compute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Endpoint {
    /// Its id, `ep-…`.
    pub id: String,
    /// The id of its project.
    pub project_id: String,
    /// The id of its branch.
    pub branch_id: String,
    /// The name that somebody gave it.
    pub name: Option<String>,
    /// Where it answers.
    pub host: String,
    /// What it is for.
    #[serde(default, rename = "type")]
    pub kind: EndpointKind,
    /// How it is.
    #[serde(default)]
    pub current_state: EndpointState,
    /// How it is going to be once its operations are done.
    pub pending_state: Option<EndpointState>,
    /// The least compute units, in steps of a quarter.
    pub autoscaling_limit_min_cu: f64,
    /// The most compute units.
    pub autoscaling_limit_max_cu: f64,
    /// After how many seconds without use it is suspended; 0 for Neon's default, -1 for never.
    #[serde(default)]
    pub suspend_timeout_seconds: i64,
    /// Whether nobody may connect.
    #[serde(default)]
    pub disabled: bool,
    /// Its region.
    #[serde(default)]
    pub region_id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Endpoint {
    /// Where its pooler answers: the first label of the host has another ending.
    pub fn pooler_host(&self) -> String {
        match self.host.split_once('.') {
            Some((first, rest)) => format!("{first}-pooler.{rest}"),
            None => format!("{}-pooler", self.host),
        }
    }
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct EndpointAnswer {
    pub(in crate::providers::neon) endpoint: Endpoint,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) operations: Vec<Operation>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct EndpointsAnswer {
    pub(in crate::providers::neon) endpoints: Vec<Endpoint>,
}
