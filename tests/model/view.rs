//! What a pass sees of the platform: fresh, stale or in part, in the real types, and read in detail as the real observation does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hangar::desired::{Completeness, Fleet, Wanted};
use hangar::observed::{
    AppDetail, AppRow, Ip, Listing, Machine, MachineState, Observed, Presence, Reading, Scope, Secret, Volume,
};
use hangar::resource::AppName;
use hangar::resource::marker::{MachineMarker, network_slot};

use crate::world::{LiveApp, LiveMachine, NOW, World};

pub(crate) const ORG: &str = "acme";

/// What is missing from an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Missing {
    Nothing,
    /// The listing of apps failed.
    Apps,
    /// The listing of machines came without its machines.
    Machines,
    /// The machines, volumes, secrets or addresses of every app could not be read.
    AppMachines,
    AppVolumes,
    AppSecrets,
    AppIps,
}

impl Missing {
    /// What can be missing, where something is.
    pub(crate) const SOMETHING: [Self; 6] =
        [Self::Apps, Self::Machines, Self::AppMachines, Self::AppVolumes, Self::AppSecrets, Self::AppIps];

    /// Whether a listing of the organization is incomplete.
    pub(crate) const fn is_of_listing(self) -> bool {
        matches!(self, Self::Apps | Self::Machines)
    }
}

pub(crate) fn moment(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

pub(crate) fn now() -> DateTime<Utc> {
    moment(NOW)
}

/// What is seen when the listings show `listed` and direct requests show `direct`.
pub(crate) fn observe(listed: &World, direct: &World, missing: Missing, fleet: &Fleet) -> Observed {
    let apps = listing(listed.apps.iter().map(|(name, app)| row(name, app)).collect(), missing != Missing::Apps);
    let machines =
        listed.apps.iter().flat_map(|(name, app)| app.machines.iter().map(|seen| listed_machine(name, seen)));
    let machines = listing(machines.collect::<Vec<_>>(), missing != Missing::Machines);
    let volumes = listed.apps.iter().flat_map(|(name, app)| volumes(name, app)).collect();
    let mut scope =
        Scope { apps, machines, volumes: listing(volumes, true), details: BTreeMap::new(), out_of_reach: None };
    for app in read_in_detail(&scope, fleet) {
        let detail = detail(&scope, direct, missing, &app);
        scope.details.insert(app, detail);
    }
    Observed { scopes: BTreeMap::from([(ORG.into(), scope)]), ..Observed::default() }
}

/// The apps that are read in detail: those that are wanted, and those that only their details can show to be ours.
fn read_in_detail(scope: &Scope, fleet: &Fleet) -> BTreeSet<AppName> {
    let mut apps = BTreeSet::new();
    for wanted in fleet.environments.values() {
        if let Wanted::Ready(env) = wanted {
            apps.extend(env.apps.iter().map(|app| app.name.clone()));
        }
    }
    let with_finalizers = scope.machines.items.iter().filter(|machine| hangar::plan::has_finalizers(machine));
    apps.extend(with_finalizers.map(|machine| machine.app.clone()));
    for row in &scope.apps.items {
        let mut machines = scope.machines.items.iter().filter(|machine| machine.app == row.name).peekable();
        let has_none = machines.peek().is_none();
        let has_ours = machines.any(|machine| machine.owned_by(&fleet.owner).is_some());
        let has_our_network = network_slot(&fleet.owner, &row.network).is_some();
        if !has_ours && (has_our_network || (has_none && scope.machines.completeness.is_complete())) {
            apps.insert(row.name.clone());
        }
    }
    apps
}

fn detail(scope: &Scope, direct: &World, missing: Missing, app: &AppName) -> AppDetail {
    let found = direct.apps.get_key_value(app.as_str());
    let presence = match (scope.apps.items.iter().find(|row| row.name == *app), found) {
        (Some(row), Some(_)) => Presence::Here(row.clone()),
        (None, Some((name, found))) => Presence::Here(row(name, found)),
        (_, None) if scope.apps.completeness.is_complete() => Presence::Absent { started_at: now() },
        (_, None) => Presence::Unknown { reason: "whether the organization is seen is not known".to_owned() },
    };
    let Some((name, found)) = found else {
        return AppDetail {
            presence,
            machines: unread(),
            volumes: unread(),
            secrets: unread(),
            ips: unread(),
            certificates: unread(),
        };
    };
    let secrets = found.secrets.iter().map(|(name, (digest, created))| Secret {
        name: name.clone(),
        digest: digest.clone(),
        created_at: Some(moment(*created)),
    });
    let ips = found.ips.iter().map(|(address, kind)| Ip { address: address.clone(), kind: Some(*kind) });
    AppDetail {
        presence,
        machines: read(
            found.machines.iter().map(|seen| machine(name, seen)).collect(),
            missing != Missing::AppMachines,
        ),
        volumes: read(volumes(name, found).collect(), missing != Missing::AppVolumes),
        secrets: read(secrets.collect(), missing != Missing::AppSecrets),
        ips: read(ips.collect(), missing != Missing::AppIps),
        certificates: unread(),
    }
}

pub(crate) fn row(name: &str, app: &LiveApp) -> AppRow {
    AppRow { id: app.id.to_string(), name: name.into(), network: app.network.clone(), status: "deployed".to_owned() }
}

fn listed_machine(app: &str, seen: &LiveMachine) -> Machine {
    Machine { config: None, ..machine(app, seen) }
}

pub(crate) fn machine(app: &str, seen: &LiveMachine) -> Machine {
    // Ids count upwards, and so do the moments of creation.
    let ordinal: i64 = seen.id.trim_start_matches('m').parse().unwrap_or_default();
    let config: serde_json::Value = serde_json::from_str(&seen.config).unwrap();
    Machine {
        app: app.into(),
        id: seen.id.clone(),
        name: seen.name.clone(),
        region: seen.region.clone(),
        state: if seen.started { MachineState::Started } else { MachineState::Stopped },
        version: seen.version.to_string(),
        image: config["image"].as_str().unwrap_or_default().to_owned(),
        config: Some(config),
        marker: MachineMarker::parse(&seen.metadata),
        metadata: seen.metadata.clone(),
        image_digest: None,
        host_ok: true,
        checks: Vec::new(),
        last_exit: None,
        started_at: None,
        created_at: Some(moment(NOW - 1_000_000 + ordinal)),
    }
}

fn volumes<'w>(app: &'w str, found: &'w LiveApp) -> impl Iterator<Item = Volume> + 'w {
    found.volumes.iter().map(move |volume| Volume {
        app: app.into(),
        id: volume.id.clone(),
        name: volume.name.clone(),
        region: volume.region.clone(),
        state: "created".to_owned(),
        size_gb: volume.size_gb,
        attached_machine: volume.attached.clone(),
        snapshot_retention: None,
        auto_backup: None,
        host_ok: true,
        created_at: Some(moment(NOW - 1_000_000)),
    })
}

fn listing<T>(items: Vec<T>, is_complete: bool) -> Listing<T> {
    let incomplete = || Completeness::Incomplete { reason: "a region did not answer".to_owned() };
    Listing {
        items: if is_complete { items } else { Vec::new() },
        completeness: if is_complete { Completeness::Complete } else { incomplete() },
        started_at: now(),
    }
}

fn read<T>(value: Vec<T>, is_read: bool) -> Reading<Vec<T>> {
    if is_read { Reading::Known { value, started_at: now() } } else { unread() }
}

fn unread<T>() -> Reading<T> {
    Reading::Unknown { reason: "no answer".to_owned() }
}
