//! Requests at the pace the provider allows, in the order they were asked for.
//!
//! Providers count per token, action and object, so each such key has its own token bucket. A 429 pauses its key for everyone who
//! waits there. `governor` and its like read real clocks; this one runs on the injected [`Clock`](crate::clock::Clock).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::SharedClock;

/// Keys remembered at once before those that are full again are dropped.
const PRUNE_ABOVE: usize = 4096;

/// What a provider counts separately.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitKey {
    /// The token's label.
    pub token: String,
    /// Which of the accounts that the token is for; empty where it is for one.
    pub account: String,
    /// The kind of request, such as `update machine`.
    pub action: &'static str,
    /// The object it is about: a machine's id, an app's name.
    pub object: String,
}

/// How fast one key may go: one request per `interval` in the long run, `burst` at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time per request in the long run.
    pub interval: Duration,
    /// Requests that may go at once after a rest.
    pub burst: u32,
}

impl Rate {
    /// One per `interval`, `burst` at once after a rest.
    pub const fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst }
    }
}

/// All token buckets of a run.
#[derive(Debug)]
pub struct Limiter {
    clock: SharedClock,
    lanes: Mutex<BTreeMap<LimitKey, Arc<Lane>>>,
}

/// One key: who is next, and when.
#[derive(Debug)]
struct Lane {
    /// Held by the caller who is next. Tokio's mutex is fair, which keeps the order.
    turn: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
}

/// A token bucket, kept as the moment at which it will be full again.
#[derive(Debug, Clone, Copy)]
struct Pace {
    full_at: DateTime<Utc>,
    paused_until: DateTime<Utc>,
}

impl Limiter {
    /// A limiter with all buckets full.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, lanes: Mutex::default() }
    }

    /// Returns when a request of `key` may be sent.
    pub async fn wait(&self, key: &LimitKey, rate: Rate) {
        let lane = self.lane(key);
        let _turn = lane.turn.lock().await;
        // Looked at again after each sleep: the key may have been paused in the meantime.
        loop {
            let delay = lane.pace().take(self.clock.now(), rate);
            match delay {
                Some(delay) => self.clock.sleep(delay).await,
                None => return,
            }
        }
    }

    /// Lets nobody with `key` through for `duration`, not even those who wait already.
    pub fn pause(&self, key: &LimitKey, duration: Duration) {
        let until = later(self.clock.now(), duration);
        let lane = self.lane(key);
        let mut pace = lane.pace();
        pace.paused_until = pace.paused_until.max(until);
    }

    fn lane(&self, key: &LimitKey) -> Arc<Lane> {
        let now = self.clock.now();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() > PRUNE_ABOVE {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.pace().is_rested(now));
        }
        Arc::clone(lanes.entry(key.clone()).or_insert_with(|| {
            let pace = Pace { full_at: now, paused_until: now };
            Arc::new(Lane { turn: tokio::sync::Mutex::new(()), pace: Mutex::new(pace) })
        }))
    }
}

impl Lane {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    /// Takes a token, or says how long until there may be one.
    fn take(&mut self, now: DateTime<Utc>, rate: Rate) -> Option<Duration> {
        let whole = rate.interval.saturating_mul(rate.burst.max(1));
        // A clock that was set back must not leave the bucket empty for longer than it takes to fill it.
        let full_at = self.full_at.clamp(now, later(now, whole));
        let free_at = earlier(full_at, whole.saturating_sub(rate.interval));
        let start = free_at.max(self.paused_until);
        if start > now {
            return Some((start - now).to_std().unwrap_or_default());
        }
        self.full_at = later(full_at, rate.interval);
        None
    }

    fn is_rested(self, now: DateTime<Utc>) -> bool {
        self.full_at <= now && self.paused_until <= now
    }
}

fn later(moment: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    moment.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn earlier(moment: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    moment.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use crate::clock::VirtualClock;

    use super::*;

    const PER_SECOND: Rate = Rate::new(Duration::from_secs(1), 3);

    fn world() -> (Arc<Limiter>, SharedClock, DateTime<Utc>) {
        let epoch = "2026-10-01T00:00:00Z".parse().unwrap();
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch));
        (Arc::new(Limiter::new(Arc::clone(&clock))), clock, epoch)
    }

    fn key(object: &str) -> LimitKey {
        LimitKey { token: "T".into(), account: String::new(), action: "update machine", object: object.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn three_go_at_once_and_then_one_per_second() {
        let (limiter, clock, epoch) = world();
        let mut passed = Vec::new();
        for _ in 0..6 {
            limiter.wait(&key("m1"), PER_SECOND).await;
            passed.push((clock.now() - epoch).num_milliseconds());
        }
        // Tokio's clock counts whole milliseconds and rounds a wait up.
        let seconds: Vec<i64> = passed.iter().map(|ms| ms / 1000).collect();
        assert_eq!(seconds, [0, 0, 0, 1, 2, 3], "{passed:?}");
        assert!(passed[5] <= 3010, "{passed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn other_objects_do_not_wait() {
        let (limiter, clock, epoch) = world();
        for number in 0..10 {
            limiter.wait(&key(&format!("m{number}")), PER_SECOND).await;
        }
        assert_eq!(clock.now(), epoch);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_back_even_those_who_wait_already_and_the_order_stays() {
        let (limiter, clock, epoch) = world();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (limiter, clock, log) = (Arc::clone(&limiter), Arc::clone(&clock), Arc::clone(&log));
            tasks.push(tokio::spawn(async move {
                limiter.wait(&key("m1"), PER_SECOND).await;
                log.lock().unwrap().push((number, (clock.now() - epoch).num_seconds()));
            }));
        }
        clock.sleep(Duration::from_millis(500)).await;
        limiter.pause(&key("m1"), Duration::from_secs(10));
        for task in tasks {
            task.await.unwrap();
        }
        // At 10.5 s the bucket is full again, so the three that waited go at once.
        assert_eq!(*log.lock().unwrap(), [(0, 0), (1, 0), (2, 0), (3, 10), (4, 10), (5, 10)]);
    }

    #[tokio::test(start_paused = true)]
    async fn rested_keys_are_forgotten() {
        let (limiter, clock, _) = world();
        for number in 0..=PRUNE_ABOVE {
            limiter.wait(&key(&format!("m{number}")), PER_SECOND).await;
        }
        clock.sleep(Duration::from_secs(5)).await;
        limiter.wait(&key("last"), PER_SECOND).await;
        assert_eq!(limiter.lanes.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_clock_set_back_by_a_day_costs_no_day() {
        let now: DateTime<Utc> = "2026-10-01T00:00:00Z".parse().unwrap();
        let tomorrow = later(now, Duration::from_hours(24));
        let mut pace = Pace { full_at: tomorrow, paused_until: now };
        assert_eq!(pace.take(now, PER_SECOND), Some(Duration::from_secs(1)));
    }
}
