//! A branch is brought back to a moment of its own past, once.
//!
//! Nothing has to be noted of it, so that nothing can be lost between the deed and the note: what the branch was goes on under the name that
//! the spec gives, and from then on the branch hangs from that one. A branch above it of this name says that it was done.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::client::BranchRef;
use super::objects::Writes;
use super::wire::{Annotated, Branch, Restore, RestorePoint};
use crate::observed::{Object, ObjectState};
use crate::providers::objects::{Class, ObjectError};
use crate::resource::object::{Fields, ObjectWrite};

/// What is compared, and what the restore is done with.
const FIELD: &str = "restore";
const HOW: &str = "howRestored";

/// What a listing shows of where a branch hangs, by names that no spec has.
const ANCESTORS: &str = "ancestors";
const CHILDREN: &str = "children";
const AS_OF: &str = "asOf";
const AS_OF_LSN: &str = "asOfLsn";
const RESET_AT: &str = "resetAt";

/// What a spec says of a restore.
struct Wanted<'f> {
    to: Option<DateTime<Utc>>,
    lsn: Option<&'f str>,
    backup: &'f str,
    moves_children: bool,
    unprotects: bool,
}

impl<'f> Wanted<'f> {
    fn of(fields: &'f Fields) -> Option<Self> {
        let how = fields.get(HOW)?;
        let text = |name: &str| how.get(name).and_then(Value::as_str);
        Some(Self {
            to: text("to").and_then(|to| to.parse().ok()),
            lsn: text("lsn"),
            backup: text("backupName")?,
            moves_children: how.get("reparentChildren") == Some(&Value::Bool(true)),
            unprotects: fields.get("protected") == Some(&Value::Bool(false)),
        })
    }

    fn point(&self) -> Option<RestorePoint> {
        let at = self.to.map(RestorePoint::At);
        at.or_else(|| self.lsn.map(|lsn| RestorePoint::AtLsn(lsn.to_owned())))
    }

    /// Whether a branch of these facts, in a project that has `a_branch` of a name, was restored so. Where what was preserved was renamed, the
    /// moment that the branch is of tells; where the branch was reset since, and hangs elsewhere, that the other one is there at all.
    fn is_done(&self, facts: &Fields, a_branch: impl Fn(&str) -> bool) -> bool {
        let was_reset_since = reset_at(facts).is_some_and(|at| self.to.is_none_or(|to| to < at));
        let is_of =
            |name: &str, wanted: Option<&str>| wanted.is_some() && facts.get(name).and_then(Value::as_str) == wanted;
        names(facts, ANCESTORS).any(|name| name == self.backup)
            || is_of(AS_OF, self.to.map(text_of).as_deref())
            || is_of(AS_OF_LSN, self.lsn)
            || (was_reset_since && a_branch(self.backup))
    }

    /// Why a branch of these facts is not restored so.
    fn objection(&self, branch: &BranchFacts<'_>, now: DateTime<Utc>) -> Option<String> {
        if let Some(to) = self.to.filter(|to| *to > now) {
            return Some(format!("it cannot be restored to {}, which is still to come", text_of(to)));
        }
        if let (Some(to), Some(made)) = (self.to, branch.created_at)
            && to < made
        {
            let (to, made) = (text_of(to), text_of(made));
            return Some(format!(
                "it was made at {made} and has no past at {to} to be restored to; take `restore` out of the spec"
            ));
        }
        if let (Some(to), Some(reset)) = (self.to, reset_at(branch.facts))
            && to < reset
        {
            let (to, reset) = (text_of(to), text_of(reset));
            return Some(format!(
                "it was reset or restored at {reset}, so that its past at {to} is not its own any more; restore it in Neon's console from the branch that has that past, and take `restore` out of the spec"
            ));
        }
        if branch.is_protected && !self.unprotects {
            return Some(
                "it is protected, and Neon restores no such branch: say `protected: false` beside `restore`".to_owned(),
            );
        }
        let children: Vec<&str> = names(branch.facts, CHILDREN).collect();
        if !children.is_empty() && !self.moves_children {
            return Some(format!(
                "branches were made from it ({}), and a restore would move them to `{}`: say `reparentChildren: true` in `restore` if that is meant, or delete them first",
                children.join(", "),
                self.backup
            ));
        }
        None
    }
}

/// What an objection depends on.
struct BranchFacts<'f> {
    facts: &'f Fields,
    created_at: Option<DateTime<Utc>>,
    is_protected: bool,
}

/// Where a branch hangs among `all`, and what hangs from it.
pub(super) fn facts(branch: &Branch, all: &[Annotated]) -> Fields {
    let by_id = |id: &str| all.iter().map(|one| &one.branch).find(|one| one.id == id);
    let mut ancestors: Vec<&str> = Vec::new();
    let mut next = branch.parent_id.as_deref().and_then(by_id);
    // As many as there are at most, whatever Neon may say of who hangs from whom.
    while let Some(parent) = next.filter(|_| ancestors.len() < all.len()) {
        ancestors.push(&parent.name);
        next = parent.parent_id.as_deref().and_then(by_id);
    }
    let children: Vec<&str> = children(branch, all).collect();
    let mut facts = Fields::from([(ANCESTORS.to_owned(), json!(ancestors)), (CHILDREN.to_owned(), json!(children))]);
    facts.extend(branch.parent_timestamp.map(|at| (AS_OF.to_owned(), json!(text_of(at)))));
    facts.extend(branch.last_reset_at.map(|at| (RESET_AT.to_owned(), json!(text_of(at)))));
    facts.extend(branch.parent_lsn.as_ref().map(|lsn| (AS_OF_LSN.to_owned(), json!(lsn))));
    facts
}

/// The names of the branches that were made from one.
pub(super) fn children<'a>(branch: &Branch, all: &'a [Annotated]) -> impl Iterator<Item = &'a str> {
    let id = branch.id.clone();
    let of_it = all.iter().filter(move |other| other.branch.parent_id.as_deref() == Some(&*id));
    of_it.map(|child| child.branch.name.as_str())
}

/// Fills in whether a branch was restored as is wanted. One that is not restored for a reason that a person has to know says so.
pub(super) fn judge(object: &mut Object, wanted: &Fields, all: &BTreeSet<String>, now: DateTime<Utc>) {
    let (Some(wish), Some(said)) = (Wanted::of(wanted), wanted.get(FIELD)) else { return };
    if object.state != ObjectState::Ready {
        return;
    }
    if wish.is_done(&object.fields, |name| all.contains(name)) {
        object.fields.insert(FIELD.to_owned(), said.clone());
        return;
    }
    let branch = BranchFacts {
        facts: &object.fields,
        created_at: object.created_at,
        is_protected: object.fields.get("protected") == Some(&Value::Bool(true)),
    };
    if let Some(message) = wish.objection(&branch, now) {
        object.state = ObjectState::Failed { message };
    }
}

/// Whether a spec wants a branch restored.
pub(super) fn is_wanted(fields: &Fields) -> bool {
    fields.contains_key(FIELD)
}

impl Writes {
    /// Brings a branch back to a moment of its own past, unless that was done.
    pub(super) async fn restore(&self, at: BranchRef<'_>, write: &ObjectWrite) -> Result<(), ObjectError> {
        let permanent = |message: String| ObjectError {
            reason: "NotRestored".to_owned(),
            message: format!("{}: {message}", write.key),
            class: Class::Permanent,
        };
        let wanted = Wanted::of(&write.fields);
        let Some((wanted, point)) = wanted.and_then(|wanted| wanted.point().map(|point| (wanted, point))) else {
            return Err(permanent("it does not say to which moment".to_owned()));
        };
        // Something may hang from it by now.
        let all = self.reads.reader.branches(self.reads.project()).await?;
        let Some(found) = all.iter().map(|one| &one.branch).find(|one| one.id == at.branch) else {
            return Err(ObjectError::overtaken(format!("{} is gone", write.key)));
        };
        let facts = facts(found, &all);
        if wanted.is_done(&facts, |name| all.iter().any(|one| one.branch.name == name)) {
            return Ok(());
        }
        let branch = BranchFacts { facts: &facts, created_at: Some(found.created_at), is_protected: found.protected };
        if let Some(message) = wanted.objection(&branch, self.reads.clock.now()) {
            return Err(permanent(message));
        }
        let restore =
            Restore { source_id: at.branch.to_owned(), point, preserve_under_name: Some(wanted.backup.to_owned()) };
        let begun = self.writer.restore(at, &restore).await?;
        self.finished(&begun.operations).await
    }
}

fn names<'f>(facts: &'f Fields, name: &str) -> impl Iterator<Item = &'f str> {
    facts.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn reset_at(facts: &Fields) -> Option<DateTime<Utc>> {
    facts.get(RESET_AT).and_then(Value::as_str).and_then(|at| at.parse().ok())
}

fn text_of(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
