//! Previews in which nothing has happened for a while: their machines are stopped or suspended, and wake by a request or a push.
//!
//! Whether a preview is asleep follows from its last push and the clock alone. A machine is stopped once it has run for as long as its
//! set says since its last start: so one that a request has woken runs on for that long, and nothing is written in between.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::machines::Rolling;
use super::planner::Planner;
use super::step::Action;
use super::withheld::Reason;
use crate::desired::{self, Environment, Sleep, SleepMode};
use crate::observed::{Machine, MachineState, Observed};
use crate::resource::{FieldChange, OwnerId, ResourceKey};
use crate::rules::Rule;

/// The most memory of a machine that Fly suspends, in MB.
const SUSPENDABLE_MB: u64 = 2048;

impl Planner<'_> {
    /// Whether a machine is to be running now.
    pub(super) fn is_to_run(&self, env: &Environment, wanted: &desired::Machine) -> bool {
        wanted.always_on && !env.is_asleep(self.now)
    }

    /// Puts a running machine of a sleeping preview to sleep, if it has run for long enough. Whether that was planned.
    pub(super) fn plan_sleep(
        &mut self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        live: &Machine,
        key: &ResourceKey,
    ) -> bool {
        let view = rolling.view;
        let Some(sleep) = view.env.sleep.filter(|_| wanted.always_on && live.state == MachineState::Started) else {
            return false;
        };
        let has_run = ends_at(&sleep, live).is_some_and(|at| at <= self.now) && view.env.is_asleep(self.now);
        if !has_run && self.holds(Rule::AwakeRunsOn) {
            return false;
        }
        let suspend = sleep.mode == SleepMode::Suspend && live.config.as_ref().is_some_and(is_suspendable);
        let to = if suspend { "suspended" } else { "stopped" };
        let change = FieldChange::plain("state", Some("started".into()), Some(to.into()));
        let reason = format!("nothing has happened for {}: {} wakes it", words(sleep.after), waker(&wanted.config));
        let action = Action::StopMachine { id: live.id.clone(), version: live.version.clone(), suspend };
        self.step(&view.place, key.clone(), action, reason, vec![change], rolling.before.gates);
        true
    }

    /// Says of a sleeping preview, of which nothing runs that is to sleep, that it is asleep.
    pub(super) fn notice_sleep(&mut self, env: &Environment) {
        let Some(sleep) = env.sleep.filter(|_| env.is_asleep(self.now)) else { return };
        let sleepers = sleepers_of(env, self.observed, &self.fleet.owner);
        if sleepers.is_empty() || sleepers.iter().any(|(_, live)| !is_resting(live)) {
            return;
        }
        let by_request = sleepers.iter().any(|(wanted, _)| wakes_by_request(&wanted.config));
        let message = format!(
            "asleep, because nothing was pushed for {} until {}; {} wakes it",
            words(sleep.after),
            sleep.at.format("%Y-%m-%d %H:%M UTC"),
            if by_request { "a request or a push" } else { "a push" },
        );
        self.notice(&env.name, None, Reason::Asleep, message);
    }
}

/// When the machines of a preview have slept or run for so long that something is to be done, the next time after `now`. Nothing where
/// that is only after something else has happened.
pub fn next_sleep(
    env: &Environment,
    observed: &Observed,
    owner: &OwnerId,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let sleep = env.sleep?;
    if now < sleep.at {
        return Some(sleep.at);
    }
    let running = sleepers_of(env, observed, owner).into_iter().filter(|(_, live)| live.state == MachineState::Started);
    running.filter_map(|(_, live)| ends_at(&sleep, live)).filter(|at| *at > now).min()
}

/// The live machines of a preview that sleep with it, each with what is wanted of it.
fn sleepers_of<'e, 'o>(
    env: &'e Environment,
    observed: &'o Observed,
    owner: &OwnerId,
) -> Vec<(&'e desired::Machine, &'o Machine)> {
    let mut found = Vec::new();
    for app in &env.apps {
        let detail = observed.detail(env.org.as_ref(), &app.name).and_then(|detail| detail.machines.known());
        for live in detail.into_iter().flatten().filter(|live| live.is_live()) {
            let marker = live.owned_by(owner).filter(|marker| marker.env == env.name);
            let slot = marker.map(|marker| &marker.slot);
            let wanted = app.machines.iter().find(|wanted| wanted.always_on && Some(&wanted.slot) == slot);
            found.extend(wanted.map(|wanted| (wanted, live)));
        }
    }
    found
}

/// Until when a machine runs that nothing has stopped.
fn ends_at(sleep: &Sleep, live: &Machine) -> Option<DateTime<Utc>> {
    live.started_at.or(live.created_at)?.checked_add_signed(TimeDelta::from_std(sleep.after).ok()?)
}

const fn is_resting(live: &Machine) -> bool {
    matches!(live.state, MachineState::Stopped | MachineState::Suspended)
}

/// Whether Fly suspends a machine of this configuration: little memory, no swap, no schedule, no graphics processor.
fn is_suspendable(config: &Value) -> bool {
    let number = |pointer: &str| config.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    number("/guest/memory_mb") <= SUSPENDABLE_MB
        && number("/init/swap_size_mb") == 0
        && number("/guest/gpus") == 0
        && config.pointer("/guest/gpu_kind").is_none()
        && config.get("schedule").is_none()
}

/// Whether a request starts a stopped machine of this configuration.
fn wakes_by_request(config: &Value) -> bool {
    let services = config.get("services").and_then(Value::as_array);
    services.is_some_and(|all| all.iter().any(|service| service.get("autostart") == Some(&Value::Bool(true))))
}

fn waker(config: &Value) -> &'static str {
    if wakes_by_request(config) { "a request or a push" } else { "a push" }
}

fn words(span: std::time::Duration) -> String {
    crate::spec::Duration::from_secs(span.as_secs()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fly_does_not_suspend_is_stopped() {
        for (config, suspends) in [
            (json!({}), true),
            (json!({"guest": {"memory_mb": 2048}, "init": {"swap_size_mb": 0}}), true),
            (json!({"guest": {"memory_mb": 2304}}), false),
            (json!({"init": {"swap_size_mb": 512}}), false),
            (json!({"guest": {"gpu_kind": "l40s"}}), false),
            (json!({"guest": {"gpus": 1}}), false),
            (json!({"schedule": "daily"}), false),
        ] {
            assert_eq!(is_suspendable(&config), suspends, "{config}");
        }
    }
}
