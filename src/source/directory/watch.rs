//! Hears from the operating system when something changes in a folder.

use std::collections::BTreeSet;
use std::fmt::{Debug, Formatter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::assets::Asked;
use super::scan::{Listing, Root};
use crate::source::{is_skipped_name, is_spec_name};

/// Which files are of interest: a log that lies beside the specs, and is written all the time, is not.
#[derive(Debug)]
pub(super) struct Interest {
    /// Where specs are looked for.
    pub(super) roots: Arc<[Root]>,
    /// What specs have asked for.
    pub(super) asked: Arc<Asked>,
}

impl Interest {
    /// Whether a file that bears the last name of `path` may be a spec, or something that a spec has asked for.
    fn covers(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return true };
        let is_given = |root: &Root| root.single_file().is_some_and(|file| file.file_name() == Some(name));
        is_spec_name(&name.to_string_lossy()) || self.asked.has_name(name) || self.roots.iter().any(is_given)
    }
}

/// Watches each listed folder by itself. Watching recursively would also watch what is passed over, and the controller's own writes
/// under `.hangar` would wake it up.
pub(super) struct Watch {
    /// Keeps one notification until somebody asks.
    signal: Arc<Notify>,
    /// Something was removed or renamed since the folders were last followed. A folder that is made again under its old name is a new
    /// one, and has to be watched anew.
    moved: Arc<AtomicBool>,
    interest: Arc<Interest>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Made when it is first needed; absent as well where the operating system refuses one.
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

/// How well the folders are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Follows {
    /// Every folder is watched.
    pub(super) everything: bool,
    /// A folder is watched that was not watched before.
    pub(super) something_new: bool,
}

impl Watch {
    pub(super) fn new(interest: Interest) -> Self {
        let interest = Arc::new(interest);
        Self { signal: Arc::default(), moved: Arc::default(), interest, state: Mutex::default() }
    }

    /// Watches the folders of `listing`, and no others.
    pub(super) fn follow(&self, listing: Option<&Listing>) -> Follows {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { watcher, folders } = &mut *state;
        let Some(listing) = listing else {
            return Follows { everything: false, something_new: false };
        };
        if watcher.is_none() {
            let (signal, moved, interest) =
                (Arc::clone(&self.signal), Arc::clone(&self.moved), Arc::clone(&self.interest));
            let hear = move |event: notify::Result<Event>| {
                if event.as_ref().is_ok_and(is_move) {
                    moved.store(true, Ordering::SeqCst);
                }
                if event.as_ref().map_or(true, |event| is_change(event, &interest)) {
                    signal.notify_one();
                }
            };
            *watcher = notify::recommended_watcher(hear).ok();
        }
        let Some(watcher) = watcher else {
            return Follows { everything: false, something_new: false };
        };
        if self.moved.swap(false, Ordering::SeqCst) {
            folders.clear();
        }
        for gone in folders.extract_if(.., |folder| !listing.folders.contains(folder)) {
            // A folder that was removed is not watched any more already.
            drop(watcher.unwatch(&gone));
        }
        let mut follows = Follows { everything: true, something_new: false };
        for folder in &listing.folders {
            if folders.contains(folder) {
                continue;
            }
            if watcher.watch(folder, RecursiveMode::NonRecursive).is_ok() {
                folders.insert(folder.clone());
                follows.something_new = true;
            } else {
                follows.everything = false;
            }
        }
        follows
    }

    /// Returns when something has changed since the last time.
    pub(super) async fn noticed(&self) {
        self.signal.notified().await;
    }

    /// Whether something has changed since [`Self::noticed`].
    pub(super) fn noticed_more(&self) -> bool {
        self.signal.notified().now_or_never().is_some()
    }
}

impl Debug for Watch {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Whether the event is of interest: not the reading of a file, which we do ourselves, and nothing that is passed over.
fn is_change(event: &Event, interest: &Interest) -> bool {
    let is_read = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    let is_skipped = |path: &PathBuf| path.file_name().is_some_and(|name| is_skipped_name(&name.to_string_lossy()));
    // What is made, moved or removed may be a folder with specs in it; what is written is a file.
    let is_write = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)))
        || matches!(event.kind, EventKind::Access(_));
    let is_nothing = |path: &PathBuf| is_skipped(path) || (is_write && !interest.covers(path));
    !is_read && (event.paths.is_empty() || !event.paths.iter().all(is_nothing))
}

fn is_move(event: &Event) -> bool {
    matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}
