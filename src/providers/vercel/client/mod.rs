//! The typed client of Vercel's REST API, one per token and team.
//!
//! [`VercelReader`] has only reads, so that whoever gets nothing else cannot change anything. [`VercelWriter`] adds the writes. Every call
//! names the team: a call that names none is about the user's own account, where nothing is. The variables, domains and secrets of a
//! project are one document at Vercel, which two requests cannot write at the same time; so the writer lets them wait for each other.

mod error;
mod list;
mod problem;
mod reader;
mod request;
mod writer;

pub use error::{Class, Place, VercelError};
pub use problem::VercelProblem;
pub use reader::{DeploymentFilter, VercelReader};
pub use request::{
    Added, Deleted, DeployedTo, DomainChange, GitSource, NewDeployment, NewDomain, NewVariable, Target, VariableChange,
    VercelScope,
};
pub use writer::VercelWriter;

use crate::http::{Connection, Shared, Token};

/// Where the API is, unless a setting says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://api.vercel.com";

/// What every request carries.
const HEADERS: [(&str, &str); 1] = [("user-agent", concat!("hangar/", env!("CARGO_PKG_VERSION")))];

/// A connection to the API at `base_url` with one token.
pub fn connection(base_url: &str, token: Token, shared: Shared) -> Connection {
    Connection { headers: HEADERS.to_vec(), ..Connection::new(base_url, token, shared) }
}

#[cfg(test)]
mod tests;
