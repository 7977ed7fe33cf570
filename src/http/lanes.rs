//! What only one writer at a time may change: a project is one document, or works on one thing after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What one writer holds while it writes.
pub type Lane = Arc<tokio::sync::Mutex<()>>;

/// The lanes of a process, by what is written in them. All rounds of a daemon share them.
#[derive(Debug, Default)]
pub struct Lanes {
    known: Mutex<BTreeMap<String, Lane>>,
}

impl Lanes {
    /// The lane of `what`, for example a project with its provider.
    pub fn of(&self, what: &str) -> Lane {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(what.to_owned()).or_default())
    }
}
