//! Sets of previews of which not everything is known: what they may still want is nobody's orphan.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::Orphan;
use super::planner::Planner;
use super::withheld::Reason;
use crate::desired::PreviewSet;
use crate::observed::Machine;
use crate::resource::EnvName;
use crate::rules::Rule;

impl Planner<'_> {
    /// The sets that these machines name, as far as they are ours. Nothing unless there are some, and each names one.
    pub(super) fn sets_named_by<'m>(&self, machines: impl Iterator<Item = &'m Machine>) -> Option<BTreeSet<String>> {
        let named: Option<BTreeSet<String>> = machines
            .filter(|machine| machine.is_live())
            .filter_map(|machine| self.marker_on(machine))
            .map(|marker| marker.set.clone())
            .collect();
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
        sets.filter(|(name, set)| self.may_be_of(orphan, name, set))
            .find_map(|(_, set)| set.completeness.gap().map(str::to_owned))
    }

    /// Whether an orphan may be one of this set's previews: it is marked so, or could have such a name, or nothing in it says that
    /// it is another set's. A set that the specs do not have may have been renamed to this one.
    fn may_be_of(&self, orphan: &Orphan, name: &str, set: &PreviewSet) -> bool {
        let Some(marked) = &orphan.sets else { return true };
        let is_known = |marked: &String| self.fleet.sets.contains_key(marked);
        marked.contains(name) || !marked.iter().all(is_known) || set.names.can_be(&orphan.env)
    }
}
