//! A new branch.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::objects;
use super::super::state::{Branch, BranchState, Project, Role, password};
use super::super::work::{Effect, Step};
use super::super::{impossible, invalid};
use super::branches::{check_expiry, check_limit, check_name};
use super::endpoints::{NewEndpoint, make};
use super::{Desk, parse};
use crate::sim::routes::{Answer, Refusal, Reply};
use crate::sim::world::schedule::after;

/// How many notes there may be on a branch.
const MOST_NOTES: usize = 50;

#[derive(Deserialize)]
struct NewBranch {
    #[serde(default)]
    branch: Wanted,
    #[serde(default)]
    endpoints: Vec<NewEndpoint>,
    annotation_value: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Wanted {
    name: Option<String>,
    parent_id: Option<String>,
    parent_lsn: Option<String>,
    parent_timestamp: Option<DateTime<Utc>>,
    #[serde(default)]
    protected: bool,
    #[serde(default)]
    archived: bool,
    init_source: Option<String>,
    expires_at: Option<DateTime<Utc>>,
}

pub(super) fn create(desk: &mut Desk<'_>) -> Answer {
    let wanted: NewBranch = parse(desk.asked)?;
    let source = source(desk, &wanted.branch)?;
    desk.require_rest()?;
    desk.ready_branch(&source)?;
    check(desk, &wanted, &source)?;
    let branch = branch(desk, wanted.branch, wanted.annotation_value, &source)?;
    let id = branch.id.clone();
    let is_copy = branch.parent_id.is_some();
    desk.project.branches.insert(id.clone(), branch);
    let mut steps = vec![Step::branch("create_branch", &id, Effect::BranchIsReady(id.clone()))];
    if !is_copy {
        steps.push(Step::branch("apply_schema_from_branch", &id, Effect::Nothing));
    }
    let mut endpoints = Vec::new();
    for new in &wanted.endpoints {
        let endpoint = make(desk, new, &id)?;
        steps.push(Step::endpoint(
            "start_compute",
            &id,
            &endpoint.id,
            Effect::EndpointIs(endpoint.id.clone(), super::endpoints::STARTED),
        ));
        endpoints.push(endpoint.id.clone());
        desk.project.endpoints.insert(endpoint.id.clone(), endpoint);
    }
    let operations = desk.run(steps);
    let project = &*desk.project;
    let branch = project.branches.get(&id).ok_or_else(|| impossible("the branch is gone"))?;
    let shown = endpoints.iter().filter_map(|id| project.endpoints.get(id));
    let mut answer = json!({
        "branch": objects::branch(project, branch),
        "endpoints": shown.map(|endpoint| objects::endpoint(project, endpoint)).collect::<Vec<_>>(),
        "operations": operations,
        "roles": branch.roles.iter().map(|role| objects::role(branch, role, None)).collect::<Vec<_>>(),
        "databases": branch.databases.iter().map(|one| objects::database(branch, one)).collect::<Vec<_>>(),
    });
    if let Some(uris) = uris(project, branch, endpoints.first())
        && let Some(answer) = answer.as_object_mut()
    {
        answer.insert("connection_uris".to_owned(), uris);
    }
    Ok(Reply::with(201, answer))
}

/// The branch that it is made of: the default branch unless the request says.
fn source(desk: &mut Desk<'_>, wanted: &Wanted) -> Result<String, Refusal> {
    if let Some(id) = &wanted.parent_id {
        return desk.branch(id).map(|branch| branch.id.clone());
    }
    let branch = desk.project.default_branch();
    branch.map(|branch| branch.id.clone()).ok_or_else(|| super::not_found("branch"))
}

/// Whether there may be such a branch.
fn check(desk: &mut Desk<'_>, wanted: &NewBranch, source: &str) -> Result<(), Refusal> {
    let (now, branch) = (desk.now(), &wanted.branch);
    if let Some(name) = &branch.name {
        check_name(desk.project, name, None)?;
    }
    if branch.parent_lsn.is_some() && branch.parent_timestamp.is_some() {
        return Err(invalid("only one of parent_lsn and parent_timestamp can be given"));
    }
    if let Some(at) = branch.parent_timestamp {
        check_moment(desk.project, at, now)?;
    }
    let is_schema_only = match branch.init_source.as_deref() {
        None | Some("parent-data") => false,
        Some("schema-only") => true,
        Some(_) => return Err(invalid("init_source must be parent-data or schema-only")),
    };
    if let Some(at) = branch.expires_at {
        check_expiry(at, now)?;
        if branch.protected {
            return Err(impossible("cannot set expiration on a default, protected or parent branch"));
        }
    }
    if !is_schema_only && desk.branch(source)?.expires_at.is_some() {
        return Err(impossible("cannot create a child branch of a branch with expiration"));
    }
    if wanted.annotation_value.as_ref().is_some_and(|notes| notes.len() > MOST_NOTES) {
        return Err(invalid("annotation_value must have at most 50 properties"));
    }
    if wanted.endpoints.iter().filter(|endpoint| endpoint.is_read_write()).count() > 1 {
        return Err(impossible("read_write endpoint already exists for the branch"));
    }
    let project = &*desk.project;
    let limits = &project.limits;
    check_limit(limits.branches, project.branches.len(), "BRANCHES_LIMIT_EXCEEDED", "branches limit exceeded")?;
    if is_schema_only {
        let roots = project.branches.values().filter(|branch| branch.parent_id.is_none()).count();
        let code = "ROOT_BRANCHES_LIMIT_EXCEEDED";
        check_limit(limits.root_branches, roots, code, "root branches limit exceeded")?;
    }
    if branch.protected {
        let protected = project.branches.values().filter(|branch| branch.protected).count();
        let code = "BRANCHES_PROTECTED_LIMIT_EXCEEDED";
        check_limit(limits.protected_branches, protected, code, "protected branches limit exceeded")?;
    }
    super::endpoints::check_all(desk, &wanted.endpoints)
}

/// Whether the project still knows how it was then.
pub(super) fn check_moment(project: &Project, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Refusal> {
    if at > now {
        return Err(impossible("the timestamp is in the future"));
    }
    if at < project.history_begins(now) {
        return Err(impossible("the timestamp is outside the history window of the project"));
    }
    Ok(())
}

fn branch(
    desk: &mut Desk<'_>,
    wanted: Wanted,
    annotation: Option<BTreeMap<String, String>>,
    source: &str,
) -> Result<Branch, Refusal> {
    let now = desk.now();
    let source = desk.branch(source)?.clone();
    let id = desk.ids.neon("br");
    let name = wanted.name.unwrap_or_else(|| id.clone());
    let mut branch = Branch::new(&id, &name, now);
    branch.pending = Some(BranchState::Ready);
    branch.visible_from = after(now, desk.times.missing_after_create);
    (branch.protected, branch.archived, branch.annotation) = (wanted.protected, wanted.archived, annotation);
    branch.expires_at = wanted.expires_at;
    branch.ttl_seconds = wanted.expires_at.map(|at| (at - now).num_seconds());
    if wanted.init_source.as_deref() == Some("schema-only") {
        "schema-only".clone_into(&mut branch.init_source);
    } else {
        branch.parent_id = Some(source.id.clone());
        branch.parent_lsn = Some(wanted.parent_lsn.unwrap_or_else(|| format!("0/{}", desk.ids.hex(7).to_uppercase())));
        branch.parent_timestamp = Some(wanted.parent_timestamp.unwrap_or(now));
    }
    (branch.roles, branch.databases) = inherited(desk, &source);
    Ok(branch)
}

/// Roles and databases as they are in `source`, with its passwords; those of a protected branch stay there.
pub(super) fn inherited(desk: &mut Desk<'_>, source: &Branch) -> (Vec<Role>, Vec<super::super::state::Database>) {
    let (mut roles, mut databases) = (source.roles.clone(), source.databases.clone());
    for role in roles.iter_mut().filter(|_| source.protected) {
        role.password = password(desk.ids);
    }
    for database in &mut databases {
        database.id = desk.project.next_database();
    }
    (roles, databases)
}

/// How to connect, which is told only where there is no choice.
fn uris(project: &Project, branch: &Branch, endpoint: Option<&String>) -> Option<Value> {
    let ([role], [database]) = (branch.roles.as_slice(), branch.databases.as_slice()) else { return None };
    let endpoint = endpoint?;
    Some(json!([{
        "connection_uri": objects::uri(project, endpoint, role, &database.name, false),
        "connection_parameters": {
            "database": database.name,
            "password": role.password,
            "role": role.name,
            "host": project.host(endpoint, false),
            "pooler_host": project.host(endpoint, true),
        },
    }]))
}
