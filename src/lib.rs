//! Hangar: a reconciling controller for Fly.io environments.

#[cfg(feature = "controller")]
pub mod clock;
#[cfg(feature = "controller")]
pub mod http;
#[cfg(feature = "controller")]
pub mod random;
pub mod spec;
