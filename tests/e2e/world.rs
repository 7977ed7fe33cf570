//! A world in which one controller and one simulated Fly live on one clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hangar::clock::{SharedClock, VirtualClock};
use hangar::controller::{CheckAsker, Feedback, FixedVariables, Loaded, Once, Outcome, Planned, Session, load};
use hangar::desired::{Completeness, RepoListing};
use hangar::event::{Event, Observer};
use hangar::execute::{Journal, Stop};
use hangar::http::Shared;
use hangar::http::transport::SharedTransport;
use hangar::plan::Request;
use hangar::random::Random;
use hangar::resource::RepoName;
use hangar::secret::SecretText;
use hangar::sim::{RequestRecord, SimConfig, Simulator};
use hangar::source::{AssetError, Assets, Snapshot};
use hangar::spec::SourceFile;
use hangar::store::{MemoryStore, Store};

use crate::strict::hold_to_contract;

/// The master key of every test world.
pub(crate) const MASTER_KEY: &str = "planted-master-key-0123456789abcdef0123456789";

/// The files of a world, for what its specs refer to.
#[derive(Debug)]
struct InMemory(BTreeMap<String, String>);

impl Assets for InMemory {
    fn read(&self, beside: &Path, path: &str) -> Result<Vec<u8>, AssetError> {
        let path = beside.with_file_name(path).display().to_string();
        let text = self.0.get(&path).ok_or(AssetError::Missing { path })?;
        Ok(text.clone().into_bytes())
    }
}

/// Remembers all events.
#[derive(Debug, Default)]
pub(crate) struct Recorder(std::sync::Mutex<Vec<Event>>);

impl Observer for Recorder {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Recorder {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) struct World {
    pub(crate) sim: Simulator,
    pub(crate) clock: SharedClock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) variables: FixedVariables,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) completeness: Completeness,
    /// What repositories have.
    pub(crate) repos: BTreeMap<RepoName, RepoListing>,
    /// Specs that are taken as they are, for tests that start many runs from the same ones: reading them takes time.
    pub(crate) read_before: Option<Arc<Loaded>>,
    /// Whether runs tell GitHub how previews are doing.
    pub(crate) tells: bool,
    runs: u64,
}

impl World {
    /// A world with these spec files (path and content), and one organization `acme` whose token is in `FLY_API_TOKEN`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        Self::configured(files, SimConfig::default().with_org("acme", "sim_acme_token"))
    }

    pub(crate) fn configured(files: &[(&str, &str)], config: SimConfig) -> Self {
        let epoch: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch));
        let sim = Simulator::new(config, Arc::clone(&clock));
        hold_to_contract(&sim);
        let mut variables = FixedVariables::default();
        variables.variables.insert("FLY_API_TOKEN".into(), SecretText::new("sim_acme_token"));
        variables.variables.insert("HANGAR_MASTER_KEY".into(), SecretText::new(MASTER_KEY));
        Self {
            sim,
            clock,
            store: Arc::new(MemoryStore::new()),
            files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
            variables,
            recorder: Arc::default(),
            completeness: Completeness::Complete,
            repos: BTreeMap::new(),
            read_before: None,
            tells: false,
            runs: 0,
        }
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.variables.variables.insert(variable.into(), SecretText::new(value));
    }

    /// Replaces `from` by `to` in the file at `path`; it has to be there.
    pub(crate) fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = self.files.get_mut(path).expect("the file is there");
        assert!(text.contains(from), "`{from}` is not in {path}:\n{text}");
        *text = text.replace(from, to);
    }

    /// A new, empty store: what a run on a fresh machine has.
    pub(crate) fn lose_store(&mut self) {
        self.store = Arc::new(MemoryStore::new());
    }

    pub(crate) async fn pass_time(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    pub(crate) fn load(&self) -> Loaded {
        load(&self.snapshot(), &self.variables).unwrap_or_else(|error| match error {
            hangar::controller::LoadError::Specs { problems, .. } => panic!("{}", problems.render(false)),
            other => panic!("{other}"),
        })
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let files = self.files.iter().filter(|(path, _)| path.ends_with(".yaml"));
        let files =
            files.map(|(path, text)| SourceFile { path: PathBuf::from(path), bytes: text.clone().into_bytes() });
        Snapshot {
            files: files.collect(),
            assets: Arc::new(InMemory(self.files.clone())),
            commit: None,
            completeness: self.completeness.clone(),
            repos: self.repos.clone(),
            read_at: self.clock.now(),
        }
    }

    pub(crate) fn session(&mut self) -> Session {
        let transport = self.sim.transport();
        self.session_through(transport)
    }

    /// A run whose requests go through `transport`.
    pub(crate) fn session_through(&mut self, transport: SharedTransport) -> Session {
        self.runs += 1;
        let shared = Shared::new(transport, Arc::clone(&self.clock), Random::from_seed(self.runs));
        let instance = format!("run-{}", self.runs);
        let journal = Journal::open(Arc::clone(&self.store), &instance, self.clock.now()).unwrap();
        let observer: Arc<dyn Observer> = Arc::<Recorder>::clone(&self.recorder);
        let loaded = self.read_before.clone().unwrap_or_else(|| Arc::new(self.load()));
        let feedback = if self.tells {
            Feedback::new(shared.clone(), Arc::new(self.variables.clone()))
        } else {
            Feedback::default()
        };
        let session = Session::open(loaded, &self.variables, shared, journal, observer, Stop::default()).unwrap();
        session.reporting_to(feedback).asking(CheckAsker::new(Arc::new(self.variables.clone())))
    }

    /// `hangar reconcile --once`.
    pub(crate) async fn reconcile(&mut self) -> Outcome {
        self.run(Request::default()).await
    }

    pub(crate) async fn run(&mut self, request: Request) -> Outcome {
        // A program that is started anew knows nothing of what the last one has just used of Fly's limits.
        self.pass_time(Duration::from_secs(3)).await;
        let session = self.session();
        let run = Once::new(&session, request, Duration::from_mins(3)).run(|_| ());
        let outcome = session.feedback.beside(run).await.unwrap();
        // Whatever else a test asserts: nothing is ever sent faster than providers document. How much a day may be made is another matter.
        let too_fast = |request: &RequestRecord| request.status == Some(429) && request.path != "/v13/deployments";
        let limited: Vec<_> = self.sim.requests().into_iter().filter(too_fast).collect();
        assert!(limited.is_empty(), "{limited:#?}");
        outcome
    }

    /// `hangar diff`: the plan, without any way to write.
    pub(crate) async fn diff(&mut self) -> Planned {
        self.pass_time(Duration::from_secs(3)).await;
        let session = self.session();
        let environments = session.loaded.fleet.environments.keys().cloned().collect();
        let observed = session.observe(&environments).await.unwrap();
        session.plan(observed, &Request { dry_run: true, ..Request::default() }).unwrap()
    }

    /// What was written since the log was cleared last, one `METHOD path` each.
    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.sim.requests();
        requests
            .iter()
            .filter(|request| !request.is_read())
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }
}
