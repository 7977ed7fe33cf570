//! Vercel: projects with their variables, domains, deployments and aliases.

mod aliases;
pub mod client;
mod deployments;
mod marks;
pub mod objects;
mod production;
mod reads;
mod variables;
pub mod wire;
