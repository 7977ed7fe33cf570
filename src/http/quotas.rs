//! What providers say is left of their limits, in the headers of their answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::limiter::LimitKey;
use super::transport::Response;

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The most requests in a window of time.
    pub limit: u64,
    /// How many of them are left.
    pub left: u64,
    /// When the provider counts anew.
    pub resets_at: DateTime<Utc>,
}

impl Quota {
    /// What an answer tells (`x-ratelimit-limit`, `-remaining`, `-reset` in seconds of the epoch), if it tells all of it.
    pub(super) fn told(response: &Response) -> Option<Self> {
        let number = |name: &str| response.header(name)?.trim().parse::<u64>().ok();
        let resets_at = i64::try_from(number("x-ratelimit-reset")?).ok()?;
        Some(Self {
            limit: number("x-ratelimit-limit")?,
            left: number("x-ratelimit-remaining")?,
            resets_at: DateTime::from_timestamp(resets_at, 0)?,
        })
    }
}

/// Token, account and kind of request.
type Counted = (String, String, &'static str);

/// What was told last of what is counted separately.
#[derive(Debug, Default)]
pub struct Quotas {
    known: Mutex<BTreeMap<Counted, Quota>>,
}

impl Quotas {
    pub(super) fn note(&self, key: &LimitKey, quota: Quota) {
        self.lock().insert((key.token.clone(), key.account.clone(), key.action), quota);
    }

    /// What is left to an account for requests of this kind with the token of this label; nothing where it was not told, or is counted
    /// anew by now.
    pub fn of(&self, token: &str, account: &str, action: &'static str, now: DateTime<Utc>) -> Option<Quota> {
        self.lock().get(&(token.to_owned(), account.to_owned(), action)).copied().filter(|quota| quota.resets_at > now)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Counted, Quota>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_account_has_left_is_not_what_another_has() {
        let now: DateTime<Utc> = "2026-10-01T00:00:00Z".parse().unwrap();
        let quota = Quota { limit: 100, left: 3, resets_at: now + chrono::TimeDelta::hours(1) };
        let quotas = Quotas::default();
        let key = LimitKey { token: "T".into(), account: "acme".into(), action: "deploy", object: String::new() };
        quotas.note(&key, quota);
        assert_eq!(quotas.of("T", "acme", "deploy", now), Some(quota));
        for (token, account, action) in [("T", "other", "deploy"), ("U", "acme", "deploy"), ("T", "acme", "read")] {
            assert_eq!(quotas.of(token, account, action, now), None, "{token} {account} {action}");
        }
        assert_eq!(quotas.of("T", "acme", "deploy", quota.resets_at), None);
    }
}
