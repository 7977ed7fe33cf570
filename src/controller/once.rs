//! One run until everything is converged or stuck: what a cron job does, and what a person at a terminal watches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::pass::Planned;
use super::session::{Session, SessionError};
use crate::desired::Wanted;
use crate::event::{Event, What};
use crate::execute::{Failure, Report, step_ref};
use crate::plan::{Plan, Purpose, Reason, Request, Standing, Step};
use crate::resource::{EnvName, Subject};

/// How often something transient is looked at again within one run.
const TRIES: u32 = 5;
/// The same, where all that is left to do is to stop what would run on: what has failed before counts too.
const TRIES_TO_END: u32 = 2 * TRIES;
/// How often an environment is planned and carried out within one run. What is not settled then is changed back by somebody, or by a
/// defect, and going on would never end.
const ROUNDS: u32 = 40;
/// How long to wait for something that is in transition and says no time.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// A run until everything is converged or stuck.
#[derive(Debug)]
pub struct Once<'s> {
    session: &'s Session,
    request: Request,
    /// The longest that is waited for something that goes on by itself (quarantine, an own write, a transition).
    patience: Duration,
    failures: BTreeMap<EnvName, Vec<Failure>>,
    tries: BTreeMap<EnvName, u32>,
    rounds: BTreeMap<EnvName, u32>,
    done_in: BTreeMap<EnvName, usize>,
    deleted: BTreeMap<EnvName, BTreeSet<Subject>>,
}

/// How a run ended for one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Live is as desired.
    Converged,
    /// It goes on by itself, later.
    Waiting,
    /// It needs a person.
    Blocked,
    /// Something was refused or did not work.
    Failed,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// By environment.
    pub verdicts: BTreeMap<EnvName, Verdict>,
    /// What did not work, by environment.
    pub failures: BTreeMap<EnvName, Vec<Failure>>,
    /// The last plan, with what it was made from.
    pub last: Planned,
    /// How many steps were done.
    pub done: usize,
    /// How many steps were done in each environment.
    pub done_in: BTreeMap<EnvName, usize>,
    /// Which apps were deleted, by environment.
    pub deleted: BTreeMap<EnvName, BTreeSet<Subject>>,
}

impl Outcome {
    /// The worst verdict; converged where there is no environment.
    pub fn worst(&self) -> Verdict {
        let rank = |verdict: &&Verdict| match verdict {
            Verdict::Converged => 0,
            Verdict::Waiting => 1,
            Verdict::Blocked => 2,
            Verdict::Failed => 3,
        };
        self.verdicts.values().max_by_key(rank).cloned().unwrap_or(Verdict::Converged)
    }
}

impl<'s> Once<'s> {
    /// A run for `request` that waits at most `patience` at a time.
    pub const fn new(session: &'s Session, request: Request, patience: Duration) -> Self {
        Self {
            session,
            request,
            patience,
            failures: BTreeMap::new(),
            tries: BTreeMap::new(),
            rounds: BTreeMap::new(),
            done_in: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }

    /// Runs. `on_first_plan` is shown the first plan before anything is done.
    pub async fn run(mut self, on_first_plan: impl FnOnce(&Planned)) -> Result<Outcome, SessionError> {
        let mut on_first_plan = Some(on_first_plan);
        loop {
            let observed = self.session.observe_for(&self.request, &self.environments()).await?;
            let planned = self.session.plan(observed, &self.request)?;
            self.session.remember_consents(&planned.plan)?;
            if let Some(show) = on_first_plan.take() {
                show(&planned);
                self.session.feedback.note_absent(&self.session.loaded, &planned.observed);
                for env in planned.plan.environments.keys() {
                    self.note(&planned, env);
                }
            }
            let standings = planned.plan.standings();
            let changing =
                planned.plan.environments.keys().filter(|env| standings.get(env) == Some(&Standing::Changes));
            let goes_on = |env: &EnvName| !self.has_failed(env) || self.only_ends_a_run(env, &planned.plan);
            let due: Vec<EnvName> = changing.filter(|env| goes_on(env)).cloned().collect();
            if due.is_empty() {
                match self.pause(&planned) {
                    Some(wait) if self.session.stop.requested().is_none() => {
                        self.tell_waits(&planned.plan);
                        tokio::select! {
                            () = self.session.shared.clock.sleep(wait) => {}
                            _ = self.session.stop.asked() => {}
                        }
                        continue;
                    }
                    _ => return Ok(self.conclude(planned)),
                }
            }
            let runs = due.iter().map(|env| async { (env.clone(), self.session.execute(&planned, env).await) });
            for (env, report) in futures::future::join_all(runs).await {
                let done = self.done_in.entry(env.clone()).or_default();
                *done = done.saturating_add(report.done);
                if !report.deleted.is_empty() {
                    self.deleted.entry(env.clone()).or_default().extend(report.deleted.iter().cloned());
                }
                self.take(&env, report);
                self.count_round(&env, &planned.plan);
            }
            if self.session.stop.requested().is_some() {
                return Ok(self.conclude(planned));
            }
        }
    }

    /// The environments whose details are read: the ones asked for.
    fn environments(&self) -> BTreeSet<EnvName> {
        match (&self.request.env, &self.request.purpose) {
            (_, Purpose::Collect) => self.session.loaded.with_end_and_finalizers(),
            (_, Purpose::Adopt(_)) => BTreeSet::new(),
            (_, Purpose::Destroy(env) | Purpose::Extend(env, _)) | (Some(env), _) => BTreeSet::from([env.clone()]),
            (None, Purpose::Reconcile) => self.session.loaded.fleet.environments.keys().cloned().collect(),
        }
    }

    /// Whether something that `env` lives in cannot be read, so that nothing is known and waiting does not help.
    fn is_out_of_reach(&self, planned: &Planned, env: &EnvName) -> bool {
        match self.session.loaded.fleet.environments.get(env) {
            Some(Wanted::Ready(env)) => planned.why_out_of_reach(env).is_some(),
            // Where something of it is left is not known.
            _ => planned.out_of_reach().next().is_some(),
        }
    }

    /// Whether something has failed in a way that this run does not try again.
    fn has_failed(&self, env: &EnvName) -> bool {
        self.failures.contains_key(env)
    }

    /// Whether all that is left to do in an environment in which something has failed is to stop what would run on for ever.
    fn only_ends_a_run(&self, env: &EnvName, plan: &Plan) -> bool {
        let is_below = |counts: &BTreeMap<EnvName, u32>, most| counts.get(env).is_none_or(|count| *count < most);
        let may_try = is_below(&self.tries, TRIES_TO_END) && is_below(&self.rounds, ROUNDS);
        may_try && plan.steps_of(env).all(Step::ends_a_run)
    }

    fn take(&mut self, env: &EnvName, report: Report) {
        let is_final = report.failed.iter().any(|failure| !failure.transient);
        let tries = self.tries.entry(env.clone()).or_default();
        if !report.failed.is_empty() || report.unknown > 0 {
            *tries = tries.saturating_add(1);
        }
        if is_final || (*tries >= TRIES && !report.failed.is_empty()) {
            // What has failed first is what people have to know.
            self.failures.entry(env.clone()).or_default().extend(report.failed);
        }
    }

    /// Ends the work on an environment that never settles.
    fn count_round(&mut self, env: &EnvName, plan: &Plan) {
        let rounds = self.rounds.entry(env.clone()).or_default();
        *rounds = rounds.saturating_add(1);
        if *rounds >= ROUNDS
            && let Some(step) = plan.steps_of(env).next()
        {
            let failure = Failure {
                step: step_ref(step),
                reason: "NotSettling".to_owned(),
                message: format!(
                    "{env} was carried out {ROUNDS} times and is still not as wanted: something changes it back ({}: {})",
                    step.key, step.reason
                ),
                transient: true,
            };
            self.failures.entry(env.clone()).or_default().push(failure);
        }
    }

    /// How long to wait before looking again, if waiting helps and is within patience.
    fn pause(&self, planned: &Planned) -> Option<Duration> {
        let plan = &planned.plan;
        let now = self.session.shared.clock.now();
        let standings = plan.standings();
        let waiting = plan.withheld.iter().filter(|withheld| {
            // A gate opens when another environment converges, which is not a matter of time alone.
            standings.get(&withheld.env) == Some(&Standing::Waiting)
                && withheld.reason != Reason::GateClosed
                && !self.has_failed(&withheld.env)
                && !self.is_out_of_reach(planned, &withheld.env)
        });
        let waits = waiting.filter_map(|withheld| match withheld.until {
            Some(until) => Some(between(now, until)),
            None => matches!(withheld.reason, Reason::InTransition | Reason::Unhealthy | Reason::ObservationIncomplete)
                .then_some(LOOK_AGAIN),
        });
        let shortest = waits.min()?;
        let spent = self.spent(now);
        (shortest <= self.patience && spent <= self.patience.saturating_mul(2))
            .then(|| shortest.max(Duration::from_millis(500)))
    }

    /// How long this run has been going on.
    fn spent(&self, now: DateTime<Utc>) -> Duration {
        between(self.session.journal.read(|memory| memory.started_at), now)
    }

    fn tell_waits(&self, plan: &Plan) {
        let now = self.session.shared.clock.now();
        let (standings, withheld) = (plan.standings(), plan.withheld_by_env());
        for env in plan.environments.keys().filter(|env| standings.get(env) == Some(&Standing::Waiting)) {
            let Some(withheld) = withheld.get(env).and_then(|all| all.first()) else { continue };
            let what = What::Waiting { message: withheld.message.clone(), until: withheld.until };
            self.session.observer.observe(&Event { at: now, env: env.clone(), what });
        }
    }

    /// Leaves what is to be said of a preview.
    fn note(&self, planned: &Planned, env: &EnvName) {
        let failures = self.failures.get(env).map_or(&[][..], Vec::as_slice);
        let Session { loaded, feedback, .. } = self.session;
        feedback.note(loaded, &planned.plan, &planned.observed, env, failures);
    }

    fn conclude(self, last: Planned) -> Outcome {
        let mut verdicts = BTreeMap::new();
        let gone = self.deleted.keys().filter(|env| !last.plan.environments.contains_key(*env));
        for env in last.plan.environments.keys().chain(gone) {
            self.note(&last, env);
        }
        let (standings, withheld) = (last.plan.standings(), last.plan.withheld_by_env());
        for env in last.plan.environments.keys() {
            let standing = standings.get(env).copied().unwrap_or(Standing::Converged);
            let withheld = withheld.get(env).map(Vec::as_slice).unwrap_or_default();
            let verdict = match standing {
                _ if self.failures.contains_key(env) => Verdict::Failed,
                Standing::Waiting if self.is_out_of_reach(&last, env) => Verdict::Failed,
                Standing::Converged => Verdict::Converged,
                Standing::Waiting => Verdict::Waiting,
                // Only a stopped run leaves changes undone.
                Standing::Changes => Verdict::Waiting,
                Standing::Blocked => {
                    let is_wrong = withheld.iter().any(|withheld| {
                        matches!(
                            withheld.reason,
                            Reason::RolloutRejected | Reason::SpecBroken | Reason::ImageMissing | Reason::ObjectFailed
                        )
                    });
                    if is_wrong { Verdict::Failed } else { Verdict::Blocked }
                }
            };
            let message = withheld.first().map(|withheld| withheld.message.clone());
            let what = What::Finished { standing, message };
            let at = self.session.shared.clock.now();
            self.session.observer.observe(&Event { at, env: env.clone(), what });
            verdicts.insert(env.clone(), verdict);
        }
        let done = self.done_in.values().sum();
        Outcome { verdicts, failures: self.failures, last, done, done_in: self.done_in, deleted: self.deleted }
    }
}

fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
    to.signed_duration_since(from).max(TimeDelta::zero()).to_std().unwrap_or_default()
}
