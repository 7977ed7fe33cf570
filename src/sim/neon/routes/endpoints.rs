//! Computes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::objects;
use super::super::setup::NeonPlan;
use super::super::state::{Endpoint, EndpointState, Project};
use super::super::work::{Effect, Step};
use super::super::{Asked, impossible, invalid, not_found, problem};
use super::branches::check_limit;
use super::{Desk, parse, visible};
use crate::sim::routes::{Answer, Refusal, Reply};

/// How a compute is once it has started.
pub(super) const STARTED: EndpointState = EndpointState::Active;

/// A compute to be made, with a branch or for one.
#[derive(Deserialize)]
pub(super) struct NewEndpoint {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(flatten)]
    sizes: Sizes,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    ReadWrite,
    ReadOnly,
}

/// What can be changed of a compute.
#[derive(Default, Deserialize)]
struct Sizes {
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    suspend_timeout_seconds: Option<i64>,
    settings: Option<Value>,
    disabled: Option<bool>,
}

impl NewEndpoint {
    pub(super) fn is_read_write(&self) -> bool {
        self.kind == Kind::ReadWrite
    }
}

pub(super) fn list(project: &Project) -> Reply {
    let shown: Vec<Value> = project.endpoints.values().map(|one| objects::endpoint(project, one)).collect();
    Reply::ok(json!({"endpoints": shown}))
}

pub(super) fn of_branch(project: &Project, asked: &Asked<'_>, id: &str) -> Answer {
    visible(project, asked, id)?;
    let shown: Vec<Value> = project.endpoints_of(id).map(|one| objects::endpoint(project, one)).collect();
    Ok(Reply::ok(json!({"endpoints": shown})))
}

pub(super) fn get(project: &Project, id: &str) -> Answer {
    let endpoint = project.endpoints.get(id).ok_or_else(|| not_found("endpoint"))?;
    Ok(Reply::ok(json!({"endpoint": objects::endpoint(project, endpoint)})))
}

/// Whether there may be these computes too.
pub(super) fn check_all(desk: &mut Desk<'_>, wanted: &[NewEndpoint]) -> Result<(), Refusal> {
    let project = &*desk.project;
    let limits = &project.limits;
    let active = project.endpoints.values().filter(|one| one.state != EndpointState::Idle).count();
    for (more, endpoint) in wanted.iter().enumerate() {
        check_sizes(project, &endpoint.sizes)?;
        let count = project.endpoints.len().saturating_add(more);
        check_limit(limits.endpoints, count, "ENDPOINTS_LIMIT_EXCEEDED", "endpoints limit exceeded")?;
        let code = "ACTIVE_ENDPOINTS_LIMIT_EXCEEDED";
        check_limit(limits.active_endpoints, active.saturating_add(more), code, "active endpoints limit exceeded")?;
    }
    Ok(())
}

fn check_sizes(project: &Project, sizes: &Sizes) -> Result<(), Refusal> {
    if let Some(settings) = &sizes.settings
        && settings.get("pg_settings").is_none()
    {
        return Err(invalid("settings must not be nil"));
    }
    if let Some(seconds) = sizes.suspend_timeout_seconds {
        if project.plan == NeonPlan::Free && seconds != 0 {
            return Err(impossible("the suspend timeout cannot be changed on the free plan"));
        }
        if !matches!(seconds, -1 | 0 | 60..=604_800) {
            return Err(invalid("suspend_timeout_seconds must be -1, 0, or from 60 to 604800"));
        }
    }
    let (min, max) = (sizes.autoscaling_limit_min_cu, sizes.autoscaling_limit_max_cu);
    let is_step = |size: f64| size >= 0.25 && (size * 4.0).fract() == 0.0;
    if [min, max].into_iter().flatten().any(|size| !is_step(size)) {
        return Err(invalid("compute sizes go in steps of 0.25"));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(invalid("autoscaling_limit_min_cu is greater than autoscaling_limit_max_cu"));
    }
    Ok(())
}

/// A compute that begins to start.
pub(super) fn make(desk: &mut Desk<'_>, new: &NewEndpoint, branch: &str) -> Result<Endpoint, Refusal> {
    let now = desk.now();
    let taken = desk.project.endpoints_of(branch).any(|endpoint| endpoint.read_write);
    if new.is_read_write() && taken {
        return Err(impossible("read_write endpoint already exists for the branch"));
    }
    let mut endpoint = Endpoint::new(&desk.ids.neon("ep"), branch, new.is_read_write(), now);
    endpoint.pending = Some(STARTED);
    set(&mut endpoint, &new.sizes);
    Ok(endpoint)
}

fn set(endpoint: &mut Endpoint, sizes: &Sizes) {
    endpoint.min_cu = sizes.autoscaling_limit_min_cu.unwrap_or(endpoint.min_cu);
    endpoint.max_cu = sizes.autoscaling_limit_max_cu.unwrap_or(endpoint.max_cu).max(endpoint.min_cu);
    endpoint.suspend_seconds = sizes.suspend_timeout_seconds.unwrap_or(endpoint.suspend_seconds);
    endpoint.disabled = sizes.disabled.unwrap_or(endpoint.disabled);
    if let Some(settings) = &sizes.settings {
        endpoint.settings = settings.clone();
    }
}

pub(super) fn create(desk: &mut Desk<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        endpoint: For,
    }
    #[derive(Deserialize)]
    struct For {
        branch_id: String,
        #[serde(flatten)]
        new: NewEndpoint,
    }
    let Wanted { endpoint: wanted } = parse(desk.asked)?;
    desk.branch(&wanted.branch_id)?;
    desk.require_rest()?;
    desk.ready_branch(&wanted.branch_id)?;
    check_all(desk, std::slice::from_ref(&wanted.new))?;
    let endpoint = make(desk, &wanted.new, &wanted.branch_id)?;
    let id = endpoint.id.clone();
    desk.project.endpoints.insert(id.clone(), endpoint);
    let started = Effect::EndpointIs(id.clone(), STARTED);
    let operations = desk.run(vec![Step::endpoint("start_compute", &wanted.branch_id, &id, started)]);
    shown(desk, 201, &id, &operations)
}

pub(super) fn update(desk: &mut Desk<'_>, id: &str) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        endpoint: Change,
    }
    #[derive(Deserialize)]
    struct Change {
        name: Option<String>,
        #[serde(flatten)]
        sizes: Sizes,
    }
    let Wanted { endpoint: Change { name, sizes: wanted } } = parse(desk.asked)?;
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 64) {
        return Err(invalid("name must have between 1 and 64 characters"));
    }
    let now = desk.now();
    let branch = branch_of(desk, id)?;
    desk.require_rest()?;
    check_sizes(desk.project, &wanted)?;
    let endpoint = desk.project.endpoints.get_mut(id).ok_or_else(|| not_found("endpoint"))?;
    set(endpoint, &wanted);
    endpoint.name = name.or_else(|| endpoint.name.take());
    endpoint.updated_at = now;
    let operations = desk.run(vec![Step::endpoint("apply_config", &branch, id, Effect::Nothing)]);
    shown(desk, 200, id, &operations)
}

/// A compute that is not there was deleted before: 204.
pub(super) fn delete(desk: &mut Desk<'_>, id: &str) -> Answer {
    if !desk.project.endpoints.contains_key(id) {
        return Ok(Reply::empty(204));
    }
    let branch = branch_of(desk, id)?;
    desk.require_rest()?;
    let gone = Effect::EndpointIsGone(id.to_owned());
    let operations = desk.run(vec![Step::endpoint("suspend_compute", &branch, id, gone)]);
    shown(desk, 200, id, &operations)
}

pub(super) fn act(desk: &mut Desk<'_>, id: &str, action: &str) -> Answer {
    let branch = branch_of(desk, id)?;
    let endpoint = desk.project.endpoints.get(id).ok_or_else(|| not_found("endpoint"))?;
    let state = endpoint.state;
    if action == "suspend" && endpoint.pending.is_some() {
        return Err(problem(423, "", "endpoint is in some transitive state, could not suspend").into());
    }
    desk.require_rest()?;
    let to = |state| Effect::EndpointIs(id.to_owned(), state);
    let stop = || Step::endpoint("suspend_compute", &branch, id, to(EndpointState::Idle));
    let start = || Step::endpoint("start_compute", &branch, id, to(STARTED));
    let (pending, steps) = match (action, state) {
        ("start", EndpointState::Active) | ("suspend", EndpointState::Idle) => (None, Vec::new()),
        ("start", _) => (Some(STARTED), vec![start()]),
        ("suspend", _) => (Some(EndpointState::Idle), vec![stop()]),
        _ => (Some(STARTED), vec![stop(), start()]),
    };
    if let Some(endpoint) = desk.project.endpoints.get_mut(id) {
        endpoint.pending = pending;
    }
    let operations = desk.run(steps);
    shown(desk, 200, id, &operations)
}

fn branch_of(desk: &Desk<'_>, id: &str) -> Result<String, Refusal> {
    let endpoint = desk.project.endpoints.get(id).ok_or_else(|| not_found("endpoint"))?;
    Ok(endpoint.branch_id.clone())
}

fn shown(desk: &Desk<'_>, status: u16, id: &str, operations: &Value) -> Answer {
    let endpoint = desk.project.endpoints.get(id).ok_or_else(|| not_found("endpoint"))?;
    let endpoint = objects::endpoint(desk.project, endpoint);
    Ok(Reply::with(status, json!({"endpoint": endpoint, "operations": operations})))
}
