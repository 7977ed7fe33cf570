//! The documented rate limits: one request per second for each action on each object, in bursts of three; five per second in bursts
//! of ten for reading a machine; a hundred app deletions per minute.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::world::schedule::{after, before};
use crate::http::transport::Method;

/// A limit: `burst` requests at once, then one per `interval`.
#[derive(Debug, Clone, Copy)]
struct Limit {
    interval: Duration,
    burst: u32,
}

/// What has been used of each limit: the moment at which it would be whole again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    whole_at: BTreeMap<String, DateTime<Utc>>,
    /// How many entries there may be before those are dropped that are whole.
    sweep_at: usize,
}

impl Limits {
    /// Counts a request. `false` if it is one too many; then it is not counted.
    pub(crate) fn admit(&mut self, method: Method, segments: &[&str], now: DateTime<Utc>) -> bool {
        let Some((key, limit)) = limit(method, segments) else {
            return true;
        };
        // Each sweep pays for as many additions as it has left entries.
        if self.whole_at.len() > self.sweep_at.max(10_000) {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            self.sweep_at = self.whole_at.len().saturating_mul(2);
        }
        let whole_at = self.whole_at.get(&key).copied().unwrap_or(now).max(now);
        let allowance = limit.interval * limit.burst.saturating_sub(1);
        if before(whole_at, allowance) > now {
            return false;
        }
        self.whole_at.insert(key, after(whole_at, limit.interval));
        true
    }
}

/// The limit that a request falls under, and the key of its action and object. Requests without an object have none.
fn limit(method: Method, segments: &[&str]) -> Option<(String, Limit)> {
    const USUAL: Limit = Limit { interval: Duration::from_secs(1), burst: 3 };
    const MACHINE_READ: Limit = Limit { interval: Duration::from_millis(200), burst: 10 };
    const APP_DELETION: Limit = Limit { interval: Duration::from_millis(600), burst: 100 };
    let verb = method.as_str();
    let (limit, object, action) = match segments {
        ["v1", "apps", _] if method == Method::Delete => (APP_DELETION, "", "app".to_owned()),
        ["v1", "apps", _, "machines", id] if method.is_read() => (MACHINE_READ, *id, "machine".to_owned()),
        ["v1", "apps", _, "machines", id] => (USUAL, *id, "machine".to_owned()),
        ["v1", "apps", _, "machines", id, "metadata", _] => (USUAL, *id, "machine/metadata/key".to_owned()),
        ["v1", "apps", _, "machines", id, rest @ ..] => (USUAL, *id, format!("machine/{}", rest.join("/"))),
        ["v1", "apps", _, "volumes", id, rest @ ..] => (USUAL, *id, format!("volume/{}", rest.join("/"))),
        ["v1", "apps", app, kind, _, rest @ ..] => (USUAL, *app, format!("{kind}/one/{}", rest.join("/"))),
        ["v1", "apps", app, rest @ ..] => (USUAL, *app, rest.join("/")),
        _ => return None,
    };
    Some((format!("{verb} {action} {object}"), limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_three_and_then_one_per_second() {
        let mut limits = Limits::default();
        let start = DateTime::UNIX_EPOCH;
        let mut create = |millis| {
            let now = after(start, Duration::from_millis(millis));
            limits.admit(Method::Post, &["v1", "apps", "a", "machines"], now)
        };
        assert_eq!([create(0), create(0), create(0), create(0)], [true, true, true, false]);
        assert_eq!([create(999), create(1000), create(1001)], [false, true, false]);
        assert_eq!([create(9000), create(9000), create(9000), create(9000)], [true, true, true, false]);
    }

    #[test]
    fn actions_and_objects_have_limits_of_their_own() {
        let mut limits = Limits::default();
        let mut admit = |method, path: &[&str]| limits.admit(method, path, DateTime::UNIX_EPOCH);
        for _ in 0..3 {
            assert!(admit(Method::Post, &["v1", "apps", "a", "machines", "m1", "start"]));
        }
        assert!(!admit(Method::Post, &["v1", "apps", "a", "machines", "m1", "start"]));
        assert!(admit(Method::Post, &["v1", "apps", "a", "machines", "m1", "stop"]));
        assert!(admit(Method::Post, &["v1", "apps", "a", "machines", "m2", "start"]));
        let reads = (0..12).filter(|_| admit(Method::Get, &["v1", "apps", "a", "machines", "m1"])).count();
        assert_eq!(reads, 10);
    }
}
