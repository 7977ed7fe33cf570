//! What must hold beyond types: rules of one document, and rules between documents.
//!
//! Values with expressions (`${{ … }}`) are checked for form again once they are evaluated; here they pass.

mod app;
mod compute;
mod container;
mod controller;
mod environment;
mod finalizer;
pub mod gate;
mod job;
pub mod names;
mod policy;
mod preview;
mod service;
mod storage;
mod together;

pub use app::{Scope, validate_app};
pub use environment::TTL_BOUNDS;

use super::diagnostic::Diagnostics;
use super::document::Document;
use super::parse::Read;

/// Checks all documents, each alone and all together.
pub(super) fn documents(read: &Read, problems: &mut Diagnostics) {
    for draft in &read.drafts {
        let findings = match &draft.document {
            Some(Document::Environment(manifest)) => environment::check(manifest, &draft.made_up),
            Some(Document::PreviewSet(manifest)) => preview::check(manifest, draft.template.as_deref()),
            Some(Document::Policy(manifest)) => policy::check(manifest),
            Some(Document::Controller(manifest)) => controller::check(manifest),
            None => Vec::new(),
        };
        problems.push_findings(&draft.origin, "", draft.made_up.sound(findings));
    }
    together::check(read, problems);
}
