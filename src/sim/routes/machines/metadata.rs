//! The metadata of a machine. Writing it makes no new version, restarts nothing and needs no lease.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::super::world::World;
use super::super::{Answer, Call, Refusal, Reply};

#[derive(Deserialize)]
struct Many {
    #[serde(default)]
    metadata: Map<String, Value>,
    machine_version: Option<String>,
}

#[derive(Deserialize)]
struct One {
    value: String,
}

pub(in super::super) fn get(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    Ok(Reply::ok(machine.config.get("metadata").cloned().unwrap_or_else(|| json!({}))))
}

/// Replaces all keys, or (with `keep`) only those that are named; null and the empty string remove.
pub(in super::super) fn put(world: &mut World, call: &Call, app: &str, id: &str, keep: bool) -> Answer {
    let many: Many = call.body()?;
    if !many.metadata.values().all(|value| value.is_string() || value.is_null()) {
        return Err(Refusal::from(Reply::error(400, "invalid_argument: metadata must be a map of strings to strings")));
    }
    let current = call.machine(world, app, id)?.version.clone();
    if many.machine_version.is_some_and(|version| version != current) {
        let text = format!("failed_precondition: the machine's version is {current}");
        return Err(Refusal::from(Reply::error(412, &text)));
    }
    write(world, call, app, id, |metadata| {
        if !keep {
            metadata.clear();
        }
        metadata.extend(many.metadata);
        metadata.retain(|_, value| value.as_str().is_some_and(|text| !text.is_empty()));
    })
}

pub(in super::super) fn get_key(world: &World, call: &Call, app: &str, id: &str, key: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    match machine.metadata(key) {
        Some(value) => Ok(Reply::ok(json!({"value": value}))),
        None => Err(Refusal::from(Reply::error(404, "metadata key not found"))),
    }
}

pub(in super::super) fn set_key(world: &mut World, call: &Call, app: &str, id: &str, key: &str) -> Answer {
    let One { value } = call.body()?;
    write(world, call, app, id, |metadata| {
        if value.is_empty() {
            metadata.remove(key);
        } else {
            metadata.insert(key.to_owned(), Value::from(value));
        }
    })
}

pub(in super::super) fn delete_key(world: &mut World, call: &Call, app: &str, id: &str, key: &str) -> Answer {
    write(world, call, app, id, |metadata| {
        metadata.remove(key);
    })
}

fn write(world: &mut World, call: &Call, app: &str, id: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Answer {
    if call.machine(world, app, id)?.is_destroyed() {
        return Err(Refusal::from(Reply::machine_not_found()));
    }
    let machine = world.apps.get_mut(app).and_then(|app| app.machines.get_mut(id));
    let machine = machine.ok_or_else(|| Refusal::from(Reply::machine_not_found()))?;
    if let Some(config) = machine.config.as_object_mut() {
        let metadata = config.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            change(metadata);
        }
        config.retain(|key, value| key != "metadata" || value.as_object().is_some_and(|map| !map.is_empty()));
    }
    machine.updated_at = call.now;
    Ok(Reply::empty(204))
}
