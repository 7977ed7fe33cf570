//! The behaviours that surprise clients, each as a test against the simulator as a client sees it.

mod apps;
mod capacity;
mod certificates;
mod consistency;
#[path = "../../../tests/contract/documents.rs"]
pub(crate) mod documents;
mod edits;
mod faults;
mod github;
mod health;
mod inside;
mod listings;
mod lives;
mod machines;
mod meddling;
mod past;
mod policies;
mod postgres;
mod profiles;
mod secrets;
mod snapshot;
mod snapshots;
#[path = "../../../tests/contract/strict.rs"]
pub(crate) mod strict;
mod support;
mod surface;
mod tokens;
mod traffic;
pub(crate) mod vercel;
mod vercel_deployments;
mod vercel_domains;
mod volumes;
mod web;
