//! How many requests a run has sent.

use std::sync::atomic::{AtomicU64, Ordering};

use super::transport::Method;

/// Counts requests, retries included. Shared by all clients of a run.
#[derive(Debug, Default)]
pub struct Requests {
    reads: AtomicU64,
    writes: AtomicU64,
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

    pub(super) fn count(&self, method: Method) {
        let counter = if method.is_read() { &self.reads } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
