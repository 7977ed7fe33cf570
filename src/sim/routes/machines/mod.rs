//! Machines: list, create, read, update, delete. What acts on a machine is in the modules below.

pub(super) mod actions;
pub(super) mod inside;
pub(super) mod lease;
pub(super) mod metadata;
mod room;
pub(super) mod update;
pub(super) mod wait;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::world::World;
use super::super::world::app::network_prefix;
use super::super::world::image::{Behaviour, images_of};
use super::super::world::machine::{Detail, Lease, Machine, State};
use super::super::world::normalise::normalise;
use super::super::world::schedule::after;
use super::super::world::volume::Volume;
use super::{Answer, Call, Refusal, Reply};

/// The body of a create and of an update.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    pub(super) name: Option<String>,
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) skip_launch: bool,
    #[serde(default)]
    pub(super) skip_service_registration: bool,
    #[serde(default)]
    pub(super) skip_secrets: bool,
    pub(super) lease_ttl: Option<u64>,
    pub(super) min_secrets_version: Option<u64>,
    pub(super) current_version: Option<String>,
}

pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    let near = call.is_near(app);
    let states = call.query_list("state");
    let region = call.query("region").filter(|region| !region.is_empty());
    let labels: Vec<(&str, &str)> =
        call.query.iter().filter_map(|(key, value)| Some((key.strip_prefix("metadata.")?, value.as_str()))).collect();
    let deleted = call.flag("include_deleted");
    let detail = Detail { summary: call.flag("summary"), leases: call.flag("include_leases") };
    let shown = app
        .machines
        .values()
        .filter(|machine| deleted || !machine.is_destroyed())
        .filter(|machine| machine.visible_from <= call.now || near)
        .filter(|machine| states.is_empty() || states.contains(&machine.state.as_str()))
        .filter(|machine| region.is_none_or(|region| machine.region == region))
        .filter(|machine| labels.iter().all(|(key, value)| machine.metadata(key) == Some(value)))
        .map(|machine| machine.render(detail, call.now, &world.config))
        .collect();
    Ok(Reply::ok(Value::Array(shown)))
}

pub(super) fn get(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    let detail = Detail { summary: false, leases: call.flag("include_leases") };
    Ok(Reply::ok(machine.render(detail, call.now, &world.config)))
}

pub(super) fn create(world: &mut World, call: &Call, app_name: &str) -> Answer {
    let app = call.app(world, app_name)?;
    let wanted: Wanted = call.body()?;
    if let Some(name) = &wanted.name {
        let taken = app.machines.values().any(|machine| !machine.is_destroyed() && machine.name == *name);
        if taken {
            let text = format!("unable to create machine: a machine with the name {name} already exists in this app");
            return Err(Refusal::from(Reply::error(422, &text)));
        }
    }
    let region = wanted
        .region
        .clone()
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| world.config.default_region.clone());
    let volume = mounted(&wanted.config)?.map(|id| attachable(app.volumes.get(id), id, &region)).transpose()?;
    let config = normalise(wanted.config.clone(), volume).map_err(|text| Refusal::from(Reply::error(400, &text)))?;
    room::check_new(world, app, &region, &config)?;
    let network = network_prefix(app.network_number);
    let vault_version = vault_version(world, app_name, &wanted, call.now)?;
    let image_ref = pull(world, &config)?;

    let mut machine = Machine {
        id: world.ids.hex(14),
        app: app_name.to_owned(),
        name: wanted.name.clone().unwrap_or_else(|| world.ids.machine_name()),
        region,
        state: State::Created,
        version: world.ids.ulid(call.now),
        private_ip: format!("{network}:a7b:{:x}:{:x}:2", world.ids.number() & 0xffff, world.ids.number() & 0xffff),
        behaviour: world.images.behaviour_of_config(&config),
        container_behaviours: world.images.behaviour_of_containers(&config),
        forced_checks: std::collections::BTreeMap::new(),
        next_run: None,
        memory_limit_mb: None,
        visible_from: after(call.now, world.config.machine_missing_after_create),
        image_ref,
        config,
        created_at: call.now,
        updated_at: call.now,
        events: Vec::new(),
        versions: Vec::new(),
        lease: None,
        cordoned: wanted.skip_service_registration,
        unreachable: false,
        generation: 0,
        prepared: false,
        started_at: None,
        restarts: 0,
        vault_version,
    };
    machine.versions.push((machine.version.clone(), Value::Object(wanted.config)));
    let nonce = wanted.lease_ttl.map(|ttl| grant(&mut machine, ttl, call, world.ids.hex(16)));
    let sim = std::sync::Arc::clone(&world.config);
    let Some((app, mut stage)) = world.stage(app_name) else {
        return Err(Refusal::from(Reply::app_not_found()));
    };
    machine.launch(!wanted.skip_launch, call.now, &mut stage);
    if let Some(volume) = machine.volume().and_then(|id| app.volumes.get_mut(id)) {
        volume.attached_machine = Some(machine.id.clone());
        volume.updated_at = call.now;
    }
    app.deployed = true;
    let mut shown = machine.render(Detail::default(), call.now, &sim);
    if let (Some(nonce), Some(map)) = (nonce, shown.as_object_mut()) {
        map.insert("nonce".to_owned(), Value::from(nonce));
    }
    app.machines.insert(machine.id.clone(), machine);
    Ok(Reply::ok(shown))
}

pub(super) fn delete(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let force = call.flag("force") || call.flag("kill");
    guard(world, call, app, id)?;
    let Some((app, mut stage)) = world.stage(app) else {
        return Err(Refusal::from(Reply::app_not_found()));
    };
    let Some(machine) = app.machines.get_mut(id) else {
        return Err(Refusal::from(Reply::machine_not_found()));
    };
    let down = machine.is_settled() && machine.state != State::Started;
    if !force && !down {
        let text = format!(
            "failed_precondition: unable to destroy machine, not currently stopped: {}",
            machine.state.as_str()
        );
        return Err(Refusal::from(Reply::error(412, &text)));
    }
    if machine.state != State::Destroying {
        machine.destroy("user", call.now, &mut stage);
    }
    Ok(Reply::ok(json!({"ok": true})))
}

/// The machine on which the caller may act now: it exists, its host answers, and no other caller holds its lease.
pub(super) fn guard<'w>(world: &'w World, call: &Call, app: &str, id: &str) -> Result<&'w Machine, Refusal> {
    let machine = call.machine(world, app, id)?;
    if machine.is_destroyed() {
        return Err(Refusal::from(Reply::machine_not_found()));
    }
    if machine.unreachable {
        return Err(Refusal::from(Reply::error(408, "deadline_exceeded: the machine's host did not answer in time")));
    }
    match machine.lease(call.now) {
        Some(lease) if call.nonce.as_deref() != Some(lease.nonce.as_str()) => {
            Err(Refusal::from(lease_conflict(machine, lease)))
        }
        _ => Ok(machine),
    }
}

/// The answer to whoever does not hold the lease.
pub(super) fn lease_conflict(machine: &Machine, lease: &Lease) -> Reply {
    let text = format!(
        "machine ID {} lease currently held by {}@tokens.fly.io, expires at {}",
        machine.id,
        lease.owner,
        lease.expires_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    );
    Reply::with(409, json!({"status": "error", "message": text, "code": "invalid"}))
}

/// Gives the caller a lease on the machine and returns its nonce.
pub(super) fn grant(machine: &mut Machine, ttl: u64, call: &Call, nonce: String) -> String {
    let lease = Lease {
        nonce: nonce.clone(),
        owner: call.caller.label().to_owned(),
        description: String::new(),
        expires_at: after(call.now, std::time::Duration::from_secs(ttl)),
        version: machine.version.clone(),
    };
    machine.lease = Some(lease);
    nonce
}

/// The volume that a config mounts, if it mounts one.
pub(super) fn mounted(config: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    let mounts = config.get("mounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match mounts {
        [] => Ok(None),
        [mount] => match mount.get("volume").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            Some(id) => Ok(Some(id)),
            None => Err(Refusal::from(Reply::error(400, "invalid_argument: config.mounts: a volume is required"))),
        },
        _ => Err(Refusal::from(Reply::error(
            400,
            "invalid_argument: config.mounts: a machine can mount only one volume",
        ))),
    }
}

/// The volume, if a new machine in `region` can mount it.
fn attachable<'v>(volume: Option<&'v Volume>, id: &str, region: &str) -> Result<&'v Volume, Refusal> {
    let Some(volume) = volume.filter(|volume| !volume.is_deleted()) else {
        return Err(Refusal::from(Reply::error(400, &format!("invalid_argument: volume {id} does not exist"))));
    };
    if volume.region != region {
        let text = format!("invalid_argument: volume {id} is in region {}, the machine in {region}", volume.region);
        return Err(Refusal::from(Reply::error(400, &text)));
    }
    if let Some(machine) = &volume.attached_machine {
        let text = format!("failed_precondition: volume {id} is currently bound to machine: {machine}");
        return Err(Refusal::from(Reply::error(412, &text)));
    }
    Ok(volume)
}

/// The version of the vault that a machine is given.
pub(super) fn vault_version(
    world: &World,
    app: &str,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<Option<u64>, Refusal> {
    let Some(app) = world.apps.get(app).filter(|_| !wanted.skip_secrets) else {
        return Ok(None);
    };
    let at_least = wanted.min_secrets_version.unwrap_or(0);
    if at_least > app.vault.version() {
        let text = format!("invalid_argument: min_secrets_version {at_least} is newer than the app's vault");
        return Err(Refusal::from(Reply::error(400, &text)));
    }
    Ok(Some(app.vault.version_for(now, world.config.vault_lag, at_least)))
}

/// The `image_ref` of a config, if all its images exist.
pub(super) fn pull(world: &mut World, config: &Value) -> Result<Value, Refusal> {
    let main = config.get("image").and_then(Value::as_str).unwrap_or_default();
    for image in images_of(config) {
        if world.images.behaviour(image) == Behaviour::Missing {
            let text = format!(
                "failed to get manifest {image}: request failed: not found [http 404]: \
                 {{\"errors\":[{{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}}]}}"
            );
            let text = if image == main { text } else { format!("failed to resolve image for container: {text}") };
            return Err(Refusal::from(Reply::error(400, &text)));
        }
    }
    Ok(world.images.resolve(main))
}
