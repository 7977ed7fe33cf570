//! In what order the machines of an app are changed.
//!
//! This is the place for rollout strategies. For now there is one: one machine at a time, each healthy before the next.

use super::step::StepId;

/// The order of changes to an app's machines.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    previous: Option<StepId>,
}

impl Rollout {
    /// The step that the next change has to wait for.
    pub(super) const fn gate(&self) -> Option<StepId> {
        self.previous
    }

    /// Notes that the change just planned is over when `step` is done.
    pub(super) const fn advance(&mut self, step: StepId) {
        self.previous = Some(step);
    }
}
