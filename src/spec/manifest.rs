//! One document: which kind it is, and its typed form.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::broken::Broken;
use super::diagnostic::{Diagnostics, Origin};
use super::document::{API_VERSION, Document, Kind, Manifest};
use super::finding::{Finding, did_you_mean};
use super::positions::child;
use super::tree::{self, Node, Shape};
use super::typed::{self, Lenience};

/// Sections of an environment that are designed and not built.
const LATER_SECTIONS: [&str; 1] = ["checks"];

/// A document that was read, perhaps with problems.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its typed form without what was wrong; `None` when nothing sensible is left.
    pub(super) document: Option<Document>,
    /// Kind and name as far as they could be read, so that references to a broken document are not errors too.
    pub(super) kind: Option<Kind>,
    pub(super) name: Option<String>,
    /// Each app of an environment as it was written.
    pub(super) app_json: IndexMap<String, Value>,
    /// The environment that a set of previews has as its template, as a document of its own. Its problems are those of the set.
    pub(super) template: Option<Box<Draft>>,
    /// What was wrong.
    pub(super) broken: Broken,
    /// The same, and what is made up because an app that is laid over a `config` need not have it.
    pub(super) made_up: Broken,
    pub(super) origin: Origin,
}

/// Reads one document and notes its problems. `None` when it is of no known kind.
pub(super) fn read(node: &Node, path: &Arc<Path>, text: &Arc<str>, problems: &mut Diagnostics) -> Option<Draft> {
    let origin = Origin { path: Arc::clone(path), text: Arc::clone(text), positions: Arc::new(node.positions()) };
    for duplicate in tree::duplicate_keys(node) {
        let message = format!("the key `{}` stands twice in this map", duplicate.key);
        problems.push_span(path, text, duplicate.second, message, Some("remove all but one".to_owned()));
    }
    let Shape::Map(_) = node.shape else {
        problems.push(
            &origin,
            "",
            "a spec document must be a map",
            Some("begin with `apiVersion: hangar/v1`".to_owned()),
        );
        return None;
    };
    let (kind, mut findings) = header(node);
    let mut draft = Draft {
        document: None,
        kind,
        name: node.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str).map(str::to_owned),
        app_json: IndexMap::new(),
        template: None,
        broken: Broken::none(Arc::clone(&origin.positions)),
        made_up: Broken::none(Arc::clone(&origin.positions)),
        origin,
    };
    match kind {
        Some(Kind::Environment) => draft.environment(node, &mut findings),
        Some(Kind::PreviewSet) => {
            let template = template(node);
            let (later, hidden) = later_sections(&template);
            let in_set = |pointer: &str| format!("/spec/template{pointer}");
            findings.extend(later.into_iter().map(|finding| finding.below("/spec/template")));
            let partial: Vec<String> = overlays(&template).iter().map(|pointer| in_set(pointer)).collect();
            let hidden = hidden.iter().map(|pointer| in_set(pointer)).collect();
            let lenience = Lenience { hidden, partial: &partial };
            draft.document = draft.typed(node, lenience, &mut findings).map(Box::new).map(Document::PreviewSet);
            draft.template = Some(Box::new(Draft::template(&template, &draft.origin)));
        }
        Some(Kind::Policy) => {
            draft.document = draft.typed(node, Lenience::default(), &mut findings).map(Box::new).map(Document::Policy);
        }
        Some(Kind::Controller) => {
            draft.document =
                draft.typed(node, Lenience::default(), &mut findings).map(Box::new).map(Document::Controller);
        }
        None => {}
    }
    problems.push_findings(&draft.origin, "", findings);
    Some(draft)
}

/// The kind, if this version reads it, and what is wrong with `apiVersion` and `kind`.
fn header(node: &Node) -> (Option<Kind>, Vec<Finding>) {
    let mut findings = Vec::new();
    match node.get("apiVersion").and_then(Node::as_str) {
        Some(API_VERSION) => {}
        Some(other) => findings.push(
            Finding::error("/apiVersion", format!("the apiVersion `{other}` is unknown"))
                .help(format!("this version of Hangar reads `{API_VERSION}`")),
        ),
        None => {
            findings.push(missing(node, "apiVersion", format!("begin the document with `apiVersion: {API_VERSION}`")));
        }
    }
    let kind = if let Some(given) = node.get("kind").and_then(Node::as_str) {
        let kind = Kind::named(given);
        if kind.is_none() {
            let help = did_you_mean(given, Kind::ALL.map(Kind::name));
            findings.push(Finding::error("/kind", format!("the kind `{given}` is unknown")).maybe_help(help));
        }
        kind
    } else {
        let help = "add `kind: Environment`, `kind: PreviewSet`, `kind: Policy` or `kind: Controller`";
        findings.push(missing(node, "kind", help.to_owned()));
        None
    };
    (kind, findings)
}

fn missing(node: &Node, field: &str, help: String) -> Finding {
    match node.get(field) {
        Some(_) => Finding::error(format!("/{field}"), format!("`{field}` must be a string")).help(help),
        None => Finding::error("", format!("the field `{field}` is missing")).help(help),
    }
}

fn later_sections(node: &Node) -> (Vec<Finding>, BTreeSet<String>) {
    let given =
        LATER_SECTIONS.into_iter().filter(|section| node.get("spec").is_some_and(|spec| spec.get(section).is_some()));
    let mut findings = Vec::new();
    let mut hidden = BTreeSet::new();
    for section in given {
        let pointer = child("/spec", section);
        findings.push(
            Finding::error(&pointer, format!("the section `{section}` is not supported by this version of Hangar yet"))
                .at_key()
                .help("remove it; this version reconciles `fly`, `neon`, `postgres`, `supabase` and `vercel`"),
        );
        hidden.insert(pointer);
    }
    (findings, hidden)
}

/// The template of a set of previews as the document that an environment would be, each value where it stands in the set.
fn template(set: &Node) -> Node {
    let template = set.get("spec").and_then(|spec| spec.get("template"));
    let within = template.map(Node::entries).unwrap_or_default();
    let header = set.entries().iter().filter(|entry| matches!(entry.key.as_str(), "apiVersion" | "kind"));
    let body = within.iter().filter(|entry| matches!(entry.key.as_str(), "metadata" | "spec"));
    let span = template.map_or_else(|| set.span.clone(), |template| template.span.clone());
    Node { shape: Shape::Map(header.chain(body).cloned().collect()), span }
}

impl Draft {
    /// Reads an environment.
    fn environment(&mut self, node: &Node, findings: &mut Vec<Finding>) {
        let (later, hidden) = later_sections(node);
        findings.extend(later);
        let partial = overlays(node);
        let lenience = Lenience { hidden, partial: &partial };
        self.document = self.typed(node, lenience, findings).map(Box::new).map(Document::Environment);
        self.app_json = apps_as_written(node, self.document.as_ref());
    }

    /// Reads the template of a set of previews in the set's file. What is wrong with it is told of the set.
    fn template(node: &Node, set: &Origin) -> Self {
        let origin = Origin { positions: Arc::new(node.positions()), ..set.clone() };
        let mut draft = Self {
            document: None,
            kind: Some(Kind::Environment),
            name: None,
            app_json: IndexMap::new(),
            template: None,
            broken: Broken::none(Arc::clone(&origin.positions)),
            made_up: Broken::none(Arc::clone(&origin.positions)),
            origin,
        };
        draft.environment(node, &mut Vec::new());
        draft
    }

    /// The typed form of the document without what is wrong, which is noted.
    fn typed<S: DeserializeOwned>(
        &mut self,
        node: &Node,
        lenience: Lenience<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<Manifest<S>> {
        let typed = typed::read(node, lenience);
        self.broken.note("", &typed);
        self.made_up = self.broken.clone();
        self.made_up.note_values(typed.made_up);
        // `header` has said so already, in better words.
        let own = |finding: &Finding| {
            !matches!(finding.message.as_str(), "the field `apiVersion` is missing" | "the field `kind` is missing")
        };
        findings.extend(typed.findings.into_iter().filter(own));
        typed.value
    }
}

/// The apps that are laid over a `config`, which may have what they lack.
fn overlays(node: &Node) -> Vec<String> {
    let apps = node.get("spec").and_then(|spec| spec.get("fly")).and_then(|fly| fly.get("apps"));
    let named = |name: &str| child("/spec/fly/apps", name);
    apps.map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter(|entry| entry.value.get("config").is_some())
        .map(|entry| named(&entry.key))
        .collect()
}

fn apps_as_written(node: &Node, document: Option<&Document>) -> IndexMap<String, Value> {
    let Some(Document::Environment(manifest)) = document else {
        return IndexMap::new();
    };
    let written = node.get("spec").and_then(|spec| spec.get("fly")).and_then(|fly| fly.get("apps"));
    let apps = manifest.spec.fly.iter().flat_map(|fly| &fly.apps);
    apps.filter_map(|(name, app)| {
        let written = written?.get(name)?.to_json();
        let typed = serde_json::to_value(app).ok()?;
        Some((name.clone(), as_written(written, &typed)))
    })
    .collect()
}

/// The JSON as it was written, with numbers that the type reads as text in that form: `1.10` and not `1.1`.
fn as_written(written: Value, typed: &Value) -> Value {
    match (written, typed) {
        (Value::Object(entries), Value::Object(typed)) => entries
            .into_iter()
            .map(|(key, value)| {
                let value = match typed.get(&key) {
                    Some(typed) => as_written(value, typed),
                    None => value,
                };
                (key, value)
            })
            .collect(),
        (Value::Array(items), Value::Array(typed)) if items.len() == typed.len() => {
            items.into_iter().zip(typed).map(|(item, typed)| as_written(item, typed)).collect()
        }
        (Value::Number(_), Value::String(text)) => Value::String(text.clone()),
        (written, _) => written,
    }
}
