//! One controller per store: a lock beside the database, and files that only their owner can read.
//!
//! The operating system drops the lock when the process ends, however it ends, so there is nothing to clean up. It is not a lock of
//! SQLite, so that a second process can still read history (`hangar status`) while a controller runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Held for as long as the store is open for writing.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock of the store at `path`, or says that somebody else has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock_path = beside(path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        private(&mut options);
        let file = options.open(&lock_path).map_err(|source| StoreError::io(&lock_path, "open", source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::io(&lock_path, "lock", source)),
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Makes an empty file for the database with its final permissions, unless there is one. SQLite gives its `-wal` and `-shm` files the
/// permissions of the database.
///
/// A file that exists is not even opened: closing it would drop the locks that SQLite holds on it in this process
/// (section 2.2 of SQLite's "How To Corrupt An SQLite Database File").
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::io(path, "create", source)),
    }
}

/// Takes the permissions of everybody else from a database that is known to be ours.
#[cfg(unix)]
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|source| StoreError::io(path, "set the permissions of", source))
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

/// Elsewhere the permissions of the folder count.
#[cfg(not(unix))]
pub(super) fn make_private(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(not(unix))]
fn private(_options: &mut OpenOptions) {}
