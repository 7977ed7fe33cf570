//! Gates: what holds all changes of an environment until something else is in order.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::planner::{Planner, plural};
use super::step::StepId;
use super::withheld::Reason;
use super::{EnvironmentKind, Standing};
use crate::desired::{CheckGate, Environment, Wanted};
use crate::observed::{CheckState, CommitChecks};
use crate::resource::EnvName;

/// How soon checks that have not ended are looked at again. Asking costs nothing of GitHub's limit while nothing has changed.
const CHECKS_AGAIN: TimeDelta = TimeDelta::seconds(15);

impl Planner<'_> {
    /// Takes out the steps of environments whose gates are closed, the end of components that they no longer have included.
    pub(super) fn hold_by_gates(&mut self) {
        let mut names = self.in_gate_order();
        let ended = self.plan.environments.keys().filter(|name| !self.fleet.environments.contains_key(*name));
        names.extend(ended.cloned().collect::<Vec<_>>());
        // Where no gate is, there is nothing to hold: most plans of many environments have none.
        names.retain(|name| self.wanted(name).is_some_and(Environment::is_gated) || self.policy.needs_approval(name));
        for name in names {
            // A run that is under way is watched, and ends when its time is over, whatever else is held: nothing else would ever stop it.
            let planned = self.plan.steps_of(&name).filter(|step| !step.minds_a_run());
            let planned: BTreeSet<StepId> = planned.map(|step| step.id).collect();
            if !planned.is_empty() {
                self.hold_by_gates_of(&name, &planned);
            }
        }
    }

    fn hold_by_gates_of(&mut self, name: &EnvName, planned: &BTreeSet<StepId>) {
        let changes = plural(planned.len(), "step");
        let wanted = self.wanted(name);
        // What has come to its end goes, whatever the state of anything else.
        let held = wanted.filter(|env| !self.has_ended(env));
        let closed = held.map(|env| self.not_converged(&env.requires.environments)).unwrap_or_default();
        if !closed.is_empty() {
            let message = format!("{changes} held until {} is converged", closed.join(" and "));
            self.remove_steps(planned);
            self.wait(name, None, None, Reason::GateClosed, message, None);
            return;
        }
        let verdict = held.and_then(|env| env.requires.checks.as_ref()).and_then(|gate| self.state_of_checks(gate));
        if let Some(verdict) = verdict {
            self.remove_steps(planned);
            match verdict {
                Verdict::Pending(what) => {
                    let (message, until) =
                        (format!("{changes} held: {what}"), self.now.checked_add_signed(CHECKS_AGAIN));
                    self.wait(name, None, None, Reason::ChecksPending, message, until);
                }
                Verdict::Failed(what) => {
                    self.block(name, None, None, Reason::ChecksFailed, format!("{changes} held: {what}"));
                }
                Verdict::Unknown(what) => {
                    self.block(name, None, None, Reason::ChecksUnknown, format!("{changes} held: {what}"));
                }
            }
            return;
        }
        let needs_approval = wanted.is_some_and(|env| env.requires.approval) || self.policy.needs_approval(name);
        if needs_approval && !self.request.approved.contains(name) && !self.request.dry_run {
            self.remove_steps(planned);
            let message = format!(
                "{changes} held until a person consents: look at `hangar diff --env {name}`, then run `hangar reconcile --once --env {name} --approve {name}`"
            );
            self.block(name, None, None, Reason::ApprovalRequired, message);
        }
    }

    fn wanted(&self, name: &EnvName) -> Option<&Environment> {
        match self.fleet.environments.get(name)? {
            Wanted::Ready(env) => Some(env),
            Wanted::Broken { .. } => None,
        }
    }

    /// Whether the life of an environment has ended.
    fn has_ended(&self, env: &Environment) -> bool {
        self.expiry(env).is_some_and(|at| at <= self.now) || self.has_had_its_time(env)
    }

    /// Those of the required environments that are not known to be as desired: one that is paused or over was not even compared.
    fn not_converged(&self, required: &[EnvName]) -> Vec<String> {
        let why_closed = |required: &EnvName| {
            let wanted = self.wanted(required);
            if wanted.is_some_and(|env| env.paused) {
                return Some(format!("`{required}`, which is paused,"));
            }
            if wanted.is_some_and(|env| self.has_ended(env)) {
                return Some(format!("`{required}`, which has come to its end,"));
            }
            let kind = self.plan.environments.get(required);
            let is_closed =
                kind != Some(&EnvironmentKind::Wanted) || self.plan.standing(required) != Standing::Converged;
            is_closed.then(|| format!("`{required}`"))
        };
        required.iter().filter_map(why_closed).collect()
    }

    /// Why the checks of a commit keep the gate closed; nothing if it is open.
    fn state_of_checks(&self, gate: &CheckGate) -> Option<Verdict> {
        let commit = &gate.commit;
        let known = match self.observed.checks.get(commit) {
            Some(CommitChecks::Known(known)) => known,
            Some(CommitChecks::Unknown { reason, may_pass }) => {
                let what = format!("whether the checks of {commit} have passed is not known: {reason}");
                return Some(if *may_pass { Verdict::Pending(what) } else { Verdict::Unknown(what) });
            }
            None => return Some(Verdict::Pending(format!("the checks of {commit} were not looked at"))),
        };
        let named = |what: &dyn Fn(Option<&CheckState>) -> Option<String>| {
            let found = gate.names.iter().filter_map(|name| Some(format!("`{name}`{}", what(known.get(name))?)));
            found.collect::<Vec<_>>()
        };
        let failed = named(&|state| match state {
            Some(CheckState::Failed { how }) => Some(format!(" ({how})")),
            _ => None,
        });
        if !failed.is_empty() {
            let failed = failed.join(" and ");
            return Some(Verdict::Failed(format!(
                "{failed} did not succeed at {commit}: push a commit that mends it, or run it again"
            )));
        }
        let open = named(&|state| match state {
            Some(CheckState::Pending) => Some(String::new()),
            None => Some(" (nothing of this name yet)".to_owned()),
            _ => None,
        });
        (!open.is_empty()).then(|| Verdict::Pending(format!("waits for {} at {commit}", open.join(" and "))))
    }
}

/// Why a gate is closed.
enum Verdict {
    /// Time may open it.
    Pending(String),
    /// Only a commit, or another run of the check, can open it.
    Failed(String),
    /// What was asked cannot be answered until a person gives access to it.
    Unknown(String),
}
