//! The results of a machine's checks: they follow from its images and from what was said by hand.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::config::{CheckResult, SimConfig};
use super::container::beginnings;
use super::image::Behaviour;
use super::machine::{Machine, State};
use super::rfc3339;
use super::schedule::after;

/// What somebody wants a check to say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ForcedCheck {
    pub(crate) result: CheckResult,
    pub(crate) since: DateTime<Utc>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) name: String,
    /// `passing`, `warning` or `critical`.
    pub(crate) status: &'static str,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Checked {
    pub(crate) fn render(&self) -> Value {
        let output = match self.status {
            "passing" => "200 OK",
            "warning" => "503 Service Unavailable",
            _ => "connect: connection refused",
        };
        json!({"name": self.name, "status": self.status, "output": output, "updated_at": rfc3339(self.updated_at)})
    }
}

impl Machine {
    /// The results of all checks: top-level ones by their key, those of services by number, kind and port.
    pub(crate) fn checks(&self, now: DateTime<Utc>, config: &SimConfig) -> Vec<Checked> {
        let names = self.check_names();
        if names.is_empty() {
            return Vec::new();
        }
        let (status, updated_at) = self.condition(now, config);
        let result = |name: String| {
            let forced = self.forced_checks.get(&name).or_else(|| self.forced_checks.get(""));
            let (status, updated_at) = match forced {
                Some(forced) if self.state == State::Started => match forced.result {
                    CheckResult::Passing => ("passing", forced.since),
                    CheckResult::Warning => ("warning", forced.since),
                    CheckResult::Critical => ("critical", forced.since),
                    CheckResult::Flapping => flapping(forced.since, now, config.flap),
                },
                _ => (status, updated_at),
            };
            Checked { name, status, updated_at }
        };
        names.into_iter().map(result).collect()
    }

    /// What the checks say of the machine by itself, and since when.
    fn condition(&self, now: DateTime<Utc>, config: &SimConfig) -> (&'static str, DateTime<Utc>) {
        let Some(started) = self.started_at.filter(|_| self.state == State::Started) else {
            return ("critical", self.updated_at);
        };
        let Some(begun) = self.last_beginning(config.settle) else {
            return ("critical", started);
        };
        let ready = after(started, begun.saturating_add(config.settle));
        match self.behaviour {
            _ if ready > now => ("critical", started),
            Behaviour::Unhealthy => ("critical", started),
            Behaviour::Flaps => flapping(ready, now, config.flap),
            _ => ("passing", ready),
        }
    }

    /// How long after the machine's start the last of its containers begins; `None` if one never does.
    fn last_beginning(&self, settle: Duration) -> Option<Duration> {
        if self.container_behaviours.is_empty() {
            return Some(Duration::ZERO);
        }
        let all = beginnings(&self.config, &self.container_behaviours, settle);
        all.into_values().collect::<Option<Vec<_>>>().map(|all| all.into_iter().max().unwrap_or_default())
    }

    fn check_names(&self) -> Vec<String> {
        let top = self.config.get("checks").and_then(Value::as_object);
        let mut names: Vec<String> = top.map(|map| map.keys().cloned().collect()).unwrap_or_default();
        let services = self.config.get("services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut number = 0_u32;
        for service in services {
            for check in service.get("checks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
                let kind = check.get("type").and_then(Value::as_str).unwrap_or("tcp");
                let port =
                    check.get("port").or_else(|| service.get("internal_port")).and_then(Value::as_u64).unwrap_or(0);
                names.push(format!("servicecheck-{number:02}-{kind}-{port}"));
                number = number.saturating_add(1);
            }
        }
        names
    }
}

/// Passing and critical by turns, each for one `period`.
fn flapping(since: DateTime<Utc>, now: DateTime<Utc>, period: Duration) -> (&'static str, DateTime<Utc>) {
    let period = period.max(Duration::from_millis(1));
    let passed = now.signed_duration_since(since).to_std().unwrap_or_default();
    let turns = u32::try_from(passed.as_millis() / period.as_millis()).unwrap_or(u32::MAX);
    (if turns.is_multiple_of(2) { "passing" } else { "critical" }, after(since, period.saturating_mul(turns)))
}
