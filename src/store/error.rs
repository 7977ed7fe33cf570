//! Why a store cannot be used.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// What is wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another controller uses the same store.
    #[error(
        "the store `{}` is in use by another controller; stop that one, or give this one a store of its own (`store.path`)",
        .path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// Another program holds the database.
    #[error(
        "the store `{}` is locked by another program, perhaps a database tool or a backup; end it and try again",
        .path.display()
    )]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// There is no store.
    #[error("there is no store `{}` yet; a controller makes one when it first runs", .path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("the file `{}` is not a store of Hangar; it is left as it is: give another path (`store.path`)", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of Hangar wrote it.
    #[error(
        "the store `{}` has version {found}, and this version of Hangar knows up to {known}; use the newer Hangar, or another store",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// An older version of Hangar wrote it, and it was opened only for reading.
    #[error(
        "the store `{}` has version {found}, and this version of Hangar needs {known}; start the controller once to bring it up to date",
        .path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is needed.
        known: u32,
    },
    /// What it holds makes no sense.
    #[error(
        "the store `{}` is damaged: {reason}; move the file away and start again: history is lost, and nothing is deleted until the \
         quarantine of a new store is over",
        .path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// It was opened for reading, and something was to be written.
    #[error("the store `{}` was opened only for reading; cannot {action}", .path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What was to be done.
        action: &'static str,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("cannot {action} in the store `{}`: {source}", .path.display())]
    Database {
        /// What was to be done.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write {what} as JSON: {source}; this is a fault of Hangar, please report it")]
    Encode {
        /// Which value.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Sorts an error of the database that came up while doing `action`.
    pub(super) fn database(path: &Path, action: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::NotOurs { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason: source.to_string() },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path, action },
            _ => Self::Database { action, path, source },
        }
    }

    pub(super) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}
