//! How much each token has asked: the hourly limit, and the secondary limits per minute.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::access::Caller;
use super::problem;
use crate::http::transport::Method;
use crate::sim::routes::{Refusal, Reply};

/// Points a minute: a read costs one, a write five.
const POINTS_A_MINUTE: u32 = 900;
const WRITE_POINTS: u32 = 5;

/// Requests a minute that make content.
const WRITES_A_MINUTE: usize = 80;
/// The same in an hour.
const WRITES_AN_HOUR: usize = 500;

/// What every token has used. Not part of a saved world: limits begin anew with the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    by_caller: BTreeMap<String, Spent>,
}

#[derive(Debug, Clone)]
struct Spent {
    used: u32,
    resets_at: DateTime<Utc>,
    points: VecDeque<(DateTime<Utc>, u32)>,
    writes: VecDeque<DateTime<Utc>>,
}

impl Usage {
    pub(crate) const EMPTY: Self = Self { by_caller: BTreeMap::new() };

    /// Refuses a request that is one too many; others count towards the secondary limits.
    pub(crate) fn admit(&mut self, caller: &Caller, method: Method, now: DateTime<Utc>) -> Result<(), Refusal> {
        let spent = self.spent(caller, now);
        let cost = if method.is_read() { 1 } else { WRITE_POINTS };
        let mut wait = None;
        if spent.points.iter().map(|(_, points)| points).sum::<u32>().saturating_add(cost) > POINTS_A_MINUTE {
            wait = spent.points.front().map(|(at, _)| *at + TimeDelta::minutes(1));
        }
        if !method.is_read() {
            let in_minute = spent.writes.iter().filter(|at| **at > now - TimeDelta::minutes(1)).count();
            if in_minute >= WRITES_A_MINUTE {
                wait = Some(now + TimeDelta::minutes(1));
            }
            if spent.writes.len() >= WRITES_AN_HOUR {
                wait = spent.writes.front().map(|at| *at + TimeDelta::hours(1));
            }
        }
        if let Some(until) = wait {
            let mut refusal = problem(
                403,
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            );
            let seconds = (until - now).num_seconds().max(1);
            refusal.headers.push(("retry-after".to_owned(), seconds.to_string()));
            refusal.headers.extend(self.headers(caller, now));
            return Err(refusal.into());
        }
        if spent.used >= caller.hourly {
            let whose =
                caller.login.as_deref().map_or_else(|| "an address".to_owned(), |login| format!("user {login}"));
            let mut refusal = problem(403, &format!("API rate limit exceeded for {whose}."));
            refusal.headers.extend(self.headers(caller, now));
            return Err(refusal.into());
        }
        spent.points.push_back((now, cost));
        if !method.is_read() {
            spent.writes.push_back(now);
        }
        Ok(())
    }

    /// Counts a request towards the hourly limit.
    pub(crate) fn count(&mut self, caller: &Caller, now: DateTime<Utc>) {
        let spent = self.spent(caller, now);
        spent.used = spent.used.saturating_add(1);
    }

    /// The headers that tell what is left.
    pub(crate) fn headers(&mut self, caller: &Caller, now: DateTime<Utc>) -> Vec<(String, String)> {
        let (limit, used, reset) = self.numbers(caller, now);
        [
            ("limit", limit.to_string()),
            ("remaining", limit.saturating_sub(used).to_string()),
            ("used", used.to_string()),
            ("reset", reset.to_string()),
            ("resource", "core".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (format!("x-ratelimit-{name}"), value))
        .collect()
    }

    /// Limit, used, and when it is counted anew, in seconds since 1970.
    pub(crate) fn numbers(&mut self, caller: &Caller, now: DateTime<Utc>) -> (u32, u32, i64) {
        let spent = self.spent(caller, now);
        (caller.hourly, spent.used.min(caller.hourly), spent.resets_at.timestamp())
    }

    fn spent(&mut self, caller: &Caller, now: DateTime<Utc>) -> &mut Spent {
        let fresh = || Spent {
            used: 0,
            resets_at: now + TimeDelta::hours(1),
            points: VecDeque::new(),
            writes: VecDeque::new(),
        };
        let spent = self.by_caller.entry(caller.key.clone()).or_insert_with(fresh);
        // By whole seconds, as the header tells it.
        if now.timestamp() >= spent.resets_at.timestamp() {
            (spent.used, spent.resets_at) = (0, now + TimeDelta::hours(1));
        }
        while spent.points.front().is_some_and(|(at, _)| *at <= now - TimeDelta::minutes(1)) {
            spent.points.pop_front();
        }
        while spent.writes.front().is_some_and(|at| *at <= now - TimeDelta::hours(1)) {
            spent.writes.pop_front();
        }
        spent
    }
}

/// What `GET /rate_limit` answers.
pub(crate) fn overview((limit, used, reset): (u32, u32, i64)) -> Reply {
    let rate =
        serde_json::json!({"limit": limit, "used": used, "remaining": limit.saturating_sub(used), "reset": reset});
    let search = serde_json::json!({"limit": 30, "used": 0, "remaining": 30, "reset": reset});
    Reply::ok(serde_json::json!({"resources": {"core": rate, "search": search}, "rate": rate}))
}
