//! Rules of gates.

use super::Checker;
use crate::desired::{CheckGate, Wanted};
use crate::observed::{CheckState, CommitChecks};
use crate::plan::{Action, Step};
use crate::resource::EnvName;

/// Whether an action brings something about. All others wait, note, stop, adopt, or end something, of which other rules speak.
const fn brings_about(action: &Action) -> bool {
    match action {
        Action::CreateApp { .. }
        | Action::SetSecrets(_)
        | Action::CreateVolume { .. }
        | Action::ExtendVolume { .. }
        | Action::UpdateVolume { .. }
        | Action::AllocateIp(_)
        | Action::AddCertificate
        | Action::CreateMachine(_)
        | Action::UpdateMachine { .. }
        | Action::StartMachine { .. }
        | Action::CreateObject(_)
        | Action::UpdateObject { .. } => true,
        Action::DeleteVolume { .. }
        | Action::ReleaseIp { .. }
        | Action::RemoveCertificate { .. }
        | Action::MarkMachine { .. }
        | Action::StopMachine { .. }
        | Action::DestroyMachine { .. }
        | Action::WaitHealthy { .. }
        | Action::WaitEnded { .. }
        | Action::MarkObject { .. }
        | Action::WaitObject { .. }
        | Action::DeleteObject { .. }
        | Action::Finalize { .. }
        | Action::AdoptApp { .. }
        | Action::DeleteApp { .. } => false,
    }
}

impl Checker<'_> {
    /// Whether a step that brings something about finds every check that its environment requires passed, at the very commit, and
    /// nothing to be done in the environments that are required.
    pub(super) fn gates_are_open(&self, step: &Step) -> bool {
        match self.fleet.environments.get(&step.env) {
            Some(Wanted::Ready(env)) if brings_about(&step.action) => {
                env.requires.checks.as_ref().is_none_or(|gate| self.have_passed(gate))
                    && env.requires.environments.iter().all(|required| self.is_required_at_rest(required))
            }
            _ => true,
        }
    }

    fn have_passed(&self, gate: &CheckGate) -> bool {
        match self.observed.checks.get(&gate.commit) {
            Some(CommitChecks::Known(known)) => {
                gate.names.iter().all(|name| known.get(name) == Some(&CheckState::Passed))
            }
            _ => false,
        }
    }

    fn is_required_at_rest(&self, required: &EnvName) -> bool {
        let is_wanted = matches!(self.fleet.environments.get(required), Some(Wanted::Ready(env)) if !env.paused);
        is_wanted && self.plan.steps_of(required).next().is_none()
    }
}
