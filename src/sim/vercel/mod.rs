//! As much of Vercel's REST API as preview environments need, on the router of the rest of the simulator.
//!
//! ```text
//! answer ─> access (who, which team) ─> usage (limits) ─> git (what was pushed) ─> routes ─> state, now or in the past
//!                                                                       └─ objects: what is shown
//! hand ─> state: what people and the platform do
//! ```
//!
//! Paths are taken with any version in front or none, and with or without a segment `now`, as the official clients mix them. Times
//! are in milliseconds since 1970. The state of a deployment is a function of the moment ([`deployment`]).

mod access;
mod deployment;
mod git;
mod hand;
mod names;
mod objects;
mod objects_deployment;
mod pages;
mod past;
mod routes;
mod state;
mod usage;

pub use access::{SimVercelProject, SimVercelTeam, SimVercelToken, VercelPlan, VercelTimes};
pub use deployment::VercelBuild;
pub use hand::{VercelDeploymentView, VercelDomainView, VercelHand, VercelVariableView};
pub(crate) use state::Vercel;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::config::SimConfig;
use super::github::Github;
use super::registry;
use super::routes::{Call, Refusal, Reply};
use super::world::World;
use crate::http::transport::Method;
use access::Caller;

/// The first segments of Vercel's paths, without the version.
const ROOTS: [&str; 9] =
    ["projects", "deployments", "aliases", "domains", "env", "teams", "webhooks", "files", "edge-config"];

/// Whether this path is Vercel's, with this header.
pub(crate) fn serves(config: &SimConfig, path: &str, authorization: Option<&str>) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    is_served(config, &segments, authorization)
}

/// The same, by its segments.
///
/// With a Vercel token everything is Vercel's but what is certainly somebody else's; without one, what only Vercel has.
pub(crate) fn is_served(config: &SimConfig, segments: &[&str], authorization: Option<&str>) -> bool {
    let is_elsewhere = matches!(
        segments,
        ["api" | "graphql" | "_sim" | "_registry" | "repos" | "repositories" | "app" | "rate_limit", ..]
            | ["v1", "apps" | "orgs" | "platform" | "postgres" | "tokens", ..]
    );
    if is_elsewhere || registry::is_served(segments) {
        return false;
    }
    if access::is_ours(config, authorization) {
        return true;
    }
    match below_version(segments) {
        ["user", ..] => segments.first().is_some_and(|first| is_version(first)),
        ["integrations", "deploy", ..] => true,
        [first, ..] => ROOTS.contains(first),
        [] => false,
    }
}

/// Whether this path can only be Vercel's, whoever asks.
pub(crate) fn is_its_path(path: &str) -> bool {
    serves(&SimConfig::default(), path, None)
}

/// Whether a read of this path answers with a list.
pub(crate) fn is_list(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let below = below_version(&segments);
    matches!(
        below,
        ["projects" | "deployments" | "aliases"] | ["projects", _, "env" | "domains"] | ["deployments", _, "aliases"]
    )
}

/// The path without version and `now`.
fn below_version<'s, 't>(segments: &'s [&'t str]) -> &'s [&'t str] {
    let below = match segments {
        [first, rest @ ..] if is_version(first) => rest,
        all => all,
    };
    below.strip_prefix(&["now"]).unwrap_or(below)
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
}

/// A request to Vercel, who sent it, and what it is about.
pub(crate) struct Asked<'a> {
    pub(super) call: &'a Call,
    pub(super) caller: Caller,
    /// The slug of the team; `None` is the caller's own account.
    pub(super) team: Option<String>,
    pub(super) config: &'a SimConfig,
    pub(super) github: &'a Github,
    /// The moment that is answered for.
    pub(super) now: DateTime<Utc>,
}

/// Answers a request.
pub(crate) fn answer(world: &mut World, call: &Call) -> Reply {
    let config = std::sync::Arc::clone(&world.config);
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let path = below_version(&segments);
    let Some(caller) = access::identify(&config, call.envelope.authorization.as_deref()) else {
        return access::bad_token();
    };
    let team = match caller.scope(&config, call) {
        Ok(team) => team,
        Err(refusal) => return refusal.into(),
    };
    let World { vercel, github, .. } = world;
    let mut headers = Vec::new();
    if config.rate_limits
        && let Some(limit) = usage::limit_of(call.method, path)
    {
        let whose = team.clone().unwrap_or_else(|| caller.user_id());
        match vercel.usage.count(&whose, limit, call.now) {
            Ok(left) => headers = left,
            Err(refusal) => return refusal.into(),
        }
    }
    vercel.sync(github, &config, call.now);
    if config.open_orgs
        && let (Some(team), ["projects", name, ..]) = (&team, path)
        && is_project_name(name)
    {
        vercel.ensure(team, name, Some(&github.home_of(team, name)), call.now);
    }
    let now = call.envelope.as_of.unwrap_or(call.now);
    let asked = Asked { call, caller, team, config: &config, github, now };
    let answer = vercel.as_of(call.envelope.as_of, |vercel| routes::route(vercel, &asked, path));
    let mut reply = answer.unwrap_or_else(Reply::from);
    reply.headers.extend(headers);
    reply
}

/// Whether a project can have this name; ids cannot.
fn is_project_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !name.is_empty() && name.len() <= 100 && name.chars().all(fits)
}

/// An error in Vercel's shape.
fn problem(status: u16, code: &str, message: &str) -> Reply {
    Reply::with(status, json!({"error": {"code": code, "message": message}}))
}

/// The same with more in it.
fn problem_with(status: u16, code: &str, message: &str, extra: serde_json::Value) -> Reply {
    let mut reply = problem(status, code, message);
    let error = reply.body.as_mut().and_then(|body| body.get_mut("error")).and_then(serde_json::Value::as_object_mut);
    if let (Some(error), serde_json::Value::Object(extra)) = (error, extra) {
        error.extend(extra);
    }
    reply
}

/// 400 with the usual code.
fn bad_request(message: &str) -> Refusal {
    problem(400, "bad_request", message).into()
}

impl Asked<'_> {
    /// Whether the request could change something.
    fn is_read(&self) -> bool {
        self.call.method == Method::Get
    }
}
