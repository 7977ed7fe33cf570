//! Rules of containers, and of processes inside a machine.

use std::collections::BTreeSet;

use crate::spec::app::AppSpec;
use crate::spec::container::{Container, ContainerHealthcheck, DependencyCondition, SecretUse};
use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::machine::RestartPolicy;

use super::app::{Scope, check_image, check_stop, check_variable_names};
use super::names;
use super::storage::{check_file, check_file_secret};

pub(super) fn check(app: &AppSpec, scope: Scope, findings: &mut Vec<Finding>) {
    let containers = app.containers.as_deref().unwrap_or_default();
    for (index, container) in containers.iter().enumerate() {
        let pointer = format!("/containers/{index}");
        let twice = containers.iter().take(index).any(|earlier| earlier.name == container.name);
        if let Some(problem) = names::group(&container.name) {
            findings.push(Finding::error(
                format!("{pointer}/name"),
                format!("the container name `{}` {problem}", container.name),
            ));
        } else if twice {
            findings.push(Finding::error(
                format!("{pointer}/name"),
                format!("there is another container `{}`", container.name),
            ));
        }
        check_container(&pointer, container, app, scope, findings);
        check_dependencies(&pointer, container, containers, findings);
    }
    if let Some((index, cycle)) = dependency_cycle(containers) {
        let message = format!("containers wait for each other: {}", cycle.join(" → "));
        findings.push(Finding::error(format!("/containers/{index}/dependsOn"), message).at_key());
    }
    for (index, process) in app.processes_in_vm.iter().flatten().enumerate() {
        let pointer = format!("/processesInVm/{index}");
        check_variable_names(&format!("{pointer}/env"), process.env.keys(), findings);
        check_secret_uses(&format!("{pointer}/secrets"), process.secrets.as_deref(), app, scope, findings);
    }
}

fn check_container(pointer: &str, container: &Container, app: &AppSpec, scope: Scope, findings: &mut Vec<Finding>) {
    if let Some(image) = &container.image {
        check_image(&format!("{pointer}/image"), image, findings);
    }
    check_variable_names(&format!("{pointer}/env"), container.env.keys(), findings);
    check_secret_uses(&format!("{pointer}/secrets"), container.secrets.as_deref(), app, scope, findings);
    check_stop(&format!("{pointer}/stop/timeout"), container.stop.as_ref(), findings);
    if container.restart.as_ref().is_some_and(|restart| restart.policy == RestartPolicy::SpotPrice) {
        findings.push(Finding::error(format!("{pointer}/restart/policy"), "containers have no policy `spot-price`"));
    }
    for (index, file) in container.files.iter().enumerate() {
        let pointer = format!("{pointer}/files/{index}");
        check_file(&pointer, &file.path, file.source(), file.mode, findings);
        check_file_secret(&format!("{pointer}/secret"), file.secret.as_deref(), app, scope, findings);
    }
    for (index, check) in container.healthchecks.iter().enumerate() {
        let pointer = format!("{pointer}/healthchecks/{index}");
        if container.healthchecks.iter().take(index).any(|earlier| earlier.name == check.name) {
            findings
                .push(Finding::error(format!("{pointer}/name"), format!("there is another check `{}`", check.name)));
        }
        check_healthcheck(&pointer, check, findings);
    }
}

fn check_healthcheck(pointer: &str, check: &ContainerHealthcheck, findings: &mut Vec<Finding>) {
    let kinds = [check.http.is_some(), check.tcp.is_some(), check.exec.is_some()];
    if kinds.into_iter().filter(|given| *given).count() != 1 {
        findings.push(Finding::error(pointer, "a health check is exactly one of `http`, `tcp`, `exec`"));
    }
    for (field, duration) in
        [("interval", check.interval), ("timeout", check.timeout), ("gracePeriod", check.grace_period)]
    {
        if let Some(duration) = duration
            && duration.to_std().subsec_nanos() != 0
        {
            findings.push(Finding::error(
                format!("{pointer}/{field}"),
                format!("`{duration}` is not a whole number of seconds"),
            ));
        }
    }
}

fn check_secret_uses(
    pointer: &str,
    uses: Option<&[SecretUse]>,
    app: &AppSpec,
    scope: Scope,
    findings: &mut Vec<Finding>,
) {
    for (index, used) in uses.unwrap_or_default().iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        if let Some(problem) = names::variable(&used.env_var) {
            findings.push(Finding::error(format!("{pointer}/envVar"), format!("`{}` {problem}", used.env_var)));
        }
        let (field, name) = match &used.name {
            Some(name) => ("name", name),
            None => ("envVar", &used.env_var),
        };
        check_file_secret(&format!("{pointer}/{field}"), Some(name), app, scope, findings);
    }
}

fn check_dependencies(pointer: &str, container: &Container, all: &[Container], findings: &mut Vec<Finding>) {
    for (index, dependency) in container.depends_on.iter().enumerate() {
        let pointer = format!("{pointer}/dependsOn/{index}/name");
        let name = &dependency.name;
        match all.iter().find(|other| other.name == *name) {
            None => {
                let others = all.iter().map(|other| other.name.as_str()).filter(|other| *other != container.name);
                let finding = Finding::error(pointer, format!("there is no container `{name}`"));
                findings.push(finding.maybe_help(did_you_mean(name, others)).relies_on(["/containers"]));
            }
            Some(other)
                if dependency.condition == Some(DependencyCondition::Healthy) && other.healthchecks.is_empty() =>
            {
                let finding =
                    Finding::error(pointer, format!("`{name}` has no health checks, so it never becomes healthy"));
                let finding = finding.help(format!("add `healthchecks` to `{name}`, or wait for `started`"));
                findings.push(finding.relies_on(["/containers"]));
            }
            Some(_) => {}
        }
    }
}

/// A circle of containers that wait for each other, with the index of its first one.
fn dependency_cycle(containers: &[Container]) -> Option<(usize, Vec<&str>)> {
    containers.iter().enumerate().find_map(|(index, start)| {
        let mut path = vec![start.name.as_str()];
        leads_back(start, &start.name, containers, &mut BTreeSet::new(), &mut path).then_some((index, path))
    })
}

fn leads_back<'a>(
    from: &'a Container,
    goal: &str,
    containers: &'a [Container],
    seen: &mut BTreeSet<&'a str>,
    path: &mut Vec<&'a str>,
) -> bool {
    for dependency in &from.depends_on {
        if !seen.insert(&dependency.name) {
            continue;
        }
        path.push(&dependency.name);
        if dependency.name == goal {
            return true;
        }
        let next = containers.iter().find(|container| container.name == dependency.name);
        if next.is_some_and(|next| leads_back(next, goal, containers, seen, path)) {
            return true;
        }
        path.pop();
    }
    false
}
