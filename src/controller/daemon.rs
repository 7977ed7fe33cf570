//! The long-lived loop: woken by changes and time, bounded in its workers, and stopped at a safe point.
//!
//! Wake-ups carry no data: whatever happens only makes environments due, and every decision is derived again from what is wanted
//! and what is seen. A change of the specs overtakes the plans that are being carried out: their steps under way are finished, no
//! new one begins, and their environments are planned anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;

use super::load::{LoadError, Loaded, load};
use super::pass::bulk_fingerprint;
use super::queue::{Backoff, Priority, Queue};
use super::session::{Session, SessionError};
use super::variables::Variables;
use crate::desired::{Completeness, Wanted};
use crate::execute::event::{Event, Observer, What};
use crate::execute::{Journal, Stop, StopReason};
use crate::http::Shared;
use crate::plan::{EnvironmentKind, Purpose, Request, Standing};
use crate::resource::EnvName;
use crate::source::Source;

/// How long steps under way may take to finish when the program is to end (a container's usual grace period).
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How soon something that is in transition is looked at again.
const SOON: Duration = Duration::from_secs(5);

/// The long-lived controller.
#[derive(Debug)]
pub struct Daemon {
    /// Where specs come from.
    pub source: Arc<dyn Source>,
    /// Tokens and secret values.
    pub variables: Arc<dyn Variables>,
    /// Transport, clock, generator, request counter.
    pub shared: Shared,
    /// The memory.
    pub journal: Journal,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// Ends the loop.
    pub stop: Stop,
    /// What every pass is asked for besides its environments.
    pub request: Request,
}

/// Why the loop could not begin.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The source could not be read at all.
    #[error(transparent)]
    Source(#[from] crate::source::SourceError),
    /// The specs or tokens.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The specs or tokens.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// The periods of the loop.
#[derive(Debug, Clone, Copy)]
struct Periods {
    resync: Duration,
    deep: Duration,
    workers: usize,
}

/// What the loop knows of an environment that was converged when it was last read in detail.
#[derive(Debug, Clone)]
struct Known {
    bulk: String,
    read_at: DateTime<Utc>,
}

/// How a pass ended for one environment.
#[derive(Debug)]
struct Ended {
    env: EnvName,
    standing: Standing,
    failed: bool,
    next: Option<DateTime<Utc>>,
    gone: bool,
    known: Option<Known>,
}

struct Loop {
    daemon: Daemon,
    loaded: Arc<Loaded>,
    queue: Queue,
    known: BTreeMap<EnvName, Known>,
    seen: BTreeSet<EnvName>,
    /// Ends the passes under way when the specs change.
    overtaken: Stop,
    periods: Periods,
    passes: JoinSet<Vec<Ended>>,
    /// The environments of each pass, so that one that panics can be put back.
    under_way: BTreeMap<tokio::task::Id, Vec<EnvName>>,
}

impl Daemon {
    /// Runs until it is told to stop.
    pub async fn run(self) -> Result<(), DaemonError> {
        let snapshot = self.source.load().await?;
        let loaded = Arc::new(load(&snapshot, &*self.variables)?);
        let periods = Periods::of(&loaded);
        let mut queue = Queue::new(Backoff::default(), self.shared.random.clone());
        let now = self.shared.clock.now();
        for env in loaded.fleet.environments.keys() {
            queue.wake(env, Priority::Resync, now);
        }
        let mut state = Loop {
            loaded,
            queue,
            known: BTreeMap::new(),
            seen: BTreeSet::new(),
            overtaken: Stop::default(),
            periods,
            passes: JoinSet::new(),
            under_way: BTreeMap::new(),
            daemon: self,
        };
        state.wake_orphans().await?;
        state.run().await
    }
}

impl Loop {
    async fn run(&mut self) -> Result<(), DaemonError> {
        // One wait for a change lives across rounds: a source may only look every minute, and a wait that is dropped starts anew.
        let mut changed = change_of(Arc::clone(&self.daemon.source));
        loop {
            if self.daemon.stop.requested().is_some() {
                self.wind_down().await;
                return Ok(());
            }
            self.start_passes()?;
            let clock = Arc::clone(&self.daemon.shared.clock);
            let pause = self.pause(clock.now());
            tokio::select! {
                () = &mut changed => {
                    self.reload().await?;
                    changed = change_of(Arc::clone(&self.daemon.source));
                }
                Some(ended) = self.passes.join_next_with_id() => self.take(ended),
                () = clock.sleep(pause) => {}
            }
        }
    }

    /// How long nothing happens by itself. Never longer than a second, so that a request to stop is heard.
    fn pause(&self, now: DateTime<Utc>) -> Duration {
        let room = self.queue.at_work() < self.periods.workers;
        let due = self.queue.next_due().filter(|_| room);
        let until =
            due.map_or(Duration::from_secs(1), |due| (due - now).max(TimeDelta::zero()).to_std().unwrap_or_default());
        until.clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    fn start_passes(&mut self) -> Result<(), DaemonError> {
        let now = self.daemon.shared.clock.now();
        let room = self.periods.workers.saturating_sub(self.queue.at_work());
        let due = self.queue.take_due(now, room);
        if due.is_empty() {
            return Ok(());
        }
        let session = Session::open(
            Arc::clone(&self.loaded),
            &*self.daemon.variables,
            self.daemon.shared.clone(),
            self.daemon.journal.clone(),
            Arc::clone(&self.daemon.observer),
            self.overtaken.clone(),
        )?;
        let known: BTreeMap<EnvName, Known> =
            due.iter().filter_map(|env| Some((env.clone(), self.known.get(env)?.clone()))).collect();
        let (request, deep) = (self.daemon.request.clone(), self.periods.deep);
        let handle = self.passes.spawn(pass(session, due.clone(), known, request, deep));
        self.under_way.insert(handle.id(), due);
        Ok(())
    }

    fn take(&mut self, ended: Result<(tokio::task::Id, Vec<Ended>), tokio::task::JoinError>) {
        let now = self.daemon.shared.clock.now();
        match ended {
            Ok((id, results)) => {
                self.under_way.remove(&id);
                for result in results {
                    self.put_back(result, now);
                }
            }
            Err(error) => {
                for env in self.under_way.remove(&error.id()).into_iter().flatten() {
                    let message = "a pass panicked: this is a defect of Hangar; it is tried again later".to_owned();
                    tracing::error!(%env, "{message}");
                    let what = What::Finished { standing: Standing::Waiting, message: Some(message) };
                    self.daemon.observer.observe(&Event { at: now, env: env.clone(), what });
                    self.queue.failed(&env, now);
                }
            }
        }
    }

    fn put_back(&mut self, result: Ended, now: DateTime<Utc>) {
        let is_wanted = self.loaded.fleet.environments.contains_key(&result.env);
        self.seen.insert(result.env.clone());
        match result.known {
            Some(known) => self.known.insert(result.env.clone(), known),
            None => self.known.remove(&result.env),
        };
        if result.gone && !is_wanted {
            self.queue.forget(&result.env);
            return;
        }
        if result.failed {
            self.queue.failed(&result.env, now);
            return;
        }
        let until = result.next.map(|at| (at - now).max(TimeDelta::zero()).to_std().unwrap_or_default());
        let (wait, priority) = match result.standing {
            Standing::Converged => (self.periods.resync, Priority::Resync),
            Standing::Changes => (Duration::ZERO, Priority::Changed),
            Standing::Waiting => (until.unwrap_or(SOON).max(Duration::from_secs(1)), Priority::Changed),
            Standing::Blocked => (until.unwrap_or(self.periods.resync).min(self.periods.resync), Priority::Resync),
        };
        self.queue.finished(&result.env, wait, priority, now);
    }

    /// Reads the specs again. What cannot be read leaves the last good specs in force, as incomplete: nothing is collected then.
    async fn reload(&mut self) -> Result<(), DaemonError> {
        let loaded = match self.daemon.source.load().await {
            Ok(snapshot) => load(&snapshot, &*self.daemon.variables).map_err(|error| describe(&error)),
            Err(error) => Err(error.to_string()),
        };
        let now = self.daemon.shared.clock.now();
        match loaded {
            Ok(loaded) => {
                let changed = changed(&self.loaded, &loaded);
                tracing::info!(
                    commit = loaded.fleet.commit.as_deref().unwrap_or("-"),
                    environments = changed.len(),
                    "specs read again"
                );
                self.periods = Periods::of(&loaded);
                self.loaded = Arc::new(loaded);
                if !changed.is_empty() {
                    std::mem::take(&mut self.overtaken).request(StopReason::Overtaken);
                }
                for env in changed {
                    let is_new = !self.seen.contains(&env) || !self.loaded.fleet.environments.contains_key(&env);
                    self.known.remove(&env);
                    self.queue.wake(&env, if is_new { Priority::First } else { Priority::Changed }, now);
                }
            }
            Err(reason) => {
                tracing::error!(%reason, "the specs could not be read; the last good ones stay in force, and nothing is collected");
                let mut kept = (*self.loaded).clone();
                kept.fleet.source = Completeness::Incomplete { reason };
                self.loaded = Arc::new(kept);
            }
        }
        Ok(())
    }

    /// Finds what is ours and wanted by no spec, so that it is looked at.
    async fn wake_orphans(&mut self) -> Result<(), DaemonError> {
        let session = Session::open(
            Arc::clone(&self.loaded),
            &*self.daemon.variables,
            self.daemon.shared.clone(),
            self.daemon.journal.clone(),
            Arc::clone(&self.daemon.observer),
            self.overtaken.clone(),
        )?;
        let observed = session.observe(&BTreeSet::new()).await.map_err(SessionError::from)?;
        let request = Request { purpose: Purpose::Collect, ..self.daemon.request.clone() };
        let planned = session.plan(observed, &request).map_err(SessionError::from)?;
        let now = self.daemon.shared.clock.now();
        for (env, kind) in &planned.plan.environments {
            if *kind == EnvironmentKind::Orphan {
                self.queue.wake(env, Priority::First, now);
            }
        }
        Ok(())
    }

    /// Lets steps under way finish, for a while; what is not finished then is abandoned, and its notes tell the next run.
    async fn wind_down(&mut self) {
        self.overtaken.request(StopReason::Stopping);
        let clock = Arc::clone(&self.daemon.shared.clock);
        let deadline = clock.sleep(STOP_WITHIN);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                ended = self.passes.join_next_with_id() => match ended {
                    Some(ended) => self.take(ended),
                    None => break,
                },
                () = &mut deadline => {
                    tracing::warn!("steps under way did not finish in time; they are noted, and the next run looks at what became of them");
                    self.passes.abort_all();
                    break;
                }
            }
        }
        tracing::info!("stopped");
    }
}

/// Ends when the source may have changed.
fn change_of(source: Arc<dyn Source>) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move { source.changed().await })
}

impl Periods {
    fn of(loaded: &Loaded) -> Self {
        let settings = loaded.settings.as_ref();
        let resync = settings
            .and_then(|settings| settings.resync)
            .map_or(Duration::from_mins(10), crate::spec::Duration::to_std);
        let deep = settings
            .and_then(|settings| settings.deep_resync)
            .map_or(Duration::from_hours(1), crate::spec::Duration::to_std);
        let workers = settings.and_then(|settings| settings.workers).and_then(|workers| usize::try_from(workers).ok());
        Self { resync, deep, workers: workers.unwrap_or(4).max(1) }
    }
}

/// One pass over the environments that are due.
async fn pass(
    session: Session,
    due: Vec<EnvName>,
    known: BTreeMap<EnvName, Known>,
    request: Request,
    deep: Duration,
) -> Vec<Ended> {
    let now = session.shared.clock.now();
    let mut observed = session.readers.list().await;
    let mut ended = Vec::new();
    let mut open = BTreeSet::new();
    for env in due {
        // What looks in bulk exactly as it did when it was converged is converged, until the next deep look.
        let bulk = match session.loaded.fleet.environments.get(&env) {
            Some(Wanted::Ready(wanted)) => bulk_fingerprint(&observed, wanted),
            _ => None,
        };
        match (known.get(&env), bulk) {
            (Some(known), Some(bulk)) if known.bulk == bulk && is_fresh(known, now, deep) => {
                ended.push(Ended {
                    env,
                    standing: Standing::Converged,
                    failed: false,
                    next: None,
                    gone: false,
                    known: Some(known.clone()),
                });
            }
            _ => {
                open.insert(env);
            }
        }
    }
    if open.is_empty() {
        return ended;
    }
    session.readers.read_details(&mut observed, &session.loaded, &open).await;
    let planned = match session
        .settle(&observed)
        .map_err(SessionError::from)
        .and_then(|()| Ok(session.plan(observed, &request)?))
    {
        Ok(planned) => planned,
        Err(error) => {
            tracing::error!(%error, "no plan was made");
            ended.extend(open.into_iter().map(|env| Ended {
                env,
                standing: Standing::Waiting,
                failed: true,
                next: None,
                gone: false,
                known: None,
            }));
            return ended;
        }
    };
    let runs = open.into_iter().map(|env| {
        let (session, planned) = (&session, &planned);
        async move {
            let standing = planned.plan.standing(&env);
            let report = if standing == Standing::Changes {
                session.execute(planned, &env).await
            } else {
                crate::execute::Report::default()
            };
            let failed = !report.failed.is_empty() || report.unknown > 0;
            let message = planned
                .plan
                .withheld
                .iter()
                .find(|withheld| withheld.env == env)
                .map(|withheld| withheld.message.clone());
            let message = report.failed.first().map(|failure| failure.message.clone()).or(message);
            // What was carried out well is looked at again at once, and only then is there something to say of it.
            if standing != Standing::Changes || failed {
                let what = What::Finished { standing, message };
                session.observer.observe(&Event { at: session.shared.clock.now(), env: env.clone(), what });
            }
            let bulk = match (standing, session.loaded.fleet.environments.get(&env)) {
                (Standing::Converged, Some(Wanted::Ready(wanted))) => bulk_fingerprint(&planned.observed, wanted),
                _ => None,
            };
            Ended {
                gone: !planned.plan.environments.contains_key(&env),
                next: planned.plan.next_due(&env),
                known: bulk.map(|bulk| Known { bulk, read_at: now }),
                env,
                standing,
                failed,
            }
        }
    });
    ended.extend(futures::future::join_all(runs).await);
    ended
}

fn is_fresh(known: &Known, now: DateTime<Utc>, deep: Duration) -> bool {
    (now - known.read_at).to_std().unwrap_or_default() < deep
}

/// The environments whose specs differ, came or went.
fn changed(before: &Loaded, after: &Loaded) -> BTreeSet<EnvName> {
    let describe =
        |loaded: &Loaded, env: &EnvName| loaded.fleet.environments.get(env).map(|wanted| format!("{wanted:?}"));
    let policy_changed = before.policy != after.policy;
    let names: BTreeSet<&EnvName> = before.fleet.environments.keys().chain(after.fleet.environments.keys()).collect();
    names
        .into_iter()
        .filter(|env| policy_changed || describe(before, env) != describe(after, env) || !before.is_complete())
        .cloned()
        .collect()
}

fn describe(error: &LoadError) -> String {
    match error {
        LoadError::Specs(problems) => problems.render(false),
        other => other.to_string(),
    }
}
