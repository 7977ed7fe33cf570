//! Waits until a machine runs, stays up and passes its checks; fails as soon as it is clear that it will not.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::apply::within;
use super::client::{FlyError, FlyReader, WaitFor, WaitOutcome};
use super::wire::{CheckState, ExitEvent, Machine, MachineEvent, MachineState};
use crate::clock::SharedClock;
use crate::resource::AppName;

/// How long a machine without checks has to stay up to count as settled.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// How long to wait before a running machine's checks are looked at again: a tenth of how long it has taken so far, so that being late
/// by one look matters little, within these bounds. Fly allows 5 looks a second at one machine.
const POLL: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_secs(1);
/// After so many unrequested exits it is clear that a restart does not help.
const EXITS_THAT_TELL: usize = 2;

/// Why a machine did not become healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// Its process ended.
    #[error("machine {machine} of app {app} {exit}; last events: {events}. Look at `fly logs -a {app} -i {machine}`")]
    Exited {
        /// The machine.
        machine: String,
        /// The app.
        app: AppName,
        /// How it ended.
        exit: String,
        /// The newest events, oldest first.
        events: String,
    },
    /// It could not be started.
    #[error(
        "machine {machine} of app {app} is {state}; last events: {events}. Look at `fly logs -a {app} -i {machine}`"
    )]
    NotStarted {
        /// The machine.
        machine: String,
        /// The app.
        app: AppName,
        /// Its state.
        state: String,
        /// The newest events, oldest first.
        events: String,
    },
    /// It did not start in time, or its checks did not pass in time.
    #[error("machine {machine} of app {app} {problem} after {} s; last events: {events}", .after.as_secs())]
    Late {
        /// The machine.
        machine: String,
        /// The app.
        app: AppName,
        /// What has not happened.
        problem: String,
        /// How long was waited.
        after: Duration,
        /// The newest events, oldest first.
        events: String,
    },
    /// It went away.
    #[error("machine {machine} of app {app} is gone")]
    Gone {
        /// The machine.
        machine: String,
        /// The app.
        app: AppName,
    },
    /// It could not be looked at.
    #[error(transparent)]
    Fly(#[from] FlyError),
}

impl Unhealthy {
    /// A condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "Exited",
            Self::NotStarted { .. } => "NotStarted",
            Self::Late { .. } => "Unhealthy",
            Self::Gone { .. } => "Gone",
            Self::Fly(error) => error.reason(),
        }
    }
}

/// Which machine is waited for, and how long.
#[derive(Debug, Clone)]
pub struct Patience<'p> {
    /// The app.
    pub app: &'p AppName,
    /// The machine.
    pub id: &'p str,
    /// The version that must run, so that an older one does not count.
    pub version: Option<String>,
    /// How long.
    pub timeout: Duration,
    /// Whether it has checks.
    pub has_checks: bool,
    /// Whether its process may end, with code 0.
    pub may_end: bool,
    /// Whether it may be stopped on request meanwhile, as Fly's proxy does for want of traffic.
    pub may_sleep: bool,
    /// Exits before this moment are not its fault.
    pub since: DateTime<Utc>,
}

/// Waits until the machine is healthy. `progress` is told what is waited for.
pub async fn wait_healthy(
    reader: &FlyReader,
    clock: &SharedClock,
    patience: &Patience<'_>,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<(), Unhealthy> {
    let began = clock.now();
    if wait_started(reader, clock, patience, began).await? == Course::Over {
        return Ok(());
    }
    if !patience.has_checks {
        return wait_settled(reader, clock, patience, began).await;
    }
    let mut told = String::new();
    loop {
        let machine = look(reader, patience).await?;
        if patience.course(&machine)? == Course::Over {
            return Ok(());
        }
        let checks: Vec<_> = machine.checks.iter().filter(|check| !check.is_internal()).collect();
        let passing = checks.iter().filter(|check| check.status == CheckState::Passing).count();
        if machine.state == MachineState::Started && !checks.is_empty() && passing == checks.len() {
            return Ok(());
        }
        let state = format!("{passing} of {} checks pass", checks.len());
        if state != told {
            progress(state.clone());
            told.clone_from(&state);
        }
        if !within(clock, began, patience.timeout) {
            let failing: Vec<String> = checks
                .iter()
                .filter(|check| check.status != CheckState::Passing)
                .map(|check| format!("`{}` says {:?}", check.name, first_line(&check.output)))
                .collect();
            let problem = format!("runs, but only {state} ({})", failing.join(", "));
            return Err(patience.late(problem, &machine));
        }
        clock.sleep(pause(clock, began)).await;
    }
}

/// Where a machine is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It may still become healthy.
    Open,
    /// It was well, and rests or has ended as it may.
    Over,
}

/// Waits until a machine without checks has stayed up for a while: between two looks its process has not exited.
async fn wait_settled(
    reader: &FlyReader,
    clock: &SharedClock,
    patience: &Patience<'_>,
    began: DateTime<Utc>,
) -> Result<(), Unhealthy> {
    let mut exits_before = 0;
    loop {
        clock.sleep(SETTLED_AFTER).await;
        let machine = look(reader, patience).await?;
        if patience.course(&machine)? == Course::Over {
            return Ok(());
        }
        let exits = patience.exits(&machine).count();
        if machine.state == MachineState::Started && exits == exits_before {
            return Ok(());
        }
        exits_before = exits;
        if !within(clock, began, patience.timeout) {
            return Err(patience.late("does not stay up".to_owned(), &machine));
        }
        if wait_started(reader, clock, patience, began).await? == Course::Over {
            return Ok(());
        }
    }
}

async fn wait_started(
    reader: &FlyReader,
    clock: &SharedClock,
    patience: &Patience<'_>,
    began: DateTime<Utc>,
) -> Result<Course, Unhealthy> {
    loop {
        // Short waits, so that a machine that keeps exiting is found out early.
        let wait = WaitFor::state(&MachineState::Started, patience.version.clone(), Duration::from_secs(10));
        let outcome = reader.wait(patience.app.as_str(), patience.id, &wait).await?;
        if matches!(outcome, WaitOutcome::Reached(_)) {
            return Ok(Course::Open);
        }
        let machine = match look(reader, patience).await {
            Err(Unhealthy::Gone { .. }) if patience.may_end => return Ok(Course::Over),
            // Right after its creation a machine may not be seen yet.
            Err(Unhealthy::Gone { .. }) if within(clock, began, Duration::from_secs(10)) => {
                clock.sleep(*POLL.end()).await;
                continue;
            }
            other => other?,
        };
        if patience.course(&machine)? == Course::Over {
            return Ok(Course::Over);
        }
        if matches!(outcome, WaitOutcome::Impossible(_)) || machine.state == MachineState::Failed {
            return Err(patience.not_started(&machine));
        }
        if !within(clock, began, patience.timeout) {
            return Err(patience.late(format!("is {} and has not started", machine.state.as_str()), &machine));
        }
        clock.sleep(*POLL.end()).await;
    }
}

/// See [`POLL`].
fn pause(clock: &SharedClock, began: DateTime<Utc>) -> Duration {
    let spent = (clock.now() - began).to_std().unwrap_or_default();
    (spent / 10).clamp(*POLL.start(), *POLL.end())
}

pub(super) async fn look(reader: &FlyReader, patience: &Patience<'_>) -> Result<Machine, Unhealthy> {
    let gone = || Unhealthy::Gone { machine: patience.id.to_owned(), app: patience.app.clone() };
    let machine = reader.machine(patience.app.as_str(), patience.id).await?.ok_or_else(gone)?;
    if machine.state.is_gone() { Err(gone()) } else { Ok(machine) }
}

impl Patience<'_> {
    /// Exits that nobody asked for, newest first.
    fn exits<'m>(&self, machine: &'m Machine) -> impl Iterator<Item = ExitEvent> + use<'m> {
        let since = self.since;
        let lately = machine.events.iter().filter(move |event| event.at.is_some_and(|at| at >= since));
        lately.filter_map(MachineEvent::exit).filter(|exit| !exit.requested_stop)
    }

    /// Whether waiting goes on; fails if the process has ended in a way that waiting does not mend.
    fn course(&self, machine: &Machine) -> Result<Course, Unhealthy> {
        let Some(newest) = self.exits(machine).next() else {
            let sleeps = matches!(machine.state, MachineState::Stopped | MachineState::Suspended);
            let was_started = machine
                .events
                .iter()
                .any(|event| event.at.is_some_and(|at| at >= self.since) && event.status == "started");
            return Ok(if self.may_sleep && sleeps && was_started { Course::Over } else { Course::Open });
        };
        if self.may_end && newest.exit_code == 0 && !newest.oom_killed {
            return Ok(Course::Over);
        }
        let has_ended = !newest.restarting || newest.oom_killed || self.exits(machine).count() >= EXITS_THAT_TELL;
        if !has_ended {
            return Ok(Course::Open);
        }
        Err(self.exited(&newest, machine))
    }

    pub(super) fn exited(&self, newest: &ExitEvent, machine: &Machine) -> Unhealthy {
        let exit = if newest.oom_killed {
            format!("ran out of memory (exit code {}, killed by the kernel): raise `memory`", newest.exit_code)
        } else if newest.requested_stop {
            "was stopped before it had ended".to_owned()
        } else {
            format!("exited with code {}", newest.exit_code)
        };
        Unhealthy::Exited {
            machine: self.id.to_owned(),
            app: self.app.clone(),
            exit,
            events: describe(&machine.events),
        }
    }

    pub(super) fn not_started(&self, machine: &Machine) -> Unhealthy {
        Unhealthy::NotStarted {
            machine: self.id.to_owned(),
            app: self.app.clone(),
            state: machine.state.as_str().to_owned(),
            events: describe(&machine.events),
        }
    }

    pub(super) fn late(&self, problem: String, machine: &Machine) -> Unhealthy {
        Unhealthy::Late {
            machine: self.id.to_owned(),
            app: self.app.clone(),
            problem,
            after: self.timeout,
            events: describe(&machine.events),
        }
    }
}

/// The newest events in order, as one line.
fn describe(events: &[MachineEvent]) -> String {
    let mut newest: Vec<&MachineEvent> = events.iter().take(5).collect();
    newest.reverse();
    let words: Vec<String> = newest
        .iter()
        .map(|event| match event.exit() {
            Some(exit) => format!("{} (code {})", event.kind, exit.exit_code),
            None => event.kind.clone(),
        })
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(120).collect()
}
