//! What is read again of an app just before it is deleted: whether everything that the plan relied on still holds.

use super::ownership::{Ownership, ownership};
use super::{AppRow, Machine, Secret};
use crate::resource::marker::{PREFIX, PROTECTED_SECRET, RETAINED_SECRET, TOMBSTONE_SECRET};
use crate::resource::{EnvName, OwnerId};

/// What an app must still be like to be deleted.
#[derive(Debug, Clone, Copy)]
pub struct Deletable<'d> {
    /// The owner that the app must still belong to.
    pub owner: &'d OwnerId,
    /// Whether a tombstone must still stand, because nobody in person asked for the deletion.
    pub needs_tombstone: bool,
    /// Whether we created it, so that what is in it goes with it.
    pub created_by_us: bool,
    /// The environment that it must still belong to, where its machines say one.
    pub env: &'d EnvName,
}

/// What keeps an app, as it was read just now, from being deleted.
pub fn problem_with_deleting(
    app: &AppRow,
    machines: &[Machine],
    secrets: &[Secret],
    expected: Deletable<'_>,
) -> Option<String> {
    match ownership(expected.owner, app, machines.iter(), secrets) {
        Ownership::NotOurs { reason } => return Some(reason),
        Ownership::Ours { env: Some(env), .. } if env != *expected.env => {
            return Some(format!("it belongs to environment `{env}` now"));
        }
        Ownership::Ours { .. } => {}
    }
    let owned: Vec<_> = machines.iter().filter_map(|machine| machine.owned_by(expected.owner)).collect();
    let is_marked = |key: &str| machines.iter().any(|machine| machine.metadata.contains_key(&format!("{PREFIX}{key}")));
    let is_named = |name: &str| secrets.iter().any(|secret| secret.name == name);
    if is_marked("protect") || is_named(PROTECTED_SECRET) {
        return Some("it has been protected since".to_owned());
    }
    if expected.needs_tombstone && (is_marked("retain") || is_named(RETAINED_SECRET)) {
        return Some("it is to be retained".to_owned());
    }
    if expected.needs_tombstone && is_marked("held") {
        return Some("its deletion is held, because there were too many".to_owned());
    }
    if expected.needs_tombstone && is_marked("emptied") {
        return Some("its deletion is held, because its set suddenly names no preview".to_owned());
    }
    let has_tombstone = owned.iter().any(|marker| marker.tombstone.is_some()) || is_named(TOMBSTONE_SECRET);
    if expected.needs_tombstone && !has_tombstone {
        return Some("its tombstone has been taken away, so somebody wants it again".to_owned());
    }
    if !expected.created_by_us && owned.len() < machines.len() {
        return Some("it holds machines that are not ours".to_owned());
    }
    None
}
