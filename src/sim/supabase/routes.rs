//! The calls.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Branch, Project, Supabase, health, is_reference, is_uuid};
use super::{Caller, problem};
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Call, Refusal, Reply};
use crate::sim::world::schedule::after;

/// How long a branch that is not deleted at once is kept.
const SOFT_DELETION: Duration = Duration::from_hours(1);

/// A request, who sent it, and how long a branch takes.
pub(super) struct Asked<'a> {
    pub(super) call: &'a Call,
    pub(super) caller: Caller,
    pub(super) takes: Duration,
}

#[derive(Deserialize)]
struct Create {
    branch_name: String,
    git_branch: Option<String>,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    persistent: bool,
    region: Option<String>,
    postgres_engine: Option<String>,
    #[serde(default)]
    with_data: bool,
    notify_url: Option<String>,
}

#[derive(Deserialize)]
struct Update {
    branch_name: Option<String>,
    git_branch: Option<String>,
    persistent: Option<bool>,
    notify_url: Option<String>,
}

pub(super) fn route(all: &mut Supabase, asked: &Asked<'_>, path: &[&str]) -> Answer {
    all.advance(asked.call.now);
    match (asked.call.method, path) {
        (Method::Get, ["projects", of, "branches"]) => list(all, asked, of),
        (Method::Post, ["projects", of, "branches"]) => create(all, asked, of),
        (Method::Get, ["projects", of, "branches", name]) => by_name(all, asked, of, name),
        (Method::Get, ["projects", of, "api-keys"]) => keys(all, asked, of),
        (Method::Get, ["projects", of, "config", "database", "pooler"]) => pooler(all, asked, of),
        (Method::Get, ["branches", id]) => config(all, asked, id),
        (Method::Patch, ["branches", id]) => update(all, asked, id),
        (Method::Delete, ["branches", id]) => delete(all, asked, id),
        _ => Err(problem(501, "this call is not simulated")),
    }
}

/// The project, if the caller sees it. Whoever may not is not told whether it is there.
fn project<'a>(all: &'a Supabase, asked: &Asked<'_>, reference: &str) -> Result<&'a Project, Refusal> {
    if !is_reference(reference) {
        return Err(problem(400, "ref must be 20 lower-case letters"));
    }
    let found = all.project(reference).ok_or_else(|| problem(404, "Project not found"))?;
    sees(asked, found).then_some(found).ok_or_else(|| problem(403, "Forbidden action"))
}

fn branch<'a>(all: &'a Supabase, asked: &Asked<'_>, id: &str) -> Result<(&'a Project, &'a Branch), Refusal> {
    if !is_reference(id) && !is_uuid(id) {
        return Err(problem(400, "branch_id_or_ref must be a ref or a UUID"));
    }
    let found = all.find(id).ok_or_else(|| problem(404, "Branch not found"))?;
    sees(asked, found.0).then_some(found).ok_or_else(|| problem(403, "Forbidden action"))
}

fn sees(asked: &Asked<'_>, project: &Project) -> bool {
    asked.caller.organization.as_ref().is_none_or(|organization| *organization == project.organization)
}

impl Asked<'_> {
    fn shown(&self, (project, branch): (&Project, &Branch)) -> Value {
        project.render(branch, self.call.now, self.takes)
    }
}

fn list(all: &Supabase, asked: &Asked<'_>, of: &str) -> Answer {
    project(all, asked, of)?;
    Ok(Reply::ok(all.branches(of).into_iter().map(|found| asked.shown(found)).collect()))
}

fn by_name(all: &Supabase, asked: &Asked<'_>, of: &str, name: &str) -> Answer {
    project(all, asked, of)?;
    let found = all.branches(of).into_iter().find(|(_, branch)| branch.name == name);
    found.map(|found| Reply::ok(asked.shown(found))).ok_or_else(|| problem(404, "Branch not found"))
}

/// Mistakes of the client are 500 here, as the document has it.
fn create(all: &mut Supabase, asked: &Asked<'_>, of: &str) -> Answer {
    let parent = project(all, asked, of)?;
    let wanted: Create = serde_json::from_slice(&asked.call.body)
        .map_err(|error| problem(400, &format!("the body does not fit: {error}")))?;
    if wanted.is_default {
        return Err(problem(501, "default branches are not simulated"));
    }
    let is_taken = all.branches(of).iter().any(|(_, branch)| branch.name == wanted.branch_name);
    if is_taken || parent.branch.is_some() || wanted.branch_name.is_empty() {
        return Err(problem(500, "Failed to create database branch"));
    }
    let branch = Branch {
        // These two are the state's to fill in.
        id: String::new(),
        parent: String::new(),
        name: wanted.branch_name,
        follows: wanted.git_branch,
        pr_number: None,
        persistent: wanted.persistent,
        with_data: wanted.with_data,
        notify_url: wanted.notify_url,
        postgres_engine: wanted.postgres_engine.unwrap_or_else(|| "17".to_owned()),
        deletion_scheduled_at: None,
        fails: false,
    };
    let reference = all.create(of, branch, wanted.region, asked.call.now);
    let made = all.find(&reference).ok_or_else(|| problem(500, "Failed to create database branch"))?;
    Ok(Reply::with(201, asked.shown(made)))
}

/// How to reach the database of a branch. Nobody can log in before it is there.
fn config(all: &Supabase, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, branch) = branch(all, asked, id)?;
    let is_up = project.is_up(asked.call.now, asked.takes);
    let mut shown = json!({
        "ref": project.reference, "status": health(is_up), "db_host": project.host(), "db_port": 5432,
        "postgres_version": format!("{}.6.1.005", branch.postgres_engine), "postgres_engine": branch.postgres_engine,
        "release_channel": "ga",
    });
    if let (true, Some(map)) = (is_up, shown.as_object_mut()) {
        map.insert("db_user".to_owned(), "postgres".into());
        map.insert("db_pass".to_owned(), project.password.0.clone().into());
        map.insert("jwt_secret".to_owned(), project.jwt_secret.0.clone().into());
    }
    Ok(Reply::ok(shown))
}

fn update(all: &mut Supabase, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, found) = branch(all, asked, id)?;
    let (reference, of) = (project.reference.clone(), found.parent.clone());
    let wanted: Update = serde_json::from_slice(&asked.call.body)
        .map_err(|error| problem(400, &format!("the body does not fit: {error}")))?;
    let is_taken = |name: &String| {
        let others = all.branches(&of);
        others.iter().any(|(project, other)| other.name == *name && project.reference != reference)
    };
    if wanted.branch_name.as_ref().is_some_and(|name| name.is_empty() || is_taken(name)) {
        return Err(problem(500, "Failed to update database branch"));
    }
    if let Some(branch) = all.project_mut(&reference).and_then(|project| project.branch.as_mut()) {
        branch.name = wanted.branch_name.unwrap_or_else(|| branch.name.clone());
        branch.follows = wanted.git_branch.or_else(|| branch.follows.clone());
        branch.persistent = wanted.persistent.unwrap_or(branch.persistent);
        branch.notify_url = wanted.notify_url.or_else(|| branch.notify_url.clone());
    }
    let changed = all.find(&reference).ok_or_else(|| problem(404, "Branch not found"))?;
    Ok(Reply::ok(asked.shown(changed)))
}

fn delete(all: &mut Supabase, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, _) = branch(all, asked, id)?;
    let reference = project.reference.clone();
    if asked.call.query("force") == Some("false") {
        if let Some(branch) = all.project_mut(&reference).and_then(|project| project.branch.as_mut()) {
            branch.deletion_scheduled_at = Some(after(asked.call.now, SOFT_DELETION));
        }
    } else {
        all.remove(&reference);
    }
    Ok(Reply::ok(json!({"message": "ok"})))
}

fn keys(all: &Supabase, asked: &Asked<'_>, of: &str) -> Answer {
    let project = project(all, asked, of)?;
    let reveals = asked.call.query("reveal") == Some("true");
    let shown = project.keys.iter().map(|(name, key)| {
        let key = if reveals { key.0.clone() } else { "·····".to_owned() };
        json!({"name": name, "api_key": key, "type": "legacy", "id": null, "prefix": null, "description": null})
    });
    Ok(Reply::ok(shown.collect()))
}

fn pooler(all: &Supabase, asked: &Asked<'_>, of: &str) -> Answer {
    let project = project(all, asked, of)?;
    let (user, host) = (format!("postgres.{}", project.reference), format!("{}.pooler.supabase.com", project.region));
    let address = format!("postgresql://{user}:[YOUR-PASSWORD]@{host}:6543/postgres");
    Ok(Reply::ok(json!([{
        "identifier": project.reference, "database_type": "PRIMARY", "is_using_scram_auth": true, "db_user": user,
        "db_host": host, "db_port": 6543, "db_name": "postgres", "connection_string": address,
        "connectionString": address, "default_pool_size": null, "max_client_conn": null, "pool_mode": "transaction",
    }])))
}
