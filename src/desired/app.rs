//! From one app with its expressions filled in to what is wanted of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::graph::{App, IpRequest, Machine, SecretValue, Volume};
use super::lower::{self, Group, LoadFile};
use super::resolver::{Component, Place, Resolver, app_place, app_pointer};
use crate::resource::{AppName, ComponentName, IpKind, MachineSlot, OrgSlug, VolumeSlot};
use crate::spec::environment::DeletionPolicy;
use crate::spec::group::ProcessGroup;
use crate::spec::network::{Flycast, Ips};
use crate::spec::validate::{Scope, validate_app};
use crate::spec::{self, AppSpec, Broken, Severity};
use crate::template::Text;

/// How long starting and passing the checks may take where the spec names nothing (flyctl's own wait timeout).
const HEALTH_TIMEOUT: Duration = Duration::from_mins(5);

/// What an app takes over from its environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub protect: bool,
    /// Protection that an app cannot take back.
    pub must_protect: bool,
    pub retain: bool,
}

/// An app, and the volumes behind each volume key of its spec.
#[derive(Debug)]
pub(super) struct BuiltApp {
    pub app: App,
    pub volumes: BTreeMap<String, Vec<VolumeSlot>>,
}

/// Builds one app. Nothing where something is wrong; then the problems are noted.
pub(super) fn build(
    resolver: &mut Resolver<'_>,
    component: &str,
    network: &super::graph::Network,
    defaults: Defaults,
    load_file: &LoadFile<'_>,
) -> Option<BuiltApp> {
    let before = resolver.problems.errors.len();
    let secrets = secrets(resolver, component);
    let mut filled = resolver.fill_app(component);
    let name = resolver.app_name(component).ok();
    let image = resolver.image(component).transpose();
    let region = resolver.region(component).transpose();
    let mut broken = resolver.broken();
    let wrong = [("image", image.is_err()), ("region", region.is_err()), ("name", name.is_none())];
    broken.note_values(wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(key, _)| app_place(component, key).pointer));
    let (image, region) = (image.ok().flatten(), region.ok().flatten());
    // What was filled in one by one counts for the rules of apps, too.
    let sources = resolver.components.get(component).and_then(|component| component.json.get("secrets")).cloned();
    for (key, value) in [("image", image.clone().map(Value::String)), ("secrets", sources)] {
        filled.extend(value.map(|value| (key.to_owned(), value)));
    }
    let mut spec = typed(resolver, component, &Value::Object(filled), &mut broken)?;
    if spec.ips.is_none() {
        spec.ips = default_ips(&spec);
    }
    check(resolver, component, &spec, &broken);
    let mut builder = Builder {
        resolver,
        component,
        spec: &spec,
        image: image.as_deref(),
        region: region.as_deref(),
        retain: spec.deletion_policy.map_or(defaults.retain, |policy| policy == DeletionPolicy::Retain),
        broken: &broken,
        volumes: BTreeMap::new(),
        wanted: Vec::new(),
        load_file,
    };
    let machines = builder.machines();
    let jobs = builder.jobs();
    let (volumes, wanted, retain) = (builder.volumes, builder.wanted, builder.retain);
    if resolver.problems.errors.len() > before || broken.touches(&app_pointer(component)) {
        return None;
    }
    let first = machines.first().and_then(|machine| machine.config.get("image")).and_then(Value::as_str);
    let app = App {
        component: ComponentName::new(component),
        name: AppName::new(name?),
        adopt: spec.adopt,
        protect: defaults.must_protect || spec.protect.unwrap_or(defaults.protect),
        retain,
        image: image.or_else(|| first.map(str::to_owned)).unwrap_or_default(),
        after: BTreeSet::new(),
        secrets,
        ips: ips(&spec, network),
        certificates: spec.certificates.iter().flatten().map(|host| host.to_ascii_lowercase()).collect(),
        volumes: wanted,
        machines,
        jobs,
        finalizers: Vec::new(),
        health_timeout: spec
            .health
            .as_ref()
            .and_then(|health| health.timeout)
            .map_or(HEALTH_TIMEOUT, spec::Duration::to_std),
    };
    Some(BuiltApp { app, volumes })
}

fn secrets(resolver: &mut Resolver<'_>, component: &str) -> BTreeMap<String, SecretValue> {
    let names: Vec<String> = resolver
        .components
        .get(component)
        .and_then(|component| component.json.get("secrets")?.as_object())
        .map(|secrets| secrets.keys().cloned().collect())
        .unwrap_or_default();
    names
        .into_iter()
        .filter_map(|name| {
            let value = match resolver.secret(component, &name).ok()? {
                Text::Plain(text) => SecretValue::Known(text.into()),
                Text::Secret(text) => SecretValue::Known(text),
                Text::Unavailable(reason) => {
                    resolver.problems.unavailable.push(reason.clone());
                    SecretValue::Unavailable { reason }
                }
            };
            Some((name, value))
        })
        .collect()
}

/// The app without what is wrong in it, which is noted.
fn typed(resolver: &mut Resolver<'_>, component: &str, filled: &Value, broken: &mut Broken) -> Option<AppSpec> {
    let is_whole = resolver.components.get(component).is_some_and(|component| component.is_whole);
    let (spec, findings) = spec::app_beside(filled, &app_pointer(component), is_whole, broken);
    for finding in findings {
        resolver.finding(component, finding);
    }
    spec
}

/// The rules of apps, now that the fly.toml and the spec are one and every value is known.
fn check(resolver: &mut Resolver<'_>, component: &str, spec: &AppSpec, broken: &Broken) {
    // Without a fly.toml the app was checked when its file was read, and its warnings were given.
    let has_config = resolver.components.get(component).is_some_and(|component| component.config.is_some());
    let is_whole = resolver.components.get(component).is_some_and(|component| component.is_whole);
    let findings = validate_app(spec, if is_whole { Scope::Whole } else { Scope::Overlay });
    let findings = findings.into_iter().map(|finding| finding.below(&app_pointer(component))).collect();
    for finding in broken.sound(findings) {
        if finding.severity == Severity::Error || has_config {
            resolver.finding(component, finding);
        }
    }
    if spec.standbys == Some(true) {
        let message = "this version of Hangar does not choose stand-by machines by itself";
        let help = "raise `count`, or add a group that names the machines it stands by for: \
                    `processes: {spare: {standbys: [MACHINE_ID]}}`"
            .to_owned();
        resolver.error(&place_of(component, "/standbys"), message, Some(help));
    }
}

fn place_of(component: &str, pointer: &str) -> Place {
    Place { component: Some(component.to_owned()), pointer: format!("{}{pointer}", app_pointer(component)) }
}

/// An app with public ports and no word about addresses gets what `fly deploy` gives it on the first deployment: a shared IPv4 and
/// an IPv6 address. `ips: {}` asks for none.
fn default_ips(spec: &AppSpec) -> Option<Ips> {
    let has_public_port = spec.services.iter().flatten().any(|service| !service.ports.is_empty());
    has_public_port.then(|| Ips { public: Some(true), ..Ips::default() })
}

/// The addresses of an app.
fn ips(spec: &AppSpec, network: &super::graph::Network) -> BTreeMap<IpKind, IpRequest> {
    let Some(ips) = &spec.ips else {
        return BTreeMap::new();
    };
    let mut wanted = BTreeMap::new();
    if ips.public == Some(true) {
        wanted.extend([IpKind::SharedV4, IpKind::V6].map(|kind| (kind, IpRequest::default())));
    }
    for (kind, stated) in [(IpKind::SharedV4, ips.shared_v4), (IpKind::V6, ips.v6), (IpKind::V4, ips.v4)] {
        match stated {
            Some(true) => drop(wanted.insert(kind, IpRequest::default())),
            Some(false) => drop(wanted.remove(&kind)),
            None => {}
        }
    }
    match &ips.flycast {
        Some(Flycast::On) => {
            let network = match network {
                super::graph::Network::Named(name) => Some(name.clone()),
                super::graph::Network::Isolated | super::graph::Network::Shared => None,
            };
            wanted.insert(IpKind::PrivateV6, IpRequest { network, org: None });
        }
        Some(Flycast::In(other)) => {
            let org = other.org.as_ref().map(OrgSlug::new);
            wanted.insert(IpKind::PrivateV6, IpRequest { network: other.network.clone(), org });
        }
        Some(Flycast::Off) | None => {}
    }
    wanted
}

pub(super) struct Builder<'r, 'e, 'a> {
    pub(super) resolver: &'r mut Resolver<'e>,
    pub(super) component: &'a str,
    pub(super) spec: &'a AppSpec,
    pub(super) image: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    retain: bool,
    broken: &'a Broken,
    volumes: BTreeMap<String, Vec<VolumeSlot>>,
    wanted: Vec<Volume>,
    pub(super) load_file: &'a LoadFile<'a>,
}

impl Builder<'_, '_, '_> {
    fn error(&mut self, key: &str, message: impl Into<String>, help: Option<&str>) {
        self.resolver.error(&place_of(self.component, key), message, help.map(str::to_owned));
    }

    /// One machine per group, region and ordinal, and the volumes that they mount.
    fn machines(&mut self) -> Vec<Machine> {
        let mut machines = Vec::new();
        for (name, group) in &self.spec.groups() {
            machines.extend(self.machines_of(name, group));
        }
        machines.sort_by(|a, b| a.slot.cmp(&b.slot));
        self.wanted.sort_by(|a, b| a.slot.cmp(&b.slot));
        machines
    }

    fn machines_of(&mut self, name: &str, group: &ProcessGroup) -> Vec<Machine> {
        let lowered = Group {
            app: self.spec,
            name,
            own: group,
            image: self.image,
            primary_region: self.region,
            load_file: self.load_file,
        };
        let config = match lowered.config() {
            Ok(config) => config,
            Err(error) => {
                self.error(&error.pointer, error.message, None);
                return Vec::new();
            }
        };
        // The rules of apps allow one volume per group.
        let volume = lowered.volumes().next();
        let regions = self.regions(name, group);
        let slots = regions.iter().flat_map(|region| {
            (0..group.count.unwrap_or(1)).map(move |ordinal| MachineSlot {
                group: name.to_owned(),
                region: region.clone(),
                ordinal,
            })
        });
        let metadata: BTreeMap<String, String> =
            self.spec.metadata.iter().map(|(key, text)| (key.clone(), text.as_str().to_owned())).collect();
        slots
            .collect::<Vec<_>>()
            .into_iter()
            .map(|slot| {
                let config = match volume {
                    Some((key, volume)) => lower::mounted(&config, self.component, key, volume, &slot),
                    None => config.clone(),
                };
                Machine {
                    volume: volume.map(|(key, volume)| self.volume(key, volume, &slot)),
                    always_on: is_always_on(&config),
                    has_checks: has_checks(&config),
                    metadata: metadata.clone(),
                    config,
                    slot,
                }
            })
            .collect()
    }

    fn regions(&mut self, name: &str, group: &ProcessGroup) -> Vec<String> {
        let stated = group.regions.clone().or_else(|| self.region.map(|region| vec![region.to_owned()]));
        stated.unwrap_or_else(|| {
            let has = |component: &Component| component.is_whole && component.config.is_some();
            let own = app_place(self.component, "region").pointer;
            // Without a fly.toml the reader of specs has said so.
            if self.resolver.components.get(self.component).is_some_and(has)
                && !self.broken.hides(&own)
                && !self.broken.hides("/spec/fly/region")
            {
                let message = format!("the machines of group `{name}` have no region");
                self.error("", message, Some("name one with `region`, here or for the whole environment under `fly`"));
            }
            Vec::new()
        })
    }

    fn volume(&mut self, key: &str, volume: &spec::storage::Volume, machine: &MachineSlot) -> VolumeSlot {
        let slot = VolumeSlot { name: lower::wire_name(key, volume), machine: machine.clone() };
        let size_gb = volume.size.map_or(1, |size| size.mb().div_ceil(1024));
        let retain = volume.deletion_policy.map_or(self.retain, |policy| policy == DeletionPolicy::Retain);
        self.wanted.push(Volume {
            slot: slot.clone(),
            size_gb,
            snapshot_retention: volume.snapshot_retention.map(u64::from),
            auto_backup: volume.auto_backup,
            encrypted: volume.encrypted.unwrap_or(true),
            unique_zone: volume.unique_zone.unwrap_or(true),
            from_snapshot: volume.from_snapshot.clone(),
            retain,
        });
        self.volumes.entry(key.to_owned()).or_default().push(slot.clone());
        slot
    }
}

/// Whether a machine should be running at all times: nothing stops it on purpose, and its end is not its purpose.
fn is_always_on(config: &Value) -> bool {
    let stops = |service: &Value| matches!(service.get("autostop").and_then(Value::as_str), Some("stop" | "suspend"));
    let services = config.get("services").and_then(Value::as_array);
    let stopped_by_proxy = services.is_some_and(|services| services.iter().any(stops));
    let ends = config.get("auto_destroy") == Some(&Value::Bool(true))
        || config.pointer("/restart/policy").and_then(Value::as_str) == Some("no");
    let waits = config.get("schedule").is_some() || config.get("standbys").is_some();
    !stopped_by_proxy && !ends && !waits
}

fn has_checks(config: &Value) -> bool {
    let services = config.get("services").and_then(Value::as_array);
    config.get("checks").is_some()
        || services.is_some_and(|services| services.iter().any(|each| each.get("checks").is_some()))
}
