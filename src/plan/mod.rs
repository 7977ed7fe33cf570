//! The plan: the ordered steps that lead from observed to desired, and everything that was not planned and why.
//!
//! [`plan`] is a pure function: the same input yields the same bytes. Whatever decides *what* happens is in this room: diffs,
//! ordering, rollouts, garbage collection, deletion safety, expiry. A plan leaves no choice to the executor.
//!
//! ```text
//! planner ──> per app:  secrets, addresses, volumes, jobs, machines (missing, existing) ──> rollout (order), trial (failures)
//!         └─> collect:  orphans, grace, budget                 ──> proof   (deletes) ──> finalize (what is run before)
//! ```

mod addresses;
mod adopt;
mod app;
mod budget;
mod collect;
mod ending;
mod existing;
mod expiry;
mod extend;
mod finalize;
mod gates;
mod images;
mod jobs;
mod lift;
mod machines;
mod missing;
mod network;
mod object_orphans;
mod objects;
mod outputs;
mod parts;
mod planner;
mod proof;
mod queue;
mod rollout;
mod secrets;
mod select;
mod sets;
mod sleep;
mod step;
mod trial;
mod volumes;
mod withheld;

pub use adopt::Adoption;
pub use collect::Collected;
pub use ending::newest_run;
pub use expiry::{Births, SOON, ended_by_age};
pub use finalize::has_finalizers;
pub use images::images_to_look_for;
pub use objects::NO_ROOM;
pub use planner::{Purpose, Request, plan};
pub use proof::{Evidence, Proof};
pub use secrets::SecretWrite;
pub use sleep::next_sleep;
pub use step::{Action, Finalization, MachineWrite, ObjectChange, Step, StepId};
pub use withheld::{Effect, HeldChange, Notice, Reason, Stance, Withheld};

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

use crate::memory::Acknowledged;
use crate::resource::EnvName;
use crate::resource::output::Outputs;

/// A whole plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// When it was made, on the clock that all of its moments are read from.
    pub made_at: DateTime<Utc>,
    /// The commit that the specs come from.
    pub commit: Option<String>,
    /// The steps. A step comes after every step that it waits for.
    pub steps: Vec<Step>,
    /// What was not planned, or not yet, and why.
    pub withheld: Vec<Withheld>,
    /// What people should know, and what does not keep an environment from being converged.
    pub notices: Vec<Notice>,
    /// The outputs known when the plan was made, by environment.
    pub outputs: BTreeMap<EnvName, Outputs>,
    /// The environments that the plan is about: wanted ones that were selected, and orphans.
    pub environments: BTreeMap<EnvName, EnvironmentKind>,
    /// What the memory is to hold of acknowledged sets of deletions from now on: a set is found when the plan is made, and its
    /// members may become free to go one by one, long after. Nothing where the plan did not see everything.
    pub acknowledged: Option<Acknowledged>,
}

/// Why an environment is in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentKind {
    /// A spec asks for it.
    Wanted,
    /// No spec asks for it (any more), or a person asked for its end.
    Orphan,
}

/// Where an environment stands, by its part of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Live is as desired.
    Converged,
    /// There is something to do.
    Changes,
    /// Nothing can be done now, and time will tell.
    Waiting,
    /// Nothing can be done until a person acts.
    Blocked,
}

impl Plan {
    /// Where the environment `env` stands.
    pub fn standing(&self, env: &EnvName) -> Standing {
        if self.steps.iter().any(|step| step.env == *env) {
            return Standing::Changes;
        }
        let stances = self.withheld.iter().filter(|withheld| withheld.env == *env).map(|withheld| withheld.stance);
        match stances.max() {
            None => Standing::Converged,
            Some(Stance::Waiting) => Standing::Waiting,
            Some(Stance::Blocked) => Standing::Blocked,
        }
    }

    /// Where every environment stands that is not converged, for whoever asks for many of them.
    pub fn standings(&self) -> BTreeMap<&EnvName, Standing> {
        let mut standings: BTreeMap<&EnvName, Standing> = BTreeMap::new();
        for withheld in &self.withheld {
            let standing = standings.entry(&withheld.env).or_insert(Standing::Waiting);
            if withheld.stance == Stance::Blocked {
                *standing = Standing::Blocked;
            }
        }
        standings.extend(self.steps.iter().map(|step| (&step.env, Standing::Changes)));
        standings
    }

    /// What is withheld, by environment.
    pub fn withheld_by_env(&self) -> BTreeMap<&EnvName, Vec<&Withheld>> {
        let mut by_env: BTreeMap<&EnvName, Vec<&Withheld>> = BTreeMap::new();
        for withheld in &self.withheld {
            by_env.entry(&withheld.env).or_default().push(withheld);
        }
        by_env
    }

    /// The steps of one environment, in order.
    pub fn steps_of<'a>(&'a self, env: &'a EnvName) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |step| step.env == *env)
    }

    /// The earliest moment at which something that waits may go on, after `now`.
    pub fn next_due(&self, env: &EnvName) -> Option<DateTime<Utc>> {
        self.withheld.iter().filter(|withheld| withheld.env == *env).filter_map(|withheld| withheld.until).min()
    }
}

#[cfg(test)]
mod tests;
