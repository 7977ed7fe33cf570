//! One round of the loop: list once, look closely at what is due or has changed, plan it together, and carry it out, each environment
//! for itself.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use super::pass::{BrokenPlan, Planned, bulk_fingerprint};
use super::session::{Session, SessionError};
use crate::desired::{Environment, Wanted};
use crate::event::{Event, What};
use crate::execute::{Failure, Report, Stop};
use crate::observed::{ByApp, Observed};
use crate::plan::{Births, Notice, Purpose, Reason, Request, Standing, next_sleep, plan};
use crate::resource::{EnvName, OrgSlug, OwnerId};

/// What is known of an environment that was converged when it was last looked at closely.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// What it looked like in bulk.
    pub(super) bulk: String,
    /// From when on it is looked at closely all the same.
    pub(super) fresh_until: DateTime<Utc>,
    /// When it ends, or machines of it are to sleep.
    pub(super) expiry: Option<DateTime<Utc>>,
}

/// One round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) session: Session,
    /// What every plan is asked for besides its environments.
    pub(super) request: Request,
    /// Environments that are due, each with the signal that stops it.
    pub(super) due: BTreeMap<EnvName, Stop>,
    /// Environments that are looked at closely, and of which nothing is carried out.
    pub(super) surveyed: BTreeSet<EnvName>,
    /// Environments at which only the listing is looked at.
    pub(super) glanced: Vec<EnvName>,
    pub(super) known: BTreeMap<EnvName, Known>,
    /// Held from planning until the first writes are noted, so that no other plan is made without knowing of them.
    pub(super) planning: Arc<Mutex<()>>,
    /// Where it is told what has come of it, as it comes.
    pub(super) news: UnboundedSender<News>,
}

/// A plan, and what is looked up in what it was made from for each of its environments.
#[derive(Debug)]
struct View<'p> {
    planned: &'p Planned,
    listed: BTreeMap<&'p OrgSlug, ByApp<'p>>,
    births: Births<'p>,
}

impl<'p> View<'p> {
    fn of(planned: &'p Planned, owner: &OwnerId) -> Self {
        let observed = &planned.observed;
        Self { planned, listed: ByApp::of_all(observed), births: Births::of(observed, owner) }
    }
}

/// What a round tells.
#[derive(Debug)]
pub(super) enum News {
    /// An environment is through.
    Ended { env: EnvName, end: End },
    /// These have something live that no spec asks for, and that is to be looked at.
    Unwanted(BTreeSet<EnvName>),
}

/// How a round ended for one environment.
#[derive(Debug)]
pub(super) enum End {
    /// It looks in bulk exactly as it did when it was converged.
    Unchanged,
    /// It does not, and has to be looked at closely.
    Changed,
    /// It was looked at closely, and there is something to do.
    ToDo,
    /// It was looked at closely.
    Planned(Box<Ended>),
    /// Nothing could be planned, or something panicked.
    Failed {
        /// What happened.
        message: String,
    },
}

/// How a close look ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) standing: Standing,
    /// Whether a step failed or its outcome is not known.
    pub(super) failed: bool,
    /// When something that waits may go on.
    pub(super) next: Option<DateTime<Utc>>,
    /// Whether there is nothing of it, neither wanted nor live.
    pub(super) gone: bool,
    /// Whether it waits for other environments.
    pub(super) gated: bool,
    /// What it looks like in bulk, if it is converged.
    pub(super) bulk: Option<String>,
    /// When it ends.
    pub(super) expiry: Option<DateTime<Utc>>,
    /// When machines of it that run are to sleep.
    pub(super) sleep: Option<DateTime<Utc>>,
}

impl Ended {
    /// When something is to be done by itself next.
    pub(super) fn turn(&self) -> Option<DateTime<Utc>> {
        self.expiry.into_iter().chain(self.sleep).min()
    }
}

impl Round {
    pub(super) async fn run(self) {
        let mut observed = self.session.readers.list().await;
        self.session.feedback.note_absent(&self.session.loaded, &observed);
        let now = self.session.shared.clock.now();
        let unwanted = self.unwanted(&observed, now);
        let (unchanged, open): (BTreeSet<EnvName>, BTreeSet<EnvName>) = {
            let listed = ByApp::of_all(&observed);
            let is_unchanged =
                |env: &EnvName| !unwanted.contains(env) && self.is_unchanged(env, &observed, &listed, now);
            for env in &self.glanced {
                self.tell(env, if is_unchanged(env) { End::Unchanged } else { End::Changed });
            }
            self.due.keys().chain(&self.surveyed).cloned().partition(|env| is_unchanged(env))
        };
        for env in &unchanged {
            self.tell(env, End::Unchanged);
        }
        self.send(News::Unwanted(unwanted));
        if open.is_empty() {
            return;
        }
        self.session.readers.read_details(&mut observed, &self.session.loaded, &open).await;
        let planning = self.planning.lock().await;
        let plans = match self.plan(&observed, &open) {
            Ok(plans) => plans,
            Err(error) => {
                for env in &open {
                    self.tell(env, End::Failed { message: error.to_string() });
                }
                return;
            }
        };
        let owner = &self.session.loaded.fleet.owner;
        let views = plans.iter().map(|(planned, envs)| (View::of(planned, owner), envs)).collect::<Vec<_>>();
        let runs = views.iter().flat_map(|(view, envs)| envs.iter().map(move |env| (view, env)));
        let mut all = pin!(futures::future::join_all(runs.map(|(view, env)| self.carry_out(view, env))));
        // Whatever begins at once has noted its write after the first poll.
        let is_over = futures::poll!(&mut all).is_ready();
        drop(planning);
        if !is_over {
            drop(all.await);
        }
    }

    /// Environments with something live that no spec asks for, and that is to be collected, as far as a listing can tell.
    fn unwanted(&self, observed: &Observed, now: DateTime<Utc>) -> BTreeSet<EnvName> {
        let (loaded, memory) = (&self.session.loaded, self.session.journal.memory());
        let request = Request { purpose: Purpose::Collect, ..self.request.clone() };
        let plan = plan(&loaded.fleet, observed, &memory, &loaded.policy, &request, now);
        let steps = plan.steps.iter().map(|step| &step.env);
        steps.chain(plan.withheld.iter().map(|withheld| &withheld.env)).cloned().collect()
    }

    fn is_unchanged(
        &self,
        env: &EnvName,
        observed: &Observed,
        listed: &BTreeMap<&OrgSlug, ByApp<'_>>,
        now: DateTime<Utc>,
    ) -> bool {
        let (Some(known), Some(wanted)) = (self.known.get(env), self.wanted(env)) else { return false };
        now < known.fresh_until && bulk_fingerprint(observed, listed, wanted).as_ref() == Some(&known.bulk)
    }

    fn wanted(&self, env: &EnvName) -> Option<&Environment> {
        match self.session.loaded.fleet.environments.get(env)? {
            Wanted::Ready(wanted) => Some(wanted),
            Wanted::Broken { .. } => None,
        }
    }

    /// One plan for all, or, where that breaks a rule, one for each environment, so that only those stop whose own plan does.
    fn plan(
        &self,
        observed: &Observed,
        open: &BTreeSet<EnvName>,
    ) -> Result<Vec<(Planned, BTreeSet<EnvName>)>, SessionError> {
        self.session.settle(observed)?;
        match self.session.plan(observed.clone(), &self.request) {
            Ok(planned) => {
                self.session.remember_consents(&planned.plan)?;
                return Ok(vec![(planned, open.clone())]);
            }
            Err(error) => {
                tracing::error!(%error, "the common plan is not carried out; each environment is planned alone");
            }
        }
        let mut plans = Vec::new();
        for env in open {
            let request = Request { env: Some(env.clone()), ..self.request.clone() };
            match self.session.plan(observed.clone(), &request) {
                Ok(planned) => {
                    self.session.remember_consents(&planned.plan)?;
                    plans.push((planned, BTreeSet::from([env.clone()])));
                }
                Err(BrokenPlan(violations)) => {
                    let rules: Vec<String> = violations.iter().map(ToString::to_string).collect();
                    self.tell(env, End::Failed { message: rules.join("; ") });
                }
            }
        }
        Ok(plans)
    }

    /// Carries out one environment's part of a plan. A panic ends only that.
    async fn carry_out(&self, view: &View<'_>, env: &EnvName) {
        let end = guarded(self.executed(view, env)).await.unwrap_or_else(|panic| End::Failed {
            message: format!("{panic}: this is a defect of Hangar; the environment is tried again later"),
        });
        self.tell(env, end);
    }

    async fn executed(&self, view: &View<'_>, env: &EnvName) -> End {
        let View { planned, listed, births } = view;
        let plan = &planned.plan;
        let standing = plan.standing(env);
        if standing == Standing::Changes && self.surveyed.contains(env) {
            return End::ToDo;
        }
        self.note(planned, env, &[]);
        let report = if standing == Standing::Changes {
            let stop = self.due.get(env).cloned().unwrap_or_default();
            self.session.stopped_by(stop).execute(planned, env).await
        } else {
            Report::default()
        };
        let is_soon = |notice: &&Notice| notice.env == *env && notice.reason == Reason::ExpiresSoon;
        let withheld = || plan.withheld.iter().filter(|withheld| withheld.env == *env);
        let message = report.failed.first().map(|failure| failure.message.clone());
        let failed = !report.failed.is_empty() || report.unknown > 0;
        // What was carried out well is looked at again at once, and only then is there something to say of it.
        if standing != Standing::Changes || failed {
            self.finished(
                env,
                standing,
                message
                    .or_else(|| withheld().next().map(|withheld| withheld.message.clone()))
                    .or_else(|| plan.notices.iter().find(is_soon).map(|notice| notice.message.clone())),
            );
        }
        if !report.failed.is_empty() {
            self.note(planned, env, &report.failed);
        }
        let (wanted, owner) = (self.wanted(env), &self.session.loaded.fleet.owner);
        let converged = wanted.filter(|_| standing == Standing::Converged);
        End::Planned(Box::new(Ended {
            standing,
            failed,
            next: plan.next_due(env),
            gone: !plan.environments.contains_key(env),
            gated: withheld().any(|withheld| withheld.reason == Reason::GateClosed),
            bulk: converged.and_then(|wanted| bulk_fingerprint(&planned.observed, listed, wanted)),
            expiry: wanted.and_then(|wanted| births.expiry(wanted)),
            sleep: wanted.and_then(|wanted| next_sleep(wanted, &planned.observed, owner, plan.made_at)),
        }))
    }

    /// Leaves what is to be said of a preview.
    fn note(&self, planned: &Planned, env: &EnvName, failures: &[Failure]) {
        let Session { loaded, feedback, .. } = &self.session;
        feedback.note(loaded, &planned.plan, &planned.observed, env, failures);
    }

    fn finished(&self, env: &EnvName, standing: Standing, message: Option<String>) {
        let what = What::Finished { standing, message };
        self.session.observer.observe(&Event { at: self.session.shared.clock.now(), env: env.clone(), what });
    }

    fn tell(&self, env: &EnvName, end: End) {
        self.send(News::Ended { env: env.clone(), end });
    }

    fn send(&self, news: News) {
        if self.news.send(news).is_err() {
            tracing::debug!("the loop has ended");
        }
    }
}

/// Runs `future`, and turns a panic into what it said.
async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| said(&*panic))
}

/// What a panic said.
pub(super) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
