//! The proof that a delete consumes. It can be made only here, and only when every condition of a safe deletion holds.

use chrono::{DateTime, Utc};

use super::planner::Planner;
use super::withheld::Reason;
use crate::desired::{Environment, Object};
use crate::memory::{Note, NoteOutcome};
use crate::observed::{Completeness, ObjectScope, Scope};
use crate::resource::{EnvName, ObjectKey, ObjectKind, ResourceKey, Subject};
use crate::rules::Rule;

/// Why an object may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// No spec has asked for it since the moment at which its tombstone was set.
    Orphan {
        /// When the tombstone was set.
        since: DateTime<Utc>,
    },
    /// What its environment was a preview of is known to have ended.
    Ended {
        /// From when on it may be deleted.
        at: DateTime<Utc>,
    },
    /// Its environment is wanted and no longer asks for it.
    NotWanted,
    /// Another object holds its slot.
    Duplicate {
        /// The id of the one that stays.
        survivor: String,
    },
    /// It is made anew because a change cannot be applied in place.
    Replaced,
    /// A person asked for it by name.
    Requested,
}

/// The proof that deleting one object is safe, as far as a plan can know. The executor reads the object's markers once more
/// before it deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    evidence: Evidence,
    subject: Subject,
    created_by_us: bool,
    unit: Option<String>,
}

impl Proof {
    /// Why the object may go.
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What may go, and everything in it with it.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether we created the app, so that everything in it is ours to delete.
    pub const fn created_by_us(&self) -> bool {
        self.created_by_us
    }

    /// What the deletion counts as towards the deletion budget; nothing where a person has asked for it or consented.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The same proof of a deletion that counts towards the budget as `unit`.
    #[must_use]
    pub(super) fn counted_as(self, unit: Option<String>) -> Self {
        Self { unit, ..self }
    }
}

/// Why something cannot be done now, and until when.
pub(super) struct Obstacle {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) until: Option<DateTime<Utc>>,
}

impl Planner<'_> {
    /// Proves that the object at `key`, shown to be ours by `created_by_us` or by its own marker, may be deleted.
    pub(super) fn prove(
        &self,
        key: &ResourceKey,
        evidence: Evidence,
        created_by_us: bool,
        another_writer: Option<&str>,
    ) -> Result<Proof, Obstacle> {
        if let Some(until) = self.quarantined_until(Rule::QuarantineStopsDeletion) {
            return Err(Obstacle {
                reason: Reason::Quarantine,
                message: "an earlier run may still have requests under way, because this store began empty".to_owned(),
                until: Some(until),
            });
        }
        match evidence {
            Evidence::Requested => self.is_settled_for_end(key)?,
            _ => self.is_settled(key, Rule::OpenKeyStopsDeletion)?,
        }
        if let Some(reason) = self.incomplete_listing_of(key) {
            return Err(Obstacle {
                reason: Reason::ObservationIncomplete,
                message: format!("nothing is deleted while a listing is incomplete: {reason}"),
                until: None,
            });
        }
        if let Some(writer) = another_writer.filter(|_| self.holds(Rule::AnotherWriterStopsDeletions)) {
            return Err(Obstacle {
                reason: Reason::AnotherWriter,
                message: format!(
                    "another instance ({writer}) writes under owner `{}`; stop one of the two, nothing is deleted meanwhile",
                    self.fleet.owner
                ),
                until: None,
            });
        }
        Ok(Proof { evidence, subject: key.subject(), created_by_us, unit: None })
    }

    /// Until when an empty memory stops what `rule` is about.
    fn quarantined_until(&self, rule: Rule) -> Option<DateTime<Utc>> {
        self.memory.quarantined_until(self.now, self.policy.timing).filter(|_| self.holds(rule))
    }

    /// Which listing of the organization of `app` does not show everything, and why. A part of the platform that does not answer for
    /// listings may have answered wrongly for the app as well.
    fn incomplete_listing_of(&self, key: &ResourceKey) -> Option<String> {
        let app = match key.subject() {
            Subject::App(app) => app,
            Subject::Object(object) => return self.incomplete_objects_of(&object.scope),
        };
        let shows = |scope: &&Scope| scope.apps.items.iter().any(|row| row.name == app);
        match self.observed.scopes.values().find(shows) {
            Some(scope) => incompleteness(scope).filter(|_| self.holds(Rule::IncompleteListingStopsCollection)),
            None => self.incomplete_listing(),
        }
    }

    /// Which listing of any organization does not show everything, and why.
    pub(super) fn incomplete_listing(&self) -> Option<String> {
        let scopes = self.observed.scopes.iter().filter(|_| self.holds(Rule::IncompleteListingStopsCollection));
        let at_fly = scopes
            .into_iter()
            .find_map(|(org, scope)| Some(format!("organization `{org}`: {}", incompleteness(scope)?)));
        at_fly.or_else(|| self.incomplete_objects())
    }

    /// Whether no write of ours to `key` may still be under way or unseen: asked in the name of `rule`.
    pub(super) fn is_settled(&self, key: &ResourceKey, rule: Rule) -> Result<(), Obstacle> {
        let open = match rule {
            Rule::OpenKeyStopsMarking => self.notes.open_for_mark(key, self.now, self.policy.timing),
            _ => self.notes.open(key, self.now, self.policy.timing),
        };
        self.settled(key, open.filter(|_| self.holds(rule)))?;
        match key.object().filter(|key| key.object.shares_a_mark()) {
            Some(key) => self.is_settled_beside(key, rule),
            None => Ok(()),
        }
    }

    /// The same of everything that the environment of a live object has beside it.
    fn is_settled_beside(&self, key: &ObjectKey, rule: Rule) -> Result<(), Obstacle> {
        match self.observed.object(key).and_then(|object| object.owned_by(&self.fleet.owner)) {
            Some(marker) => self.no_write_beside(key, &marker.env, rule),
            None => Ok(()),
        }
    }

    /// The same for what a person wants to end.
    fn is_settled_for_end(&self, key: &ResourceKey) -> Result<(), Obstacle> {
        let open = self.notes.open_for_end(key, self.now, self.policy.timing);
        self.settled(key, open.filter(|_| self.holds(Rule::OpenKeyStopsDeletion)))?;
        // What comes late beside a mark that is gone is nobody's.
        match key.object().filter(|key| key.object == ObjectKind::VercelMark) {
            Some(mark) => self.is_settled_beside(mark, Rule::OpenKeyStopsDeletion),
            None => Ok(()),
        }
    }

    fn settled(&self, key: &ResourceKey, open: Option<&Note>) -> Result<(), Obstacle> {
        match open {
            None => Ok(()),
            Some(note) => Err(Obstacle {
                reason: Reason::OwnWritePending,
                message: format!("our own write to {key} may still take effect, or may not show yet"),
                until: Some(note.open_until(self.policy.timing)),
            }),
        }
    }

    /// Whether `key`, which is missing, may be created. What the server mints an id for is not created twice: outside apps
    /// that this memory saw being created it waits for the end of quarantine.
    pub(super) fn may_create(&self, key: &ResourceKey, born_here: bool) -> Result<(), Obstacle> {
        self.is_settled(key, Rule::OpenKeyStopsCreation)?;
        if key.is_minted() && !born_here {
            return self.may_mint(key, "is missing");
        }
        Ok(())
    }

    /// Whether something may be made now whose id the server mints: it would be made twice if an earlier run is still at it.
    pub(super) fn may_mint(&self, key: &ResourceKey, why: &str) -> Result<(), Obstacle> {
        let Some(until) = self.quarantined_until(Rule::QuarantineStopsMinting) else { return Ok(()) };
        Err(Obstacle {
            reason: Reason::Quarantine,
            message: format!("{key} {why}, but an earlier run may still be creating it: this store began empty"),
            until: Some(until),
        })
    }

    /// Whether no earlier write to the mark of `env`, or of what stands beside it, can come late, where that matters for `object`. The
    /// mark is written as a whole, so such a write would take back what is noted now; or make another one of what has no name.
    pub(super) fn is_mark_settled(
        &self,
        env: &Environment,
        object: &Object,
        scope: &ObjectScope,
    ) -> Result<(), Obstacle> {
        let key = &object.key;
        let is_mark = |other: &&Object| other.key.object == ObjectKind::VercelMark && other.key.scope == key.scope;
        let Some(mark) = env.objects.iter().find(is_mark).filter(|_| key.object.needs_settled_mark()) else {
            return Ok(());
        };
        if !scope.objects.items.iter().any(|live| live.key == mark.key) {
            // This plan makes it, which is refused where it is there: nothing of an earlier run can be under way in it.
            return Ok(());
        }
        self.may_mint(&ResourceKey::Object(key.clone()), "is missing")?;
        self.no_write_beside(key, &env.name, Rule::OpenKeyStopsCreation)
    }

    /// Whether no write of ours to another object of `env` in the scope of `key` may still take effect, where all of them write one mark:
    /// it is written as a whole, so such a write would take back what is written now. Asked in the name of `rule`.
    pub(super) fn no_write_beside(&self, key: &ObjectKey, env: &EnvName, rule: Rule) -> Result<(), Obstacle> {
        if !key.object.shares_a_mark() || !self.holds(rule) {
            return Ok(());
        }
        let is_beside = |note: &&Note| {
            note.env == *env
                && note.outcome == NoteOutcome::Unknown
                && note.key.object().is_some_and(|noted| noted.scope == key.scope)
        };
        let open = self.memory.notes.iter().filter(is_beside).map(|note| note.open_until(self.policy.timing)).max();
        match open.filter(|until| self.now < *until) {
            None => Ok(()),
            Some(until) => Err(Obstacle {
                reason: Reason::OwnWritePending,
                message: format!("an earlier write of ours beside {key} may still take effect"),
                until: Some(until),
            }),
        }
    }
}

fn incompleteness(scope: &Scope) -> Option<String> {
    [&scope.apps.completeness, &scope.machines.completeness, &scope.volumes.completeness].into_iter().find_map(
        |completeness| match completeness {
            Completeness::Complete => None,
            Completeness::Incomplete { reason } => Some(reason.clone()),
        },
    )
}
