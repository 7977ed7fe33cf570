//! The store that ends with the process, for tests and for runs that shall leave nothing behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{DEFAULT_HISTORY_LIMIT, Store, StoreError, StoredEvent};
use crate::event::Event;
use crate::memory::Memory;
use crate::resource::EnvName;

/// A store in memory. A test that "restarts" a controller hands the same one to the next.
#[derive(Debug)]
pub struct MemoryStore {
    history_limit: u32,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    memory: Option<Memory>,
    events: VecDeque<StoredEvent>,
    last_sequence: i64,
    statuses: BTreeMap<EnvName, Value>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { history_limit: DEFAULT_HISTORY_LIMIT, kept: Mutex::default() }
    }

    /// Keeps only the newest `events` events.
    #[must_use]
    pub fn with_history_limit(mut self, events: u32) -> Self {
        self.history_limit = events;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Option<Memory>, StoreError> {
        Ok(self.lock().memory.clone())
    }

    fn save(&self, memory: &Memory) -> Result<(), StoreError> {
        self.lock().memory = Some(memory.clone());
        Ok(())
    }

    fn append(&self, event: &Event) -> Result<(), StoreError> {
        let what =
            serde_json::to_value(&event.what).map_err(|source| StoreError::Encode { what: "an event", source })?;
        let mut kept = self.lock();
        kept.last_sequence = kept.last_sequence.saturating_add(1);
        let sequence = kept.last_sequence;
        kept.events.push_back(StoredEvent { sequence, at: event.at, env: event.env.clone(), what });
        let oldest = sequence.saturating_sub(i64::from(self.history_limit));
        kept.events.retain(|event| event.sequence > oldest);
        Ok(())
    }

    fn events(&self, env: Option<&EnvName>, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let kept = self.lock();
        let wanted = kept.events.iter().rev().filter(|event| env.is_none_or(|env| event.env == *env));
        let mut events: Vec<_> = wanted.take(limit).cloned().collect();
        events.reverse();
        Ok(events)
    }

    fn put_status(&self, env: &EnvName, status: &Value) -> Result<(), StoreError> {
        self.lock().statuses.insert(env.clone(), status.clone());
        Ok(())
    }

    fn remove_status(&self, env: &EnvName) -> Result<(), StoreError> {
        self.lock().statuses.remove(env);
        Ok(())
    }

    fn statuses(&self) -> Result<BTreeMap<EnvName, Value>, StoreError> {
        Ok(self.lock().statuses.clone())
    }
}
