//! What only one writer at a time may change: a project is one document, or works on one thing after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// Where one writer after the other writes.
#[derive(Debug, Default)]
pub struct Lane {
    turn: tokio::sync::Mutex<()>,
    unanswered: Mutex<BTreeMap<String, DateTime<Utc>>>,
}

impl Lane {
    /// Waits for one's turn, which lasts as long as what is returned.
    pub async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Notes that a write to `what` had no answer, so that it may take effect until `until`.
    pub fn note_unanswered(&self, what: &str, until: DateTime<Utc>) {
        self.notes().insert(what.to_owned(), until);
    }

    /// Until when an earlier write to `what` may take effect, if it had no answer and that is still to come.
    pub fn unanswered(&self, what: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut notes = self.notes();
        notes.retain(|_, until| now < *until);
        notes.get(what).copied()
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<String, DateTime<Utc>>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes of a process, by what is written in them. All rounds of a daemon share them.
#[derive(Debug, Default)]
pub struct Lanes {
    known: Mutex<BTreeMap<String, Arc<Lane>>>,
}

impl Lanes {
    /// The lane of `what`, for example a project with its provider.
    pub fn of(&self, what: &str) -> Arc<Lane> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(what.to_owned()).or_default())
    }
}
