//! What is there, as plain data, for tests and the simulator's own pages. Looking is not a request.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::Simulator;
use super::config::SimConfig;
use super::world::app::App;
use super::world::machine::{Event, Machine};

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppView {
    /// Its name.
    pub name: String,
    /// Its opaque id; another one after the name was reused.
    pub id: String,
    /// The slug of its organization.
    pub org: String,
    /// Its private network; empty for the organization's default network.
    pub network: String,
    /// `pending` or `deployed`.
    pub status: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// How many machines it has that are not destroyed.
    pub machines: usize,
    /// How many volumes it has that are not deleted.
    pub volumes: usize,
    /// The version of its vault; 0 before the first secret.
    pub vault_version: u64,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineView {
    /// Its id.
    pub id: String,
    /// Its app.
    pub app: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its state, such as `started`.
    pub state: String,
    /// Its version (also called instance id).
    pub version: String,
    /// How many versions it has had.
    pub versions: usize,
    /// Its config as the server keeps it.
    pub config: Value,
    /// The digest of its image.
    pub digest: String,
    /// Its private address.
    pub private_ip: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last started.
    pub started_at: Option<DateTime<Utc>>,
    /// Whether it is out of the proxy's rotation.
    pub cordoned: bool,
    /// Whether its host answers.
    pub reachable: bool,
    /// Whether somebody holds a lease on it.
    pub leased: bool,
    /// The version of the vault that it was given, if it was given secrets.
    pub vault_version: Option<u64>,
    /// The names and results of its checks.
    pub checks: Vec<(String, String)>,
    /// The names and states of its containers.
    pub containers: Vec<(String, String)>,
    /// When its schedule lets it run next, if it has one.
    pub next_run: Option<DateTime<Utc>>,
    /// The codes with which its process has ended, oldest first, as far as its events go back.
    pub exits: Vec<i64>,
}

impl MachineView {
    /// The value of a metadata key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.config.get("metadata")?.get(key)?.as_str()
    }

    /// The value of an environment variable in its config (not a secret).
    pub fn env(&self, name: &str) -> Option<&str> {
        self.config.get("env")?.get(name)?.as_str()
    }
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeView {
    /// Its id.
    pub id: String,
    /// Its app.
    pub app: String,
    /// Its name, which is not unique.
    pub name: String,
    /// Its state: `created`, `hydrating`, `restoring` or `pending_destroy`.
    pub state: String,
    /// Its region.
    pub region: String,
    /// Its size.
    pub size_gb: u64,
    /// The machine that it is bound to.
    pub attached_machine: Option<String>,
    /// How many snapshots it has.
    pub snapshots: usize,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressView {
    /// The address.
    pub ip: String,
    /// Its kind as in requests: `v4`, `v6`, `shared_v4`, `private_v6`, `egress_v4`, `egress_v6`.
    pub kind: String,
    /// Its region; `global` if it has none.
    pub region: String,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateView {
    /// Its hostname.
    pub hostname: String,
    /// Its status: `active` or `pending_validation`.
    pub status: String,
}

impl Simulator {
    /// All apps, in order of their names. Apps that are being deleted are left out.
    pub fn apps(&self) -> Vec<AppView> {
        self.present().world.apps.values().filter(|app| !app.deleting).map(view_app).collect()
    }

    /// The app `name`.
    pub fn app(&self, name: &str) -> Option<AppView> {
        let state = self.present();
        state.world.apps.get(name).filter(|app| !app.deleting).map(view_app)
    }

    /// The machines of an app that are not destroyed, in order of their creation.
    pub fn machines(&self, app: &str) -> Vec<MachineView> {
        let now = self.now();
        let config = &self.inner.config;
        let mut machines: Vec<MachineView> = self.of_app(app, |app| -> Vec<_> {
            let alive = app.machines.values().filter(|machine| !machine.is_destroyed());
            alive.map(|machine| view_machine(machine, now, config)).collect()
        });
        machines.sort_by(|one, other| one.created_at.cmp(&other.created_at).then_with(|| one.id.cmp(&other.id)));
        machines
    }

    /// The machine `id` of an app, destroyed or not.
    pub fn machine(&self, app: &str, id: &str) -> Option<MachineView> {
        let now = self.now();
        let config = &self.inner.config;
        self.of_app(app, |app| app.machines.get(id).map(|machine| view_machine(machine, now, config)))
    }

    /// The volumes of an app, in order of their ids, those that are pending destruction included.
    pub fn volumes(&self, app: &str) -> Vec<VolumeView> {
        let now = self.now();
        let copying = self.inner.config.volume_copy;
        self.of_app(app, |app| {
            let name = &app.name;
            app.volumes
                .values()
                .map(|volume| VolumeView {
                    id: volume.id.clone(),
                    app: name.clone(),
                    name: volume.name.clone(),
                    state: volume.state(now, copying).to_owned(),
                    region: volume.region.clone(),
                    size_gb: volume.size_gb,
                    attached_machine: volume.attached_machine.clone(),
                    snapshots: volume.snapshots(now).len(),
                    created_at: volume.created_at,
                })
                .collect()
        })
    }

    /// The names of an app's secrets, in order.
    pub fn secret_names(&self, app: &str) -> Vec<String> {
        self.of_app(app, |app| app.vault.names())
    }

    /// The value of a secret as it was last written. Tests know it, for they wrote it.
    pub fn secret_value(&self, app: &str, name: &str) -> Option<String> {
        self.of_app(app, |app| app.vault.value(name).map(str::to_owned))
    }

    /// The value of a secret as the machine `id` was given it: staged values are not yet there.
    pub fn live_secret_value(&self, app: &str, id: &str, name: &str) -> Option<String> {
        self.of_app(app, |app| {
            let version = app.machines.get(id)?.vault_version?;
            app.vault.value_at(version, name).map(str::to_owned)
        })
    }

    /// The addresses of an app, oldest first.
    pub fn ips(&self, app: &str) -> Vec<AddressView> {
        self.of_app(app, |app| {
            let view = |address: &super::world::address::Address| AddressView {
                ip: address.ip.clone(),
                kind: address.kind.as_str().to_owned(),
                region: address.region.clone(),
            };
            app.addresses.iter().map(view).collect()
        })
    }

    /// The certificates of an app, in order of their hostnames.
    pub fn certificates(&self, app: &str) -> Vec<CertificateView> {
        self.of_app(app, |app| {
            let view = |certificate: &super::world::certificate::Certificate| CertificateView {
                hostname: certificate.hostname.clone(),
                status: certificate.status().to_owned(),
            };
            app.certificates.values().map(view).collect()
        })
    }

    /// The names of an organization's private networks. They are never removed.
    pub fn networks(&self, org: &str) -> Vec<String> {
        self.present().world.networks(org)
    }

    fn of_app<T: Default>(&self, name: &str, look: impl FnOnce(&App) -> T) -> T {
        let state = self.present();
        state.world.apps.get(name).filter(|app| !app.deleting).map(look).unwrap_or_default()
    }
}

fn view_app(app: &App) -> AppView {
    AppView {
        name: app.name.clone(),
        id: app.id.clone(),
        org: app.org.clone(),
        network: app.network.clone(),
        status: app.status().to_owned(),
        created_at: app.created_at,
        machines: app.machines.values().filter(|machine| !machine.is_destroyed()).count(),
        volumes: app.volumes.values().filter(|volume| !volume.is_deleted()).count(),
        vault_version: app.vault.version(),
    }
}

fn view_machine(machine: &Machine, now: DateTime<Utc>, config: &SimConfig) -> MachineView {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let containers = machine.containers(now, config);
    MachineView {
        id: machine.id.clone(),
        app: machine.app.clone(),
        name: machine.name.clone(),
        region: machine.region.clone(),
        state: machine.state.as_str().to_owned(),
        version: machine.version.clone(),
        versions: machine.versions.len(),
        config: machine.config.clone(),
        digest: text(&machine.image_ref, "digest"),
        private_ip: machine.private_ip.clone(),
        created_at: machine.created_at,
        started_at: machine.events.iter().rfind(|event| event.kind == "start").map(|event| event.at),
        cordoned: machine.cordoned,
        reachable: !machine.unreachable,
        leased: machine.lease(now).is_some(),
        vault_version: machine.vault_version,
        checks: machine.checks(now, config).into_iter().map(|check| (check.name, check.status.to_owned())).collect(),
        containers: containers.iter().map(|container| (text(container, "name"), text(container, "state"))).collect(),
        next_run: machine.next_run,
        exits: machine.events.iter().filter_map(Event::exit_code).collect(),
    }
}
