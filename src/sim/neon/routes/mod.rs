//! The routes of Neon's API. Each one is a plain function from what Neon holds and a request to an answer.

mod account;
mod branches;
mod create;
mod endpoints;
mod restore;
mod roles;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::setup::{NeonAccess, NeonTimes};
use super::state::{Branch, BranchState, Neon, Project};
use super::work::Step;
use super::{Asked, impossible, invalid, not_found, objects, problem};
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Refusal, Reply};
use crate::sim::world::ids::Ids;

/// Answers the request to `path`, which is below `/api/v2`.
pub(super) fn route(neon: &mut Neon, asked: &Asked<'_>, path: &[&str]) -> Answer {
    use Method::Get;
    match (asked.call.method, path) {
        (Get, ["auth"]) => Ok(account::auth(asked)),
        (Get, ["users", "me"]) => account::me(asked),
        (Get, ["users", "me", "organizations"]) => Ok(account::organizations(neon, asked)),
        (Get, ["regions"]) => Ok(account::regions()),
        (Get, ["projects"]) => account::projects(neon, asked),
        (_, ["projects", id, below @ ..]) => {
            let known = neon.projects.get(*id).filter(|_| asked.caller.sees(id));
            let project = known.ok_or_else(|| not_found("project"))?;
            if asked.call.method.is_read() {
                return read(project, asked, below);
            }
            if below.is_empty() {
                return Err(not_simulated(asked));
            }
            asked.caller.require(NeonAccess::CanEdit)?;
            let (project, ids, times) = neon.change(id).ok_or_else(|| not_found("project"))?;
            write(&mut Desk { project, ids, times: &times, asked }, below)
        }
        _ => Err(not_simulated(asked)),
    }
}

fn read(project: &Project, asked: &Asked<'_>, below: &[&str]) -> Answer {
    match below {
        [] => Ok(Reply::ok(json!({"project": objects::project(project)}))),
        ["operations"] => account::operations(project, asked),
        ["operations", id] => account::operation(project, asked, id),
        ["connection_uri"] => roles::connection_uri(project, asked),
        ["branches"] => branches::list(project, asked),
        ["branches", "count"] => Ok(branches::count(project, asked)),
        ["branches", id] => branches::get(project, asked, id),
        ["branches", id, "endpoints"] => endpoints::of_branch(project, asked, id),
        ["branches", id, "roles"] => roles::list(project, asked, id),
        ["branches", id, "roles", name] => roles::get(project, asked, id, name),
        ["branches", id, "roles", name, "reveal_password"] => roles::reveal(project, asked, id, name),
        ["branches", id, "databases"] => roles::databases(project, asked, id),
        ["branches", id, "databases", name] => roles::database(project, asked, id, name),
        ["endpoints"] => Ok(endpoints::list(project)),
        ["endpoints", id] => endpoints::get(project, id),
        _ => Err(not_simulated(asked)),
    }
}

fn write(desk: &mut Desk<'_>, below: &[&str]) -> Answer {
    use Method::{Delete, Patch, Post};
    match (desk.asked.call.method, below) {
        (Post, ["branches"]) => create::create(desk),
        (Patch, ["branches", id]) => branches::update(desk, id),
        (Delete, ["branches", id]) => branches::delete(desk, id),
        (Post, ["branches", id, "set_as_default"]) => branches::set_as_default(desk, id),
        (Post, ["branches", id, "restore"]) => restore::restore(desk, id),
        (Post, ["branches", id, "reset_to_parent"]) => restore::reset_to_parent(desk, id),
        (Post, ["branches", id, "roles"]) => roles::create(desk, id),
        (Delete, ["branches", id, "roles", name]) => roles::delete(desk, id, name),
        (Post, ["branches", id, "roles", name, "reset_password"]) => roles::reset_password(desk, id, name),
        (Post, ["branches", id, "databases"]) => roles::create_database(desk, id),
        (Delete, ["branches", id, "databases", name]) => roles::delete_database(desk, id, name),
        (Post, ["endpoints"]) => endpoints::create(desk),
        (Patch, ["endpoints", id]) => endpoints::update(desk, id),
        (Delete, ["endpoints", id]) => endpoints::delete(desk, id),
        (Post, ["endpoints", id, action @ ("start" | "suspend" | "restart")]) => endpoints::act(desk, id, action),
        _ => Err(not_simulated(desk.asked)),
    }
}

/// A project that is about to be changed.
struct Desk<'a> {
    project: &'a mut Project,
    ids: &'a mut Ids,
    times: &'a NeonTimes,
    asked: &'a Asked<'a>,
}

impl Desk<'_> {
    const fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.asked.call.now
    }

    /// Refuses while operations of the project run.
    fn require_rest(&self) -> Result<(), Refusal> {
        if !self.project.is_busy() {
            return Ok(());
        }
        let text = "project already has running conflicting operations, scheduling of new ones is prohibited";
        Err(problem(423, "", text).into())
    }

    /// The branch with this id, which something is about to be done with.
    fn branch(&mut self, id: &str) -> Result<&mut Branch, Refusal> {
        self.project.branches.get_mut(id).ok_or_else(|| not_found("branch"))
    }

    /// The same, if it is ready for that.
    fn ready_branch(&mut self, id: &str) -> Result<&mut Branch, Refusal> {
        let branch = self.branch(id)?;
        if matches!(branch.state, BranchState::Init | BranchState::Resetting) {
            return Err(impossible("branch not ready yet"));
        }
        Ok(branch)
    }

    /// Lets operations run, and shows them.
    fn run(&mut self, steps: Vec<Step>) -> Value {
        let now = self.now();
        let begun = self.project.run(steps, self.ids, self.times, now);
        let is_begun = |id: &String| begun.contains(id);
        let operations = self.project.operations.iter().filter(|operation| is_begun(&operation.id));
        operations.map(|operation| objects::operation(self.project, operation, now)).collect()
    }

    /// A branch with the operations that run on it.
    fn shown(&self, status: u16, id: &str, operations: &Value) -> Answer {
        let branch = self.project.branches.get(id).ok_or_else(|| not_found("branch"))?;
        let body = json!({"branch": objects::branch(self.project, branch), "operations": operations});
        Ok(Reply::with(status, body))
    }
}

/// The body as `T`; an empty one counts as `{}`.
fn parse<T: DeserializeOwned>(asked: &Asked<'_>) -> Result<T, Refusal> {
    let body: &[u8] = match asked.call.body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    serde_json::from_slice(body).map_err(|error| invalid(&format!("invalid request body: {error}")))
}

/// The branch with this id, if it can be seen already.
fn visible<'p>(project: &'p Project, asked: &Asked<'_>, id: &str) -> Result<&'p Branch, Refusal> {
    let branch = project.branches.get(id).filter(|branch| branch.visible_from <= asked.call.now);
    branch.ok_or_else(|| not_found("branch"))
}

/// 501: a client must never take an answer of the simulator's ignorance for one of Neon.
fn not_simulated(asked: &Asked<'_>) -> Refusal {
    let path = asked.call.segments.join("/");
    let method = asked.call.method.as_str();
    problem(501, "", &format!("not implemented: {method} /{path} is not simulated")).into()
}
