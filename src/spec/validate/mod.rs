//! What must hold beyond types: rules of one document, and rules between documents.
//!
//! Values with expressions (`${{ … }}`) are checked for form again once they are evaluated; here they pass.

mod app;
mod compute;
mod container;
mod controller;
mod environment;
pub mod names;
mod policy;
mod service;
mod storage;
mod together;

pub use app::{Scope, validate_app};

use super::diagnostic::Diagnostics;
use super::document::Document;
use super::finding::Finding;
use super::manifest::Draft;

/// Checks all documents, each alone and all together.
pub(super) fn documents(drafts: &[Draft], problems: &mut Diagnostics) {
    for draft in drafts {
        let findings = match &draft.document {
            Some(Document::Environment(manifest)) => environment::check(manifest),
            Some(Document::Policy(manifest)) => policy::check(manifest),
            Some(Document::Controller(manifest)) => controller::check(manifest),
            None => Vec::new(),
        };
        let sound = findings.into_iter().filter(|finding| !follows_from_broken(finding, &draft.broken));
        problems.push_findings(&draft.origin, "", sound);
    }
    together::check(drafts, problems);
}

/// Whether a finding may be only a consequence of a value that could not be read: one in the same app, or else in the same place.
fn follows_from_broken(finding: &Finding, broken: &[String]) -> bool {
    const APPS: &str = "/spec/fly/apps/";
    let scope = match finding.pointer.strip_prefix(APPS) {
        Some(rest) => {
            let app = rest.split('/').next().unwrap_or_default();
            format!("{APPS}{app}")
        }
        None => finding.pointer.clone(),
    };
    broken.iter().any(|broken| {
        broken.is_empty() || broken.strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
