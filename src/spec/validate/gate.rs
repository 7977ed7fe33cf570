//! Rules of what must hold before an environment is changed.

use std::collections::BTreeSet;

use crate::resource::RepoName;
use crate::spec::environment::{EnvironmentSpec, RequiredChecks};
use crate::spec::finding::Finding;
use crate::spec::positions::child;
use crate::spec::text::Text;

use super::environment::final_text;

const CHECKS: &str = "/spec/requires/checks";
/// The most names: each is a request of every look at the environment.
const MOST: usize = 20;

pub(super) fn check(spec: &EnvironmentSpec, findings: &mut Vec<Finding>) {
    if let Some(checks) = &spec.requires.checks {
        check_names(&checks.names, findings);
        check_commit(checks, findings);
        check_own_status(spec, checks, findings);
    }
}

/// An environment that waits for what it says itself once it is there waits for ever.
fn check_own_status(spec: &EnvironmentSpec, checks: &RequiredChecks, findings: &mut Vec<Finding>) {
    let own = spec.report.as_ref().and_then(|report| report.github.as_ref()?.status.as_deref());
    for (index, name) in checks.names.iter().enumerate() {
        if own.is_some_and(|own| own.eq_ignore_ascii_case(name)) {
            let message = format!("`{name}` is what this environment reports of itself, so it would wait for itself");
            let finding = Finding::error(format!("{CHECKS}/names/{index}"), message);
            findings.push(finding.help("name a check of CI, or give `report.github.status` another name"));
        }
    }
}

/// Outside of a template nothing says which commit is meant.
pub(super) fn check_outside_template(spec: &EnvironmentSpec, findings: &mut Vec<Finding>) {
    let Some(checks) = &spec.requires.checks else { return };
    for (field, is_missing, example) in [
        ("repo", checks.repo.is_none(), "repo: acme/chat"),
        ("commit", checks.commit.is_none(), "commit: ${{ params.sha }}"),
    ] {
        if is_missing {
            let message = format!(
                "this environment is of no branch, so it is not known whose checks are meant: `{field}` is missing"
            );
            let finding = Finding::error(CHECKS, message).at_key().help(format!("add for example `{example}`"));
            findings.push(finding.relies_on([child(CHECKS, field)]));
        }
    }
}

fn check_names(names: &[String], findings: &mut Vec<Finding>) {
    let pointer = child(CHECKS, "names");
    if names.is_empty() {
        let finding = Finding::error(&pointer, "no check is named, so nothing is required");
        findings.push(finding.help("write for example `names: [test]`, as a pull request shows the check"));
    } else if names.len() > MOST {
        let finding =
            Finding::error(&pointer, format!("{} checks are too many: at most {MOST} are asked for", names.len()));
        findings.push(finding.help("require one check that needs the others"));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        if name.trim().is_empty() {
            findings.push(Finding::error(pointer, "the name of the check is empty"));
        } else if !seen.insert(name) {
            findings.push(Finding::error(pointer, format!("`{name}` is named twice")));
        }
    }
}

fn check_commit(checks: &RequiredChecks, findings: &mut Vec<Finding>) {
    if let Some(Err(error)) = checks.repo.as_deref().and_then(final_text).map(str::parse::<RepoName>) {
        findings.push(Finding::error(child(CHECKS, "repo"), error.to_string()));
    }
    if let Some(problem) = checks.commit.as_ref().map(Text::as_str).and_then(final_text).and_then(not_a_commit) {
        let finding = Finding::error(child(CHECKS, "commit"), problem);
        findings
            .push(finding.help("a branch moves, and what is green today may be red tomorrow: write all 40 characters"));
    }
}

/// What is wrong with `text` as the whole hash of a commit.
pub fn not_a_commit(text: &str) -> Option<String> {
    let is_hash = matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit());
    (!is_hash).then(|| format!("`{text}` is not the whole hash of a commit"))
}
