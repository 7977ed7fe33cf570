//! What flyctl needs besides the Machines API: GraphQL at `/graphql`, and the web interface's REST at `/api/v1`.
//!
//! ```text
//! /graphql ─> parse ─> select (fields of apps, organizations, releases)
//! /api/v1  ─> rest  (organizations, releases, builds)
//! ```
//!
//! It is as much as listing, inspecting and deploying need; the same world is behind it as behind the Machines API.

mod graphql;
mod ledger;
mod objects;
mod rest;

pub(crate) use ledger::Ledger;

use super::routes::{Answer, Call};
use super::world::World;
use crate::http::transport::Method;

/// Whether this path is answered here.
pub(crate) fn serves(segments: &[&str]) -> bool {
    matches!(segments, ["graphql"] | ["api", "v1", ..])
}

/// Carries out a call to such a path.
pub(crate) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Answer {
    match (call.method, segments) {
        (Method::Post, ["graphql"]) => Ok(graphql::answer(world, call)),
        (_, ["api", "v1", rest @ ..]) => rest::route(world, call, rest),
        _ => Err(super::routes::not_implemented(call).into()),
    }
}
