//! What is wanted: the resource graph that the specs of a fleet ask for, with every context value filled in.
//!
//! Strings may still hold placeholders for outputs of resources that do not exist yet (see [`crate::resource::output`]).

pub mod graph;

pub use graph::{
    App, Class, Completeness, Environment, Fleet, Gates, IpRequest, Level, Machine, Network, SecretValue, Volume,
    Wanted,
};
