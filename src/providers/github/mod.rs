//! GitHub: where pull requests and branches come from.

pub mod client;
mod name;
pub mod wire;

pub use name::{RepoName, RepoNameError};
