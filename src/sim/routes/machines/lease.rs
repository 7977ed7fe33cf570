//! Leases. On the wire they come in an envelope.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::world::World;
use super::super::super::world::machine::Lease;
use super::super::{Answer, Call, Refusal, Reply};
use super::{grant, lease_conflict};

#[derive(Deserialize)]
struct Wanted {
    ttl: Option<u64>,
    description: Option<String>,
}

fn not_found() -> Refusal {
    Refusal::from(Reply::with(404, json!({"status": "error", "message": "lease not found", "code": "not_found"})))
}

fn envelope(lease: &Lease, nonce: Option<&str>) -> Value {
    let mut data = json!({
        "expires_at": lease.expires_at.timestamp(), "owner": lease.owner, "description": lease.description,
        "version": lease.version,
    });
    if let (Some(nonce), Some(map)) = (nonce, data.as_object_mut()) {
        map.insert("nonce".to_owned(), Value::from(nonce));
    }
    json!({"status": "success", "data": data})
}

pub(in super::super) fn get(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    let lease = machine.lease(call.now).ok_or_else(not_found)?;
    Ok(Reply::ok(envelope(lease, None)))
}

/// Takes the lease, or with its nonce prolongs it.
pub(in super::super) fn acquire(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let wanted: Wanted = call.body()?;
    let ttl = wanted.ttl.or_else(|| call.query("ttl").and_then(|text| text.parse().ok())).unwrap_or(60);
    if ttl == 0 {
        return Err(Refusal::from(Reply::error(400, "invalid_argument: ttl must be at least 1 second")));
    }
    let machine = call.machine(world, app, id)?;
    if machine.is_destroyed() {
        return Err(Refusal::from(Reply::machine_not_found()));
    }
    let held = machine.lease(call.now);
    if let Some(lease) = held.filter(|lease| call.nonce.as_deref() != Some(lease.nonce.as_str())) {
        return Err(Refusal::from(lease_conflict(machine, lease)));
    }
    let nonce = held.map(|lease| lease.nonce.clone());
    let nonce = nonce.unwrap_or_else(|| world.ids.hex(16));
    let machine = world.apps.get_mut(app).and_then(|app| app.machines.get_mut(id));
    let machine = machine.ok_or_else(|| Refusal::from(Reply::machine_not_found()))?;
    let nonce = grant(machine, ttl, call, nonce);
    let Some(lease) = &mut machine.lease else {
        return Err(not_found());
    };
    lease.description = wanted.description.unwrap_or_default();
    Ok(Reply::with(201, envelope(lease, Some(&nonce))))
}

pub(in super::super) fn release(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    let lease = machine.lease(call.now).ok_or_else(not_found)?;
    if call.nonce.as_deref() != Some(lease.nonce.as_str()) {
        return Err(Refusal::from(lease_conflict(machine, lease)));
    }
    if let Some(machine) = world.apps.get_mut(app).and_then(|app| app.machines.get_mut(id)) {
        machine.lease = None;
    }
    Ok(Reply::ok(json!({"status": "success", "data": {"ok": true}})))
}
