//! Branches: lists, single ones, changes, deletion.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::super::objects;
use super::super::pages::{Cut, Row, page};
use super::super::state::{Branch, Project};
use super::super::{Asked, impossible, invalid, limit, problem};
use super::{Desk, parse, visible};
use crate::sim::routes::{Answer, Refusal, Reply};

/// How far ahead a branch may expire.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(30);

pub(super) fn list(project: &Project, asked: &Asked<'_>) -> Answer {
    const CUT: Cut = Cut { most: 10_000, usual: 100 };
    let sort_by = asked.call.query("sort_by").unwrap_or("updated_at");
    let descending = match asked.call.query("sort_order").unwrap_or("desc") {
        "desc" => true,
        "asc" => false,
        _ => return Err(invalid("sort_order must be asc or desc")),
    };
    let key = |branch: &Branch| {
        let moment = |at: DateTime<Utc>| format!("{:015}", at.timestamp_millis());
        let first = match sort_by {
            "name" => branch.name.clone(),
            "created_at" => moment(branch.created_at),
            "updated_at" => moment(branch.updated_at),
            _ => return Err(invalid("sort_by must be name, created_at or updated_at")),
        };
        Ok(format!("{first}\u{0}{}", branch.id))
    };
    let found = searched(project, asked);
    let rows = found.into_iter().map(|branch| Ok(Row { key: key(branch)?, shown: Value::from(branch.id.as_str()) }));
    let mut rows: Vec<Row> = rows.collect::<Result<_, Refusal>>()?;
    rows.sort_by(|one, other| if descending { other.key.cmp(&one.key) } else { one.key.cmp(&other.key) });
    let page = page(asked, rows, descending, &CUT)?;
    let shown: Vec<&Branch> =
        page.rows.iter().filter_map(Value::as_str).filter_map(|id| project.branches.get(id)).collect();
    let noted = shown.iter().filter(|branch| branch.annotation.is_some());
    let annotations: Map<String, Value> =
        noted.map(|branch| (branch.id.clone(), objects::annotation(branch))).collect();
    let mut pagination = json!({"sort_by": sort_by, "sort_order": if descending { "DESC" } else { "ASC" }});
    if page.has_more
        && let Some(pagination) = pagination.as_object_mut()
    {
        pagination.insert("next".to_owned(), Value::from(page.cursor));
    }
    Ok(Reply::ok(json!({
        "branches": shown.iter().map(|branch| objects::branch(project, branch)).collect::<Vec<_>>(),
        "annotations": annotations,
        "pagination": pagination,
    })))
}

/// The branches in whose name or id the text of the search occurs.
fn searched<'p>(project: &'p Project, asked: &Asked<'_>) -> Vec<&'p Branch> {
    let search = asked.call.query("search").unwrap_or_default();
    project.branches.values().filter(|branch| branch.name.contains(search) || branch.id.contains(search)).collect()
}

pub(super) fn count(project: &Project, asked: &Asked<'_>) -> Reply {
    Reply::ok(json!({"count": searched(project, asked).len()}))
}

pub(super) fn get(project: &Project, asked: &Asked<'_>, id: &str) -> Answer {
    let branch = visible(project, asked, id)?;
    let (shown, annotation) = (objects::branch(project, branch), objects::annotation(branch));
    Ok(Reply::ok(json!({"branch": shown, "annotation": annotation})))
}

#[derive(Deserialize)]
struct Update {
    branch: Change,
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    protected: Option<bool>,
    /// Absent, or null, or a moment.
    #[expect(clippy::option_option, reason = "absent, null and a value mean three things")]
    #[serde(default, deserialize_with = "some")]
    expires_at: Option<Option<DateTime<Utc>>>,
}

/// Tells null from what is absent.
#[expect(clippy::option_option, reason = "absent, null and a value mean three things")]
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    Option::deserialize(from).map(Some)
}

pub(super) fn update(desk: &mut Desk<'_>, id: &str) -> Answer {
    let Update { branch: wanted } = parse(desk.asked)?;
    let now = desk.now();
    desk.branch(id)?;
    desk.require_rest()?;
    if let Some(name) = &wanted.name {
        check_name(desk.project, name, Some(id))?;
    }
    if wanted.protected == Some(true) {
        check_protection(desk, id)?;
    }
    if let Some(Some(at)) = wanted.expires_at {
        check_expiry(at, now)?;
        let is_parent = !desk.project.children(id).is_empty();
        let branch = desk.branch(id)?;
        if branch.default || branch.protected || is_parent || wanted.protected == Some(true) {
            return Err(impossible("cannot set expiration on a default, protected or parent branch"));
        }
    }
    let branch = desk.branch(id)?;
    if let Some(name) = wanted.name {
        branch.name = name;
    }
    if let Some(protected) = wanted.protected {
        branch.protected = protected;
    }
    if let Some(expires_at) = wanted.expires_at {
        branch.expires_at = expires_at;
        branch.ttl_seconds = expires_at.map(|at| (at - now).num_seconds());
    }
    branch.updated_at = now;
    desk.shown(200, id, &json!([]))
}

/// Whether a branch may be protected.
fn check_protection(desk: &mut Desk<'_>, id: &str) -> Result<(), Refusal> {
    let others = desk.project.branches.values().filter(|branch| branch.protected && branch.id != id).count();
    let most = desk.project.limits.protected_branches;
    let branch = desk.branch(id)?;
    if branch.expires_at.is_some() {
        return Err(impossible("cannot protect a branch that expires"));
    }
    check_limit(most, others, "BRANCHES_PROTECTED_LIMIT_EXCEEDED", "protected branches limit exceeded")
}

/// Refuses if there are as many as there may be.
pub(super) fn check_limit(most: Option<usize>, present: usize, code: &str, message: &str) -> Result<(), Refusal> {
    if most.is_some_and(|most| present >= most) { Err(limit(code, message)) } else { Ok(()) }
}

/// Whether a branch may have this name.
pub(super) fn check_name(project: &Project, name: &str, except: Option<&str>) -> Result<(), Refusal> {
    if !(1..=256).contains(&name.chars().count()) {
        return Err(invalid("branch name must have from 1 to 256 characters"));
    }
    let other = project.named(name).filter(|branch| Some(branch.id.as_str()) != except);
    if other.is_some() {
        return Err(problem(409, "", &format!("branch already exists; branch_name:\"{name}\"")).into());
    }
    Ok(())
}

/// Whether a branch may expire then.
pub(super) fn check_expiry(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Refusal> {
    if at <= now {
        return Err(impossible("expires_at must be in the future"));
    }
    if at - now > LONGEST_LIFE {
        return Err(impossible("expires_at must be within 30 days"));
    }
    Ok(())
}

/// A branch that is not there was deleted before: 204.
pub(super) fn delete(desk: &mut Desk<'_>, id: &str) -> Answer {
    let Some(branch) = desk.project.branches.get(id) else { return Ok(Reply::empty(204)) };
    if branch.default {
        return Err(impossible("cannot delete the default branch"));
    }
    if branch.protected {
        return Err(impossible("cannot delete a protected branch"));
    }
    let is_first = branch.parent_id.is_none() && branch.init_source == "parent-data";
    let children = desk.project.children(id);
    if !children.is_empty() {
        return Err(impossible(&format!("cannot delete branch that has children: {}", children.join(", "))));
    }
    if is_first {
        return Err(impossible("cannot delete the root branch"));
    }
    desk.require_rest()?;
    let now = desk.now();
    let steps = desk.project.deletion(id);
    desk.branch(id)?.updated_at = now;
    let operations = desk.run(steps);
    desk.shown(200, id, &operations)
}

pub(super) fn set_as_default(desk: &mut Desk<'_>, id: &str) -> Answer {
    desk.branch(id)?;
    desk.require_rest()?;
    if desk.ready_branch(id)?.expires_at.is_some() {
        return Err(impossible("cannot make a branch the default one that expires"));
    }
    let now = desk.now();
    for branch in desk.project.branches.values_mut() {
        if branch.default != (branch.id == id) {
            (branch.default, branch.updated_at) = (branch.id == id, now);
        }
    }
    desk.shown(200, id, &json!([]))
}
