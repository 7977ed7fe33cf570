//! What is inside a cluster: databases, their extensions, and users.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::world::World;
use super::super::super::world::postgres::{Cluster, Database, EXTENSIONS, User, password};
use super::super::{Answer, Call, Refusal, Reply};
use super::{data, find, find_living, find_mut, find_ready, refusal};
use crate::http::transport::Method;

#[derive(Deserialize)]
struct NewDatabase {
    name: String,
}

#[derive(Deserialize)]
struct NewExtension {
    name: String,
    schema: Option<String>,
}

#[derive(Deserialize)]
struct NewUser {
    username: String,
    role: String,
}

#[derive(Deserialize)]
struct NewRole {
    role: String,
}

/// What is below `/v1/postgres/{id}`; `None` if there is no such path.
pub(super) fn route(world: &mut World, call: &Call, id: &str, segments: &[&str]) -> Option<Answer> {
    use Method::{Delete, Get, Patch, Post};
    Some(match (call.method, segments) {
        (Get, ["databases"]) => databases(world, call, id),
        (Post, ["databases"]) => create_database(world, call, id),
        (Delete, ["databases", name]) => delete_database(world, call, id, name),
        (Get, ["databases", name, "extensions"]) => extensions(world, call, id, name),
        (Post, ["databases", name, "extensions"]) => enable(world, call, id, name),
        (Delete, ["databases", name, "extensions", extension]) => disable(world, call, id, name, extension),
        (Get, ["users"]) => users(world, call, id),
        (Post, ["users"]) => create_user(world, call, id),
        (Patch, ["users", name]) => change_role(world, call, id, name),
        (Delete, ["users", name]) => delete_user(world, call, id, name),
        (Get, ["users", name, "credentials"]) => credentials(world, call, id, name),
        (Post, ["users", name, "rotate_password"]) => rotate(world, call, id, name),
        _ => return None,
    })
}

/// Names of databases and users: letters, digits, dashes and underscores, a letter or underscore first.
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn databases(world: &World, call: &Call, id: &str) -> Answer {
    let cluster = find(world, call, id)?;
    Ok(data(&cluster.content.databases.keys().map(|name| json!({"name": name})).collect()))
}

fn create_database(world: &mut World, call: &Call, id: &str) -> Answer {
    let NewDatabase { name } = call.body()?;
    find_ready(world, call, id)?;
    let cluster = find_mut(world, call, id)?;
    if !is_name(&name) {
        return Err(refusal(422, "name is not a valid name of a database"));
    }
    if cluster.content.databases.contains_key(&name) {
        return Err(refusal(422, "name has already been taken"));
    }
    cluster.content.databases.insert(name.clone(), Database::default());
    Ok(Reply::with(201, json!({"data": {"name": name}})))
}

fn delete_database(world: &mut World, call: &Call, id: &str, name: &str) -> Answer {
    find_ready(world, call, id)?;
    find_mut(world, call, id)?.content.databases.remove(name).ok_or_else(no_database)?;
    Ok(data(&json!({"name": name})))
}

fn no_database() -> Refusal {
    refusal(404, "database not found")
}

fn database<'c>(cluster: &'c mut Cluster, name: &str) -> Result<&'c mut Database, Refusal> {
    cluster.content.databases.get_mut(name).ok_or_else(no_database)
}

fn extensions(world: &World, call: &Call, id: &str, name: &str) -> Answer {
    let database = find(world, call, id)?.content.databases.get(name).ok_or_else(no_database)?;
    Ok(data(&database.render_extensions()))
}

fn enable(world: &mut World, call: &Call, id: &str, name: &str) -> Answer {
    let wanted: NewExtension = call.body()?;
    find_ready(world, call, id)?;
    let database = database(find_mut(world, call, id)?, name)?;
    let known = EXTENSIONS.iter().find(|(name, ..)| *name == wanted.name);
    let (extension, .., system) = known.ok_or_else(|| refusal(422, "there is no such extension"))?;
    if *system || database.extensions.contains_key(*extension) {
        return Err(refusal(409, "the extension is enabled already"));
    }
    let schema = wanted.schema.filter(|schema| !schema.is_empty()).unwrap_or_else(|| "public".to_owned());
    database.extensions.insert((*extension).to_owned(), schema);
    Ok(Reply::empty(204))
}

fn disable(world: &mut World, call: &Call, id: &str, name: &str, extension: &str) -> Answer {
    find_ready(world, call, id)?;
    let database = database(find_mut(world, call, id)?, name)?;
    if EXTENSIONS.iter().any(|(name, .., system)| *system && *name == extension) {
        return Err(refusal(422, "the extension cannot be disabled"));
    }
    let removed = database.extensions.remove(extension);
    removed.map(|_| Reply::empty(204)).ok_or_else(|| refusal(404, "extension not found"))
}

fn users(world: &World, call: &Call, id: &str) -> Answer {
    let cluster = find(world, call, id)?;
    Ok(data(&cluster.content.users.iter().map(|(name, user)| json!({"username": name, "role": user.role})).collect()))
}

fn check_role(role: &str) -> Result<(), Refusal> {
    let known = matches!(role, "schema_admin" | "writer" | "reader");
    if known { Ok(()) } else { Err(refusal(422, "role must be schema_admin, writer or reader")) }
}

fn no_user() -> Refusal {
    refusal(404, "user not found")
}

fn create_user(world: &mut World, call: &Call, id: &str) -> Answer {
    let NewUser { username, role } = call.body()?;
    let cluster = find_ready(world, call, id)?;
    check_role(&role)?;
    if !is_name(&username) {
        return Err(refusal(422, "username is not a valid name of a user"));
    }
    if cluster.content.users.contains_key(&username) {
        return Err(refusal(409, "username has already been taken"));
    }
    let user = User { role: role.clone(), password: password(&mut world.ids) };
    find_mut(world, call, id)?.content.users.insert(username.clone(), user);
    Ok(Reply::with(201, json!({"data": {"username": username, "role": role}})))
}

fn change_role(world: &mut World, call: &Call, id: &str, name: &str) -> Answer {
    let NewRole { role } = call.body()?;
    check_role(&role)?;
    find_ready(world, call, id)?;
    find_mut(world, call, id)?.content.users.get_mut(name).ok_or_else(no_user)?.role = role;
    Ok(Reply::empty(204))
}

fn delete_user(world: &mut World, call: &Call, id: &str, name: &str) -> Answer {
    find_ready(world, call, id)?;
    let removed = find_mut(world, call, id)?.content.users.remove(name);
    removed.map(|_| Reply::empty(204)).ok_or_else(no_user)
}

fn shown(name: &str, user: &User) -> Value {
    json!({"username": name, "password": user.password.0})
}

fn credentials(world: &World, call: &Call, id: &str, name: &str) -> Answer {
    let user = find_ready(world, call, id)?.content.users.get(name).ok_or_else(no_user)?;
    Ok(data(&shown(name, user)))
}

fn rotate(world: &mut World, call: &Call, id: &str, name: &str) -> Answer {
    find_living(world, call, id)?;
    find_ready(world, call, id)?;
    let fresh = password(&mut world.ids);
    let user = find_mut(world, call, id)?.content.users.get_mut(name).ok_or_else(no_user)?;
    user.password = fresh;
    Ok(data(&shown(name, user)))
}
