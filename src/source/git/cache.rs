//! The local copy of a repository: bare, shallow, and thrown away without loss.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::address::Address;
use super::is_commit_id;
use super::program::{Git, Output, RunError};
use super::tree::{self, Tree};
use crate::source::SourceError;

/// How long the repository may take to answer. A shallow fetch of specs takes seconds, also from far away.
const REMOTE_LIMIT: Duration = Duration::from_mins(1);
/// How long reading the local copy may take.
const LOCAL_LIMIT: Duration = Duration::from_secs(30);

const LIST: &str = "list the branches of";
const FETCH: &str = "fetch from";

/// A bare repository with the newest commit of one reference.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    /// Where the fetched commit is kept: one name per reference, so that sources share a copy without disturbing each other.
    kept: String,
}

/// What a repository says about a reference.
enum Remote {
    /// The name to fetch by, and the commit that it leads to.
    Named { name: String, commit: String },
    /// A commit that is asked for by its id.
    Commit(String),
}

impl Cache {
    pub(super) fn new(folder: &Path, address: &Address, reference: &str) -> Self {
        Self { path: folder.join(short_hash(address.public())), kept: format!("refs/hangar/{}", short_hash(reference)) }
    }

    /// A repository that is there, for reading its commits and files.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, kept: "HEAD".to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the copy up to date, and returns the commit that `reference` leads to.
    pub(super) async fn update(&self, address: &Address, reference: &str) -> Result<String, SourceError> {
        let kept = self.kept_commit().await?;
        if is_commit_id(reference) && kept.as_deref() == Some(reference) {
            return Ok(reference.to_owned());
        }
        let remote = self.ask(address, reference).await?;
        let (wanted, commit) = match &remote {
            Remote::Named { name, commit } => (name, commit),
            Remote::Commit(commit) => (commit, commit),
        };
        if kept.as_ref() == Some(commit) {
            return Ok(commit.clone());
        }
        self.make().await?;
        let fetch = self.git().secret_setting(address.credentials()).args([
            "fetch",
            "--quiet",
            "--force",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--",
            address.public(),
            &format!("+{wanted}:{}", self.kept),
        ]);
        remote_answer(FETCH, address, fetch.run(REMOTE_LIMIT).await)?;
        // The branch may have moved since it was listed: what was fetched counts.
        let missing = || self.failed("find the fetched commit in", "it is not there".to_owned());
        self.kept_commit().await?.ok_or_else(missing)
    }

    /// The commit that `reference` leads to now, by the repository's own word.
    pub(super) async fn remote_commit(&self, address: &Address, reference: &str) -> Result<String, SourceError> {
        match self.ask(address, reference).await? {
            Remote::Named { commit, .. } | Remote::Commit(commit) => Ok(commit),
        }
    }

    async fn ask(&self, address: &Address, reference: &str) -> Result<Remote, SourceError> {
        if is_commit_id(reference) {
            return Ok(Remote::Commit(reference.to_owned()));
        }
        let names = candidates(reference);
        let list =
            Git::new().secret_setting(address.credentials()).args(["ls-remote", "--quiet", "--", address.public()]);
        let list = list.args(names.iter().flat_map(|name| [name.clone(), format!("{name}^{{}}")]));
        let answer = remote_answer(LIST, address, list.run(REMOTE_LIMIT).await)?.text();
        let find = |wanted: &str| {
            let lines = answer.lines().filter_map(|line| line.split_once('\t'));
            lines.into_iter().find(|(id, name)| *name == wanted && is_commit_id(id)).map(|(id, _)| id.to_owned())
        };
        let found = names.into_iter().find_map(|name| {
            // An annotated tag is an object of its own; with `^{}` stands the commit that it is about.
            let commit = find(&format!("{name}^{{}}")).or_else(|| find(&name))?;
            Some(Remote::Named { name, commit })
        });
        found.ok_or_else(|| SourceError::NoSuchReference { url: address.to_string(), reference: reference.to_owned() })
    }

    /// All files of the folder `folder` (empty: of everything) in `commit`; `None` when there is no such folder.
    pub(super) async fn tree(&self, commit: &str, folder: &str) -> Result<Option<Tree>, SourceError> {
        let treeish = format!("{commit}:{folder}");
        let kind = self.local("read", self.git().args(["cat-file", "-t", &treeish])).await?;
        if !kind.success || kind.text().trim() != "tree" {
            return Ok(None);
        }
        let list = self.git().args(["ls-tree", "-r", "-z", "--long", "--full-tree", &treeish]);
        let output = self.local("list the files in", list).await?;
        if !output.success {
            return Err(self.failed("list the files in", output.complaint()));
        }
        let mut tree = Tree::parse(&output.stdout).map_err(|line| self.failed("list the files in", line))?;
        let links = tree.links();
        let ids = links.iter().map(|(_, id)| id.clone()).collect();
        for ((path, _), target) in links.into_iter().zip(self.blobs(ids).await?) {
            tree.set_target(&path, target.and_then(|target| String::from_utf8(target).ok()));
        }
        Ok(Some(tree))
    }

    /// The contents of objects, in the order of their ids; `None` for one that is not there.
    pub(super) async fn blobs(&self, ids: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, SourceError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut input = ids.join("\n");
        input.push('\n');
        let read = self.git().args(["cat-file", "--batch"]).input(input.into_bytes());
        let output = self.local("read files from", read).await?;
        match tree::parse_batch(&output.stdout, ids.len()) {
            Some(blobs) if output.success => Ok(blobs),
            _ => Err(self.failed("read files from", output.complaint())),
        }
    }

    /// The commit that was fetched last for this reference.
    async fn kept_commit(&self) -> Result<Option<String>, SourceError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let kept = format!("{}^{{commit}}", self.kept);
        let output = self.local("read", self.git().args(["rev-parse", "--verify", "--quiet", &kept])).await?;
        let commit = output.text().trim().to_owned();
        Ok((output.success && is_commit_id(&commit)).then_some(commit))
    }

    async fn make(&self) -> Result<(), SourceError> {
        if self.path.join("HEAD").exists() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.path).map_err(|error| self.failed("make", error.to_string()))?;
        // No template: it would bring hooks.
        let init = Git::new().args(["init", "--quiet", "--bare", "--template=", "--"]).arg(&self.path);
        let output = self.local("make", init).await?;
        if output.success { Ok(()) } else { Err(self.failed("make", output.complaint())) }
    }

    fn git(&self) -> Git {
        in_repository(&self.path)
    }

    async fn local(&self, action: &'static str, git: Git) -> Result<Output, SourceError> {
        git.run(LOCAL_LIMIT).await.map_err(|error| match error {
            RunError::Io(source) => SourceError::NoGit { source },
            RunError::TimedOut => {
                self.failed(action, format!("no answer within {}", humantime::format_duration(LOCAL_LIMIT)))
            }
            RunError::Stopped => SourceError::Stopped,
        })
    }

    fn failed(&self, action: &'static str, reason: String) -> SourceError {
        SourceError::Cache { action, path: self.path.clone(), reason }
    }
}

/// A call about the repository at `path`, and no other that git might find by itself.
pub(super) fn in_repository(path: &Path) -> Git {
    Git::new().arg("--git-dir").arg(path)
}

/// The full names that a reference may have, in the order in which they count. A branch comes before a tag, other than for git
/// itself: people who deploy from `main` mean the branch.
fn candidates(reference: &str) -> Vec<String> {
    if reference == "HEAD" || reference.starts_with("refs/") {
        return vec![reference.to_owned()];
    }
    vec![format!("refs/heads/{reference}"), format!("refs/tags/{reference}")]
}

fn remote_answer(
    action: &'static str,
    address: &Address,
    result: Result<Output, RunError>,
) -> Result<Output, SourceError> {
    let url = address.to_string();
    match result {
        Ok(output) if output.success => Ok(output),
        Ok(output) => Err(SourceError::Unreachable { action, url, reason: output.complaint() }),
        Err(RunError::TimedOut) => Err(SourceError::TimedOut { action, url, limit: REMOTE_LIMIT }),
        Err(RunError::Io(source)) => Err(SourceError::NoGit { source }),
        Err(RunError::Stopped) => Err(SourceError::Stopped),
    }
}

/// 16 hexadecimal characters: enough to tell the few repositories of one controller apart.
fn short_hash(text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.chars().take(16).collect()
}
