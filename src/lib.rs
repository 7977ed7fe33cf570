//! Hangar: a reconciling controller for Fly.io environments.

pub mod check;
#[cfg(feature = "controller")]
pub mod clock;
pub mod desired;
#[cfg(feature = "controller")]
pub mod execute;
#[cfg(feature = "controller")]
pub mod http;
pub mod memory;
pub mod observed;
pub mod plan;
pub mod policy;
#[cfg(feature = "controller")]
pub mod providers;
#[cfg(feature = "controller")]
pub mod random;
pub mod resource;
pub mod secret;
#[cfg(feature = "controller")]
pub mod sim;
#[cfg(feature = "controller")]
pub mod source;
pub mod spec;
#[cfg(feature = "controller")]
pub mod store;
pub mod template;
