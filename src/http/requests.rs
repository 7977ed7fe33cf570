//! How many requests a run has sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::transport::Method;

/// Counts requests, retries included. Shared by all clients of a run.
#[derive(Debug, Default)]
pub struct Requests {
    reads: AtomicU64,
    writes: AtomicU64,
    answered: AtomicBool,
    unheard: AtomicBool,
}

impl Requests {
    /// Requests that could not change anything.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Requests that could change something.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Notes that somebody has answered, whatever they said.
    pub(super) fn note_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Notes that a call was given up for which no connection could be made.
    pub(super) fn note_unheard(&self) {
        self.unheard.store(true, Ordering::Relaxed);
    }

    /// Whether anybody has ever answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether a call was given up already because no connection could be made.
    pub(super) fn is_unheard(&self) -> bool {
        self.unheard.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, method: Method) {
        let counter = if method.is_read() { &self.reads } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
