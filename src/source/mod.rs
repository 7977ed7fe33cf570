//! Where specs come from: a directory that is watched, or a git repository that is fetched at intervals.
//!
//! A source answers with a [`Snapshot`]: all spec files of one moment, and whether they are all there are. What is below the root and
//! might hold specs but was not read makes the answer incomplete, because from a missing spec follows a removed environment.

mod directory;
mod error;
mod git;
mod path;
mod settled;
mod snapshot;

use std::fmt::Debug;
use std::sync::Arc;

pub use directory::DirectorySource;
pub use error::{AssetError, SourceError};
pub use git::{GitSettings, GitSource, at_reference};
pub use settled::WithController;
pub use snapshot::{Assets, Snapshot};

/// Largest file that is read from a source, in bytes. A spec has some kB; far larger files are refused by the spec room with a better
/// message, and this limit only keeps memory bounded.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Gives specs.
#[async_trait::async_trait]
pub trait Source: Debug + Send + Sync {
    /// Reads all specs as they are now. After an error the caller keeps the snapshot it has, marked with [`Snapshot::outdated`].
    async fn load(&self) -> Result<Snapshot, SourceError>;

    /// Returns when something may have changed since the last [`load`](Self::load). Only a hint: it carries no data, may come
    /// without a change, and does not replace loading from time to time.
    async fn changed(&self);

    /// What it is, for people. Credentials are not shown.
    fn describe(&self) -> String;
}

/// A source that is shared by everything in one run.
pub type SharedSource = Arc<dyn Source>;

/// Whether a file is read as a spec, by its name: `*.yaml` and `*.yml`.
fn is_spec_name(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Whether a file or folder below the root is passed over, by its name: hidden ones (`.git` and `.hangar` among them), and where
/// package managers and compilers put what is not written by people.
fn is_skipped_name(name: &str) -> bool {
    name.starts_with('.') || name == "node_modules" || name == "target"
}
