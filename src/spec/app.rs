//! One Fly app of an environment.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check::Check;
use super::container::{Container, MachineProcess};
use super::duration::Duration;
use super::environment::{DeletionPolicy, is_false};
use super::group::{Cpu, Gpu, ProcessGroup};
use super::machine::{CacheDrive, Dns, Metrics, Restart, Rootfs, Spot, Static, Stop};
use super::network::Ips;
use super::secret::SecretSource;
use super::service::Service;
use super::size::Size;
use super::storage::{File, Volume};
use super::text::{StringList, Text};

/// The name of the process group that an app without `processes` has.
pub const DEFAULT_GROUP: &str = "app";

/// One Fly app: its machines and everything around them.
///
/// A field that is not set is not managed: Hangar leaves whatever is live alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSpec {
    /// The app's name at Fly, unique in all of Fly: at most 63 lower case letters, digits and dashes.
    /// Default: `${{ env.name }}-<component>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"${{ env.name }}-server")]
    pub name: Option<String>,
    /// Take over an app of this name that Hangar did not create. Default: `false`, so that such an app is reported and left alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopt: bool,
    /// Never delete this app. Default: as the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
    /// What happens once no spec asks for the app: `delete` or `retain`. Default: as the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Path of a `fly.toml` that is the base of this app; fields given here win. Relative to this file, for example `fly.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fly.toml")]
    pub config: Option<String>,
    /// The container image, by tag or digest, for example `registry.fly.io/acme-images:server-1f3c`. Required unless `config` names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"registry.fly.io/acme-images:server-1f3c")]
    pub image: Option<String>,
    /// Code of the primary region, for example `iad`. Default: `fly.region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"iad")]
    pub region: Option<String>,

    /// Machines per region. Default: 1. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub count: Option<u32>,
    /// Region codes that each get `count` machines. Default: the primary region. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    /// A preset of processors and memory, for example `shared-cpu-1x` or `performance-2x`; `cpu` and `memory` refine it.
    /// Default: `shared-cpu-1x`. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::preset::size_schema")]
    pub size: Option<String>,
    /// Processors, where the preset does not fit. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory, a multiple of 256 MB: 256 to 2048 MB per shared processor, 2048 to 8192 MB per performance processor.
    /// Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Graphics processors. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Id of the dedicated host that the machines must run on. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_dedication_id: Option<String>,
    /// Arguments for the machine's kernel. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_args: Option<Vec<String>>,
    /// The command, as a list or as a string that is split like a shell does, for example `bin/serve --port 8080`.
    /// Default: the image's. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<StringList>,
    /// The entrypoint, as a list or a string. Default: the image's. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<StringList>,
    /// Replaces entrypoint and command together. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<StringList>,
    /// Give the process a terminal. Default: `false`. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<bool>,
    /// Swap space, for example `512MB`. Default: none. Not together with `processes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Size>,
    /// Several groups of machines by name, each with its own command and size, for example
    /// `{web: {count: 2, command: bin/web}, worker: {command: bin/work}}`. Default: one group, `app`, made of the fields above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<IndexMap<String, ProcessGroup>>,

    /// Environment variables of all groups. Numbers and booleans become strings as they are written. `FLY_REGION` and other names that Fly sets itself are reserved.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, Text>,
    /// The app's secrets by name; each says where its value comes from.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<String, SecretSource>,
    /// What the Fly proxy forwards to the machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<Service>>,
    /// Health checks of the machines that belong to no service, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<IndexMap<String, Check>>,
    /// Containers that run side by side in each machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<Vec<Container>>,
    /// Persistent volumes by name; every machine of the groups gets one of each (Fly allows one per machine).
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub volumes: IndexMap<String, Volume>,
    /// Files that are written into the machines before they start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<File>>,
    /// IP addresses of the app. Default: a shared IPv4 and an IPv6 address where a service has `ports`, else none; `{}` asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ips: Option<Ips>,
    /// Host names that get a TLS certificate, for example `[www.example.com]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<String>>,
    /// What happens when the process exits. Default: `on-failure`, 10 times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How a machine is asked to stop. Default: `SIGINT`, then killed after 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Start the machines at intervals instead of keeping them running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Destroy a machine when its process ends. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_destroy: Option<bool>,
    /// Where Fly collects Prometheus metrics from, every 15 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Files that the Fly proxy serves itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statics: Option<Vec<Static>>,
    /// Name resolution inside the machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// The root file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<Rootfs>,
    /// A local drive for caches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_drive: Option<CacheDrive>,
    /// Run on spare capacity at a reduced price; Fly may stop such machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
    /// Not supported yet: stand-by machines that are chosen by Hangar. Name the machines under `processes.<group>.standbys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standbys: Option<bool>,
    /// Several processes inside each machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes_in_vm: Option<Vec<MachineProcess>>,
    /// Metadata of the machines. Keys that begin with `hangar_` or `fly_` are reserved.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub metadata: IndexMap<String, Text>,
    /// When a changed machine counts as healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// A raw machine config with the Machines API's own field names, merged over everything above: for what has no field yet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub machine: Map<String, Value>,
}

impl AppSpec {
    /// The process groups by name. An app without `processes` has one, [`DEFAULT_GROUP`], made of the short-form fields.
    pub fn groups(&self) -> IndexMap<String, ProcessGroup> {
        if let Some(processes) = &self.processes {
            return processes.clone();
        }
        IndexMap::from([(DEFAULT_GROUP.to_owned(), self.short_form())])
    }

    /// The group that the short-form fields describe.
    pub fn short_form(&self) -> ProcessGroup {
        ProcessGroup {
            count: self.count,
            regions: self.regions.clone(),
            size: self.size.clone(),
            cpu: self.cpu.clone(),
            memory: self.memory,
            gpu: self.gpu.clone(),
            host_dedication_id: self.host_dedication_id.clone(),
            kernel_args: self.kernel_args.clone(),
            command: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            exec: self.exec.clone(),
            tty: self.tty,
            swap: self.swap,
            standbys: Vec::new(),
            env: IndexMap::new(),
        }
    }
}

/// When machines of a schedule are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Schedule {
    /// Once an hour.
    Hourly,
    /// Once a day.
    Daily,
    /// Once a week.
    Weekly,
    /// Once a month.
    Monthly,
}

/// When a changed machine counts as healthy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Health {
    /// How long starting and passing all checks may take together, for example `5m`. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}
