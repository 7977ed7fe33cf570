//! Too many deletions are a stop, not a pace.
//!
//! A stop latches: it is marked on the live objects themselves, so that neither a new pass nor a lost store forgets it, and a set
//! that has become smaller meanwhile (a source that comes back piece by piece) is still held. It ends when a person acknowledges
//! exactly the held set, by a hash of what would be deleted, and that too is marked on the objects: a run on a fresh machine knows it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::Digest as _;

use super::collect::Orphan;
use super::planner::{Planner, plural};
use super::withheld::Reason;
use crate::memory::Acknowledged;
use crate::resource::marker::PREFIX;
use crate::rules::Rule;

/// What is decided about orphans that nobody has released yet.
pub(super) enum Judgement {
    /// They are within the budget.
    Within,
    /// They are not, and a person has consented: by a hash, or for this one run.
    Released {
        /// What is written on the live objects.
        by: String,
    },
    /// They stay until a person consents.
    Held {
        /// Why.
        reason: Reason,
        /// The same for people, with what to do.
        message: String,
    },
}

/// The metadata key that says since when the deletion of an app is held.
pub(super) fn held_key() -> String {
    format!("{PREFIX}held")
}

/// The metadata key that says since when the deletion of an app is held because its set of previews names none any more.
pub(super) fn emptied_key() -> String {
    format!("{PREFIX}emptied")
}

/// The metadata key that says by which consent a held deletion goes on.
pub(super) fn released_key() -> String {
    format!("{PREFIX}released")
}

impl Planner<'_> {
    /// Judges all orphans that nobody has released, together.
    pub(super) fn judge(&self, pending: &[&Orphan]) -> Judgement {
        let units: BTreeSet<String> = pending.iter().map(|orphan| self.unit(orphan)).collect();
        let Some((reason, message)) = self.too_many(pending, &units) else {
            return Judgement::Within;
        };
        self.held_or_released(pending, reason, &message)
    }

    /// Holds these for this reason, unless a person has consented to exactly them.
    pub(super) fn held_or_released(&self, pending: &[&Orphan], reason: Reason, message: &str) -> Judgement {
        if self.request.allow_mass_delete {
            return Judgement::Released { by: "mass".to_owned() };
        }
        let hash = hash_of(pending);
        let any = !self.holds(Rule::ConsentIsToOneSet) && !self.memory.acknowledged.is_empty();
        if self.memory.acknowledged.contains_key(&hash) || any {
            return Judgement::Released { by: hash };
        }
        let units: BTreeSet<String> = pending.iter().map(|orphan| self.unit(orphan)).collect();
        let message = format!("{message}. `hangar gc --acknowledge {hash}` lets exactly this set go: {}", join(&units));
        Judgement::Held { reason, message }
    }

    /// The hash of the acknowledged set that an orphan is part of. The consent is to all of them, whenever each is free to go.
    pub(super) fn consent_to(&self, orphan: &Orphan) -> Option<String> {
        let member = orphan.member();
        let set = self.memory.acknowledged.iter().find(|(_, members)| members.contains(&member));
        set.map(|(hash, _)| hash.clone())
    }

    /// What is to be remembered of acknowledged sets. A hash stands for the set that it names now, or, where no set has it, for none;
    /// and consent ends for what is wanted again.
    pub(super) fn acknowledged_after(&self, orphans: &[Orphan], judged: &[(Vec<&Orphan>, Judgement)]) -> Acknowledged {
        let mut acknowledged = self.memory.acknowledged.clone();
        for (group, judgement) in judged {
            if let Judgement::Released { by } = judgement
                && let Some(members) = acknowledged.get_mut(by)
            {
                members.extend(group.iter().map(|orphan| orphan.member()));
            }
        }
        let orphans: BTreeSet<String> = orphans.iter().map(Orphan::member).collect();
        for members in acknowledged.values_mut() {
            members.retain(|member| orphans.contains(member));
        }
        acknowledged.retain(|_, members| !members.is_empty());
        acknowledged
    }

    /// Why these are too many, if they are.
    fn too_many(&self, pending: &[&Orphan], units: &BTreeSet<String>) -> Option<(Reason, String)> {
        if pending.is_empty() {
            return None;
        }
        let deletions = plural(units.len(), "deletion");
        if self.fleet.environments.is_empty() && self.holds(Rule::EmptySourceStopsDeletions) {
            let message = format!("the source has no environment at all, so {deletions} held");
            return Some((Reason::SourceSuddenlyEmpty, message));
        }
        let held = pending.iter().filter(|_| self.holds(Rule::BudgetLatches));
        if let Some(since) = held.filter_map(|orphan| orphan.held_since).min() {
            let message = format!(
                "{deletions} held since {}, when there were too many at once",
                since.format("%Y-%m-%d %H:%M UTC")
            );
            return Some((Reason::BudgetExceeded, message));
        }
        // What is counted as done may still be listed, and is not counted twice.
        let done: BTreeSet<&String> = self.done_lately().filter(|unit| !units.contains(*unit)).collect();
        let (done, owned) = (done.len(), self.owned_units());
        let budget = self.policy.budget;
        (budget.is_exceeded(units.len(), done, owned) && self.holds(Rule::Budget)).then(|| {
            let message = format!(
                "{deletions} of {owned} owned ({done} done within the last {} min) exceed the budget of {} or {} %: all deletions are held",
                budget.window.as_secs().checked_div(60).unwrap_or(0),
                budget.max_deletions,
                budget.max_percent,
            );
            (Reason::BudgetExceeded, message)
        })
    }

    /// What was deleted within the window.
    fn done_lately(&self) -> impl Iterator<Item = &String> {
        let done = self.memory.deletions.iter().filter(|_| self.holds(Rule::BudgetCountsTheWindow));
        done.map(|(unit, _)| unit)
    }

    /// Plans the mark by which a held deletion stays held.
    pub(super) fn plan_held_mark(&mut self, orphan: &Orphan, why: Reason) {
        let of_its_set = why == Reason::PreviewsSuddenlyGone;
        let (key, since) =
            if of_its_set { (emptied_key(), orphan.emptied_since) } else { (held_key(), orphan.held_since) };
        let Some(id) = orphan.bearer.as_ref().filter(|_| since.is_none()) else { return };
        let metadata = BTreeMap::from([(key, Some(self.now.timestamp().to_string())), (released_key(), None)]);
        let what = if of_its_set { "its set suddenly names no preview" } else { "too many deletions at once" };
        let reason = format!("{what}: it stays until a person has looked");
        self.plan_mark(orphan, id, metadata, reason);
    }

    /// What counts once towards the budget: an environment, or an app that its environment no longer has.
    pub(super) fn unit(&self, orphan: &Orphan) -> String {
        if self.fleet.environments.contains_key(&orphan.env) {
            format!("{}/{}", orphan.env, orphan.subject)
        } else {
            orphan.env.to_string()
        }
    }

    /// How many environments have something live that is ours, by the listings and by what was read in detail.
    fn owned_units(&self) -> usize {
        let mut environments = BTreeSet::new();
        for scope in self.observed.scopes.values() {
            let details = scope.details.values().filter_map(|detail| detail.machines.known()).flatten();
            for machine in scope.machines.items.iter().chain(details) {
                environments.extend(self.marker_on(machine).map(|marker| &marker.env));
            }
        }
        let objects = self.observed.all_objects().filter_map(|object| object.owned_by(&self.fleet.owner));
        environments.extend(objects.map(|marker| &marker.env));
        environments.len()
    }
}

/// The hash that names exactly this set of apps.
fn hash_of(pending: &[&Orphan]) -> String {
    let apps: BTreeSet<String> = pending.iter().map(|orphan| orphan.member()).collect();
    let digest = sha2::Sha256::digest(join(&apps).as_bytes());
    hex::encode(digest.get(..6).unwrap_or_default())
}

fn join(units: &BTreeSet<String>) -> String {
    units.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
