//! Neon: Postgres with branches.

pub mod client;
mod marks;
pub mod objects;
pub mod wire;
