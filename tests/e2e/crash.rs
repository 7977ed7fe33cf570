//! Killed at any request, before its effect or after it, and started again with nothing or with what was stored: the same end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hangar::clock::{SharedClock, VirtualClock};
use hangar::controller::{Loaded, Once, Verdict};
use hangar::execute::event::Event;
use hangar::memory::Memory;
use hangar::plan::Request;
use hangar::resource::EnvName;
use hangar::sim::{CrashPoint, Fault, FaultKind, Matcher, RequestRecord, SimConfig, Simulator};
use hangar::store::{MemoryStore, Store, StoreError, StoredEvent};
use serde_json::Value;

use crate::live::live;
use crate::strict::hold_to_contract;
use crate::support::{CONTROLLER, QUARANTINE, environment, policy, seconds, small};
use crate::world::World;

/// Two apps, three machines, a volume, a secret that both know, addresses and a certificate.
const APPS: &str = "worker:
  image: registry.fly.io/demo:v1
  count: 2
  secrets: {SHARED: {generate: {length: 32}}, OLD: {generate: {}}}
server:
  image: registry.fly.io/demo:v1
  env: {WORKER_IMAGE: '${{ fly.worker.image }}'}
  secrets: {SHARED: {value: '${{ fly.worker.secrets.SHARED }}'}}
  volumes: {data: {size: 1GB, mount: /data}}
  ips: {sharedV4: true, v6: true}
  certificates: [demo.example.com]
  services:
    - internalPort: 8080
      ports: [{port: 443, handlers: [http, tls]}]
      checks: [{type: http, path: /, interval: 15s, timeout: 2s}]";

/// The same after a change of every kind: image, env, a rotated secret, one secret less, a larger volume, an address and a
/// certificate less and more, a machine less, metadata, a check.
const CHANGED: &str = "worker:
  image: registry.fly.io/demo:v2
  count: 1
  secrets: {SHARED: {generate: {length: 32, generation: 2}}, NEW: {generate: {}}}
  metadata: {team: blue}
server:
  image: registry.fly.io/demo:v1
  env: {WORKER_IMAGE: '${{ fly.worker.image }}', MORE: 'yes'}
  secrets: {SHARED: {value: '${{ fly.worker.secrets.SHARED }}'}}
  volumes: {data: {size: 2GB, mount: /data}}
  ips: {sharedV4: true, v6: false, v4: true}
  certificates: [www.example.com]
  services:
    - internalPort: 8080
      ports: [{port: 443, handlers: [http, tls]}]
      checks: [{type: http, path: /healthz, interval: 15s, timeout: 2s}]";

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

    fn statuses(&self) -> Result<std::collections::BTreeMap<EnvName, Value>, StoreError> {
        self.kept.statuses()
    }
}

/// What a run that is killed starts from.
struct Scene {
    saved: Value,
    at: chrono::DateTime<chrono::Utc>,
    memory: Memory,
    config: SimConfig,
    files: Vec<(String, String)>,
    loaded: Option<Arc<Loaded>>,
}

impl Scene {
    /// The scene as `world` is now.
    fn of(world: &World, config: &SimConfig) -> Self {
        Self {
            saved: world.sim.snapshot(),
            at: world.clock.now(),
            memory: world.store.load().unwrap().unwrap_or_else(|| Memory::blank("before", world.clock.now())),
            config: config.clone(),
            files: world.files.clone().into_iter().collect(),
            loaded: None,
        }
    }

    fn edited(mut self, edit: impl FnOnce(&mut Vec<(String, String)>)) -> Self {
        edit(&mut self.files);
        self.loaded = Some(Arc::new(self.play().0.load()));
        self
    }

    fn play(&self) -> (World, Arc<MemoryStore>) {
        let mut world = World::with(&[]);
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(self.at));
        world.sim = Simulator::restore(&self.saved, self.config.clone(), Arc::clone(&clock)).unwrap();
        hold_to_contract(&world.sim);
        world.clock = clock;
        world.files = self.files.iter().cloned().collect();
        world.read_before.clone_from(&self.loaded);
        let kept = Arc::new(MemoryStore::new());
        kept.save(&self.memory).unwrap();
        world.store = Arc::new(Mortal { kept: Arc::clone(&kept), sim: world.sim.clone() });
        (world, kept)
    }

    /// Runs undisturbed: the end state, and whether each of the requests that it took was a read.
    async fn undisturbed(&self) -> (Vec<String>, Vec<bool>) {
        let (mut world, _) = self.play();
        let outcome = world.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}\n{:#?}", outcome.failures, outcome.last.plan.withheld);
        (live(&world.sim), world.sim.requests().iter().map(RequestRecord::is_read).collect())
    }

    /// Runs until the request number `k` is hit by `blow`, goes on as the blow has it, and returns how that ends.
    async fn hit(&self, k: u32, blow: &Blow) -> Vec<String> {
        let (mut world, kept) = self.play();
        let fault = |kind: &FaultKind| Fault::once(Matcher::any(), kind.clone()).after(k - 1);
        match blow {
            Blow::Killed { point, .. } => world.sim.kill_after(k, *point),
            Blow::Suffers(kind) | Blow::SuffersAndDies(kind) => world.sim.inject(fault(kind)),
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
            Blow::SuffersAndDies(_) => until(|| world.sim.faults().is_empty(), run).await,
        }
        drop(session);
        world.sim.revive();
        world.store = match blow {
            Blow::Killed { keep_store: true, .. } | Blow::Suffers(_) => kept,
            Blow::Killed { keep_store: false, .. } | Blow::SuffersAndDies(_) => Arc::new(MemoryStore::new()),
        };
        let mut outcome = world.reconcile().await;
        if matches!(blow, Blow::Suffers(_) | Blow::SuffersAndDies(_)) {
            // Also what comes late has come now.
            world.pass_time(seconds(61)).await;
            outcome = world.reconcile().await;
        }
        for _ in 0..2 {
            if outcome.worst() == Verdict::Converged {
                world.reconcile_without_writes().await;
                // The lease of the killed run has ended by itself.
                world.pass_time(seconds(31)).await;
                return live(&world.sim);
            }
            world.pass_time(seconds(60)).await;
            outcome = world.reconcile().await;
        }
        vec![format!("not converged: {:#?} {:#?}", outcome.failures, outcome.last.plan.withheld)]
    }

    /// Hits every request (or every write) with every blow, one at a time, and compares the ends. Returns how many points that were.
    async fn every_point(&self, blows: &[Blow], writes_only: bool) -> usize {
        let (expected, requests) = self.undisturbed().await;
        let mut wrong = Vec::new();
        let mut points = 0_usize;
        for (k, is_read) in (1..).zip(&requests) {
            for blow in blows {
                // A read has no effect, so being killed before it and after it is the same.
                let is_doubled = matches!(blow, Blow::Killed { point: CrashPoint::BeforeEffect, .. });
                if *is_read && (writes_only || is_doubled) {
                    continue;
                }
                points += 1;
                let found = self.hit(k, blow).await;
                if found != expected {
                    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
                    let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
                    let of = requests.len();
                    wrong.push(format!("{blow:?} at {k} of {of}\n  missing {missing:#?}\n  surplus {surplus:#?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {points} points end otherwise, the first:\n{}", wrong.len(), wrong[0]);
        points
    }
}

/// What happens at one request.
#[derive(Debug)]
enum Blow {
    /// The run dies there, and another one begins, with its store or without.
    Killed { point: CrashPoint, keep_store: bool },
    /// The request suffers this, and the run goes on.
    Suffers(FaultKind),
    /// The request suffers this, the run dies with it, and another one begins without a store.
    SuffersAndDies(FaultKind),
}

/// Polls `run` until it ends or is dead, whichever is first; a dead run does nothing more.
async fn until<F: Future>(is_dead: impl Fn() -> bool, run: F) {
    let mut run = pin!(run);
    std::future::poll_fn(|context| {
        let polled = run.as_mut().poll(context);
        if polled.is_ready() || is_dead() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// An empty platform but for somebody else's app, and specs of an environment of these apps next to another one.
fn stage(apps: &str, config: SimConfig) -> (World, SimConfig) {
    let config = config.with_org("acme", "sim_acme_token");
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER)], config.clone());
    world.put("policy.yaml", &policy("{grace: 30s}"));
    world.put("demo.yaml", &environment("demo", "", apps));
    world.put("other.yaml", &small("other"));
    world.sim.create_app("acme", "theirs", "").unwrap();
    let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
    world.sim.create_machine("theirs", &machine, "iad").unwrap();
    (world, config)
}

fn put(files: &mut Vec<(String, String)>, path: &str, text: &str) {
    files.retain(|(other, _)| other != path);
    files.push((path.to_owned(), text.to_owned()));
}

fn killed(keep_store: bool) -> [Blow; 2] {
    [CrashPoint::BeforeEffect, CrashPoint::BeforeReply].map(|point| Blow::Killed { point, keep_store })
}

/// What a network can do to one request. What comes late comes within F.
fn lost_and_late() -> [Blow; 5] {
    let late = FaultKind::Late { after_ms: 55_000 };
    [
        Blow::Suffers(FaultKind::ResetAfter),
        Blow::Suffers(FaultKind::TimeoutBefore),
        Blow::Suffers(FaultKind::lost_in_500()),
        Blow::Suffers(late.clone()),
        Blow::SuffersAndDies(late),
    ]
}

async fn creation() -> Scene {
    let (mut world, config) = stage(APPS, SimConfig::default());
    world.remove("demo.yaml");
    world.converge().await;
    Scene::of(&world, &config).edited(|files| put(files, "demo.yaml", &environment("demo", "", APPS)))
}

/// The environment created, and quarantine over.
async fn settled() -> (World, SimConfig) {
    let (mut world, config) = stage(APPS, SimConfig::default());
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    (world, config)
}

async fn update() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(|files| put(files, "demo.yaml", &environment("demo", "", CHANGED)))
}

async fn teardown() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(|files| files.retain(|(path, _)| path != "demo.yaml"))
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_killed_anywhere_and_started_again_with_an_empty_store_ends_as_if_it_had_not_been() {
    println!("creation, with an empty store: {} points", creation().await.every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_killed_anywhere_and_started_again_with_its_store_ends_as_if_it_had_not_been() {
    println!("creation, with its store: {} points", creation().await.every_point(&killed(true), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_creation_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
    println!("creation, lost and late: {} points", creation().await.every_point(&lost_and_late(), true).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_killed_anywhere_and_started_again_with_an_empty_store_ends_as_if_it_had_not_been() {
    println!("update, with an empty store: {} points", update().await.every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_killed_anywhere_and_started_again_with_its_store_ends_as_if_it_had_not_been() {
    println!("update, with its store: {} points", update().await.every_point(&killed(true), false).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
    println!("update, lost and late: {} points", update().await.every_point(&lost_and_late(), true).await);
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_killed_anywhere_and_started_again_with_an_empty_store_ends_as_if_it_had_not_been() {
    println!("teardown, with an empty store: {} points", teardown().await.every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_killed_anywhere_and_started_again_with_its_store_ends_as_if_it_had_not_been() {
    println!("teardown, with its store: {} points", teardown().await.every_point(&killed(true), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_teardown_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
    println!("teardown, lost and late: {} points", teardown().await.every_point(&lost_and_late(), true).await);
}
