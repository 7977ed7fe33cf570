//! The past, as far as somebody will be shown it: organization-wide listings with a lag, and stale reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use super::app::App;
use super::schedule::before;

/// Past states of the apps, as far back as the listing lag or the oldest stale read goes. Empty without either.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Oldest first.
    moments: Vec<(DateTime<Utc>, BTreeMap<String, App>)>,
}

impl Index {
    /// More than any lag needs at the rates that the platform allows; a past that is busier than that is shorter.
    const CAPACITY: usize = 2_000;

    /// Notes the state at `at`, and drops what was overtaken before `keep`.
    pub(super) fn record(&mut self, at: DateTime<Utc>, keep: DateTime<Utc>, apps: &BTreeMap<String, App>) {
        match self.moments.last_mut() {
            Some((last, state)) if *last == at => state.clone_from(apps),
            _ => self.moments.push((at, apps.clone())),
        }
        let overtaken = self.moments.iter().skip(1).take_while(|(next, _)| *next <= keep).count();
        self.moments.drain(..overtaken.max(self.moments.len().saturating_sub(Self::CAPACITY)));
    }

    /// Begins to keep the past: as far back as anybody asks, the apps were as they are.
    pub(super) fn begin(&mut self, apps: &BTreeMap<String, App>) {
        self.moments = vec![(DateTime::<Utc>::MIN_UTC, apps.clone())];
    }

    pub(super) fn forget(&mut self) {
        self.moments.clear();
    }
}

impl World {
    /// The apps as they were at `then`, or as long ago as is known; `None` if nothing of the past is kept.
    pub(crate) fn past(&self, then: DateTime<Utc>) -> Option<BTreeMap<String, App>> {
        let moments = &self.index.moments;
        let moment = moments.iter().rev().find(|(at, _)| *at <= then).or_else(|| moments.first())?;
        Some(moment.1.clone())
    }

    /// The apps as a listing shows them at `now`.
    pub(crate) fn listed_apps(&self, now: DateTime<Utc>) -> Cow<'_, BTreeMap<String, App>> {
        let lag = self.config.listing_lag;
        if lag.is_zero() {
            return Cow::Borrowed(&self.apps);
        }
        let shown = before(now, lag);
        let moment = self.index.moments.iter().rev().find(|(at, _)| *at <= shown);
        moment.map_or_else(|| Cow::Owned(BTreeMap::new()), |(_, apps)| Cow::Borrowed(apps))
    }
}
