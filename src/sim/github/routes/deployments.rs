//! Deployments, their statuses, and environments.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::access::GithubAccess;
use super::super::feedback::{Deployment, DeploymentStatus};
use super::super::objects::Objects;
use super::super::pages::page;
use super::super::state::{Github, Repo};
use super::super::{Asked, invalid, problem};
use super::feedback::{check_description, parse};
use super::not_found;
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Refusal, Reply};

#[derive(Deserialize)]
struct NewDeployment {
    #[serde(rename = "ref")]
    reference: String,
    task: Option<String>,
    auto_merge: Option<bool>,
    required_contexts: Option<Vec<String>>,
    payload: Option<Value>,
    environment: Option<String>,
    description: Option<String>,
    #[serde(default)]
    transient_environment: bool,
    production_environment: Option<bool>,
}

#[derive(Deserialize)]
struct NewStatus {
    state: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    environment_url: String,
    #[serde(default)]
    log_url: String,
    auto_inactive: Option<bool>,
}

/// What is below a repository; `None` if it is not about any of this.
pub(super) fn route(github: &mut Github, asked: &Asked<'_>, full_name: &str, below: &[&str]) -> Option<Answer> {
    use Method::{Delete, Get, Post};
    let (repo, _) = github.change(full_name)?;
    Some(match (asked.call.method, below) {
        (Get, ["deployments"]) => Ok(list(repo, asked)),
        (Post, ["deployments"]) => create(repo, asked),
        (Get, ["deployments", id]) => {
            find(repo, id).map(|found| Reply::ok(Objects::new(&asked.base).deployment(repo, found)))
        }
        (Delete, ["deployments", id]) => delete(repo, asked, id),
        (Get, ["deployments", id, "statuses"]) => statuses(repo, asked, id),
        (Post, ["deployments", id, "statuses"]) => set_status(repo, asked, id),
        (Get, ["environments"]) => Ok(environments(repo, asked)),
        (Get, ["environments", name]) => environment(repo, asked, name),
        (Delete, ["environments", name]) => delete_environment(repo, asked, name),
        _ => return None,
    })
}

fn find<'r>(repo: &'r Repo, id: &str) -> Result<&'r Deployment, Refusal> {
    id.parse().ok().and_then(|id: u64| repo.feedback.deployments.get(&id)).ok_or_else(not_found)
}

/// Newest first.
fn list(repo: &Repo, asked: &Asked<'_>) -> Reply {
    let is = |name, value: &str| asked.call.query(name).is_none_or(|wanted| wanted == value || wanted == "none");
    let wanted = |one: &&Deployment| {
        is("sha", &one.sha) && is("ref", &one.reference) && is("task", &one.task) && is("environment", &one.environment)
    };
    let deployments: Vec<&Deployment> = repo.feedback.deployments.values().rev().filter(wanted).collect();
    let objects = Objects::new(&asked.base);
    page(asked, repo, "deployments", &deployments, |one| objects.deployment(repo, one))
}

fn create(repo: &mut Repo, asked: &Asked<'_>) -> Answer {
    asked.caller.require(repo, GithubAccess::Write)?;
    let wanted: NewDeployment = parse(asked)?;
    let no_ref = || problem(422, &format!("No ref found for: {}", wanted.reference));
    let sha = repo.resolve(&wanted.reference).map(str::to_owned).ok_or_else(no_ref)?;
    if wanted.auto_merge.unwrap_or(true) && repo.is_behind(&wanted.reference) {
        let text = format!("Auto-merged {} into {} on deployment.", repo.default_branch, wanted.reference);
        return Ok(Reply::with(202, json!({"message": text})));
    }
    let latest = repo.feedback.latest(&sha);
    let is_required =
        |context: &str| wanted.required_contexts.as_ref().is_none_or(|all| all.iter().any(|one| one == context));
    if latest.iter().any(|status| status.state != "success" && is_required(&status.context)) {
        return Err(problem(409, &format!("Conflict: Commit status checks failed for {}.", wanted.reference)).into());
    }
    let environment = wanted.environment.unwrap_or_else(|| "production".to_owned());
    let payload = wanted.payload.unwrap_or_else(|| json!({}));
    let deployment = Deployment {
        id: repo.feedback.next_id(),
        reference: wanted.reference,
        sha,
        task: wanted.task.unwrap_or_else(|| "deploy".to_owned()),
        production: wanted.production_environment.unwrap_or(environment == "production"),
        environment: environment.clone(),
        description: wanted.description,
        payload: payload.to_string(),
        transient: wanted.transient_environment,
        creator: asked.caller.actor()?.to_owned(),
        at: asked.call.now,
        statuses: Vec::new(),
    };
    repo.feedback.environments.entry(environment).or_insert(asked.call.now);
    let shown = Objects::new(&asked.base).deployment(repo, &deployment);
    repo.feedback.deployments.insert(deployment.id, deployment);
    Ok(Reply::with(201, shown))
}

fn delete(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    asked.caller.require(repo, GithubAccess::Write)?;
    let found = find(repo, id)?;
    let id = found.id;
    let mut others = repo.feedback.deployments.values().filter(|other| other.id != id);
    let has_others = others.any(|other| other.environment == found.environment);
    if has_others && found.state() != "inactive" {
        let text = "We cannot delete an active deployment unless it is the only deployment in a given environment.";
        return Err(problem(422, text).into());
    }
    repo.feedback.deployments.remove(&id);
    Ok(Reply::empty(204))
}

/// Newest first.
fn statuses(repo: &Repo, asked: &Asked<'_>, id: &str) -> Answer {
    let deployment = find(repo, id)?;
    let statuses: Vec<&DeploymentStatus> = deployment.statuses.iter().rev().collect();
    let objects = Objects::new(&asked.base);
    let below = format!("deployments/{}/statuses", deployment.id);
    Ok(page(asked, repo, &below, &statuses, |status| objects.deployment_status(repo, deployment, status)))
}

fn set_status(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    asked.caller.require(repo, GithubAccess::Write)?;
    let deployment = find(repo, id)?.clone();
    let wanted: NewStatus = parse(asked)?;
    let known = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
    if !known.contains(&wanted.state.as_str()) {
        return Err(invalid("DeploymentStatus", "state", "custom").into());
    }
    check_description(Some(&wanted.description))?;
    let actor = asked.caller.actor()?.to_owned();
    let said = DeploymentStatus {
        id: repo.feedback.next_id(),
        state: wanted.state,
        description: wanted.description,
        environment_url: wanted.environment_url,
        log_url: wanted.log_url,
        creator: actor.clone(),
        at: asked.call.now,
    };
    if said.state == "success" && wanted.auto_inactive.unwrap_or(true) {
        // Only those that are neither transient nor in production retire by themselves.
        repo.feedback.retire(&actor, asked.call.now, |other| {
            other.id < deployment.id
                && other.environment == deployment.environment
                && !other.transient
                && !other.production
        });
    }
    let shown = Objects::new(&asked.base).deployment_status(repo, &deployment, &said);
    if let Some(deployment) = repo.feedback.deployments.get_mut(&deployment.id) {
        deployment.statuses.push(said);
    }
    Ok(Reply::with(201, shown))
}

fn environments(repo: &Repo, asked: &Asked<'_>) -> Reply {
    let objects = Objects::new(&asked.base);
    let shown = repo.feedback.environments.iter().map(|(name, since)| objects.environment(repo, name, *since));
    let shown: Vec<Value> = shown.collect();
    Reply::ok(json!({"total_count": shown.len(), "environments": shown}))
}

fn environment(repo: &Repo, asked: &Asked<'_>, name: &str) -> Answer {
    let since = repo.feedback.environments.get(name).ok_or_else(not_found)?;
    Ok(Reply::ok(Objects::new(&asked.base).environment(repo, name, *since)))
}

fn delete_environment(repo: &mut Repo, asked: &Asked<'_>, name: &str) -> Answer {
    asked.caller.require(repo, GithubAccess::Admin)?;
    repo.feedback.environments.remove(name).ok_or_else(not_found)?;
    let actor = asked.caller.actor()?.to_owned();
    repo.feedback.retire(&actor, asked.call.now, |one| one.environment == name);
    Ok(Reply::empty(204))
}
