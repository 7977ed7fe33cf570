//! GitHub: where pull requests and branches come from.

pub mod client;
pub mod wire;
