//! Certificates. There is no terminal failure: they are pending until DNS is right.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::certificate::Certificate;
use super::{Answer, Call, Refusal, Reply};

#[derive(Deserialize)]
struct Request {
    hostname: String,
}

fn not_found() -> Refusal {
    Refusal::from(Reply::error(404, "certificate not found"))
}

pub(super) fn list(world: &mut World, call: &Call, app: &str) -> Answer {
    call.app(world, app)?;
    validate(world, app, call.now);
    let app = call.app(world, app)?;
    let filter = call.query("filter").unwrap_or_default();
    let limit = call.query("limit").and_then(|text| text.parse().ok()).unwrap_or(25_usize).clamp(1, 500);
    let start = call.query("cursor").unwrap_or_default();
    let matching: Vec<&Certificate> = app.certificates.values().filter(|one| one.hostname.contains(filter)).collect();
    let mut rest = matching.iter().filter(|one| one.hostname.as_str() > start);
    let page: Vec<&&Certificate> = rest.by_ref().take(limit).collect();
    let shown: Vec<Value> = page.iter().map(|one| one.render_summary()).collect();
    let mut body = json!({"certificates": shown, "total_count": matching.len()});
    if let (Some(last), Some(_), Some(map)) = (page.last(), rest.next(), body.as_object_mut()) {
        map.insert("next_cursor".to_owned(), Value::from(last.hostname.clone()));
    }
    Ok(Reply::ok(body))
}

pub(super) fn request(world: &mut World, call: &Call, app_name: &str) -> Answer {
    call.app(world, app_name)?;
    let Request { hostname } = call.body()?;
    if !is_hostname(&hostname) {
        return Err(Refusal::from(Reply::error(422, "Validation failed: Hostname is invalid")));
    }
    if world.apps.values().any(|app| app.certificates.contains_key(&hostname)) {
        return Err(Refusal::from(Reply::error(422, "Validation failed: Hostname already exists on app")));
    }
    let challenge = world.ids.alphanumeric(7);
    let certificate = Certificate {
        hostname: hostname.clone(),
        created_at: call.now,
        updated_at: call.now,
        configured: false,
        challenge,
    };
    if let Some(app) = world.apps.get_mut(app_name) {
        app.certificates.insert(hostname.clone(), certificate);
    }
    let mut reply = get(world, call, app_name, &hostname)?;
    reply.status = 201;
    Ok(reply)
}

pub(super) fn get(world: &mut World, call: &Call, app: &str, hostname: &str) -> Answer {
    call.app(world, app)?;
    validate(world, app, call.now);
    let app = call.app(world, app)?;
    let certificate = app.certificates.get(hostname).ok_or_else(not_found)?;
    let addresses: Vec<String> = app.addresses.iter().map(|address| address.ip.clone()).collect();
    Ok(Reply::ok(certificate.render(&app.name, &addresses)))
}

/// Like reading, with what DNS says now.
pub(super) fn check(world: &mut World, call: &Call, app: &str, hostname: &str) -> Answer {
    let ready = world.ready_hostnames.contains(hostname);
    let mut reply = get(world, call, app, hostname)?;
    if let Some(map) = reply.body.as_mut().and_then(Value::as_object_mut) {
        let cname: Vec<String> = ready.then(|| format!("{app}.fly.dev")).into_iter().collect();
        map.insert("dns_records".to_owned(), json!({"a": [], "aaaa": [], "cname": cname, "resolved_addresses": []}));
    }
    Ok(reply)
}

pub(super) fn delete(world: &mut World, call: &Call, app: &str, hostname: &str) -> Answer {
    call.app(world, app)?;
    let removed = world.apps.get_mut(app).and_then(|app| app.certificates.remove(hostname));
    if removed.is_some() { Ok(Reply::empty(204)) } else { Err(not_found()) }
}

/// Issues the certificates whose hostnames point here by now.
fn validate(world: &mut World, app: &str, now: DateTime<Utc>) {
    let World { apps, ready_hostnames, .. } = world;
    for certificate in apps.get_mut(app).into_iter().flat_map(|app| app.certificates.values_mut()) {
        let ready = ready_hostnames.contains(&certificate.hostname);
        if ready != certificate.configured {
            certificate.configured = ready;
            certificate.updated_at = now;
        }
    }
}

fn is_hostname(name: &str) -> bool {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    plain.contains('.') && plain.len() <= 253 && plain.split('.').all(label)
}
