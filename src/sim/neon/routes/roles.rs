//! Roles, their passwords, databases, and how to connect to them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::objects;
use super::super::state::{Branch, Database, Project, Role, password};
use super::super::work::{Effect, Step};
use super::super::{Asked, impossible, invalid, not_found, problem};
use super::branches::check_limit;
use super::{Desk, parse, visible};
use crate::sim::routes::{Answer, Refusal, Reply};

pub(super) fn list(project: &Project, asked: &Asked<'_>, branch: &str) -> Answer {
    let branch = visible(project, asked, branch)?;
    let shown: Vec<Value> = branch.roles.iter().map(|role| objects::role(branch, role, None)).collect();
    Ok(Reply::ok(json!({"roles": shown})))
}

pub(super) fn get(project: &Project, asked: &Asked<'_>, branch: &str, name: &str) -> Answer {
    let branch = visible(project, asked, branch)?;
    let role = branch.role(name).ok_or_else(|| not_found("role"))?;
    Ok(Reply::ok(json!({"role": objects::role(branch, role, None)})))
}

pub(super) fn reveal(project: &Project, asked: &Asked<'_>, branch: &str, name: &str) -> Answer {
    let role = visible(project, asked, branch)?.role(name).ok_or_else(|| not_found("role"))?;
    if !project.store_passwords || role.no_login {
        return Err(problem(412, "", "password storage is disabled for the project").into());
    }
    Ok(Reply::ok(json!({"password": role.password})))
}

pub(super) fn databases(project: &Project, asked: &Asked<'_>, branch: &str) -> Answer {
    let branch = visible(project, asked, branch)?;
    let shown: Vec<Value> = branch.databases.iter().map(|one| objects::database(branch, one)).collect();
    Ok(Reply::ok(json!({"databases": shown})))
}

pub(super) fn database(project: &Project, asked: &Asked<'_>, branch: &str, name: &str) -> Answer {
    let branch = visible(project, asked, branch)?;
    let found = branch.database(name).ok_or_else(|| not_found("database"))?;
    Ok(Reply::ok(json!({"database": objects::database(branch, found)})))
}

/// Without a branch it is the default branch's.
pub(super) fn connection_uri(project: &Project, asked: &Asked<'_>) -> Answer {
    let required = |name: &str| asked.call.query(name).ok_or_else(|| invalid(&format!("{name} is required")));
    let (role, database) = (required("role_name")?, required("database_name")?);
    let endpoint =
        asked.call.query("endpoint_id").map(|id| project.endpoints.get(id).ok_or_else(|| not_found("endpoint")));
    let endpoint = endpoint.transpose()?;
    let branch = match (asked.call.query("branch_id"), endpoint) {
        (Some(id), _) => visible(project, asked, id)?,
        (None, Some(endpoint)) => visible(project, asked, &endpoint.branch_id)?,
        (None, None) => project.default_branch().ok_or_else(|| not_found("branch"))?,
    };
    let endpoint = match endpoint {
        Some(endpoint) => Some(endpoint).filter(|endpoint| endpoint.branch_id == branch.id),
        None => project.endpoints_of(&branch.id).find(|endpoint| endpoint.read_write),
    };
    let endpoint = endpoint.ok_or_else(|| not_found("endpoint"))?;
    let role = branch.role(role).ok_or_else(|| not_found("role"))?;
    branch.database(database).ok_or_else(|| not_found("database"))?;
    let uri = objects::uri(project, &endpoint.id, role, database, asked.call.flag("pooled"));
    Ok(Reply::ok(json!({"uri": uri})))
}

pub(super) fn create(desk: &mut Desk<'_>, branch: &str) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        role: New,
    }
    #[derive(Deserialize)]
    struct New {
        name: String,
        #[serde(default)]
        no_login: bool,
    }
    let Wanted { role: wanted } = parse(desk.asked)?;
    let (now, most) = (desk.now(), desk.project.limits.roles);
    let known = begin(desk, branch)?;
    if known.role(&wanted.name).is_some() {
        return Err(problem(409, "", &format!("role already exists; role_name:\"{}\"", wanted.name)).into());
    }
    check_limit(most, known.roles.len(), "ROLES_LIMIT_EXCEEDED", "roles limit exceeded")?;
    let role = Role { no_login: wanted.no_login, ..Role::new(&wanted.name, desk.ids, now) };
    let found = desk.branch(branch)?;
    found.roles.push(role.clone());
    let shown = objects::role(found, &role, Some(&role.password));
    let operations = apply(desk, branch, Effect::Nothing);
    Ok(Reply::with(201, json!({"role": shown, "operations": operations})))
}

/// The new password holds once the operation has finished.
pub(super) fn reset_password(desk: &mut Desk<'_>, branch: &str, name: &str) -> Answer {
    let role = begin(desk, branch)?.role(name).ok_or_else(|| not_found("role"))?.clone();
    let password = password(desk.ids);
    let shown = objects::role(desk.branch(branch)?, &role, Some(&password));
    let effect = Effect::Password { branch: branch.to_owned(), role: name.to_owned(), password };
    let operations = apply(desk, branch, effect);
    Ok(Reply::ok(json!({"role": shown, "operations": operations})))
}

pub(super) fn delete(desk: &mut Desk<'_>, branch: &str, name: &str) -> Answer {
    let Some(role) = desk.branch(branch)?.role(name).cloned() else { return Ok(Reply::empty(204)) };
    let known = begin(desk, branch)?;
    if known.databases.iter().any(|database| database.owner == name) {
        return Err(impossible("cannot delete a role that owns databases"));
    }
    let shown = objects::role(known, &role, None);
    let effect = Effect::RoleIsGone { branch: branch.to_owned(), role: name.to_owned() };
    let operations = apply(desk, branch, effect);
    Ok(Reply::ok(json!({"role": shown, "operations": operations})))
}

pub(super) fn create_database(desk: &mut Desk<'_>, branch: &str) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        database: New,
    }
    #[derive(Deserialize)]
    struct New {
        name: String,
        owner_name: String,
    }
    let Wanted { database: wanted } = parse(desk.asked)?;
    let (now, most) = (desk.now(), desk.project.limits.databases);
    let known = begin(desk, branch)?;
    if known.database(&wanted.name).is_some() {
        return Err(problem(409, "", &format!("database already exists; database_name:\"{}\"", wanted.name)).into());
    }
    known.role(&wanted.owner_name).ok_or_else(|| not_found("role"))?;
    check_limit(most, known.databases.len(), "DATABASES_LIMIT_EXCEEDED", "databases limit exceeded")?;
    let database = Database::new(desk.project.next_database(), &wanted.name, &wanted.owner_name, now);
    let found = desk.branch(branch)?;
    let shown = objects::database(found, &database);
    found.databases.push(database);
    let operations = apply(desk, branch, Effect::Nothing);
    Ok(Reply::with(201, json!({"database": shown, "operations": operations})))
}

pub(super) fn delete_database(desk: &mut Desk<'_>, branch: &str, name: &str) -> Answer {
    let known = desk.branch(branch)?;
    let Some(shown) = known.database(name).map(|one| objects::database(known, one)) else {
        return Ok(Reply::empty(204));
    };
    begin(desk, branch)?;
    let effect = Effect::DatabaseIsGone { branch: branch.to_owned(), database: name.to_owned() };
    let operations = apply(desk, branch, effect);
    Ok(Reply::ok(json!({"database": shown, "operations": operations})))
}

/// The branch, if what is in it can be changed now.
fn begin<'d>(desk: &'d mut Desk<'_>, branch: &str) -> Result<&'d Branch, Refusal> {
    desk.branch(branch)?;
    desk.require_rest()?;
    desk.ready_branch(branch).map(|branch| &*branch)
}

/// The operation by which a change reaches the compute of a branch.
fn apply(desk: &mut Desk<'_>, branch: &str, effect: Effect) -> Value {
    let compute = desk.project.endpoints_of(branch).find(|endpoint| endpoint.read_write);
    let endpoint = compute.map(|endpoint| endpoint.id.clone());
    desk.run(vec![Step { endpoint, ..Step::branch("apply_config", branch, effect) }])
}
