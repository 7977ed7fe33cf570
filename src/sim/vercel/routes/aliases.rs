//! Aliases: those that Vercel assigns by itself, domains, and those that somebody has assigned.

use serde_json::{Value, json};

use super::super::deployment::{Deployment, ReadyState};
use super::super::objects_deployment::{alias, alias_since, alias_uid, listed_alias};
use super::super::pages::page;
use super::super::state::{Alias, Project, Vercel, unassigned};
use super::super::{Asked, problem, problem_with};
use super::deployments::there;
use super::{change, fields, required};
use crate::sim::routes::{Answer, Refusal, Reply};

pub(super) fn of_deployment(vercel: &Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, one) = there(vercel, asked, id)?;
    let shown: Vec<Value> = project.hosts_of(one, asked.now).iter().map(|host| alias(project, one, host)).collect();
    Ok(Reply::ok(json!({ "aliases": shown })))
}

/// Assigns a host to a deployment, also one that leads to another. 409 says that it leads to this one already.
pub(super) fn assign(vercel: &mut Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let wanted = fields(asked, &["alias", "redirect"])?;
    let host = required(&wanted, "alias")?.to_owned();
    if !host.contains('.') {
        return Err(problem(400, "invalid_alias", &format!("The alias \"{host}\" is not valid.")).into());
    }
    let (project, one) = there(vercel, asked, id)?;
    if one.state(asked.now) != ReadyState::Ready {
        return Err(problem(400, "deployment_not_ready", "The deployment is not ready.").into());
    }
    if project.hosts_of(one, asked.now).contains(&host) {
        let extra = json!({"uid": alias_uid(&host), "alias": host});
        let text = format!("The alias {host} is already assigned to this deployment.");
        return Err(problem_with(409, "not_modified", &text, extra).into());
    }
    let (mine, id) = (project.id.clone(), one.id.clone());
    let elsewhere = all(vercel, asked).into_iter().find(|(_, _, known)| *known == host);
    let old = elsewhere.map(|(owner, one, _)| (owner.id.clone(), one.id.clone()));
    if let Some((owner, _)) = &old
        && *owner != mine
    {
        let text = format!("The alias {host} is in use by another project.");
        return Err(problem(403, "alias_in_use", &text).into());
    }
    let (project, _) = change(vercel, asked, &mine)?;
    project.unassigned.remove(&unassigned(&host, &id));
    project.aliases.insert(host.clone(), Alias { deployment: id.clone(), created_at: asked.now });
    let (project, one) = there(vercel, asked, &id)?;
    let mut shown = alias(project, one, &host);
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("redirect");
    }
    if let (Some((_, old)), Some(shown)) = (old, shown.as_object_mut()) {
        shown.insert("oldDeploymentId".to_owned(), json!(old));
    }
    Ok(Reply::ok(shown))
}

pub(super) fn list(vercel: &Vercel, asked: &Asked<'_>) -> Answer {
    let is = |name: &str| asked.call.query(name).filter(|text| !text.is_empty());
    let rows = all(vercel, asked).into_iter().filter(|(project, _, host)| {
        is("projectId").is_none_or(|id| project.id == id) && is("domain").is_none_or(|domain| host == domain)
    });
    let (rows, pagination) = page(asked, rows, |(project, one, host)| alias_since(project, one, host))?;
    let rows: Vec<Value> = rows.iter().map(|(project, one, host)| listed_alias(project, one, host)).collect();
    Ok(Reply::ok(json!({"aliases": rows, "pagination": pagination})))
}

pub(super) fn get(vercel: &Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, one, host) = one(vercel, asked, id)?;
    Ok(Reply::ok(listed_alias(project, one, &host)))
}

pub(super) fn remove(vercel: &mut Vercel, asked: &Asked<'_>, id: &str) -> Answer {
    let (project, found, host) = one(vercel, asked, id)?;
    let (project, deployment) = (project.id.clone(), found.id.clone());
    let (project, _) = change(vercel, asked, &project)?;
    if project.aliases.remove(&host).is_none() {
        project.unassigned.insert(unassigned(&host, &deployment));
    }
    Ok(Reply::ok(json!({"status": "SUCCESS"})))
}

/// The alias of this uid or host.
fn one<'v>(vercel: &'v Vercel, asked: &Asked<'_>, id: &str) -> Result<(&'v Project, &'v Deployment, String), Refusal> {
    let found = all(vercel, asked).into_iter().find(|(_, _, host)| host == id || alias_uid(host) == id);
    found.ok_or_else(|| problem(404, "not_found", "The alias was not found.").into())
}

/// Every host of the team that leads somewhere.
fn all<'v>(vercel: &'v Vercel, asked: &Asked<'_>) -> Vec<(&'v Project, &'v Deployment, String)> {
    let mut found = Vec::new();
    for project in vercel.projects.iter().filter(|project| Some(&project.team) == asked.team.as_ref()) {
        for one in project.deployments.iter().filter(|one| one.deleted_at.is_none()) {
            found.extend(project.hosts_of(one, asked.now).into_iter().map(|host| (project, one, host)));
        }
    }
    found
}
