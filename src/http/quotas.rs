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

/// What was told last, by token and kind of request.
#[derive(Debug, Default)]
pub struct Quotas {
    known: Mutex<BTreeMap<(String, &'static str), Quota>>,
}

impl Quotas {
    pub(super) fn note(&self, key: &LimitKey, quota: Quota) {
        self.lock().insert((key.token.clone(), key.action), quota);
    }

    /// What is left for requests of this kind with the token of this label; nothing where it was not told, or is counted anew by now.
    pub fn of(&self, token: &str, action: &'static str, now: DateTime<Utc>) -> Option<Quota> {
        self.lock().get(&(token.to_owned(), action)).copied().filter(|quota| quota.resets_at > now)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, &'static str), Quota>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
