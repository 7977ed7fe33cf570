//! The point at which everything ends.

use serde::{Deserialize, Serialize};

/// Where in a request everything ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashPoint {
    /// Before it has an effect.
    BeforeEffect,
    /// After it had its effect, before the reply.
    BeforeReply,
}

/// A moment from which on no request gets through: the caller is taken for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KillPoint {
    pub(crate) remaining: u32,
    pub(crate) writes_only: bool,
    pub(crate) point: CrashPoint,
}
