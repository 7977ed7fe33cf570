//! Paths that stay below a root.

use std::path::{Component, Path, PathBuf};

use super::AssetError;

/// Folders below a root that no spec may refer to: they can hold tokens and the controller's own history.
const CLOSED: [&str; 2] = [".git", ".hangar"];

/// The path below the root that `path` means when it stands in the file `beside`, whose path is relative to the root.
///
/// `..` is fine as long as it stays below the root. Symbolic links are not looked at.
pub(super) fn below_root(beside: &Path, path: &str) -> Result<PathBuf, AssetError> {
    let refused = |reason| AssetError::Refused { path: path.to_owned(), reason };
    if path.contains('\0') {
        return Err(refused("has a NUL character in its name"));
    }
    let mut below: Vec<_> = beside.parent().into_iter().flat_map(Path::components).collect();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => below.push(component),
            Component::ParentDir => {
                below.pop().ok_or_else(|| refused("is outside of the folder of the specs"))?;
            }
            Component::RootDir | Component::Prefix(_) => {
                return Err(refused("is an absolute path; give it relative to the spec file"));
            }
        }
    }
    if below.is_empty() {
        return Err(refused("is a folder; give a file"));
    }
    let below: PathBuf = below.into_iter().collect();
    refuse_closed(&below, path)?;
    Ok(below)
}

/// Refuses a path below the root, given as `path`, that leads into a folder that is closed to specs.
pub(super) fn refuse_closed(below: &Path, path: &str) -> Result<(), AssetError> {
    if below.components().any(|component| CLOSED.iter().any(|closed| component.as_os_str() == *closed)) {
        let reason = "is in a folder of git or of Hangar itself, which specs cannot read";
        return Err(AssetError::Refused { path: path.to_owned(), reason });
    }
    Ok(())
}

/// The path with `/` between its parts, where it can be written as text.
pub(super) fn with_slashes(path: &Path) -> Option<String> {
    let parts: Option<Vec<_>> = path.components().map(|component| component.as_os_str().to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(beside: &str, path: &str) -> Option<String> {
        below_root(Path::new(beside), path).ok().and_then(|path| with_slashes(&path))
    }

    #[test]
    fn a_path_is_relative_to_the_file_it_stands_in() {
        assert_eq!(meant("a/b/spec.yaml", "fly.toml").as_deref(), Some("a/b/fly.toml"));
        assert_eq!(meant("a/b/spec.yaml", "./x/../../fly.toml").as_deref(), Some("a/fly.toml"));
        assert_eq!(meant("spec.yaml", "x//y").as_deref(), Some("x/y"));
    }

    #[test]
    fn a_path_cannot_leave_the_root() {
        for path in ["../fly.toml", "x/../../fly.toml", "/etc/passwd", "..", ".", "", "a\0b"] {
            assert_eq!(meant("spec.yaml", path), None, "{path}");
        }
        assert_eq!(meant("a/spec.yaml", "../../a/fly.toml"), None, "not even to come back");
    }

    #[test]
    fn folders_that_may_hold_tokens_are_closed() {
        for path in [".git/config", "x/.git/config", ".hangar/hangar.db", "../.git/config"] {
            assert_eq!(meant("a/spec.yaml", path), None, "{path}");
        }
        assert_eq!(meant("a/spec.yaml", ".gitignore").as_deref(), Some("a/.gitignore"));
    }
}
