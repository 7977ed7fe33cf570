//! What will happen by itself, in order of time. The world has no background tasks: before each request, everything that is due
//! by then is carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::lifecycle::Step;

/// Something that is going to happen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Due {
    /// A machine goes on in its life cycle, unless something overtook it (then `generation` differs).
    Machine { app: String, id: String, generation: u64, step: Step },
    /// A machine with a schedule may be due to run.
    Run { app: String, id: String },
    /// A volume lets go of a machine that was destroyed.
    FreeVolume { app: String, id: String, machine: String },
    /// A soft-deleted volume disappears.
    PurgeVolume { app: String, id: String },
    /// A deleted app disappears, unless another app has taken the name (then `app_id` differs).
    RemoveApp { app: String, app_id: String },
    /// The host of a machine answers again.
    HostAnswers { app: String, id: String },
    /// A request whose reply was lost takes effect.
    LateRequest { number: u64 },
}

/// The queue of what is due.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub(crate) struct Schedule {
    queue: BTreeMap<(DateTime<Utc>, u64), Due>,
    sequence: u64,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    at: DateTime<Utc>,
    sequence: u64,
    due: Due,
}

impl From<Vec<Entry>> for Schedule {
    fn from(entries: Vec<Entry>) -> Self {
        let sequence = entries.iter().map(|entry| entry.sequence).max().unwrap_or(0);
        let queue = entries.into_iter().map(|entry| ((entry.at, entry.sequence), entry.due)).collect();
        Self { queue, sequence }
    }
}

impl From<Schedule> for Vec<Entry> {
    fn from(schedule: Schedule) -> Self {
        schedule.queue.into_iter().map(|((at, sequence), due)| Entry { at, sequence, due }).collect()
    }
}

impl Schedule {
    /// Notes that `due` happens at `at`.
    pub(crate) fn push(&mut self, at: DateTime<Utc>, due: Due) {
        self.sequence = self.sequence.saturating_add(1);
        self.queue.insert((at, self.sequence), due);
    }

    /// Takes the earliest entry that is due at `now`.
    pub(crate) fn pop(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Due)> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| {
            let ((at, _), due) = entry.remove_entry();
            (at, due)
        })
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        self.queue.keys().next().map(|(at, _)| *at)
    }
}

/// `at` plus `duration`, or the end of time.
pub(crate) fn after(at: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(duration)
        .ok()
        .and_then(|delta| at.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `at` minus `duration`, or the beginning of time.
pub(crate) fn before(at: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(duration)
        .ok()
        .and_then(|delta| at.checked_sub_signed(delta))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}
