//! What the controller keeps between runs: its memory, the history of events, and the last status of each environment.
//!
//! Losing a store loses history, never safety: a controller that starts without one begins with a blank memory and waits out the
//! quarantine. No secret value and no token ever comes here; neither [`Memory`] nor [`Event`] has a field for one.
//!
//! ```text
//! memory ─> rows ─> only those that differ ─> one transaction ─> on disk before `save` returns
//! ```

mod error;
mod in_memory;
mod lock;
mod migrate;
mod rows;
mod sqlite;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

pub use error::StoreError;
pub use in_memory::MemoryStore;
pub use sqlite::SqliteStore;

use crate::event::Event;
use crate::memory::Memory;
use crate::resource::EnvName;

/// How many events a store keeps unless told otherwise. The oldest go first. An event takes some 300 bytes, so this is about 30 MB.
pub const DEFAULT_HISTORY_LIMIT: u32 = 100_000;

/// Keeps what must outlive a run of the program.
///
/// Methods block for as long as a small write to a local disk takes (well under a millisecond on an SSD), and are safe to call from
/// several threads. One controller at a time uses a store.
pub trait Store: Debug + Send + Sync {
    /// The memory that was saved last; `None` when there is no history, and the caller begins with [`Memory::blank`].
    fn load(&self) -> Result<Option<Memory>, StoreError>;

    /// Replaces the saved memory. It is on disk when this returns; after an error the memory saved before is still there.
    ///
    /// A note is saved before each write is sent, so the cost is that of the difference from what was saved last.
    fn save(&self, memory: &Memory) -> Result<(), StoreError>;

    /// Adds an event to the history.
    fn append(&self, event: &Event) -> Result<(), StoreError>;

    /// The newest `limit` events, of the environment `env` or of all, in the order in which they happened.
    fn events(&self, env: Option<&EnvName>, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;

    /// Replaces the last status of an environment.
    fn put_status(&self, env: &EnvName, status: &Value) -> Result<(), StoreError>;

    /// Forgets the status of an environment that is gone. Nothing happens when there is none.
    fn remove_status(&self, env: &EnvName) -> Result<(), StoreError>;

    /// The last status of every environment.
    fn statuses(&self) -> Result<BTreeMap<EnvName, Value>, StoreError>;
}

/// A store that is shared by everything in one run.
pub type SharedStore = Arc<dyn Store>;

/// An event as history tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredEvent {
    /// Counts up over all environments of a store, with gaps.
    pub sequence: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// In which environment.
    pub env: EnvName,
    /// What happened: [`crate::event::What`] as JSON, as the version of Hangar that saw it wrote it.
    pub what: Value,
}
