//! Every request to the simulated Vercel, and every answer to it, held against an OpenAPI document of Vercel's. Test programs include
//! this file by its path. The document is `openapi/vercel-2026-10.rebuilt.json` in the folder that also holds Fly's; without it nothing
//! is checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hangar::sim::contract::folder;
use hangar::sim::{Exchange, Simulator, Watcher};
use jsonschema::Validator;
use serde_json::{Value, json};

/// Paths that official clients use and the document does not have, and queries of others.
const UNDOCUMENTED: [(&str, &str); 5] = [
    ("env/pull", "the command line pulls variables so"),
    ("projects/{}/alias", "the command line adds domains so"),
    ("deployments/{}/builds", "the command line shows builds so"),
    ("domains/{}", "the command line removes domains of a team so"),
    ("domains/{}/verify", "the official document of 2025 has it under projects"),
];
const QUERIES: [(&str, &str, &str); 6] = [
    ("projects/{}", "rollbackInfo", "the command line waits for a promotion so"),
    ("projects/{}/env", "target", "the command line filters variables so"),
    ("deployments", "meta-", "the command line filters deployments so"),
    ("deployments/{}/events", "format", "the command line asks for lines"),
    ("projects", "limit", "lists have pages"),
    ("user", "limit", "the command line sends it everywhere"),
];
/// Answers whose schema is not what Vercel is known to answer.
const ANSWERS: [(&str, &str); 2] =
    [("user", "the document says nothing of it"), ("domains/{}", "the command line reads more than the document says")];

/// Lets the test fail at the first exchange that differs from the document.
pub(crate) fn hold_to_vercel(sim: &Simulator) {
    if let Some(document) = document() {
        sim.watch(Arc::new(Strict { document, found: Mutex::default() }));
    }
}

#[derive(Debug)]
struct Document {
    root: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

fn document() -> Option<Arc<Document>> {
    static DOCUMENT: OnceLock<Option<Arc<Document>>> = OnceLock::new();
    DOCUMENT
        .get_or_init(|| {
            let text = std::fs::read_to_string(folder()?.join("openapi/vercel-2026-10.rebuilt.json")).ok()?;
            let mut root: Value = serde_json::from_str(&text).unwrap();
            make_json_schema(&mut root);
            Some(Arc::new(Document { root, validators: Mutex::default() }))
        })
        .clone()
}

/// OpenAPI 3.0 writes `nullable` where JSON Schema has a type, and this document's alternatives overlap.
fn make_json_schema(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(make_json_schema),
        Value::Object(map) => {
            map.values_mut().for_each(make_json_schema);
            if let Some(one_of) = map.remove("oneOf") {
                map.insert("anyOf".to_owned(), one_of);
            }
            if map.remove("nullable") == Some(Value::Bool(true)) {
                *value = json!({"anyOf": [value.take(), {"type": "null"}]});
            }
        }
        _ => {}
    }
}

/// The segments of a path without version and `now`.
fn segments(path: &str) -> Vec<&str> {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_version = |segment: &str| segment.strip_prefix('v').is_some_and(|digits| digits.parse::<u8>().is_ok());
    if segments.first().is_some_and(|first| is_version(first)) {
        segments.remove(0);
    }
    if segments.first() == Some(&"now") {
        segments.remove(0);
    }
    segments
}

/// Whether a path is one that a template stands for.
fn fits(template: &str, path: &str) -> bool {
    let (wanted, given) = (segments(template), segments(path));
    wanted.len() == given.len() && wanted.iter().zip(&given).all(|(one, other)| one.starts_with('{') || one == other)
}

impl Document {
    fn check(&self, exchange: &Exchange) -> Vec<String> {
        const ROOTS: [&str; 6] = ["projects", "deployments", "aliases", "domains", "teams", "user"];
        let below = segments(&exchange.path);
        if !below.first().is_some_and(|first| ROOTS.contains(first)) || exchange.status == 501 {
            return Vec::new();
        }
        let place = format!("{} {} ({})", exchange.method.as_str(), exchange.path, exchange.status);
        let mut found = Vec::new();
        if exchange.status >= 400 {
            let error = exchange.reply.as_ref().map(|body| &body["error"]);
            let is_told = error.is_some_and(|error| error["code"].is_string() && error["message"].is_string());
            if !is_told {
                found.push("an error without `error.code` and `error.message`".to_owned());
            }
            return found.into_iter().map(|reason| format!("{place}: {reason}")).collect();
        }
        let method = exchange.method.as_str().to_lowercase();
        let Some((template, operation)) = self.operation(&method, &exchange.path) else {
            let is_known = UNDOCUMENTED.iter().any(|(path, _)| fits(path, &exchange.path));
            return if is_known { found } else { vec![format!("{place}: is not in the document")] };
        };
        found.extend(check_query(exchange, operation));
        let pointer = format!("#/paths/{}/{method}", template.replace('~', "~0").replace('/', "~1"));
        let body = format!("{pointer}/requestBody/content/application~1json/schema");
        if self.at(&body).is_some() && !exchange.request.is_empty() {
            found.extend(self.validate(&body, &serde_json::from_slice(&exchange.request).unwrap()));
        }
        if operation["responses"].get(exchange.status.to_string()).is_none() {
            found.push("the document has no such status here".to_owned());
        }
        let answer = format!("{pointer}/responses/{}/content/application~1json/schema", exchange.status);
        let is_excused = ANSWERS.iter().any(|(path, _)| fits(path, &exchange.path));
        if let (Some(reply), Some(_), false) = (&exchange.reply, self.at(&answer), is_excused) {
            found.extend(self.validate(&answer, reply));
        }
        found.into_iter().map(|reason| format!("{place}: {reason}")).collect()
    }

    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.root["paths"].as_object()?;
        let fitting = paths.iter().filter(|(template, item)| item.get(method).is_some() && fits(template, path));
        let (template, item) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((template, &item[method]))
    }

    /// What stands at a reference within the document.
    fn at(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn validate(&self, pointer: &str, value: &Value) -> Vec<String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators
            .entry(pointer.to_owned())
            .or_insert_with(|| Arc::new(jsonschema::validator_for(self.at(pointer).unwrap()).unwrap()));
        let reasons = validator.iter_errors(value);
        reasons.map(|error| format!("`{}`: {}", error.instance_path(), shorten(&error.to_string()))).collect()
    }
}

fn check_query(exchange: &Exchange, operation: &Value) -> Vec<String> {
    let known = |name: &str| {
        operation["parameters"].as_array().into_iter().flatten().any(|one| one["in"] == "query" && one["name"] == name)
            || QUERIES.iter().any(|(path, known, _)| fits(path, &exchange.path) && name.starts_with(known))
    };
    let pairs = exchange.query.split('&').filter(|pair| !pair.is_empty());
    let names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
    names
        .filter(|name| !known(name))
        .map(|name| format!("the query parameter `{name}` is not in the document"))
        .collect()
}

fn shorten(text: &str) -> String {
    text.chars().take(400).collect()
}

#[derive(Debug)]
struct Strict {
    document: Arc<Document>,
    /// Remembered, because a panic inside a request may be caught on its way.
    found: Mutex<Vec<String>>,
}

impl Watcher for Strict {
    fn seen(&self, _simulator: &Simulator, exchange: &Exchange) {
        let found = self.document.check(exchange);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(found.clone());
        assert!(found.is_empty(), "differs from Vercel's document:\n  {}", found.join("\n  "));
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let text = found.join("\n  ");
        assert!(found.is_empty() || std::thread::panicking(), "differs from Vercel's document:\n  {text}");
    }
}
