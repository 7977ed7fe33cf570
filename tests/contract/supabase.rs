//! Every request to the simulated Supabase, and every answer to it, held against Supabase's OpenAPI document. The document is
//! `openapi/supabase.json` in the folder that also holds Fly's; without it nothing is checked.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hangar::sim::contract::folder;
use hangar::sim::{Exchange, Simulator, Watcher};

use super::openapi::Document;

/// Lets the test fail at the first exchange that differs from the document.
pub(crate) fn hold_to_supabase(sim: &Simulator) {
    static DOCUMENT: OnceLock<Option<Arc<Document>>> = OnceLock::new();
    let read = || {
        let text = std::fs::read_to_string(folder()?.join("openapi/supabase.json")).ok()?;
        Some(Arc::new(Document::of(serde_json::from_str(&text).unwrap())))
    };
    if let Some(document) = DOCUMENT.get_or_init(read).clone() {
        sim.watch(Arc::new(Strict { document, found: Mutex::default() }));
    }
}

#[derive(Debug)]
struct Strict {
    document: Arc<Document>,
    /// Remembered, because a panic inside a request may be caught on its way.
    found: Mutex<Vec<String>>,
}

impl Watcher for Strict {
    fn seen(&self, _simulator: &Simulator, exchange: &Exchange) {
        let is_covered = ["/v1/projects", "/v1/branches"].iter().any(|start| exchange.path.starts_with(start));
        // Who is refused at the door is not told what is behind it.
        if !is_covered || matches!(exchange.status, 501 | 401 | 403 | 429) {
            return;
        }
        // Known from clients, but not in the document: what is not there, and what cannot be.
        let found = self.document.check(exchange, &exchange.path, &[400, 404]);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(found.clone());
        assert!(found.is_empty(), "{found:#?}");
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(found.is_empty() || std::thread::panicking(), "{found:#?}");
    }
}
