//! The web interface's REST, below `/api/v1`: organizations, releases, builds.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::routes::{Answer, Call, Refusal, Reply, check_org, not_implemented};
use super::super::world::World;
use super::super::world::rfc3339;
use super::ledger::{Release, Status};
use super::objects::{Organization, email, organizations};
use crate::http::transport::Method;

#[derive(Deserialize)]
struct NewRelease {
    app_name: String,
    #[serde(default)]
    definition: Value,
    #[serde(default)]
    image: String,
    #[serde(default)]
    strategy: String,
}

#[derive(Deserialize)]
struct ReleaseUpdate {
    status: Option<Status>,
}

#[derive(Deserialize)]
struct NewBuild {
    app_name: String,
}

#[derive(Deserialize)]
struct FinishedBuild {
    build_id: u64,
    status: String,
}

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Answer {
    use Method::{Get, Patch, Post};
    match (call.method, segments) {
        (Get, ["organizations"]) => {
            let shown = organizations(world, call);
            let shown: Vec<Value> = shown.iter().map(|slug| organization(&Organization::of(world, slug))).collect();
            Ok(Reply::ok(json!({"organizations": shown})))
        }
        (Get, ["organizations", slug]) => {
            check_org(world, call, slug)?;
            Ok(Reply::ok(json!({"organization": organization(&Organization::of(world, slug))})))
        }
        (Post, ["releases"]) => create_release(world, call),
        (Get, ["releases", "all_current"]) => Ok(all_current(world, call)),
        (Patch, ["releases", id]) => update_release(world, call, id),
        (Get, ["apps", app, "releases"]) => releases(world, call, app),
        (Get, ["apps", app, "releases", "current"]) => {
            let app = call.app(world, app)?;
            let current = world.ledger.current(&app.id).map(Release::render);
            current.map(Reply::ok).ok_or_else(|| Reply::error(404, "release not found").into())
        }
        // Machines write no logs here.
        (Get, ["apps", app, "logs"]) => {
            call.app(world, app)?;
            Ok(Reply::ok(json!({"data": [], "meta": {"next_token": ""}})))
        }
        (Post, ["builds"]) => {
            let wanted: NewBuild = call.body()?;
            call.app(world, &wanted.app_name)?;
            Ok(build(world.ledger.next_build(), "started"))
        }
        (Post, ["builds", "finish"]) => {
            let finished: FinishedBuild = call.body()?;
            Ok(build(finished.build_id, &finished.status))
        }
        _ => Err(not_implemented(call).into()),
    }
}

fn organization(org: &Organization) -> Value {
    json!({
        "id": org.id,
        "internal_numeric_id": org.number,
        "slug": org.slug,
        "raw_slug": org.slug,
        "name": org.name,
        "paid_plan": true,
        "personal": org.is_personal(),
        "billable": true,
        "billing_status": "CURRENT",
        "provisions_beta_extensions": false,
        "remote_builder_image": "",
    })
}

/// Nothing is built here: builds are only counted.
fn build(id: u64, status: &str) -> Reply {
    Reply::ok(json!({"id": id, "status": status, "wallclock_time_ms": 0}))
}

fn create_release(world: &mut World, call: &Call) -> Answer {
    let wanted: NewRelease = call.body()?;
    let app_id = call.app(world, &wanted.app_name)?.id.clone();
    let release = Release {
        id: world.ids.alphanumeric(16),
        version: 0,
        status: Status::Pending,
        strategy: wanted.strategy,
        user: email(call),
        created_at: call.now,
        image: wanted.image,
        definition: wanted.definition,
    };
    let release = world.ledger.add(&app_id, release);
    Ok(Reply::with(201, json!({"release": release.render()})))
}

fn update_release(world: &mut World, call: &Call, id: &str) -> Answer {
    let not_found = || Refusal::from(Reply::error(404, "release not found"));
    let wanted: ReleaseUpdate = call.body()?;
    let (app_id, _) = world.ledger.find(id).ok_or_else(not_found)?;
    let app = world.apps.values().find(|app| app.id == app_id).map(|app| app.name.clone()).ok_or_else(not_found)?;
    call.app(world, &app)?;
    if let Some(status) = wanted.status {
        world.ledger.set_status(id, status);
    }
    let (_, release) = world.ledger.find(id).ok_or_else(not_found)?;
    Ok(Reply::ok(json!({"release": release.render()})))
}

/// Newest first.
fn releases(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    let limit = call.query("limit").and_then(|text| text.parse().ok()).unwrap_or(25_usize);
    let shown: Vec<Value> = world.ledger.releases(&app.id).iter().rev().take(limit).map(Release::render).collect();
    Ok(Reply::ok(json!({"releases": shown})))
}

/// When each app that the caller sees was released last.
fn all_current(world: &World, call: &Call) -> Reply {
    let apps =
        world.apps.values().filter(|app| !app.deleting && call.caller.sees(&app.org) && call.caller.sees_app(&app.id));
    let times: BTreeMap<&str, String> =
        apps.filter_map(|app| Some((app.name.as_str(), rfc3339(world.ledger.current(&app.id)?.created_at)))).collect();
    Reply::ok(json!(times))
}
