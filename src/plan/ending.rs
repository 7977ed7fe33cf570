//! How a machine that is there for one run of a command has ended.

use crate::observed::{Machine, MachineState};
use crate::resource::marker::ENDED;

/// Whether the newest run of a job has ended well, and how it has ended, for people. Nothing is `None`: it runs.
pub fn newest_run(machine: &Machine) -> (Option<bool>, String) {
    match ending(machine) {
        Some(word) => (Some(word == WELL), said(&word, Some(machine))),
        None => (None, "runs".to_owned()),
    }
}

/// How the newest run on a machine has ended, if it has: as it was noted, or as its last event says.
pub(super) fn ending(live: &Machine) -> Option<String> {
    if let Some(noted) = live.metadata.get(ENDED) {
        return Some(noted.clone());
    }
    let word = end_of(live)?;
    let exit = live.last_exit.as_ref();
    if exit.is_some_and(|exit| live.started_at.is_some_and(|started| exit.at < started)) {
        // The exit is that of an earlier run.
        return None;
    }
    if exit.is_some_and(|exit| exit.requested) { Some("stopped".to_owned()) } else { Some(word) }
}

/// The word for a run that has ended well.
pub(super) const WELL: &str = "0";

/// How the process of such a machine has ended, as one word, if it has.
pub(super) fn end_of(machine: &Machine) -> Option<String> {
    match (&machine.state, &machine.last_exit) {
        (MachineState::Failed, _) => Some("failed".to_owned()),
        (MachineState::Stopped | MachineState::Suspended, Some(exit)) if exit.oom_killed => Some("memory".to_owned()),
        (MachineState::Stopped | MachineState::Suspended, Some(exit)) => Some(exit.code.to_string()),
        (MachineState::Stopped | MachineState::Suspended, None) => Some("unknown".to_owned()),
        _ => None,
    }
}

/// The same for people, with the last exit event where the machine still shows it.
pub(super) fn said(word: &str, machine: Option<&Machine>) -> String {
    let exit = machine.and_then(|machine| machine.last_exit.as_ref());
    let at = exit.map(|exit| format!(" at {}", exit.at.format("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default();
    match word {
        WELL => format!("ended well{at}"),
        "late" => "did not end in its time".to_owned(),
        "failed" => "could not be run: its machine failed to start".to_owned(),
        "memory" => format!("failed: it ran out of memory{at}"),
        "stopped" => format!("was stopped before it had ended{at}"),
        "unknown" => "ended, and no event says how".to_owned(),
        code => format!("failed: it exited with code {code}{at}"),
    }
}
