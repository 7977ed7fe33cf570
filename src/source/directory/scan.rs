//! Lists the specs below the roots, without reading them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirEntry, Metadata};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::source::{SourceError, is_skipped_name, is_spec_name};

/// How many files and folders are looked at below one root. Fleets have hundreds of specs; more than this is somebody's disk.
const MAX_ENTRIES: usize = 100_000;

/// A folder whose specs are read, or a single file with the folder that it is in.
#[derive(Debug)]
pub(super) struct Root {
    /// The folder; nothing outside of it is read.
    pub(super) folder: PathBuf,
    /// The folder as the paths of its files show it: as it was given, and empty for the current one.
    pub(super) shown: PathBuf,
    /// The path as it was given.
    path: PathBuf,
}

impl Root {
    pub(super) fn new(path: &Path) -> Self {
        let plain: PathBuf = path.components().filter(|component| *component != Component::CurDir).collect();
        // A path that names nothing yet is told by its name.
        let is_file = plain.is_file() || (!plain.exists() && plain.to_str().is_some_and(is_spec_name));
        let shown = match plain.parent() {
            Some(parent) if is_file => parent.to_owned(),
            _ => plain.clone(),
        };
        let folder = if shown.as_os_str().is_empty() { PathBuf::from(".") } else { shown.clone() };
        let path = if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain };
        Self { folder, shown, path }
    }

    /// The path as it was given.
    pub(super) fn given(&self) -> &Path {
        &self.path
    }

    /// The file, where that is what was given.
    pub(super) fn single_file(&self) -> Option<&Path> {
        (self.path != self.folder).then_some(self.path.as_path())
    }
}

/// What is below the roots.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    /// Specs by the path that is shown.
    pub(super) specs: BTreeMap<PathBuf, Found>,
    /// The folders that were listed.
    pub(super) folders: BTreeSet<PathBuf>,
    /// What might hold specs and cannot be read.
    pub(super) gaps: Vec<String>,
}

impl Listing {
    /// Whether the specs are the same. Folders are only watched: an empty one more or less says nothing.
    pub(super) fn has_same_specs(&self, other: &Self) -> bool {
        self.specs == other.specs && self.gaps == other.gaps
    }
}

/// A spec that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it really is.
    pub(super) real: PathBuf,
    stamp: Stamp,
}

/// What changes whenever a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok() }
    }

    /// The stamp of the file at `path` (of its target, where it is a link), if there is one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }
}

/// Lists everything below `roots`.
pub(super) fn scan(roots: &[Root]) -> Result<Listing, SourceError> {
    let mut listing = Listing::default();
    for root in roots {
        match root.single_file() {
            Some(file) => {
                let unreadable = |error| SourceError::unreadable(file, error);
                let metadata = std::fs::metadata(file).map_err(unreadable)?;
                let real = std::fs::canonicalize(file).map_err(unreadable)?;
                listing.specs.insert(file.to_owned(), Found { real, stamp: Stamp::of(&metadata) });
                listing.folders.insert(root.folder.clone());
            }
            None => Walk::new(root, &mut listing)?.run()?,
        }
    }
    listing.gaps.sort();
    listing.gaps.dedup();
    Ok(listing)
}

/// One walk over everything below a root.
struct Walk<'a> {
    root: &'a Root,
    real_root: PathBuf,
    listing: &'a mut Listing,
    /// Folders still to be listed, as real paths below `root.folder` and as they are shown.
    waiting: Vec<(PathBuf, PathBuf)>,
    entries: usize,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Root, listing: &'a mut Listing) -> Result<Self, SourceError> {
        let real_root =
            std::fs::canonicalize(&root.folder).map_err(|error| SourceError::unreadable(root.given(), error))?;
        let waiting = vec![(real_root.clone(), root.shown.clone())];
        Ok(Self { root, real_root, listing, waiting, entries: 0 })
    }

    fn run(mut self) -> Result<(), SourceError> {
        while let Some((folder, shown)) = self.waiting.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if folder == self.real_root => {
                    return Err(SourceError::unreadable(self.root.given(), error));
                }
                Err(error) => {
                    self.gap(format!("cannot read the folder `{}`: {error}", shown.display()));
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Ok(entry) => self.visit(&entry, &shown)?,
                    Err(error) => self.gap(format!("cannot read the folder `{}`: {error}", shown.display())),
                }
            }
            self.listing.folders.insert(folder);
        }
        Ok(())
    }

    fn visit(&mut self, entry: &DirEntry, folder: &Path) -> Result<(), SourceError> {
        self.entries = self.entries.saturating_add(1);
        if self.entries > MAX_ENTRIES {
            return Err(SourceError::TooMany { path: self.root.given().to_owned(), limit: MAX_ENTRIES });
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_skipped_name(&name) {
            return Ok(());
        }
        let shown = folder.join(entry.file_name());
        if let Err(problem) = self.sort(entry, &shown, is_spec_name(&name)) {
            self.gap(format!("`{}` {problem}", shown.display()));
        }
        Ok(())
    }

    /// Puts the entry where it belongs, or says why it cannot be read although it might hold specs.
    fn sort(&mut self, entry: &DirEntry, shown: &Path, is_spec: bool) -> Result<(), String> {
        let cannot = |error: std::io::Error| format!("cannot be read: {error}");
        let path = entry.path();
        let is_link = entry.file_type().map_err(cannot)?.is_symlink();
        // Of the link's target, if it is a link.
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_spec => return Err(cannot(error)),
            // It vanished, or is a link to nothing.
            Err(_) => return Ok(()),
        };
        let real = if is_link { std::fs::canonicalize(&path).map_err(cannot)? } else { path };
        let is_inside = real.starts_with(&self.real_root);
        match (metadata.is_dir(), metadata.is_file()) {
            (true, _) if !is_link => self.waiting.push((real, shown.to_owned())),
            (true, _) if !is_inside => {
                return Err("is a symbolic link to a folder outside of the folder of the specs".to_owned());
            }
            (_, true) if is_spec && is_inside => {
                let found = Found { real, stamp: Stamp::of(&metadata) };
                self.listing.specs.entry(shown.to_owned()).or_insert(found);
            }
            (_, true) if is_spec => {
                return Err("is a symbolic link to a file outside of the folder of the specs".to_owned());
            }
            (false, false) if is_spec => return Err("is not a regular file".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn gap(&mut self, gap: String) {
        self.listing.gaps.push(gap);
    }
}
