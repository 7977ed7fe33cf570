//! Rules of volumes and files.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;

use crate::spec::app::AppSpec;
use crate::spec::finding::Finding;
use crate::spec::positions::child;
use crate::spec::size::Size;
use crate::spec::storage::{FileSource, Volume};

use super::app::{Scope, check_path, check_processes};
use super::environment::final_text;
use super::names;

/// Largest volume at Fly, in GB.
const MAX_VOLUME_GB: u64 = 500;

pub(super) fn check(app: &AppSpec, scope: Scope, groups: Option<&BTreeSet<String>>, findings: &mut Vec<Finding>) {
    for (name, volume) in &app.volumes {
        let pointer = child("/volumes", name);
        check_name(&pointer, name, volume, findings);
        check_path(&format!("{pointer}/mount"), &volume.mount, findings);
        if volume.mount == "/" {
            findings.push(Finding::error(format!("{pointer}/mount"), "a volume cannot be the root directory"));
        }
        check_processes(&format!("{pointer}/processes"), &volume.processes, groups, findings);
        if let Some(size) = volume.size {
            check_gigabytes(&format!("{pointer}/size"), size, MAX_VOLUME_GB, findings);
        }
        if volume.snapshot_retention.is_some_and(|days| !(1..=60).contains(&days)) {
            findings.push(Finding::error(format!("{pointer}/snapshotRetention"), "snapshots are kept 1 to 60 days"));
        }
        if let Some(snapshot) = volume.from_snapshot.as_deref().and_then(final_text)
            && !snapshot.starts_with("vs_")
        {
            let finding =
                Finding::error(format!("{pointer}/fromSnapshot"), format!("`{snapshot}` is not the id of a snapshot"));
            findings.push(finding.help("ids of snapshots begin with `vs_`"));
        }
        check_auto_extend(&pointer, volume, findings);
    }
    check_one_per_group(app, findings);
    for (index, file) in app.files.iter().flatten().enumerate() {
        let pointer = format!("/files/{index}");
        check_processes(&format!("{pointer}/processes"), &file.processes, groups, findings);
        check_file(&pointer, &file.path, file.source(), file.mode, findings);
        check_file_secret(&format!("{pointer}/secret"), file.secret.as_deref(), app, scope, findings);
    }
}

/// Checks path, source and permissions of a file.
pub(super) fn check_file(
    pointer: &str,
    path: &str,
    source: Option<FileSource<'_>>,
    mode: Option<u32>,
    findings: &mut Vec<Finding>,
) {
    check_path(&format!("{pointer}/path"), path, findings);
    match source {
        None => {
            let finding = Finding::error(pointer, "the file needs exactly one source of its content");
            findings.push(finding.help("one of `content`, `base64`, `fromFile`, `secret`"));
        }
        Some(FileSource::Base64(text))
            if !names::has_expression(text) && base64::engine::general_purpose::STANDARD.decode(text).is_err() =>
        {
            findings.push(Finding::error(format!("{pointer}/base64"), "this is not base64"));
        }
        Some(_) => {}
    }
    if mode.is_some_and(|mode| mode > 0o7777) {
        let finding = Finding::error(format!("{pointer}/mode"), "these are no permission bits");
        findings.push(finding.help("write them in octal, for example `0o644`"));
    }
}

/// Notes a secret that the app does not declare; it may have been set by other means.
pub(super) fn check_file_secret(
    pointer: &str,
    secret: Option<&str>,
    app: &AppSpec,
    scope: Scope,
    findings: &mut Vec<Finding>,
) {
    if let Some(secret) = secret.and_then(final_text)
        && scope == Scope::Whole
        && !app.secrets.contains_key(secret)
    {
        let finding = Finding::warning(pointer, format!("`secrets` has no `{secret}`"));
        let help = crate::spec::finding::nearest_help(secret, app.secrets.keys().map(String::as_str));
        let finding = finding.help(help.unwrap_or_else(|| "fine if it is set by other means".to_owned()));
        findings.push(finding.relies_on([child("/secrets", secret)]));
    }
}

fn check_name(pointer: &str, name: &str, volume: &Volume, findings: &mut Vec<Finding>) {
    match &volume.wire_name {
        Some(wire) => {
            if let Some(problem) = final_text(wire).and_then(names::volume) {
                findings
                    .push(Finding::error(format!("{pointer}/wireName"), format!("the volume name `{wire}` {problem}")));
            }
        }
        None => {
            if let Some(problem) = names::volume(&name.replace('-', "_")) {
                let finding = Finding::error(pointer, format!("the volume name `{name}` {problem}")).at_key();
                findings.push(finding.relies_on([format!("{pointer}/wireName")]));
            }
        }
    }
}

fn check_auto_extend(pointer: &str, volume: &Volume, findings: &mut Vec<Finding>) {
    let Some(extend) = &volume.auto_extend else { return };
    let pointer = format!("{pointer}/autoExtend");
    if !(50..=99).contains(&extend.threshold) {
        findings.push(Finding::error(format!("{pointer}/threshold"), "the threshold is not between 50 and 99 percent"));
    }
    check_gigabytes(&format!("{pointer}/increment"), extend.increment, 100, findings);
    if let Some(limit) = extend.limit {
        check_gigabytes(&format!("{pointer}/limit"), limit, MAX_VOLUME_GB, findings);
        if volume.size.is_some_and(|size| size > limit) {
            findings.push(Finding::error(format!("{pointer}/limit"), "the limit is below the volume's size"));
        }
    }
}

fn check_gigabytes(pointer: &str, size: Size, most: u64, findings: &mut Vec<Finding>) {
    if !size.whole_gb().is_some_and(|gigabytes| (1..=most).contains(&gigabytes)) {
        let finding = Finding::error(pointer, format!("`{size}` is not a whole number of GB from 1 to {most}"));
        findings.push(finding.help("write for example `1GB`"));
    }
}

/// A Fly machine mounts at most one volume.
fn check_one_per_group(app: &AppSpec, findings: &mut Vec<Finding>) {
    let mut mounted: BTreeMap<String, &str> = BTreeMap::new();
    for (name, volume) in &app.volumes {
        let groups: Vec<String> =
            if volume.processes.is_empty() { app.groups().into_keys().collect() } else { volume.processes.clone() };
        for group in groups {
            if let Some(other) = mounted.get(group.as_str()) {
                let message = format!("machines of the group `{group}` have the volume `{other}` already");
                let finding = Finding::error(child("/volumes", name), message).at_key();
                let finding =
                    finding.help("a Fly machine mounts one volume: use `processes` to give it to another group");
                let places = [child("/volumes", name), child("/volumes", other)];
                let processes = places.iter().map(|place| child(place, "processes"));
                findings.push(finding.relies_on(processes.chain(["/processes".to_owned()])));
            } else {
                mounted.insert(group, name);
            }
        }
    }
}
