//! Deployments, aliases and build events as the API shows them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::Asked;
use super::access::team_id;
use super::deployment::{Deployment, ReadyState, VercelBuild};
use super::objects::{custom_environment, millis, short_hash};
use super::state::Project;
use crate::sim::world::rfc3339;

/// A deployment in a list: `uid`, and both `state` and `readyState`.
pub(super) fn row(asked: &Asked<'_>, project: &Project, one: &Deployment) -> Value {
    let now = asked.now;
    let state = one.state(now);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    put("uid", json!(one.id));
    put("name", json!(project.name));
    put("projectId", json!(project.id));
    // While it is not there yet, it has no address.
    put("url", if state == ReadyState::Queued && one.source == "cli" { Value::Null } else { json!(one.host) });
    put("created", millis(one.created_at));
    put("createdAt", millis(one.created_at));
    put("state", json!(state.as_str()));
    put("readyState", json!(state.as_str()));
    put("type", json!("LAMBDAS"));
    put("source", json!(one.source));
    put("target", json!(one.target));
    if let Some(custom) = one.environment.as_deref().and_then(|id| project.environment(id)) {
        put("customEnvironment", json!({"id": custom.id, "slug": custom.slug}));
    }
    if one.is_production() && state == ReadyState::Ready {
        let is_current = project.production(now).is_some_and(|current| current.id == one.id);
        put("isRollbackCandidate", json!(!is_current && project.was_in_production(one, now)));
    }
    put("creator", creator(one));
    put("inspectorUrl", json!(inspector(project, one)));
    put("meta", json!(one.meta));
    put("aliasAssigned", assigned_at(one, now).map_or(Value::Null, millis));
    put("aliasError", alias_error(one, now));
    if one.building_at <= now {
        put("buildingAt", millis(one.building_at));
    }
    if state == ReadyState::Ready {
        put("ready", millis(one.ended_at));
    }
    put_substate(project, one, now, &mut put);
    put_error(one, now, &mut put);
    if shown.get("aliasAssigned").is_some_and(Value::is_null) {
        shown.insert("aliasAssigned".to_owned(), json!(false));
    }
    Value::Object(shown)
}

/// A whole deployment: `id`, and `status` beside `readyState`.
pub(super) fn whole(asked: &Asked<'_>, project: &Project, one: &Deployment) -> Value {
    let now = asked.now;
    let state = one.state(now);
    let hosts = project.hosts_of(one, now);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    put("id", json!(one.id));
    put("name", json!(project.name));
    put("projectId", json!(project.id));
    put("ownerId", json!(team_id(&project.team)));
    put("project", json!({"id": project.id, "name": project.name, "framework": null}));
    put("team", json!({"id": team_id(&project.team), "name": project.team, "slug": project.team}));
    put("url", json!(one.host));
    put("inspectorUrl", json!(inspector(project, one)));
    put("version", json!(2));
    put("type", json!("LAMBDAS"));
    put("plan", json!(asked.config.vercel_plan(&project.team).as_str()));
    put("public", json!(false));
    put("regions", json!(["iad1"]));
    put("routes", Value::Null);
    put("createdIn", json!("iad1"));
    put("createdAt", millis(one.created_at));
    put("bootedAt", millis(one.initializing_at));
    put("buildingAt", millis(one.building_at));
    put("buildSkipped", json!(one.build == VercelBuild::Skipped));
    put("isInConcurrentBuildsQueue", json!(state == ReadyState::Queued));
    put("isInSystemBuildsQueue", json!(false));
    put("projectSettings", json!({}));
    put("readyState", json!(state.as_str()));
    put("status", json!(state.as_str()));
    put("source", json!(one.source));
    put("target", json!(one.target));
    if let Some(custom) = one.environment.as_deref().and_then(|id| project.environment(id)) {
        put("customEnvironment", custom_environment(custom));
    }
    put("creator", creator(one));
    put("meta", json!(one.meta));
    // Only the names.
    let names: Vec<&String> = one.env.keys().collect();
    put("env", json!(names));
    put("build", json!({"env": names}));
    let assigned = assigned_at(one, now);
    put("aliasAssigned", json!(assigned.is_some()));
    if let Some(at) = assigned {
        put("aliasAssignedAt", millis(at));
    }
    put("aliasError", alias_error(one, now));
    put("alias", json!(hosts));
    let automatic = project.automatic_hosts(one);
    put("automaticAliases", json!(if assigned.is_some() { automatic } else { Vec::new() }));
    if state == ReadyState::Ready {
        put("ready", millis(one.ended_at));
    }
    if let Some(at) = one.canceled_at.filter(|at| *at <= now) {
        put("canceledAt", millis(at));
    }
    if let Some(git) = &one.git {
        let mut source = json!({
            "type": "github", "repoId": git.repo_id, "org": git.org, "repo": git.repo, "ref": git.branch, "sha": git.sha,
        });
        if let (Some(pull), Some(source)) = (git.pull, source.as_object_mut()) {
            source.insert("prId".to_owned(), json!(pull));
        }
        put("gitSource", source);
    }
    put_substate(project, one, now, &mut put);
    put_error(one, now, &mut put);
    Value::Object(shown)
}

/// The deployment in production, as a project shows it.
pub(super) fn target(asked: &Asked<'_>, project: &Project, one: &Deployment) -> Value {
    let now = asked.now;
    json!({
        "id": one.id,
        "name": project.name,
        "url": one.host,
        "deploymentHostname": one.host,
        "createdAt": millis(one.created_at),
        "createdIn": "iad1",
        "creator": {"uid": one.creator, "username": one.creator, "email": format!("{}@example.com", one.creator)},
        "plan": asked.config.vercel_plan(&project.team).as_str(),
        "private": false,
        "readyState": one.state(now).as_str(),
        "type": "LAMBDAS",
        "target": "production",
        "meta": one.meta,
        "alias": project.hosts_of(one, now),
    })
}

/// The uid of the alias of a host.
pub(super) fn alias_uid(host: &str) -> String {
    short_hash(&format!("alias {host}"))
}

/// The alias of a deployment. Its time is the only one that is written in words.
pub(super) fn alias(project: &Project, one: &Deployment, host: &str) -> Value {
    json!({"uid": alias_uid(host), "alias": host, "created": rfc3339(alias_since(project, one, host)), "redirect": null})
}

/// An alias in the list of all.
pub(super) fn listed_alias(project: &Project, one: &Deployment, host: &str) -> Value {
    let since = alias_since(project, one, host);
    json!({
        "uid": alias_uid(host),
        "alias": host,
        "created": rfc3339(since),
        "createdAt": millis(since),
        "deploymentId": one.id,
        "projectId": project.id,
        "deployment": {"id": one.id, "url": one.host},
        "redirect": null,
    })
}

/// Since when a host leads to a deployment.
pub(super) fn alias_since(project: &Project, one: &Deployment, host: &str) -> DateTime<Utc> {
    project.aliases.get(host).map_or(one.aliased_at, |alias| alias.created_at)
}

/// What is in the build log by now, oldest first.
pub(super) fn events(one: &Deployment, now: DateTime<Utc>) -> Vec<Value> {
    let mut lines: Vec<(DateTime<Utc>, &str, Option<&str>, String)> = Vec::new();
    let building = one.building_at;
    let branch = one.branch().unwrap_or("-");
    lines.push((building, "stdout", None, format!("Cloning (Branch: {branch})")));
    lines.push((building, "command", None, "Running \"npm run build\"".to_owned()));
    match &one.build {
        VercelBuild::Fails { message, .. } => {
            lines.push((one.ended_at, "stderr", None, "> build".to_owned()));
            lines.push((one.ended_at, "stderr", Some("error"), format!("Error: {message}")));
        }
        VercelBuild::Skipped => {
            lines.push((building, "stdout", None, "The Deployment has been canceled as a result of running the command defined in the \"Ignored Build Step\" setting.".to_owned()));
        }
        VercelBuild::Blocked => lines.clear(),
        VercelBuild::Ready | VercelBuild::AliasFails { .. } => {
            lines.push((one.ended_at, "stdout", None, "Build Completed in /vercel/output".to_owned()));
            lines.push((one.ended_at, "stdout", None, "Deployment completed".to_owned()));
        }
    }
    let end = one.canceled_at.unwrap_or(now);
    let seen = lines.into_iter().filter(|(at, ..)| *at <= now && *at <= end).enumerate();
    seen.map(|(number, (at, kind, level, text))| {
        let mut event = json!({
            "type": kind,
            "created": millis(at),
            "date": millis(at),
            "deploymentId": one.id,
            "id": format!("{}{number:04}", at.timestamp_millis()),
            "serial": format!("{}{number:04}", at.timestamp_millis()),
            "text": text,
            "info": {"type": "build", "name": "bld_simulated"},
        });
        if let (Some(level), Some(event)) = (level, event.as_object_mut()) {
            event.insert("level".to_owned(), json!(level));
        }
        event
    })
    .collect()
}

fn creator(one: &Deployment) -> Value {
    json!({"uid": one.creator, "username": one.creator})
}

fn inspector(project: &Project, one: &Deployment) -> String {
    format!("https://vercel.com/{}/{}/{}", project.team, project.name, one.id.trim_start_matches("dpl_"))
}

/// Since when its aliases lead to it, if they do.
fn assigned_at(one: &Deployment, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    one.is_routed(now).then_some(one.aliased_at)
}

fn alias_error(one: &Deployment, now: DateTime<Utc>) -> Value {
    match &one.build {
        VercelBuild::AliasFails { code, message } if one.aliased_at <= now => json!({"code": code, "message": message}),
        _ => Value::Null,
    }
}

/// Where a ready production deployment stands.
fn put_substate(project: &Project, one: &Deployment, now: DateTime<Utc>, put: &mut impl FnMut(&str, Value)) {
    if one.is_production() && one.state(now) == ReadyState::Ready {
        put("readySubstate", json!(if project.was_in_production(one, now) { "PROMOTED" } else { "STAGED" }));
    }
}

fn put_error(one: &Deployment, now: DateTime<Utc>, put: &mut impl FnMut(&str, Value)) {
    if let (VercelBuild::Fails { code, message, step }, ReadyState::Error) = (&one.build, one.state(now)) {
        put("errorCode", json!(code));
        put("errorMessage", json!(message));
        put("errorStep", json!(step));
        put("readyStateReason", json!(message));
        put("buildErrorAt", millis(one.ended_at));
    }
}
