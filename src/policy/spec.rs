//! Policies as specs write them, as one set of guardrails.

use std::collections::BTreeSet;

use super::Policy;
use crate::spec::{Duration, Parsed, PolicySpec};

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
        lower(
            &mut self.max_preview_ttl,
            spec.previews.as_ref().and_then(|limits| limits.max_ttl).map(Duration::to_std),
        );
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BTreeSet, Policy};
    use crate::spec::{SourceFile, parse};

    /// The guardrails of these policies together.
    fn policy(specs: &[&str]) -> Policy {
        let file = |(index, spec): (usize, &&str)| {
            let text = format!("apiVersion: hangar/v1\nkind: Policy\nmetadata: {{name: p{index}}}\nspec: {spec}\n");
            SourceFile { path: format!("{index}.yaml").into(), bytes: text.into_bytes() }
        };
        let files: Vec<SourceFile> = specs.iter().enumerate().map(file).collect();
        Policy::from_specs(&parse(&files).unwrap().policies)
    }

    #[test]
    fn without_a_policy_nothing_is_limited_and_the_budget_is_small() {
        let policy = policy(&[]);
        assert_eq!(policy, Policy::default());
        assert_eq!((policy.budget.max_deletions, policy.budget.max_percent), (10, 30));
        assert_eq!(policy.grace, Duration::from_mins(5));
    }

    #[test]
    fn one_policy_says_what_holds_also_where_it_is_wider_than_the_default() {
        let policy = policy(&["{grace: 1m, deletionBudget: {maxDeletions: 50, window: 10m}, maxVolumeSize: 3GB}"]);
        assert_eq!((policy.grace, policy.budget.max_deletions), (Duration::from_mins(1), 50));
        assert_eq!((policy.budget.window, policy.max_volume_gb), (Duration::from_mins(10), Some(3)));
    }

    #[test]
    fn of_several_policies_the_strictest_word_holds() {
        let policy = policy(&[
            "{orgs: [a, b], maxMachinesPerApp: 5, previews: {maxTtl: 7d}, grace: 1m, protected: [x], deletionBudget: {maxDeletions: 50, window: 10m}}",
            "{orgs: [b, c], maxMachinesPerApp: 9, previews: {maxTtl: 3d}, grace: 2m, protected: [y], deletionBudget: {maxDeletions: 3, window: 2h}}",
        ]);
        assert_eq!(policy.orgs, BTreeSet::from(["b".to_owned()]));
        assert_eq!((policy.max_machines_per_app, policy.grace), (Some(5), Duration::from_mins(2)));
        assert_eq!((policy.budget.max_deletions, policy.budget.window), (3, Duration::from_hours(2)));
        assert_eq!(policy.max_preview_ttl, Some(Duration::from_hours(72)));
        assert!(policy.protects(&"x".into()) && policy.protects(&"y".into()) && !policy.protects(&"z".into()));
    }

    #[test]
    fn a_later_policy_does_not_widen_the_budget() {
        let policy = policy(&[
            "{deletionBudget: {maxDeletions: 3, maxDeletionPercent: 20, floor: 4}}",
            "{deletionBudget: {maxDeletions: 50, maxDeletionPercent: 90, floor: 40}}",
        ]);
        let budget = policy.budget;
        assert_eq!((budget.max_deletions, budget.max_percent, budget.floor), (3, 20, 4));
    }

    #[test]
    fn policies_that_allow_nothing_in_common_allow_nothing() {
        let policy = policy(&["{orgs: [a]}", "{orgs: [b]}"]);
        assert!(!policy.orgs.contains("a") && !policy.orgs.contains("b") && !policy.orgs.is_empty());
    }
}
