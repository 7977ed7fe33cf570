//! Waits until a machine runs, stays up and passes its checks; fails as soon as it is clear that it will not.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::apply::within;
use super::client::{FlyError, FlyReader, WaitFor, WaitOutcome};
use super::wire::{CheckState, ExitEvent, Machine, MachineEvent, MachineState};
use crate::clock::SharedClock;
use crate::resource::AppName;

/// How long a machine without checks has to stay up to count as settled.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// How often a running machine's checks are looked at.
const POLL: Duration = Duration::from_secs(1);
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
    wait_started(reader, clock, patience, began).await?;
    if !patience.has_checks {
        clock.sleep(SETTLED_AFTER).await;
        let machine = look(reader, patience).await?;
        patience.refuse_exits(&machine)?;
        return if machine.state == MachineState::Started { Ok(()) } else { Err(patience.fallen(&machine)) };
    }
    let mut told = String::new();
    loop {
        let machine = look(reader, patience).await?;
        patience.refuse_exits(&machine)?;
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
        clock.sleep(POLL).await;
    }
}

async fn wait_started(
    reader: &FlyReader,
    clock: &SharedClock,
    patience: &Patience<'_>,
    began: DateTime<Utc>,
) -> Result<(), Unhealthy> {
    loop {
        // Short waits, so that a machine that keeps exiting is found out early.
        let wait = WaitFor::state(&MachineState::Started, patience.version.clone(), Duration::from_secs(10));
        let outcome = reader.wait(patience.app.as_str(), patience.id, &wait).await?;
        if matches!(outcome, WaitOutcome::Reached(_)) {
            return Ok(());
        }
        let machine = match look(reader, patience).await {
            // Right after its creation a machine may not be seen yet.
            Err(Unhealthy::Gone { .. }) if within(clock, began, Duration::from_secs(10)) => {
                clock.sleep(POLL).await;
                continue;
            }
            other => other?,
        };
        patience.refuse_exits(&machine)?;
        if matches!(outcome, WaitOutcome::Impossible(_)) || machine.state == MachineState::Failed {
            return Err(patience.not_started(&machine));
        }
        if !within(clock, began, patience.timeout) {
            return Err(patience.late(format!("is {} and has not started", machine.state.as_str()), &machine));
        }
        clock.sleep(POLL).await;
    }
}

async fn look(reader: &FlyReader, patience: &Patience<'_>) -> Result<Machine, Unhealthy> {
    let gone = || Unhealthy::Gone { machine: patience.id.to_owned(), app: patience.app.clone() };
    let machine = reader.machine(patience.app.as_str(), patience.id).await?.ok_or_else(gone)?;
    if machine.state.is_gone() { Err(gone()) } else { Ok(machine) }
}

impl Patience<'_> {
    /// Fails if the process has ended in a way that waiting does not mend.
    fn refuse_exits(&self, machine: &Machine) -> Result<(), Unhealthy> {
        let exits = self.exits(machine);
        let Some(newest) = exits.first() else { return Ok(()) };
        let has_ended = !newest.restarting || newest.oom_killed || exits.len() >= EXITS_THAT_TELL;
        if has_ended { Err(self.exited(machine, newest)) } else { Ok(()) }
    }

    /// The exits that are the machine's fault, the newest first.
    fn exits(&self, machine: &Machine) -> Vec<ExitEvent> {
        machine
            .events
            .iter()
            .filter(|event| event.at.is_some_and(|at| at >= self.since))
            .filter_map(MachineEvent::exit)
            .filter(|exit| !exit.requested_stop)
            .collect()
    }

    fn exited(&self, machine: &Machine, newest: &ExitEvent) -> Unhealthy {
        let exit = if newest.oom_killed {
            format!("ran out of memory (exit code {}, killed by the kernel): raise `memory`", newest.exit_code)
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

    /// Why a machine that had started no longer runs.
    fn fallen(&self, machine: &Machine) -> Unhealthy {
        match self.exits(machine).first() {
            Some(newest) => self.exited(machine, newest),
            None => self.not_started(machine),
        }
    }

    fn not_started(&self, machine: &Machine) -> Unhealthy {
        Unhealthy::NotStarted {
            machine: self.id.to_owned(),
            app: self.app.clone(),
            state: machine.state.as_str().to_owned(),
            events: describe(&machine.events),
        }
    }

    fn late(&self, problem: String, machine: &Machine) -> Unhealthy {
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
