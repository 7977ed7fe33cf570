//! Hangar as a whole against its simulator, in process, on a paused clock: exact live state, exact requests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test ends where something it relies on is not so"
)]

mod adopt;
mod budget;
mod capacity;
mod case_five;
mod case_one;
mod case_two;
mod changes;
mod chat_dev;
mod checks;
mod collect;
mod commands;
mod contract;
mod costs;
mod create;
mod daemon;
mod destroy;
mod diff;
mod drift;
mod faults;
mod feedback;
mod finalizers;
mod forecast;
mod forks;
mod github;
mod github_app;
mod given;
mod health;
mod images;
mod jobs;
mod lag;
mod leaks;
mod leases;
mod leftovers;
mod levels;
mod live;
mod neon;
mod neon_restore;
mod networks;
#[path = "../contract/openapi.rs"]
mod openapi;
mod organizations;
mod ownership;
mod postgres;
mod postgres_attachments;
mod preview_life;
mod preview_sets;
mod preview_specs;
mod previews;
mod quarantine;
mod replies;
mod reports;
mod secrets;
mod sent;
mod sleep;
#[path = "../contract/strict.rs"]
mod strict;
mod structure;
mod supabase;
#[path = "../contract/supabase.rs"]
mod supabase_document;
mod support;
mod tokens;
mod vercel;
mod vercel_aliases;
mod vercel_builds;
#[path = "../contract/vercel.rs"]
mod vercel_document;
mod vercel_late;
mod vercel_limits;
mod vercel_places;
mod vercel_production;
mod vercel_variables;
mod webhooks;
mod world;
