//! What one attempt came to, and whether there may be another.
//!
//! A read can be repeated. A write is repeated only when it is certain that it had no effect (no connection, 429), or when the call
//! says that a second time does no harm. Anything else is an unknown outcome, which the planner resolves by looking.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::transport::Method;
use crate::random::Random;

/// What a failed attempt, or a call that failed as a whole, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The provider refused: the same request will be refused again until something changes. No effect.
    Permanent,
    /// It did not work this time, and certainly had no effect.
    Transient,
    /// A write that may or may not have had its effect.
    Unknown,
}

/// What went wrong with one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// An answer with a status that the call does not expect.
    Status(u16),
    /// An answer that promises that nothing was done.
    Undone,
    /// The connection was never made.
    NotSent,
    /// The request was sent, or may have been, and no whole answer came.
    Lost,
}

impl Outcome {
    /// What `reply` means for an attempt with `method`.
    pub(super) const fn of(method: Method, reply: Reply) -> Self {
        match reply {
            Reply::NotSent | Reply::Undone | Reply::Status(429) => Self::Transient,
            Reply::Lost | Reply::Status(408 | 425 | 500..=599) => {
                if method.is_read() {
                    Self::Transient
                } else {
                    Self::Unknown
                }
            }
            Reply::Status(_) => Self::Permanent,
        }
    }
}

/// How often and how long a call is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first, where there was certainly no effect.
    pub retries: u32,
    /// Attempts after the first unknown outcome, for calls that are safe to replay.
    pub replays: u32,
    /// The first delay; each further one is twice as long, and jitter adds up to as much again.
    pub first_delay: Duration,
    /// The longest delay before jitter.
    pub longest_delay: Duration,
    /// No attempt begins later than this after the first one began.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    /// Four retries within a minute: enough for a restarted proxy, short enough that a pass notices a real outage.
    fn default() -> Self {
        Self {
            retries: 4,
            replays: 2,
            first_delay: Duration::from_millis(250),
            longest_delay: Duration::from_secs(8),
            deadline: Duration::from_mins(1),
        }
    }
}

impl RetryPolicy {
    /// The delays of one call, jittered by the run's generator.
    pub(super) fn delays(&self, random: &Random) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay)
            .with_jitter()
            .with_jitter_seed(random.next_u64())
            .without_max_times()
            .build()
    }
}

/// What has happened to a call so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct History {
    /// Attempts made.
    pub(super) attempts: u32,
    /// Attempts of unknown outcome.
    unknown: u32,
}

impl History {
    /// Adds an attempt and says what the call as a whole has come to: once an attempt is of unknown outcome, a later refusal does not
    /// undo it (the refusal may even be its consequence).
    pub(super) const fn add(&mut self, outcome: Outcome) -> Outcome {
        self.attempts = self.attempts.saturating_add(1);
        if matches!(outcome, Outcome::Unknown) {
            self.unknown = self.unknown.saturating_add(1);
        }
        if self.unknown > 0 { Outcome::Unknown } else { outcome }
    }

    /// Whether the call may be sent again after an attempt that ended in `outcome`.
    pub(super) const fn may_retry(self, policy: &RetryPolicy, outcome: Outcome, replay_safe: bool) -> bool {
        match outcome {
            Outcome::Permanent => false,
            Outcome::Transient => self.attempts <= policy.retries,
            Outcome::Unknown => replay_safe && self.unknown <= policy.replays,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_can_always_be_repeated_and_a_write_only_without_effect() {
        let cases = [
            (Reply::NotSent, Outcome::Transient, Outcome::Transient),
            (Reply::Status(429), Outcome::Transient, Outcome::Transient),
            (Reply::Undone, Outcome::Transient, Outcome::Transient),
            (Reply::Lost, Outcome::Transient, Outcome::Unknown),
            (Reply::Status(408), Outcome::Transient, Outcome::Unknown),
            (Reply::Status(500), Outcome::Transient, Outcome::Unknown),
            (Reply::Status(503), Outcome::Transient, Outcome::Unknown),
            (Reply::Status(302), Outcome::Permanent, Outcome::Permanent),
            (Reply::Status(403), Outcome::Permanent, Outcome::Permanent),
            (Reply::Status(409), Outcome::Permanent, Outcome::Permanent),
            (Reply::Status(422), Outcome::Permanent, Outcome::Permanent),
        ];
        for (reply, read, write) in cases {
            assert_eq!(Outcome::of(Method::Get, reply), read, "GET {reply:?}");
            for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
                assert_eq!(Outcome::of(method, reply), write, "{method:?} {reply:?}");
            }
        }
    }

    #[test]
    fn a_refusal_after_an_unknown_attempt_is_unknown() {
        let mut history = History::default();
        assert_eq!(history.add(Outcome::Transient), Outcome::Transient);
        assert_eq!(history.add(Outcome::Unknown), Outcome::Unknown);
        assert_eq!(history.add(Outcome::Permanent), Outcome::Unknown);
    }

    #[test]
    fn delays_grow_stay_in_bounds_and_repeat_from_the_seed() {
        let delays = |seed| RetryPolicy::default().delays(&Random::from_seed(seed)).take(8).collect::<Vec<_>>();
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        let mut least = Duration::from_millis(250);
        for delay in delays(7) {
            assert!(delay >= least && delay <= least * 2, "{delay:?} after {least:?}");
            least = (least * 2).min(Duration::from_secs(8));
        }
    }
}
