//! Sets of previews of which not everything is known, or which suddenly want nothing at all.

use std::collections::{BTreeMap, BTreeSet};

use super::budget::Judgement;
use super::collect::Orphan;
use super::planner::Planner;
use super::withheld::Reason;
use crate::desired::PreviewSet;
use crate::observed::Machine;
use crate::resource::EnvName;
use crate::rules::Rule;

/// How many previews of a set that names none any more make its emptiness doubtful. One or two end together now and then.
const MANY: usize = 3;

impl Planner<'_> {
    /// The sets that these machines name, as far as they are ours. Nothing unless there are some, and each names one.
    pub(super) fn sets_named_by<'m>(&self, machines: impl Iterator<Item = &'m Machine>) -> Option<BTreeSet<String>> {
        let marked = machines.filter(|machine| machine.is_live()).filter_map(|machine| self.marker_on(machine));
        let named: Option<BTreeSet<String>> = marked.map(|marker| marker.set.clone()).collect();
        named.filter(|named| !named.is_empty())
    }

    /// Keeps what a set of previews may still want, because what the set is made from is not wholly known. Returns the others.
    pub(super) fn hold_for_sets<'o>(&mut self, leaving: Vec<&'o Orphan>) -> Vec<&'o Orphan> {
        let mut held: BTreeMap<EnvName, String> = BTreeMap::new();
        let mut free = Vec::new();
        for orphan in leaving {
            match self.gap_of_a_set(orphan) {
                Some(reason) => drop(held.entry(orphan.env.clone()).or_insert(reason)),
                None => free.push(orphan),
            }
        }
        for (env, reason) in held {
            let message = format!("it is kept while it is not known whether somebody wants it: {reason}");
            self.wait(&env, None, None, Reason::SourceIncomplete, message, None);
        }
        free
    }

    /// What is not known of a set that may want this orphan.
    fn gap_of_a_set(&self, orphan: &Orphan) -> Option<String> {
        let sets = self.fleet.sets.iter().filter(|_| self.holds(Rule::IncompleteSetHoldsItsPreviews));
        let mut gaps = sets.filter_map(|(name, set)| Some((name, set, set.completeness.gap()?)));
        gaps.find(|(name, set, _)| self.may_be_of(orphan, name, set)).map(|(_, _, gap)| gap.to_owned())
    }

    /// Whether an orphan may be one of this set's previews: it is marked so, or could have such a name, or nothing in it says that
    /// it is another set's. A set that the specs do not have may have been renamed to this one.
    fn may_be_of(&self, orphan: &Orphan, name: &str, set: &PreviewSet) -> bool {
        let Some(marked) = &orphan.sets else { return true };
        let is_known = |marked: &String| self.fleet.sets.contains_key(marked);
        marked.contains(name) || !marked.iter().all(is_known) || set.names.can_be(&orphan.env)
    }

    /// Takes out of `pending` what sets leave behind that suddenly name no preview, by set, each with what is decided about it.
    pub(super) fn judge_emptied_sets<'o>(
        &self,
        mut pending: Vec<&'o Orphan>,
    ) -> (Vec<(Vec<&'o Orphan>, Judgement)>, Vec<&'o Orphan>) {
        let mut judged = Vec::new();
        let is_empty = |set: &PreviewSet| set.is_empty && set.completeness.is_complete();
        for (name, set) in self.fleet.sets.iter().filter(|(_, set)| is_empty(set)) {
            let (left, others): (Vec<&Orphan>, Vec<&Orphan>) =
                pending.iter().copied().partition(|orphan| self.is_left_by(orphan, name, set));
            let is_held = left.iter().any(|orphan| orphan.emptied_since.is_some());
            let live = self.live_of(name);
            if left.is_empty() || !(is_held || live >= MANY) || !self.holds(Rule::EmptySetHoldsItsPreviews) {
                continue;
            }
            let message = format!(
                "preview set `{name}` suddenly names no preview at all, though {live} of its environments {} live that nobody has closed; they stay until it names some again, or a person has looked",
                if live == 1 { "is" } else { "are" },
            );
            let judgement = self.held_or_released(&left, Reason::PreviewsSuddenlyGone, &message);
            judged.push((left, judgement));
            pending = others;
        }
        (judged, pending)
    }

    /// Whether an orphan is what a set has left behind: it is marked so, or could have such a name and is not known to be another
    /// set's, or nothing says of which environment it is.
    fn is_left_by(&self, orphan: &Orphan, name: &str, set: &PreviewSet) -> bool {
        let could_be = || set.names.can_be(&orphan.env);
        let is_unknown = |marked: &String| !self.fleet.sets.contains_key(marked);
        match &orphan.sets {
            _ if orphan.bearer.is_none() => true,
            None => could_be(),
            Some(marked) => marked.contains(name) || (marked.iter().any(is_unknown) && could_be()),
        }
    }

    /// How many environments of the set `name` are live that nobody asks for, and whose end nobody has declared.
    fn live_of(&self, name: &str) -> usize {
        let scopes = self.observed.scopes.values();
        let machines = scopes.flat_map(|scope| {
            let details = scope.details.values().filter_map(|detail| detail.machines.known()).flatten();
            scope.machines.items.iter().chain(details)
        });
        let marked = machines.filter(|machine| machine.is_live()).filter_map(|machine| self.marker_on(machine));
        let of_set = marked.filter(|marker| marker.set.as_deref() == Some(name)).map(|marker| &marker.env);
        let objects = self.observed.all_objects().filter_map(|object| object.owned_by(&self.fleet.owner));
        let of_set =
            of_set.chain(objects.filter(|marker| marker.set.as_deref() == Some(name)).map(|marker| &marker.env));
        let is_wanted = |env: &EnvName| self.fleet.environments.contains_key(env);
        let open = of_set.filter(|env| !is_wanted(env) && !self.fleet.ended.contains_key(*env));
        open.collect::<BTreeSet<_>>().len()
    }
}
