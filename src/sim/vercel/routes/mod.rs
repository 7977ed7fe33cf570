//! The routes of Vercel's API. Each one is a plain function from what Vercel holds and a request to an answer.

mod aliases;
mod deployments;
mod domains;
mod env;
mod env_item;
mod people;
mod production;
mod projects;

use serde_json::{Map, Value};

use super::state::{Project, Vercel};
use super::{Asked, bad_request, problem};
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Refusal};
use crate::sim::world::ids::Ids;

/// Answers the request to `path`, which has no version any more.
pub(super) fn route(vercel: &mut Vercel, asked: &Asked<'_>, path: &[&str]) -> Answer {
    use Method::{Delete, Get, Patch, Post};
    if !asked.is_read() {
        asked.caller.may_write(kind_of(path))?;
    }
    match (asked.call.method, path) {
        (Get, ["user"]) => Ok(people::user(asked)),
        (Get, ["user", "tokens", _]) => Ok(people::token(asked)),
        (Get, ["teams"]) => Ok(people::teams(asked)),
        (Get, ["teams", team]) => people::team(asked, team),

        (Get, ["projects"]) => projects::list(vercel, asked),
        (Get, ["projects", project]) => projects::get(vercel, asked, project),
        (Get, ["projects", project, "custom-environments"]) => projects::custom_environments(vercel, asked, project),
        (Patch, ["projects", project, "protection-bypass"]) => projects::bypass(vercel, asked, project),

        (Get, ["projects", project, "env"]) => env::list(vercel, asked, project),
        (Post, ["projects", project, "env"]) => env::create(vercel, asked, project),
        (Delete, ["projects", project, "env"]) => env::delete_many(vercel, asked, project),
        (Get, ["projects", project, "env", id]) => env::get(vercel, asked, project, id),
        (Patch, ["projects", project, "env", id]) => env::edit(vercel, asked, project, id),
        (Delete, ["projects", project, "env", id]) => env::delete(vercel, asked, project, id),
        (Get, ["env", "pull", project, environment, branch @ ..]) => {
            env::pull(vercel, asked, project, environment, &branch.join("/"))
        }

        (Get, ["projects", project, "domains"]) => domains::list(vercel, asked, project),
        (Post, ["projects", project, "domains"]) => domains::add(vercel, asked, project),
        (Get, ["projects", project, "domains", name]) => domains::get(vercel, asked, project, name),
        (Patch, ["projects", project, "domains", name]) => domains::edit(vercel, asked, project, name),
        (Delete, ["projects", project, "domains", name]) => domains::remove(vercel, asked, project, name),
        (Post, ["projects", project, "domains", name, "verify"]) => domains::verify(vercel, asked, project, name),
        (Post, ["projects", project, "alias"]) => domains::add_old(vercel, asked, project),
        (Get, ["domains"]) => Ok(domains::registered(vercel, asked)),
        (Get, ["domains", name]) => domains::registered_one(vercel, asked, name),
        (Delete, ["domains", name]) => domains::remove_registered(vercel, asked, name),
        (Get, ["domains", name, "config"]) => Ok(domains::config(vercel, name)),
        (Get, ["domains", name, "project-domains"]) => domains::in_projects(vercel, asked, name),
        // Nothing is sold here; the command line asks before it shows a domain, and again and again where it is told of an error.
        (Get, ["registrar", "domains", name, "price"]) => Err(domains::no_price(name)),

        (Get, ["deployments"]) => deployments::list(vercel, asked),
        (Post, ["deployments"]) => deployments::create(vercel, asked),
        (Get, ["deployments", id]) => deployments::get(vercel, asked, id),
        (Delete, ["deployments", id]) => deployments::delete(vercel, asked, id),
        (Patch, ["deployments", id, "cancel"]) => deployments::cancel(vercel, asked, id),
        (Get, ["deployments", id, "events"]) => deployments::events(vercel, asked, id),
        (Get, ["deployments", id, "builds"]) => deployments::builds(vercel, asked, id),

        (Get, ["deployments", id, "aliases"]) => aliases::of_deployment(vercel, asked, id),
        (Post, ["deployments", id, "aliases"]) => aliases::assign(vercel, asked, id),
        (Get, ["aliases"]) => aliases::list(vercel, asked),
        (Get, ["aliases", id]) => aliases::get(vercel, asked, id),
        (Delete, ["aliases", id]) => aliases::remove(vercel, asked, id),

        (Post, ["projects", project, "promote", deployment]) => production::promote(vercel, asked, project, deployment),
        (Get, ["projects", project, "promote", "aliases"]) => production::aliases(vercel, asked, project),
        (Post, ["projects", project, "rollback", deployment]) => {
            production::roll_back(vercel, asked, project, deployment)
        }
        _ => Err(not_simulated(asked)),
    }
}

/// What a write is about, as tokens are denied it.
fn kind_of(path: &[&str]) -> &'static str {
    match path {
        ["projects", _, "env", ..] | ["env", ..] => "env",
        ["projects", _, "domains" | "alias", ..] | ["domains", ..] => "domains",
        ["projects", _, "protection-bypass"] => "protection",
        ["projects", _, "promote" | "rollback", ..] => "production",
        ["deployments", _, "aliases"] | ["aliases", ..] => "aliases",
        ["deployments", ..] => "deployments",
        _ => "projects",
    }
}

/// The project of this id or name, which a scope without it denies.
fn find<'v>(vercel: &'v Vercel, asked: &Asked<'_>, project: &str) -> Result<&'v Project, Refusal> {
    let team = asked.team.as_deref();
    team.and_then(|team| vercel.find(team, project)).ok_or_else(no_project)
}

/// The same, to be changed.
fn change<'v>(
    vercel: &'v mut Vercel,
    asked: &Asked<'_>,
    project: &str,
) -> Result<(&'v mut Project, &'v mut Ids), Refusal> {
    let team = asked.team.as_deref();
    team.and_then(|team| vercel.change(team, project)).ok_or_else(no_project)
}

fn no_project() -> Refusal {
    problem(404, "not_found", "Project not found.").into()
}

/// The body as an object with no other properties than these.
fn fields(asked: &Asked<'_>, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    match body(asked)? {
        Value::Object(fields) => {
            check_fields(&fields, known)?;
            Ok(fields)
        }
        _ => Err(bad_request("Invalid request: should be object.")),
    }
}

/// The body; nothing counts as an empty object.
fn body(asked: &Asked<'_>) -> Result<Value, Refusal> {
    let bytes: &[u8] = match asked.call.body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    serde_json::from_slice(bytes).map_err(|_not_json| bad_request("Invalid JSON"))
}

fn check_fields(fields: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(bad_request(&format!("Invalid request: should NOT have additional property `{name}`."))),
        None => Ok(()),
    }
}

/// A text among the fields of a body; `null` and nothing are the same.
fn text<'f>(fields: &'f Map<String, Value>, name: &str) -> Result<Option<&'f str>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad_request(&format!("Invalid request: `{name}` should be string."))),
    }
}

/// A text that has to be there.
fn required<'f>(fields: &'f Map<String, Value>, name: &str) -> Result<&'f str, Refusal> {
    let missing = || bad_request(&format!("Invalid request: missing required property `{name}`."));
    text(fields, name)?.ok_or_else(missing)
}

/// 501: a client must never take an answer of the simulator's ignorance for one of Vercel.
fn not_simulated(asked: &Asked<'_>) -> Refusal {
    let (method, path) = (asked.call.method.as_str(), asked.call.segments.join("/"));
    problem(501, "not_implemented", &format!("not implemented: the simulator has no {method} /{path}")).into()
}
