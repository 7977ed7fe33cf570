//! Rules of what is run before an environment is deleted.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration as StdDuration;

use crate::spec::environment::{EnvironmentSpec, Finalizer};
use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::positions::child;

use super::names;

/// The most of one environment: each is marked on machines, which are no place for scripts.
const MOST: usize = 8;
/// The longest name, so that the name of the machine that it runs in is a DNS label.
const LONGEST_NAME: usize = 40;
/// The longest command, in bytes.
const LONGEST_COMMAND: usize = 1000;
/// The shortest and the longest time that it may take.
const TIMEOUT: RangeInclusive<StdDuration> = StdDuration::from_secs(1)..=StdDuration::from_hours(24);

pub(super) fn check(spec: &EnvironmentSpec, findings: &mut Vec<Finding>) {
    const POINTER: &str = "/spec/finalizers";
    if spec.finalizers.len() > MOST {
        let message = format!("{} finalizers are too many: at most {MOST} are run", spec.finalizers.len());
        findings.push(Finding::error(POINTER, message).help("one command can do several things"));
    }
    let mut seen = BTreeSet::new();
    for (index, finalizer) in spec.finalizers.iter().enumerate() {
        let pointer = format!("{POINTER}/{index}");
        check_one(spec, finalizer, &pointer, findings);
        if !seen.insert(&finalizer.name) {
            let message = format!("there are two finalizers `{}`", finalizer.name);
            findings.push(Finding::error(child(&pointer, "name"), message).help("give each a name of its own"));
        }
    }
}

fn check_one(spec: &EnvironmentSpec, finalizer: &Finalizer, pointer: &str, findings: &mut Vec<Finding>) {
    let name = &finalizer.name;
    if let Some(problem) = names::label(name, LONGEST_NAME) {
        findings.push(Finding::error(child(pointer, "name"), format!("the name `{name}` {problem}")));
    }
    let components = || spec.fly.iter().flat_map(|fly| fly.apps.keys()).map(String::as_str);
    if !components().any(|component| component == finalizer.component) {
        let message = format!("there is no component `{}`", finalizer.component);
        let help = did_you_mean(&finalizer.component, components());
        let finding = Finding::error(child(pointer, "component"), message).maybe_help(help);
        findings.push(finding.relies_on(["/spec/fly".to_owned(), "/spec/fly/apps".to_owned()]));
    }
    let words = finalizer.command.as_slice();
    let length: usize = words.iter().map(String::len).sum();
    if words.is_empty() || length == 0 {
        let finding = Finding::error(child(pointer, "command"), "the command is empty");
        findings.push(finding.help("write what is to be run, for example `[\"/bin/dump\", \"--to\", \"s3\"]`"));
    } else if length > LONGEST_COMMAND {
        let message = format!("the command has {length} bytes; at most {LONGEST_COMMAND} are kept for later");
        let help = "put a script into the image, or into `files` of the component, and run that";
        findings.push(Finding::error(child(pointer, "command"), message).help(help));
    }
    if let Some(timeout) = finalizer.timeout.filter(|timeout| !TIMEOUT.contains(&timeout.to_std())) {
        findings.push(Finding::error(child(pointer, "timeout"), format!("`{timeout}` is not between `1s` and `24h`")));
    }
}
