//! As much of Supabase's Management API as connection strings and preview branches need.
//!
//! ```text
//! answer ─> who asks, limits ─> routes ─> state (projects, branches; what they are at a moment follows from when they were asked for)
//! hand ─> state: what people and the GitHub integration do
//! ```
//!
//! Its paths overlap with those of others, so a request is Supabase's if its token is of the form that only Supabase has. A branch is a
//! whole project. No database runs.

mod hand;
mod routes;
mod state;

pub use hand::SupabaseBranchView;
pub(crate) use state::Supabase;

use serde_json::json;

use super::routes::{Call, Refusal, Reply};
use super::world::World;

/// What every token of Supabase begins with.
const PREFIX: &str = "sbp_";

/// How many requests a token may send in a minute.
const PER_MINUTE: u32 = 120;

/// A project that is there from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimSupabaseProject {
    /// What the API calls it by: 20 lower-case letters.
    pub reference: String,
    /// Its organization's slug.
    pub organization: String,
    /// Its region.
    pub region: String,
}

/// A token that Supabase accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct SimSupabaseToken {
    /// The token string; it begins with `sbp_`.
    pub token: String,
    /// The slug of the one organization whose projects it sees.
    pub organization: String,
    /// Whether it may change anything.
    pub read_only: bool,
}

impl std::fmt::Debug for SimSupabaseToken {
    /// Leaves out the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimSupabaseToken").field("organization", &self.organization).finish_non_exhaustive()
    }
}

/// Whether a request is Supabase's: by its path and its token.
pub(crate) fn serves(path: &str, authorization: Option<&str>) -> bool {
    has_path(path) && token(authorization).is_some_and(|token| token.starts_with(PREFIX))
}

/// Whether Supabase has such paths. Others have them too.
pub(crate) fn has_path(path: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.next() == Some("v1") && matches!(segments.next(), Some("projects" | "branches"))
}

fn token(authorization: Option<&str>) -> Option<&str> {
    Some(authorization?.trim().strip_prefix("Bearer ")?.trim())
}

/// Who asks: what they see, and whether they may change it.
struct Caller {
    /// The organization; `None` for all of them.
    organization: Option<String>,
    read_only: bool,
}

/// Answers a request.
pub(crate) fn answer(world: &mut World, call: &Call) -> Reply {
    let World { config, supabase, .. } = world;
    let token = token(call.envelope.authorization.as_deref()).unwrap_or_default();
    let known = config.supabase_tokens.iter().find(|known| known.token == token);
    let caller = match known {
        Some(known) => Caller { organization: Some(known.organization.clone()), read_only: known.read_only },
        None if config.open_orgs => Caller { organization: None, read_only: false },
        None => return problem(401, "Unauthorized").into(),
    };
    if config.rate_limits && !supabase.admit(token, PER_MINUTE, call.now) {
        return problem(429, "Rate limit exceeded").into();
    }
    if caller.read_only && !call.method.is_read() {
        return problem(403, "Forbidden action").into();
    }
    let segments: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    if config.open_orgs
        && let ["projects", reference, ..] = segments.as_slice()
    {
        supabase.ensure(reference, call.now);
    }
    routes::route(supabase, &routes::Asked { call, caller, takes: config.supabase }, &segments)
        .unwrap_or_else(Reply::from)
}

/// An error in Supabase's shape.
fn problem(status: u16, message: &str) -> Refusal {
    Refusal::from(Reply::with(status, json!({"message": message})))
}
