//! Files that specs in a directory refer to.

use std::path::Path;
use std::sync::Arc;

use super::read_limited;
use super::scan::Root;
use crate::source::path::{below_root, refuse_closed};
use crate::source::{AssetError, Assets, MAX_FILE_BYTES};

/// Reads files below the roots of a [`super::DirectorySource`], as they are when they are asked for.
#[derive(Debug)]
pub(super) struct DirectoryAssets {
    roots: Arc<[Root]>,
}

impl DirectoryAssets {
    pub(super) fn new(roots: Arc<[Root]>) -> Self {
        Self { roots }
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
