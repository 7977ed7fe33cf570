//! What is run before anything of an environment is deleted, and how its end waits for that.
//!
//! Everything is read from the live objects: which commands there are, since when they are due, and how each has ended. So neither a
//! restart nor a lost store begins anything anew.
//!
//! ```text
//! deletion is due ──> noted since when ──> a machine for the first command ──> noted how it ended ──> the next … ──> deleted
//! ```

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::collect::Orphan;
use super::ending::{WELL, end_of, said};
use super::machines::Hashed;
use super::planner::Planner;
use super::proof::Proof;
use super::step::{Action, Finalization, MachineWrite, StepId};
use super::withheld::Reason;
use crate::observed::Machine;
use crate::resource::field::FieldSet;
use crate::resource::job;
use crate::resource::marker::{FINALIZED, FINALIZER_GROUP, FINALIZING, Finalizer, JOB_GROUP, MachineMarker};
use crate::resource::{FieldChange, MachineSlot, ObjectKind, ResourceKey, Subject};
use crate::rules::Rule;

/// The stage of a teardown in which apps go.
const APPS: u8 = ObjectKind::BEFORE_APPS.saturating_add(1);

/// When something goes, as its environment is torn down from the outside in.
const fn stage_of(orphan: &Orphan) -> u8 {
    match &orphan.subject {
        Subject::App(_) => APPS,
        Subject::Object(key) => key.object.teardown_stage(),
    }
}

/// Whether nothing may be left of what goes before it: data, which others may use, and a mark, which says whose the others are.
fn goes_last(orphan: &Orphan) -> bool {
    let is_mark = matches!(&orphan.subject, Subject::Object(key) if key.object == ObjectKind::VercelMark);
    is_mark || stage_of(orphan) > APPS
}

/// What is to be run in one app before it is deleted.
struct Part<'o, 'a> {
    orphan: &'o Orphan,
    finalizers: &'a [Finalizer],
    /// Since when they are due.
    since: Option<DateTime<Utc>>,
    /// How those have ended that have, by name.
    ended: BTreeMap<String, String>,
    /// The machines of ours in it, oldest first.
    machines: Vec<&'a Machine>,
    /// Whether the app was read directly: a listing does not show how a machine has ended, and may be behind.
    is_read: bool,
}

impl<'a> Part<'_, 'a> {
    /// The machine that the finalizer `name` runs or ran in.
    fn job(&self, name: &str) -> Option<&'a Machine> {
        self.machines.iter().copied().find(|machine| group_of(machine).strip_prefix(FINALIZER_GROUP) == Some(name))
    }

    /// The machine whose configuration finalizers take over.
    fn model(&self) -> Option<(&'a Machine, &'a Value)> {
        let usable = self.machines.iter().filter(|machine| machine.host_ok && !is_job(machine));
        usable.into_iter().find_map(|machine| Some((*machine, machine.config.as_ref()?)))
    }

    /// The machine that notes are written on.
    fn bearer(&self) -> Option<(&'a Machine, &'a MachineMarker)> {
        let machine = self.machines.iter().find(|machine| !is_job(machine))?;
        Some((machine, machine.marker.as_ref()?.as_ref().ok()?))
    }
}

impl Planner<'_> {
    /// Plans the deletions that are due now, or what comes before them.
    pub(super) fn plan_deletions(&mut self, orphans: &[Orphan]) {
        let due = std::mem::take(&mut self.due);
        let is_due = |orphan: &&Orphan| due.contains_key(&orphan.subject);
        for env in orphans.iter().filter(is_due).map(|orphan| &orphan.env).collect::<BTreeSet<_>>() {
            let mut all: Vec<&Orphan> = orphans.iter().filter(|orphan| orphan.env == *env).collect();
            if self.holds(Rule::FinalizersFirst) && !self.is_finalized(&all, &due) {
                continue;
            }
            // From the outside in: what people reach first, what holds data last.
            all.sort_by_key(|orphan| stage_of(orphan));
            let first_kept =
                all.iter().find(|orphan| !due.contains_key(&orphan.subject)).map(|orphan| stage_of(orphan));
            let mut ends: Vec<(u8, StepId)> = Vec::new();
            for orphan in all {
                if first_kept.is_some_and(|kept| kept < stage_of(orphan)) && goes_last(orphan) {
                    self.hold_last(orphan, &due);
                    continue;
                }
                let Some(proof) = due.get(&orphan.subject) else { continue };
                let name = orphan.subject.to_string();
                let (field, action) = match &orphan.subject {
                    Subject::App(_) => ("app", Action::DeleteApp { proof: proof.clone() }),
                    Subject::Object(key) => {
                        (key.object.noun(), Action::DeleteObject { id: orphan.id.clone(), proof: proof.clone() })
                    }
                };
                let change = FieldChange::plain(field, Some(name.into()), None);
                let before: Vec<StepId> =
                    ends.iter().filter(|(stage, _)| *stage < stage_of(orphan)).map(|(_, step)| *step).collect();
                let step =
                    self.step(&orphan.place(), orphan.key(), action, orphan.reason.clone(), vec![change], &before);
                ends.push((stage_of(orphan), step));
            }
        }
    }

    /// What goes last waits for everything before it: also for what is not due yet, or is kept.
    fn hold_last(&mut self, orphan: &Orphan, due: &BTreeMap<Subject, Proof>) {
        if due.contains_key(&orphan.subject) {
            let message = format!("delete {}: it waits for other parts of its environment to go first", orphan.what());
            let component = orphan.component.as_ref();
            self.wait(&orphan.env, component, Some(&orphan.key()), Reason::Finalizing, message, None);
        }
    }

    /// The names of what is run before this app is deleted, for people, if anything is.
    pub(super) fn run_before(&self, orphan: &Orphan) -> Option<String> {
        let finalizers = self.part(orphan).finalizers;
        (!finalizers.is_empty()).then(|| names_of(finalizers))
    }

    /// Whether everything has been run that is to be run before any of these apps of one environment is deleted. What is not is
    /// planned, or waited for.
    fn is_finalized(&mut self, orphans: &[&Orphan], due: &BTreeMap<Subject, Proof>) -> bool {
        let leaving = orphans.iter().filter(|orphan| orphan.kept.is_none() && !self.is_blocked(orphan));
        let mut parts: Vec<Part<'_, '_>> = leaving.map(|orphan| self.part(orphan)).collect();
        parts.retain(|part| !part.finalizers.is_empty());
        if parts.is_empty() {
            return true;
        }
        let since = parts.iter().filter_map(|part| part.since).min();
        if since
            .is_some_and(|since| parts.iter().flat_map(|part| part.finalizers).all(|each| self.is_over(each, since)))
        {
            self.notice_unfinished(&parts);
            return true;
        }
        if let Some(later) = parts.iter().find(|part| !due.contains_key(&part.orphan.subject)) {
            let message =
                format!("it waits for app `{}`, in which something is run before any deletion", later.orphan.subject);
            self.hold_all(orphans, due, Reason::Finalizing, &message, None);
            return false;
        }
        if let Some(unread) = parts.iter().find(|part| !part.is_read) {
            let message =
                format!("app `{}` was not read, so how far is what runs before it is not known", unread.orphan.subject);
            self.hold_all(orphans, due, Reason::ObservationIncomplete, &message, None);
            return false;
        }
        if parts.iter().any(|part| part.since.is_none()) {
            self.plan_beginning(&parts, since.unwrap_or(self.now), due);
            return false;
        }
        self.plan_next(&parts, since.unwrap_or(self.now), due)
    }

    /// Notes on every app since when its finalizers are due: their time counts from here, and does not begin anew.
    fn plan_beginning(&mut self, parts: &[Part<'_, '_>], since: DateTime<Utc>, due: &BTreeMap<Subject, Proof>) {
        for part in parts.iter().filter(|part| part.since.is_none()) {
            let names = names_of(part.finalizers);
            let reason = format!("{}: {names} is run before it is deleted", part.orphan.reason);
            self.plan_note(part, FINALIZING, since.timestamp().to_string(), reason, due);
        }
    }

    /// Goes on with the first finalizer that has not ended and whose time is not over. Whether there is none.
    fn plan_next(&mut self, parts: &[Part<'_, '_>], since: DateTime<Utc>, due: &BTreeMap<Subject, Proof>) -> bool {
        let all = parts.iter().flat_map(|part| part.finalizers.iter().map(move |finalizer| (part, finalizer)));
        let mut all: Vec<(&Part<'_, '_>, &Finalizer)> = all.collect();
        all.sort_by_key(|(_, finalizer)| *finalizer);
        for (part, finalizer) in all {
            let job = part.job(&finalizer.name);
            let noted = part.ended.get(&finalizer.name).filter(|_| self.holds(Rule::EndedFinalizersRest));
            if let Some(word) = noted {
                self.notice_end(part, finalizer, word, job);
                continue;
            }
            let ended = job.and_then(end_of);
            if self.is_over(finalizer, since) {
                self.notice_end(part, finalizer, ended.as_deref().unwrap_or("late"), job);
                continue;
            }
            match (job, ended) {
                (Some(job), Some(word)) => self.plan_end_note(part, finalizer, &word, job, due),
                (Some(job), None) => self.wait_for_job(part, finalizer, job, since),
                (None, _) => self.plan_finalizer(part, finalizer, since, due),
            }
            return false;
        }
        true
    }

    fn plan_end_note(
        &mut self,
        part: &Part<'_, '_>,
        finalizer: &Finalizer,
        word: &str,
        job: &Machine,
        due: &BTreeMap<Subject, Proof>,
    ) {
        let mut ended = part.ended.clone();
        ended.insert(finalizer.name.clone(), word.to_owned());
        let text = ended.iter().map(|(name, word)| format!("{name}={word}")).collect::<Vec<_>>().join(",");
        let reason = format!("finalizer `{}` {}; the deletion goes on", finalizer.name, said(word, Some(job)));
        self.plan_note(part, FINALIZED, text, reason, due);
    }

    fn wait_for_job(&mut self, part: &Part<'_, '_>, finalizer: &Finalizer, job: &Machine, since: DateTime<Utc>) {
        let over = over_at(finalizer, since);
        let message = format!(
            "finalizer `{}` is running in machine {} of `{}`; the deletion goes on at {} at the latest",
            finalizer.name,
            job.id,
            part.orphan.subject,
            over.format("%Y-%m-%d %H:%M:%S UTC")
        );
        // What has taken long may take longer: it is looked at less and less often.
        let spent = job.created_at.map(|at| self.now.signed_duration_since(at)).unwrap_or_default();
        let pause = TimeDelta::seconds((spent.num_seconds() / 4).clamp(3, 60));
        let next = self.now.checked_add_signed(pause).map_or(over, |next| next.min(over));
        let component = part.orphan.component.as_ref();
        let key = self.key_of(part, job);
        self.wait(&part.orphan.env, component, Some(&key), Reason::Finalizing, message, Some(next));
    }

    /// Plans the machine that a finalizer runs in.
    fn plan_finalizer(
        &mut self,
        part: &Part<'_, '_>,
        finalizer: &Finalizer,
        since: DateTime<Utc>,
        due: &BTreeMap<Subject, Proof>,
    ) {
        let (orphan, over) = (part.orphan, over_at(finalizer, since));
        let place = orphan.place();
        let (Some((model, config)), Some((_, marker)), Some(proof)) =
            (part.model(), part.bearer(), due.get(&orphan.subject))
        else {
            let message = format!(
                "finalizer `{}` cannot be run, because no machine of `{}` can be read; the deletion goes on at {} at the latest",
                finalizer.name,
                orphan.subject,
                over.format("%Y-%m-%d %H:%M:%S UTC")
            );
            self.wait(
                &orphan.env,
                orphan.component.as_ref(),
                Some(&orphan.key()),
                Reason::Finalizing,
                message,
                Some(over),
            );
            return;
        };
        let group = format!("{FINALIZER_GROUP}{}", finalizer.name);
        let slot = MachineSlot { group, region: model.region.clone(), ordinal: 0 };
        let Some(app) = orphan.app() else { return };
        let key = ResourceKey::Machine { app: app.clone(), slot: slot.clone() };
        if let Err(obstacle) = self.may_create(&key, false) {
            self.withhold(&place, &key, &format!("run finalizer `{}`", finalizer.name), obstacle);
            return;
        }
        let config = job::config(config, &finalizer.command);
        let write = job_write(config, marker, slot);
        if let Some(rejection) = self.memory.rejections.get(&key.to_string())
            && rejection.hash == write.trial
            && self.now < rejection.retry_at
        {
            let message = format!(
                "finalizer `{}` could not be started ({}); it is tried again, and the deletion goes on at {} at the latest",
                finalizer.name,
                rejection.message,
                over.format("%Y-%m-%d %H:%M:%S UTC")
            );
            let until = Some(rejection.retry_at.min(over));
            self.wait(&orphan.env, orphan.component.as_ref(), Some(&key), Reason::Finalizing, message, until);
            return;
        }
        let changes = vec![
            FieldChange::plain("image", None, write.config.get("image").cloned()),
            FieldChange::plain("command", None, Some(json!(finalizer.command))),
        ];
        let reason = format!("{}: `{}` is run before it is deleted", orphan.reason, finalizer.name);
        let act = Finalization::Run(Box::new(write));
        let action = Action::Finalize { act, proof: proof.clone() };
        self.step(&place, key, action, reason, changes, &[]);
    }

    /// Plans a note about the finalizers of an app on the live machine that bears them.
    fn plan_note(
        &mut self,
        part: &Part<'_, '_>,
        metadata_key: &str,
        value: String,
        reason: String,
        due: &BTreeMap<Subject, Proof>,
    ) {
        let (Some((bearer, _)), Some(proof)) = (part.bearer(), due.get(&part.orphan.subject)) else { return };
        let place = part.orphan.place();
        let key = self.key_of(part, bearer);
        if let Err(obstacle) = self.is_settled(&key, Rule::OpenKeyStopsMarking) {
            self.withhold(&place, &key, &format!("note how far app `{}` is", part.orphan.subject), obstacle);
            return;
        }
        let metadata = BTreeMap::from([(metadata_key.to_owned(), Some(value))]);
        let act = Finalization::Note { id: bearer.id.clone(), metadata };
        self.step(&place, key, Action::Finalize { act, proof: proof.clone() }, reason, Vec::new(), &[]);
    }

    /// Withholds every deletion that is due.
    fn hold_all(
        &mut self,
        orphans: &[&Orphan],
        due: &BTreeMap<Subject, Proof>,
        reason: Reason,
        message: &str,
        until: Option<DateTime<Utc>>,
    ) {
        for orphan in orphans.iter().filter(|orphan| due.contains_key(&orphan.subject)) {
            let message = format!("delete {}: {message}", orphan.what());
            self.wait(&orphan.env, orphan.component.as_ref(), Some(&orphan.key()), reason, message, until);
        }
    }

    /// Says how a finalizer has ended that has not ended well.
    fn notice_end(&mut self, part: &Part<'_, '_>, finalizer: &Finalizer, word: &str, job: Option<&Machine>) {
        if word != WELL {
            let message = format!(
                "finalizer `{}` of `{}` {}; the deletion goes on without it",
                finalizer.name,
                part.orphan.subject,
                said(word, job)
            );
            let component = part.orphan.component.as_ref();
            self.notice(&part.orphan.env, component, Reason::FinalizerFailed, message);
        }
    }

    fn notice_unfinished(&mut self, parts: &[Part<'_, '_>]) {
        for (part, finalizer) in parts.iter().flat_map(|part| part.finalizers.iter().map(move |each| (part, each))) {
            let job = part.job(&finalizer.name);
            let word = part.ended.get(&finalizer.name).cloned().or_else(|| job.and_then(end_of));
            self.notice_end(part, finalizer, word.as_deref().unwrap_or("late"), job);
        }
    }

    /// Whether the time of a finalizer is over.
    fn is_over(&self, finalizer: &Finalizer, since: DateTime<Utc>) -> bool {
        self.now >= over_at(finalizer, since)
    }

    /// Whether only a person can let this app go.
    fn is_blocked(&self, orphan: &Orphan) -> bool {
        let key = orphan.key();
        self.plan.withheld.iter().any(|withheld| {
            withheld.env == orphan.env
                && withheld.stance == super::Stance::Blocked
                && withheld.key.as_ref().is_none_or(|held| *held == key)
        }) && !self.due.contains_key(&orphan.subject)
    }

    fn key_of(&self, part: &Part<'_, '_>, machine: &Machine) -> ResourceKey {
        match (self.marker_on(machine), part.orphan.app()) {
            (Some(marker), Some(app)) => ResourceKey::Machine { app: app.clone(), slot: marker.slot.clone() },
            _ => part.orphan.key(),
        }
    }
}

impl<'a> Planner<'a> {
    /// What there is to be run in an app, by the newest marker on its machines.
    fn part<'o>(&self, orphan: &'o Orphan) -> Part<'o, 'a> {
        let (org, app) = (orphan.org.as_ref(), orphan.app());
        let detail = app.and_then(|app| self.observed.detail(org, app)).and_then(|detail| detail.machines.known());
        let listed = || Some(self.listed.get(org?)?.machines(app?).to_vec());
        let machines: Vec<&'a Machine> = match detail {
            Some(machines) => machines.iter().collect(),
            None => listed().unwrap_or_default(),
        };
        let mut machines: Vec<&'a Machine> = machines
            .into_iter()
            .filter(|machine| {
                machine.is_live() && self.marker_on(machine).is_some_and(|marker| marker.env == orphan.env)
            })
            .collect();
        // The machine of a job is like the others only where there are no others.
        machines.sort_by_key(|machine| (group_of(machine).starts_with(JOB_GROUP), machine.seniority()));
        let markers = machines.iter().filter(|machine| !is_job(machine));
        let markers = markers.filter_map(|machine| machine.marker.as_ref()?.as_ref().ok());
        let newest = markers.max_by_key(|marker| (marker.writer.as_ref().map(|writer| writer.at), &marker.slot));
        let texts = |key: &str| machines.iter().filter_map(|machine| machine.metadata.get(key)).collect::<Vec<_>>();
        let moments = texts(FINALIZING).into_iter().filter_map(|text| text.parse().ok());
        let ended = texts(FINALIZED).into_iter().flat_map(|text| text.split(','));
        Part {
            orphan,
            finalizers: newest.map(|marker| marker.finalizers.as_slice()).unwrap_or_default(),
            since: moments.filter_map(|at| DateTime::from_timestamp(at, 0)).min(),
            ended: ended
                .filter_map(|text| text.split_once('='))
                .map(|(name, word)| (name.to_owned(), word.to_owned()))
                .collect(),
            is_read: detail.is_some(),
            machines,
        }
    }
}

/// What the machine is created with. It is marked like the machine that bears the notes, so that whoever looks sees the same.
fn job_write(config: Value, like: &MachineMarker, slot: MachineSlot) -> MachineWrite {
    let trial = Hashed { config: &config, metadata: &BTreeMap::new(), redeploy: None, secrets: None }.short();
    let marker = MachineMarker {
        name: slot.machine_name(),
        slot,
        launch: String::new(),
        hash: trial.clone(),
        fields: FieldSet::of(&config),
        finalizers: Vec::new(),
        tombstone: None,
        ..like.clone()
    };
    MachineWrite {
        config,
        metadata: BTreeMap::new(),
        min_secrets_version: marker.secrets_version,
        marker,
        trial,
        pending_digests: BTreeSet::new(),
        start: true,
    }
}

fn names_of(finalizers: &[Finalizer]) -> String {
    finalizers.iter().map(|finalizer| format!("`{}`", finalizer.name)).collect::<Vec<_>>().join(" and ")
}

/// When the time of a finalizer is over.
fn over_at(finalizer: &Finalizer, since: DateTime<Utc>) -> DateTime<Utc> {
    let within = i64::try_from(finalizer.within).ok().and_then(TimeDelta::try_seconds);
    within.and_then(|within| since.checked_add_signed(within)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn group_of(machine: &Machine) -> &str {
    match &machine.marker {
        Some(Ok(marker)) => &marker.slot.group,
        _ => "",
    }
}

fn is_job(machine: &Machine) -> bool {
    group_of(machine).starts_with(FINALIZER_GROUP)
}

/// Whether an environment has anything that is run before it is deleted, by the markers on its machines. Then its end cannot be planned
/// from listings alone.
pub fn has_finalizers(machine: &Machine) -> bool {
    matches!(&machine.marker, Some(Ok(marker)) if !marker.finalizers.is_empty())
}
