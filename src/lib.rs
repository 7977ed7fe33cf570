//! Hangar: a reconciling controller for Fly.io environments.

#[cfg(feature = "controller")]
pub mod clock;
pub mod desired;
#[cfg(feature = "controller")]
pub mod http;
#[cfg(feature = "controller")]
pub mod random;
pub mod resource;
pub mod secret;
pub mod spec;
pub mod template;
