//! One wanted object at a provider other than Fly's machines: whether it is there and ours, and what makes it as wanted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::Digest as _;

use super::parts::Progress;
use super::planner::{Place, Planner};
use super::step::{Action, ObjectChange, Step, StepId};
use super::withheld::Reason;
use crate::desired::{Environment, Object, SecretValue, Wanted};
use crate::memory::NoteOutcome;
use crate::observed::{self, ObjectState};
use crate::resource::marker::PREFIX;
use crate::resource::object::{Fields, ObjectMarker, recorded_as};
use crate::resource::output::{self, Outputs};
use crate::resource::{Change, ChangeKind, FieldChange, ObjectKey, ObjectKind, ResourceKey};
use crate::rules::Rule;
use crate::secret::SecretText;

/// The reason of a rejection that says that the provider has no room: a queue, and no failure.
pub const NO_ROOM: &str = "QuotaReached";

/// What was found out about the fields of an object.
#[derive(Default)]
struct Difference {
    changes: Vec<FieldChange>,
    fields: Fields,
    secrets: BTreeMap<String, SecretText>,
    /// Secret fields that go.
    gone: BTreeSet<String>,
    /// Outputs that are not known yet.
    waits_for: BTreeSet<String>,
    /// Secret fields that are needed and whose values are not known here.
    missing: Vec<String>,
    /// What cannot be told here.
    unknown: Vec<String>,
    /// The fingerprints of all secret fields, as far as they are known.
    fingerprints: BTreeMap<String, String>,
}

impl<'a> Planner<'a> {
    pub(super) fn plan_object(
        &mut self,
        env: &'a Environment,
        object: &'a Object,
        outputs: &Outputs,
        progress: &mut Progress<'_>,
    ) {
        let place = Place { env: &env.name, component: Some(&object.component), org: None };
        let key = ResourceKey::Object(object.key.clone());
        let incomplete = |planner: &mut Self, message: String| {
            planner.wait(place.env, place.component, Some(&key), Reason::ObservationIncomplete, message, None);
        };
        let Some(scope) = self.observed.objects.get(&object.key.scope) else {
            let message = format!("{} was not looked at in this pass", object.key.scope);
            return incomplete(self, message);
        };
        if let Some(live) = scope.objects.items.iter().find(|live| live.key == object.key) {
            self.plan_live_object(env, object, live, outputs, progress);
            return;
        }
        if let Some(gap) = scope.objects.completeness.gap().filter(|_| self.holds(Rule::PresenceMustBeKnown)) {
            let message = format!("whether {} exists cannot be told: {gap}", object.key);
            return incomplete(self, message);
        }
        if object.adopt && object.key.object.is_named_after_its_owner() {
            let message = format!(
                "there is no {} to take over yet: wait for whoever makes it, correct its name, or remove `adopt`",
                object.key
            );
            self.wait(&env.name, place.component, Some(&key), Reason::DependencyBlocked, message, None);
            return;
        }
        if let Some(message) = self.origin_to_come(object, scope) {
            self.wait(&env.name, place.component, Some(&key), Reason::DependencyBlocked, message, None);
            return;
        }
        if let Some(message) = self.lacks_room(object, scope) {
            self.wait(&env.name, place.component, Some(&key), Reason::Queued, message, None);
            return;
        }
        let may_create = self.may_create(&key, false).and_then(|()| self.is_mark_settled(env, object, scope));
        if let Err(obstacle) = may_create {
            self.withhold(&place, &key, &format!("create {}", object.key), obstacle);
            return;
        }
        let found = self.object_difference(object, None, outputs);
        let Some((change, mut after)) = self.change_of(env, object, found, progress) else { return };
        let Some(gates) = self.gates_of(env, object, progress) else { return };
        after.extend(gates);
        if self.is_rejected(env, object, &key, &change.hash) {
            return;
        }
        let changes = change.changes.clone();
        let action = Action::CreateObject(Box::new(change));
        let step = self.step(&place, key.clone(), action, "it does not exist", changes, &after);
        self.wait_object(&place, object, step, progress);
    }

    /// What `object` is to be made from, where another environment makes that and it is not there yet.
    fn origin_to_come(&self, object: &Object, scope: &observed::ObjectScope) -> Option<String> {
        let parent = object.fields.get("parent").and_then(Value::as_str)?;
        let key = ObjectKey { name: parent.to_owned(), ..object.key.clone() };
        if scope.objects.items.iter().any(|live| live.key == key) {
            return None;
        }
        let mut ready = self.fleet.environments.values().filter_map(|wanted| match wanted {
            Wanted::Ready(env) => Some(env),
            Wanted::Broken { .. } => None,
        });
        let maker = ready.find(|env| env.objects.iter().any(|other| other.key == key))?;
        Some(format!("{} waits for {key}, which environment `{}` makes", object.key, maker.name))
    }

    /// Why there is no room for `object`, with what this plan makes already.
    fn lacks_room(&self, object: &Object, scope: &observed::ObjectScope) -> Option<String> {
        let room = scope.room.as_ref()?;
        let takes_room = |step: &&Step| matches!((&step.action, &step.key), (Action::CreateObject(_), ResourceKey::Object(key)) if key.scope == object.key.scope);
        let made = self.plan.steps.iter().filter(takes_room).count();
        let limit = &room.limit;
        (made >= room.left)
            .then(|| format!("{} waits for room: the plan that {} is on allows {limit}", object.key, object.key.scope))
    }

    fn plan_live_object(
        &mut self,
        env: &'a Environment,
        object: &'a Object,
        live: &observed::Object,
        outputs: &Outputs,
        progress: &mut Progress<'_>,
    ) {
        let place = Place { env: &env.name, component: Some(&object.component), org: None };
        let key = ResourceKey::Object(object.key.clone());
        match live.owned_by(&self.fleet.owner) {
            Some(marker) if marker.env != env.name && self.holds(Rule::MarkerNamesItsEnvironment) => {
                let message = format!(
                    "{} belongs to environment `{}`; two environments cannot share it: rename one, or destroy `{}` first",
                    object.key, marker.env, marker.env
                );
                self.block(&env.name, place.component, Some(&key), Reason::NotOurs, message);
                return;
            }
            None if !object.adopt && self.holds(Rule::OwnedMeansMarked) => {
                let by = live.made_by.as_ref().map(|by| format!(" (made by {by})")).unwrap_or_default();
                let message = format!(
                    "{} exists and is not ours{by}; it is left alone: choose another name for `{}`, or set `adopt: true` to take it over",
                    object.key, object.component
                );
                self.block(&env.name, place.component, Some(&key), Reason::NotOurs, message);
                return;
            }
            _ => {}
        }
        match &live.state {
            ObjectState::Changing { .. } => {
                let waiting = Action::WaitObject { timeout: object.timeout, fields: object.fields.clone() };
                let step = self.step(&place, key, waiting, "it is not ready yet", Vec::new(), &[]);
                progress.produces(object, step);
                return;
            }
            ObjectState::Failed { message } if !object.key.object.is_renewed() && !live.is_unproved() => {
                let message = format!("{}: {message}", object.key);
                self.block(&env.name, place.component, Some(&key), Reason::ObjectFailed, message);
                return;
            }
            ObjectState::Failed { .. } | ObjectState::Ready => {}
        }
        if !live.is_close {
            let message = format!("{} was not looked at closely in this pass", object.key);
            self.wait(&env.name, place.component, Some(&key), Reason::ObservationIncomplete, message, None);
            return;
        }
        self.plan_object_marks(env, object, live, &key);
        self.plan_object_update(env, object, live, outputs, progress);
    }

    fn plan_object_update(
        &mut self,
        env: &'a Environment,
        object: &'a Object,
        live: &observed::Object,
        outputs: &Outputs,
        progress: &mut Progress<'_>,
    ) {
        let place = Place { env: &env.name, component: Some(&object.component), org: None };
        let key = ResourceKey::Object(object.key.clone());
        let found = self.object_difference(object, Some(live), outputs);
        let is_different = !found.changes.is_empty();
        let Some((change, mut after)) = self.change_of(env, object, found, progress) else { return };
        let failure = match &live.state {
            ObjectState::Failed { message } => Some(message),
            _ => None,
        };
        if !is_different {
            if let Some(message) = failure {
                let message = format!("{}: {message}", object.key);
                self.block(&env.name, place.component, Some(&key), Reason::ObjectFailed, message);
            }
            return;
        }
        if self.is_rejected(env, object, &key, &change.hash) {
            return;
        }
        if let Some(note) = self.notes.open(&key, self.now, self.policy.timing)
            // What is renewed is not changed: a listing that does not show the newest one yet would have it made twice.
            && (note.outcome == NoteOutcome::Unknown || object.key.object.is_renewed())
            && self.holds(Rule::OpenKeyStopsUpdate)
        {
            let until = Some(note.open_until(self.policy.timing));
            let message = match note.outcome {
                NoteOutcome::Unknown => format!("an earlier write to {} may still take effect", object.key),
                NoteOutcome::Done { .. } => format!("what was just made of {} may not be listed yet", object.key),
            };
            self.wait(&env.name, place.component, Some(&key), Reason::OwnWritePending, message, until);
            return;
        }
        if object.key.object == ObjectKind::VercelMark
            && let Err(obstacle) = self.no_write_beside(&object.key, &env.name, Rule::OpenKeyStopsUpdate)
        {
            self.withhold(&place, &key, &format!("change {}", object.key), obstacle);
            return;
        }
        // What is renewed is not changed: another one is made.
        if object.key.object.is_renewed()
            && let Err(obstacle) = self.may_mint(&key, "is to be made anew")
        {
            self.withhold(&place, &key, &format!("renew {}", object.key), obstacle);
            return;
        }
        let Some(gates) = self.gates_of(env, object, progress) else { return };
        after.extend(gates);
        let changes = change.changes.clone();
        let action = Action::UpdateObject { id: live.id.clone(), change: Box::new(change) };
        let step = self.step(&place, key, action, "it is not as the spec has it", changes, &after);
        self.wait_object(&place, object, step, progress);
        progress.renews(object);
    }

    /// Waits until the object can be used, after the step that writes it.
    fn wait_object(&mut self, place: &Place<'_>, object: &Object, after: StepId, progress: &mut Progress<'_>) {
        if object.key.object.is_ready_at_once() {
            return;
        }
        let key = ResourceKey::Object(object.key.clone());
        let waiting = Action::WaitObject { timeout: object.timeout, fields: object.fields.clone() };
        let step = self.step(place, key, waiting, "until it is ready", Vec::new(), &[after]);
        progress.produces(object, step);
    }

    /// The steps that an object comes after; nothing where what it comes after is stuck, which is said.
    fn gates_of(&mut self, env: &Environment, object: &Object, progress: &Progress<'_>) -> Option<Vec<StepId>> {
        let stuck: Vec<String> =
            object.after.iter().filter(|used| progress.is_stuck(used)).map(|used| format!("`{used}`")).collect();
        if !stuck.is_empty() {
            let key = ResourceKey::Object(object.key.clone());
            let verb = if stuck.len() == 1 { "is" } else { "are" };
            let message = format!("{} waits for {}, which {verb} not as wanted", object.key, stuck.join(" and "));
            self.wait(&env.name, Some(&object.component), Some(&key), Reason::DependencyBlocked, message, None);
            return None;
        }
        Some(object.after.iter().flat_map(|used| progress.steps_of(used)).copied().collect())
    }

    /// The write that makes the difference go, and the steps that produce what it uses. Nothing where it cannot be made now, which is
    /// said.
    fn change_of(
        &mut self,
        env: &Environment,
        object: &Object,
        mut found: Difference,
        progress: &Progress<'_>,
    ) -> Option<(ObjectChange, Vec<StepId>)> {
        let key = ResourceKey::Object(object.key.clone());
        for message in std::mem::take(&mut found.unknown) {
            self.notice(&env.name, Some(&object.component), Reason::CannotCompare, message);
        }
        if !found.missing.is_empty() {
            let message = found.missing.join("; ");
            self.block(&env.name, Some(&object.component), Some(&key), Reason::SecretUnavailable, message);
            return None;
        }
        let mut after = Vec::new();
        for path in &found.waits_for {
            let Some(step) = progress.producers.get(path) else {
                let message = format!(
                    "{} uses `{path}`, which is not known yet and which nothing in this plan produces",
                    object.key
                );
                self.wait(&env.name, Some(&object.component), Some(&key), Reason::DependencyBlocked, message, None);
                return None;
            };
            after.push(*step);
        }
        let marker = ObjectMarker {
            owner: self.fleet.owner.clone(),
            env: env.name.clone(),
            component: object.component.clone(),
            name: object.key.name.clone(),
            set: env.preview.as_ref().map(|preview| preview.set.clone()),
        };
        let marks = self.wanted_marks(env, object).into_iter().filter(|(_, wanted)| *wanted);
        let marks = marks.map(|(mark, _)| (mark, "1".to_owned())).collect();
        let hash = trial(object, &found);
        let change = ObjectChange {
            marker,
            marks,
            fields: found.fields,
            secrets: found.secrets,
            gone: found.gone,
            changes: found.changes,
            hash,
        };
        Some((change, after))
    }

    /// What differs between what is wanted and what is live; of a new object, all that there is.
    fn object_difference(&self, object: &Object, live: Option<&observed::Object>, outputs: &Outputs) -> Difference {
        let mut found = Difference::default();
        for (name, wanted) in &object.fields {
            let wanted = output::resolve(wanted, outputs);
            let waits = output::waits_for_in(&wanted);
            let old = live.and_then(|live| live.fields.get(name)).cloned();
            if wanted.is_null() && old.as_ref().is_none_or(Value::is_null) {
                // It is not to be there, and is not.
                continue;
            }
            let is_of_creation = object.on_creation.contains(name);
            if old.as_ref() != Some(&wanted) && (live.is_none() || !is_of_creation) {
                found.changes.push(FieldChange::plain(name.clone(), old, Some(wanted.clone())));
                found.waits_for.extend(waits);
            }
            found.fields.insert(name.clone(), wanted);
        }
        if live.is_some_and(observed::Object::is_unproved) {
            let (old, new) = (Some(Value::from(false)), Some(Value::from(true)));
            found.changes.push(FieldChange::plain("verified", old, new));
        }
        for (name, value) in &object.secrets {
            self.secret_difference(object, name, value, live, outputs, &mut found);
        }
        if let Some(live) = live.filter(|_| object.key.object.owns_all_secrets()) {
            for name in live.fingerprints.keys().filter(|name| !object.secrets.contains_key(*name)) {
                found.change_secret(name, self.written_before(object, name, live), None);
                found.gone.insert(name.clone());
            }
        }
        found
    }

    fn secret_difference(
        &self,
        object: &Object,
        name: &str,
        value: &SecretValue,
        live: Option<&observed::Object>,
        outputs: &Outputs,
        found: &mut Difference,
    ) {
        let recorded = live.and_then(|live| live.fingerprints.get(name));
        let is_plain = object.is_plain(name);
        let seen = live.and_then(|live| live.plain_value(name)).filter(|_| is_plain);
        let old = live.and_then(|live| self.written_before(object, name, live));
        let reason = match (value, &self.fleet.fingerprinter) {
            (SecretValue::Known(text), Some(fingerprinter)) => {
                let text = SecretText::new(output::resolve_text(text.expose(), outputs));
                let waits = output::waits_for(text.expose());
                let fingerprint = fingerprinter.of_object(&object.key, &recorded_as(name, is_plain), &text);
                let is_as_written = seen.is_none_or(|seen| seen == text.expose());
                if waits.is_empty() && recorded == Some(&fingerprint) && is_as_written {
                    found.fingerprints.insert(name.to_owned(), fingerprint);
                    if seen.is_none() && live.is_some_and(|live| live.is_by_others(name)) {
                        found.unknown.push(format!(
                            "somebody else than the user of the token wrote `{name}` of {} last, and its value cannot be read: if it is not the spec's, delete the variable at Vercel, and it is made again",
                            object.key
                        ));
                    }
                    return;
                }
                if waits.is_empty() {
                    found.fingerprints.insert(name.to_owned(), fingerprint);
                }
                found.change_secret(
                    name,
                    old,
                    Some(if is_plain { Change::Plain(Value::from(text.expose())) } else { Change::Secret }),
                );
                found.waits_for.extend(waits);
                found.secrets.insert(name.to_owned(), text);
                return;
            }
            (SecretValue::Known(_), None) => "there is no master key here to compare it with",
            (SecretValue::Unavailable { reason }, _) => reason,
        };
        if recorded.is_some() {
            found.unknown.push(format!("`{name}` is there; whether it is as wanted cannot be told: {reason}"));
        } else if self.request.dry_run {
            found.change_secret(name, None, Some(Change::Unknown(reason.to_owned())));
        } else {
            found.missing.push(format!("`{name}` is needed: {reason}"));
        }
    }

    /// What is live of a secret field, if anything is. Its value is shown only where the record proves that it was written in plain, and
    /// as it is: what somebody else has put there may be a secret.
    fn written_before(&self, object: &Object, name: &str, live: &observed::Object) -> Option<Change> {
        let recorded = live.fingerprints.get(name)?;
        let seen = live.plain_value(name).zip(self.fleet.fingerprinter.as_ref()).filter(|(seen, fingerprinter)| {
            fingerprinter.of_object(&object.key, &recorded_as(name, true), &SecretText::new(*seen)) == *recorded
        });
        Some(seen.map_or(Change::Secret, |(seen, _)| Change::Plain(Value::from(seen))))
    }

    /// Whether the same was tried before and refused, which is said.
    fn is_rejected(&mut self, env: &Environment, object: &Object, key: &ResourceKey, hash: &str) -> bool {
        let rejection = self.memory.rejections.get(&key.to_string());
        let Some(rejection) = rejection.filter(|rejection| rejection.hash == hash && self.now < rejection.retry_at)
        else {
            return false;
        };
        let component = Some(&object.component);
        if rejection.reason == NO_ROOM {
            let message = format!("{} waits: {}", object.key, rejection.message);
            self.wait(&env.name, component, Some(key), Reason::Queued, message, Some(rejection.retry_at));
        } else {
            let message = format!("{}: this was tried and refused: {}", object.key, rejection.message);
            self.block(&env.name, component, Some(key), Reason::RolloutRejected, message);
        }
        true
    }

    /// What is to be noted on the object, and what not.
    fn wanted_marks(&self, env: &Environment, object: &Object) -> [(String, bool); 3] {
        let protect = object.protect || self.policy.keeps(env);
        let marks = [("protect", protect), ("retain", object.retain), ("snapshot", object.snapshot)];
        marks.map(|(mark, wanted)| (format!("{PREFIX}{mark}"), wanted))
    }

    /// Brings the marks on a live object of ours up to date: it is wanted (again), so nothing of it is on its way out.
    fn plan_object_marks(&mut self, env: &Environment, object: &Object, live: &observed::Object, key: &ResourceKey) {
        if live.owned_by(&self.fleet.owner).is_none() {
            return;
        }
        let mut marks: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (mark, wanted) in self.wanted_marks(env, object) {
            match (wanted, live.marks.contains_key(&mark)) {
                (true, false) => drop(marks.insert(mark, Some("1".to_owned()))),
                (false, true) => drop(marks.insert(mark, None)),
                _ => {}
            }
        }
        for mark in ["tombstone", "held", "emptied", "released"].map(|mark| format!("{PREFIX}{mark}")) {
            if live.marks.contains_key(&mark) {
                marks.insert(mark, None);
            }
        }
        if marks.is_empty() {
            return;
        }
        let place = Place { env: &env.name, component: Some(&object.component), org: None };
        if let Err(obstacle) = self.is_settled(key, Rule::OpenKeyStopsMarking) {
            self.withhold(&place, key, &format!("mark {}", object.key), obstacle);
            return;
        }
        let action = Action::MarkObject { id: live.id.clone(), marks };
        self.step(&place, key.clone(), action, "its marks are not up to date", Vec::new(), &[]);
    }
}

impl Difference {
    fn change_secret(&mut self, name: &str, old: Option<Change>, new: Option<Change>) {
        self.changes.push(FieldChange { path: name.to_owned(), old, new, kind: ChangeKind::InPlace });
    }
}

/// What a failure is remembered by.
fn trial(object: &Object, found: &Difference) -> String {
    let wanted: BTreeMap<&String, &Value> = object.fields.iter().collect();
    let text = serde_json::json!([wanted, found.fingerprints]).to_string();
    hex::encode(sha2::Sha256::digest(text).get(..8).unwrap_or_default())
}
