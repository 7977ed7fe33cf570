//! The typed client of GitHub's REST API, one per token.
//!
//! ```text
//! GithubReader ─> list: every page, or an error ─> pages: ETags, redirects, limits ─> ReadClient
//! ```
//!
//! A list is never returned in part: whoever decides by it what to delete must not mistake a missing page for closed pull requests.
//! What has not changed since the last look is answered with 304, which does not count towards the hourly limit.

mod app;
mod error;
mod list;
mod pages;
mod problem;
mod reader;
mod sticky;
mod writer;

pub use app::{AppKey, AppKeyError};
pub use error::{GithubError, Place};
pub use problem::GithubProblem;
pub use reader::GithubReader;
pub use sticky::{Author, Sticky};
pub use writer::{Deleted, GithubWriter, cut};

use crate::http::{Connection, Shared, Token};

/// Where the API is, unless a setting says otherwise. An Enterprise server has it at `https://HOST/api/v3`.
pub const DEFAULT_BASE_URL: &str = "https://api.github.com";

/// What every request carries. GitHub refuses requests without a `User-Agent`.
const HEADERS: [(&str, &str); 3] = [
    ("accept", "application/vnd.github+json"),
    ("user-agent", concat!("hangar/", env!("CARGO_PKG_VERSION"))),
    ("x-github-api-version", "2022-11-28"),
];

/// A connection to the API at `base_url` with one token.
pub fn connection(base_url: &str, token: Token, shared: Shared) -> Connection {
    Connection { headers: HEADERS.to_vec(), ..Connection::new(base_url, token, shared) }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod writer_tests;
