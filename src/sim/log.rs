//! The log of all requests: what was asked, by whom, and how it ended. It never holds headers or bodies.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::http::transport::Method;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// Its method, such as `GET`.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its query, without the question mark; empty if there is none.
    pub query: String,
    /// The status of its answer; `None` if the caller got no answer (yet).
    pub status: Option<u16>,
    /// The organization of the caller's token, `any` for a token that sees all, empty if the caller is unknown.
    pub org: String,
    /// Whether it changed something, whatever the caller was told.
    pub effect: bool,
}

impl RequestRecord {
    /// Whether the request can have no effect: a GET, a GraphQL query, or the dry run of a placement.
    pub fn is_read(&self) -> bool {
        self.method == "GET" || is_dry_run(&self.path)
    }
}

/// Whether the request can have no effect.
pub(crate) fn is_read(method: Method, path: &str) -> bool {
    method.is_read() || is_dry_run(path)
}

fn is_dry_run(path: &str) -> bool {
    // Nothing can be changed through the simulator's GraphQL.
    matches!(path.trim_end_matches('/'), "/v1/platform/placements" | "/graphql")
}

/// The newest requests, by number.
#[derive(Debug, Default)]
pub(crate) struct Log {
    records: BTreeMap<u64, RequestRecord>,
    next: u64,
}

impl Log {
    /// More than any test makes; a simulator that serves for days must not grow for ever.
    const CAPACITY: usize = 1_000_000;

    /// Adds a request and returns its number.
    pub(crate) fn begin(&mut self, record: RequestRecord) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        if self.records.len() >= Self::CAPACITY {
            self.records.pop_first();
        }
        self.records.insert(number, record);
        number
    }

    /// Changes the request `number`, if it has not been cleared.
    pub(crate) fn amend(&mut self, number: u64, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(record) = self.records.get_mut(&number) {
            change(record);
        }
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        self.records.values().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }
}
