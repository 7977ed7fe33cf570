//! What Vercel held before, as far as stale reads are shown it.

use chrono::{DateTime, Utc};

use super::state::{Project, Vercel};

/// The projects as they were from each moment on. Nothing is kept while no read can be stale.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    moments: Vec<(DateTime<Utc>, Vec<Project>)>,
    /// Whether something may have changed since the newest of them.
    touched: bool,
}

impl Past {
    pub(super) const EMPTY: Self = Self { moments: Vec::new(), touched: false };

    /// Says that a project is about to be changed.
    pub(super) const fn touch(&mut self) {
        self.touched = true;
    }
}

impl Vercel {
    /// Whether the past is kept from now on.
    pub(crate) fn remember(&mut self, kept: bool) {
        if !kept {
            self.past = Past::EMPTY;
        } else if self.past.moments.is_empty() {
            self.past = Past { moments: vec![(DateTime::UNIX_EPOCH, self.projects.clone())], touched: false };
        }
    }

    /// Notes how everything is from `at` on, and drops what was overtaken before `keep`.
    pub(crate) fn record(&mut self, at: DateTime<Utc>, keep: DateTime<Utc>) {
        let moments = &mut self.past.moments;
        if moments.is_empty() || !std::mem::take(&mut self.past.touched) {
            return;
        }
        match moments.last_mut() {
            Some((last, projects)) if *last == at => projects.clone_from(&self.projects),
            _ => moments.push((at, self.projects.clone())),
        }
        let overtaken = moments.iter().skip(1).take_while(|(next, _)| *next <= keep).count();
        moments.drain(..overtaken);
    }

    /// What `read` finds in what was there at `then`, or as long ago as is known; in the present without it.
    pub(super) fn as_of<T>(&mut self, then: Option<DateTime<Utc>>, read: impl FnOnce(&mut Self) -> T) -> T {
        let moments = &self.past.moments;
        let past = then.and_then(|then| moments.iter().rev().find(|(at, _)| *at <= then).or_else(|| moments.first()));
        let Some((_, projects)) = past else { return read(self) };
        let (projects, touched) = (projects.clone(), self.past.touched);
        let present = std::mem::replace(&mut self.projects, projects);
        let found = read(self);
        self.projects = present;
        self.past.touched = touched;
        found
    }
}
