//! Whether there is room for a machine, and whether its organization may have it. Each refusal has a form of its own.

use serde_json::Value;

use super::super::super::config::Shortage;
use super::super::super::world::World;
use super::super::super::world::app::App;
use super::super::super::world::machine::Machine;
use super::super::{Refusal, Reply};

fn refuse(status: u16, text: &str) -> Result<(), Refusal> {
    Err(Refusal::from(Reply::error(status, text)))
}

/// Room for one more machine with this (normalised) config.
pub(super) fn check_new(world: &World, app: &App, region: &str, config: &Value) -> Result<(), Refusal> {
    let quotas = world.quotas(&app.org);
    let in_app = || app.machines.values().filter(|machine| !machine.is_destroyed()).count();
    if quotas.machines_per_app.is_some_and(|most| in_app() >= most) {
        return refuse(422, "To create more than 1 machine per app please add a payment method.");
    }
    if quotas.machines.is_some_and(|most| world.count_machines(&app.org) >= most) {
        return refuse(422, "Your organization has reached its machine limit. Please contact billing@fly.io");
    }
    let memory = config.pointer("/guest/memory_mb").and_then(Value::as_u64).unwrap_or(0);
    check_memory(world, &app.name, region, memory)?;
    check_maintenance(world, region)?;
    match config.pointer("/mounts/0/volume").and_then(Value::as_str) {
        Some(volume) if world.capacity.lacks(Shortage::VolumeHost, region) => {
            refuse(412, &format!("insufficient resources to create new machine with existing volume '{volume}'"))
        }
        None if world.capacity.lacks(Shortage::Region, region) => {
            let text = format!("resource_exhausted: there is no capacity for new machines in {region}");
            Err(Refusal::from(Reply::coded(422, &text, "insufficient_capacity")))
        }
        _ => Ok(()),
    }
}

/// The organization's quota of memory in a region, for `more` MiB.
pub(super) fn check_memory(world: &World, app: &str, region: &str, more: u64) -> Result<(), Refusal> {
    let Some(org) = world.apps.get(app).map(|app| app.org.as_str()) else { return Ok(()) };
    let Some(most) = world.quotas(org).memory_mb_per_region.filter(|_| more > 0) else { return Ok(()) };
    let used = world.memory_mb(org, region);
    if used.saturating_add(more) <= most {
        return Ok(());
    }
    let text = format!(
        "organization \"{org}\" is using {used} MB of memory in {region} which is over the allowed quota. \
         please consider other regions"
    );
    refuse(403, &text)
}

/// Room for an existing machine on its own host, when it is updated or started.
pub(super) fn check_host(world: &World, machine: &Machine) -> Result<(), Refusal> {
    check_maintenance(world, &machine.region)?;
    if world.capacity.lacks(Shortage::Host, &machine.region) {
        let text = "aborted: could not reserve resource for machine: insufficient memory available to fulfill request";
        return refuse(409, text);
    }
    Ok(())
}

fn check_maintenance(world: &World, region: &str) -> Result<(), Refusal> {
    if world.capacity.lacks(Shortage::Maintenance, region) {
        return refuse(503, "unavailable: deploys to this host are temporarily disabled");
    }
    Ok(())
}
