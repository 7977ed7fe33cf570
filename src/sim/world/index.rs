//! What the organization-wide listings show: the present, or (with a lag) what was true a while ago.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use super::app::App;
use super::schedule::before;

/// Past states of the apps, as far back as the listing lag goes. Empty without a lag.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Oldest first.
    moments: Vec<(DateTime<Utc>, BTreeMap<String, App>)>,
}

impl Index {
    /// Notes the state at `at`, and drops what was overtaken before `keep`.
    pub(super) fn record(&mut self, at: DateTime<Utc>, keep: DateTime<Utc>, apps: &BTreeMap<String, App>) {
        self.moments.push((at, apps.clone()));
        let overtaken = self.moments.iter().skip(1).take_while(|(next, _)| *next <= keep).count();
        self.moments.drain(..overtaken);
    }
}

impl World {
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
