//! Why specs, or files that they refer to, cannot be read.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is nothing at a path that was given.
    #[error("there is no file or folder `{}`; check the path", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot read `{}`: {source}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A folder holds far more than specs.
    #[error("`{}` holds more than {limit} files and folders; give the folder of the specs instead", .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many are looked at.
        limit: usize,
    },
    /// A setting of a git source makes no sense.
    #[error("the git source's `{field}` {reason}")]
    Setting {
        /// `url`, `ref` or `path`.
        field: &'static str,
        /// What is wrong with it, without its value: that may hold credentials.
        reason: &'static str,
    },
    /// The program `git` cannot be run.
    #[error("cannot run `git`: {source}; install it, or use a directory as source")]
    NoGit {
        /// Why not.
        source: std::io::Error,
    },
    /// The repository cannot be read.
    #[error("cannot {action} {url}: {reason}")]
    Unreachable {
        /// `list the branches of` or `fetch from`.
        action: &'static str,
        /// The repository, without credentials.
        url: String,
        /// What git said, without credentials.
        reason: String,
    },
    /// The repository took too long to answer.
    #[error("cannot {action} {url}: no answer within {}", humantime::format_duration(*.limit))]
    TimedOut {
        /// What was tried.
        action: &'static str,
        /// The repository, without credentials.
        url: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The repository has no such branch, tag or commit.
    #[error("{url} has no branch or tag `{reference}`; give an existing one, or all characters of a commit id")]
    NoSuchReference {
        /// The repository, without credentials.
        url: String,
        /// What was asked for.
        reference: String,
    },
    /// The commit has no such folder.
    #[error("{url} has no folder `{path}` in commit {commit}; check the git source's `path`")]
    NoSuchFolder {
        /// The repository, without credentials.
        url: String,
        /// The folder.
        path: String,
        /// The commit.
        commit: String,
    },
    /// The files are in no repository, or in one that cannot be read.
    #[error("cannot compare `{}` with another commit: {reason}", .path.display())]
    NoRepository {
        /// The path as it was given, or the repository's own folder.
        path: PathBuf,
        /// What git said.
        reason: String,
    },
    /// The repository has no such commit.
    #[error(
        "this repository has no commit `{reference}`. A clone that a workflow has made holds only one commit: fetch the other one first, \
         for example with `git fetch --depth=1 origin main` for `--base FETCH_HEAD`, or check out with `fetch-depth: 0`"
    )]
    NoSuchBase {
        /// What was asked for.
        reference: String,
    },
    /// The local copy of the repository cannot be used.
    #[error("cannot {action} the local copy `{}`: {reason}; it can be removed safely and is then fetched again", .path.display())]
    Cache {
        /// What was tried.
        action: &'static str,
        /// The local copy.
        path: PathBuf,
        /// What git or the file system said.
        reason: String,
    },
    /// The program is ending.
    #[error("reading specs was given up because the program ends")]
    Stopped,
}

/// Why a file that a spec refers to cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// It may not be read.
    #[error("the file `{path}` {reason}")]
    Refused {
        /// The path as it was given.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// It does not exist.
    #[error("there is no file `{path}`; paths are relative to the spec file")]
    Missing {
        /// The path as it was given.
        path: String,
    },
    /// It is larger than [`super::MAX_FILE_BYTES`].
    #[error("the file `{path}` is larger than {limit} bytes")]
    TooLarge {
        /// The path as it was given.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// It exists and cannot be read.
    #[error("cannot read the file `{path}`: {reason}")]
    Unreadable {
        /// The path as it was given.
        path: String,
        /// Why not.
        reason: String,
    },
}

impl SourceError {
    pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::NotFound {
            Self::Missing { path: path.to_owned() }
        } else {
            Self::Unreadable { path: path.to_owned(), source }
        }
    }
}
