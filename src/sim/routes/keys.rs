//! Secret keys: their names and kinds. Nothing is computed with them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::vault::SecretKey;
use super::{Answer, Call, Refusal, Reply};

/// The kinds of key that there are.
const KINDS: [&str; 9] =
    ["es256", "hs256", "hs384", "hs512", "xaes256gcm", "nacl_auth", "nacl_box", "nacl_secretbox", "nacl_sign"];

/// The value is looked at and not kept. Documents say that it is a list of bytes; clients send base64.
#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "type")]
    kind: String,
    value: Option<Value>,
}

fn not_found() -> Refusal {
    Refusal::from(Reply::error(404, "secret key not found"))
}

pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    let kinds = call.query_list("types");
    let names = app.keys.keys.iter().filter(|(_, key)| kinds.is_empty() || kinds.contains(&key.kind.as_str()));
    let shown: Vec<Value> = names.filter_map(|(name, _)| app.keys.render(name)).collect();
    Ok(Reply::ok(json!({"secret_keys": shown})))
}

pub(super) fn get(world: &World, call: &Call, app: &str, name: &str) -> Answer {
    let app = call.app(world, app)?;
    app.keys.render(name).map(Reply::ok).ok_or_else(not_found)
}

pub(super) fn set(world: &mut World, call: &Call, app: &str, name: &str) -> Answer {
    call.app(world, app)?;
    let Wanted { kind, value } = call.body()?;
    let refuse = |text: String| Err(Refusal::from(Reply::error(400, &format!("invalid_argument: {text}"))));
    if !KINDS.contains(&kind.as_str()) {
        return refuse(format!("type: {kind} is not a kind of key"));
    }
    let empty = match &value {
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(bytes)) => {
            bytes.is_empty() || !bytes.iter().all(|byte| byte.as_u64().is_some_and(|b| b < 256))
        }
        _ => true,
    };
    if empty {
        return refuse("value: the bytes of the key are required".to_owned());
    }
    let app = world.apps.get_mut(app).ok_or_else(|| Refusal::from(Reply::app_not_found()))?;
    let created_at = app.keys.keys.get(name).map_or(call.now, |key| key.created_at);
    app.keys.keys.insert(name.to_owned(), SecretKey { kind, created_at, updated_at: call.now });
    app.keys.version = app.keys.version.saturating_add(1);
    let mut shown = app.keys.render(name).ok_or_else(not_found)?;
    add_version(&mut shown, app.keys.version);
    Ok(Reply::with(201, shown))
}

pub(super) fn delete(world: &mut World, call: &Call, app: &str, name: &str) -> Answer {
    call.app(world, app)?;
    let app = world.apps.get_mut(app).ok_or_else(|| Refusal::from(Reply::app_not_found()))?;
    app.keys.keys.remove(name).ok_or_else(not_found)?;
    app.keys.version = app.keys.version.saturating_add(1);
    let mut shown = json!({});
    add_version(&mut shown, app.keys.version);
    Ok(Reply::ok(shown))
}

/// The version, also under the name that it had before.
fn add_version(shown: &mut Value, version: u64) {
    if let Some(map) = shown.as_object_mut() {
        map.insert("version".to_owned(), Value::from(version));
        map.insert("Version".to_owned(), Value::from(version));
    }
}
