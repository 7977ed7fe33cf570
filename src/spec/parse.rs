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
use super::broken::Broken;
use super::controller::ControllerSpec;
use super::diagnostic::{Diagnostics, Origin};
use super::document::{Document, Manifest, Metadata};
use super::environment::EnvironmentSpec;
use super::finding::Finding;
use super::manifest::{self, Draft};
use super::policy::PolicySpec;
use super::preview::PreviewSetSpec;
use super::tree::{self, Node};
use super::typed::{self, Lenience};
use super::{mask, validate};

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
    /// What of it could not be read, and is left out of `spec`.
    pub broken: Broken,
    /// The file and the places of its values.
    pub origin: Origin,
}

/// A set of previews with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedPreviewSet {
    /// Name and labels.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: PreviewSetSpec,
    /// The template as the environment that each preview becomes; its name and everything else may hold expressions.
    pub template: ParsedEnvironment,
    /// The file and the places of its values.
    pub origin: Origin,
}

/// All documents of all files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedSpecs {
    /// Environments in the order of files.
    pub environments: Vec<ParsedEnvironment>,
    /// Sets of previews in the order of files.
    pub preview_sets: Vec<ParsedPreviewSet>,
    /// Policies in the order of files.
    pub policies: Vec<Parsed<PolicySpec>>,
    /// The controller's settings.
    pub controller: Option<Parsed<ControllerSpec>>,
    /// What is probably not meant.
    pub warnings: Diagnostics,
}

/// Reads all documents of all files. The error holds every problem of every file, warnings included.
pub fn parse(files: &[SourceFile]) -> Result<ParsedSpecs, Diagnostics> {
    let (specs, mut problems) = parse_all(files);
    problems.finish();
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(ParsedSpecs { warnings: problems, ..specs })
}

/// Reads as much of all documents of all files as can be read, for whoever looks for further problems. With errors among the
/// problems the documents are not what their authors meant: nothing may be done by them.
pub fn parse_all(files: &[SourceFile]) -> (ParsedSpecs, Diagnostics) {
    let mut problems = Diagnostics::default();
    let mut read = Read::default();
    for file in files {
        read_file(file, &mut read, &mut problems);
    }
    validate::documents(&read, &mut problems);
    (collect(read.drafts), problems)
}

/// The documents that could be read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) drafts: Vec<Draft>,
    /// Whether there are documents of which nothing is known, not even who they are.
    pub(super) has_unknown: bool,
}

/// Reads an app from JSON in the shape of [`AppSpec`]. The error holds JSON pointers and messages.
pub fn app_from_json(value: &Value) -> Result<AppSpec, Vec<Finding>> {
    let typed = typed::read(&Node::from(value), Lenience::default());
    match typed.value {
        Some(app) if typed.findings.is_empty() => Ok(app),
        _ => Err(typed.findings),
    }
}

/// Reads an app from JSON as far as it can be read, without what is known to be broken at `base`, the app's own pointer. One that is
/// not whole may lack anything. What else is wrong is added to `broken` and handed over, by the document's own pointers.
pub(crate) fn app_beside(
    value: &Value,
    base: &str,
    is_whole: bool,
    broken: &mut Broken,
) -> (Option<AppSpec>, Vec<Finding>) {
    let partial = if is_whole { Vec::new() } else { vec![String::new()] };
    let lenience = Lenience { hidden: broken.values_below(base), partial: &partial };
    let typed = typed::read(&Node::from(value), lenience);
    let findings = typed.findings.iter().map(|finding| finding.clone().below(base));
    let new: Vec<Finding> = findings.filter(|finding| !broken.knows(finding) && !broken.explains(finding)).collect();
    broken.note(base, &typed);
    broken.note_values(typed.made_up.iter().map(|pointer| format!("{base}{pointer}")));
    (typed.value, new)
}

fn read_file(file: &SourceFile, read: &mut Read, problems: &mut Diagnostics) {
    let text: Arc<str> = match text_of(&file.bytes) {
        Ok(text) => text.into(),
        Err((message, help)) => {
            problems.push_file(&file.path, message, Some(help));
            read.has_unknown = true;
            return;
        }
    };
    let path: Arc<Path> = file.path.as_path().into();
    let (documents, errors) = match tree::read(&text) {
        Ok(documents) => (documents, Vec::new()),
        Err(error) => match tree::read_apart(&text) {
            (documents, errors) if errors.is_empty() => (documents, vec![error]),
            apart => apart,
        },
    };
    if documents.is_empty() && errors.is_empty() {
        let help = "a spec begins with `apiVersion: hangar/v1` and `kind: Environment`";
        problems.push_file(&path, "the file has no document", Some(help.to_owned()));
    }
    let shown: Arc<str> = mask::masked(&text, &documents).into();
    read.has_unknown |= !errors.is_empty();
    for error in errors {
        problems.push_span(&path, &shown, error.span, error.message, error.help);
    }
    for document in &documents {
        let draft = manifest::read(document, &path, &shown, problems);
        read.has_unknown |= draft.as_ref().is_none_or(|draft| draft.name.is_none());
        read.drafts.extend(draft);
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

fn collect(drafts: Vec<Draft>) -> ParsedSpecs {
    let mut specs = ParsedSpecs::default();
    for draft in drafts {
        if matches!(draft.document, Some(Document::Environment(_))) {
            specs.environments.extend(environment(draft));
            continue;
        }
        let Draft { document, origin, template, .. } = draft;
        match document {
            Some(Document::PreviewSet(manifest)) => {
                let template = template.map(|draft| *draft).and_then(environment);
                specs.preview_sets.extend(template.map(|template| ParsedPreviewSet {
                    metadata: manifest.metadata,
                    spec: manifest.spec,
                    template,
                    origin,
                }));
            }
            Some(Document::Policy(manifest)) => {
                specs.policies.push(Parsed { metadata: manifest.metadata, spec: manifest.spec, origin });
            }
            Some(Document::Controller(manifest)) => {
                specs.controller = Some(Parsed { metadata: manifest.metadata, spec: manifest.spec, origin });
            }
            Some(Document::Environment(_)) | None => {}
        }
    }
    specs
}

fn environment(draft: Draft) -> Option<ParsedEnvironment> {
    let Some(Document::Environment(manifest)) = draft.document else { return None };
    let Manifest { metadata, spec, .. } = *manifest;
    Some(ParsedEnvironment { metadata, spec, app_json: draft.app_json, broken: draft.broken, origin: draft.origin })
}
