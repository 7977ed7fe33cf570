//! Specs in a git repository.
//!
//! ```text
//! ls-remote ─> commit ─> known? ─> the snapshot we have
//!                          └ no ─> fetch (shallow) ─> ls-tree ─> cat-file
//! ```
//!
//! The program `git` does the talking, so that the user's own credentials, proxies and keys work. There is never a work tree, so
//! nothing of the repository is ever run: no hooks, no filters, no submodules.

mod address;
mod assets;
mod base;
mod cache;
mod program;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use address::Address;
use assets::GitAssets;
pub use base::at_reference;
use cache::Cache;
use program::Git;
use tree::{Node, Tree};

use super::path::{below_root, with_slashes};
use super::snapshot::completeness;
use super::{MAX_FILE_BYTES, Snapshot, Source, SourceError};
use crate::clock::SharedClock;
use crate::secret::SecretText;
use crate::spec::SourceFile;

/// How long reading the commit of a work tree may take. It reads two small files.
const WORK_TREE_LIMIT: Duration = Duration::from_secs(5);

/// Where in which repository the specs are.
#[derive(Debug, Clone)]
pub struct GitSettings {
    /// Where the repository is fetched from: `https://`, `http://`, `ssh://`, `git://`, `file://`, `user@host:path` or a local path.
    /// Credentials in it are used and never shown, also not in the list of processes.
    pub url: SecretText,
    /// A branch, a tag (a branch wins when both have the name), a full reference (`refs/…`), `HEAD`, or a whole commit id.
    pub reference: String,
    /// The folder of the specs in the repository; `.` for all of it.
    pub path: String,
    /// How often the repository is asked for a new commit.
    pub interval: Duration,
    /// Where local copies are kept, for example `.hangar/git`. Several sources and processes can share it.
    pub cache_dir: PathBuf,
}

/// Reads specs from a git repository.
#[derive(Debug)]
pub struct GitSource {
    address: Address,
    reference: String,
    /// The folder of the specs, with `/` and without `.`; empty for the whole repository.
    folder: String,
    interval: Duration,
    cache: Cache,
    clock: SharedClock,
    /// What was read last. Held while reading, so that one fetch runs at a time.
    last: Mutex<Option<Snapshot>>,
}

impl GitSource {
    /// Checks the settings. Nothing is fetched yet.
    pub fn new(settings: GitSettings, clock: SharedClock) -> Result<Self, SourceError> {
        let address = Address::parse(settings.url.expose())?;
        check_reference(&settings.reference)?;
        let folder = folder(&settings.path)?;
        let cache = Cache::new(&settings.cache_dir, &address, &settings.reference);
        let GitSettings { reference, interval, .. } = settings;
        Ok(Self { address, reference, folder, interval, cache, clock, last: Mutex::new(None) })
    }

    async fn read(&self, commit: &str) -> Result<Snapshot, SourceError> {
        let read_at = self.clock.now();
        let tree = self.cache.tree(commit, &self.folder).await?.ok_or_else(|| SourceError::NoSuchFolder {
            url: self.address.to_string(),
            path: self.folder.clone(),
            commit: commit.to_owned(),
        })?;
        let (wanted, mut gaps) = select(&tree);
        let ids = wanted.iter().map(|(_, id)| id.clone()).collect();
        let mut files = Vec::new();
        for ((path, id), bytes) in wanted.iter().zip(self.cache.blobs(ids).await?) {
            match bytes {
                Some(bytes) => files.push(SourceFile { path: Path::new(&self.folder).join(path), bytes }),
                None => gaps.push(format!("`{path}` (object {id}) is missing in the local copy")),
            }
        }
        let assets = GitAssets::new(self.cache.path().to_owned(), self.folder.clone(), tree);
        Ok(Snapshot {
            files,
            assets: Arc::new(assets),
            commit: Some(commit.to_owned()),
            completeness: completeness(&gaps),
            repos: BTreeMap::new(),
            read_at,
        })
    }
}

#[async_trait::async_trait]
impl Source for GitSource {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        let mut last = self.last.lock().await;
        let asked_at = self.clock.now();
        // Taken before anything can fail: after an error every commit is a change, so that the caller loads again.
        let before = last.take();
        let commit = self.cache.update(&self.address, &self.reference).await?;
        let snapshot = match before.filter(|before| before.commit.as_ref() == Some(&commit)) {
            Some(same) => Snapshot { read_at: asked_at, ..same },
            None => self.read(&commit).await?,
        };
        *last = Some(snapshot.clone());
        Ok(snapshot)
    }

    async fn changed(&self) {
        loop {
            self.clock.sleep(self.interval).await;
            let loaded = self.last.lock().await.as_ref().and_then(|last| last.commit.clone());
            match self.cache.remote_commit(&self.address, &self.reference).await {
                Ok(commit) if Some(&commit) == loaded.as_ref() => {}
                // Also when it cannot be reached: loading then says why.
                _ => return,
            }
        }
    }

    fn describe(&self) -> String {
        let folder = if self.folder.is_empty() { String::new() } else { format!(", folder {}", self.folder) };
        format!("{} at {}{folder}", self.address, self.reference)
    }
}

/// The specs of a tree, with the ids of their contents, and what might hold specs and cannot be read.
fn select(tree: &Tree) -> (Vec<(String, String)>, Vec<String>) {
    let mut wanted = Vec::new();
    let mut gaps = Vec::new();
    for (path, entry) in tree.entries() {
        if path.split('/').any(super::is_skipped_name) {
            continue;
        }
        let is_spec = super::is_spec_name(path);
        match tree.follow(path, entry) {
            Node::File { id, size } if is_spec && size <= MAX_FILE_BYTES => wanted.push((path.to_owned(), id)),
            Node::File { .. } if is_spec => gaps.push(format!("`{path}` is larger than {MAX_FILE_BYTES} bytes")),
            Node::Submodule => gaps.push(format!("`{path}` is a submodule, which is not read")),
            Node::Outside => {
                gaps.push(format!("`{path}` is a symbolic link that leads outside of the folder of the specs"));
            }
            Node::Nothing if is_spec => gaps.push(format!("`{path}` is a symbolic link to nothing that can be read")),
            Node::File { .. } | Node::Folder | Node::Nothing => {}
        }
    }
    gaps.extend(tree.unreadable().iter().map(|path| format!("the name of `{path}` is not UTF-8")));
    (wanted, gaps)
}

/// The commit that the work tree around `folder` is based on; `None` outside of one, and when git does not say.
pub(super) async fn work_tree_commit(folder: &Path) -> Option<String> {
    let git = Git::new().arg("-C").arg(folder).args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
    let output = git.run(WORK_TREE_LIMIT).await.ok().filter(|output| output.success)?;
    let commit = output.text().trim().to_owned();
    is_commit_id(&commit).then_some(commit)
}

/// Whether the text is a whole commit id: SHA-1 or SHA-256 in lower-case hexadecimal.
fn is_commit_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Refuses what git would refuse, or take for something else than a name (the rules of `git check-ref-format`).
fn check_reference(reference: &str) -> Result<(), SourceError> {
    let refused = |reason| Err(SourceError::Setting { field: "ref", reason });
    if reference.is_empty() {
        return refused("is empty; give a branch, a tag or a commit");
    }
    if reference.starts_with('-') {
        return refused("begins with `-`, which no branch or tag does");
    }
    let is_bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let is_bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some();
    let is_bad_text = reference.contains("..") || reference.contains("@{") || reference.ends_with('.');
    if is_bad_text || reference.chars().any(is_bad) || reference.split('/').any(is_bad_part) {
        return refused("is not the name of a branch, a tag or a commit");
    }
    Ok(())
}

fn folder(path: &str) -> Result<String, SourceError> {
    if Path::new(path).components().all(|component| component == std::path::Component::CurDir) {
        return Ok(String::new());
    }
    let below = below_root(Path::new(""), path).ok().and_then(|below| with_slashes(&below));
    let reason = "is not a folder inside of the repository; give it relative to the repository's root";
    below.filter(|below| !below.starts_with('-')).ok_or(SourceError::Setting { field: "path", reason })
}
