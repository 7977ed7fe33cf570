//! Files that specs in a repository refer to.

use std::path::{Path, PathBuf};

use super::cache::in_repository;
use super::program::{Output, RunError};
use super::tree::{Node, Tree};
use crate::source::path::{below_root, with_slashes};
use crate::source::{AssetError, Assets, MAX_FILE_BYTES};

/// Reads files of one commit from the local copy.
#[derive(Debug)]
pub(super) struct GitAssets {
    repository: PathBuf,
    /// The folder of the specs in the repository; empty for all of it.
    folder: String,
    tree: Tree,
}

impl GitAssets {
    pub(super) fn new(repository: PathBuf, folder: String, tree: Tree) -> Self {
        Self { repository, folder, tree }
    }
}

impl Assets for GitAssets {
    fn read(&self, beside: &Path, path: &str) -> Result<Vec<u8>, AssetError> {
        let refused = |reason| AssetError::Refused { path: path.to_owned(), reason };
        let unreadable = |reason: String| AssetError::Unreadable { path: path.to_owned(), reason };
        let beside = beside.strip_prefix(&self.folder);
        let beside = beside.map_err(|_outside| refused("is asked for by a file that is not a spec of this source"))?;
        let below = with_slashes(&below_root(beside, path)?).ok_or_else(|| refused("has a name that is not UTF-8"))?;
        let id = match self.tree.find(&below) {
            Node::File { id, size } if size <= MAX_FILE_BYTES => id,
            Node::File { .. } => return Err(AssetError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES }),
            Node::Folder => return Err(refused("is a folder; give a file")),
            Node::Submodule => return Err(refused("is a submodule, which is not read")),
            Node::Outside => return Err(refused("is a symbolic link that leads outside of the folder of the specs")),
            Node::Nothing => return Err(AssetError::Missing { path: path.to_owned() }),
        };
        match in_repository(&self.repository).args(["cat-file", "blob", &id]).run_blocking() {
            Ok(Output { success: true, stdout, .. }) => Ok(stdout),
            Ok(output) => Err(unreadable(output.complaint())),
            Err(RunError::Io(error)) => Err(unreadable(format!("cannot run `git`: {error}"))),
            Err(RunError::TimedOut | RunError::Stopped) => Err(unreadable("git was stopped".to_owned())),
        }
    }
}
