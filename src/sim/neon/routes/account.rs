//! Who calls, which projects there are, and what runs in them.

use serde_json::{Map, Value, json};

use super::super::objects;
use super::super::pages::{Cut, Row, page, with_cursor};
use super::super::setup::NeonKey;
use super::super::state::{Neon, Project};
use super::super::{Asked, invalid, not_found, problem};
use crate::sim::routes::{Answer, Reply};

pub(super) fn auth(asked: &Asked<'_>) -> Reply {
    let method = match asked.caller.kind {
        NeonKey::Personal => "api_key_user",
        NeonKey::Organization => "api_key_org",
    };
    Reply::ok(json!({"account_id": asked.caller.account(), "auth_method": method}))
}

pub(super) fn me(asked: &Asked<'_>) -> Answer {
    if asked.caller.kind == NeonKey::Organization {
        return Err(problem(403, "", "this endpoint is not allowed for organization API keys").into());
    }
    Ok(Reply::ok(json!({
        "active_seconds_limit": 0,
        "auth_accounts": [],
        "email": "bot@example.com",
        "id": asked.caller.account(),
        "image": "",
        "login": "hangar-bot",
        "name": "hangar-bot",
        "last_name": "",
        "projects_limit": 100,
        "branches_limit": 10_000,
        "max_autoscaling_limit": 16.0,
        "plan": "launch",
    })))
}

/// The organizations of the projects that the caller sees.
pub(super) fn organizations(neon: &Neon, asked: &Asked<'_>) -> Reply {
    let mut found: Map<String, Value> = Map::new();
    for project in neon.projects.values().filter(|project| asked.caller.sees(&project.id)) {
        let since = objects::moment(project.created_at);
        let shown = json!({
            "id": project.org,
            "name": project.org,
            "handle": project.org,
            "plan": "launch",
            "created_at": since,
            "updated_at": since,
            "managed_by": "console",
        });
        found.entry(project.org.clone()).or_insert(shown);
    }
    Reply::ok(json!({"organizations": found.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>()}))
}

pub(super) fn regions() -> Reply {
    let region = json!({
        "region_id": "aws-us-east-2",
        "name": "AWS US East 2 (Ohio)",
        "default": true,
        "geo_lat": "",
        "geo_long": "",
    });
    Reply::ok(json!({"regions": [region]}))
}

pub(super) fn projects(neon: &Neon, asked: &Asked<'_>) -> Answer {
    const CUT: Cut = Cut { most: 400, usual: 10 };
    let org = asked.call.query("org_id");
    if asked.caller.kind == NeonKey::Personal && org.is_none() {
        return Err(invalid("org_id is required"));
    }
    let search = asked.call.query("search").unwrap_or_default();
    let wanted = |project: &&Project| {
        asked.caller.sees(&project.id)
            && org.is_none_or(|org| org == project.org)
            && (project.name.contains(search) || project.id.contains(search))
    };
    let rows = neon.projects.values().filter(wanted);
    let row = |project: &Project| Row { key: project.id.clone(), shown: objects::listed_project(project).into() };
    let page = page(asked, rows.map(row).collect(), false, &CUT)?;
    let mut more = Map::new();
    for name in ["applications", "integrations"] {
        more.insert(name.to_owned(), json!({}));
    }
    Ok(with_cursor("projects", page, more))
}

/// Newest first.
pub(super) fn operations(project: &Project, asked: &Asked<'_>) -> Answer {
    const CUT: Cut = Cut { most: 1000, usual: 1000 };
    let now = asked.call.now;
    let rows = project.operations.iter().enumerate().rev().map(|(place, operation)| Row {
        // Several begin in one moment.
        key: format!("{}/{place:08}", operation.created_at.timestamp_millis()),
        shown: objects::operation(project, operation, now),
    });
    let page = page(asked, rows.collect(), true, &CUT)?;
    Ok(with_cursor("operations", page, Map::new()))
}

pub(super) fn operation(project: &Project, asked: &Asked<'_>, id: &str) -> Answer {
    let found = project.operations.iter().find(|operation| operation.id == id);
    let found = found.ok_or_else(|| not_found("operation"))?;
    Ok(Reply::ok(json!({"operation": objects::operation(project, found, asked.call.now)})))
}
