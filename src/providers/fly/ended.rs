//! Waits until the run of a machine that is there for one run has ended.

use std::time::Duration;

use super::apply::within;
use super::client::{FlyReader, WaitFor};
use super::health::{Patience, Unhealthy, look};
use super::wire::{ExitEvent, Machine, MachineEvent, MachineState};
use crate::clock::SharedClock;

/// How long one request waits for the end: short, so that a machine that cannot start is found out early.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait before a machine is looked at again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a machine that has stopped may have no event that says how it ended.
const EVENT_DELAY: Duration = Duration::from_secs(10);

/// Waits until the process has ended with code 0. `progress` is told what is waited for.
pub async fn wait_ended(
    reader: &FlyReader,
    clock: &SharedClock,
    patience: &Patience<'_>,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<(), Unhealthy> {
    let began = clock.now();
    let mut stopped_at = None;
    let mut told = false;
    loop {
        let wait = WaitFor::state(&MachineState::Stopped, patience.version.clone(), LOOK.min(patience.timeout));
        reader.wait(patience.app.as_str(), patience.id, &wait).await?;
        let machine = match look(reader, patience).await {
            // Right after its creation a machine may not be seen yet.
            Err(Unhealthy::Gone { .. }) if within(clock, began, LOOK) => {
                clock.sleep(PAUSE).await;
                continue;
            }
            other => other?,
        };
        if machine.state == MachineState::Failed {
            return Err(patience.not_started(&machine));
        }
        if machine.state == MachineState::Stopped {
            match newest_exit(patience, &machine) {
                Some(exit) if exit.exit_code == 0 && !exit.oom_killed && !exit.requested_stop => return Ok(()),
                Some(exit) => return Err(patience.exited(&exit, &machine)),
                None => {
                    let since = *stopped_at.get_or_insert_with(|| clock.now());
                    if !within(clock, since, EVENT_DELAY) {
                        return Err(patience.late("has stopped, and no event says how it ended".to_owned(), &machine));
                    }
                }
            }
        } else if !told {
            progress(format!("machine {} runs", patience.id));
            told = true;
        }
        if !within(clock, began, patience.timeout) {
            return Err(patience.late("has not ended".to_owned(), &machine));
        }
        clock.sleep(PAUSE).await;
    }
}

/// The end of the run that is waited for, if it was not followed by a new start.
fn newest_exit(patience: &Patience<'_>, machine: &Machine) -> Option<ExitEvent> {
    let lately = machine.events.iter().filter(|event| event.at.is_some_and(|at| at >= patience.since));
    lately.filter_map(MachineEvent::exit).find(|exit| !exit.restarting)
}
