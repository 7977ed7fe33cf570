//! One environment's part of a plan, carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::journal::Journal;
use super::object::ObjectRun;
use super::step::{Ended, StepRun};
use crate::clock::SharedClock;
use crate::event::{Event, Observer, Outcome, StepRef, What};
use crate::plan::{Action, Plan, Step, StepId};
use crate::providers::fly::client::FlyWriter;
use crate::providers::objects::ObjectWriter;
use crate::random::Random;
use crate::resource::output::Outputs;
use crate::resource::{AppName, EnvName, OrgSlug, OwnerId, ResourceKey, ScopeKey, Subject};
use crate::template::Fingerprinter;

/// Everything that carrying out a plan needs.
#[derive(Debug, Clone)]
pub struct Executor {
    /// One writer per organization.
    pub writers: BTreeMap<OrgSlug, FlyWriter>,
    /// One writer per scope of another provider.
    pub objects: BTreeMap<ScopeKey, ObjectWriter>,
    /// The controller's identity.
    pub owner: OwnerId,
    /// This run of the program.
    pub instance: String,
    /// Makes fingerprints of secrets whose values are known only now.
    pub fingerprinter: Option<Fingerprinter>,
    /// The memory.
    pub journal: Journal,
    /// The run's clock.
    pub clock: SharedClock,
    /// The run's generator.
    pub random: Random,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// Says when no new step may begin.
    pub stop: Stop,
}

/// Tells a run to end at the next safe point: steps under way are finished, no new one begins.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    code: AtomicU8,
    asked: tokio::sync::Notify,
}

/// Why a run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The program ends.
    Stopping,
    /// The plan has been overtaken: the specs have changed since it was made.
    Overtaken,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopping => "the run is stopping",
            Self::Overtaken => "the plan has been overtaken by a newer spec",
        })
    }
}

impl Stop {
    /// Asks for the end. The first reason stands.
    pub fn request(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Stopping => 1,
            StopReason::Overtaken => 2,
        };
        if self.0.code.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            tracing::debug!(?reason, "the run was already asked to end");
        }
        self.0.asked.notify_waiters();
    }

    /// Returns once the end has been asked for: for whatever only waits, and can be left at any moment.
    pub async fn asked(&self) -> StopReason {
        loop {
            let asked = self.0.asked.notified();
            tokio::pin!(asked);
            // From here on no request is missed.
            asked.as_mut().enable();
            if let Some(reason) = self.requested() {
                return reason;
            }
            asked.await;
        }
    }

    /// Why the end was asked for, if it was.
    pub fn requested(&self) -> Option<StopReason> {
        match self.0.code.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(StopReason::Stopping),
            _ => Some(StopReason::Overtaken),
        }
    }
}

/// How carrying out one environment's part of a plan ended.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Changes that were done; waits do not count.
    pub done: usize,
    /// Steps that were refused or did not work, with what they said.
    pub failed: Vec<Failure>,
    /// Steps whose outcome is not known.
    pub unknown: usize,
    /// Steps that were not tried.
    pub skipped: usize,
    /// What is gone now, and was deleted here: apps, and objects at other providers.
    pub deleted: Vec<Subject>,
}

/// A step that did not work.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The step.
    pub step: StepRef,
    /// A condition's reason.
    pub reason: String,
    /// What failed, where, why, and what to do.
    pub message: String,
    /// Whether trying again later may help.
    pub transient: bool,
}

/// What steps of one environment share while they run.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Outputs known so far.
    pub(super) outputs: Mutex<Outputs>,
    /// Vaults written in this run.
    pub(super) vaults: Mutex<BTreeMap<AppName, Vault>>,
    /// Machines written in this run: id and version.
    pub(super) machines: Mutex<BTreeMap<ResourceKey, Written>>,
    /// Apps created in this run.
    pub(super) created: Mutex<BTreeSet<AppName>>,
}

/// An app's secrets as a write in this run left them.
#[derive(Debug, Clone, Default)]
pub(super) struct Vault {
    pub(super) version: Option<u64>,
    pub(super) digests: BTreeMap<String, String>,
    pub(super) fingerprints: BTreeMap<String, String>,
}

/// A machine as a write in this run left it.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) id: String,
    pub(super) version: Option<String>,
    pub(super) since: chrono::DateTime<chrono::Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Running,
    Done,
    NotDone,
}

impl Executor {
    /// Carries out the steps of `env`.
    pub async fn execute(&self, plan: &Plan, env: &EnvName) -> Report {
        let steps: Vec<&Step> = plan.steps_of(env).collect();
        self.tell(env, What::Planned { steps: steps.len() });
        let shared = Shared::default();
        if let (Some(known), Ok(mut outputs)) = (plan.outputs.get(env), shared.outputs.lock()) {
            outputs.clone_from(known);
        }
        let mut states: BTreeMap<StepId, State> = steps.iter().map(|step| (step.id, State::Pending)).collect();
        let mut report = Report::default();
        let mut running = FuturesUnordered::new();
        loop {
            self.skip_hopeless(&steps, &mut states, &mut report);
            for step in &steps {
                if states.get(&step.id) == Some(&State::Pending) && step.after.iter().all(|id| is_done(&states, *id)) {
                    states.insert(step.id, State::Running);
                    running.push(self.run_step(step, &shared));
                }
            }
            let Some((id, ended)) = running.next().await else { break };
            let state = if matches!(ended, Ended::Done { .. }) { State::Done } else { State::NotDone };
            states.insert(id, state);
            if let Some(step) = steps.iter().find(|step| step.id == id) {
                report.count(step, ended);
            }
        }
        report
    }

    /// Ends every step that can never begin: one before it did not end well, or the run is to stop.
    fn skip_hopeless(&self, steps: &[&Step], states: &mut BTreeMap<StepId, State>, report: &mut Report) {
        for step in steps {
            if states.get(&step.id) != Some(&State::Pending) {
                continue;
            }
            let broken = step.after.iter().find(|id| states.get(id) == Some(&State::NotDone));
            let message = match broken {
                Some(_) => "a step that it waits for did not end well".to_owned(),
                None => match self.stop.requested() {
                    Some(reason) => reason.to_string(),
                    None => continue,
                },
            };
            states.insert(step.id, State::NotDone);
            report.skipped = report.skipped.saturating_add(1);
            let what = What::StepFinished {
                step: step_ref(step),
                took: std::time::Duration::ZERO,
                outcome: Outcome::Skipped { message },
            };
            self.tell(&step.env, what);
        }
    }

    async fn run_step(&self, step: &Step, shared: &Shared) -> (StepId, Ended) {
        let began = self.clock.now();
        self.tell(&step.env, What::StepStarted { step: step_ref(step) });
        let ended = match (step.key.app(), &step.org, step.key.object()) {
            (Some(app), Some(org), _) => StepRun { executor: self, step, shared, app, org }.run().await,
            (_, _, Some(key)) => ObjectRun { executor: self, step, shared, key }.run().await,
            // The planner names an organization for whatever is in an app.
            _ => Ended::Failed {
                reason: "NoScope".to_owned(),
                message: format!("it is not known where {} is", step.key),
                transient: false,
            },
        };
        let took = (self.clock.now() - began).to_std().unwrap_or_default();
        let outcome = match &ended {
            Ended::Done { produced } => Outcome::Done { produced: produced.clone() },
            Ended::Failed { reason, message, transient } => {
                Outcome::Failed { reason: reason.clone(), message: message.clone(), transient: *transient }
            }
            Ended::Left { message } => Outcome::Skipped { message: message.clone() },
            Ended::Unknown { message } => Outcome::Unknown { message: message.clone() },
        };
        self.tell(&step.env, What::StepFinished { step: step_ref(step), took, outcome });
        (step.id, ended)
    }

    pub(super) fn tell(&self, env: &EnvName, what: What) {
        self.observer.observe(&Event { at: self.clock.now(), env: env.clone(), what });
    }
}

impl Report {
    fn count(&mut self, step: &Step, ended: Ended) {
        match ended {
            Ended::Done { .. } if step.action.verb().is_none() => {}
            Ended::Done { .. } => {
                self.done = self.done.saturating_add(1);
                if matches!(step.action, Action::DeleteApp { .. } | Action::DeleteObject { .. }) {
                    self.deleted.push(step.key.subject());
                }
            }
            Ended::Left { .. } => self.skipped = self.skipped.saturating_add(1),
            Ended::Unknown { .. } => self.unknown = self.unknown.saturating_add(1),
            Ended::Failed { reason, message, transient } => {
                self.failed.push(Failure { step: step_ref(step), reason, message, transient });
            }
        }
    }
}

fn is_done(states: &BTreeMap<StepId, State>, id: StepId) -> bool {
    // A step outside of this environment's part has nothing to do with it.
    states.get(&id).is_none_or(|state| *state == State::Done)
}

/// A step as events name it.
pub(crate) fn step_ref(step: &Step) -> StepRef {
    StepRef {
        id: step.id,
        component: step.component.clone(),
        key: step.key.clone(),
        action: step.action.name().to_owned(),
        reason: step.reason.clone(),
    }
}
