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

/// What a customer brings. It is looked at and not kept.
#[derive(Deserialize)]
struct Custom {
    hostname: String,
    fullchain: String,
    private_key: String,
}

fn not_found() -> Refusal {
    Refusal::from(Reply::error(404, "certificate not found"))
}

fn invalid(text: &str) -> Refusal {
    Refusal::from(Reply::error(422, &format!("Validation failed: {text}")))
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

/// Asks the platform to obtain a certificate.
pub(super) fn request(world: &mut World, call: &Call, app: &str) -> Answer {
    call.app(world, app)?;
    let Request { hostname } = call.body()?;
    let certificate = entry(world, call, app, &hostname)?;
    if certificate.acme {
        return Err(invalid("Hostname already exists on app"));
    }
    certificate.acme = true;
    created(world, call, app, &hostname)
}

/// Brings a certificate.
pub(super) fn bring(world: &mut World, call: &Call, app: &str) -> Answer {
    call.app(world, app)?;
    let Custom { hostname, fullchain, private_key } = call.body()?;
    if !fullchain.contains("-----BEGIN CERTIFICATE-----") {
        return Err(invalid("Fullchain must be a certificate chain in PEM form"));
    }
    if !(private_key.contains("-----BEGIN") && private_key.contains("PRIVATE KEY-----")) {
        return Err(invalid("Private key must be a key in PEM form"));
    }
    let now = call.now;
    let certificate = entry(world, call, app, &hostname)?;
    if certificate.custom.is_some() {
        return Err(invalid("Hostname already has a custom certificate"));
    }
    certificate.custom = Some(now);
    created(world, call, app, &hostname)
}

/// What the app has for a hostname, made if it has nothing yet. A hostname belongs to one app only.
fn entry<'w>(world: &'w mut World, call: &Call, app: &str, hostname: &str) -> Result<&'w mut Certificate, Refusal> {
    if !is_hostname(hostname) {
        return Err(invalid("Hostname is invalid"));
    }
    if world.hostnames.get(hostname).is_some_and(|owner| owner != app) {
        return Err(invalid("Hostname already exists on app"));
    }
    let World { apps, hostnames, ids, .. } = world;
    let found = apps.get_mut(app).ok_or_else(|| Refusal::from(Reply::app_not_found()))?;
    hostnames.insert(hostname.to_owned(), app.to_owned());
    let certificate = found.certificates.entry(hostname.to_owned());
    let certificate = certificate.or_insert_with(|| Certificate::new(hostname, ids.alphanumeric(7), call.now));
    certificate.updated_at = call.now;
    Ok(certificate)
}

fn created(world: &mut World, call: &Call, app: &str, hostname: &str) -> Answer {
    let mut reply = get(world, call, app, hostname)?;
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
    removed.ok_or_else(not_found)?;
    world.hostnames.remove(hostname);
    Ok(Reply::empty(204))
}

/// The platform no longer obtains a certificate; one that the customer brought stays.
pub(super) fn delete_acme(world: &mut World, call: &Call, app: &str, hostname: &str) -> Answer {
    let certificate = find_mut(world, call, app, hostname)?;
    if !std::mem::take(&mut certificate.acme) {
        return Err(not_found());
    }
    certificate.updated_at = call.now;
    get(world, call, app, hostname)
}

/// Removes what the customer brought; the platform's own stays.
pub(super) fn delete_custom(world: &mut World, call: &Call, app: &str, hostname: &str) -> Answer {
    let certificate = find_mut(world, call, app, hostname)?;
    if certificate.custom.take().is_none() {
        return Err(not_found());
    }
    certificate.updated_at = call.now;
    let warning = if certificate.acme { "" } else { "the hostname has no other certificate" };
    let mut reply = get(world, call, app, hostname)?;
    if let Some(map) = reply.body.as_mut().and_then(Value::as_object_mut) {
        map.insert("warning".to_owned(), Value::from(warning));
    }
    Ok(reply)
}

fn find_mut<'w>(world: &'w mut World, call: &Call, app: &str, hostname: &str) -> Result<&'w mut Certificate, Refusal> {
    call.app(world, app)?;
    world.apps.get_mut(app).and_then(|app| app.certificates.get_mut(hostname)).ok_or_else(not_found)
}

/// Issues the certificates whose hostnames point here by now.
fn validate(world: &mut World, app: &str, now: DateTime<Utc>) {
    let World { apps, ready_hostnames, .. } = world;
    for certificate in apps.get_mut(app).into_iter().flat_map(|app| app.certificates.values_mut()) {
        let ready = ready_hostnames.contains(&certificate.hostname);
        if ready != certificate.ready {
            certificate.ready = ready;
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
