//! Rules of the jobs of an environment, and of what comes after what.

use std::ops::RangeInclusive;
use std::time::Duration as StdDuration;

use crate::spec::environment::EnvironmentSpec;
use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::group::ProcessGroup;
use crate::spec::job::Job;
use crate::spec::positions::child;

use super::app::Scope;
use super::{compute, names};

/// The longest name, so that the name of the machine that it runs in is a DNS label.
const LONGEST_NAME: usize = 40;
/// The shortest and the longest time that a run may take.
const TIMEOUT: RangeInclusive<StdDuration> = StdDuration::from_secs(1)..=StdDuration::from_hours(24);
/// The most new starts after a failure.
const RETRIES: u32 = 10;

pub(super) fn check(spec: &EnvironmentSpec, findings: &mut Vec<Finding>) {
    let parts = spec.parts();
    for (name, job) in &spec.jobs {
        let pointer = child("/spec/jobs", name);
        if let Some(problem) = names::label(name, LONGEST_NAME) {
            findings.push(Finding::error(&pointer, format!("the job name `{name}` {problem}")).at_key());
        }
        if spec.fly.iter().any(|fly| fly.apps.contains_key(name)) {
            let message = format!("the job `{name}` has the name of a component");
            findings.push(Finding::error(&pointer, message).at_key().help("give one of them another name"));
        }
        check_app(spec, job, &pointer, findings);
        for (field, named) in [("before", &job.before), ("after", &job.after)] {
            check_order(name, (field, named), &parts, &pointer, findings);
        }
        let size = ProcessGroup { size: job.size.clone(), memory: job.memory, ..ProcessGroup::default() };
        compute::check(&pointer, &size, Scope::Overlay, findings);
        if job.command.as_slice().iter().all(String::is_empty) {
            let finding = Finding::error(child(&pointer, "command"), "the command is empty");
            findings.push(finding.help("write what is to be run, for example `bin/migrate`"));
        }
        if let Some(timeout) = job.timeout.filter(|timeout| !TIMEOUT.contains(&timeout.to_std())) {
            let message = format!("`{timeout}` is not between `1s` and `24h`");
            findings.push(Finding::error(child(&pointer, "timeout"), message));
        }
        if let Some(retries) = job.retries.filter(|retries| *retries > RETRIES) {
            let message = format!("{retries} new starts are too many: at most {RETRIES}");
            findings.push(Finding::error(child(&pointer, "retries"), message));
        }
    }
    for (name, project) in spec.vercel.iter().flat_map(|vercel| &vercel.projects) {
        let pointer = child("/spec/vercel/projects", name);
        check_order(&format!("vercel.{name}"), ("after", &project.after), &parts, &pointer, findings);
    }
}

fn check_app(spec: &EnvironmentSpec, job: &Job, pointer: &str, findings: &mut Vec<Finding>) {
    let components = || spec.fly.iter().flat_map(|fly| fly.apps.keys()).map(String::as_str);
    if components().any(|component| component == job.app) {
        return;
    }
    let message = format!("there is no component `{}` on Fly for a job to run in", job.app);
    let finding = Finding::error(child(pointer, "app"), message).maybe_help(did_you_mean(&job.app, components()));
    findings.push(finding.relies_on(["/spec/fly".to_owned(), "/spec/fly/apps".to_owned()]));
}

fn check_order(
    own: &str,
    (field, named): (&str, &[String]),
    parts: &[String],
    pointer: &str,
    findings: &mut Vec<Finding>,
) {
    for (index, part) in named.iter().enumerate() {
        let pointer = format!("{pointer}/{field}/{index}");
        if part == own {
            findings.push(Finding::error(pointer, format!("`{own}` cannot come {field} itself")).help("remove it"));
        } else if !parts.contains(part) {
            let message = format!("there is nothing named `{part}` in this environment");
            let finding = Finding::error(pointer, message);
            let finding = finding.maybe_help(did_you_mean(part, parts.iter().map(String::as_str)));
            let sections = ["fly", "neon", "postgres", "supabase", "vercel", "jobs"];
            findings.push(finding.relies_on(sections.map(|section| format!("/spec/{section}"))));
        }
    }
}
