//! Deployments.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::deployment::{Deployment, NewDeployment, Source};
use super::super::git::meta_of;
use super::super::objects::millis;
use super::super::objects_deployment::{events as events_of, row, whole};
use super::super::pages::page;
use super::super::state::{Project, Vercel};
use super::super::{Asked, bad_request, problem, problem_with};
use super::{change, fields, find, required, text};
use crate::sim::routes::{Answer, Refusal, Reply};

/// What a new deployment can have in a request.
const FIELDS: [&str; 14] = [
    "name",
    "project",
    "target",
    "deploymentId",
    "gitSource",
    "gitMetadata",
    "meta",
    "files",
    "projectSettings",
    "withLatestCommit",
    "customEnvironmentSlugOrId",
    "monorepoManager",
    "buildMachine",
    "gitAccessToken",
];

/// Newest first.
pub(super) fn list(vercel: &Vercel, asked: &Asked<'_>) -> Answer {
    let is = |name: &str| asked.call.query(name).filter(|text| !text.is_empty());
    let states = asked.call.query_list("state");
    let project = is("projectId").map(|id| find(vercel, asked, id)).transpose()?.map(|project| project.id.clone());
    let team = asked.team.as_deref().unwrap_or_default();
    let metas: Vec<(&str, &str)> = asked
        .call
        .query
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("meta-")?, value.as_str())))
        .collect();
    let fits = |project_of: &Project, one: &Deployment| {
        let state = one.state(asked.now).as_str();
        let is_in_state = if states.is_empty() { state != "DELETED" } else { states.contains(&state) };
        is_in_state
            && project.as_ref().is_none_or(|id| *id == project_of.id)
            && is("app").is_none_or(|name| name == project_of.name)
            && is("branch").is_none_or(|branch| one.branch() == Some(branch))
            && is("sha").is_none_or(|sha| one.git.as_ref().is_some_and(|git| git.sha == sha))
            && is("target").is_none_or(|target| is_for(project_of, one, target))
            && metas.iter().all(|(name, value)| one.meta.get(*name).is_some_and(|known| known == value))
    };
    let rows = vercel.of_team(team).flat_map(|project| project.deployments.iter().rev().map(move |one| (project, one)));
    let rows = rows.filter(|(project, one)| one.created_at <= asked.now && fits(project, one));
    let (rows, pagination) = page(asked, rows, |(_, one)| one.created_at)?;
    let rows: Vec<Value> = rows.into_iter().map(|(project, one)| row(asked, project, one)).collect();
    Ok(Reply::ok(json!({"deployments": rows, "pagination": pagination})))
}

/// Whether a deployment is for this target: `preview`, `production`, or a custom environment by its id or slug.
fn is_for(project: &Project, one: &Deployment, target: &str) -> bool {
    match &one.environment {
        Some(id) => project.environment(target).is_some_and(|known| known.id == *id),
        None => one.target.as_deref().unwrap_or("preview") == target,
    }
}

pub(super) fn get(vercel: &Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, found) = there(vercel, asked, id)?;
    Ok(Reply::ok(whole(asked, project, found)))
}

/// A deployment that was not deleted.
pub(super) fn there<'v>(
    vercel: &'v Vercel,
    asked: &Asked<'_>,
    id: &str,
) -> Result<(&'v Project, &'v Deployment), Refusal> {
    let team = asked.team.as_deref().unwrap_or_default();
    let found = vercel.deployment(team, id, asked.now);
    found.filter(|(_, one)| one.deleted_at.is_none()).ok_or_else(|| no_deployment(id))
}

pub(super) fn no_deployment(id: &str) -> Refusal {
    problem(404, "not_found", &format!("The deployment \"{id}\" can't be found under the context.")).into()
}

/// From a commit of the connected repository, from an earlier deployment, or from files that are sent along.
pub(super) fn create(vercel: &mut Vercel, asked: &Asked<'_>) -> Answer {
    let wanted = fields(asked, &FIELDS)?;
    let name = required(&wanted, "name")?;
    let target = text(&wanted, "target")?.map(str::to_owned);
    let mut meta = texts_by_name(&wanted, "meta");
    let custom = text(&wanted, "customEnvironmentSlugOrId")?;
    let (project, mut new) = if let Some(id) = text(&wanted, "deploymentId")? {
        let (project, old) = there(vercel, asked, id)?;
        let mut inherited = old.meta.clone();
        inherited.extend(meta);
        inherited.insert("originalDeploymentId".to_owned(), old.id.clone());
        let source = if asked.call.flag("forceNew") { "redeploy" } else { "import" };
        let target = target.or_else(|| old.target.clone());
        let mut new = new_deployment(asked, source, target, old.git.clone(), inherited);
        new.environment.clone_from(&old.environment);
        (project.id.clone(), new)
    } else {
        let project = find(vercel, asked, text(&wanted, "project")?.unwrap_or(name))?;
        let git = match wanted.get("gitSource").and_then(Value::as_object) {
            Some(source) => Some(commit(asked, source)?),
            None => None,
        };
        let source = match (&git, wanted.get("files")) {
            (Some(git), _) => {
                let mut known = meta_of(git);
                known.extend(meta);
                meta = known;
                "api-trigger-git-deploy"
            }
            (None, Some(Value::Array(files))) => {
                check_files(files)?;
                "cli"
            }
            _ => return Err(problem(400, "missing_files", "Missing files").into()),
        };
        (project.id.clone(), new_deployment(asked, source, target, git, meta))
    };
    if let Some(custom) = custom {
        let known = find(vercel, asked, &project)?.environment(custom).map(|known| known.id.clone());
        let text = format!("The custom environment \"{custom}\" was not found.");
        new.environment = Some(known.ok_or_else(|| bad_request(&text))?);
    }
    let plan = asked.config.vercel_plan(asked.team.as_deref().unwrap_or_default());
    let mut left = Vec::new();
    if asked.config.rate_limits {
        left = vercel.usage.count_deployment(asked.team.as_deref().unwrap_or_default(), plan, asked.now)?;
    }
    let (changed, ids) = change(vercel, asked, &project)?;
    let id = changed.deploy(ids, new, asked.now, &asked.config.vercel_times);
    let mut reply = get(vercel, asked, &id)?;
    reply.headers.extend(left);
    Ok(reply)
}

fn new_deployment(
    asked: &Asked<'_>,
    source: &'static str,
    target: Option<String>,
    git: Option<Source>,
    meta: BTreeMap<String, String>,
) -> NewDeployment {
    let target = target.filter(|target| target != "preview");
    NewDeployment { source, target, environment: None, creator: asked.caller.user_id(), git, meta }
}

/// Blobs that were uploaded before are not simulated: none of them is there.
fn check_files(files: &[Value]) -> Result<(), Refusal> {
    let missing: Vec<&Value> = files.iter().filter_map(|file| file.get("sha")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(problem_with(400, "missing_files", "Missing files", json!({ "missing": missing })).into())
}

/// The commit that a `gitSource` names: by owner and name or by number, and by branch or hash.
fn commit(asked: &Asked<'_>, source: &Map<String, Value>) -> Result<Source, Refusal> {
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let git = match source.get("repoId").and_then(number) {
        Some(id) => asked.github.git_by_id(id),
        None => asked.github.git(&format!("{}/{}", required(source, "org")?, required(source, "repo")?)),
    };
    let git = git.ok_or_else(|| bad_request("The Git repository was not found, or cannot be seen."))?;
    let reference = required(source, "ref")?;
    let branch = git.branch(reference);
    let sha = text(source, "sha")?.or(branch).unwrap_or(reference);
    let found = git.commit(sha).filter(|_| branch.is_some() || sha == reference);
    let found = found.ok_or_else(|| {
        let text = format!("Branch \"{reference}\" not found in the connected Git repository.");
        problem(400, "git_branch_not_found", &text)
    })?;
    Ok(Source {
        repo_id: git.id,
        org: git.owner.to_owned(),
        repo: git.name.to_owned(),
        branch: reference.to_owned(),
        sha: sha.to_owned(),
        message: found.message.clone(),
        author: found.author.clone(),
        pull: git.pull_of(reference),
    })
}

fn texts_by_name(wanted: &Map<String, Value>, name: &str) -> BTreeMap<String, String> {
    let map = wanted.get(name).and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

pub(super) fn cancel(vercel: &mut Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, found) = there(vercel, asked, id)?;
    if !found.state(asked.now).is_under_way() {
        return Err(bad_request("The deployment is not building, so it cannot be canceled."));
    }
    let (project, id) = (project.id.clone(), found.id.clone());
    let (changed, _) = change(vercel, asked, &project)?;
    if let Some(found) = changed.find_deployment(&id) {
        found.canceled_at = Some(asked.now);
    }
    get(vercel, asked, &id)
}

/// It is gone for everybody who asks for it, and so are the aliases that led to it.
pub(super) fn delete(vercel: &mut Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, found) = there(vercel, asked, id)?;
    let (project, id) = (project.id.clone(), found.id.clone());
    let (changed, _) = change(vercel, asked, &project)?;
    changed.aliases.retain(|_, alias| alias.deployment != id);
    if let Some(found) = changed.find_deployment(&id) {
        found.deleted_at = Some(asked.now);
    }
    Ok(Reply::ok(json!({"uid": id, "state": "DELETED"})))
}

/// The build log. With `limit` the first or, backwards, the last lines.
pub(super) fn events(vercel: &Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (_, found) = there(vercel, asked, id)?;
    let mut events = events_of(found, asked.now);
    if asked.call.query("direction") == Some("backward") {
        events.reverse();
    }
    let limit = asked.call.query("limit").and_then(|limit| limit.parse::<i64>().ok()).unwrap_or(-1);
    if let Ok(limit) = usize::try_from(limit) {
        events.truncate(limit);
    }
    Ok(Reply::ok(Value::Array(events)))
}

pub(super) fn builds(vercel: &Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (_, found) = there(vercel, asked, id)?;
    let state = found.state(asked.now).as_str();
    Ok(Reply::ok(json!({"builds": [{
        "id": "bld_simulated",
        "deploymentId": found.id,
        "entrypoint": ".",
        "readyState": state,
        "readyStateAt": millis(found.ended_at),
        "createdAt": millis(found.created_at),
        "use": "@vercel/static-build",
        "output": [],
    }]})))
}
