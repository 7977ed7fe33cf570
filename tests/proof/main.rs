//! What no fault can confuse: runs that are killed at every request, random lives under random weather, two controllers at once, with
//! invariants checked after every single request. Built with optimisation, because thousands of worlds are run:
//! `cargo test --profile proof --test proof`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test ends where something it relies on is not so"
)]

mod branches;
mod clusters;
mod crash;
mod edits;
mod elsewhere;
mod every_spec;
#[expect(dead_code, reason = "shared with the tests in e2e, which use the rest")]
#[path = "../e2e/given.rs"]
mod given;
mod invariants;
mod life;
#[path = "../e2e/live.rs"]
mod live;
mod objects;
mod once;
mod pairs;
mod previews;
mod projects;
mod pulls;
mod scene;
mod seeds;
#[path = "../contract/strict.rs"]
mod strict;
mod supabase;
#[expect(dead_code, reason = "shared with the tests in e2e, which use the rest")]
#[path = "../e2e/support.rs"]
mod support;
#[expect(dead_code, reason = "shared with the tests in e2e, which use the rest")]
#[path = "../e2e/world.rs"]
mod world;
