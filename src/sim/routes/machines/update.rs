//! Updating a machine: the whole config is replaced, and the machine goes over to a new version.

use serde_json::Value;

use super::super::super::world::World;
use super::super::super::world::machine::{Detail, State};
use super::super::super::world::normalise::normalise;
use super::super::{Answer, Call, Refusal, Reply};
use super::room::{check_host, check_memory};
use super::{Wanted, grant, guard, mounted, pull, vault_version};

pub(in super::super) fn update(world: &mut World, call: &Call, app_name: &str, id: &str) -> Answer {
    let wanted: Wanted = call.body()?;
    let machine = guard(world, call, app_name, id)?;
    let refuse = |status: u16, text: &str| Err(Refusal::from(Reply::error(status, text)));
    match machine.state {
        State::Replacing => return refuse(409, "aborted: machine is replacing: concurrent update in progress"),
        State::Starting => {}
        _ if machine.is_settled() => {}
        other => {
            let text =
                format!("failed_precondition: unable to update machine from current state: '{}'", other.as_str());
            return refuse(412, &text);
        }
    }
    if let Some(version) = wanted.current_version.as_ref().filter(|version| **version != machine.version) {
        let text = format!("failed_precondition: current version is {}, not {version}", machine.version);
        return refuse(412, &text);
    }
    if wanted.region.as_ref().is_some_and(|region| !region.is_empty() && *region != machine.region) {
        return refuse(400, "invalid_argument: the region of a machine cannot be changed");
    }
    if mounted(&wanted.config)? != machine.volume() {
        return refuse(400, "invalid_argument: the volume of a machine cannot be added, removed or changed");
    }
    let volume = machine.volume().and_then(|volume| world.apps.get(app_name)?.volumes.get(volume));
    let config = normalise(wanted.config.clone(), volume).map_err(|text| Refusal::from(Reply::error(400, &text)))?;
    let more = memory_of(&config).saturating_sub(machine.memory_mb());
    check_memory(world, app_name, &machine.region, more)?;
    check_host(world, machine)?;
    let vault_version = vault_version(world, app_name, &wanted, call.now)?;
    let image_ref = pull(world, &config)?;
    let behaviour = world.images.behaviour_of_config(&config);
    let container_behaviours = world.images.behaviour_of_containers(&config);
    let version = world.ids.ulid(call.now);
    let nonce = wanted.lease_ttl.map(|ttl| (ttl, world.ids.hex(16)));
    let sim = std::sync::Arc::clone(&world.config);

    let Some((app, mut stage)) = world.stage(app_name) else {
        return Err(Refusal::from(Reply::app_not_found()));
    };
    let Some(machine) = app.machines.get_mut(id) else {
        return Err(Refusal::from(Reply::machine_not_found()));
    };
    machine.config = config;
    machine.image_ref = image_ref;
    machine.behaviour = behaviour;
    machine.container_behaviours = container_behaviours;
    machine.memory_limit_mb = None;
    machine.vault_version = vault_version;
    machine.version = version;
    machine.versions.push((machine.version.clone(), Value::Object(wanted.config)));
    machine.cordoned = wanted.skip_service_registration;
    machine.replace(wanted.skip_launch, call.now, &mut stage);
    let nonce = nonce.map(|(ttl, nonce)| grant(machine, ttl, call, nonce));
    let mut shown = machine.render(Detail::default(), call.now, &sim);
    if let (Some(nonce), Some(map)) = (nonce, shown.as_object_mut()) {
        map.insert("nonce".to_owned(), Value::from(nonce));
    }
    Ok(Reply::ok(shown))
}

fn memory_of(config: &Value) -> u64 {
    config.pointer("/guest/memory_mb").and_then(Value::as_u64).unwrap_or(0)
}
