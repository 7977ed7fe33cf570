//! Specs in folders and files of this machine.

mod assets;
mod scan;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assets::{Asked, DirectoryAssets};
use scan::{Listing, Root, scan};
use watch::{Interest, Watch};

use super::git::work_tree_commit;
use super::snapshot::completeness;
use super::{MAX_FILE_BYTES, Snapshot, Source, SourceError};
use crate::clock::SharedClock;
use crate::spec::SourceFile;

/// How often files are looked at while the operating system also tells of changes. It tells nothing on some network file systems.
const POLL_WHILE_WATCHING: Duration = Duration::from_secs(30);
/// How often files are looked at when that is the only way to notice a change.
const POLL_ALONE: Duration = Duration::from_secs(3);
/// How long files must be left alone after a change before they are read: saving one file can take several writes.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How often a further change prolongs the wait, so that a file that is written all the time does not delay for ever.
const MAX_DEBOUNCES: u32 = 10;

/// Reads specs from folders (with everything below them) and single files.
///
/// Hidden files and folders, `node_modules` and `target` are passed over. A symbolic link to a file is followed when it stays below the
/// root; one to a folder never is: its files are read in their own place, and one that leads outside makes the answer incomplete.
#[derive(Debug)]
pub struct DirectorySource {
    roots: Arc<[Root]>,
    clock: SharedClock,
    watch: Option<Watch>,
    /// How the specs were when they were looked at last.
    seen: Mutex<Option<Seen>>,
    /// The files that they have asked for.
    asked: Arc<Asked>,
}

/// The specs, or why they could not be listed.
type Seen = Result<Listing, String>;

impl DirectorySource {
    /// Reads the folders and files `paths`. They need not exist yet. The root of a single file is its folder.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, clock: SharedClock) -> Self {
        let roots: Arc<[Root]> = paths.into_iter().map(|path| Root::new(&path)).collect();
        let asked = Arc::<Asked>::default();
        let watch = Watch::new(Interest { roots: Arc::clone(&roots), asked: Arc::clone(&asked) });
        Self { roots, clock, watch: Some(watch), seen: Mutex::new(None), asked }
    }

    /// Notices changes only by looking every few seconds, so that nothing but the clock decides when. For tests, and for file systems
    /// whose notifications cannot be trusted.
    #[must_use]
    pub fn polling(mut self) -> Self {
        self.watch = None;
        self
    }

    /// The specs as they are now, and whether a file that they have asked for is another one now.
    async fn look(&self) -> (Seen, bool) {
        let (roots, asked) = (Arc::clone(&self.roots), Arc::clone(&self.asked));
        match tokio::task::spawn_blocking(move || (scan(&roots), asked.differ())).await {
            Ok((result, assets_differ)) => (result.map_err(|error| error.to_string()), assets_differ),
            Err(_) => (Err(SourceError::Stopped.to_string()), false),
        }
    }

    /// Whether `now` differs from what was seen last; it is what was seen last from now on.
    fn differs(&self, now: &Seen) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = seen.as_ref().is_some_and(|seen| match (seen, now) {
            (Ok(seen), Ok(now)) => !seen.has_same_specs(now),
            (Err(seen), Err(now)) => seen != now,
            _ => true,
        });
        *seen = Some(now.clone());
        differs
    }
}

#[async_trait::async_trait]
impl Source for DirectorySource {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        let read_at = self.clock.now();
        self.asked.clear();
        let roots = Arc::clone(&self.roots);
        let read = tokio::task::spawn_blocking(move || read(&roots));
        let result = read.await.unwrap_or(Err(SourceError::Stopped));
        let seen = result.as_ref().map(|contents| contents.listing.clone()).map_err(ToString::to_string);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        let contents = result?;
        let commit = match self.roots.first() {
            Some(root) => work_tree_commit(&root.folder).await,
            None => None,
        };
        Ok(Snapshot {
            files: contents.files,
            assets: Arc::new(DirectoryAssets::new(Arc::clone(&self.roots), Arc::clone(&self.asked))),
            commit,
            completeness: completeness(&contents.gaps),
            repos: BTreeMap::new(),
            read_at,
        })
    }

    async fn changed(&self) {
        loop {
            let (now, assets_differ) = self.look().await;
            if self.differs(&now) || assets_differ {
                return;
            }
            let Some(watch) = &self.watch else {
                self.clock.sleep(POLL_ALONE).await;
                continue;
            };
            let follows = watch.follow(now.ok().as_ref());
            if follows.something_new {
                // What changed between looking and following has to be looked for.
                continue;
            }
            let poll = if follows.everything { POLL_WHILE_WATCHING } else { POLL_ALONE };
            tokio::select! {
                () = self.clock.sleep(poll) => {}
                () = watch.noticed() => {
                    for _ in 0..MAX_DEBOUNCES {
                        self.clock.sleep(DEBOUNCE).await;
                        if !watch.noticed_more() {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn describe(&self) -> String {
        let paths: Vec<_> = self.roots.iter().map(|root| root.given().display().to_string()).collect();
        paths.join(", ")
    }
}

/// What was read.
struct Contents {
    files: Vec<SourceFile>,
    gaps: Vec<String>,
    listing: Listing,
}

fn read(roots: &[Root]) -> Result<Contents, SourceError> {
    let listing = scan(roots)?;
    let mut gaps = listing.gaps.clone();
    // By their real path, so that a file that two roots hold is read once; sorted by the path that is shown.
    let mut files = BTreeMap::new();
    let mut known = std::collections::BTreeSet::new();
    for (shown, found) in &listing.specs {
        if !known.insert(&found.real) {
            continue;
        }
        match read_limited(&found.real) {
            Ok(Some(bytes)) => drop(files.insert(shown.clone(), bytes)),
            Ok(None) => gaps.push(format!("`{}` is larger than {MAX_FILE_BYTES} bytes", shown.display())),
            Err(error) => gaps.push(format!("cannot read `{}`: {error}", shown.display())),
        }
    }
    if !scan(roots)?.has_same_specs(&listing) {
        gaps.push("files changed while they were read".to_owned());
    }
    let files = files.into_iter().map(|(path, bytes)| SourceFile { path, bytes }).collect();
    Ok(Contents { files, gaps, listing })
}

/// The whole file, or `None` when it is too large.
fn read_limited(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(u64::try_from(read).is_ok_and(|read| read <= MAX_FILE_BYTES).then_some(bytes))
}
