//! Apps.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::app::{App, check_name, is_network_name};
use super::super::world::schedule::{Due, after};
use super::{Answer, Call, Refusal, Reply, check_whole_org, org_name};

#[derive(Deserialize)]
struct CreateApp {
    name: Option<String>,
    /// What the documentation calls it.
    app_name: Option<String>,
    org_slug: Option<String>,
    network: Option<String>,
    app_role_id: Option<String>,
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let Some(slug) = call.query("org_slug").filter(|slug| !slug.is_empty()) else {
        return Err(Refusal::from(Reply::error(400, "org_slug is required")));
    };
    check_whole_org(world, call, slug)?;
    let role = call.query("app_role").filter(|role| !role.is_empty());
    let apps: Vec<Value> = world
        .listed_apps(slug, "", call.now)
        .filter(|app| !app.deleting && role.is_none_or(|role| app.role == role))
        .map(|app| app.render(&org_name(world, slug)))
        .collect();
    Ok(Reply::ok(json!({"total_apps": apps.len(), "apps": apps})))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let request: CreateApp = call.body()?;
    let name = request.name.or(request.app_name).unwrap_or_default();
    let slug = request.org_slug.unwrap_or_default();
    if slug.is_empty() {
        return Err(Refusal::from(Reply::error(400, "org_slug is required")));
    }
    check_whole_org(world, call, &slug)?;
    check_name(&name).map_err(|text| Refusal::from(Reply::error(422, &text)))?;
    let network = request.network.unwrap_or_default();
    if !is_network_name(&network) {
        return Err(Refusal::from(Reply::error(422, "Validation failed: Network name is invalid")));
    }
    // One namespace over all customers: the name of somebody else's app is taken as well.
    if world.apps.contains_key(&name) {
        let body = json!({"error": "Validation failed: Name has already been taken", "status": "name_taken"});
        return Err(Refusal::from(Reply::with(422, body)));
    }
    if let Some(most) = world.quotas(&slug).apps
        && world.count_apps(&slug) >= most
    {
        let text = format!("Validation failed: organization \"{slug}\" has reached its limit of {most} apps");
        return Err(Refusal::from(Reply::error(422, &text)));
    }
    let number = world.network_number(&slug, &network);
    let mut app = App::new(&name, &slug, &network, number, call.now, &mut world.ids);
    app.role = request.app_role_id.unwrap_or_default();
    app.visible_from = after(call.now, world.config.app_missing_after_create);
    let mut body = app.render(&org_name(world, &slug));
    if let Some(map) = body.as_object_mut() {
        map.insert("created_at".to_owned(), Value::from(call.now.timestamp_millis()));
    }
    let mut reply = Reply::with(201, body);
    reply.headers.push(("set-cookie".to_owned(), format!("fly_flaps_affinity={}; Path=/v1/apps/{name}", app.node)));
    world.apps.insert(app);
    Ok(reply)
}

pub(super) fn get(world: &World, call: &Call, name: &str) -> Answer {
    let app = call.app(world, name)?;
    Ok(Reply::ok(app.render(&org_name(world, &app.org))))
}

/// Asynchronous: everything in the app goes with it, a moment later.
pub(super) fn delete(world: &mut World, call: &Call, name: &str) -> Answer {
    call.app(world, name)?;
    let delay = world.config.app_delete;
    if let Some(app) = world.apps.get_mut(name) {
        app.deleting = true;
        for volume in app.volumes.values_mut() {
            volume.delete(call.now);
        }
        let due = Due::RemoveApp { app: name.to_owned(), app_id: app.id.clone() };
        world.schedule.push(after(call.now, delay), due);
    }
    Ok(Reply::empty(202))
}
