//! How much each key has asked: 700 requests a minute, and 40 at once per second and route.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

/// Requests a minute of one key.
const A_MINUTE: usize = 700;

/// Requests a second of one key on one route.
const A_SECOND: usize = 40;

/// What every key has used. Not part of a saved world: limits begin anew with the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    by_key: BTreeMap<String, VecDeque<(DateTime<Utc>, String)>>,
}

impl Usage {
    pub(crate) const EMPTY: Self = Self { by_key: BTreeMap::new() };

    /// Counts a request; `false` if it is one too many, which is not counted.
    pub(crate) fn admit(&mut self, key: &str, route: String, now: DateTime<Utc>) -> bool {
        let asked = self.by_key.entry(key.to_owned()).or_default();
        while asked.front().is_some_and(|(at, _)| *at <= now - TimeDelta::minutes(1)) {
            asked.pop_front();
        }
        let recent = asked.iter().rev().take_while(|(at, _)| *at > now - TimeDelta::seconds(1));
        if asked.len() >= A_MINUTE || recent.filter(|(_, other)| *other == route).count() >= A_SECOND {
            return false;
        }
        asked.push_back((now, route));
        true
    }
}
