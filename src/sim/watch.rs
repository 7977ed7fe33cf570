//! Those who look at every request: checks of invariants, and of the published API documents.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Simulator;
use crate::http::transport::Method;

/// A request that was carried out, and what the simulator answered before any fault spoiled the answer.
///
/// Bodies may hold secret values; a watcher must not pass them on. That is why this has no readable `Debug`.
#[derive(Clone)]
pub struct Exchange {
    /// Counts the requests that were carried out, from 0.
    pub number: u64,
    /// When it was carried out.
    pub at: DateTime<Utc>,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
    /// What was sent.
    pub request: Bytes,
    /// The status of the reply.
    pub status: u16,
    /// The body of the reply; `None` if it has none.
    pub reply: Option<serde_json::Value>,
    /// What hit it, as in the request log: a fault can have made the reply old or partial.
    pub faults: Vec<String>,
}

impl std::fmt::Debug for Exchange {
    /// Leaves out the bodies.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("number", &self.number)
            .field("at", &self.at)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("status", &self.status)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// Is told of every request right after it was carried out, also when its answer gets lost on the way or comes late.
///
/// The simulator can be asked for anything while it is told; it must not be sent requests.
pub trait Watcher: std::fmt::Debug + Send + Sync {
    /// `exchange` was carried out, and `simulator` shows what came of it.
    fn seen(&self, simulator: &Simulator, exchange: &Exchange);
}

/// The watchers of a simulator, and what they have not been told yet.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    all: Vec<Arc<dyn Watcher>>,
    waiting: Vec<Exchange>,
    next: u64,
}

impl Watchers {
    /// Whether anybody looks: copying bodies for nobody would be a waste.
    pub(super) fn is_watched(&self) -> bool {
        !self.all.is_empty()
    }

    /// Keeps an exchange until the watchers can be told, which is when the state is not locked.
    pub(super) fn note(&mut self, mut exchange: Exchange) {
        exchange.number = self.next;
        self.next = self.next.saturating_add(1);
        self.waiting.push(exchange);
    }
}

impl Simulator {
    /// Tells `watcher` of every request from now on.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.lock().watchers.all.push(watcher);
    }

    /// Tells the watchers what they have not been told yet.
    pub(super) fn tell_watchers(&self) {
        let (watchers, exchanges) = {
            let mut state = self.lock();
            if state.watchers.waiting.is_empty() {
                return;
            }
            (state.watchers.all.clone(), std::mem::take(&mut state.watchers.waiting))
        };
        for exchange in &exchanges {
            for watcher in &watchers {
                watcher.seen(self, exchange);
            }
        }
    }
}
