//! Policies as specs write them, as one set of guardrails.

use std::collections::BTreeSet;

use super::Policy;
use crate::spec::{Parsed, PolicySpec};

impl Policy {
    /// The guardrails of all policies together: whatever one of them forbids is forbidden.
    pub fn from_specs(specs: &[Parsed<PolicySpec>]) -> Self {
        let mut policy = Self::default();
        for (index, spec) in specs.iter().map(|parsed| &parsed.spec).enumerate() {
            policy.tighten(spec, index == 0);
        }
        policy
    }

    fn tighten(&mut self, spec: &PolicySpec, is_first: bool) {
        narrow(&mut self.orgs, &spec.orgs);
        narrow(&mut self.regions, &spec.regions);
        narrow(&mut self.sizes, &spec.sizes);
        // Globs cannot be intersected; a later list replaces an earlier one only where there was none.
        if self.images.is_empty() {
            self.images.clone_from(&spec.images);
        }
        lower(&mut self.max_machines_per_app, spec.max_machines_per_app.map(count));
        lower(&mut self.max_machines_per_environment, spec.max_machines_per_environment.map(count));
        lower(&mut self.max_environments, spec.max_environments.map(count));
        lower(&mut self.max_volume_gb, spec.max_volume_size.map(|size| size.mb().checked_div(1024).unwrap_or(0)));
        lower(&mut self.max_memory_mb, spec.max_memory.map(super::super::spec::size::Size::mb));
        self.protected.extend(spec.protected.iter().cloned());
        self.approval.extend(spec.approval.iter().cloned());
        if let Some(grace) = spec.grace {
            let grace = grace.to_std();
            self.grace = if is_first { grace } else { self.grace.max(grace) };
        }
        if let Some(budget) = &spec.deletion_budget {
            let mine = &mut self.budget;
            let pick = |mine: usize, other: Option<u32>| match other.map(count) {
                Some(other) if is_first => other,
                Some(other) => mine.min(other),
                None => mine,
            };
            mine.max_deletions = pick(mine.max_deletions, budget.max_deletions);
            mine.max_percent = pick(mine.max_percent, budget.max_deletion_percent);
            mine.floor = pick(mine.floor, budget.floor);
            if let Some(window) = budget.window {
                mine.window = if is_first { window.to_std() } else { mine.window.max(window.to_std()) };
            }
        }
    }
}

fn narrow(mine: &mut BTreeSet<String>, other: &[String]) {
    if other.is_empty() {
        return;
    }
    if mine.is_empty() {
        mine.extend(other.iter().cloned());
    } else {
        let both: BTreeSet<String> = mine.iter().filter(|item| other.contains(item)).cloned().collect();
        // An empty set would allow everything: what no policy allows in common is written as a name that nothing has.
        *mine = if both.is_empty() { BTreeSet::from(["(nothing)".to_owned()]) } else { both };
    }
}

fn lower<T: Ord + Copy>(mine: &mut Option<T>, other: Option<T>) {
    *mine = match (*mine, other) {
        (Some(mine), Some(other)) => Some(mine.min(other)),
        (mine, other) => mine.or(other),
    };
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
