//! Secrets. Writing only stages them; values are never given back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::vault::Vault;
use super::{Answer, Call, Refusal, Reply};

#[derive(Deserialize)]
struct Many {
    values: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct One {
    value: String,
}

fn not_found() -> Refusal {
    Refusal::from(Reply::error(404, "secret not found"))
}

pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let seen = seen(world, call, app)?;
    Ok(Reply::ok(json!({"secrets": seen.into_values().collect::<Vec<_>>()})))
}

pub(super) fn get(world: &World, call: &Call, app: &str, name: &str) -> Answer {
    seen(world, call, app)?.remove(name).map(Reply::ok).ok_or_else(not_found)
}

/// The secrets that the caller sees. The document calls the version that it may insist on `min_version`, flyctl `version`.
fn seen<'w>(world: &'w World, call: &Call, app: &str) -> Result<BTreeMap<&'w str, Value>, Refusal> {
    let app = call.app(world, app)?;
    let at_least = call.query("min_version").or_else(|| call.query("version")).and_then(|text| text.parse().ok());
    Ok(app.vault.render_seen(call.now, world.config.secrets_lag, at_least.unwrap_or(0)))
}

/// Sets many at once; null unsets, and unsetting what is not there is no error.
pub(super) fn write(world: &mut World, call: &Call, app: &str) -> Answer {
    let Many { values } = call.body()?;
    let vault = change(world, call, app, values)?;
    let version = vault.version();
    Ok(Reply::ok(json!({"secrets": vault.render_all(), "version": version, "Version": version})))
}

pub(super) fn set(world: &mut World, call: &Call, app: &str, name: &str) -> Answer {
    let One { value } = call.body()?;
    let vault = change(world, call, app, BTreeMap::from([(name.to_owned(), Some(value))]))?;
    let mut shown = vault.render(name).ok_or_else(not_found)?;
    if let Some(map) = shown.as_object_mut() {
        map.insert("version".to_owned(), Value::from(vault.version()));
        map.insert("Version".to_owned(), Value::from(vault.version()));
    }
    Ok(Reply::with(201, shown))
}

pub(super) fn delete(world: &mut World, call: &Call, app: &str, name: &str) -> Answer {
    call.app(world, app)?.vault.value(name).ok_or_else(not_found)?;
    let vault = change(world, call, app, BTreeMap::from([(name.to_owned(), None)]))?;
    Ok(Reply::ok(json!({"version": vault.version(), "Version": vault.version()})))
}

fn change<'w>(
    world: &'w mut World,
    call: &Call,
    app: &str,
    values: BTreeMap<String, Option<String>>,
) -> Result<&'w Vault, Refusal> {
    call.app(world, app)?;
    if let Some(name) = values.keys().find(|name| !is_secret_name(name)) {
        let text = format!("invalid_argument: {name:?} is not a valid name of a secret");
        return Err(Refusal::from(Reply::error(400, &text)));
    }
    let app = world.apps.get_mut(app).ok_or_else(|| Refusal::from(Reply::app_not_found()))?;
    app.vault.write(values, call.now);
    let in_use: Vec<u64> = app.machines.values().filter_map(|machine| machine.vault_version).collect();
    app.vault.prune(&in_use);
    Ok(&app.vault)
}

/// The names of environment variables.
fn is_secret_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
