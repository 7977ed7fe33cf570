//! As much of GitHub's REST API as previews need, on the router of the rest of the simulator.
//!
//! ```text
//! answer ─> access (who) ─> usage (limits) ─> routes ─> state (repositories, pull requests …), now or in the past
//!                                               └─ objects, pages: what is shown, and how it is cut into pages
//! hand ─> state: what people do
//! ```
//!
//! It follows the published document and, where that is silent, what clients know of the real one: `404` for what a token does not
//! see, ETags whose `304` is free of the hourly limit, next pages that are found only by `Link`, at addresses that a client cannot guess.

mod access;
mod apps;
mod deliver;
mod feedback;
mod git;
mod hand;
mod hand_feedback;
mod hook;
mod objects;
mod objects_feedback;
mod pages;
mod past;
mod routes;
mod state;
mod usage;

pub use access::{GithubAccess, SimGithubToken};
pub use apps::SimGithubApp;
pub use deliver::{SentWebhook, WebhookTarget};
pub(crate) use git::GitView;
pub use hand::{NewPull, PullView, RepositoryHand};
pub use hand_feedback::{CommentView, DeploymentView, StatusView};
pub use hook::WebhookDelivery;
pub(crate) use state::Github;

use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde_json::json;

use super::routes::{Call, Reply};
use super::world::World;
use crate::http::transport::Method;
use access::Caller;

/// Where an Enterprise server has its API.
const ENTERPRISE: [&str; 2] = ["api", "v3"];

/// Whether this path is GitHub's.
pub(crate) fn serves(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(3).collect();
    is_served(&segments)
}

/// The same, by its segments.
pub(crate) fn is_served(segments: &[&str]) -> bool {
    let below = segments.strip_prefix(&ENTERPRISE).unwrap_or(segments);
    matches!(below, ["repos" | "repositories", ..] | ["user" | "rate_limit" | "app"] | ["app", "installations", ..])
}

/// A request to GitHub, and who sent it.
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a Call,
    pub(crate) caller: Caller,
    /// Where the API is, as the caller knows it; addresses in answers begin with it.
    pub(crate) base: String,
}

/// Answers a request.
pub(crate) fn answer(world: &mut World, call: &Call) -> Reply {
    if call.envelope.user_agent.as_deref().is_none_or(str::is_empty) {
        return problem(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
        );
    }
    let header = call.envelope.authorization.as_deref();
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if let (Method::Post, ["app", "installations", id, "access_tokens"]) =
        (call.method, segments.strip_prefix(&ENTERPRISE).unwrap_or(&segments))
    {
        return apps::access_token(&world.config, call, id);
    }
    if (call.method, segments.strip_prefix(&ENTERPRISE).unwrap_or(&segments)) == (Method::Get, &["app"][..]) {
        return apps::show(&world.config, call);
    }
    let Some(caller) = access::identify(&world.config, &world.tokens, header, call.now) else {
        return problem(401, "Bad credentials");
    };
    let (path, base) = match segments.strip_prefix(&ENTERPRISE) {
        Some(path) => (path, format!("{}/api/v3", call.envelope.base)),
        None => (segments.as_slice(), call.envelope.base.clone()),
    };
    let asked = Asked { call, caller, base };
    let is_free = path == ["rate_limit"];
    if world.config.rate_limits
        && !is_free
        && let Err(refusal) = world.github.usage.admit(&asked.caller, call.method, call.now)
    {
        return refusal.into();
    }
    if world.config.open_orgs
        && let ["repos", owner, name, ..] = path
        && let full_name = format!("{owner}/{name}")
        && world.github.find(&full_name).is_none()
    {
        world.github.ensure(&full_name, call.now);
    }
    let answer = world.github.as_of(call.envelope.as_of, |github| routes::route(github, &asked, path));
    let reply = answer.unwrap_or_else(Reply::from);
    let mut reply = unless_known(&asked, reply);
    if !is_free && reply.status != 304 {
        world.github.usage.count(&asked.caller, call.now);
    }
    reply.headers.extend(world.github.usage.headers(&asked.caller, call.now));
    reply
}

/// An error in GitHub's shape.
fn problem(status: u16, message: &str) -> Reply {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    Reply::with(status, body)
}

/// 422 for a field.
fn invalid(resource: &str, field: &str, code: &str) -> Reply {
    let body = json!({
        "message": "Validation Failed",
        "errors": [{"resource": resource, "field": field, "code": code}],
        "documentation_url": "https://docs.github.com/rest",
        "status": "422",
    });
    Reply::with(422, body)
}

/// Gives the answer to a read its ETag, or answers 304 to whoever has it already. A 304 says nothing of further pages. Lists have
/// done so themselves.
fn unless_known(asked: &Asked<'_>, mut reply: Reply) -> Reply {
    if asked.call.method != Method::Get || reply.status != 200 || reply.headers.iter().any(|(name, _)| name == "etag") {
        return reply;
    }
    let etag = asked.etag(&reply.body.as_ref().map(ToString::to_string));
    if asked.knows(&etag) {
        reply = Reply::empty(304);
    }
    reply.headers.push(("etag".to_owned(), etag));
    reply
}

impl Asked<'_> {
    /// The ETag of an answer that follows from `content`, the request and the caller.
    fn etag(&self, content: &impl Hash) -> String {
        // Its keys are fixed, and it is fast also where nothing is optimized: lists are long.
        let mut hash = DefaultHasher::new();
        (&self.caller.key, &self.base, &self.call.segments, &self.call.query, content).hash(&mut hash);
        format!("W/\"{:016x}\"", hash.finish())
    }

    /// Whether the caller has the answer with this ETag.
    fn knows(&self, etag: &str) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let known = self.call.envelope.if_none_match.as_deref().unwrap_or_default();
        known.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
    }
}
