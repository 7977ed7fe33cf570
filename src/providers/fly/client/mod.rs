//! The typed client of the Machines API, one per organization token.
//!
//! [`FlyReader`] has only reads, so that whoever gets nothing else cannot change anything. [`FlyWriter`] adds the writes. Neither
//! decides anything: a refusal comes back as a [`FlyError`] that says what it means, and a write whose outcome is not known is never
//! repeated unless a second time does no harm.

mod error;
mod postgres;
mod problem;
mod reader;
mod request;
mod writer;

pub use error::{Class, FlyError, Place};
pub use postgres::{BackupKind, CreateCluster, Restore, Role};
pub use problem::FlyProblem;
pub use reader::{AppLookup, FlyReader, Listing, WaitOutcome};
pub use request::{
    CreateIp, CreateMachine, CreateVolume, CreatedIp, Deleted, Extended, IpKind, UpdateMachine, UpdateVolume, WaitFor,
};
pub use writer::FlyWriter;

use crate::http::{Connection, Shared, Token};

/// Where the Machines API is, unless a setting says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://api.machines.dev";

/// The cookie that keeps requests about an app on the node that created it.
const AFFINITY_COOKIE: &str = "fly_flaps_affinity";

/// A connection to the Machines API at `base_url` (without `/v1`) with one organization's token.
pub fn connection(base_url: &str, token: Token, shared: Shared) -> Connection {
    Connection { affinity_cookie: Some(AFFINITY_COOKIE), ..Connection::new(base_url, token, shared) }
}

#[cfg(test)]
mod postgres_tests;
#[cfg(test)]
mod tests;
