//! Promotion and rollback: where the production domains lead. Both take a while, and the project says how far they are.

use serde_json::{Value, json};

use super::super::deployment::ReadyState;
use super::super::objects_deployment::alias_uid;
use super::super::pages::whole;
use super::super::state::{AliasRequest, Vercel};
use super::super::{Asked, problem};
use super::deployments::no_deployment;
use super::{change, find};
use crate::sim::routes::{Answer, Reply};
use crate::sim::world::schedule::after;

/// Sends production to a deployment that was built for it. From then on newer ones go there by themselves again.
pub(super) fn promote(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, deployment: &str) -> Answer {
    request(vercel, asked, project, deployment, "promote")
}

/// Sends production back. From then on nothing goes there by itself, until the next promotion.
pub(super) fn roll_back(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, deployment: &str) -> Answer {
    request(vercel, asked, project, deployment, "rollback")
}

fn request(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, deployment: &str, kind: &str) -> Answer {
    let now = asked.now;
    let (project, _) = change(vercel, asked, project)?;
    let found = project.deployments.iter().find(|one| one.id == deployment && one.deleted_at.is_none());
    let found = found.ok_or_else(|| no_deployment(deployment))?;
    if project.alias_request.as_ref().is_some_and(|request| now < request.ends_at) {
        return Err(problem(409, "conflict", "Another promotion or rollback is in progress.").into());
    }
    if found.state(now) != ReadyState::Ready || !found.is_production() {
        let text = "The deployment is not a production deployment that is ready.";
        return Err(problem(422, "unprocessable_entity", text).into());
    }
    let from = project.production(now).map(|one| one.id.clone());
    if from.as_deref() == Some(deployment) {
        return Err(problem(409, "conflict", "The deployment is in production already.").into());
    }
    let ends_at = after(now, asked.config.vercel_times.promote);
    let fails = project.failing_moves > 0;
    project.failing_moves = project.failing_moves.saturating_sub(1);
    if !fails {
        project.moves.push((ends_at, deployment.to_owned()));
        project.assigns_domains = kind == "promote";
    }
    project.alias_request = Some(AliasRequest {
        kind: kind.to_owned(),
        from,
        to: deployment.to_owned(),
        requested_at: now,
        ends_at,
        fails,
    });
    Ok(Reply::with(201, json!({})))
}

/// How far the last one is with each host.
pub(super) fn aliases(vercel: &Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let Some(request) = &project.alias_request else { return Ok(Reply::ok(json!({}))) };
    let status = match asked.now < request.ends_at {
        true => "in-progress",
        false if request.fails => "failed",
        false => "completed",
    };
    let hosts = project.deployments.iter().find(|one| one.id == request.to);
    let hosts = hosts.map(|one| project.automatic_hosts(one)).unwrap_or_default();
    let shown: Vec<Value> = hosts
        .iter()
        .filter(|_| !asked.call.flag("failedOnly") || status == "failed")
        .map(|host| json!({"alias": host, "id": alias_uid(host), "status": status}))
        .collect();
    let pagination = whole(shown.len());
    Ok(Reply::ok(json!({"aliases": shown, "pagination": pagination})))
}
