//! How machines move.
//!
//! ```text
//! created ─> starting ─> started ─> stopping ─> stopped ─┐
//!               ^            └─ exit, restart policy ────┤ start
//!               └───────────────────────────────────────┘
//! any resting state ─ update ─> replacing ─> starting (was started) or stopped (was not)
//! any ─ delete ─> destroying ─> destroyed ─> forgotten (404)
//! ```

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::config::SimConfig;
use super::Command;
use super::ids::Ids;
use super::image::Behaviour;
use super::machine::{Event, Machine, State};
use super::schedule::{Due, Schedule, after};

/// What machines need in order to move.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) ids: &'a mut Ids,
    pub(crate) schedule: &'a mut Schedule,
    pub(crate) config: &'a SimConfig,
    pub(crate) commands: &'a [Command],
}

/// A step that a machine takes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Its image is there; it boots, or rests if it was not to be launched.
    Prepared { launch: bool },
    /// Its process runs.
    Booted,
    /// Its process ended by itself.
    Exited { exit: Exit },
    /// It has stopped, as it was told to.
    Stopped,
    /// It has been suspended.
    Suspended,
    /// The new version is in place.
    Replaced { launch: bool },
    /// Gone, but still shown.
    Destroyed,
    /// No longer shown.
    Forgotten,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) oom_killed: bool,
    /// The signal that ended it, if one did.
    pub(crate) signal: Option<u8>,
}

impl Exit {
    /// By itself, with this code.
    pub(crate) const fn with(code: i32) -> Self {
        Self { code, oom_killed: false, signal: None }
    }
}

impl Machine {
    /// Lets `step` happen after `delay`, unless something else changes the machine's course before.
    fn expect(&self, step: Step, at: DateTime<Utc>, delay: Duration, stage: &mut Stage<'_>) {
        let due = Due::Machine { app: self.app.clone(), id: self.id.clone(), generation: self.generation, step };
        stage.schedule.push(after(at, delay), due);
    }

    /// Changes course: what was scheduled before is void.
    fn turn(&mut self, state: State) {
        self.generation = self.generation.saturating_add(1);
        self.state = state;
        if state != State::Started {
            self.started_at = None;
        }
    }

    /// Notes an event.
    pub(crate) fn happened(
        &mut self,
        kind: &str,
        status: &str,
        source: &str,
        request: Option<Value>,
        at: DateTime<Utc>,
        ids: &mut Ids,
    ) {
        let event = Event {
            id: ids.ulid(at),
            kind: kind.to_owned(),
            status: status.to_owned(),
            source: source.to_owned(),
            at,
            request,
        };
        self.record(event);
    }

    /// Begins the life of a machine that was just created.
    pub(crate) fn launch(&mut self, launch: bool, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Created);
        self.happened("launch", "created", "user", None, at, stage.ids);
        let launch = launch && !self.rests();
        self.expect(Step::Prepared { launch }, at, stage.config.boot / 4, stage);
        self.plan_run(at, stage);
    }

    /// Whether it is not booted when it is launched: scheduled machines and standbys wait.
    fn rests(&self) -> bool {
        let has = |key: &str| self.config.get(key).is_some_and(|value| !value.is_null());
        has("schedule") || has("standbys")
    }

    /// Boots.
    pub(crate) fn start(&mut self, source: &str, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Starting);
        self.happened("start", "starting", source, None, at, stage.ids);
        let boot = if self.behaviour == Behaviour::Slow { stage.config.slow_boot } else { stage.config.boot };
        self.expect(Step::Booted, at, boot, stage);
    }

    /// Stops on request.
    pub(crate) fn stop(&mut self, source: &str, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Stopping);
        self.happened("stop", "stopping", source, None, at, stage.ids);
        self.expect(Step::Stopped, at, stage.config.stop, stage);
    }

    /// Stops and boots again, on the same version and with the same secrets.
    pub(crate) fn restart(&mut self, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Restarting);
        self.restarts = 0;
        self.happened("restart", "restarting", "user", None, at, stage.ids);
        self.expect(Step::Booted, at, stage.config.stop.saturating_add(stage.config.boot), stage);
    }

    /// Is frozen with its memory.
    pub(crate) fn suspend(&mut self, source: &str, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Suspending);
        self.happened("suspend", "suspending", source, None, at, stage.ids);
        self.expect(Step::Suspended, at, stage.config.stop, stage);
    }

    /// Goes over to a new version. A machine that was not running stays down.
    pub(crate) fn replace(&mut self, skip_launch: bool, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        let running = matches!(self.state, State::Started | State::Starting);
        self.turn(State::Replacing);
        self.restarts = 0;
        self.happened("update", "replacing", "user", None, at, stage.ids);
        self.expect(Step::Replaced { launch: running && !skip_launch }, at, stage.config.replace, stage);
        self.plan_run(at, stage);
    }

    /// Goes away.
    pub(crate) fn destroy(&mut self, source: &str, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Destroying);
        self.happened("destroy", "destroying", source, None, at, stage.ids);
        self.expect(Step::Destroyed, at, stage.config.destroy, stage);
    }

    /// Takes a step that was expected.
    pub(crate) fn carry_out(&mut self, step: Step, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        match step {
            Step::Prepared { launch } => {
                self.prepared = true;
                if launch {
                    self.start("flyd", at, stage);
                } else {
                    self.rest(State::Stopped, at);
                }
            }
            Step::Booted => self.booted(at, stage),
            Step::Exited { exit } => self.exited(exit, at, stage),
            Step::Stopped => {
                self.rest(State::Stopped, at);
                let exit = Exit::with(0);
                self.happened(
                    "exit",
                    "stopped",
                    "flyd",
                    Some(exit_event(exit, true, false, self.restarts, at)),
                    at,
                    stage.ids,
                );
            }
            Step::Suspended => {
                self.rest(State::Suspended, at);
                self.happened("suspend", "suspended", "flyd", None, at, stage.ids);
            }
            Step::Replaced { launch } => {
                self.happened("update", "replaced", "flyd", None, at, stage.ids);
                if launch && !self.rests() {
                    self.start("flyd", at, stage);
                } else {
                    self.rest(State::Stopped, at);
                }
            }
            Step::Destroyed => {
                self.rest(State::Destroyed, at);
                self.lease = None;
                self.happened("destroy", "destroyed", "flyd", None, at, stage.ids);
                self.expect(Step::Forgotten, at, stage.config.destroyed_visible, stage);
                if let Some(volume) = self.volume() {
                    let due =
                        Due::FreeVolume { app: self.app.clone(), id: volume.to_owned(), machine: self.id.clone() };
                    stage.schedule.push(after(at, stage.config.volume_bound_after_destroy), due);
                }
            }
            Step::Forgotten => {}
        }
    }

    fn rest(&mut self, state: State, at: DateTime<Utc>) {
        self.turn(state);
        self.updated_at = at;
    }

    fn booted(&mut self, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.turn(State::Started);
        self.started_at = Some(at);
        self.happened("start", "started", "flyd", None, at, stage.ids);
        let exit = match self.behaviour {
            Behaviour::Crashes => Some((Exit::with(1), stage.config.settle)),
            Behaviour::RunsOutOfMemory => Some((Exit { oom_killed: true, ..Exit::with(137) }, stage.config.settle)),
            Behaviour::Finishes => Some((Exit::with(0), stage.config.settle)),
            _ if self.is_job() => Some((Exit::with(0), stage.config.job)),
            _ => self.end_of_command(stage),
        };
        if let Some((exit, delay)) = exit {
            self.expect(Step::Exited { exit }, at, delay, stage);
        }
    }

    /// Whether its process ends by itself, whatever the image.
    fn is_job(&self) -> bool {
        self.destroys_itself() || self.rhythm().is_some()
    }

    /// How its command ends, if it is known to: as was said by hand, or well after a while where it is run once.
    fn end_of_command(&self, stage: &Stage<'_>) -> Option<(Exit, Duration)> {
        let words = self.config.pointer("/init/cmd").or_else(|| self.config.pointer("/init/exec"))?.as_array()?;
        let line = words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        let known = stage.commands.iter().rev().find(|known| known.app == self.app && line.contains(&known.words));
        if let Some(known) = known {
            return Some((Exit::with(known.exit_code), stage.config.settle));
        }
        let is_once = self.config.pointer("/restart/policy").and_then(Value::as_str) == Some("no")
            || self.config.pointer("/dns/skip_registration") == Some(&Value::Bool(true));
        stage.config.command.filter(|_| is_once).map(|delay| (Exit::with(0), delay))
    }

    fn destroys_itself(&self) -> bool {
        self.config.get("auto_destroy").and_then(Value::as_bool).unwrap_or(false)
    }

    /// It could not be brought to run, and somebody has to look at it.
    pub(crate) fn fail(&mut self, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        self.rest(State::Failed, at);
        self.happened("launch", "failed", "flyd", None, at, stage.ids);
    }

    /// The process ended without having been told to: the restart policy decides what comes next.
    pub(crate) fn exited(&mut self, exit: Exit, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        // Retries are counted within five minutes.
        if self.started_at.is_some_and(|started| after(started, Duration::from_mins(5)) <= at) {
            self.restarts = 0;
        }
        let policy = self.config.get("restart");
        let limit = policy.and_then(|policy| policy.get("max_retries")).and_then(Value::as_u64).unwrap_or(10);
        let restarting = match policy.and_then(|policy| policy.get("policy")).and_then(Value::as_str) {
            Some("no") => false,
            Some("always" | "spot-price") => true,
            _ => exit.code != 0 && u64::from(self.restarts) < limit,
        };
        let request = exit_event(exit, false, restarting, self.restarts, at);
        if restarting {
            self.restarts = self.restarts.saturating_add(1);
            self.turn(State::Starting);
            self.happened("exit", "stopped", "flyd", Some(request), at, stage.ids);
            self.expect(Step::Booted, at, stage.config.boot, stage);
        } else {
            self.rest(State::Stopped, at);
            self.happened("exit", "stopped", "flyd", Some(request), at, stage.ids);
            if self.destroys_itself() {
                self.destroy("flyd", at, stage);
            }
        }
    }
}

/// The `request` of an `exit` event.
fn exit_event(exit: Exit, requested: bool, restarting: bool, restarts: u32, at: DateTime<Utc>) -> Value {
    let exit = json!({
        "exit_code": exit.code,
        // The kernel's kill is not seen from inside: there the code is 0.
        "guest_exit_code": if exit.oom_killed { 0 } else { exit.code },
        "guest_signal": exit.signal.map_or(-1, i32::from),
        "signal": exit.signal.map_or(-1, i32::from),
        "oom_killed": exit.oom_killed,
        "requested_stop": requested,
        "restarting": restarting,
        "exited_at": super::rfc3339(at),
    });
    json!({"exit_event": exit, "MonitorEvent": {"exit_event": exit}, "restart_count": restarts})
}
