//! Rules of one app.

use std::collections::BTreeSet;
use std::time::Duration as StdDuration;

use crate::resource::marker::{FINALIZER_GROUP, JOB_GROUP};
use crate::spec::app::AppSpec;
use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::group::ProcessGroup;
use crate::spec::machine::RestartPolicy;
use crate::spec::network::Ips;
use crate::spec::positions::child;
use crate::spec::secret::SecretSource;
use crate::spec::service::{Protocol, Service};

use super::environment::final_text;
use super::{compute, container, names, service, storage};

/// How much of an app is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of it: what is missing is missing.
    Whole,
    /// What is laid over a `config` that is not read yet: groups, image and secrets may come from there.
    Overlay,
}

/// Checks an app, with pointers that begin at the app.
pub fn validate_app(app: &AppSpec, scope: Scope) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_identity(app, scope, &mut findings);
    check_groups(app, scope, &mut findings);
    check_variables(app, &mut findings);
    check_secrets(app, &mut findings);
    let groups = (scope == Scope::Whole).then(|| app.groups().into_keys().collect::<BTreeSet<String>>());
    let groups = groups.as_ref();
    service::check(app, groups, &mut findings);
    storage::check(app, scope, groups, &mut findings);
    container::check(app, scope, &mut findings);
    check_machine(app, groups, &mut findings);
    check_ips(app, &mut findings);
    for (index, host) in app.certificates.iter().flatten().enumerate() {
        if let Some(problem) = final_text(host).and_then(names::host) {
            findings.push(Finding::error(format!("/certificates/{index}"), format!("`{host}` {problem}")));
        }
    }
    findings
}

/// Notes process groups that do not exist.
pub(super) fn check_processes(
    pointer: &str,
    processes: &[String],
    groups: Option<&BTreeSet<String>>,
    findings: &mut Vec<Finding>,
) {
    let Some(groups) = groups else { return };
    for (index, process) in processes.iter().enumerate().filter(|(_, process)| !groups.contains(*process)) {
        let finding = Finding::error(format!("{pointer}/{index}"), format!("there is no process group `{process}`"));
        let finding = finding.maybe_help(did_you_mean(process, groups.iter().map(String::as_str)));
        findings.push(finding.relies_on([child("/processes", process)]));
    }
}

fn check_identity(app: &AppSpec, scope: Scope, findings: &mut Vec<Finding>) {
    if let Some(name) = app.name.as_deref().and_then(final_text)
        && let Some(problem) = names::label(name, names::MAX_LABEL)
    {
        findings.push(Finding::error("/name", format!("Fly would refuse the app name `{name}`: it {problem}")));
    }
    if let Some(region) = app.region.as_deref().and_then(final_text)
        && let Some(problem) = names::region(region)
    {
        findings.push(Finding::error("/region", format!("`{region}` {problem}")));
    }
    if let Some(config) = &app.config
        && (config.starts_with('/') || config.contains('\\') || config.is_empty())
    {
        findings.push(
            Finding::error("/config", format!("`{config}` is not a relative path"))
                .help("write it relative to this file"),
        );
    }
    match app.image.as_deref() {
        None if scope == Scope::Whole && !app.machine.contains_key("image") => {
            let finding = Finding::error("", "the app has no image").at_key();
            let finding = finding.help("add `image: registry.fly.io/…`, or a `config` that names one");
            findings.push(finding.relies_on(["/image", "/machine"]));
        }
        Some(image) => check_image("/image", image, findings),
        None => {}
    }
}

/// Checks an image reference.
pub(super) fn check_image(pointer: &str, image: &str, findings: &mut Vec<Finding>) {
    let Some(image) = final_text(image) else { return };
    if let Some(problem) = names::image(image) {
        findings.push(Finding::error(pointer, format!("`{image}` {problem}")));
    } else if !names::image_is_pinned(image) {
        let finding =
            Finding::warning(pointer, format!("`{image}` has no tag: whatever `latest` is at the time will run"));
        findings.push(finding.help("add a tag or a digest"));
    }
}

fn check_groups(app: &AppSpec, scope: Scope, findings: &mut Vec<Finding>) {
    let Some(processes) = &app.processes else {
        compute::check("", &app.short_form(), scope, findings);
        return;
    };
    for field in compute::given_fields(&app.short_form()) {
        let finding =
            Finding::error(format!("/{field}"), format!("`{field}` is not allowed together with `processes`"));
        findings.push(finding.at_key().help("move it into the groups that it is for"));
    }
    if processes.is_empty() {
        findings.push(Finding::error("/processes", "`processes` names no group").help("remove it, or add a group"));
    }
    for (name, group) in processes {
        let pointer = child("/processes", name);
        if let Some(problem) = names::group(name) {
            findings.push(Finding::error(&pointer, format!("the group name `{name}` {problem}")).at_key());
        }
        for (prefix, what) in [(FINALIZER_GROUP, "what runs before a deletion"), (JOB_GROUP, "jobs")] {
            if name.starts_with(prefix) {
                let message = format!("the group name `{name}` is reserved for {what}");
                let help = format!("choose a name that does not begin with `{prefix}`");
                findings.push(Finding::error(&pointer, message).at_key().help(help));
            }
        }
        compute::check(&pointer, group, scope, findings);
        check_standbys(&pointer, name, group, app, findings);
        check_variable_names(&format!("{pointer}/env"), group.env.keys(), findings);
    }
}

/// A stand-by machine gets no traffic, and Fly knows the machines that it stands by for by their ids.
fn check_standbys(pointer: &str, name: &str, group: &ProcessGroup, app: &AppSpec, findings: &mut Vec<Finding>) {
    let pointer = format!("{pointer}/standbys");
    for (index, id) in group.standbys.iter().enumerate() {
        if final_text(id)
            .is_some_and(|id| id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        {
            let finding = Finding::error(format!("{pointer}/{index}"), format!("`{id}` is not the id of a machine"));
            findings.push(finding.help("`fly machine list` shows ids, for example `3d8d9014b32d68`"));
        }
    }
    let is_for_group =
        |service: &Service| service.processes.is_empty() || service.processes.iter().any(|process| process == name);
    if !group.standbys.is_empty() && app.services.iter().flatten().any(is_for_group) {
        let finding =
            Finding::error(&pointer, format!("the group `{name}` has services, so it cannot stand by")).at_key();
        findings
            .push(finding.help("name the groups that each service is for in its `processes`").relies_on(["/services"]));
    }
}

fn check_variables(app: &AppSpec, findings: &mut Vec<Finding>) {
    check_variable_names("/env", app.env.keys(), findings);
    for name in app.env.keys().filter(|name| app.secrets.contains_key(*name)) {
        let message = format!("`{name}` is a variable and a secret; the secret wins");
        findings.push(Finding::warning(child("/env", name), message).at_key().help("remove one of them"));
    }
}

/// Notes names of environment variables that are malformed, or Fly's own.
pub(super) fn check_variable_names<'a>(
    pointer: &str,
    variables: impl IntoIterator<Item = &'a String>,
    findings: &mut Vec<Finding>,
) {
    for name in variables {
        if names::SET_BY_FLY.contains(&name.as_str()) {
            let finding =
                Finding::error(child(pointer, name), format!("`{name}` is reserved: Fly sets it in every machine"));
            findings.push(finding.at_key().help("choose another name"));
        } else if let Some(problem) = names::variable(name) {
            findings.push(Finding::error(child(pointer, name), format!("`{name}` {problem}")).at_key());
        }
    }
}

fn check_secrets(app: &AppSpec, findings: &mut Vec<Finding>) {
    for (name, source) in &app.secrets {
        let pointer = child("/secrets", name);
        if let Some(problem) = names::variable(name) {
            findings.push(Finding::error(&pointer, format!("`{name}` {problem}")).at_key());
        }
        match source {
            SecretSource::FromEnv(variable) => {
                if final_text(variable).and_then(names::variable).is_some() {
                    // The text is not repeated: it may be the secret itself, put here by mistake.
                    let finding =
                        Finding::error(format!("{pointer}/fromEnv"), "this is not the name of an environment variable");
                    findings.push(finding.help("write the variable's name, not its value"));
                }
            }
            SecretSource::FromFile(path) if path.is_empty() => {
                findings.push(Finding::error(format!("{pointer}/fromFile"), "the path is empty"));
            }
            SecretSource::Value(value) if !names::has_expression(value) => {
                let finding = Finding::warning(
                    format!("{pointer}/value"),
                    "this secret's value stands in the spec for all to read",
                );
                findings.push(
                    finding.help("use `fromEnv`, `fromFile` or `generate`, or move it to `env` if it is no secret"),
                );
            }
            SecretSource::Generate(generate) => {
                if generate.length.is_some_and(|length| !(16..=256).contains(&length)) {
                    findings.push(Finding::error(
                        format!("{pointer}/generate/length"),
                        "the length is not between 16 and 256",
                    ));
                }
                if generate.generation == Some(0) {
                    findings.push(Finding::error(
                        format!("{pointer}/generate/generation"),
                        "generations are counted from 1",
                    ));
                }
            }
            SecretSource::FromFile(_) | SecretSource::Value(_) => {}
        }
    }
}

fn check_machine(app: &AppSpec, groups: Option<&BTreeSet<String>>, findings: &mut Vec<Finding>) {
    if let Some(restart) = &app.restart {
        if restart.max_retries.is_some() && restart.policy != RestartPolicy::OnFailure {
            let finding = Finding::error("/restart/maxRetries", "`maxRetries` needs `policy: on-failure`").at_key();
            findings.push(finding.relies_on(["/restart/policy"]));
        }
        if restart.gpu_bid_price.is_some() && restart.policy != RestartPolicy::SpotPrice {
            let finding = Finding::error("/restart/gpuBidPrice", "`gpuBidPrice` needs `policy: spot-price`").at_key();
            findings.push(finding.relies_on(["/restart/policy"]));
        }
    }
    check_stop("/stop/timeout", app.stop.as_ref(), findings);
    if let Some(metrics) = &app.metrics {
        check_processes("/metrics/processes", &metrics.processes, groups, findings);
        check_port("/metrics/port", metrics.port, findings);
        check_path("/metrics/path", &metrics.path, findings);
    }
    for (index, entry) in app.statics.iter().flatten().enumerate() {
        check_path(&format!("/statics/{index}/urlPrefix"), &entry.url_prefix, findings);
        if entry.bucket.is_none() {
            check_path(&format!("/statics/{index}/path"), &entry.path, findings);
        }
    }
    if let Some(size) = app.rootfs.as_ref().and_then(|rootfs| rootfs.size)
        && size.whole_gb().is_none_or(|gigabytes| gigabytes == 0)
    {
        findings.push(Finding::error("/rootfs/size", format!("`{size}` is not a whole number of GB")));
    }
    if app.spot.as_ref().is_some_and(|spot| !(spot.max_price_fraction > 0.0 && spot.max_price_fraction <= 1.0)) {
        findings.push(Finding::error("/spot/maxPriceFraction", "the fraction is not above 0 and at most 1"));
    }
    for key in app.metadata.keys().filter(|key| key.starts_with("hangar_") || key.starts_with("fly_")) {
        let finding = Finding::error(child("/metadata", key), format!("the metadata key `{key}` is reserved"));
        findings.push(finding.at_key().help("keys that begin with `hangar_` and `fly_` belong to Hangar and Fly"));
    }
    if let Some(timeout) = app.health.as_ref().and_then(|health| health.timeout)
        && !(StdDuration::from_secs(10)..=StdDuration::from_hours(2)).contains(&timeout.to_std())
    {
        findings.push(Finding::error("/health/timeout", format!("`{timeout}` is not between `10s` and `2h`")));
    }
}

/// Fly gives a process at most five minutes to stop.
pub(super) fn check_stop(pointer: &str, stop: Option<&crate::spec::machine::Stop>, findings: &mut Vec<Finding>) {
    if let Some(timeout) = stop.and_then(|stop| stop.timeout)
        && timeout.as_secs() > 300
    {
        findings.push(Finding::error(pointer, format!("`{timeout}` is more than Fly allows")).help("at most `5m`"));
    }
}

pub(super) fn check_port(pointer: &str, port: u16, findings: &mut Vec<Finding>) {
    if port == 0 {
        findings.push(Finding::error(pointer, "`0` is not a port; ports are 1 to 65535"));
    }
}

pub(super) fn check_path(pointer: &str, path: &str, findings: &mut Vec<Finding>) {
    if let Some(problem) = final_text(path).and_then(names::absolute_path) {
        findings.push(Finding::error(pointer, format!("`{path}` {problem}")));
    }
}

fn check_ips(app: &AppSpec, findings: &mut Vec<Finding>) {
    let services = app.services.as_deref().unwrap_or_default();
    let Some(ips) = &app.ips else { return };
    if ips.public == Some(true) {
        for (field, value) in [("sharedV4", ips.shared_v4), ("v6", ips.v6)] {
            if value == Some(false) {
                findings
                    .push(Finding::error(format!("/ips/{field}"), format!("`public: true` includes `{field}: true`")));
            }
        }
    }
    let udp = services.iter().any(|service| service.protocol == Protocol::Udp && !service.ports.is_empty());
    if udp && *ips != Ips::default() && ips.v4 != Some(true) {
        findings.push(Finding::warning("/ips", "UDP needs a dedicated IPv4 address").help("add `v4: true`"));
    }
}
