//! A branch goes back to what it was, or becomes what another one is. Whose data it then has is its parent from then on.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::super::state::{Branch, BranchState, EndpointState};
use super::super::work::{Effect, Step};
use super::super::{impossible, invalid};
use super::branches::{check_limit, check_name};
use super::create::{check_moment, inherited};
use super::endpoints::STARTED;
use super::{Desk, parse};
use crate::sim::routes::{Answer, Refusal};

#[derive(Deserialize)]
struct Restore {
    source_branch_id: String,
    source_lsn: Option<String>,
    source_timestamp: Option<DateTime<Utc>>,
    preserve_under_name: Option<String>,
}

pub(super) fn restore(desk: &mut Desk<'_>, id: &str) -> Answer {
    let wanted: Restore = parse(desk.asked)?;
    carry_out(desk, id, wanted)
}

/// What the document does not have: the same from the parent.
pub(super) fn reset_to_parent(desk: &mut Desk<'_>, id: &str) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        preserve_under_name: Option<String>,
    }
    let Wanted { preserve_under_name } = parse(desk.asked)?;
    let parent = desk.branch(id)?.parent_id.clone();
    let source_branch_id = parent.ok_or_else(|| impossible("branch has no parent"))?;
    carry_out(desk, id, Restore { source_branch_id, source_lsn: None, source_timestamp: None, preserve_under_name })
}

fn carry_out(desk: &mut Desk<'_>, id: &str, wanted: Restore) -> Answer {
    check(desk, id, &wanted)?;
    let now = desk.now();
    let source = desk.branch(&wanted.source_branch_id)?.clone();
    let preserved = match &wanted.preserve_under_name {
        Some(name) => Some(preserve(desk, id, name)?),
        None => None,
    };
    let (roles, databases) =
        if source.id == id { (source.roles.clone(), source.databases.clone()) } else { inherited(desk, &source) };
    let branch = desk.branch(id)?;
    // Its own past is now that of the branch which was preserved.
    let parent = if source.id == id { preserved.clone() } else { Some(source.id.clone()) };
    branch.parent_id = parent;
    branch.parent_timestamp = Some(wanted.source_timestamp.unwrap_or(now));
    branch.parent_lsn = wanted.source_lsn.or_else(|| branch.parent_lsn.clone());
    (branch.roles, branch.databases) = (roles, databases);
    (branch.restored_from, branch.last_reset_at) = (Some(source.id.clone()), Some(now));
    // The time to live begins anew.
    let life = branch.ttl_seconds.filter(|_| branch.expires_at.is_some()).and_then(TimeDelta::try_seconds);
    if let Some(life) = life {
        branch.expires_at = now.checked_add_signed(life);
    }
    branch.enter(BranchState::Resetting, now);
    branch.pending = Some(BranchState::Ready);
    let mut steps = vec![Step::branch("create_branch", id, Effect::BranchIsReady(id.to_owned()))];
    for endpoint in desk.project.endpoints.values_mut().filter(|endpoint| endpoint.branch_id == id) {
        if endpoint.state != EndpointState::Idle {
            endpoint.pending = Some(STARTED);
            let started = Effect::EndpointIs(endpoint.id.clone(), STARTED);
            steps.push(Step::endpoint("suspend_compute", id, &endpoint.id, Effect::Nothing));
            steps.push(Step::endpoint("start_compute", id, &endpoint.id, started));
        }
    }
    let operations = desk.run(steps);
    desk.shown(200, id, &operations)
}

fn check(desk: &mut Desk<'_>, id: &str, wanted: &Restore) -> Result<(), Refusal> {
    let now = desk.now();
    desk.branch(id)?;
    desk.branch(&wanted.source_branch_id)?;
    desk.require_rest()?;
    if desk.ready_branch(id)?.protected {
        return Err(impossible("cannot restore a protected branch"));
    }
    desk.ready_branch(&wanted.source_branch_id)?;
    let is_own_past = wanted.source_branch_id == id;
    if wanted.source_lsn.is_some() && wanted.source_timestamp.is_some() {
        return Err(invalid("only one of source_lsn and source_timestamp can be given"));
    }
    if is_own_past && wanted.source_lsn.is_none() && wanted.source_timestamp.is_none() {
        return Err(invalid("source_lsn or source_timestamp is required to restore a branch to its own past"));
    }
    if let Some(at) = wanted.source_timestamp {
        check_moment(desk.project, at, now)?;
    }
    let Some(name) = &wanted.preserve_under_name else {
        if !desk.project.children(id).is_empty() {
            return Err(impossible("Branch has children, preserve_under_name is required"));
        }
        if is_own_past {
            return Err(impossible("preserve_under_name is required"));
        }
        return Ok(());
    };
    check_name(desk.project, name, None)?;
    let limits = &desk.project.limits;
    let present = desk.project.branches.len();
    check_limit(limits.branches, present, "BRANCHES_LIMIT_EXCEEDED", "branches limit exceeded")
}

/// What the branch was goes on under another name, and with it the branches that were made of it. Returns its id.
fn preserve(desk: &mut Desk<'_>, id: &str, name: &str) -> Result<String, Refusal> {
    let now = desk.now();
    let old = desk.branch(id)?.clone();
    let new = Branch {
        id: desk.ids.neon("br"),
        name: name.to_owned(),
        default: false,
        expires_at: None,
        ttl_seconds: None,
        annotation: None,
        created_at: now,
        updated_at: now,
        ..old
    };
    let kept = new.id.clone();
    desk.branch(id)?.restored_as = Some(kept.clone());
    for child in desk.project.branches.values_mut() {
        if child.parent_id.as_deref() == Some(id) {
            (child.parent_id, child.updated_at) = (Some(kept.clone()), now);
        }
    }
    desk.project.branches.insert(kept.clone(), new);
    Ok(kept)
}
