//! The first convergence of previews: how long it takes, against the critical path of its calls.
//!
//! The critical path is what no scheduling could shorten: a look, the longest chain of steps that wait for one another in the plan, and
//! a last look. A step takes as long as its own calls, one after the other; waiting for a machine takes as long as the simulated Fly
//! needs to boot it and to pass its checks. Waiting for Hangar's own limits, places and polls is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hangar::controller::{Daemon, Loaded, Once};
use hangar::event::{Event, Observer, What};
use hangar::execute::Stop;
use hangar::http::transport::Method;
use hangar::plan::{Action, Plan, Request, Standing, Step, StepId};
use hangar::resource::{EnvName, ResourceKey};
use hangar::sim::SimConfig;
use serde_json::{Value, json};

use crate::fleet::{Fixed, World, must_be_converged, on_paused_clock};
use crate::meter::{CallSpan, Metered};
use crate::table::Section;

pub(crate) fn section(sizes: &[usize]) -> Section {
    let kinds = ["once", "loop of 4", "loop of 64"];
    let row = |kind: &str, size: &usize| crate::in_child("convergence", &[kind, &size.to_string()]);
    let rows = kinds.iter().flat_map(|kind| sizes.iter().map(|size| row(kind, size)));
    Section {
        name: "convergence",
        about: "previews of specs/chat-dev from nothing to healthy on the virtual clock, 50 ms per answer",
        columns: &[
            ("kind", "by"),
            ("previews", "previews"),
            ("steps", "steps"),
            ("requests", "requests"),
            ("wallSeconds", "wall s"),
            ("criticalPathSeconds", "critical path s"),
            ("ratio", "ratio"),
            ("criticalPathAtFlysRateSeconds", "at Fly's rate s"),
            ("ratioAtFlysRate", "ratio"),
            ("heldBy", "steps that waited longest"),
        ],
        rows: rows.collect(),
    }
}

pub(crate) fn measure(kind: &str, previews: usize) -> Value {
    on_paused_clock(async {
        let mut world = World::of(previews, 4);
        let loaded = Arc::new(world.load());
        let (plan, times, calls, wall) = converged_once(&mut world, loaded).await;
        let critical = CriticalPath::of(&plan, &times, &calls, &world.config);
        let (requests, wall) = match kind {
            "once" => (calls.len(), wall),
            // The same steps and calls, scheduled by the loop with so many workers (4 unless `Controller` says otherwise).
            "loop of 4" => converged_by_loop(&mut World::of(previews, 4), previews).await,
            "loop of 64" => converged_by_loop(&mut World::of(previews, 64), previews).await,
            other => panic!("there is no way to converge by `{other}`"),
        };
        json!({
            "kind": kind,
            "previews": previews,
            "steps": plan.steps.len(),
            "requests": requests,
            "wallSeconds": wall.as_secs_f64(),
            "criticalPathSeconds": critical.free.as_secs_f64(),
            "ratio": wall.as_secs_f64() / critical.free.as_secs_f64(),
            "criticalPathAtFlysRateSeconds": critical.at_flys_rate.as_secs_f64(),
            "ratioAtFlysRate": wall.as_secs_f64() / critical.at_flys_rate.as_secs_f64(),
            "heldBy": critical.held_by(),
            "longestWaits": critical.waits.iter().map(|(action, wait)| (action, wait.as_secs_f64())).collect::<BTreeMap<_, _>>(),
        })
    })
}

type StepTimes = BTreeMap<StepId, (DateTime<Utc>, DateTime<Utc>)>;

async fn converged_once(world: &mut World, loaded: Arc<Loaded>) -> (Plan, StepTimes, Vec<CallSpan>, Duration) {
    let transport = world.metered(true);
    let times = Arc::new(Times::default());
    let session = world.session(loaded, Arc::<Metered>::clone(&transport), Arc::<Times>::clone(&times));
    let began = world.clock.now();
    let mut plan = None;
    let run = Once::new(&session, Request::default(), Duration::from_mins(3));
    let outcome = run.run(|planned| plan = Some(planned.plan.clone())).await.expect("the run ends");
    must_be_converged(&outcome);
    let wall = (world.clock.now() - began).to_std().expect("time goes on");
    let times = times.0.lock().unwrap().clone();
    (plan.expect("there was a plan"), times, transport.calls(), wall)
}

async fn converged_by_loop(world: &mut World, previews: usize) -> (usize, Duration) {
    let transport = world.metered(false);
    let observer = Arc::new(Convergence::default());
    let daemon = Daemon {
        feedback: hangar::controller::Feedback::default(),
        source: Arc::new(Fixed(world.snapshot.clone())),
        variables: Arc::new(world.variables.clone()),
        shared: world.shared(Arc::<Metered>::clone(&transport)),
        journal: world.journal(),
        observer: Arc::<Convergence>::clone(&observer),
        stop: Stop::default(),
        request: Request::default(),
    };
    let began = world.clock.now();
    let running = tokio::spawn(daemon.run());
    while observer.0.lock().unwrap().len() < previews {
        world.clock.sleep(Duration::from_secs(1)).await;
        assert!(!running.is_finished(), "the loop has ended");
        assert!(world.clock.now() - began < chrono::TimeDelta::hours(3), "it does not converge");
    }
    running.abort();
    let ended = observer.0.lock().unwrap().values().max().copied().expect("there are previews");
    (transport.requests(), (ended - began).to_std().expect("time goes on"))
}

/// When each step began and ended.
#[derive(Debug, Default)]
struct Times(Mutex<StepTimes>);

impl Observer for Times {
    fn observe(&self, event: &Event) {
        let mut times = self.0.lock().unwrap();
        match &event.what {
            What::StepStarted { step } => drop(times.insert(step.id, (event.at, event.at))),
            What::StepFinished { step, .. } => times.entry(step.id).or_insert((event.at, event.at)).1 = event.at,
            _ => {}
        }
    }
}

/// When each environment was first seen to be converged.
#[derive(Debug, Default)]
struct Convergence(Mutex<BTreeMap<EnvName, DateTime<Utc>>>);

impl Observer for Convergence {
    fn observe(&self, event: &Event) {
        if matches!(event.what, What::Finished { standing: Standing::Converged, .. }) {
            self.0.lock().unwrap().entry(event.env.clone()).or_insert(event.at);
        }
    }
}

/// What no scheduling could shorten.
struct CriticalPath {
    /// The longest chain of calls, boots and checks, between a first and a last look.
    free: Duration,
    /// The same, where apps are created no faster than Fly allows: the last of them comes so late, and what follows it takes at least
    /// as long as the shortest of all such chains.
    at_flys_rate: Duration,
    /// The longest that a step has waited besides its own calls, boots and checks, by what it does.
    waits: BTreeMap<String, Duration>,
}

/// Fly's rate for one action on one object: one a second, three at once. A new app is counted for its organization.
const INTERVAL: Duration = Duration::from_secs(1);
const BURST: usize = 3;

impl CriticalPath {
    fn of(plan: &Plan, times: &StepTimes, calls: &[CallSpan], config: &SimConfig) -> Self {
        let own = calls_by_step(plan, times, calls);
        let takes = |step: &Step| match step.action {
            // A new machine is prepared for a quarter of the time that it then takes to boot.
            Action::WaitHealthy { .. } => config.boot / 4 + config.boot + config.settle,
            _ => own.get(&step.id).copied().unwrap_or_default(),
        };
        // From each step, itself included, to the end of the longest chain that it begins.
        let mut chains: BTreeMap<StepId, Duration> = BTreeMap::new();
        for step in plan.steps.iter().rev() {
            let chain = chains.get(&step.id).copied().unwrap_or_default() + takes(step);
            chains.insert(step.id, chain);
            for before in &step.after {
                let longest = chains.entry(*before).or_default();
                *longest = chain.max(*longest);
            }
        }
        let creates_app = |step: &&Step| matches!(step.action, Action::CreateApp { .. });
        let creations: Vec<Duration> = plan.steps.iter().filter(creates_app).map(|step| chains[&step.id]).collect();
        let queue = INTERVAL * u32::try_from(creations.len().saturating_sub(BURST)).expect("few apps");
        let queued = queue + creations.iter().min().copied().unwrap_or_default();
        let longest = chains.values().max().copied().unwrap_or_default();
        // A look is a listing, page by page, and then what is read of each app, all apps at once. The last look sees every machine.
        let machines = plan.steps.iter().filter(|step| matches!(step.action, Action::CreateMachine(_))).count();
        let pages = u32::try_from(machines.div_ceil(config.org_page)).expect("few pages").max(1);
        let looks = config.latency * 2 + config.latency * (pages + 1);
        let mut waits: BTreeMap<String, Duration> = BTreeMap::new();
        for step in &plan.steps {
            let (began, ended) = times[&step.id];
            let took = (ended - began).to_std().expect("time goes on");
            let wait = waits.entry(what(step)).or_default();
            *wait = took.saturating_sub(takes(step)).max(*wait);
        }
        Self { free: looks + longest, at_flys_rate: looks + longest.max(queued), waits }
    }

    /// The action whose steps waited longest, if any waited for more than a moment.
    fn held_by(&self) -> Option<String> {
        let (action, wait) = self.waits.iter().max_by_key(|(_, wait)| **wait)?;
        (*wait > Duration::from_secs(1)).then(|| format!("{action}, up to {:.1} s", wait.as_secs_f64()))
    }
}

/// What a step does, to what.
fn what(step: &Step) -> String {
    let kind = match step.key {
        ResourceKey::App { .. } => "app",
        ResourceKey::Secrets { .. } => "secrets",
        ResourceKey::Volume { .. } => "volume",
        ResourceKey::Ip { .. } => "address",
        ResourceKey::Certificate { .. } => "certificate",
        ResourceKey::Machine { .. } => "machine",
        ResourceKey::Object(_) => "object",
    };
    format!("{} {kind}", step.action.name())
}

/// The time that each step has spent in calls of its own.
fn calls_by_step(plan: &Plan, times: &StepTimes, calls: &[CallSpan]) -> BTreeMap<StepId, Duration> {
    let mut by_app: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        let app = step.key.app().map_or("", |app| app.as_str());
        by_app.entry(app).or_default().push(step);
    }
    let mut spent: BTreeMap<StepId, Duration> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.method != Method::Get) {
        let of_app = call.app.as_deref().and_then(|app| by_app.get(app));
        let candidates = of_app.into_iter().flatten().filter(|step| {
            let (began, ended) = times[&step.id];
            is_about(call, &step.key) && began <= call.began && call.ended <= ended
        });
        let step = candidates.min_by_key(|step| spent.get(&step.id).copied().unwrap_or_default());
        let step = step.unwrap_or_else(|| panic!("no step has made {call:?}"));
        *spent.entry(step.id).or_default() += (call.ended - call.began).to_std().expect("time goes on");
    }
    let silent: BTreeSet<&str> =
        plan.steps.iter().filter(|step| !spent.contains_key(&step.id)).map(|step| step.action.name()).collect();
    assert!(silent.iter().all(|action| action.starts_with("wait")), "no call was found of {silent:?}");
    spent
}

fn is_about(call: &CallSpan, key: &ResourceKey) -> bool {
    let kind = call.path.split('/').nth(3).unwrap_or_default();
    match key {
        ResourceKey::App { .. } => kind.is_empty(),
        ResourceKey::Secrets { .. } => kind == "secrets",
        ResourceKey::Volume { .. } => kind == "volumes",
        ResourceKey::Ip { .. } => kind == "ip_assignments",
        ResourceKey::Certificate { .. } => kind == "certificates",
        ResourceKey::Machine { .. } => kind == "machines",
        ResourceKey::Object(_) => false,
    }
}
