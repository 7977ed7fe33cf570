//! From the bytes of spec files to typed documents.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::app::AppSpec;
use super::controller::ControllerSpec;
use super::diagnostic::{Diagnostics, Origin};
use super::document::{Manifest, Metadata};
use super::environment::EnvironmentSpec;
use super::policy::PolicySpec;
use super::positions::Positions;

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
    /// Each app as JSON with only the fields that were written, to be merged over the app's `config` and read by [`app_from_json`].
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

/// Reads all documents of all files. The error holds every problem of every file.
pub fn parse(files: &[SourceFile]) -> Result<ParsedSpecs, Diagnostics> {
    let mut specs = ParsedSpecs::default();
    let mut problems = Diagnostics::default();
    for file in files {
        read_file(file, &mut specs, &mut problems);
    }
    if problems.is_empty() { Ok(specs) } else { Err(problems) }
}

/// Reads an app from JSON in the shape of [`AppSpec`]. The error holds JSON pointers and messages.
pub fn app_from_json(value: Value) -> Result<AppSpec, Vec<(String, String)>> {
    serde_json::from_value(value).map_err(|error| vec![(String::new(), error.to_string())])
}

fn read_file(file: &SourceFile, specs: &mut ParsedSpecs, problems: &mut Diagnostics) {
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        problems.push_file(&file.path, "the file is not UTF-8 text", None);
        return;
    };
    let documents: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.push_file(&file.path, error.to_string(), None);
            return;
        }
    };
    for document in documents {
        let origin = Origin {
            path: file.path.as_path().into(),
            text: text.into(),
            positions: Arc::new(Positions::default()),
        };
        match document.get("kind").and_then(Value::as_str) {
            Some("Environment") => {
                let apps = document
                    .pointer("/spec/fly/apps")
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default();
                if let Some(Manifest { metadata, spec, .. }) = typed(document, &origin, problems) {
                    let app_json = apps.into_iter().collect();
                    specs.environments.push(ParsedEnvironment {
                        metadata,
                        spec,
                        app_json,
                        origin,
                    });
                }
            }
            Some("Policy") => {
                if let Some(Manifest { metadata, spec, .. }) = typed(document, &origin, problems) {
                    specs.policies.push(Parsed { metadata, spec, origin });
                }
            }
            Some("Controller") => {
                if let Some(Manifest { metadata, spec, .. }) = typed(document, &origin, problems) {
                    specs.controller = Some(Parsed { metadata, spec, origin });
                }
            }
            _ => problems.push_file(&file.path, "unknown kind", None),
        }
    }
}

fn typed<S: DeserializeOwned>(document: Value, origin: &Origin, problems: &mut Diagnostics) -> Option<Manifest<S>> {
    serde_json::from_value(document)
        .map_err(|error| problems.push(origin, "", error.to_string(), None))
        .ok()
}
