//! From one process group of an app to the configuration of its machines, in the Machines API's own words.

mod container;
mod file;
mod guest;
mod service;
mod wire;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::resource::machine::normalise;
use crate::resource::{MachineSlot, VolumeSlot, output};
use crate::spec::flytoml::merge;
use crate::spec::group::ProcessGroup;
use crate::spec::machine::{Restart, Stop};
use crate::spec::storage::Volume;
use crate::spec::{AppSpec, StringList, Text};
pub(super) use file::LoadFile;
use wire::{go, object, put, renamed};

/// What the machines of one group are made from.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub app: &'a AppSpec,
    /// The group's name.
    pub name: &'a str,
    /// What the spec says about it.
    pub own: &'a ProcessGroup,
    /// The app's image; none where every container names its own.
    pub image: Option<&'a str>,
    /// The app's primary region.
    pub primary_region: Option<&'a str>,
    /// Reads a local file that the spec names.
    pub load_file: &'a LoadFile<'a>,
}

/// A value that cannot be lowered, by its JSON pointer within the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LowerError {
    pub pointer: String,
    pub message: String,
}

impl Group<'_> {
    /// The configuration that all machines of the group share, in normal form; mounts follow per machine with [`mounted`].
    pub(super) fn config(&self) -> Result<Value, LowerError> {
        let app = self.app;
        let mut config = Map::new();
        put(&mut config, "image", self.image);
        put(&mut config, "env", Some(self.env()));
        put(&mut config, "init", Some(self.init()));
        put(&mut config, "guest", guest::guest(self.own));
        put(&mut config, "standbys", (!self.own.standbys.is_empty()).then_some(self.own.standbys.as_slice()));
        let services: Vec<_> = app.services.iter().flatten().filter(|service| self.is_in(&service.processes)).collect();
        put(&mut config, "services", Some(services.iter().map(|each| service::service(each)).collect::<Vec<_>>()));
        put(&mut config, "checks", Some(service::checks(app, self.name, services.first().copied())));
        if let Some(containers) = &app.containers {
            put(&mut config, "containers", Some(container::containers(containers, self.image, self.load_file)?));
        }
        put(&mut config, "files", Some(file::files(app, self.name, self.load_file)?));
        if let Some(processes) = &app.processes_in_vm {
            put(&mut config, "processes", Some(processes.iter().map(container::process).collect::<Vec<_>>()));
        }
        put(&mut config, "restart", app.restart.as_ref().map(restart));
        put(&mut config, "stop_config", app.stop.as_ref().map(stop));
        put(&mut config, "schedule", app.schedule.map(|schedule| renamed(&schedule)));
        put(&mut config, "auto_destroy", app.auto_destroy);
        put(&mut config, "metrics", self.metrics());
        put(
            &mut config,
            "statics",
            app.statics.as_ref().map(|statics| statics.iter().map(statics_entry).collect::<Vec<_>>()),
        );
        put(&mut config, "dns", app.dns.as_ref().map(dns));
        put(
            &mut config,
            "rootfs",
            app.rootfs.as_ref().map(|rootfs| {
                object([
                    ("persist", rootfs.persist.map(|persist| renamed(&persist))),
                    ("size_gb", rootfs.size.map(|size| json!(size.mb().div_ceil(1024)))),
                ])
            }),
        );
        put(&mut config, "cache_drive", app.cache_drive.as_ref().map(|drive| json!({"size_mb": drive.size.mb()})));
        put(&mut config, "spot", app.spot.as_ref().map(renamed));
        let mut config = merge(Value::Object(config), Value::Object(app.machine.clone()));
        self.give_containers_an_image(&mut config);
        Ok(normalise(&config))
    }

    /// A container of a raw `machine:` that names no image runs the app's, like any other.
    fn give_containers_an_image(&self, config: &mut Value) {
        let Some(Value::Array(containers)) = config.get_mut("containers") else {
            return;
        };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            if let (false, Some(image)) = (container.contains_key("image"), self.image) {
                container.insert("image".to_owned(), Value::from(image));
            }
        }
    }

    /// Whether a section for `processes` is for this group.
    pub(super) fn is_in(&self, processes: &[String]) -> bool {
        processes.is_empty() || processes.iter().any(|name| name == self.name)
    }

    /// The volumes that each machine of the group mounts.
    pub(super) fn volumes(&self) -> impl Iterator<Item = (&str, &Volume)> {
        let volumes = self.app.volumes.iter().filter(|(_, volume)| self.is_in(&volume.processes));
        volumes.map(|(name, volume)| (name.as_str(), volume))
    }

    /// The app's variables, then the group's, then the two that flyctl sets on every machine.
    fn env(&self) -> Map<String, Value> {
        let mut env = texts(&self.app.env);
        env.append(&mut texts(&self.own.env));
        env.insert("FLY_PROCESS_GROUP".to_owned(), Value::from(self.name));
        if !self.own.standbys.is_empty() {
            env.insert("FLY_STANDBY_FOR".to_owned(), Value::from(self.own.standbys.join(",")));
        }
        if let Some(region) = self.primary_region {
            env.insert("PRIMARY_REGION".to_owned(), Value::from(region));
        }
        env
    }

    fn init(&self) -> Value {
        let list = |list: &Option<StringList>| list.as_ref().map(|list| json!(list.as_slice()));
        let group = self.own;
        object([
            ("cmd", list(&group.command)),
            ("entrypoint", list(&group.entrypoint)),
            ("exec", list(&group.exec)),
            ("tty", group.tty.map(Value::from)),
            ("swap_size_mb", group.swap.map(|swap| json!(swap.mb()))),
        ])
    }

    fn metrics(&self) -> Option<Value> {
        let metrics = self.app.metrics.as_ref().filter(|metrics| self.is_in(&metrics.processes))?;
        Some(object([
            ("port", Some(json!(metrics.port))),
            ("path", Some(json!(metrics.path))),
            ("https", metrics.https.map(Value::from)),
        ]))
    }
}

/// The name of a volume at Fly.
pub(super) fn wire_name(key: &str, volume: &Volume) -> String {
    volume.wire_name.clone().unwrap_or_else(|| key.replace('-', "_"))
}

/// `config` with the volume of one machine in it.
pub(super) fn mounted(config: &Value, component: &str, key: &str, volume: &Volume, machine: &MachineSlot) -> Value {
    let slot = VolumeSlot { name: wire_name(key, volume), machine: machine.clone() };
    let extend = volume.auto_extend.as_ref();
    let mount = object([
        ("path", Some(json!(volume.mount))),
        ("volume", Some(json!(output::placeholder(&output::volume_id_path(component, &slot))))),
        ("extend_threshold_percent", extend.map(|extend| json!(extend.threshold))),
        ("add_size_gb", extend.map(|extend| json!(extend.increment.mb().div_ceil(1024)))),
        ("size_gb_limit", extend.and_then(|extend| extend.limit).map(|limit| json!(limit.mb().div_ceil(1024)))),
    ]);
    let mut config = config.clone();
    if let Value::Object(config) = &mut config {
        config.insert("mounts".to_owned(), json!([mount]));
    }
    config
}

/// A map of texts as JSON.
pub(super) fn texts(map: &IndexMap<String, Text>) -> Map<String, Value> {
    map.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect()
}

fn restart(restart: &Restart) -> Value {
    object([
        ("policy", Some(renamed(&restart.policy))),
        ("max_retries", restart.max_retries.map(Value::from)),
        ("gpu_bid_price", restart.gpu_bid_price.map(Value::from)),
    ])
}

fn stop(stop: &Stop) -> Value {
    object([("signal", stop.signal.map(|signal| renamed(&signal))), ("timeout", go(stop.timeout))])
}

fn statics_entry(entry: &crate::spec::machine::Static) -> Value {
    object([
        ("guest_path", Some(json!(entry.path))),
        ("url_prefix", Some(json!(entry.url_prefix))),
        ("tigris_bucket", entry.bucket.as_ref().map(|bucket| json!(bucket))),
        ("index_document", entry.index_document.as_ref().map(|document| json!(document))),
    ])
}

fn dns(dns: &crate::spec::machine::Dns) -> Value {
    let mut wire = renamed(dns);
    if let Value::Object(wire) = &mut wire
        && let Some(rules) = wire.remove("forward_rules")
    {
        wire.insert("dns_forward_rules".to_owned(), rules);
    }
    wire
}

#[cfg(test)]
mod tests;
