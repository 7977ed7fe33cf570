//! The program as people run it: real processes in empty folders, against the built-in simulator or one on a socket.
//!
//! These tests take real time, so they are few, and their apps are small.
#![cfg(feature = "controller")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something it relies on is not so")]

mod action;
mod actions;
mod bad_input;
mod base;
mod exit_codes;
mod git;
mod help;
mod interrupted;
mod json_logs;
mod leftovers;
mod previews;
mod schema;
mod secrets;
mod socket;
mod story;
#[path = "../contract/strict.rs"]
mod strict;
mod support;
mod webhooks;
