//! Rules of a policy.

use crate::spec::document::Manifest;
use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::policy::PolicySpec;
use crate::spec::preset;

use super::environment::{TTL_BOUNDS, check_name};
use super::names;

pub(super) fn check(manifest: &Manifest<PolicySpec>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let spec = &manifest.spec;
    check_name(&manifest.metadata, &mut findings);
    for (index, org) in spec.orgs.iter().enumerate() {
        if let Some(problem) = names::label(org, names::MAX_LABEL) {
            findings.push(Finding::error(format!("/spec/orgs/{index}"), format!("the organization `{org}` {problem}")));
        }
    }
    for (index, region) in spec.regions.iter().enumerate() {
        if let Some(problem) = names::region(region) {
            findings.push(Finding::error(format!("/spec/regions/{index}"), format!("`{region}` {problem}")));
        }
    }
    for (index, size) in spec.sizes.iter().enumerate().filter(|(_, size)| preset::preset(size).is_none()) {
        let finding = Finding::error(format!("/spec/sizes/{index}"), format!("the size `{size}` is unknown"));
        findings.push(finding.maybe_help(did_you_mean(size, preset::size_names())));
    }
    for (field, globs) in [("images", &spec.images), ("protected", &spec.protected), ("approval", &spec.approval)] {
        for (index, _) in globs.iter().enumerate().filter(|(_, glob)| glob.is_empty()) {
            findings.push(Finding::error(format!("/spec/{field}/{index}"), "an empty pattern matches nothing"));
        }
    }
    let longest = spec.previews.as_ref().and_then(|limits| limits.max_ttl);
    if let Some(longest) = longest.filter(|longest| longest.to_std() < TTL_BOUNDS.0 || longest.to_std() > TTL_BOUNDS.1)
    {
        let message = format!("`{longest}` is not between `1m` and `3650d`");
        findings.push(Finding::error("/spec/previews/maxTtl", message));
    }
    let percent = spec.deletion_budget.as_ref().and_then(|budget| budget.max_deletion_percent);
    if percent.is_some_and(|percent| percent > 100) {
        findings.push(Finding::error("/spec/deletionBudget/maxDeletionPercent", "more than 100 percent"));
    }
    findings
}
