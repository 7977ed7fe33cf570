//! What a source says at one moment.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::AssetError;
use crate::desired::{Completeness, RepoListing};
use crate::resource::RepoName;
use crate::spec::SourceFile;

/// All specs of one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The spec files in the order of their paths. A path is relative, with `/`: to the repository's root for git, and for a
    /// directory as a person would type it.
    pub files: Vec<SourceFile>,
    /// The other files below the root.
    pub assets: Arc<dyn Assets>,
    /// The commit that the files come from; for a directory the one that its work tree is based on, where it is in one.
    pub commit: Option<String>,
    /// Whether these are all specs there are.
    pub completeness: Completeness,
    /// What repositories have that sets of previews are made from, once somebody has asked them.
    pub repos: BTreeMap<RepoName, RepoListing>,
    /// When reading began.
    pub read_at: DateTime<Utc>,
}

impl Snapshot {
    /// The same files, from whose absence nothing may be concluded any more because the source could not be read again.
    #[must_use]
    pub fn outdated(&self, reason: impl Into<String>) -> Self {
        Self { completeness: Completeness::Incomplete { reason: reason.into() }, ..self.clone() }
    }
}

/// Reads files that specs refer to (a fly.toml, local files), and nothing outside of the root.
pub trait Assets: Debug + Send + Sync {
    /// The content of the file `path`, which is relative to the folder of the spec file `beside` (a path of [`Snapshot::files`]).
    ///
    /// Blocks for as long as reading a small local file takes.
    fn read(&self, beside: &Path, path: &str) -> Result<Vec<u8>, AssetError>;
}

/// The answer's completeness, with what was not read as its reason.
pub(super) fn completeness(gaps: &[String]) -> Completeness {
    if gaps.is_empty() { Completeness::Complete } else { Completeness::Incomplete { reason: gaps.join("; ") } }
}
