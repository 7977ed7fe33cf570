//! Rules of jobs, and how long a machine has run.

use std::time::Duration;

use super::{Checker, OnFly};
use crate::desired::{Environment, Job, Wanted};
use crate::observed::MachineState;
use crate::plan::Action;
use crate::resource::{AppName, ResourceKey};

/// The job whose machine a step is about.
pub(super) fn of_step<'e>(env: &'e Environment, step: &OnFly<'_>) -> Option<&'e Job> {
    let ResourceKey::Machine { app, slot } = &step.key else { return None };
    let apps = env.apps.iter().filter(|wanted| wanted.name == *app);
    apps.flat_map(|app| &app.jobs).find(|job| job.machine.slot == *slot)
}

impl Checker<'_> {
    /// Whether a machine has run for that long since its last start.
    pub(super) fn has_run_for(&self, app: &AppName, id: &str, least: Duration) -> bool {
        let mut seen = self.details_of(app).filter_map(|detail| detail.machines.known()).flatten();
        let started =
            seen.find(|machine| machine.id == id).and_then(|machine| machine.started_at.or(machine.created_at));
        let ran = started.and_then(|at| self.plan.made_at.signed_duration_since(at).to_std().ok());
        ran.is_some_and(|ran| ran >= least)
    }

    /// Whether a step that begins a new run finds the run before it at its end.
    pub(super) fn job_rests(&self, step: &OnFly<'_>) -> bool {
        let Action::UpdateMachine { id, .. } = &step.action else { return true };
        let Some(Wanted::Ready(env)) = self.fleet.environments.get(&step.env) else { return true };
        if of_step(env, step).is_none() {
            return true;
        }
        let mut seen = self.details_of(step.app).filter_map(|detail| detail.machines.known()).flatten();
        seen.find(|machine| machine.id == *id).is_some_and(|machine| {
            matches!(machine.state, MachineState::Stopped | MachineState::Suspended | MachineState::Failed)
        })
    }
}
