//! The specs of a work tree as they were at another commit of its repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::assets::GitAssets;
use super::cache::Cache;
use super::program::{Git, Output, RunError};
use super::tree::Tree;
use super::{is_commit_id, select};
use crate::clock::SharedClock;
use crate::source::snapshot::completeness;
use crate::source::{AssetError, Assets, Snapshot, SourceError};
use crate::spec::SourceFile;

/// How long a question to the repository may take. It is on this machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What the files and folders `paths` of a work tree held at the commit that `reference` names, under the paths that they have there
/// now. What was not there yet is not in it. Nothing is fetched.
pub async fn at_reference(paths: &[PathBuf], reference: &str, clock: &SharedClock) -> Result<Snapshot, SourceError> {
    let read_at = clock.now();
    let (mut files, mut gaps, mut assets, mut commit) = (BTreeMap::new(), Vec::new(), Vec::new(), None);
    for path in paths {
        let place = Place::find(path, reference).await?;
        let Some(tree) = place.repository.tree(&place.commit, &place.folder).await.map_err(|error| place.own(error))?
        else {
            commit = Some(place.commit);
            continue;
        };
        let (mut wanted, mut missed) = select(&tree);
        if let Some(file) = &place.file {
            wanted.retain(|(path, _)| path == file);
            missed.clear();
        }
        let ids = wanted.iter().map(|(_, id)| id.clone()).collect();
        let contents = place.repository.blobs(ids).await.map_err(|error| place.own(error))?;
        for ((below, id), bytes) in wanted.iter().zip(contents) {
            match bytes {
                Some(bytes) => drop(files.insert(place.shown.join(below), bytes)),
                None => missed.push(format!("`{below}` (object {id}) is missing in the repository")),
            }
        }
        gaps.append(&mut missed);
        assets.push((place.shown.clone(), place.assets(tree)));
        commit = Some(place.commit);
    }
    Ok(Snapshot {
        files: files.into_iter().map(|(path, bytes)| SourceFile { path, bytes }).collect(),
        assets: Arc::new(BaseAssets(assets)),
        commit,
        completeness: completeness(&gaps),
        repos: BTreeMap::new(),
        read_at,
    })
}

/// Where a path is in its repository, at a commit.
struct Place {
    repository: Cache,
    git_dir: PathBuf,
    commit: String,
    /// The folder below the root of the repository, with `/`; empty for the root.
    folder: String,
    /// The folder as the paths of its files show it.
    shown: PathBuf,
    /// The name of the file, where a single one was given.
    file: Option<String>,
}

impl Place {
    async fn find(path: &Path, reference: &str) -> Result<Self, SourceError> {
        let plain: PathBuf = path.components().filter(|part| *part != std::path::Component::CurDir).collect();
        let (shown, file) = match (plain.is_file(), plain.parent(), plain.file_name().and_then(|name| name.to_str())) {
            (true, Some(parent), Some(name)) => (parent.to_owned(), Some(name.to_owned())),
            _ => (plain, None),
        };
        let inside = if shown.as_os_str().is_empty() { Path::new(".") } else { shown.as_path() };
        let no_repository = |reason: String| SourceError::NoRepository { path: path.to_owned(), reason };
        let place = ask(inside, &["rev-parse", "--absolute-git-dir", "--show-prefix"]).await?;
        if !place.success {
            return Err(no_repository(place.complaint()));
        }
        let text = place.text();
        let (git_dir, prefix) = text.split_once('\n').unwrap_or((&text, ""));
        let folder = prefix.trim_end_matches('\n').trim_end_matches('/').to_owned();
        let named = format!("{reference}^{{commit}}");
        let found = ask(inside, &["rev-parse", "--verify", "--quiet", "--end-of-options", &named]).await?;
        let commit = found.text().trim().to_owned();
        if !found.success || !is_commit_id(&commit) {
            return Err(SourceError::NoSuchBase { reference: reference.to_owned() });
        }
        let git_dir = PathBuf::from(git_dir);
        Ok(Self { repository: Cache::at(git_dir.clone()), git_dir, commit, folder, shown, file })
    }

    /// The copy is the user's own repository here, which nobody shall remove.
    fn own(&self, error: SourceError) -> SourceError {
        match error {
            SourceError::Cache { action, reason, .. } => SourceError::NoRepository {
                path: self.git_dir.clone(),
                reason: format!("cannot {action} it: {reason}"),
            },
            other => other,
        }
    }

    fn assets(&self, tree: Tree) -> GitAssets {
        GitAssets::new(self.git_dir.clone(), self.shown.to_string_lossy().into_owned(), tree)
    }
}

async fn ask(folder: &Path, args: &[&str]) -> Result<Output, SourceError> {
    Git::new().arg("-C").arg(folder).args(args).run(LIMIT).await.map_err(|error| match error {
        RunError::Io(source) => SourceError::NoGit { source },
        RunError::TimedOut => SourceError::NoRepository {
            path: folder.to_owned(),
            reason: format!("no answer within {}", humantime::format_duration(LIMIT)),
        },
        RunError::Stopped => SourceError::Stopped,
    })
}

/// The files of several folders, each below the path that it is shown at.
#[derive(Debug)]
struct BaseAssets(Vec<(PathBuf, GitAssets)>);

impl Assets for BaseAssets {
    fn read(&self, beside: &Path, path: &str) -> Result<Vec<u8>, AssetError> {
        let around = self.0.iter().filter(|(shown, _)| beside.starts_with(shown));
        let innermost = around.max_by_key(|(shown, _)| shown.components().count());
        let refused = || AssetError::Missing { path: path.to_owned() };
        innermost.ok_or_else(refused)?.1.read(beside, path)
    }
}
