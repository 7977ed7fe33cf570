//! Files that specs in a directory refer to.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::read_limited;
use super::scan::{Root, Stamp};
use crate::source::path::{below_root, refuse_closed};
use crate::source::{AssetError, Assets, MAX_FILE_BYTES};

/// Reads files below the roots of a [`super::DirectorySource`], as they are when they are asked for.
#[derive(Debug)]
pub(super) struct DirectoryAssets {
    roots: Arc<[Root]>,
    asked: Arc<Asked>,
}

/// The files that specs have asked for since these were read last, as they were then; nothing where one was not there. Only they
/// matter besides the specs: logs, databases and notes may lie beside them.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<BTreeMap<PathBuf, Option<Stamp>>>);

impl Asked {
    /// Forgets all, because the specs are read anew.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Whether a file of this name was asked for in any folder.
    pub(super) fn has_name(&self, name: &OsStr) -> bool {
        self.lock().keys().any(|path| path.file_name() == Some(name))
    }

    /// Whether any of the files is not as it was when it was asked for, or when this was called last.
    pub(super) fn differ(&self) -> bool {
        let mut differ = false;
        for (path, stamp) in self.lock().iter_mut() {
            let now = Stamp::at(path);
            differ |= *stamp != now;
            *stamp = now;
        }
        differ
    }

    fn note(&self, path: PathBuf) {
        let stamp = Stamp::at(&path);
        self.lock().entry(path).or_insert(stamp);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Option<Stamp>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DirectoryAssets {
    pub(super) fn new(roots: Arc<[Root]>, asked: Arc<Asked>) -> Self {
        Self { roots, asked }
    }

    /// The root that the spec file is below, and its path below it. The innermost root of several.
    fn root_of<'a>(&'a self, file: &'a Path) -> Option<(&'a Root, &'a Path)> {
        let roots = self.roots.iter().filter_map(|root| Some((root, file.strip_prefix(&root.shown).ok()?)));
        roots.min_by_key(|(_, below)| below.components().count())
    }
}

impl Assets for DirectoryAssets {
    fn read(&self, beside: &Path, path: &str) -> Result<Vec<u8>, AssetError> {
        let refused = |reason| AssetError::Refused { path: path.to_owned(), reason };
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                AssetError::Missing { path: path.to_owned() }
            }
            _ => AssetError::Unreadable { path: path.to_owned(), reason: error.to_string() },
        };
        let (root, beside) =
            self.root_of(beside).ok_or_else(|| refused("is asked for by a file that is not a spec of this source"))?;
        let below = below_root(beside, path)?;
        let real_root = std::fs::canonicalize(&root.folder).map_err(failed)?;
        // Before it is read: what changes in between counts as a change.
        self.asked.note(real_root.join(&below));
        let real = std::fs::canonicalize(real_root.join(below)).map_err(failed)?;
        let below = real.strip_prefix(&real_root);
        let below =
            below.map_err(|_outside| refused("is a symbolic link that leads outside of the folder of the specs"))?;
        refuse_closed(below, path)?;
        // Anything else (a pipe, a device) could block for ever.
        if !std::fs::metadata(&real).map_err(failed)?.is_file() {
            return Err(refused("is not a regular file"));
        }
        let bytes = read_limited(&real).map_err(failed)?;
        bytes.ok_or_else(|| AssetError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES })
    }
}
