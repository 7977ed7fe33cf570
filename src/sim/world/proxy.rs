//! The proxy in front of an app: starts machines for traffic, and stops those that it does not need.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::accidents::Traffic;
use super::app::App;
use super::lifecycle::Stage;
use super::machine::{Machine, State};

/// Starts and stops machines until they fit `concurrent` requests.
pub(crate) fn balance(app: &mut App, concurrent: u64, now: DateTime<Utc>, stage: &mut Stage<'_>) -> Traffic {
    let mut traffic = Traffic::default();
    let is_up = |machine: &Machine| matches!(machine.state, State::Started | State::Starting | State::Restarting);
    let served = |machine: &&mut Machine| !machine.cordoned && !machine.unreachable && service(machine).is_some();
    let capacity = app.machines.values().filter(|machine| !machine.cordoned && !machine.unreachable && is_up(machine));
    let mut capacity = capacity.filter_map(soft_limit).fold(0, u64::saturating_add);

    for machine in app.machines.values_mut().filter(served) {
        let rests = matches!(machine.state, State::Stopped | State::Suspended) && machine.is_settled();
        if capacity < concurrent && rests && setting(machine, "autostart") != Some(&Value::Bool(false)) {
            machine.restarts = 0;
            machine.start("proxy", now, stage);
            capacity = capacity.saturating_add(soft_limit(machine).unwrap_or(0));
            traffic.started.push(machine.id.clone());
        }
    }
    let mut up = app.machines.values_mut().filter(served).filter(|machine| is_up(machine)).count();
    for machine in app.machines.values_mut().filter(served).filter(|machine| machine.state == State::Started) {
        let limit = soft_limit(machine).unwrap_or(0);
        let least = setting(machine, "min_machines_running").and_then(Value::as_u64).unwrap_or(0);
        let spare = capacity.saturating_sub(limit) >= concurrent && u64::try_from(up).is_ok_and(|up| up > least);
        if !spare {
            continue;
        }
        match setting(machine, "autostop") {
            Some(Value::Bool(true)) => machine.stop("proxy", now, stage),
            Some(Value::String(_)) if machine.is_suspendable() => machine.suspend("proxy", now, stage),
            Some(Value::String(_)) => machine.stop("proxy", now, stage),
            _ => continue,
        }
        capacity = capacity.saturating_sub(limit);
        up = up.saturating_sub(1);
        traffic.stopped.push(machine.id.clone());
    }
    traffic
}

/// The machine's first service: its settings are what the proxy goes by.
fn service(machine: &Machine) -> Option<&Value> {
    machine.config.get("services")?.get(0)
}

fn setting<'m>(machine: &'m Machine, key: &str) -> Option<&'m Value> {
    service(machine)?.get(key)
}

/// How many requests a machine takes before others are started, if it has services.
fn soft_limit(machine: &Machine) -> Option<u64> {
    let limit = service(machine)?.pointer("/concurrency/soft_limit").and_then(Value::as_u64);
    Some(limit.filter(|limit| *limit > 0).unwrap_or(20))
}
