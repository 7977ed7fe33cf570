//! The long-lived loop: woken by changes and time, bounded in its workers, and stopped at a safe point.
//!
//! Wake-ups carry no data: whatever happens only makes environments due, and every decision is derived again from what is wanted
//! and what is seen. A changed spec overtakes the plan of its environment that is being carried out: steps under way are finished,
//! no new one begins, and the environment is planned anew. No environment waits for another one's failures or long steps.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{Id, JoinError, JoinSet};

use super::checks::CheckAsker;
use super::feedback::Feedback;
use super::load::{LoadError, Loaded, load};
use super::queue::{Backoff, Priority, Queue};
use super::registries::Registries;
use super::round::{End, Ended, Known, News, Round, said};
use super::session::{Session, SessionError};
use super::variables::Variables;
use crate::desired::{Answer, Completeness, Wanted};
use crate::event::{Event, Observer, What};
use crate::execute::{Journal, Stop, StopReason};
use crate::http::Shared;
use crate::plan::{Request, SOON, Standing};
use crate::resource::EnvName;
use crate::source::Source;

/// How long steps under way may take to finish when the program is to end (a container's usual grace period).
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How soon specs that could not be read are tried again, if nothing says that they have changed.
const READ_AGAIN: Duration = Duration::from_mins(1);
/// How many environments are looked at closely together at least; of very many, a part, so that all of them are seen in so many looks.
const SURVEYED: usize = 64;
const SURVEYS: usize = 32;
/// How often in a row an environment is planned and carried out at once before it is taken for one that never settles.
const ROUNDS: u32 = 20;

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
    /// Who is told how previews are doing.
    pub feedback: Feedback,
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

struct Loop {
    daemon: Daemon,
    loaded: Arc<Loaded>,
    periods: Periods,
    queue: Queue,
    registries: Registries,
    checks: CheckAsker,
    known: BTreeMap<EnvName, Known>,
    /// Environments that were looked at before.
    seen: BTreeSet<EnvName>,
    /// Environments that wait for others to converge.
    gated: BTreeSet<EnvName>,
    /// How often in a row an environment was planned and carried out.
    rounds: BTreeMap<EnvName, u32>,
    /// The signal that stops each environment that is being worked on.
    stops: BTreeMap<EnvName, Stop>,
    passes: JoinSet<()>,
    /// The environments of each round that have not been told to be through, so that those of one that panics are put back.
    under_way: BTreeMap<Id, BTreeSet<EnvName>>,
    planning: Arc<tokio::sync::Mutex<()>>,
    sender: UnboundedSender<News>,
    news: UnboundedReceiver<News>,
    /// When the specs are read again even if nothing says that they have changed.
    read_at: DateTime<Utc>,
}

impl Daemon {
    /// Runs until it is told to stop.
    pub async fn run(self) -> Result<(), DaemonError> {
        let snapshot = self.source.load().await?;
        let loaded = Arc::new(load(&snapshot, &*self.variables)?);
        // What is wrong with tokens at the start is for the person who starts it.
        for org in loaded.orgs() {
            loaded.token(&org, &*self.variables)?;
        }
        let periods = Periods::of(&loaded);
        let mut queue = Queue::new(Backoff::default(), self.shared.random.clone());
        let now = self.shared.clock.now();
        for env in loaded.fleet.environments.keys() {
            queue.wake(env, Priority::Look, now);
        }
        let (sender, news) = unbounded_channel();
        let mut state = Loop {
            loaded,
            periods,
            queue,
            registries: Registries::default(),
            checks: CheckAsker::new(Arc::clone(&self.variables)),
            known: BTreeMap::new(),
            seen: BTreeSet::new(),
            gated: BTreeSet::new(),
            rounds: BTreeMap::new(),
            stops: BTreeMap::new(),
            passes: JoinSet::new(),
            under_way: BTreeMap::new(),
            planning: Arc::default(),
            sender,
            news,
            read_at: later(now, periods.resync),
            daemon: self,
        };
        state.look_around();
        state.run().await;
        Ok(())
    }
}

impl Loop {
    async fn run(&mut self) {
        // One wait for a change lives across rounds: a source may only look every minute, and a wait that is dropped starts anew.
        let mut changed = change_of(Arc::clone(&self.daemon.source));
        let (clock, stop) = (Arc::clone(&self.daemon.shared.clock), self.daemon.stop.clone());
        while stop.requested().is_none() {
            self.start_due();
            let pause = self.pause(clock.now());
            tokio::select! {
                biased;
                _ = stop.asked() => {}
                Some(news) = self.news.recv() => {
                    self.take(news);
                    self.take_waiting_news();
                }
                Some(over) = self.passes.join_next_with_id() => self.end_round(over),
                () = &mut changed => {
                    self.reload().await;
                    changed = change_of(Arc::clone(&self.daemon.source));
                }
                () = clock.sleep(pause) => {
                    if self.read_at <= clock.now() {
                        self.reload().await;
                        self.look_around();
                    }
                }
            }
        }
        self.wind_down().await;
    }

    /// How long nothing happens by itself.
    fn pause(&self, now: DateTime<Utc>) -> Duration {
        let room = self.queue.at_work() < self.periods.workers;
        let due = self.queue.next_due().filter(|_| room);
        let until = due.map_or(self.read_at, |due| due.min(self.read_at));
        (until - now).max(TimeDelta::zero()).to_std().unwrap_or_default().max(Duration::from_millis(10))
    }

    fn now(&self) -> DateTime<Utc> {
        self.daemon.shared.clock.now()
    }

    /// Starts a round for what is due, if there is a worker for it. What is only to be looked at needs none: many are looked at together,
    /// and only where there is something to do one waits for a worker. What would be due for its time alone soon is glanced at with
    /// them. One listing serves them all.
    fn start_due(&mut self) {
        let now = self.now();
        let room = self.periods.workers.saturating_sub(self.queue.at_work());
        let due = self.queue.take_due(now, room);
        let surveyed = self.queue.take_looks(now, SURVEYED.max(self.queue.len().div_ceil(SURVEYS)));
        if due.is_empty() && surveyed.is_empty() {
            return;
        }
        let near = later(now, self.periods.resync.checked_div(4).unwrap_or_default());
        let glanced = self.queue.take_resyncs(near);
        self.start(due, surveyed, glanced);
    }

    /// Where no environment is wanted, nothing is ever due; what is left of former ones is found all the same.
    fn look_around(&mut self) {
        if self.queue.is_empty() {
            self.start(Vec::new(), Vec::new(), Vec::new());
        }
    }

    fn start(&mut self, due: Vec<EnvName>, surveyed: Vec<EnvName>, glanced: Vec<EnvName>) {
        let opened = Session::open_where_possible(
            Arc::clone(&self.loaded),
            &*self.daemon.variables,
            self.daemon.shared.clone(),
            self.daemon.journal.clone(),
            Arc::clone(&self.daemon.observer),
        );
        let (session, problems) = match opened {
            Ok((session, problems)) => {
                let session = session.reporting_to(self.daemon.feedback.clone());
                (session.pacing_by(self.registries.clone()).asking(self.checks.clone()), problems)
            }
            Err(error) => {
                for env in due.iter().chain(&surveyed).chain(&glanced) {
                    self.fail(env, &error.to_string());
                }
                return;
            }
        };
        let mut can_be_read = |env: &EnvName| {
            let problem = match self.loaded.fleet.environments.get(env) {
                Some(Wanted::Ready(wanted)) => {
                    wanted.org.as_ref().and_then(|org| problems.get(org)).map(ToString::to_string)
                }
                _ => None,
            };
            problem.inspect(|problem| self.fail(env, problem)).is_none()
        };
        let due: Vec<EnvName> = due.into_iter().filter(&mut can_be_read).collect();
        let surveyed: BTreeSet<EnvName> = surveyed.into_iter().filter(can_be_read).collect();
        let due: BTreeMap<EnvName, Stop> = due.into_iter().map(|env| (env, Stop::default())).collect();
        self.stops.extend(due.clone());
        let all: BTreeSet<EnvName> = due.keys().chain(&surveyed).chain(&glanced).cloned().collect();
        let known = self.known.iter().filter(|(env, _)| all.contains(*env));
        let round = Round {
            session,
            request: self.daemon.request.clone(),
            due,
            surveyed,
            glanced,
            known: known.map(|(env, known)| (env.clone(), known.clone())).collect(),
            planning: Arc::clone(&self.planning),
            news: self.sender.clone(),
        };
        let handle = self.passes.spawn(round.run());
        self.under_way.insert(handle.id(), all);
    }

    fn take(&mut self, news: News) {
        let now = self.now();
        match news {
            News::Unwanted(names) => {
                for env in names.into_iter().filter(|env| !self.queue.contains(env)).collect::<Vec<_>>() {
                    self.queue.wake(&env, Priority::First, now);
                }
            }
            News::Ended { env, end } => {
                for envs in self.under_way.values_mut() {
                    envs.remove(&env);
                }
                self.stops.remove(&env);
                match end {
                    End::Unchanged => {
                        let expiry = self.known.get(&env).and_then(|known| known.expiry);
                        self.rest(&env, expiry, now);
                    }
                    End::Changed => self.queue.look(&env, now),
                    End::ToDo => self.queue.finished(&env, Duration::ZERO, Priority::Changed, now),
                    End::Failed { message } => self.fail(&env, &message),
                    End::Planned(ended) => self.put_back(&env, &ended, now),
                }
            }
        }
    }

    fn take_waiting_news(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            self.take(news);
        }
    }

    /// What a round has not told when it is over, it cannot tell any more.
    fn end_round(&mut self, over: Result<(Id, ()), JoinError>) {
        self.take_waiting_news();
        let id = match over {
            Ok((id, ())) => id,
            Err(error) => {
                let id = error.id();
                if let Ok(panic) = error.try_into_panic() {
                    tracing::error!(panic = said(&*panic), "a round ended early: this is a defect of Hangar");
                }
                id
            }
        };
        for env in self.under_way.remove(&id).into_iter().flatten() {
            self.stops.remove(&env);
            self.fail(&env, "looking at it ended early: this is a defect of Hangar; it is tried again later");
        }
    }

    /// Puts an environment back that could not be looked at.
    fn fail(&mut self, env: &EnvName, message: &str) {
        let now = self.now();
        tracing::error!(%env, "{message}");
        let what = What::Finished { standing: Standing::Waiting, message: Some(message.to_owned()) };
        let event = Event { at: now, env: env.clone(), what };
        let observer = &self.daemon.observer;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| observer.observe(&event))) {
            tracing::error!(panic = said(&*panic), "an observer panicked");
        }
        self.queue.failed(env, now);
    }

    fn put_back(&mut self, env: &EnvName, ended: &Ended, now: DateTime<Utc>) {
        let is_wanted = self.loaded.fleet.environments.contains_key(env);
        let is_new = self.seen.insert(env.clone());
        let was_converged = self.known.contains_key(env);
        self.remember(env, ended, now);
        // What is kept although nobody asks for it is looked at again when there is something to do about it.
        if !is_wanted && (ended.gone || ended.standing == Standing::Converged) {
            self.forget(env);
            return;
        }
        let rounds = self.rounds.entry(env.clone()).or_default();
        *rounds = if ended.standing == Standing::Changes { rounds.saturating_add(1) } else { 0 };
        let never_settles = *rounds >= ROUNDS;
        if never_settles {
            tracing::error!(%env, rounds, "it is still not as wanted: something changes it back");
        }
        if ended.failed || never_settles {
            self.queue.failed(env, now);
            return;
        }
        let resync = self.periods.resync;
        let until = ended.next.map(|at| between(now, at));
        match ended.standing {
            Standing::Converged => {
                self.rest(env, ended.turn(), now);
                if is_new || !was_converged {
                    self.open_gates(now);
                }
            }
            Standing::Changes => self.queue.finished(env, Duration::ZERO, Priority::Changed, now),
            // A gate is opened by another environment, which says so; what waits for something else besides says when that is.
            Standing::Waiting if ended.gated => {
                let wait = until.map_or(resync, |until| until.min(resync));
                self.queue.finished(env, wait, Priority::Resync, now);
            }
            Standing::Waiting => match until {
                Some(until) => {
                    self.queue.due_in(env, until.max(Duration::from_secs(1)), Priority::Changed, now);
                }
                None => self.queue.failed(env, now),
            },
            Standing::Blocked => {
                let wait = until.map_or(resync, |until| until.min(resync));
                self.queue.finished(env, wait, Priority::Resync, now);
            }
        }
    }

    /// Looks again at a converged environment when it is time, or when it ends.
    fn rest(&mut self, env: &EnvName, expiry: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let resync = self.periods.resync;
        let left = expiry.filter(|at| *at > now).map(|at| between(now, at));
        match left.filter(|left| *left < resync.saturating_mul(2)) {
            Some(left) => self.queue.due_in(env, left, Priority::Changed, now),
            None => self.queue.finished(env, resync, Priority::Resync, now),
        }
    }

    fn remember(&mut self, env: &EnvName, ended: &Ended, now: DateTime<Utc>) {
        if ended.gated {
            self.gated.insert(env.clone());
        } else {
            self.gated.remove(env);
        }
        // Give or take a tenth, so that not everything is looked at closely at once.
        let deep = self.periods.deep.mul_f64(0.9 + 0.2 * self.daemon.shared.random.fraction());
        // What was planned from specs that have changed meanwhile says nothing of the new ones.
        match ended.bulk.as_ref().filter(|_| !self.queue.is_woken(env)) {
            Some(bulk) => {
                let fresh_until = later(now, deep);
                // In time for the word that it ends soon, too.
                let soon = ended.expiry.and_then(|expiry| expiry.checked_sub_signed(SOON)).filter(|soon| *soon > now);
                let fresh_until = soon.or(ended.expiry).map_or(fresh_until, |at| at.min(fresh_until));
                let fresh_until = ended.sleep.map_or(fresh_until, |at| at.min(fresh_until));
                let known = Known { bulk: bulk.clone(), fresh_until, expiry: ended.turn() };
                self.known.insert(env.clone(), known);
            }
            None => drop(self.known.remove(env)),
        }
    }

    /// Looks again at what waits for other environments, because one has converged.
    fn open_gates(&mut self, now: DateTime<Utc>) {
        for env in std::mem::take(&mut self.gated) {
            self.queue.wake(&env, Priority::Changed, now);
        }
    }

    fn forget(&mut self, env: &EnvName) {
        self.queue.forget(env);
        self.known.remove(env);
        self.seen.remove(env);
        self.rounds.remove(env);
    }

    /// Reads the specs again. What cannot be read leaves the last good specs in force, as incomplete: nothing is collected then.
    async fn reload(&mut self) {
        let loaded = match self.daemon.source.load().await {
            Ok(snapshot) => load(&snapshot, &*self.daemon.variables).map_err(|error| describe(&error)),
            Err(error) => Err(error.to_string()),
        };
        let now = self.now();
        match loaded {
            Ok(loaded) => {
                self.read_at = later(now, self.periods.resync);
                self.adopt(loaded, now);
            }
            Err(reason) => {
                self.read_at = later(now, READ_AGAIN.min(self.periods.resync));
                tracing::error!(%reason, "the specs could not be read; the last good ones stay in force, and nothing is collected");
                let mut kept = (*self.loaded).clone();
                kept.fleet.source = Completeness::Incomplete { reason };
                self.loaded = Arc::new(kept);
            }
        }
    }

    fn adopt(&mut self, loaded: Loaded, now: DateTime<Utc>) {
        let mut changed = changed(&self.loaded, &loaded);
        changed.extend(spoken_to(&self.loaded, &loaded));
        if !self.loaded.incomplete_sources().is_subset(&loaded.incomplete_sources()) {
            // What was kept because it was not known whether anybody wants it.
            changed.extend(self.queue.names().filter(|env| !loaded.fleet.environments.contains_key(*env)).cloned());
        }
        let commit = loaded.fleet.commit.as_deref().unwrap_or("-");
        tracing::info!(commit, environments = changed.len(), "specs read again");
        self.periods = Periods::of(&loaded);
        self.loaded = Arc::new(loaded);
        for env in changed {
            if let Some(stop) = self.stops.get(&env) {
                stop.request(StopReason::Overtaken);
            }
            let is_new = !self.seen.contains(&env) || !self.loaded.fleet.environments.contains_key(&env);
            self.known.remove(&env);
            self.rounds.remove(&env);
            self.queue.wake(&env, if is_new { Priority::First } else { Priority::Changed }, now);
        }
    }

    /// Lets steps under way finish, for a while; what is not finished then is abandoned, and its notes tell the next run.
    async fn wind_down(&mut self) {
        for stop in self.stops.values() {
            stop.request(StopReason::Stopping);
        }
        let clock = Arc::clone(&self.daemon.shared.clock);
        let deadline = clock.sleep(STOP_WITHIN);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                over = self.passes.join_next_with_id() => match over {
                    Some(over) => self.end_round(over),
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

/// The environments whose specs differ, came or went; all of them where the guardrails or the owner differ.
fn changed(before: &Loaded, after: &Loaded) -> BTreeSet<EnvName> {
    let describe =
        |loaded: &Loaded, env: &EnvName| loaded.fleet.environments.get(env).map(|wanted| format!("{wanted:?}"));
    let all = before.policy != after.policy || before.fleet.owner != after.fleet.owner;
    let names: BTreeSet<&EnvName> = before.fleet.environments.keys().chain(after.fleet.environments.keys()).collect();
    names.into_iter().filter(|env| all || describe(before, env) != describe(after, env)).cloned().collect()
}

/// The previews of which somebody has asked something new, or whose approval there is something to say of, whatever else.
fn spoken_to(before: &Loaded, after: &Loaded) -> BTreeSet<EnvName> {
    let answers = |loaded: &Loaded, env: &EnvName| -> BTreeSet<Answer> {
        loaded.fleet.audiences.get(env).into_iter().flat_map(|audience| audience.answers.iter().copied()).collect()
    };
    let vouch =
        |loaded: &Loaded, env: &EnvName| loaded.fleet.audiences.get(env).and_then(|audience| audience.vouch.clone());
    let is_news = |env: &&EnvName| {
        let vouched = vouch(after, env);
        !answers(after, env).is_subset(&answers(before, env)) || (vouched.is_some() && vouched != vouch(before, env))
    };
    after.fleet.audiences.keys().filter(is_news).cloned().collect()
}

fn describe(error: &LoadError) -> String {
    match error {
        LoadError::Specs { problems, .. } => problems.render(false),
        other => other.to_string(),
    }
}

fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
    to.signed_duration_since(from).max(TimeDelta::zero()).to_std().unwrap_or_default()
}

fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    now.checked_add_signed(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
