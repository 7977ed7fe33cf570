//! Neon: Postgres with branches.

pub mod client;
pub mod wire;
