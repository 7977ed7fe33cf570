//! Fly.io: the Machines API.

pub mod client;
pub mod wire;
