//! The log of all requests: what was asked, by whom, and how it ended. It never holds headers or bodies.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Simulator;
use crate::http::transport::Method;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Counts the requests, from 0.
    pub number: u64,
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
    /// What hit it, in words: latency, edits just before it, and what spoiled its answer.
    pub faults: Vec<String>,
}

impl RequestRecord {
    /// Whether the request can have no effect: a GET, a GraphQL query, or the dry run of a placement.
    pub fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD") || is_dry_run(&self.path)
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

/// Is told of every request when it has ended, and again if its effect comes later than that.
pub trait RequestListener: std::fmt::Debug + Send + Sync {
    /// This is how the request ended.
    fn ended(&self, request: &RequestRecord);
}

/// The newest requests, by number.
#[derive(Debug, Default)]
pub(crate) struct Log {
    records: BTreeMap<u64, RequestRecord>,
    next: u64,
    /// What the hash has taken in: the requests that are not kept any more.
    hash: Sha256,
    listeners: Vec<Arc<dyn RequestListener>>,
    /// Requests whose effect came after they had ended, and of which the listeners have not been told again.
    late: Vec<u64>,
}

impl Log {
    /// More than any test makes; a simulator that serves for days must not grow for ever.
    const CAPACITY: usize = 1_000_000;

    /// Adds a request and returns its number.
    pub(crate) fn begin(&mut self, mut record: RequestRecord) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        if self.records.len() >= Self::CAPACITY
            && let Some((_, oldest)) = self.records.pop_first()
        {
            take_in(&mut self.hash, &oldest);
        }
        record.number = number;
        self.records.insert(number, record);
        number
    }

    /// Changes the request `number`, if it has not been cleared.
    pub(crate) fn amend(&mut self, number: u64, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(record) = self.records.get_mut(&number) {
            change(record);
        }
    }

    /// How many requests have arrived.
    pub(crate) const fn arrived(&self) -> u64 {
        self.next
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        self.records.values().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        for (_, record) in std::mem::take(&mut self.records) {
            take_in(&mut self.hash, &record);
        }
    }

    /// The effect of the request `number` came after its end.
    pub(super) fn ended_late(&mut self, number: u64) {
        if !self.listeners.is_empty() {
            self.late.push(number);
        }
    }

    /// What hit the request `number`.
    pub(super) fn faults_of(&self, number: u64) -> Vec<String> {
        self.records.get(&number).map(|record| record.faults.clone()).unwrap_or_default()
    }

    fn hash(&self) -> String {
        let mut hash = self.hash.clone();
        for record in self.records.values() {
            take_in(&mut hash, record);
        }
        hex::encode(hash.finalize())
    }
}

fn take_in(hash: &mut Sha256, record: &RequestRecord) {
    hash.update(serde_json::to_vec(record).unwrap_or_default());
    hash.update(b"\n");
}

impl Simulator {
    /// The SHA-256, in hexadecimal, of all requests so far and how they ended, cleared ones included: two runs are equal if theirs are.
    pub fn log_hash(&self) -> String {
        self.lock().log.hash()
    }

    /// Tells `listener` of every request from now on.
    pub fn listen(&self, listener: Arc<dyn RequestListener>) {
        self.lock().log.listeners.push(listener);
    }

    /// Tells the listeners that the request `number` has ended.
    pub(super) fn tell_listeners(&self, number: u64) {
        let (listeners, records) = {
            let log = &mut self.lock().log;
            if log.listeners.is_empty() {
                return;
            }
            let mut numbers = std::mem::take(&mut log.late);
            numbers.push(number);
            let records: Vec<RequestRecord> =
                numbers.iter().filter_map(|number| log.records.get(number).cloned()).collect();
            (log.listeners.clone(), records)
        };
        for record in &records {
            for listener in &listeners {
                listener.ended(record);
            }
        }
    }
}
