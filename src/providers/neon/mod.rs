//! Neon: Postgres with branches.

pub mod client;
mod marks;
pub mod objects;
mod restore;
pub mod wire;
