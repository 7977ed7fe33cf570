//! A moment from which a run can be played again and again, each time with another blow.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use hangar::clock::{SharedClock, VirtualClock};
use hangar::controller::{FixedVariables, Loaded, Once, Outcome, Verdict};
use hangar::desired::RepoListing;
use hangar::event::Event;
use hangar::memory::Memory;
use hangar::plan::Request;
use hangar::resource::{EnvName, RepoName};
use hangar::sim::{CrashPoint, Fault, FaultKind, Matcher, RequestRecord, SimConfig, Simulator};
use hangar::store::{MemoryStore, Store, StoreError, StoredEvent};
use serde_json::Value;

use crate::invariants::Invariants;
use crate::live::live;
use crate::strict::hold_to_contract;
use crate::support::seconds;
use crate::world::World;

/// A store that is as dead as the run that writes to it.
#[derive(Debug)]
struct Mortal {
    kept: Arc<MemoryStore>,
    sim: Simulator,
}

impl Store for Mortal {
    fn load(&self) -> Result<Option<Memory>, StoreError> {
        self.kept.load()
    }

    fn save(&self, memory: &Memory) -> Result<(), StoreError> {
        if self.sim.is_dead() { Ok(()) } else { self.kept.save(memory) }
    }

    fn append(&self, event: &Event) -> Result<(), StoreError> {
        self.kept.append(event)
    }

    fn events(&self, env: Option<&EnvName>, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.kept.events(env, limit)
    }

    fn put_status(&self, env: &EnvName, status: &Value) -> Result<(), StoreError> {
        self.kept.put_status(env, status)
    }

    fn remove_status(&self, env: &EnvName) -> Result<(), StoreError> {
        self.kept.remove_status(env)
    }

    fn statuses(&self) -> Result<BTreeMap<EnvName, Value>, StoreError> {
        self.kept.statuses()
    }
}

/// What a run that is killed starts from.
pub(crate) struct Scene {
    saved: Value,
    at: chrono::DateTime<chrono::Utc>,
    memory: Memory,
    config: SimConfig,
    variables: FixedVariables,
    files: Vec<(String, String)>,
    /// What repositories have.
    repos: BTreeMap<RepoName, RepoListing>,
    loaded: Option<Arc<Loaded>>,
    /// What the runs after the one that is hit start from, if it is something else.
    afterwards: Option<Arc<Loaded>>,
}

impl Scene {
    /// The scene as `world` is now.
    pub(crate) fn of(world: &World, config: &SimConfig) -> Self {
        Self {
            saved: world.sim.snapshot(),
            at: world.clock.now(),
            memory: world.store.load().unwrap().unwrap_or_else(|| Memory::blank("before", world.clock.now())),
            config: config.clone(),
            variables: world.variables.clone(),
            files: world.files.clone().into_iter().collect(),
            repos: world.repos.clone(),
            loaded: None,
            afterwards: None,
        }
    }

    /// The same, but when the run is hit, the file at `path` is taken away: the runs after it do not find it.
    pub(crate) fn then_without(mut self, path: &str) -> Self {
        let mut world = self.play().0;
        world.read_before = None;
        world.remove(path);
        self.afterwards = Some(Arc::new(world.load()));
        self
    }

    pub(crate) fn edited(mut self, edit: impl FnOnce(&mut Vec<(String, String)>)) -> Self {
        edit(&mut self.files);
        self.loaded = Some(Arc::new(self.play().0.load()));
        self
    }

    pub(crate) fn play(&self) -> (World, Arc<MemoryStore>, Arc<Invariants>) {
        let mut world = World::with(&[]);
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(self.at));
        world.sim = Simulator::restore(&self.saved, self.config.clone(), Arc::clone(&clock)).unwrap();
        hold_to_contract(&world.sim);
        world.clock = clock;
        world.variables = self.variables.clone();
        world.files = self.files.iter().cloned().collect();
        world.repos.clone_from(&self.repos);
        world.read_before.clone_from(&self.loaded);
        let kept = Arc::new(MemoryStore::new());
        kept.save(&self.memory).unwrap();
        world.store = Arc::new(Mortal { kept: Arc::clone(&kept), sim: world.sim.clone() });
        let owner = self.loaded.as_ref().map_or_else(|| world.load().fleet.owner, |loaded| loaded.fleet.owner.clone());
        let invariants = Invariants::of(&world.sim, owner.as_str());
        (world, kept, invariants)
    }

    /// Runs undisturbed: the end state, and whether each of the requests that it took was a read.
    pub(crate) async fn undisturbed(&self) -> (Vec<String>, Vec<bool>) {
        let (mut world, _, invariants) = self.play();
        let outcome = world.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}\n{:#?}", outcome.failures, outcome.last.plan.withheld);
        invariants.hold();
        // Neon refuses a write to a project that is at work: one controller alone never sends two at once.
        let too_early: Vec<_> =
            world.sim.requests().into_iter().filter(|request| request.status == Some(423)).collect();
        assert!(too_early.is_empty(), "{too_early:#?}");
        let requests = world.sim.requests().iter().map(RequestRecord::is_read).collect();
        if let Some(afterwards) = &self.afterwards {
            world.read_before = Some(Arc::clone(afterwards));
            let end = ends(&mut world, &invariants).await;
            assert!(!end.iter().any(|line| line.starts_with("not converged")), "{end:#?}");
            invariants.hold();
            return (end, requests);
        }
        (live(&world.sim), requests)
    }

    /// Runs until the request number `k` is hit by `blow`, goes on as the blow has it, and returns how that ends.
    pub(crate) async fn hit(&self, k: u32, blow: &Blow) -> Vec<String> {
        let (mut world, kept, invariants) = self.play();
        let fault = |kind: &FaultKind| Fault::once(Matcher::any(), kind.clone()).after(k - 1);
        match blow {
            Blow::Killed { point, .. } => world.sim.kill_after(k, *point),
            Blow::Suffers(kind) | Blow::SuffersAndDies { kind, .. } => world.sim.inject(fault(kind)),
        }
        world.pass_time(seconds(3)).await;
        let session = world.session();
        let run = Once::new(&session, Request::default(), seconds(180)).run(|_| ());
        match blow {
            Blow::Killed { .. } => {
                until(|| world.sim.is_dead(), run).await;
                assert!(world.sim.is_dead(), "the run ended before request {k}");
            }
            Blow::Suffers(_) => drop(run.await.unwrap()),
            Blow::SuffersAndDies { .. } => until(|| world.sim.faults().is_empty(), run).await,
        }
        drop(session);
        world.sim.revive();
        world.store = match blow {
            Blow::Killed { keep_store: true, .. }
            | Blow::Suffers(_)
            | Blow::SuffersAndDies { keep_store: true, .. } => kept,
            Blow::Killed { keep_store: false, .. } | Blow::SuffersAndDies { keep_store: false, .. } => {
                Arc::new(MemoryStore::new())
            }
        };
        if let Some(afterwards) = &self.afterwards {
            world.read_before = Some(Arc::clone(afterwards));
        }
        if matches!(blow, Blow::Suffers(_) | Blow::SuffersAndDies { .. }) {
            drop(world.reconcile().await);
            // Also what comes late has come now.
            world.pass_time(seconds(61)).await;
        }
        ends(&mut world, &invariants).await
    }

    /// Kills the run at request `one`, the next one (with an empty store) at its request `other`, and returns how the one after ends.
    async fn hit_twice(&self, one: u32, other: u32, point: CrashPoint) -> Vec<String> {
        let (mut world, _, invariants) = self.play();
        for k in [one, other] {
            world.pass_time(seconds(3)).await;
            world.sim.kill_after(k, point);
            let session = world.session();
            // The second run may have less to do than that; then nothing more happens to it.
            until(|| world.sim.is_dead(), Once::new(&session, Request::default(), seconds(180)).run(|_| ())).await;
            drop(session);
            world.sim.revive();
            world.store = Arc::new(MemoryStore::new());
        }
        ends(&mut world, &invariants).await
    }

    /// Kills two runs in a row, at every `first`th request of the one and every `second`th of the other, and compares the ends. Returns
    /// how many pairs that were.
    pub(crate) async fn every_pair(&self, first: usize, second: usize, points: &[CrashPoint]) -> usize {
        let (expected, requests) = self.undisturbed().await;
        let count = u32::try_from(requests.len()).unwrap();
        let all = (1..=count).step_by(first).flat_map(|one| (1..=count).step_by(second).map(move |other| (one, other)));
        let pairs: Vec<(u32, u32, CrashPoint)> =
            all.zip(points.iter().cycle()).map(|((one, other), point)| (one, other, *point)).collect();
        let ends = side_by_side(&pairs, |(one, other, point)| self.hit_twice(*one, *other, *point));
        for ((one, other, point), found) in pairs.iter().zip(ends) {
            assert_eq!(found, expected, "killed at {one} and then at {other}, {point:?}");
        }
        pairs.len()
    }

    /// Two controllers of one owner run at once, each with a store of its own; what is left when both are done is put in order by one.
    pub(crate) async fn by_two_at_once(&self) {
        let (expected, _) = self.undisturbed().await;
        let (mut world, kept, invariants) = self.play();
        invariants.two_at_once();
        world.store = kept;
        world.pass_time(seconds(3)).await;
        let one = world.session();
        let own = std::mem::replace(&mut world.store, Arc::new(MemoryStore::new()));
        let other = world.session();
        let one = Once::new(&one, Request::default(), seconds(180)).run(|_| ());
        let other = Once::new(&other, Request::default(), seconds(180)).run(|_| ());
        let (one, other) = futures::join!(one, other);
        drop((one, other));
        world.store = own;
        invariants.end_of_pass(&world.sim);
        let found = ends(&mut world, &invariants).await;
        assert_eq!(found, expected);
    }

    /// Hits every request (or every write) with every blow, one at a time, and compares the ends. Returns how many points that were.
    pub(crate) async fn every_point(&self, blows: &[Blow], writes_only: bool) -> usize {
        let (expected, requests) = self.undisturbed().await;
        // A read has no effect, so being killed before it and after it is the same.
        let is_doubled = |blow: &Blow| matches!(blow, Blow::Killed { point: CrashPoint::BeforeEffect, .. });
        let at_each = (1..).zip(&requests).flat_map(|(k, is_read)| blows.iter().map(move |blow| (k, blow, *is_read)));
        let points: Vec<(u32, &Blow)> = at_each
            .filter(|(_, blow, is_read)| !is_read || (!writes_only && !is_doubled(blow)))
            .map(|(k, blow, _)| (k, blow))
            .collect();
        let wrong = side_by_side(&points, |(k, blow)| {
            let expected = &expected;
            let of = requests.len();
            async move {
                let found = self.hit(*k, blow).await;
                let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
                let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
                let text = || format!("{blow:?} at {k} of {of}\n  missing {missing:#?}\n  surplus {surplus:#?}");
                (found != *expected).then(text)
            }
        });
        let wrong: Vec<String> = wrong.into_iter().flatten().collect();
        let points = points.len();
        assert!(wrong.is_empty(), "{} of {points} points end otherwise, the first:\n{}", wrong.len(), wrong[0]);
        points
    }
}

/// Does this for each of `items`, each in a world and a time of its own, on as many processors as there are. The results are in the order of
/// the items.
pub(crate) fn side_by_side<'i, T: Sync, R: Send, F: Future<Output = R>>(
    items: &'i [T],
    each: impl Fn(&'i T) -> F + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, runtime.block_on(each(item))));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Reconciles until that is done and the next run has nothing to write; what there is then, or what went wrong.
async fn ends(world: &mut World, invariants: &Invariants) -> Vec<String> {
    let mut outcome = world.reconcile().await;
    // Each stage of a teardown may have to wait for a write whose answer the run before did not live to see.
    for _ in 0..4 {
        if outcome.worst() == Verdict::Converged {
            world.reconcile_without_writes().await;
            invariants.end_of_pass(&world.sim);
            let broken = invariants.broken();
            if !broken.is_empty() {
                return broken;
            }
            // The lease of the killed run has ended by itself.
            world.pass_time(seconds(31)).await;
            return live(&world.sim);
        }
        world.pass_time(seconds(60)).await;
        outcome = world.reconcile().await;
    }
    let Outcome { verdicts, failures, last, .. } = &outcome;
    vec![format!("not converged: {verdicts:?} {failures:#?} {:#?} {:#?}", last.plan.withheld, last.plan.steps)]
}

/// What happens at one request.
#[derive(Debug)]
pub(crate) enum Blow {
    /// The run dies there, and another one begins, with its store or without.
    Killed { point: CrashPoint, keep_store: bool },
    /// The request suffers this, and the run goes on.
    Suffers(FaultKind),
    /// The request suffers this, the run dies with it, and another one begins, with its store or without.
    SuffersAndDies { kind: FaultKind, keep_store: bool },
}

/// Polls `run` until it ends or is dead, whichever is first; a dead run does nothing more.
pub(crate) async fn until<F: Future>(is_dead: impl Fn() -> bool, run: F) {
    let mut run = pin!(run);
    std::future::poll_fn(|context| {
        let polled = run.as_mut().poll(context);
        if polled.is_ready() || is_dead() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A run that dies at a request, before its effect or after it.
pub(crate) fn killed(keep_store: bool) -> [Blow; 2] {
    [CrashPoint::BeforeEffect, CrashPoint::BeforeReply].map(|point| Blow::Killed { point, keep_store })
}

/// What a network can do to one request. What comes late comes within F.
pub(crate) fn lost_and_late() -> [Blow; 6] {
    let late = FaultKind::Late { after_ms: 55_000 };
    [
        Blow::Suffers(FaultKind::ResetAfter),
        Blow::Suffers(FaultKind::TimeoutBefore),
        Blow::Suffers(FaultKind::lost_in_500()),
        Blow::Suffers(late.clone()),
        Blow::SuffersAndDies { kind: late.clone(), keep_store: false },
        Blow::SuffersAndDies { kind: late, keep_store: true },
    ]
}
