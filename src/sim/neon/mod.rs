//! As much of Neon's API as previews need, on the router of the rest of the simulator.
//!
//! ```text
//! answer ─> access (who) ─> usage (limits) ─> routes ─> state (projects, branches, computes …), now or in the past
//!                                               ├─ objects, pages: what is shown, and how it is cut into pages
//!                                               └─ work: operations, which end later
//! hand ─> state: what people do, and what goes wrong
//! ```
//!
//! It follows the published document and, where that is silent, what clients know of the real one: a project takes one write after
//! the other (423), names are unique (409), a search finds parts of names, a restored branch has another parent than before.

mod access;
mod hand;
mod objects;
mod pages;
mod past;
mod routes;
mod setup;
mod state;
#[cfg(test)]
mod tests;
mod usage;
mod views;
mod work;

pub use hand::NeonHand;
pub use setup::{NeonAccess, NeonKey, NeonLimits, NeonPlan, NeonTimes, SimNeonProject, SimNeonToken};
pub(crate) use state::Neon;
pub use views::{NeonBranchView, NeonEndpointView, NeonOperationView};

use serde_json::{Value, json};

use super::routes::{Answer, Call, Refusal, Reply};
use super::world::World;
use access::Caller;

/// Where the API is.
const PREFIX: [&str; 2] = ["api", "v2"];

/// Whether this path is Neon's.
pub(crate) fn serves(path: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    PREFIX.iter().all(|wanted| segments.next() == Some(wanted))
}

/// The same, by its segments.
pub(crate) fn is_served(segments: &[&str]) -> bool {
    segments.starts_with(&PREFIX)
}

/// A request to Neon, and who sent it.
pub(crate) struct Asked<'a> {
    call: &'a Call,
    caller: Caller,
    /// Whether any project that is asked for exists.
    open: bool,
}

/// Answers a request.
pub(crate) fn answer(world: &mut World, call: &Call) -> Reply {
    let mut reply = answer_without_id(world, call).unwrap_or_else(Reply::from);
    if reply.status >= 400
        && let Some(body) = reply.body.as_mut().and_then(Value::as_object_mut)
    {
        let id = call.envelope.request_id.clone().unwrap_or_else(|| world.neon.ids.hex(32));
        body.insert("request_id".to_owned(), Value::from(id));
    }
    reply
}

fn answer_without_id(world: &mut World, call: &Call) -> Answer {
    let header = call.envelope.authorization.as_deref();
    let header = header.ok_or_else(|| problem(401, "", "authentication required"))?;
    let caller = access::identify(&world.config, &world.tokens, header, call.now);
    let caller = caller.ok_or_else(|| problem(401, "", "supplied credentials do not pass authentication"))?;
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let path = segments.strip_prefix(&PREFIX).unwrap_or(&segments);
    let route = format!("{} {}", call.method.as_str(), template(path));
    if world.config.rate_limits && !world.neon.usage.admit(&caller.key, route, call.now) {
        return Err(problem(429, "", "you have exceeded the rate limit").into());
    }
    let asked = Asked { call, caller, open: world.config.open_orgs };
    if let ["projects", id, ..] = path
        && asked.open
        && is_id(id)
    {
        world.neon.ensure(&SimNeonProject::new(id), call.now);
    }
    world.neon.advance(call.now);
    world.neon.as_of(call.envelope.as_of, |neon| routes::route(neon, &asked, path))
}

/// An error in Neon's shape; most have no code.
fn problem(status: u16, code: &str, message: &str) -> Reply {
    Reply::with(status, json!({"code": code, "message": message}))
}

/// 422 with a code.
fn limit(code: &str, message: &str) -> Refusal {
    problem(422, code, message).into()
}

/// 422 without one.
fn impossible(message: &str) -> Refusal {
    problem(422, "", message).into()
}

/// 400.
fn invalid(message: &str) -> Refusal {
    problem(400, "", message).into()
}

fn not_found(what: &str) -> Refusal {
    problem(404, "", &format!("{what} not found")).into()
}

/// Whether Neon could give such an id.
fn is_id(text: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=60).contains(&text.len()) && text.chars().all(is_fit)
}

/// The path without ids, by which bursts are counted.
fn template(path: &[&str]) -> String {
    let is_id = |index: usize, segment: &str| index % 2 == 1 && !matches!(segment, "me" | "count");
    let parts = path.iter().enumerate().map(|(index, segment)| if is_id(index, segment) { "*" } else { segment });
    parts.collect::<Vec<_>>().join("/")
}
