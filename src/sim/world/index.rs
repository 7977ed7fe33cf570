//! The past, as far as somebody will be shown it: organization-wide listings with a lag, and stale reads.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use super::app::App;
use super::apps::Apps;
use super::schedule::before;

/// Past states of each app, by organization and name, as far back as the listing lag or the oldest stale read goes. Empty without
/// either.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    past: BTreeMap<String, BTreeMap<String, Vec<Moment>>>,
}

/// An app as it was from a moment on; `None` once it was gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Moment {
    at: DateTime<Utc>,
    app: Option<App>,
}

impl Index {
    /// More than any lag needs at the rates that the platform allows; a past that is busier than that is shorter.
    const CAPACITY: usize = 2_000;

    /// Begins with all apps as they are: nobody will know that they have ever been different.
    pub(super) fn begin(&mut self, apps: &Apps) {
        for app in apps.values() {
            let moments = self.past.entry(app.org.clone()).or_default().entry(app.name.clone()).or_default();
            moments.push(Moment { at: DateTime::UNIX_EPOCH, app: Some(app.clone()) });
        }
    }

    /// Notes what became of the touched apps at `at`, and drops what was overtaken before `keep`.
    pub(super) fn record(&mut self, at: DateTime<Utc>, keep: DateTime<Utc>, apps: &mut Apps) {
        for (org, name) in apps.take_touched() {
            let app = apps.get(&name).filter(|app| app.org == org).cloned();
            let apps = self.past.entry(org).or_default();
            let moments = apps.entry(name.clone()).or_default();
            match moments.last_mut() {
                Some(last) if last.at == at => last.app = app,
                _ => moments.push(Moment { at, app }),
            }
            let overtaken = moments.iter().skip(1).take_while(|next| next.at <= keep).count();
            let overtaken = overtaken.max(moments.len().saturating_sub(Self::CAPACITY));
            moments.drain(..overtaken);
            // What came before is no longer known: it counts as if it had always been like this.
            if let Some(first) = moments.first_mut().filter(|_| overtaken > 0) {
                first.at = DateTime::UNIX_EPOCH;
            }
            if moments.iter().all(|moment| moment.app.is_none()) {
                apps.remove(&name);
            }
        }
    }

    pub(super) fn forget(&mut self) {
        self.past.clear();
    }
}

impl World {
    /// The apps as they were at `then`, or as long ago as is known; `None` if nothing of the past is kept.
    pub(crate) fn past(&self, then: DateTime<Utc>) -> Option<Apps> {
        if self.index.past.is_empty() {
            return None;
        }
        let mut apps = Apps::default();
        let moments = self.index.past.values().flat_map(BTreeMap::values);
        for app in moments.filter_map(|moments| as_of(moments, then)) {
            apps.insert(app.clone());
        }
        Some(apps)
    }

    /// The apps of an organization as a listing shows them at `now`, in order of their names, from the name `from` on.
    pub(crate) fn listed_apps<'w>(
        &'w self,
        org: &'w str,
        from: &str,
        now: DateTime<Utc>,
    ) -> Box<dyn Iterator<Item = &'w App> + 'w> {
        let lag = self.config.listing_lag;
        if lag.is_zero() {
            return Box::new(self.apps.of_org(org, from));
        }
        let shown = before(now, lag);
        let from = from.to_owned();
        let past = self.index.past.get(org).into_iter().flat_map(move |apps| apps.range(from.clone()..));
        Box::new(past.filter_map(move |(_, moments)| as_of(moments, shown)))
    }
}

/// What an app was at `then`, if it was there.
fn as_of(moments: &[Moment], then: DateTime<Utc>) -> Option<&App> {
    moments.iter().rev().find(|moment| moment.at <= then)?.app.as_ref()
}
