//! Whether an app's secrets are right, and the one call that makes them so.
//!
//! Fly never returns values. What we wrote is remembered in machine metadata: a keyed fingerprint of the value and the digest that
//! Fly reported for it. A secret is right when the fingerprint is that of the wanted value and the reported digest is still the
//! recorded one; so a pass needs no store, and notices a change made by someone else.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{App, Fleet, SecretValue};
use crate::observed::Secret;
use crate::resource::marker::{TOMBSTONE_SECRET, is_marker_secret};
use crate::resource::output::{self, Outputs};
use crate::resource::secret_record::{RecordedSecret, SecretRecord, short_digest};
use crate::resource::{Change, ChangeKind, FieldChange};
use crate::secret::SecretText;

/// One call that writes all changed secrets of an app.
#[derive(Debug, Clone, Default)]
pub struct SecretWrite {
    /// Secrets to set; a value may hold placeholders for outputs of steps before this one.
    pub set: BTreeMap<String, SecretText>,
    /// Secrets to remove.
    pub unset: BTreeSet<String>,
    /// Names of secrets whose presence alone says something of the app: that it is ours, that it is protected.
    pub markers: BTreeSet<String>,
    /// Whether the app is new, so that this is part of creating it.
    pub is_first: bool,
}

/// What was found out about an app's secrets.
#[derive(Debug, Default)]
pub(super) struct SecretDecision {
    /// The write, if one is needed.
    pub(super) write: SecretWrite,
    /// The fields that change.
    pub(super) changes: Vec<FieldChange>,
    /// What machines will record; digests of secrets about to be written are empty.
    pub(super) record: SecretRecord,
    /// Names whose digests come with the write.
    pub(super) pending: BTreeSet<String>,
    /// Secrets that are needed and whose values are not known here.
    pub(super) missing: Vec<String>,
    /// What cannot be told here.
    pub(super) unknown: Vec<String>,
    /// Secrets that someone else has changed.
    pub(super) changed_elsewhere: Vec<String>,
}

impl SecretDecision {
    /// Whether all that would be written is names that are there already, of which only their values are not known to be right.
    pub(super) fn only_repeats(&self, listed: &[Secret]) -> bool {
        self.write.unset.is_empty()
            && self.write.markers.is_empty()
            && self.write.set.keys().all(|name| listed.iter().any(|secret| secret.name == *name))
    }

    /// Whether anything has to be written.
    pub(super) fn needs_write(&self) -> bool {
        !self.write.set.is_empty()
            || !self.write.unset.is_empty()
            || !self.write.markers.is_empty()
            || !self.changes.is_empty()
    }
}

/// Compares the wanted secrets of `app` with those `listed`, in the light of what our machines `recorded`.
pub(super) fn decide(
    fleet: &Fleet,
    app: &App,
    listed: &[Secret],
    recorded: &SecretRecord,
    outputs: &Outputs,
    dry_run: bool,
) -> SecretDecision {
    let mut decision = SecretDecision::default();
    for (name, value) in &app.secrets {
        let live = listed.iter().find(|secret| secret.name == *name);
        let record = recorded.0.get(name);
        let undisturbed =
            matches!((live, record), (Some(live), Some(record)) if record.digest == short_digest(&live.digest));
        let text = match value {
            SecretValue::Known(text) => text,
            SecretValue::Unavailable { reason } => {
                decision.keep_unknown(name, reason, live.is_some(), record, dry_run);
                continue;
            }
        };
        let Some(fingerprinter) = &fleet.fingerprinter else {
            let reason = "there is no master key here to compare it with";
            decision.keep_unknown(name, reason, live.is_some(), record, dry_run);
            continue;
        };
        let resolved = SecretText::new(output::resolve_text(text.expose(), outputs));
        let is_final = output::waits_for(resolved.expose()).is_empty();
        let fingerprint = if is_final { fingerprinter.fingerprint(&app.name, name, &resolved) } else { String::new() };
        let known_right = is_final && record.is_some_and(|record| record.fingerprint == fingerprint);
        if (undisturbed && known_right)
            || (app.machines.is_empty() && !app.jobs.iter().any(|job| job.again) && live.is_some())
        {
            decision.record.0.extend(record.map(|record| (name.clone(), record.clone())));
            continue;
        }
        if known_right && live.is_some() {
            decision.changed_elsewhere.push(name.clone());
        }
        decision.change(name, live.map(|_| Change::Secret), Some(Change::Secret));
        decision.record.0.insert(name.clone(), RecordedSecret { fingerprint, digest: String::new() });
        decision.pending.insert(name.clone());
        decision.write.set.insert(name.clone(), resolved);
    }
    if listed.iter().any(|secret| secret.name == TOMBSTONE_SECRET) {
        // The app is wanted (again): nothing of it is on its way out.
        decision.write.unset.insert(TOMBSTONE_SECRET.to_owned());
    }
    for name in recorded.0.keys().filter(|name| !app.secrets.contains_key(*name) && !is_marker_secret(name)) {
        if listed.iter().any(|secret| secret.name == *name) {
            decision.change(name, Some(Change::Secret), None);
            decision.write.unset.insert(name.clone());
        }
    }
    decision
}

impl SecretDecision {
    /// A secret whose wanted value is not known here: it stays as it is if it is there, and is missing if it is not.
    fn keep_unknown(
        &mut self,
        name: &str,
        reason: &str,
        is_there: bool,
        record: Option<&RecordedSecret>,
        dry_run: bool,
    ) {
        if is_there {
            self.unknown.push(format!("secret `{name}` is there; whether it is as wanted cannot be told: {reason}"));
            self.record.0.extend(record.map(|record| (name.to_owned(), record.clone())));
        } else if dry_run {
            self.change(name, None, Some(Change::Unknown(reason.to_owned())));
            // Machines would take it, as any other.
            self.record.0.insert(name.to_owned(), RecordedSecret { fingerprint: String::new(), digest: String::new() });
            self.pending.insert(name.to_owned());
        } else {
            self.missing.push(format!("secret `{name}` is needed: {reason}"));
        }
    }

    fn change(&mut self, name: &str, old: Option<Change>, new: Option<Change>) {
        self.changes.push(FieldChange { path: format!("secrets.{name}"), old, new, kind: ChangeKind::InPlace });
    }
}
