//! Every request to the simulated GitHub, and every answer to it, held against GitHub's OpenAPI document. Test programs include this
//! file by its path. The document is `openapi/github-cut.json` in the folder that also holds Fly's; without it nothing is checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hangar::sim::contract::folder;
use hangar::sim::{Exchange, Simulator, Watcher};
use jsonschema::Validator;
use serde_json::{Value, json};

/// Lets the test fail at the first exchange that differs from the document.
pub(crate) fn hold_to_github(sim: &Simulator) {
    if let Some(document) = document() {
        sim.watch(Arc::new(Strict { document, found: Mutex::default() }));
    }
}

/// The document, read once per process, and what was made of it.
#[derive(Debug)]
pub(crate) struct Document {
    root: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// The document, if it is there.
pub(crate) fn document() -> Option<Arc<Document>> {
    static DOCUMENT: OnceLock<Option<Arc<Document>>> = OnceLock::new();
    DOCUMENT
        .get_or_init(|| {
            let text = std::fs::read_to_string(folder()?.join("openapi/github-cut.json")).ok()?;
            let mut root: Value = serde_json::from_str(&text).unwrap();
            // Known from clients: `null` once the fork was deleted.
            for schema in ["pull-request-simple", "pull-request"] {
                let repo = &mut root["components"]["schemas"][schema]["properties"]["head"]["properties"]["repo"];
                *repo = json!({"allOf": [repo.take()], "nullable": true});
            }
            add_what_was_cut_off(&mut root);
            make_json_schema(&mut root);
            Some(Arc::new(Document { root, validators: Mutex::default() }))
        })
        .clone()
}

/// Operations of the whole document that the cut one does not have.
fn add_what_was_cut_off(root: &mut Value) {
    let paging = json!([
        {"name": "per_page", "in": "query", "schema": {"type": "integer"}},
        {"name": "page", "in": "query", "schema": {"type": "integer"}},
    ]);
    let contents = json!(["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]);
    root["components"]["schemas"]["reaction"] = json!({
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "node_id": {"type": "string"},
            "user": {"$ref": "#/components/schemas/nullable-simple-user"},
            "content": {"type": "string", "enum": contents},
            "created_at": {"type": "string", "format": "date-time"},
        },
        "required": ["id", "node_id", "user", "content", "created_at"],
    });
    let one = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/reaction"}}}});
    let list = json!({"type": "array", "items": {"$ref": "#/components/schemas/reaction"}});
    let body = json!({"type": "object", "properties": {"content": {"type": "string", "enum": contents}}, "required": ["content"]});
    root["paths"]["/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions"] = json!({
        "get": {
            "parameters": paging,
            "responses": {"200": {"content": {"application/json": {"schema": list}}}},
        },
        "post": {
            "requestBody": {"content": {"application/json": {"schema": body}}},
            "responses": {"200": one, "201": one},
        },
    });
}

/// OpenAPI 3.0 writes `nullable` where JSON Schema has a type.
fn make_json_schema(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(make_json_schema),
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                if name != "example" && name != "examples" {
                    make_json_schema(value);
                }
            }
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
                if let Some(values) = map.get_mut("enum").and_then(Value::as_array_mut) {
                    values.push(Value::Null);
                }
                match map.get_mut("type") {
                    Some(kind) => *kind = json!([kind.take(), "null"]),
                    None => *value = json!({"anyOf": [value.take(), {"type": "null"}]}),
                }
            }
        }
        _ => {}
    }
}

impl Document {
    /// Everything in which `exchange` differs.
    pub(crate) fn check(&self, exchange: &Exchange) -> Vec<String> {
        let path = exchange.path.strip_prefix("/api/v3").unwrap_or(&exchange.path);
        let path = match path.strip_prefix("/repositories/") {
            Some(rest) => format!("/repos/owner/repo{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
            None => path.to_owned(),
        };
        let is_github = ["/repos/", "/user", "/rate_limit"].iter().any(|start| path.starts_with(start));
        // What is not simulated says so, and who is refused at the door is not told what is behind it.
        if !is_github || matches!(exchange.status, 501 | 401 | 403) {
            return Vec::new();
        }
        let method = exchange.method.as_str().to_lowercase();
        let place = format!("{} {} ({})", exchange.method.as_str(), exchange.path, exchange.status);
        let Some((template, operation)) = self.operation(&method, &path) else {
            return if exchange.status == 404 { Vec::new() } else { vec![format!("{place}: is not in the document")] };
        };
        let pointer = format!("#/paths/{}/{method}", template.replace('~', "~0").replace('/', "~1"));
        let mut found = Vec::new();
        if exchange.status != 422 {
            found.extend(self.check_request(exchange, operation, &pointer));
        }
        found.extend(self.check_answer(exchange, operation, &pointer));
        found.into_iter().map(|reason| format!("{place}: {reason}")).collect()
    }

    fn check_request(&self, exchange: &Exchange, operation: &Value, pointer: &str) -> Vec<String> {
        let mut found = Vec::new();
        let parameters: Vec<&Value> =
            operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolve(parameter)).collect();
        for (name, value) in url_pairs(&exchange.query) {
            let Some(known) = parameters.iter().find(|known| known["in"] == "query" && known["name"] == name.as_str())
            else {
                found.push(format!("the query parameter `{name}` is not in the document"));
                continue;
            };
            let values = known["schema"]["enum"].as_array();
            if values.is_some_and(|values| !values.contains(&json!(value))) {
                found.push(format!("`{name}={value}` is not one of the document's values"));
            }
        }
        let has_schema = operation.pointer("/requestBody/content/application~1json/schema").is_some();
        if has_schema && !exchange.request.is_empty() {
            let body: Value = serde_json::from_slice(&exchange.request).unwrap_or_default();
            found.extend(self.validate(&format!("{pointer}/requestBody/content/application~1json/schema"), &body));
        }
        found
    }

    fn check_answer(&self, exchange: &Exchange, operation: &Value, pointer: &str) -> Vec<String> {
        let status = exchange.status.to_string();
        let Some(response) = operation["responses"].get(&status) else {
            // Any list may be unchanged, anything may be absent or moved, and what is sent may be refused, whether the document says so
            // there or not.
            let usual = matches!(exchange.status, 301 | 304 | 307 | 404 | 422);
            return if usual { Vec::new() } else { vec![format!("the document has no status {status} here")] };
        };
        let pointer = match response["$ref"].as_str() {
            Some(reference) => reference.to_owned(),
            None => format!("{pointer}/responses/{status}"),
        };
        let schema = format!("{pointer}/content/application~1json/schema");
        let is_described = self.root.pointer(schema.trim_start_matches('#')).is_some();
        match &exchange.reply {
            Some(body) if is_described => self.validate(&schema, body),
            None if is_described => vec!["the answer has no body".to_owned()],
            _ => Vec::new(),
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.root["paths"].as_object()?;
        let fits = |template: &str| {
            let (mut wanted, mut given) = (template.split('/').peekable(), path.split('/'));
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    // The name of a branch or environment may contain slashes.
                    (Some("{branch}" | "{ref}" | "{environment_name}"), Some(_)) if wanted.peek().is_none() => {
                        return true;
                    }
                    (Some(part), Some(given)) if part.starts_with('{') || part == given => {}
                    _ => return false,
                }
            }
        };
        let fitting = paths.iter().filter(|(template, item)| item.get(method).is_some() && fits(template));
        let by_detail =
            |template: &str| (template.matches('{').count(), std::cmp::Reverse(template.split('/').count()));
        let (template, item) = fitting.min_by_key(|(template, _)| by_detail(template))?;
        Some((template, &item[method]))
    }

    fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        let reference = value["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
        reference.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(value)
    }

    fn validate(&self, pointer: &str, value: &Value) -> Vec<String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(pointer.to_owned()).or_insert_with(|| {
            let schema = self.root.pointer(pointer.trim_start_matches('#')).unwrap();
            let schema = json!({"allOf": [schema], "components": self.root["components"]});
            Arc::new(jsonschema::validator_for(&schema).unwrap())
        });
        validator.iter_errors(value).map(|error| format!("`{}`: {error}", error.instance_path())).collect()
    }
}

fn url_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let decoded = |text: &str| text.replace("%3A", ":").replace("%2F", "/");
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
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
        assert!(found.is_empty(), "differs from GitHub's document:\n  {}", found.join("\n  "));
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            found.is_empty() || std::thread::panicking(),
            "differs from GitHub's document:\n  {}",
            found.join("\n  ")
        );
    }
}
