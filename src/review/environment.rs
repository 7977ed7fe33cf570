//! Two graphs of one environment, object by object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ObjectChange;
use super::settings::{self, object};
use crate::desired::{App, Environment, IpRequest, Machine, Network, Object, Volume};
use crate::plan::Effect;
use crate::resource::field::FieldSet;
use crate::resource::machine::three_way;
use crate::resource::{Change, ChangeKind, FieldChange, ObjectKind, ResourceKey};
use crate::spec::ParsedEnvironment;

/// An environment with the document that it comes from.
type Graph = (Environment, Option<ParsedEnvironment>);

/// The fields of an environment that are about all of it.
pub(super) fn own_fields(environment: &Environment) -> Value {
    let network = match &environment.network {
        Network::Isolated => "isolated".to_owned(),
        Network::Shared => "shared".to_owned(),
        Network::Named(name) => name.clone(),
    };
    let is = |set: bool| set.then_some(Value::Bool(true));
    let gates: Vec<&str> = environment.requires.environments.iter().map(crate::resource::EnvName::as_str).collect();
    object([
        ("class", Some(settings::json(&environment.class))),
        ("level", Some(Value::from(environment.level.to_string()))),
        ("protect", is(environment.protect)),
        ("retain", is(environment.retain)),
        ("pause", is(environment.paused)),
        ("expiresAt", environment.expires_at.map(|at| Value::from(at.to_rfc3339()))),
        ("ttl.max", environment.max_age.map(|age| Value::from(humantime::format_duration(age).to_string()))),
        ("requires.approval", is(environment.requires.approval)),
        ("requires.environments", (!gates.is_empty()).then(|| json!(gates))),
        ("requires.checks", environment.requires.checks.as_ref().map(|gate| json!(gate.names))),
        ("org", environment.org.as_ref().map(|org| Value::from(org.as_str()))),
        ("network", Some(Value::from(network))),
    ])
}

/// What differs in the apps of an environment; of one that is new or gone, all that there is.
pub(super) fn objects(old: Option<&Graph>, new: Option<&Graph>) -> Vec<ObjectChange> {
    let mut changes = Vec::new();
    let apps = |graph: Option<&Graph>| -> Vec<App> { graph.map(|(env, _)| env.apps.clone()).unwrap_or_default() };
    let (was, is) = (apps(old), apps(new));
    for app in &is {
        let before = was.iter().find(|before| before.name == app.name);
        let mut differences = Differences { app, changes: Vec::new() };
        differences.find(before, &written_secrets(old, app), &written_secrets(new, app));
        changes.extend(differences.changes);
    }
    for app in was.iter().filter(|app| !is.iter().any(|other| other.name == app.name)) {
        let key = ResourceKey::App { app: app.name.clone() };
        let component = app.component.clone();
        changes.push(ObjectChange { component, key, effect: Effect::Delete, changes: Vec::new() });
    }
    elsewhere(old, new, &mut changes);
    changes
}

/// What differs in what an environment has at other providers. How their secret fields are written is not compared.
fn elsewhere(old: Option<&Graph>, new: Option<&Graph>, changes: &mut Vec<ObjectChange>) {
    let all = |graph: Option<&Graph>| -> Vec<Object> { graph.map(|(env, _)| env.objects.clone()).unwrap_or_default() };
    let (was, is) = (all(old), all(new));
    let fields = |object: &Object| -> Value {
        let secrets = object.secrets.keys().map(|name| (name.clone(), Value::from("(secret)")));
        object.fields.clone().into_iter().chain(secrets).collect()
    };
    for object in &is {
        let before = was.iter().find(|before| before.key == object.key);
        let none = Value::Object(serde_json::Map::new());
        let found = settings::changes(&before.map_or(none, fields), &fields(object));
        let effect = if before.is_none() { Effect::Create } else { Effect::Update };
        if before.is_none() || !found.is_empty() {
            let (component, key) = (object.component.clone(), ResourceKey::Object(object.key.clone()));
            changes.push(ObjectChange { component, key, effect, changes: found });
        }
    }
    // An attachment is only ever made.
    let goes = |object: &&Object| object.key.object != ObjectKind::PostgresAttachment;
    for object in was.iter().filter(goes).filter(|object| !is.iter().any(|other| other.key == object.key)) {
        let (component, key) = (object.component.clone(), ResourceKey::Object(object.key.clone()));
        changes.push(ObjectChange { component, key, effect: Effect::Delete, changes: Vec::new() });
    }
}

/// How the secrets of an app are written, by name: where each comes from, and never what it is.
fn written_secrets(graph: Option<&Graph>, app: &App) -> BTreeMap<String, Value> {
    let written = graph.and_then(|(_, written)| written.as_ref());
    let of_app = written.and_then(|written| written.app_json.get(app.component.as_str()));
    let secrets = of_app.and_then(|app| app.get("secrets")).and_then(Value::as_object);
    secrets.into_iter().flatten().map(|(name, source)| (name.clone(), source.clone())).collect()
}

/// What differs in one app.
struct Differences<'a> {
    app: &'a App,
    changes: Vec<ObjectChange>,
}

impl Differences<'_> {
    fn find(&mut self, before: Option<&App>, old_secrets: &BTreeMap<String, Value>, secrets: &BTreeMap<String, Value>) {
        let (app, none) = (self.app, Value::Object(serde_json::Map::new()));
        let name = || app.name.clone();
        let own = before.map_or_else(|| none.clone(), app_fields);
        let is_new = before.is_none();
        self.add(is_new, ResourceKey::App { app: name() }, settings::changes(&own, &app_fields(app)));
        let none_yet = BTreeMap::new();
        let old_secrets = if is_new { &none_yet } else { old_secrets };
        let names: BTreeSet<&String> = old_secrets.keys().chain(secrets.keys()).collect();
        let secret = |name: &String| {
            let (old, new) = (old_secrets.get(name), secrets.get(name));
            let side = |side: Option<&Value>| side.map(|_written| Change::Secret);
            let path = format!("secrets.{name}");
            (old != new).then(|| FieldChange { path, old: side(old), new: side(new), kind: ChangeKind::InPlace })
        };
        let changed: Vec<FieldChange> = names.into_iter().filter_map(secret).collect();
        if !changed.is_empty() {
            self.add(false, ResourceKey::Secrets { app: name() }, changed);
        }
        let of = |app: Option<&App>| -> BTreeMap<ResourceKey, Value> {
            app.map(|app| things(app).collect()).unwrap_or_default()
        };
        let (was, is) = (of(before), of(Some(app)));
        for (key, thing) in &is {
            let old = was.get(key);
            let found = match key {
                ResourceKey::Machine { .. } => machine_changes(old.unwrap_or(&none), thing),
                _ => settings::changes(old.unwrap_or(&none), thing),
            };
            self.add(old.is_none(), key.clone(), found);
        }
        for key in was.keys().filter(|key| !is.contains_key(*key)) {
            self.push(key.clone(), Effect::Delete, Vec::new());
        }
    }

    fn add(&mut self, is_new: bool, key: ResourceKey, changes: Vec<FieldChange>) {
        let effect = if is_new {
            Effect::Create
        } else if changes.iter().any(|change| change.kind == ChangeKind::Replace) {
            Effect::Replace
        } else {
            Effect::Update
        };
        if is_new || !changes.is_empty() {
            self.push(key, effect, changes);
        }
    }

    fn push(&mut self, key: ResourceKey, effect: Effect, changes: Vec<FieldChange>) {
        let component = self.app.component.clone();
        self.changes.push(ObjectChange { component, key, effect, changes });
    }
}

fn app_fields(app: &App) -> Value {
    let is = |set: bool| set.then_some(Value::Bool(true));
    object([("adopt", is(app.adopt)), ("protect", is(app.protect)), ("retain", is(app.retain))])
}

/// Everything in an app but its secrets, with its fields.
fn things(app: &App) -> impl Iterator<Item = (ResourceKey, Value)> {
    let name = || app.name.clone();
    let ips = app.ips.iter().map(move |(ip, request)| (ResourceKey::Ip { app: name(), ip: *ip }, ip_fields(request)));
    let certificates = app
        .certificates
        .iter()
        .map(move |hostname| (ResourceKey::Certificate { app: name(), hostname: hostname.clone() }, object([])));
    let volumes = app
        .volumes
        .iter()
        .map(move |volume| (ResourceKey::Volume { app: name(), slot: volume.slot.clone() }, volume_fields(volume)));
    let of_jobs = app.jobs.iter().map(|job| &job.machine);
    let machines = app.machines.iter().chain(of_jobs).map(move |machine| {
        (ResourceKey::Machine { app: name(), slot: machine.slot.clone() }, machine_fields(machine))
    });
    ips.chain(certificates).chain(volumes).chain(machines)
}

fn ip_fields(request: &IpRequest) -> Value {
    let org = request.org.as_ref().map(|org| Value::from(org.as_str()));
    object([("network", request.network.clone().map(Value::from)), ("org", org)])
}

fn volume_fields(volume: &Volume) -> Value {
    object([
        ("size", Some(Value::from(format!("{}GB", volume.size_gb)))),
        ("snapshotRetention", volume.snapshot_retention.map(Value::from)),
        ("autoBackup", volume.auto_backup.map(Value::from)),
        ("encrypted", (!volume.encrypted).then_some(Value::Bool(false))),
        ("fromSnapshot", volume.from_snapshot.clone().map(Value::from)),
        ("retain", volume.retain.then_some(Value::Bool(true))),
    ])
}

fn machine_fields(machine: &Machine) -> Value {
    json!({"config": machine.config, "metadata": machine.metadata})
}

/// The differences of two machines, in the terms of a plan: what the earlier spec has set and the later one has not goes.
fn machine_changes(old: &Value, new: &Value) -> Vec<FieldChange> {
    let part = |of: &Value, name: &str| of.get(name).cloned().unwrap_or_else(|| object([]));
    let (was, is) = (part(old, "config"), part(new, "config"));
    let mut changes = three_way(&is, &was, None, &FieldSet::of(&was)).changes;
    let metadata = |of: &Value| json!({"metadata": part(of, "metadata")});
    let metadata = settings::changes(&metadata(old), &metadata(new));
    // An empty map on one side is no field.
    changes.extend(metadata.into_iter().filter(|change| change.path != "metadata"));
    changes
}
