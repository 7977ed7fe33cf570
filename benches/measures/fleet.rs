//! The world of the measures: previews as in `specs/chat-dev`, a simulated Fly that takes a while to answer, and a paused clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hangar::clock::{SharedClock, VirtualClock};
use hangar::controller::{FixedVariables, Loaded, Once, Outcome, Session, Verdict, load};
use hangar::desired::Completeness;
use hangar::event::{Event, Observer, Silent};
use hangar::execute::{Journal, Stop};
use hangar::http::Shared;
use hangar::http::transport::SharedTransport;
use hangar::memory::Memory;
use hangar::plan::Request;
use hangar::random::Random;
use hangar::resource::EnvName;
use hangar::secret::SecretText;
use hangar::sim::{SimConfig, Simulator};
use hangar::source::{AssetError, Assets, Snapshot, Source, SourceError};
use hangar::spec::SourceFile;
use hangar::store::{SqliteStore, Store, StoreError, StoredEvent};
use serde_json::Value;
use tempfile::TempDir;

use crate::meter::Metered;

/// How long the simulated Fly takes for each answer.
pub(crate) const LATENCY: Duration = Duration::from_millis(50);

/// The environment that all environments are made from: three apps, three machines, one volume, four addresses.
const PREVIEW: &str = include_str!("../../specs/chat-dev/preview.yaml");
/// Periods as they are by default, but for the deep one: it would come in the midst of a measure.
const CONTROLLER: &str = "
apiVersion: hangar/v1
kind: Controller
metadata: {name: measures}
spec:
  owner: measures
  deepResync: 30d
  workers: WORKERS
  fly: {organizations: {chat-dev-previews: {token: {fromEnv: FLY_API_TOKEN}}}}
";
const ORGANIZATION: &str = "chat-dev-previews";
const TOKEN: &str = "sim_measures";

/// A simulated Fly, and everything that a controller is started with.
pub(crate) struct World {
    pub(crate) clock: SharedClock,
    pub(crate) config: SimConfig,
    pub(crate) sim: Simulator,
    pub(crate) snapshot: Snapshot,
    pub(crate) variables: FixedVariables,
    pub(crate) store: Arc<dyn Store>,
    _folder: TempDir,
    runs: u64,
}

impl World {
    /// A world that asks for this many environments, and in which nothing exists yet, for a loop with so many workers. Must be called
    /// inside a runtime.
    pub(crate) fn of(environments: usize, workers: usize) -> Self {
        let epoch: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().expect("a moment");
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch));
        let config = SimConfig { latency: LATENCY, ..SimConfig::default() }.with_org(ORGANIZATION, TOKEN);
        let sim = Simulator::new(config.clone(), Arc::clone(&clock));
        let mut variables = FixedVariables::default();
        for (name, value) in [
            ("FLY_API_TOKEN", TOKEN),
            ("HANGAR_MASTER_KEY", "a-master-key-for-measures-0123456789abcdef"),
            ("CHAT_DEV_WORKER_TOKEN_PREVIEWS", "a-token"),
        ] {
            variables.variables.insert(name.to_owned(), SecretText::new(value));
        }
        let snapshot = Snapshot {
            files: files(environments, workers),
            assets: Arc::new(NoAssets),
            commit: None,
            completeness: Completeness::Complete,
            repos: BTreeMap::new(),
            read_at: epoch,
        };
        // As in earnest: a file, in which each write is on disk before it counts.
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = Arc::new(SqliteStore::open(folder.path().join("hangar.db")).expect("a store can be made"));
        Self { clock, config, sim, snapshot, variables, store, _folder: folder, runs: 0 }
    }

    pub(crate) fn load(&self) -> Loaded {
        load(&self.snapshot, &self.variables).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn metered(&self, keep_calls: bool) -> Arc<Metered> {
        Metered::new(self.sim.transport(), Arc::clone(&self.clock), keep_calls)
    }

    pub(crate) fn shared(&mut self, transport: SharedTransport) -> Shared {
        self.runs += 1;
        Shared::new(transport, Arc::clone(&self.clock), Random::from_seed(self.runs))
    }

    pub(crate) fn journal(&self) -> Journal {
        let instance = format!("run-{}", self.runs);
        Journal::open(Arc::clone(&self.store), &instance, self.clock.now()).expect("a store in memory opens")
    }

    pub(crate) fn session(
        &mut self,
        loaded: Arc<Loaded>,
        transport: SharedTransport,
        told: Arc<dyn Observer>,
    ) -> Session {
        let shared = self.shared(transport);
        let journal = self.journal();
        Session::open(loaded, &self.variables, shared, journal, told, Stop::default()).expect("a session opens")
    }

    /// Creates everything, some environments at a time, and keeps the memory of it only when all is done: what saving costs meanwhile is
    /// not what is measured.
    pub(crate) async fn converge(&mut self, loaded: &Arc<Loaded>) {
        let store = std::mem::replace(&mut self.store, Arc::new(Forgetful));
        let session = self.session(Arc::clone(loaded), self.sim.transport(), Arc::new(Silent));
        let names: Vec<&EnvName> = loaded.fleet.environments.keys().collect();
        for some in names.chunks(500) {
            let some: BTreeSet<EnvName> = some.iter().copied().cloned().collect();
            let observed = session.observe(&some).await.expect("a store in memory works");
            let planned = session.plan(observed, &Request::default()).expect("the plan keeps the rules");
            for report in futures::future::join_all(some.iter().map(|env| session.execute(&planned, env))).await {
                assert!(report.failed.is_empty() && report.unknown == 0, "{report:#?}");
            }
            self.sim.clear_requests();
        }
        store.save(&session.journal.memory()).expect("the store can be written");
        self.store = store;
        self.sim.clear_requests();
        // Whatever Fly does by itself, and our own limits, are at rest.
        self.clock.sleep(Duration::from_mins(5)).await;
    }
}

/// `hangar reconcile --once`.
pub(crate) async fn once(session: &Session) -> Outcome {
    Once::new(session, Request::default(), Duration::from_mins(3)).run(|_| ()).await.expect("the run ends")
}

pub(crate) fn must_be_converged(outcome: &Outcome) {
    let failures = outcome.failures.values().flatten().take(3).collect::<Vec<_>>();
    let withheld = outcome.last.plan.withheld.iter().take(3).collect::<Vec<_>>();
    assert_eq!(outcome.worst(), Verdict::Converged, "{failures:#?} {withheld:#?}");
}

/// One runtime on one thread, on a clock that stands still while anything is to be done.
pub(crate) fn on_paused_clock<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime starts").block_on(run)
}

fn files(environments: usize, workers: usize) -> Vec<SourceFile> {
    assert!(PREVIEW.contains("\n  name: login\n"), "the preview in specs/ has another name");
    let file = |path: String, text: String| SourceFile { path: PathBuf::from(path), bytes: text.into_bytes() };
    let preview = |number: usize| {
        let text = PREVIEW.replace("\n  name: login\n", &format!("\n  name: pr-{number}\n"));
        file(format!("pr-{number}.yaml"), text)
    };
    std::iter::once(file("hangar.yaml".to_owned(), CONTROLLER.replace("WORKERS", &workers.to_string())))
        .chain((0..environments).map(preview))
        .collect()
}

/// A store that keeps nothing.
#[derive(Debug)]
struct Forgetful;

impl Store for Forgetful {
    fn load(&self) -> Result<Option<Memory>, StoreError> {
        Ok(None)
    }

    fn save(&self, _: &Memory) -> Result<(), StoreError> {
        Ok(())
    }

    fn append(&self, _: &Event) -> Result<(), StoreError> {
        Ok(())
    }

    fn events(&self, _: Option<&EnvName>, _: usize) -> Result<Vec<StoredEvent>, StoreError> {
        Ok(Vec::new())
    }

    fn put_status(&self, _: &EnvName, _: &Value) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_status(&self, _: &EnvName) -> Result<(), StoreError> {
        Ok(())
    }

    fn statuses(&self) -> Result<BTreeMap<EnvName, Value>, StoreError> {
        Ok(BTreeMap::new())
    }
}

/// The specs refer to no files.
#[derive(Debug)]
struct NoAssets;

impl Assets for NoAssets {
    fn read(&self, _beside: &Path, path: &str) -> Result<Vec<u8>, AssetError> {
        Err(AssetError::Missing { path: path.to_owned() })
    }
}

/// A source that never changes.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Snapshot);

#[async_trait::async_trait]
impl Source for Fixed {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        Ok(self.0.clone())
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    fn describe(&self) -> String {
        "specs made for measures".to_owned()
    }
}
