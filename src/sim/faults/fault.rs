//! A fault: which requests it hits, how often, when, and what it does.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::FaultKind;
use super::matcher::Matcher;

/// A fault: which requests it hits, when, and what it does to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests it may hit.
    #[serde(default)]
    pub matches: Matcher,
    /// How many of them it lets pass first.
    #[serde(default)]
    pub skip: u32,
    /// How likely it hits each of the others, from 0 to 1; `None` for always. Drawn from the seed.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How many it hits in all; `None` for any number.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many seconds after the first request that came once it was set (any request) it begins.
    #[serde(default)]
    pub starts_seconds: u64,
    /// How many seconds it then lasts; `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_seconds: Option<u64>,
    /// What it does.
    pub kind: FaultKind,
}

impl Fault {
    /// Hits the next matching request.
    pub const fn once(matches: Matcher, kind: FaultKind) -> Self {
        Self::always(matches, kind).times(1)
    }

    /// Hits every matching request.
    pub const fn always(matches: Matcher, kind: FaultKind) -> Self {
        Self { matches, skip: 0, probability: None, times: None, starts_seconds: 0, lasts_seconds: None, kind }
    }

    /// Hits each matching request with this probability, from 0 to 1.
    pub const fn sometimes(matches: Matcher, probability: f64, kind: FaultKind) -> Self {
        Self::always(matches, kind).with_probability(probability)
    }

    /// Lets `skip` matching requests pass first.
    #[must_use]
    pub const fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Hits `times` requests in all.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits with this probability, from 0 to 1.
    #[must_use]
    pub const fn with_probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// Begins so many seconds after the first request.
    #[must_use]
    pub const fn starting(mut self, seconds: u64) -> Self {
        self.starts_seconds = seconds;
        self
    }

    /// Lasts so many seconds.
    #[must_use]
    pub const fn lasting(mut self, seconds: u64) -> Self {
        self.lasts_seconds = Some(seconds);
        self
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    ///
    /// [`FaultError`] names the field that does not, and what it may be.
    pub fn check(&self) -> Result<(), FaultError> {
        let refuse = |field, problem: String| Err(FaultError { field, problem });
        if let Some(probability) = self.probability
            && !(0.0..=1.0).contains(&probability)
        {
            return refuse("probability", format!("{probability} is not a number from 0 to 1"));
        }
        if let Some(method) = &self.matches.method
            && !["GET", "POST", "PUT", "PATCH", "DELETE"].iter().any(|known| known.eq_ignore_ascii_case(method))
        {
            return refuse("matches.method", format!("there is no method `{method}`"));
        }
        if !self.matches.path.is_empty() && !self.matches.path.starts_with('/') {
            return refuse("matches.path", format!("`{}` does not begin with `/`", self.matches.path));
        }
        match &self.kind {
            FaultKind::StatusBefore { status, .. } | FaultKind::StatusAfter { status, .. }
                if !(200..=599).contains(status) =>
            {
                refuse("kind.status", format!("{status} is not a status from 200 to 599"))
            }
            FaultKind::LatencyBetween { min_ms, max_ms } if min_ms > max_ms => {
                refuse("kind.max_ms", format!("{max_ms} is less than min_ms, {min_ms}"))
            }
            FaultKind::Stale { seconds } if *seconds > FaultKind::MAX_STALE_SECONDS => refuse(
                "kind.seconds",
                format!("{seconds} is more than the {} seconds that are kept", FaultKind::MAX_STALE_SECONDS),
            ),
            FaultKind::ClockJump { seconds } if seconds.unsigned_abs() > MAX_JUMP_SECONDS => {
                refuse("kind.seconds", format!("{seconds} is more than a year"))
            }
            _ => Ok(()),
        }
    }

    /// From when to when it is there, counted from the first request.
    pub(crate) fn window(&self) -> (Duration, Option<Duration>) {
        let end = self.lasts_seconds.map(|lasts| Duration::from_secs(self.starts_seconds.saturating_add(lasts)));
        (Duration::from_secs(self.starts_seconds), end)
    }
}

/// A year: further jumps are typing errors.
const MAX_JUMP_SECONDS: u64 = 366 * 24 * 3600;

/// A fault that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct FaultError {
    /// The field, with dots.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}
