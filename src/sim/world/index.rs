//! What the organization-wide listings show: the present, or (with a lag) what was true a while ago.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use super::app::App;
use super::apps::Apps;
use super::schedule::before;

/// Past states of each app, by organization and name, as far back as the listing lag goes. Empty without a lag.
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
    /// Notes what became of the touched apps at `at`, and drops what was overtaken before `keep`.
    pub(super) fn record(&mut self, at: DateTime<Utc>, keep: DateTime<Utc>, apps: &mut Apps) {
        for (org, name) in apps.take_touched() {
            let app = apps.get(&name).filter(|app| app.org == org).cloned();
            let apps = self.past.entry(org).or_default();
            let moments = apps.entry(name.clone()).or_default();
            moments.push(Moment { at, app });
            let overtaken = moments.iter().skip(1).take_while(|next| next.at <= keep).count();
            moments.drain(..overtaken);
            if moments.iter().all(|moment| moment.app.is_none()) {
                apps.remove(&name);
            }
        }
    }
}

impl World {
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
        Box::new(
            past.filter_map(move |(_, moments)| moments.iter().rev().find(|moment| moment.at <= shown)?.app.as_ref()),
        )
    }
}
