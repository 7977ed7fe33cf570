//! What is wanted: the resource graph that the specs of a fleet ask for, with every context value filled in.
//!
//! Strings may still hold placeholders for outputs of resources that do not exist yet (see [`crate::resource::output`]).
//!
//! ```text
//! app of a spec ──over──> its fly.toml ──fill in expressions──> AppSpec ──lower──> machines, volumes, addresses, secrets
//!                                               │
//!                                               └─ uses of other components' images and outputs: the order of the apps
//! ```

mod app;
mod build;
mod environment;
mod fill;
pub mod graph;
mod inputs;
mod jobs;
mod lower;
mod objects;
mod order;
mod previews;
mod problems;
mod resolver;
mod secrets;

pub use build::{Built, Context, build};
pub use graph::{
    App, CheckGate, Class, Completeness, Environment, Fleet, Gates, IpRequest, Job, Level, Machine, Network, Object,
    SecretValue, Sleep, SleepMode, Volume, Wanted,
};
pub use inputs::{Assets, NeededInputs, SecretInputs, needed_inputs};
pub use jobs::job_name;
pub use previews::{
    Answer, AnswerKind, Approval, ApprovalEvidence, Asks, Audience, Branch, Command, Destroyed, Ended, NamePattern,
    NeededListing, Order, Preview, PreviewSet, Provenance, PullEvent, PullRequest, RepoListing, SaidOfCommit, Vouch,
    commands, judge, needed_listings, too_long,
};
