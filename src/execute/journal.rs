//! The memory of a run, kept durable: a note is saved before its write is sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::memory::{Conclusion, Memory, Note, NoteOutcome, Rejection, Verb};
use crate::resource::{EnvName, ResourceKey};
use crate::store::{Store, StoreError};

/// The shortest and the longest time after which a rejected change is tried again.
const RETRY_FIRST: Duration = Duration::from_mins(1);
const RETRY_LAST: Duration = Duration::from_hours(1);
/// After which a value that the provider does not keep is tried again: each try restarts the machine, and the answer is known.
const RETRY_NOT_KEPT: Duration = Duration::from_hours(24);

/// The reason of a rejection: the provider took the change, and keeps something else.
pub(super) const NOT_KEPT: &str = "NotKept";

/// The memory of a run and the store that keeps it.
#[derive(Debug, Clone)]
pub struct Journal {
    memory: Arc<Mutex<Memory>>,
    store: Arc<dyn Store>,
}

/// A write that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Intent<'i> {
    /// What it writes to.
    pub key: &'i ResourceKey,
    /// The environment it is for.
    pub env: &'i EnvName,
    /// What it does.
    pub verb: Verb,
    /// The server's id, the launch id, or the network: what helps to recognise the effect.
    pub detail: &'i str,
}

impl Journal {
    /// A journal over what `store` remembers, or over a blank memory where it remembers nothing.
    pub fn open(store: Arc<dyn Store>, instance: &str, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let memory = match store.load()? {
            Some(mut memory) => {
                instance.clone_into(&mut memory.instance);
                memory.started_at = now;
                memory
            }
            None => Memory::blank(instance, now),
        };
        let journal = Self { memory: Arc::new(Mutex::new(memory)), store };
        journal.change(|_| ())?;
        Ok(journal)
    }

    /// A copy of the memory as it is now.
    pub fn memory(&self) -> Memory {
        self.lock().clone()
    }

    /// What `read` finds in the memory, of which no copy is made.
    pub fn read<T>(&self, read: impl FnOnce(&Memory) -> T) -> T {
        read(&self.lock())
    }

    /// The store beneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Changes the memory, and saves it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> Result<T, StoreError> {
        let mut memory = self.lock();
        let result = change(&mut memory);
        self.store.save(&memory)?;
        Ok(result)
    }

    /// Notes a write before it is sent.
    pub fn note(&self, intent: Intent<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let note = Note {
            key: intent.key.clone(),
            env: intent.env.clone(),
            verb: intent.verb,
            detail: intent.detail.to_owned(),
            sent_at: now,
            outcome: NoteOutcome::Unknown,
        };
        self.change(|memory| memory.note(note))
    }

    /// Notes how a write ended.
    pub fn conclude(&self, key: &ResourceKey, verb: Verb, conclusion: Conclusion) -> Result<(), StoreError> {
        self.change(|memory| memory.conclude(key, verb, conclusion))
    }

    /// Remembers that what `hash` names did not work, so that it is tried again only after a growing while.
    pub fn reject(
        &self,
        key: &ResourceKey,
        hash: &str,
        reason: &str,
        message: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.change(|memory| {
            let attempts = memory
                .rejections
                .get(&key.to_string())
                .filter(|before| before.hash == hash)
                .map_or(1, |before| before.attempts.saturating_add(1));
            let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
            let wait = match reason {
                NOT_KEPT => RETRY_NOT_KEPT,
                _ => RETRY_FIRST.saturating_mul(factor).min(RETRY_LAST),
            };
            let rejection = Rejection {
                hash: hash.to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                at: now,
                retry_at: now.checked_add_signed(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)).unwrap_or(now),
                attempts,
            };
            memory.rejections.insert(key.to_string(), rejection);
        })
    }

    /// Forgets that a change of `key` did not work.
    pub fn accept(&self, key: &ResourceKey) -> Result<(), StoreError> {
        self.change(|memory| {
            memory.rejections.remove(&key.to_string());
        })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
