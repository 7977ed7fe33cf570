//! Managed Postgres: clusters, their backups and attachments. What is inside a cluster is in the module below. Answers come in an
//! envelope, and errors have one field only.

mod inside;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::postgres::{Backup, Cluster, Content, Plan, Status};
use super::{Answer, Call, Refusal, Reply, check_whole_org, org_name};
use crate::http::transport::Method;

#[derive(Deserialize)]
struct Create {
    org_slug: String,
    plan: Plan,
    region: String,
    name: Option<String>,
    disk_size_gb: Option<u64>,
    pg_major_version: Option<String>,
    pool_mode: Option<String>,
    #[serde(default)]
    postgis_enabled: bool,
}

#[derive(Deserialize)]
struct Fork {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Restore {
    backup_id: Option<String>,
    pitr_time: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Attach {
    app_name: String,
}

#[derive(Deserialize)]
struct StartBackup {
    #[serde(rename = "type")]
    kind: String,
}

/// What is below `/v1/postgres`; `None` if there is no such path.
pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    use Method::{Delete, Get, Post};
    Some(match (call.method, segments) {
        (Get, []) => list(world, call),
        (Post, []) => create(world, call),
        (Get, [id]) => get(world, call, id),
        (Delete, [id]) => delete(world, call, id),
        (Post, [id, "attachments"]) => attach(world, call, id),
        (Delete, [id, "attachments", app]) => detach(world, call, id, app),
        (Get, [id, "backups"]) => backups(world, call, id),
        (Post, [id, "backups"]) => start_backup(world, call, id),
        (Post, [id, "fork"]) => fork(world, call, id),
        (Post, [id, "restore"]) => restore(world, call, id),
        (_, [id, rest @ ..]) => return inside::route(world, call, id, rest),
        _ => return None,
    })
}

fn refusal(status: u16, text: &str) -> Refusal {
    Refusal::from(Reply::error(status, text))
}

fn data(value: &Value) -> Reply {
    Reply::ok(json!({"data": value}))
}

/// The cluster, if the caller sees it and it is not gone.
fn find<'w>(world: &'w World, call: &Call, id: &str) -> Result<&'w Cluster, Refusal> {
    let cluster = world.clusters.get(id).filter(|cluster| call.caller.app.is_none() && call.caller.sees(&cluster.org));
    let cluster = cluster.filter(|cluster| status(world, call, cluster) != Status::Deleted);
    cluster.ok_or_else(|| refusal(404, "cluster not found"))
}

/// The cluster, if nobody has deleted it.
fn find_living<'w>(world: &'w World, call: &Call, id: &str) -> Result<&'w Cluster, Refusal> {
    let cluster = world.clusters.get(id).filter(|cluster| call.caller.app.is_none() && call.caller.sees(&cluster.org));
    match cluster {
        None => Err(refusal(404, "cluster not found")),
        Some(cluster) if cluster.deleted_at.is_some() => Err(refusal(410, "cluster is deleted")),
        Some(cluster) => Ok(cluster),
    }
}

/// The cluster, to change what is in it: it has to be ready.
fn find_ready<'w>(world: &'w World, call: &Call, id: &str) -> Result<&'w Cluster, Refusal> {
    let cluster = find(world, call, id)?;
    if status(world, call, cluster) == Status::Ready { Ok(cluster) } else { Err(refusal(422, "cluster is not ready")) }
}

fn find_mut<'w>(world: &'w mut World, call: &Call, id: &str) -> Result<&'w mut Cluster, Refusal> {
    find(world, call, id)?;
    world.clusters.get_mut(id).ok_or_else(|| refusal(404, "cluster not found"))
}

fn status(world: &World, call: &Call, cluster: &Cluster) -> Status {
    cluster.status(call.now, world.config.postgres)
}

fn shown(world: &World, call: &Call, cluster: &Cluster) -> Value {
    cluster.render(&org_name(world, &cluster.org), call.now, world.config.postgres)
}

fn list(world: &World, call: &Call) -> Answer {
    let slug =
        call.query("org_slug").filter(|slug| !slug.is_empty()).ok_or_else(|| refusal(422, "org_slug is required"))?;
    check_whole_org(world, call, slug)?;
    let deleted = call.flag("include_deleted");
    let clusters = world.clusters.of_org(slug).filter(|cluster| deleted || cluster.deleted_at.is_none());
    Ok(data(&clusters.map(|cluster| cluster.render_summary(call.now, world.config.postgres)).collect()))
}

fn create(world: &mut World, call: &Call) -> Answer {
    let wanted: Create = call.body()?;
    check_whole_org(world, call, &wanted.org_slug)?;
    if !super::platform::is_region(&wanted.region) {
        return Err(refusal(422, "region is not available"));
    }
    let disk_size_gb = wanted.disk_size_gb.unwrap_or(10);
    if !(10..=1000).contains(&disk_size_gb) {
        return Err(refusal(422, "disk_size_gb must be from 10 to 1000"));
    }
    let pg_major_version = wanted.pg_major_version.unwrap_or_else(|| "16".to_owned());
    if !matches!(pg_major_version.as_str(), "16" | "17") {
        return Err(refusal(422, "pg_major_version must be 16 or 17"));
    }
    if wanted.pool_mode.is_some_and(|mode| !matches!(mode.as_str(), "session" | "transaction")) {
        return Err(refusal(422, "pool_mode must be session or transaction"));
    }
    let id = world.ids.alphanumeric(16);
    let mut cluster = Cluster {
        name: wanted.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("pg-{id}")),
        id,
        org: wanted.org_slug,
        region: wanted.region,
        plan: wanted.plan,
        disk_size_gb,
        pg_major_version,
        postgis_enabled: wanted.postgis_enabled,
        created_at: call.now,
        deleted_at: None,
        failed: false,
        attachments: std::collections::BTreeMap::new(),
        backups: Vec::new(),
        content: Content::default(),
    };
    cluster.furnish(&mut world.ids);
    Ok(add(world, call, cluster))
}

fn add(world: &mut World, call: &Call, cluster: Cluster) -> Reply {
    let body = json!({"data": shown(world, call, &cluster)});
    world.clusters.insert(cluster);
    Reply::with(201, body)
}

fn get(world: &World, call: &Call, id: &str) -> Answer {
    let cluster = find(world, call, id)?;
    Ok(data(&shown(world, call, cluster)))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    find_living(world, call, id)?;
    find_mut(world, call, id)?.deleted_at = Some(call.now);
    Ok(Reply::empty(202))
}

/// Only notes that the app uses the cluster: the secret with the address is the caller's to write.
fn attach(world: &mut World, call: &Call, id: &str) -> Answer {
    let cluster = find_living(world, call, id)?;
    let org = cluster.org.clone();
    let Attach { app_name } = call.body()?;
    if world.apps.get(&app_name).is_none_or(|app| app.deleting || app.org != org) {
        return Err(refusal(404, "app not found"));
    }
    let cluster = find_mut(world, call, id)?;
    let existing = cluster.attachments.contains_key(&app_name);
    let at = *cluster.attachments.entry(app_name.clone()).or_insert(call.now);
    let attached_at = super::super::world::rfc3339(at);
    let body = json!({"data": {"app_name": app_name, "attached_at": attached_at, "postgres_cluster_id": id}});
    Ok(Reply::with(if existing { 200 } else { 201 }, body))
}

fn detach(world: &mut World, call: &Call, id: &str, app: &str) -> Answer {
    find_living(world, call, id)?;
    let removed = find_mut(world, call, id)?.attachments.remove(app);
    removed.map(|_| Reply::empty(204)).ok_or_else(|| refusal(404, "attachment not found"))
}

fn backups(world: &World, call: &Call, id: &str) -> Answer {
    let cluster = find(world, call, id)?;
    Ok(data(&cluster.backups.iter().rev().map(|backup| backup.render(call.now)).collect()))
}

/// One at a time.
fn start_backup(world: &mut World, call: &Call, id: &str) -> Answer {
    let StartBackup { kind } = call.body()?;
    if !matches!(kind.as_str(), "full" | "incr" | "diff") {
        return Err(refusal(400, "type must be full, incr or diff"));
    }
    let cluster = find(world, call, id)?;
    let ready = status(world, call, cluster) == Status::Ready;
    if !ready || cluster.backups.iter().any(|backup| backup.is_running(call.now)) {
        return Err(refusal(409, "a backup is not possible now"));
    }
    let finished_at = super::super::world::schedule::after(call.now, world.config.postgres);
    let content = cluster.content.clone();
    let backup = Backup { id: world.ids.alphanumeric(16), kind, started_at: call.now, finished_at, content };
    find_mut(world, call, id)?.backups.push(backup);
    Ok(Reply::empty(202))
}

fn fork(world: &mut World, call: &Call, id: &str) -> Answer {
    let cluster = find_living(world, call, id)?;
    if status(world, call, cluster) != Status::Ready {
        return Err(refusal(409, "cluster is not ready"));
    }
    let Fork { name } = call.body()?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{}-fork", cluster.name));
    let copy = cluster.clone();
    Ok(copied(world, call, copy, name))
}

/// Makes a new cluster from a backup, or from a moment. What was in a cluster at a moment is not kept: a copy of what is in it now
/// stands in for it.
fn restore(world: &mut World, call: &Call, id: &str) -> Answer {
    let cluster = find(world, call, id)?;
    let wanted: Restore = call.body()?;
    let content = match (wanted.backup_id, wanted.pitr_time) {
        (Some(backup_id), None) => {
            let backup = cluster.backups.iter().find(|backup| backup.id == backup_id);
            let backup = backup.ok_or_else(|| refusal(404, "backup not found"))?;
            if backup.is_running(call.now) {
                return Err(refusal(422, "the backup is not complete"));
            }
            backup.content.clone()
        }
        (None, Some(time)) => {
            let time = time
                .parse::<DateTime<Utc>>()
                .map_err(|error| refusal(400, &format!("pitr_time must be RFC 3339 with an offset: {error}")))?;
            if time < cluster.created_at || time > call.now {
                return Err(refusal(422, "pitr_time must lie between the cluster's creation and now"));
            }
            cluster.content.clone()
        }
        _ => return Err(refusal(400, "either backup_id or pitr_time is required")),
    };
    let name = wanted.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{}-restored", cluster.name));
    let copy = Cluster { content, ..cluster.clone() };
    Ok(copied(world, call, copy, name))
}

/// A new cluster with the content of another one.
fn copied(world: &mut World, call: &Call, mut cluster: Cluster, name: String) -> Reply {
    cluster.id = world.ids.alphanumeric(16);
    cluster.name = name;
    cluster.created_at = call.now;
    cluster.deleted_at = None;
    cluster.failed = false;
    cluster.attachments.clear();
    cluster.backups.clear();
    add(world, call, cluster)
}
