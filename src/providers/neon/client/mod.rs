//! The typed client of Neon's API, one per key.
//!
//! [`NeonReader`] has only reads, so that whoever gets nothing else cannot change anything. [`NeonWriter`] adds the writes, and the wait
//! for what Neon goes on doing after it has answered: until that is over, the project takes no other write. Neither decides anything: a
//! refusal comes back as a [`NeonError`] that says what it means.

mod error;
mod problem;
mod reader;
mod writer;

pub use error::{Class, NeonError, Place};
pub use problem::NeonProblem;
pub use reader::NeonReader;
pub use writer::{Begun, CreatedBranch, Deleted, NeonWriter};

use std::time::Duration;

use crate::http::{Call, Connection, Rate, Shared, Token};

/// Where the API is, unless a setting says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://console.neon.tech/api/v2";

/// Neon allows a key 700 requests a minute, and 40 at once on one route.
const RATE: Rate = Rate::new(Duration::from_millis(95), 30);

/// The lane in which all requests of a key wait.
const LANE: &str = "ask Neon";

/// Statuses by which Neon promises that nothing was done: the project is busy, or the service is not available.
const HARMLESS: [u16; 2] = [423, 503];

/// A branch of a project, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BranchRef<'a> {
    /// The project's id.
    pub project: &'a str,
    /// The branch's id.
    pub branch: &'a str,
}

/// A connection to the API at `base_url` (with `/api/v2`) with one key.
pub fn connection(base_url: &str, token: Token, shared: Shared) -> Connection {
    Connection::new(base_url, token, shared)
}

/// A call below a project, at the pace that Neon allows.
fn call(action: &'static str, project: &str, below: &[&str]) -> Call {
    let mut segments = vec!["projects", project];
    segments.extend_from_slice(below);
    Call::new(action, project, &segments).rate(RATE).lane(LANE).harmless(&HARMLESS)
}

/// A call below a branch.
fn branch_call(action: &'static str, at: BranchRef<'_>, below: &[&str]) -> Call {
    let mut segments = vec!["branches", at.branch];
    segments.extend_from_slice(below);
    call(action, at.project, &segments)
}

#[cfg(test)]
mod tests;
