//! What can be done to a machine without changing it: start, stop, restart, suspend, cordon; and what it went through.

use serde_json::json;

use super::super::super::world::World;
use super::super::super::world::machine::{Event, State};
use super::super::{Answer, Call, Refusal, Reply};
use super::guard;
use super::room::check_host;

/// An action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Action {
    Start,
    Stop,
    Restart,
    Suspend,
    Cordon,
    Uncordon,
}

impl Action {
    /// The action of that name in a path.
    pub(in super::super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "start" => Self::Start,
            "stop" => Self::Stop,
            "restart" => Self::Restart,
            "suspend" => Self::Suspend,
            "cordon" => Self::Cordon,
            "uncordon" => Self::Uncordon,
            _ => return None,
        })
    }
}

pub(in super::super) fn act(world: &mut World, call: &Call, app: &str, id: &str, action: Action) -> Answer {
    let found = guard(world, call, app, id)?;
    if action == Action::Start && found.is_settled() && found.state != State::Started {
        check_host(world, found)?;
    }
    let Some((app, mut actors)) = world.stage(app) else {
        return Err(Refusal::from(Reply::app_not_found()));
    };
    let Some(machine) = app.machines.get_mut(id) else {
        return Err(Refusal::from(Reply::machine_not_found()));
    };
    let state = machine.state;
    let refuse = |verb: &str| {
        let text = format!("failed_precondition: unable to {verb} machine from current state: '{}'", state.as_str());
        Err(Refusal::from(Reply::error(412, &text)))
    };
    let resting = machine.is_settled();
    match action {
        Action::Start => {
            match state {
                State::Replacing => {
                    let text = "failed_precondition: machine getting replaced, refusing to start";
                    return Err(Refusal::from(Reply::error(412, text)));
                }
                State::Started | State::Starting => {}
                _ if resting => {
                    machine.restarts = 0;
                    machine.start("user", call.now, &mut actors);
                }
                _ => return refuse("start"),
            }
            return Ok(Reply::ok(json!({"previous_state": state.as_str(), "migrated": false, "new_host": ""})));
        }
        Action::Stop => match state {
            State::Started | State::Starting | State::Suspended | State::Restarting => {
                machine.stop("user", call.now, &mut actors);
            }
            State::Stopping => {}
            _ if resting => {}
            _ => return refuse("stop"),
        },
        Action::Restart => match state {
            State::Started => machine.restart(call.now, &mut actors),
            _ if resting => machine.start("user", call.now, &mut actors),
            _ => return refuse("restart"),
        },
        Action::Suspend => match state {
            State::Started if machine.is_suspendable() => machine.suspend("user", call.now, &mut actors),
            State::Started => {
                let text = "failed_precondition: only machines with at most 2 GB of memory, no swap and no schedule can be suspended";
                return Err(Refusal::from(Reply::error(412, text)));
            }
            State::Suspended | State::Suspending => {}
            _ => return refuse("suspend"),
        },
        Action::Cordon => machine.cordoned = true,
        Action::Uncordon => machine.cordoned = false,
    }
    Ok(Reply::ok(json!({"ok": true})))
}

/// Newest first.
pub(in super::super) fn events(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    let limit = call.query("limit").and_then(|text| text.parse().ok()).unwrap_or(20_usize).min(50);
    Ok(Reply::ok(machine.events.iter().rev().take(limit).map(Event::render).collect()))
}

/// Newest first.
pub(in super::super) fn versions(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let machine = call.machine(world, app, id)?;
    let shown =
        machine.versions.iter().rev().map(|(version, config)| json!({"version": version, "user_config": config}));
    Ok(Reply::ok(shown.collect()))
}
