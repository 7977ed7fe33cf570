//! Rules of gates.

use super::Checker;
use crate::desired::Wanted;
use crate::observed::{CheckState, CommitChecks};
use crate::plan::{Action, Step};

impl Checker<'_> {
    /// Whether a step that brings something about finds every check that its environment requires passed, at the very commit.
    pub(super) fn checks_have_passed(&self, step: &Step) -> bool {
        let brings_about = matches!(
            step.action,
            Action::CreateApp { .. }
                | Action::CreateVolume { .. }
                | Action::CreateMachine(_)
                | Action::UpdateMachine { .. }
                | Action::CreateObject(_)
                | Action::UpdateObject { .. }
        );
        let Some(Wanted::Ready(env)) = self.fleet.environments.get(&step.env) else { return true };
        let Some(gate) = env.requires.checks.as_ref().filter(|_| brings_about) else { return true };
        match self.observed.checks.get(&gate.commit) {
            Some(CommitChecks::Known(known)) => {
                gate.names.iter().all(|name| known.get(name) == Some(&CheckState::Passed))
            }
            _ => false,
        }
    }
}
