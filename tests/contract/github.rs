//! Every request to the simulated GitHub, and every answer to it, held against GitHub's OpenAPI document. The document is
//! `openapi/github-cut.json` in the folder that also holds Fly's; without it nothing is checked.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hangar::sim::contract::folder;
use hangar::sim::{Exchange, Simulator, Watcher};
use serde_json::{Value, json};

use super::openapi::Document;

/// Lets the test fail at the first exchange that differs from the document.
pub(crate) fn hold_to_github(sim: &Simulator) {
    if let Some(document) = document() {
        sim.watch(Arc::new(Strict { document, found: Mutex::default() }));
    }
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
            Some(Arc::new(Document::of(root)))
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
    // Of each kind of event the same is required; some have more.
    let event = json!({
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "node_id": {"type": "string"},
            "url": {"type": "string"},
            "actor": {"$ref": "#/components/schemas/simple-user"},
            "event": {"type": "string"},
            "commit_id": {"type": "string", "nullable": true},
            "commit_url": {"type": "string", "nullable": true},
            "created_at": {"type": "string"},
            "label": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "color": {"type": "string"}},
                "required": ["name", "color"],
            },
        },
        "required": ["id", "node_id", "url", "actor", "event", "commit_id", "commit_url", "created_at", "performed_via_github_app"],
    });
    root["paths"]["/repos/{owner}/{repo}/issues/{issue_number}/events"] = json!({
        "get": {
            "parameters": paging,
            "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": event}}}}},
        },
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

/// Everything in which `exchange` differs.
fn check(document: &Document, exchange: &Exchange) -> Vec<String> {
    let path = exchange.path.strip_prefix("/api/v3").unwrap_or(&exchange.path);
    let path = match path.strip_prefix("/repositories/") {
        Some(rest) => format!("/repos/owner/repo{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => path.to_owned(),
    };
    let is_github = path == "/app" || ["/repos/", "/user", "/rate_limit"].iter().any(|start| path.starts_with(start));
    // What is not simulated says so, and who is refused at the door is not told what is behind it.
    if !is_github || matches!(exchange.status, 501 | 401 | 403) {
        return Vec::new();
    }
    // Any list may be unchanged, anything may be absent or moved, and what is sent may be refused, whether the document says so there or
    // not.
    document.check(exchange, &path, &[301, 304, 307, 404, 422])
}

#[derive(Debug)]
struct Strict {
    document: Arc<Document>,
    /// Remembered, because a panic inside a request may be caught on its way.
    found: Mutex<Vec<String>>,
}

impl Watcher for Strict {
    fn seen(&self, _simulator: &Simulator, exchange: &Exchange) {
        let found = check(&self.document, exchange);
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
