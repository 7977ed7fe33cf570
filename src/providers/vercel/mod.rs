//! Vercel: projects with their variables, domains, deployments and aliases.

pub mod client;
pub mod wire;
