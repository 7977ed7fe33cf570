//! The behaviours that surprise clients, each as a test against the simulator as a client sees it.

mod apps;
mod edits;
mod faults;
mod listings;
mod machines;
mod meddling;
mod past;
mod profiles;
mod secrets;
mod snapshot;
mod support;
mod volumes;
mod web;
