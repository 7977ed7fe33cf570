//! Every request of a test world, and every answer to it, held against the OpenAPI document that Fly publishes. Test programs include
//! this file by its path. Without the document nothing is checked; `e2e::contract` says so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hangar::sim::contract::{Contract, Violation, folder};
use hangar::sim::{Exchange, Simulator, Watcher};

/// The document, read once per process.
pub(crate) fn contract() -> Option<Arc<Contract>> {
    static CONTRACT: OnceLock<Option<Arc<Contract>>> = OnceLock::new();
    let read = |folder: PathBuf| {
        let read = Contract::read(&folder);
        assert!(read.is_ok(), "{}", read.as_ref().err().map(ToString::to_string).unwrap_or_default());
        read.ok().map(Arc::new)
    };
    CONTRACT.get_or_init(|| folder().and_then(read)).clone()
}

/// Properties that tests make up: a raw `machine` block may hold what the document does not know yet.
const MADE_UP: [&str; 1] = ["/config/new_feature"];

/// Lets the test fail at the first exchange that differs from the document.
pub(crate) fn hold_to_contract(sim: &Simulator) {
    if let Some(contract) = contract() {
        sim.watch(Arc::new(Strict::new(contract)));
    }
}

#[derive(Debug)]
pub(crate) struct Strict {
    contract: Arc<Contract>,
    /// Remembered, because a panic inside a request may be caught on its way.
    found: Mutex<Vec<Violation>>,
}

impl Strict {
    pub(crate) fn new(contract: Arc<Contract>) -> Self {
        Self { contract, found: Mutex::default() }
    }
}

impl Watcher for Strict {
    fn seen(&self, _simulator: &Simulator, exchange: &Exchange) {
        let mut found = self.contract.check(exchange);
        found.retain(|violation| !MADE_UP.iter().any(|name| violation.pointer.ends_with(name)));
        self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(found.clone());
        assert!(found.is_empty(), "{}", show(&found));
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(found.is_empty() || std::thread::panicking(), "{}", show(&found));
    }
}

fn show(found: &[Violation]) -> String {
    let lines = found.iter().map(|violation| format!("\n  {violation}"));
    format!("differs from the OpenAPI document:{}", lines.collect::<String>())
}
