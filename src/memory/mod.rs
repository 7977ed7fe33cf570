//! What we ourselves did lately: a note for every write, made before it is sent.
//!
//! A note keeps its key *open*: while it is open, nothing is concluded from the key's absence. The two numbers behind it are
//! [`Timing`]. With an empty memory every key is open for F + S, the *quarantine*.

mod expired;
mod images;
mod left;
mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::observed::Observed;
use crate::resource::{AppName, EnvName, OrgSlug, ResourceKey, ScopeKey};
use crate::rules::{Rule, Rules};
pub use notes::NotesByKey;

/// The two numbers that are assumed of a provider (and that the simulator enforces).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// S: how long a listing may lag behind a completed write.
    pub listing_lag: Duration,
    /// F: how long after sending a request may still take effect (the client's time limit and the server's own queue).
    pub in_flight: Duration,
}

impl Timing {
    /// Fly: listings lag by up to a minute (users of the org listing re-read with 60 s of overlap), and a request may take effect
    /// up to a minute after it was sent (Fly's proxy cuts connections at 60 s).
    pub const FLY: Self = Self { listing_lag: Duration::from_mins(1), in_flight: Duration::from_mins(1) };

    /// F + S: how long a write of unknown outcome keeps its key open.
    pub fn open_for(self) -> TimeDelta {
        delta(self.listing_lag.saturating_add(self.in_flight))
    }
}

/// What a noted write does to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// Makes the object.
    Create,
    /// Changes it.
    Update,
    /// Removes it.
    Delete,
}

/// What is known of a noted write's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum NoteOutcome {
    /// Sent, or about to be: it may take effect until F has passed.
    Unknown,
    /// Done; a listing may lag behind by S.
    Done {
        /// When the answer came.
        at: DateTime<Utc>,
    },
}

/// How a noted write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// The provider said that it is done.
    Done {
        /// When the answer came.
        at: DateTime<Utc>,
        /// The server's id of what was made, where it minted one.
        id: Option<String>,
    },
    /// The provider refused it, or it was never sent: it cannot take effect any more.
    NoEffect,
    /// No answer came, or none that tells: it may have been sent, for the last time, as late as this.
    NoAnswer {
        /// When it was given up.
        at: DateTime<Utc>,
    },
}

/// One own write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What was written.
    pub key: ResourceKey,
    /// The environment it was for.
    pub env: EnvName,
    /// What the write does.
    pub verb: Verb,
    /// The server's id of the object, where the write names one; or the launch id, or the network of a new app.
    pub detail: String,
    /// When it was sent, or about to be; where its answer was given up, when that was.
    pub sent_at: DateTime<Utc>,
    /// What is known of the outcome.
    #[serde(flatten)]
    pub outcome: NoteOutcome,
}

impl Note {
    /// Until when the note keeps its key open.
    pub fn open_until(&self, timing: Timing) -> DateTime<Utc> {
        match self.outcome {
            NoteOutcome::Unknown => add(self.sent_at, timing.open_for()),
            NoteOutcome::Done { at } => add(at, delta(timing.listing_lag)),
        }
    }

    /// Whether each write makes another one of what the key names.
    fn makes_another(&self) -> bool {
        matches!(&self.key, ResourceKey::Object(key) if key.object.is_renewed())
    }
}

/// A change that was tried and did not work, so that it is not tried again without end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Hash of what was wanted.
    pub hash: String,
    /// A condition's reason.
    pub reason: String,
    /// What happened, for people.
    pub message: String,
    /// When.
    pub at: DateTime<Utc>,
    /// When the same may be tried again.
    pub retry_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
}

/// An app that we made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Birth {
    /// When we learned of it.
    pub at: DateTime<Utc>,
    /// The server's id of it, as soon as that is known. What somebody else makes under the same name has another.
    pub id: Option<String>,
}

/// Acknowledged sets of deletions by their hash: of which apps (name and id) each consists. A set is empty until a plan has seen it.
pub type Acknowledged = BTreeMap<String, BTreeSet<String>>;

/// Our own recent doings. Losing it loses history, never safety.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// This run of the program.
    pub instance: String,
    /// When this run began.
    pub started_at: DateTime<Utc>,
    /// When a memory without history began: quarantine counts from here. Absent where the history is unbroken.
    pub blank_since: Option<DateTime<Utc>>,
    /// Own writes whose effect has not been seen yet.
    pub notes: Vec<Note>,
    /// Organizations in which something of ours may be, so that they are looked at also when no spec names them any more.
    pub organizations: BTreeSet<OrgSlug>,
    /// Scopes of other providers in which something of ours may be, for the same reason.
    #[serde(default)]
    pub scopes: BTreeSet<ScopeKey>,
    /// Apps that this memory saw being created: nothing of an earlier run can be under way in them.
    pub born: BTreeMap<AppName, Birth>,
    /// Ids of volumes that we created, with the app they are in.
    pub volumes: BTreeMap<String, AppName>,
    /// Names of apps that we have deleted lately, by when: the provider may hold on to a name for a moment.
    pub freed: BTreeMap<AppName, DateTime<Utc>>,
    /// Collections done lately, for the deletion budget: what and when.
    pub deletions: Vec<(String, DateTime<Utc>)>,
    /// Held sets of deletions that a person has acknowledged, and that are not all gone.
    pub acknowledged: Acknowledged,
    /// Environments that have reached the end of their age, by what each of them was then: it does not begin anew as the same.
    pub expired: BTreeMap<EnvName, String>,
    /// Images that their registries did not have, by since when.
    pub missing_images: BTreeMap<String, DateTime<Utc>>,
    /// Changes that did not work, by what they were for.
    pub rejections: BTreeMap<String, Rejection>,
}

impl Memory {
    /// A memory without any history, from a store that was empty or lost.
    pub fn blank(instance: impl Into<String>, now: DateTime<Utc>) -> Self {
        Self {
            instance: instance.into(),
            started_at: now,
            blank_since: Some(now),
            notes: Vec::new(),
            organizations: BTreeSet::new(),
            scopes: BTreeSet::new(),
            born: BTreeMap::new(),
            volumes: BTreeMap::new(),
            freed: BTreeMap::new(),
            deletions: Vec::new(),
            acknowledged: Acknowledged::new(),
            expired: BTreeMap::new(),
            missing_images: BTreeMap::new(),
            rejections: BTreeMap::new(),
        }
    }

    /// Until when nothing may be removed and nothing minted twice, if that is still to come.
    pub fn quarantined_until(&self, now: DateTime<Utc>, timing: Timing) -> Option<DateTime<Utc>> {
        self.blank_since.map(|since| add(since, timing.open_for())).filter(|until| now < *until)
    }

    /// Whether a write of ours made the app `app` that the server calls `id`, as far as this memory knows: it saw so, or it has tried
    /// to and had no answer.
    pub fn has_created(&self, app: &AppName, id: &str) -> bool {
        let is_it = |birth: &Birth| birth.id.as_ref().is_none_or(|known| known == id);
        self.born.get(app).is_some_and(is_it)
            || self.notes.iter().any(|note| {
                note.verb == Verb::Create
                    && note.outcome == NoteOutcome::Unknown
                    && matches!(&note.key, ResourceKey::App { app: noted } if noted == app)
            })
    }

    /// Notes that a person has let go the held set of deletions that `hash` names.
    pub fn acknowledge(&mut self, hash: &str) {
        self.acknowledged.entry(hash.to_owned()).or_default();
    }

    /// Notes a write that is about to be sent. An older note of the same key and verb is replaced.
    pub fn note(&mut self, note: Note) {
        self.notes.retain(|other| !(other.key == note.key && other.verb == note.verb));
        self.notes.push(note);
    }

    /// Notes how a write ended. One of unknown outcome keeps its note as it is.
    pub fn conclude(&mut self, key: &ResourceKey, verb: Verb, conclusion: Conclusion) {
        match conclusion {
            Conclusion::Done { at, id } => {
                for note in self.notes.iter_mut().filter(|note| note.key == *key && note.verb == verb) {
                    note.outcome = NoteOutcome::Done { at };
                    // Of an app the note keeps the network.
                    if let Some(id) = id.as_ref().filter(|_| !matches!(key, ResourceKey::App { .. })) {
                        note.detail.clone_from(id);
                    }
                }
                match (verb, key) {
                    (Verb::Create, ResourceKey::App { app }) => drop(self.born.insert(app.clone(), Birth { at, id })),
                    (Verb::Delete, ResourceKey::App { app }) => {
                        self.forget_app(app);
                        self.freed.insert(app.clone(), at);
                    }
                    _ => {}
                }
            }
            Conclusion::NoAnswer { at } => {
                for note in self.notes.iter_mut().filter(|note| note.key == *key && note.verb == verb) {
                    note.sent_at = at;
                }
            }
            Conclusion::NoEffect => self.notes.retain(|note| !(note.key == *key && note.verb == verb)),
        }
    }

    /// Clears every note whose effect `observed` shows, or whose time is over.
    pub fn settle(&mut self, observed: &Observed, now: DateTime<Utc>, timing: Timing, budget_window: Duration) {
        self.settle_by(Rules::default(), observed, now, timing, budget_window);
    }

    /// The same by these rules: all of them, except where a test shows what one is for.
    pub fn settle_by(
        &mut self,
        rules: Rules,
        observed: &Observed,
        now: DateTime<Utc>,
        timing: Timing,
        budget_window: Duration,
    ) {
        let born = &mut self.born;
        self.notes.retain(|note| {
            let is_open = now < note.open_until(timing);
            let is_seen = is_open && shows_effect(rules, note, observed);
            // An attempt without an answer whose app is there now is the evidence that we made it.
            if let (true, Verb::Create, ResourceKey::App { app }) = (is_seen, note.verb, &note.key) {
                born.entry(app.clone()).or_insert(Birth { at: now, id: None });
            }
            is_open && !is_seen
        });
        self.settle_births(observed);
        self.settle_volumes(observed);
        for app in self.vanished(observed) {
            self.forget_app(&app);
        }
        self.deletions.retain(|(_, at)| now < add(*at, delta(budget_window)));
        self.freed.retain(|_, at| now < add(*at, timing.open_for()));
        if self.quarantined_until(now, timing).is_none() {
            self.blank_since = None;
        }
    }
}

impl Memory {
    /// Forgets that we made an app: what bears its name from now on may be somebody else's.
    fn forget_app(&mut self, app: &AppName) {
        self.born.remove(app);
        self.volumes.retain(|_, of| of != app);
    }

    /// Apps of ours of which a direct request, begun after we had made them, says that they are gone.
    fn vanished(&self, observed: &Observed) -> Vec<AppName> {
        let is_gone = |(app, born): &(&AppName, &Birth)| {
            let details = observed.scopes.values().filter_map(|scope| scope.details.get(*app));
            details.into_iter().any(|detail| {
                matches!(&detail.presence, crate::observed::Presence::Absent { started_at } if *started_at > born.at)
            }) && !self.notes.iter().any(|note| note.key.app() == Some(*app))
        };
        self.born.iter().filter(is_gone).map(|(app, _)| app.clone()).collect()
    }

    /// Learns the ids of apps that we made without being told one.
    fn settle_births(&mut self, observed: &Observed) {
        for (app, birth) in self.born.iter_mut().filter(|(_, birth)| birth.id.is_none()) {
            let presences = observed.scopes.values().filter_map(|scope| Some(&scope.details.get(app)?.presence));
            birth.id = presences.into_iter().find_map(|presence| match presence {
                crate::observed::Presence::Here(row) => Some(row.id.clone()),
                _ => None,
            });
        }
    }

    /// Clears notes of volumes whose creation was not answered: as many as there are unattached volumes of that name and region,
    /// for nothing else tells which volume belongs to which attempt.
    fn settle_volumes(&mut self, observed: &Observed) {
        let mut used: BTreeMap<(AppName, String, String), usize> = BTreeMap::new();
        self.notes.retain(|note| {
            let ResourceKey::Volume { app, slot } = &note.key else { return true };
            if note.verb != Verb::Create || !note.detail.is_empty() {
                return true;
            }
            let detail = observed.scopes.values().find_map(|scope| scope.details.get(app));
            let Some(volumes) = detail.and_then(|detail| detail.volumes.known()) else { return true };
            let free = volumes.iter().filter(|volume| {
                volume.is_live()
                    && volume.attached_machine.is_none()
                    && volume.name == slot.name
                    && volume.region == slot.machine.region
            });
            let place = (app.clone(), slot.name.clone(), slot.machine.region.clone());
            let used = used.entry(place).or_default();
            if *used < free.count() {
                *used = used.saturating_add(1);
                return false;
            }
            true
        });
    }
}

/// Whether `observed` shows that the noted write has had its effect.
fn shows_effect(rules: Rules, note: &Note, observed: &Observed) -> bool {
    let seen = match &note.key {
        ResourceKey::Object(key) => object_seen(key, observed),
        _ => seen_at_fly(note, observed),
    };
    match (seen, note.verb, &note.outcome) {
        // There may have been one before: only time tells that every listing shows the newest, and that none comes late.
        (_, Verb::Create | Verb::Update, _) if note.makes_another() => false,
        (Some((is_there, _)), Verb::Create, _) => is_there || !rules.hold(Rule::NoteOutlivesAbsence),
        // A mark on an app is looked for in listings too, which may still lag behind what a direct request shows.
        (_, Verb::Update, NoteOutcome::Done { .. }) if matches!(note.key, ResourceKey::App { .. }) => false,
        // Another update that was answered is known to be in effect; one of unknown outcome stays open for its time.
        (_, Verb::Update, NoteOutcome::Done { .. }) => true,
        (_, Verb::Update, NoteOutcome::Unknown) => !rules.hold(Rule::UnansweredUpdateStaysOpen),
        // Absence proves a delete only in a reading that began after the answer.
        (Some((false, Some(started))), Verb::Delete, NoteOutcome::Done { at }) => {
            started >= *at || !rules.hold(Rule::LaterReadingProvesDeletion)
        }
        (Some((false, Some(_))), Verb::Delete, NoteOutcome::Unknown) => !rules.hold(Rule::UnansweredDeletionStaysOpen),
        (_, Verb::Delete, _) => false,
        (None, Verb::Create, _) => false,
    }
}

/// Whether a noted object is there by its app's details, and since when they were read.
fn seen_at_fly(note: &Note, observed: &Observed) -> Option<(bool, Option<DateTime<Utc>>)> {
    let app = note.key.app()?;
    let detail = observed.scopes.values().find_map(|scope| scope.details.get(app))?;
    match &note.key {
        ResourceKey::App { .. } => match &detail.presence {
            crate::observed::Presence::Here(_) => Some((true, None)),
            crate::observed::Presence::Absent { started_at } => Some((false, Some(*started_at))),
            _ => None,
        },
        ResourceKey::Machine { slot, .. } => reading(&detail.machines, |machines| {
            machines.iter().filter(|machine| machine.is_live()).any(|machine| match note.verb {
                Verb::Create => machine.name == slot.machine_name(),
                Verb::Update | Verb::Delete => machine.id == note.detail,
            })
        }),
        ResourceKey::Volume { .. } => reading(&detail.volumes, |volumes| {
            volumes.iter().any(|volume| volume.is_live() && volume.id == note.detail)
        }),
        ResourceKey::Ip { ip, .. } => reading(&detail.ips, |ips| ips.iter().any(|seen| seen.kind == Some(*ip))),
        ResourceKey::Certificate { hostname, .. } => {
            reading(&detail.certificates, |all| all.iter().any(|seen| seen.hostname == *hostname))
        }
        ResourceKey::Secrets { .. } => None,
        ResourceKey::Object(_) => None,
    }
}

/// The same of an object at another provider.
fn object_seen(key: &crate::resource::ObjectKey, observed: &Observed) -> Option<(bool, Option<DateTime<Utc>>)> {
    let objects = &observed.objects.get(&key.scope)?.objects;
    let is_there = objects.items.iter().any(|object| object.key == *key);
    (is_there || objects.completeness.is_complete()).then_some((is_there, Some(objects.started_at)))
}

fn reading<T>(
    reading: &crate::observed::Reading<T>,
    is_there: impl FnOnce(&T) -> bool,
) -> Option<(bool, Option<DateTime<Utc>>)> {
    match reading {
        crate::observed::Reading::Known { value, started_at } => Some((is_there(value), Some(*started_at))),
        crate::observed::Reading::Unknown { .. } => None,
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn add(moment: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    moment.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests;
