//! Names of branches as parts of host names.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::template::shorten;

/// The longest DNS label (RFC 1035), which is also the longest name of a Fly app.
pub(super) const MAX_LABEL: usize = 63;
/// A shortened slug ends in a dash and eight characters of a hash, and something must be left of the name.
const SHORTEST: usize = 10;

/// A lower-case DNS label of `text`, of at most `room` characters.
fn slug(text: &str, room: usize) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.to_lowercase().chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        // A name in another script has nothing that a host name can carry.
        return format!("b-{}", hash(text));
    }
    shorten(slug, room.max(SHORTEST))
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text)).chars().take(8).collect()
}

/// A slug of at most `room` characters for each of `branches`, in their order, which is that of their age. Of branches whose slugs
/// would be alike the first keeps it, so that a later one takes no name away; the others end in a hash of their full names, and those
/// of forks always do.
pub(super) fn slugs<'b>(branches: impl IntoIterator<Item = Named<'b>>, room: usize) -> BTreeMap<String, Slug> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut slugs: BTreeMap<String, Slug> = BTreeMap::new();
    for Named { branch, is_fork } in branches {
        if slugs.contains_key(branch) {
            continue;
        }
        let plain = slug(branch, room);
        let other = taken.get(&plain).map(|other| (*other).to_owned());
        let text = if other.is_none() && !is_fork {
            plain
        } else {
            let kept: String = plain.chars().take(room.max(SHORTEST).saturating_sub(9)).collect();
            format!("{}-{}", kept.trim_end_matches('-'), hash(branch))
        };
        taken.insert(text.clone(), branch);
        slugs.insert(branch.to_owned(), Slug { text, collides_with: other });
    }
    slugs
}

/// A branch that needs a slug.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'b> {
    /// Its full name.
    pub(super) branch: &'b str,
    /// Whether anybody can choose its name.
    pub(super) is_fork: bool,
}

/// The slug of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slug {
    pub(super) text: String,
    /// The branch that has the slug which this one would have without its hash.
    pub(super) collides_with: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{Named, slugs};

    #[test]
    fn slugs_are_labels_of_their_room_and_differ() {
        let long = "feature/a-very-long-name-that-goes-on-and-on-and-on-and-on-and-on-for-ever";
        let branches = ["feature/Login", "feature-login", "feature_login", "日本", long, "-x-", "feature/Login"];
        let all = slugs(branches.map(|branch| Named { branch, is_fork: false }), 24);
        let text = |branch: &str| all[branch].text.clone();
        assert_eq!(text("feature/Login"), "feature-login");
        assert_eq!(all["feature-login"].collides_with.as_deref(), Some("feature/Login"));
        assert_eq!(text("-x-"), "x");
        assert!(text("日本").starts_with("b-"));
        assert!(all.values().all(|slug| slug.text.len() <= 24 && !slug.text.ends_with('-')), "{all:?}");
        let mut texts: Vec<_> = all.values().map(|slug| &slug.text).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 6);
    }
}
