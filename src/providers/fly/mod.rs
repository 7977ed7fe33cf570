//! Fly.io: the Machines API.

pub mod apply;
pub mod client;
pub(crate) mod convert;
pub mod ended;
pub mod health;
mod marks;
pub mod objects;
pub mod observe;
pub mod wire;
