//! Specs: the YAML documents that people commit, as typed Rust with the place of every value.
//!
//! Pure: bytes go in, documents or diagnostics come out. Reading files is somebody else's work.

pub mod app;
pub mod broken;
pub mod check;
pub mod container;
pub mod controller;
mod deletion;
pub mod diagnostic;
pub mod document;
pub mod duration;
pub mod environment;
pub mod finding;
pub mod fly;
pub mod flytoml;
pub mod group;
pub mod job;
pub mod machine;
mod manifest;
mod mask;
pub mod neon;
pub mod network;
pub mod parse;
pub mod policy;
pub mod positions;
pub mod postgres;
pub mod preset;
pub mod preview;
mod problem;
mod render;
pub mod report;
pub mod schema;
pub mod secret;
pub mod service;
pub mod size;
mod source;
mod standin;
pub mod storage;
pub mod supabase;
mod syntax;
pub mod text;
mod tree;
mod typed;
pub mod validate;
pub mod vercel;

pub use app::{AppSpec, DEFAULT_GROUP};
pub use broken::Broken;
pub use controller::ControllerSpec;
pub use diagnostic::{Diagnostic, Diagnostics, Origin, Severity};
pub use document::{API_VERSION, Document, Kind, Manifest, Metadata};
pub use duration::Duration;
pub use environment::EnvironmentSpec;
pub use finding::Finding;
pub use fly::{FlySpec, Network};
pub(crate) use parse::app_beside;
pub use parse::{
    Parsed, ParsedEnvironment, ParsedPreviewSet, ParsedSpecs, SourceFile, app_from_json, parse, parse_all,
};
pub use policy::PolicySpec;
pub use preview::PreviewSetSpec;
pub use schema::schema;
pub use size::Size;
pub use text::{StringList, Text};
pub use validate::{Scope, validate_app};
