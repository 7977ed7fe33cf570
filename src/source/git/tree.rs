//! What `git ls-tree` and `git cat-file --batch` say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::source::path::{below_root, with_slashes};

/// All files below a folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tree {
    entries: BTreeMap<String, Entry>,
    folders: BTreeSet<String>,
    /// Names that are not UTF-8, as well as they can be shown.
    unreadable: Vec<String>,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A regular file.
    File { id: String, size: u64 },
    /// A symbolic link; the target is absent until it was read, and where it is not UTF-8.
    Link { id: String, target: Option<String> },
    /// A commit of another repository.
    Submodule,
}

/// What an entry is after following a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A regular file.
    File { id: String, size: u64 },
    /// A folder, whose files are entries themselves.
    Folder,
    /// A commit of another repository.
    Submodule,
    /// Something outside of the tree.
    Outside,
    /// Nothing, or a link to a link.
    Nothing,
}

impl Tree {
    /// Reads the output of `git ls-tree -r -z --long`. The error is the line that makes no sense.
    pub(super) fn parse(output: &[u8]) -> Result<Self, String> {
        let mut tree = Self::default();
        for line in output.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let (entry, path) = parse_line(line).ok_or_else(|| String::from_utf8_lossy(line).into_owned())?;
            match String::from_utf8(path.to_vec()) {
                Ok(path) => {
                    for (at, _) in path.match_indices('/') {
                        tree.folders.extend(path.get(..at).map(str::to_owned));
                    }
                    tree.entries.insert(path, entry);
                }
                Err(error) => tree.unreadable.push(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            }
        }
        Ok(tree)
    }

    /// The entries by their path below the folder.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Names that are not UTF-8.
    pub(super) fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// The links, by path and the id of the object that holds the target.
    pub(super) fn links(&self) -> Vec<(String, String)> {
        let link = |(path, entry): (&String, &Entry)| match entry {
            Entry::Link { id, .. } => Some((path.clone(), id.clone())),
            Entry::File { .. } | Entry::Submodule => None,
        };
        self.entries.iter().filter_map(link).collect()
    }

    /// Tells where the link `path` leads.
    pub(super) fn set_target(&mut self, path: &str, read: Option<String>) {
        if let Some(Entry::Link { target, .. }) = self.entries.get_mut(path) {
            *target = read;
        }
    }

    /// What is at `path`.
    pub(super) fn find(&self, path: &str) -> Node {
        match self.entries.get(path) {
            Some(entry) => self.follow(path, entry),
            None if self.folders.contains(path) => Node::Folder,
            None => Node::Nothing,
        }
    }

    /// What the entry at `path` is, one link followed.
    pub(super) fn follow(&self, path: &str, entry: &Entry) -> Node {
        match entry {
            Entry::File { id, size } => Node::File { id: id.clone(), size: *size },
            Entry::Submodule => Node::Submodule,
            Entry::Link { target: None, .. } => Node::Nothing,
            Entry::Link { target: Some(target), .. } => {
                let Some(target) = below_root(Path::new(path), target).ok().and_then(|path| with_slashes(&path)) else {
                    return Node::Outside;
                };
                match self.entries.get(&target) {
                    Some(Entry::File { id, size }) => Node::File { id: id.clone(), size: *size },
                    Some(Entry::Submodule) => Node::Submodule,
                    None if self.folders.contains(&target) => Node::Folder,
                    Some(Entry::Link { .. }) | None => Node::Nothing,
                }
            }
        }
    }
}

/// Reads `<mode> <type> <id> <size padded>\t<path>`.
fn parse_line(line: &[u8]) -> Option<(Entry, &[u8])> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = line.split_at_checked(tab)?;
    let path = path.strip_prefix(b"\t")?;
    let mut words = str::from_utf8(head).ok()?.split_ascii_whitespace();
    let (mode, kind, id, size) = (words.next()?, words.next()?, words.next()?.to_owned(), words.next()?);
    let entry = match (mode, kind) {
        ("120000", "blob") => Entry::Link { id, target: None },
        (_, "blob") => Entry::File { id, size: size.parse().ok()? },
        (_, "commit") => Entry::Submodule,
        _ => return None,
    };
    Some((entry, path))
}

/// Reads the answers of `git cat-file --batch` to `count` ids: `<id> <type> <size>\n<content>\n` or `<id> missing\n`.
pub(super) fn parse_batch(mut output: &[u8], count: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let mut blobs = Vec::with_capacity(count);
    for _ in 0..count {
        let end = output.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = output.split_at_checked(end)?;
        let rest = rest.strip_prefix(b"\n")?;
        let head = str::from_utf8(head).ok()?;
        if head.ends_with(" missing") {
            blobs.push(None);
            output = rest;
            continue;
        }
        let size = head.rsplit(' ').next()?.parse().ok()?;
        let (content, rest) = rest.split_at_checked(size)?;
        blobs.push(Some(content.to_vec()));
        output = rest.strip_prefix(b"\n")?;
    }
    output.is_empty().then_some(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &[u8] = b"100644 blob aaaa      12\ta.yaml\x00\
        100755 blob bbbb       3\tsub/b c.sh\x00\
        120000 blob cccc       6\tsub/link.yaml\x00\
        160000 commit dddd       -\tvendor\x00\
        120000 blob eeee       5\tup\x00";

    fn tree() -> Tree {
        let mut tree = Tree::parse(LISTING).unwrap();
        tree.set_target("sub/link.yaml", Some("../a.yaml".to_owned()));
        tree.set_target("up", Some("../..".to_owned()));
        tree
    }

    #[test]
    fn a_listing_is_read_with_links_and_submodules() {
        let file = Node::File { id: "aaaa".to_owned(), size: 12 };
        assert_eq!(tree().links().len(), 2);
        assert_eq!(tree().find("a.yaml"), file);
        assert_eq!(tree().find("sub/link.yaml"), file);
        assert_eq!(tree().find("sub"), Node::Folder);
        assert_eq!(tree().find("vendor"), Node::Submodule);
        assert_eq!(tree().find("up"), Node::Outside);
        assert_eq!(tree().find("b c.sh"), Node::Nothing);
    }

    #[test]
    fn a_link_to_a_link_ends_nowhere() {
        let mut tree = tree();
        tree.set_target("sub/link.yaml", Some("link.yaml".to_owned()));
        assert_eq!(tree.find("sub/link.yaml"), Node::Nothing);
    }

    #[test]
    fn lines_that_make_no_sense_are_told() {
        assert_eq!(Tree::parse(b"hello\0").unwrap_err(), "hello");
        assert!(Tree::parse(b"100644 blob aaaa many\ta\0").is_err());
        assert_eq!(Tree::parse(b"100644 blob aaaa 1\t\xff.yaml\0").unwrap().unreadable().len(), 1);
    }

    #[test]
    fn answers_of_a_batch_are_cut_where_their_size_says() {
        let output = b"aa blob 5\na\nb\nc\nbb missing\ncc blob 0\n\n";
        let blobs = parse_batch(output, 3).unwrap();
        assert_eq!(blobs, [Some(b"a\nb\nc".to_vec()), None, Some(Vec::new())]);
        for (cut, count) in [(&output[..20], 3), (&output[..], 2), (&output[..], 4), (b"aa blob x\n", 1)] {
            assert_eq!(parse_batch(cut, count), None);
        }
    }
}
