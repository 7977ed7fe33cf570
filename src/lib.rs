//! Hangar: a reconciling controller for Fly.io environments.

#[cfg(test)]
extern crate self as hangar; // Unit tests share files with those outside.

pub mod check;
#[cfg(feature = "controller")]
pub mod cli;
#[cfg(feature = "controller")]
pub mod clock;
#[cfg(feature = "controller")]
pub mod controller;
pub mod cost;
pub mod desired;
pub mod event;
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
#[cfg(feature = "controller")]
pub mod report;
pub mod resource;
pub mod review;
pub mod rules;
pub mod secret;
#[cfg(feature = "controller")]
pub mod server;
#[cfg(feature = "controller")]
pub mod sim;
#[cfg(feature = "controller")]
pub mod source;
pub mod spec;
#[cfg(feature = "controller")]
pub mod store;
pub mod template;

#[cfg(test)]
mod rooms;
