//! Waiting for a state: a request that is answered when the machine gets there, or when the time is up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::super::super::world::World;
use super::super::super::world::machine::{Machine, State};
use super::super::super::world::schedule::after;
use super::super::{Call, Refusal, Reply};

/// The states that can be waited for; `settled` is any resting one.
const STATES: [&str; 6] = ["started", "stopped", "suspended", "destroyed", "failed", "settled"];

/// A wait that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    app: String,
    machine: String,
    states: Vec<String>,
    version: Option<String>,
    /// Only what happened after this event counts.
    after_event: Option<String>,
    pub(crate) deadline: DateTime<Utc>,
}

/// Checks a request to wait.
pub(in super::super) fn begin(world: &World, call: &Call, app: &str, id: &str) -> Result<Wait, Refusal> {
    call.machine(world, app, id)?;
    let refuse = |text: &str| Err(Refusal::from(Reply::error(400, text)));
    let mut states: Vec<String> = call.query_list("state").into_iter().map(str::to_owned).collect();
    if states.is_empty() {
        states.push("started".to_owned());
    }
    if let Some(state) = states.iter().find(|state| !STATES.contains(&state.as_str())) {
        return refuse(&format!("invalid_argument: cannot wait for state {state}"));
    }
    let timeout: u64 = match call.query("timeout").filter(|text| !text.is_empty()).map(str::parse) {
        None => 60,
        Some(Ok(seconds @ 1..=60)) => seconds,
        Some(_) => return refuse("invalid_argument: timeout must be a number of seconds from 1 to 60"),
    };
    let version = call.query("version").or_else(|| call.query("instance_id")).filter(|version| !version.is_empty());
    Ok(Wait {
        app: app.to_owned(),
        machine: id.to_owned(),
        states,
        version: version.map(str::to_owned),
        after_event: call.query("from_event_id").filter(|id| !id.is_empty()).map(str::to_owned),
        deadline: after(call.now, Duration::from_secs(timeout)),
    })
}

impl Wait {
    /// The answer, if there is one at `now`.
    pub(crate) fn poll(&self, world: &World, now: DateTime<Utc>) -> Option<Reply> {
        let Some(app) = world.apps.get(&self.app) else {
            return Some(Reply::app_not_found());
        };
        let Some(machine) = app.machines.get(&self.machine) else {
            return Some(Reply::machine_not_found());
        };
        let current = self.version.as_ref().is_none_or(|version| *version == machine.version);
        if current && self.is_later(machine) && self.states.iter().any(|state| is_in(machine, state)) {
            return Some(Reply::ok(json!({
                "ok": true,
                "state": machine.state.as_str(),
                "version": machine.version,
                "event_id": machine.events.last().map(|event| event.id.as_str()),
            })));
        }
        let gone = matches!(machine.state, State::Destroying | State::Destroyed);
        if gone && !self.states.iter().any(|state| matches!(state.as_str(), "destroyed" | "settled")) {
            let text = format!(
                "failed_precondition: machine can not reach {}, it is {}",
                self.wanted(),
                machine.state.as_str()
            );
            return Some(Reply::error(409, &text));
        }
        let superseded = !current && machine.versions.iter().any(|(version, _)| Some(version) == self.version.as_ref());
        if superseded {
            return Some(Reply::error(409, "failed_precondition: the machine has been replaced by a newer version"));
        }
        (now >= self.deadline).then(|| {
            let text = format!(
                "deadline_exceeded: machine failed to reach desired state, {}, currently {}",
                self.wanted(),
                machine.state.as_str()
            );
            Reply::error(408, &text)
        })
    }

    /// Whether something has happened since the event that the caller knows.
    fn is_later(&self, machine: &Machine) -> bool {
        let last = machine.events.last().map(|event| event.id.as_str());
        self.after_event.is_none() || self.after_event.as_deref() != last
    }

    fn wanted(&self) -> String {
        self.states.join(",")
    }
}

fn is_in(machine: &Machine, state: &str) -> bool {
    if state == "settled" { machine.is_settled() } else { machine.state.as_str() == state }
}
