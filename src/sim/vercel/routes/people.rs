//! The user of a token, and teams.

use serde_json::{Value, json};

use super::super::access::{SimVercelTeam, team_id};
use super::super::pages::whole;
use super::super::{Asked, problem};
use crate::sim::routes::{Answer, Reply};

/// 2024-01-01, from when all people and teams are.
const SINCE: i64 = 1_704_067_200_000;

pub(super) fn user(asked: &Asked<'_>) -> Reply {
    let caller = &asked.caller;
    Reply::ok(json!({"user": {
        "id": caller.user_id(),
        "uid": caller.user_id(),
        "username": caller.login,
        "name": caller.login,
        "email": format!("{}@example.com", caller.login),
        "avatar": null,
        "version": "northstar",
        "defaultTeamId": own_teams(asked).first().map(SimVercelTeam::id),
        "createdAt": SINCE,
    }}))
}

pub(super) fn token(asked: &Asked<'_>) -> Reply {
    let now = asked.now.timestamp_millis();
    Reply::ok(json!({"token": {
        "id": asked.caller.user_id(), "name": "simulated", "type": "token", "activeAt": now, "createdAt": SINCE, "scopes": [],
    }}))
}

pub(super) fn teams(asked: &Asked<'_>) -> Reply {
    let shown: Vec<Value> = own_teams(asked).iter().map(|team| shown(asked, team)).collect();
    let pagination = whole(shown.len());
    Reply::ok(json!({"teams": shown, "pagination": pagination}))
}

pub(super) fn team(asked: &Asked<'_>, id: &str) -> Answer {
    let slug = asked.call.query("slug");
    let found = own_teams(asked)
        .into_iter()
        .find(|team| team.slug == id || team_id(&team.slug) == id || slug == Some(team.slug.as_str()));
    match found {
        Some(team) => Ok(Reply::ok(shown(asked, &team))),
        None => Err(problem(404, "not_found", "Team not found.").into()),
    }
}

/// The teams that the caller sees.
fn own_teams(asked: &Asked<'_>) -> Vec<SimVercelTeam> {
    let configured = &asked.config.vercel_teams;
    match &asked.caller.team {
        Some(own) => configured.iter().filter(|team| team.slug == *own).cloned().collect(),
        None if configured.is_empty() => vec![SimVercelTeam::new("acme")],
        None => configured.clone(),
    }
}

fn shown(asked: &Asked<'_>, team: &SimVercelTeam) -> Value {
    json!({
        "id": team.id(),
        "slug": team.slug,
        "name": team.slug,
        "avatar": null,
        "description": null,
        "creatorId": asked.caller.user_id(),
        "createdAt": SINCE,
        "updatedAt": SINCE,
        "stagingPrefix": "",
        "billing": {"plan": team.plan.as_str()},
        "sensitiveEnvironmentVariablePolicy": if team.sensitive_policy { "on" } else { "off" },
        "membership": {
            "uid": asked.caller.user_id(), "role": "OWNER", "confirmed": true, "confirmedAt": SINCE, "createdAt": SINCE,
            "created": SINCE, "teamId": team.id(),
        },
    })
}
