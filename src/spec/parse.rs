//! From the bytes of spec files to typed documents.
//!
//! ```text
//! bytes ─> text ─> tree ─> document ─> typed spec ─> validated together
//! ```
//!
//! Every stage goes on with what is left after a problem, so that all problems of all files come at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::app::AppSpec;
use super::controller::ControllerSpec;
use super::diagnostic::{Diagnostics, Origin};
use super::document::{Document, Metadata};
use super::environment::EnvironmentSpec;
use super::finding::Finding;
use super::manifest::{self, Draft};
use super::policy::PolicySpec;
use super::tree::{self, Node};
use super::{mask, typed, validate};

/// Largest spec file that is read, in bytes. Real specs are some kB; a larger file is something else, chosen by mistake.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// A spec file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, as diagnostics shall show it.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A document with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<S> {
    /// Name and labels.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: S,
    /// The file and the places of its values.
    pub origin: Origin,
}

/// An environment with its place and the apps as they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedEnvironment {
    /// Name and labels.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: EnvironmentSpec,
    /// Each app as JSON with only the fields that were written (`null` where that was written), to be merged over the app's `config`
    /// and read by [`app_from_json`].
    pub app_json: IndexMap<String, Value>,
    /// The file and the places of its values.
    pub origin: Origin,
}

/// All documents of all files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedSpecs {
    /// Environments in the order of files.
    pub environments: Vec<ParsedEnvironment>,
    /// Policies in the order of files.
    pub policies: Vec<Parsed<PolicySpec>>,
    /// The controller's settings.
    pub controller: Option<Parsed<ControllerSpec>>,
    /// What is probably not meant.
    pub warnings: Diagnostics,
}

/// Reads all documents of all files. The error holds every problem of every file, warnings included.
pub fn parse(files: &[SourceFile]) -> Result<ParsedSpecs, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut drafts = Vec::new();
    for file in files {
        drafts.extend(read_file(file, &mut problems));
    }
    validate::documents(&drafts, &mut problems);
    problems.finish();
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(collect(drafts, problems))
}

/// Reads an app from JSON in the shape of [`AppSpec`]. The error holds JSON pointers and messages.
pub fn app_from_json(value: &Value) -> Result<AppSpec, Vec<Finding>> {
    let typed = typed::read(&Node::from(value), std::collections::BTreeSet::new());
    match typed.value {
        Some(app) if typed.findings.is_empty() => Ok(app),
        _ => Err(typed.findings),
    }
}

fn read_file(file: &SourceFile, problems: &mut Diagnostics) -> Vec<Draft> {
    let text: Arc<str> = match text_of(&file.bytes) {
        Ok(text) => text.into(),
        Err((message, help)) => {
            problems.push_file(&file.path, message, Some(help));
            return Vec::new();
        }
    };
    let path: Arc<Path> = file.path.as_path().into();
    match tree::read(&text) {
        Ok(documents) if documents.is_empty() => {
            let help = "a spec begins with `apiVersion: hangar/v1` and `kind: Environment`";
            problems.push_file(&path, "the file has no document", Some(help.to_owned()));
            Vec::new()
        }
        Ok(documents) => {
            let shown: Arc<str> = mask::masked(&text, &documents).into();
            documents.iter().filter_map(|document| manifest::read(document, &path, &shown, problems)).collect()
        }
        Err(error) => {
            problems.push_span(&path, &text, error.span, error.message, error.help);
            Vec::new()
        }
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, (String, String)> {
    if bytes.len() > MAX_FILE_BYTES {
        let size = bytes.len().div_ceil(MAX_FILE_BYTES);
        let message = format!("the file has {size} MB; spec files may have 1 MB at most");
        return Err((message, "split it, or move it out of the directory of specs".to_owned()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => {
            let message = "the file is not UTF-8 text; it looks like a binary file".to_owned();
            Err((message, "move it out of the directory of specs, or save it as UTF-8".to_owned()))
        }
    }
}

fn collect(drafts: Vec<Draft>, warnings: Diagnostics) -> ParsedSpecs {
    let mut specs = ParsedSpecs { warnings, ..ParsedSpecs::default() };
    for Draft { document, origin, app_json, .. } in drafts {
        match document {
            Some(Document::Environment(manifest)) => specs.environments.push(ParsedEnvironment {
                metadata: manifest.metadata,
                spec: manifest.spec,
                app_json,
                origin,
            }),
            Some(Document::Policy(manifest)) => {
                specs.policies.push(Parsed { metadata: manifest.metadata, spec: manifest.spec, origin });
            }
            Some(Document::Controller(manifest)) => {
                specs.controller = Some(Parsed { metadata: manifest.metadata, spec: manifest.spec, origin });
            }
            None => {}
        }
    }
    specs
}
