//! How much each team has asked: so many requests of each kind in a window of time, and so many deployments.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::access::VercelPlan;
use crate::http::transport::Method;
use crate::sim::routes::{Refusal, Reply};

/// What every team has used. Not part of a saved world: limits begin anew with the process.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    windows: BTreeMap<String, Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    used: u32,
    resets_at: DateTime<Utc>,
}

/// So many requests of a kind in so many seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) kind: &'static str,
    most: u32,
    seconds: i64,
}

const fn limit(kind: &'static str, most: u32, seconds: i64) -> Limit {
    Limit { kind, most, seconds }
}

/// What a request counts towards; `None` where no limit is known.
pub(super) fn limit_of(method: Method, path: &[&str]) -> Option<Limit> {
    use Method::{Delete, Get, Patch, Post};
    Some(match (method, path) {
        (Post, ["projects", _, "env"]) => limit("env create", 120, 60),
        (Patch, ["projects", _, "env", _]) => limit("env update", 120, 60),
        (Delete, ["projects", _, "env", ..]) => limit("env delete", 60, 60),
        (Get, ["projects", _, "env", ..]) => limit("env read", 500, 60),
        (Get, ["projects", _, "domains", ..]) => limit("project domain read", 500, 60),
        (_, ["projects", _, "domains", _, "verify"]) => limit("project domain verify", 100, 60),
        (_, ["projects", _, "domains", ..]) => limit("project domain write", 100, 60),
        (_, ["projects", _, "protection-bypass"]) => limit("protection bypass write", 100, 60),
        (Post, ["deployments", _, "aliases"]) => limit("alias create", 120, 600),
        (Delete, ["aliases", _]) => limit("alias delete", 100, 60),
        (Get, ["aliases"]) => limit("alias list", 500, 60),
        (Get, ["aliases", _]) => limit("alias read", 300, 600),
        (Get, ["deployments"]) => limit("deployment list", 1000, 60),
        (Get, ["deployments", _, ..]) => limit("deployment read", 500, 60),
        (Delete, ["deployments", _]) => limit("deployment delete", 200, 600),
        (Post, ["projects", _, "promote" | "rollback", _]) => limit("production deployment", 500, 60),
        (Get, ["teams", ..]) => limit("team read", 600, 60),
        (Get, ["user", ..]) => limit("user read", 500, 60),
        _ => return None,
    })
}

impl Usage {
    pub(super) const EMPTY: Self = Self { windows: BTreeMap::new() };

    /// Counts a request, and returns the headers that tell what is left. One too many is refused.
    pub(super) fn count(
        &mut self,
        whose: &str,
        limit: Limit,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let (window, is_full) = self.take(&format!("{} {whose}", limit.kind), limit, now);
        if is_full {
            return Err(rate_limited(limit, window, now).into());
        }
        Ok(headers(limit, window))
    }

    /// Counts a deployment towards what a team may make in five minutes, an hour, and a day. Returns the headers that tell what is left
    /// where least is left.
    pub(super) fn count_deployment(
        &mut self,
        team: &str,
        plan: VercelPlan,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let limits = deployment_limits(plan);
        for limit in limits {
            let window = self.window(&format!("deployments {team} {}", limit.kind), limit, now);
            if window.used >= limit.most {
                return Err(match (plan, limit.kind) {
                    (VercelPlan::Hobby, "day" | "hour") => free_limit(limit, *window, now).into(),
                    _ => rate_limited(limit, *window, now).into(),
                });
            }
        }
        let taken = limits.map(|limit| (limit, self.take(&format!("deployments {team} {}", limit.kind), limit, now).0));
        let least = taken.iter().min_by_key(|(limit, window)| limit.most.saturating_sub(window.used));
        Ok(least.map(|(limit, window)| headers(*limit, *window)).unwrap_or_default())
    }

    /// Others in the team have made so many deployments in the hours before.
    pub(super) fn others_deployed(&mut self, team: &str, plan: VercelPlan, count: u32, now: DateTime<Utc>) {
        let [_, _, daily] = deployment_limits(plan);
        for _ in 0..count {
            self.take(&format!("deployments {team} {}", daily.kind), daily, now);
        }
    }

    fn window(&mut self, key: &str, limit: Limit, now: DateTime<Utc>) -> &mut Window {
        let fresh = Window { used: 0, resets_at: now + TimeDelta::seconds(limit.seconds) };
        let window = self.windows.entry(key.to_owned()).or_insert(fresh);
        // By whole seconds, as the header tells it.
        if now.timestamp() >= window.resets_at.timestamp() {
            *window = fresh;
        }
        window
    }

    fn take(&mut self, key: &str, limit: Limit, now: DateTime<Utc>) -> (Window, bool) {
        let window = self.window(key, limit, now);
        if window.used >= limit.most {
            return (*window, true);
        }
        window.used = window.used.saturating_add(1);
        (*window, false)
    }
}

/// How many deployments a team may make in five minutes, an hour, and a day.
const fn deployment_limits(plan: VercelPlan) -> [Limit; 3] {
    let [few, hourly, daily] = match plan {
        VercelPlan::Hobby => [60, 100, 100],
        VercelPlan::Pro => [120, 450, 6_000],
        VercelPlan::Enterprise => [300, 1_800, 24_000],
    };
    [limit("5m", few, 300), limit("hour", hourly, 3_600), limit("day", daily, 86_400)]
}

fn headers(limit: Limit, window: Window) -> Vec<(String, String)> {
    let numbers = [
        ("limit", limit.most.to_string()),
        ("remaining", limit.most.saturating_sub(window.used).to_string()),
        ("reset", window.resets_at.timestamp().to_string()),
    ];
    numbers.into_iter().map(|(name, value)| (format!("x-ratelimit-{name}"), value)).collect()
}

fn rate_limited(limit: Limit, window: Window, now: DateTime<Utc>) -> Reply {
    refusal(limit, window, now, "rate_limited", "The request has been rate limited. Try again later.")
}

fn free_limit(limit: Limit, window: Window, now: DateTime<Utc>) -> Reply {
    let text = "Resource is limited - try again in 24 hours (more than 100, code: \"api-deployments-free-per-day\").";
    refusal(limit, window, now, "api-deployments-free-per-day", text)
}

fn refusal(limit: Limit, window: Window, now: DateTime<Utc>, code: &str, message: &str) -> Reply {
    let numbers = json!({
        "total": limit.most,
        "remaining": limit.most.saturating_sub(window.used),
        "reset": window.resets_at.timestamp(),
        "resetMs": window.resets_at.timestamp_millis(),
    });
    let mut reply = Reply::with(429, json!({"error": {"code": code, "message": message, "limit": numbers}}));
    reply.headers = headers(limit, window);
    let seconds = (window.resets_at - now).num_seconds().max(1);
    reply.headers.push(("retry-after".to_owned(), seconds.to_string()));
    reply
}
