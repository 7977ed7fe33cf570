//! Fly's wire types as what was observed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client;
use super::wire;
use crate::desired::Completeness;
use crate::observed::{AppRow, Certificate, Check, Exit, Ip, Listing, Machine, MachineState, Secret, Volume};
use crate::resource::machine::normalise;
use crate::resource::marker::MachineMarker;
use crate::resource::{AppName, IpKind};

pub(super) fn app(app: wire::App) -> AppRow {
    AppRow { id: app.id, name: AppName::new(app.name), network: app.network, status: app.status.as_str().to_owned() }
}

pub(super) fn listing<W, T>(listing: client::Listing<W>, convert: impl FnMut(W) -> T) -> Listing<T> {
    let completeness = if listing.complete {
        Completeness::Complete
    } else if listing.error_regions.is_empty() {
        Completeness::Incomplete { reason: "the list did not come to its end".to_owned() }
    } else {
        let regions: Vec<&str> = listing.error_regions.iter().map(String::as_str).collect();
        Completeness::Incomplete { reason: format!("no answer from region {}", regions.join(", ")) }
    };
    Listing { items: listing.items.into_iter().map(convert).collect(), completeness, started_at: listing.started_at }
}

/// A machine as the organization's listing has it: image, guest and metadata, without the rest of its configuration.
pub(super) fn org_machine(machine: wire::OrgMachine) -> Machine {
    let config = machine.config.unwrap_or_default();
    let metadata = metadata_of(&config);
    Machine {
        app: AppName::new(machine.app_name),
        id: machine.id,
        name: machine.name,
        region: machine.region,
        state: MachineState::parse(machine.state.as_str()),
        version: machine.version,
        config: None,
        marker: MachineMarker::parse(&metadata),
        metadata,
        image: text(&config, "image"),
        image_digest: None,
        host_ok: true,
        checks: Vec::new(),
        last_exit: None,
        started_at: None,
        created_at: machine.created_at,
    }
}

/// A machine as its app's listing has it.
pub(crate) fn machine(app: &AppName, machine: wire::Machine) -> Machine {
    let host_ok = machine.host_status.as_ref().is_none_or(|status| *status == wire::HostStatus::Ok);
    let shown = machine.config.as_ref().or(machine.incomplete_config.as_ref()).cloned().unwrap_or_default();
    let metadata = metadata_of(&shown);
    let starts = machine.events.iter().filter(|event| event.kind == "start" || event.status == "started");
    let started_at = starts.filter_map(|event| event.at).max();
    let newest_exit =
        machine.events.iter().filter_map(|event| Some((event.at?, event.exit()?))).max_by_key(|(at, _)| *at);
    Machine {
        app: app.clone(),
        id: machine.id,
        name: machine.name,
        region: machine.region,
        state: MachineState::parse(machine.state.as_str()),
        version: machine.instance_id,
        config: machine.config.as_ref().filter(|config| config.is_object()).map(normalise),
        marker: MachineMarker::parse(&metadata),
        metadata,
        image: text(&shown, "image"),
        image_digest: machine.image_ref.map(|image| image.digest).filter(|digest| !digest.is_empty()),
        host_ok,
        checks: machine
            .checks
            .into_iter()
            .filter(|check| !check.is_internal())
            .map(|check| Check {
                passing: check.status == wire::CheckState::Passing,
                name: check.name,
                output: check.output,
            })
            .collect(),
        last_exit: newest_exit.map(|(at, exit)| Exit {
            code: exit.exit_code,
            oom_killed: exit.oom_killed,
            requested: exit.requested_stop,
            at,
        }),
        started_at,
        created_at: machine.created_at,
    }
}

pub(super) fn volume(app: &AppName, volume: wire::Volume) -> Volume {
    Volume {
        app: app.clone(),
        id: volume.id,
        name: volume.name,
        region: volume.region,
        state: volume.state.as_str().to_owned(),
        size_gb: volume.size_gb,
        attached_machine: volume.attached_machine_id.filter(|id| !id.is_empty()),
        snapshot_retention: volume.snapshot_retention.map(u64::from),
        auto_backup: volume.auto_backup_enabled,
        host_ok: volume.host_status.is_none_or(|status| status == wire::HostStatus::Ok),
        created_at: volume.created_at,
    }
}

pub(super) fn secret(secret: wire::SecretDigest) -> Secret {
    Secret { name: secret.name, digest: secret.digest, created_at: secret.created_at }
}

/// An address with its kind, which Fly does not state: it follows from the address and its flags. A pair of egress addresses has no
/// address of its own and is nobody's business here.
pub(super) fn ip(ip: wire::IpAssignment) -> Option<Ip> {
    let kind = match &ip {
        ip if ip.egress => None,
        ip if ip.is_flycast() => Some(IpKind::PrivateV6),
        ip if ip.shared => Some(IpKind::SharedV4),
        ip if ip.is_v6() => Some(IpKind::V6),
        _ => Some(IpKind::V4),
    };
    Some(Ip { address: ip.ip?, kind })
}

pub(super) fn certificate(certificate: wire::CertificateSummary) -> Certificate {
    Certificate { hostname: certificate.hostname, configured: certificate.configured, status: certificate.status }
}

fn metadata_of(config: &Value) -> BTreeMap<String, String> {
    let entries = config.get("metadata").and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn text(config: &Value, field: &str) -> String {
    config.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
