//! The long-lived loop on a paused clock, fed by a source that the test writes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use hangar::controller::{Daemon, DaemonError, Feedback, Hints, Variables, WithRepositories};
use hangar::event::{Event, Observer, What};
use hangar::execute::{Journal, Stop, StopReason};
use hangar::http::Shared;
use hangar::http::transport::{self as http, Method, SharedTransport, Transport, TransportError};
use hangar::plan::Request;
use hangar::random::Random;
use hangar::sim::{Fault, FaultKind, Matcher, RequestRecord, SimConfig};
use hangar::source::{Snapshot, Source, SourceError};
use tokio::task::JoinHandle;

use crate::support::{CONTROLLER, Meddler, QUARANTINE, created, environment, policy, seconds, small, world_of};
use crate::world::{Recorder, World};

/// A source that holds what the test gives it.
#[derive(Debug)]
struct Scripted {
    now: Mutex<Option<Snapshot>>,
    changed: tokio::sync::Notify,
}

#[async_trait::async_trait]
impl Source for Scripted {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        let now = self.now.lock().unwrap().clone();
        now.ok_or(SourceError::Missing { path: PathBuf::from("specs") })
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    fn describe(&self) -> String {
        "a script".to_owned()
    }
}

/// A daemon that runs in its world.
pub(crate) struct Running {
    pub(crate) world: World,
    source: Arc<Scripted>,
    stop: Stop,
    task: JoinHandle<Result<(), DaemonError>>,
}

impl Running {
    pub(crate) fn start(world: World) -> Self {
        let (transport, observer) = (world.sim.transport(), Arc::<Recorder>::clone(&world.recorder));
        Self::start_with(world, transport, observer)
    }

    /// A daemon that looks at repositories itself, and where it is told that something may have changed.
    pub(crate) fn start_looking(world: World) -> (Self, Hints) {
        let (transport, observer) = (world.sim.transport(), Arc::<Recorder>::clone(&world.recorder));
        let mut hints = Hints::default();
        let running = Self::start_from(world, transport, observer, |specs, shared, variables| {
            let looking = WithRepositories::new(specs, shared, variables);
            hints = looking.hints();
            Arc::new(looking)
        });
        (running, hints)
    }

    fn start_with(world: World, transport: SharedTransport, observer: Arc<dyn Observer>) -> Self {
        Self::start_from(world, transport, observer, |specs, _, _| specs)
    }

    fn start_from(
        world: World,
        transport: SharedTransport,
        observer: Arc<dyn Observer>,
        wrap: impl FnOnce(Arc<dyn Source>, Shared, Arc<dyn Variables>) -> Arc<dyn Source>,
    ) -> Self {
        let source =
            Arc::new(Scripted { now: Mutex::new(Some(world.snapshot())), changed: tokio::sync::Notify::new() });
        let stop = Stop::default();
        let journal = Journal::open(Arc::clone(&world.store), "daemon", world.clock.now()).unwrap();
        let shared = Shared::new(transport, Arc::clone(&world.clock), Random::from_seed(7));
        let feedback = if world.tells {
            Feedback::new(shared.clone(), Arc::new(world.variables.clone()))
        } else {
            Feedback::default()
        };
        let daemon = Daemon {
            feedback: feedback.clone(),
            source: wrap(Arc::<Scripted>::clone(&source), shared.clone(), Arc::new(world.variables.clone())),
            variables: Arc::new(world.variables.clone()),
            shared,
            journal,
            observer,
            stop: stop.clone(),
            request: Request::default(),
        };
        Self { world, source, stop, task: tokio::spawn(async move { feedback.beside(daemon.run()).await }) }
    }

    /// Lets the daemon read the world's files anew.
    pub(crate) fn publish(&self) {
        *self.source.now.lock().unwrap() = Some(self.world.snapshot());
        self.source.changed.notify_one();
    }

    /// Lets the source fail from now on.
    fn break_source(&self) {
        *self.source.now.lock().unwrap() = None;
        self.source.changed.notify_one();
    }

    pub(crate) async fn pass(&self, time: u64) {
        self.world.pass_time(seconds(time)).await;
        assert!(!self.task.is_finished(), "the daemon has ended");
    }

    /// The writes to paths that contain `text` since the log was cleared, with their times in seconds since `began`.
    fn writes_to(&self, text: &str, began: DateTime<Utc>) -> Vec<(i64, String)> {
        let requests = self.world.sim.requests();
        let writes = requests.iter().filter(|request| !request.is_read() && request.path.contains(text));
        writes.map(|write| ((write.at - began).num_seconds(), format!("{} {}", write.method, write.path))).collect()
    }

    fn image(&self, app: &str) -> String {
        self.world.sim.machines(app)[0].config["image"].as_str().unwrap().to_owned()
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.clock.now()
    }
}

pub(crate) fn settings(lines: &str) -> String {
    format!("{CONTROLLER}  {}\n", lines.replace('\n', "\n  "))
}

/// A daemon over these small environments, quarantine over and everything converged, its requests so far forgotten.
pub(crate) async fn settled(names: &[&str], lines: &str) -> Running {
    let mut world = world_of(names);
    world.put("hangar.yaml", &settings(lines));
    let daemon = Running::start(world);
    daemon.pass(QUARANTINE.as_secs() + 600).await;
    assert_eq!(daemon.world.app_names().len(), names.len());
    daemon.world.sim.clear_requests();
    daemon
}

#[tokio::test(start_paused = true)]
async fn it_creates_what_is_wanted_and_follows_changed_specs_at_once() {
    let mut daemon = Running::start(world_of(&["a", "b"]));
    daemon.pass(30).await;
    assert_eq!(daemon.world.app_names(), ["a-web", "b-web"]);
    daemon.world.edit("a.yaml", "demo:v1", "demo:v2");
    daemon.world.put("c.yaml", &small("c"));
    daemon.publish();
    daemon.pass(15).await;
    assert_eq!(daemon.world.app_names(), ["a-web", "b-web", "c-web"]);
    assert_eq!(
        (daemon.image("a-web"), daemon.image("b-web")),
        ("registry.fly.io/demo:v2".into(), "registry.fly.io/demo:v1".into())
    );
}

/// What is seen to be as it should be by specs that have changed meanwhile is not taken for known.
#[tokio::test(start_paused = true)]
async fn a_spec_that_changes_while_its_environment_is_looked_at_is_not_missed() {
    let world = created(&["a"]).await;
    world.sim.inject(Fault::always(Matcher::new(Method::Get, "/v1/apps/*/machines"), FaultKind::Latency { ms: 5_000 }));
    let mut daemon = Running::start(world);
    daemon.pass(2).await;
    daemon.world.edit("a.yaml", "demo:v1", "demo:v2");
    daemon.publish();
    daemon.pass(30).await;
    assert_eq!(daemon.image("a-web"), "registry.fly.io/demo:v2");
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_overtakes_the_plan_that_is_carried_out() {
    let mut world = world_of(&["a"]);
    world.edit("a.yaml", "web: {", "web: {count: 3, ");
    let mut daemon = Running::start(world);
    daemon.pass(30).await;
    // A rollout of three machines, each of which takes 20 s to boot.
    daemon.world.edit("a.yaml", "demo:v1", "demo:slow");
    daemon.publish();
    daemon.pass(5).await;
    daemon.world.edit("a.yaml", "demo:slow", "demo:v3");
    daemon.publish();
    daemon.pass(60).await;
    let machines = daemon.world.sim.machines("a-web");
    assert!(machines.iter().all(|machine| machine.config["image"] == "registry.fly.io/demo:v3"));
    let mut versions: Vec<usize> = machines.iter().map(|machine| machine.versions).collect();
    versions.sort_unstable();
    assert_eq!(versions, [2, 2, 3], "only the first one was ever given the overtaken image");
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_does_not_disturb_the_rollout_of_another_environment() {
    let mut world = world_of(&["a", "b"]);
    world.edit("a.yaml", "web: {", "web: {count: 3, ");
    let mut daemon = Running::start(world);
    daemon.pass(30).await;
    let began = daemon.now();
    daemon.world.edit("a.yaml", "demo:v1", "demo:slow");
    daemon.publish();
    daemon.pass(5).await;
    daemon.world.edit("b.yaml", "demo:v1", "demo:v2");
    daemon.publish();
    daemon.pass(5).await;
    assert_eq!(daemon.image("b-web"), "registry.fly.io/demo:v2", "it does not wait for the slow one either");
    daemon.pass(80).await;
    let skipped = daemon.world.recorder.events().into_iter().filter(|event| event.at > began).filter(|event| {
        matches!(&event.what, What::StepFinished { outcome: hangar::event::Outcome::Skipped { .. }, .. })
    });
    assert_eq!(skipped.count(), 0);
    assert!(daemon.world.sim.machines("a-web").iter().all(|machine| machine.versions == 2));
}

#[tokio::test(start_paused = true)]
async fn drift_that_a_listing_shows_is_repaired_after_a_resync_and_other_drift_after_a_deep_one() {
    let mut world = world_of(&[]);
    world.put("hangar.yaml", &settings("resync: 10m\ndeepResync: 2h"));
    world.put("a.yaml", &environment("a", "", "web: {image: 'registry.fly.io/demo:v1', ips: {v6: true}}"));
    let daemon = Running::start(world);
    daemon.pass(30).await;
    let id = daemon.world.only_machine("a-web").id;
    daemon
        .world
        .sim
        .edit_machine_config("a-web", &id, |config| config["image"] = "registry.fly.io/demo:v9".into())
        .unwrap();
    daemon.pass(11 * 60 + 30).await;
    assert_eq!(daemon.image("a-web"), "registry.fly.io/demo:v1");
    let ip = daemon.world.sim.ips("a-web").remove(0);
    daemon.world.sim.release_ip("a-web", &ip.ip).unwrap();
    daemon.pass(60 * 60).await;
    assert_eq!(daemon.world.sim.ips("a-web"), []);
    daemon.pass(80 * 60).await;
    assert_eq!(daemon.world.sim.ips("a-web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_fleet_costs_three_listings_a_resync_however_many_environments_it_has() {
    for names in [&["a"][..], &["a", "b", "c", "d", "e", "f", "g", "h"][..]] {
        let daemon = settled(names, "resync: 10m\ndeepResync: 30d").await;
        daemon.pass(100 * 60).await;
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for request in daemon.world.sim.requests() {
            *counts.entry(format!("{} {}", request.method, request.path)).or_default() += 1;
        }
        let rounds = counts["GET /v1/apps"];
        assert!((9..=11).contains(&rounds), "{counts:?}");
        let listings = ["GET /v1/apps", "GET /v1/orgs/acme/machines", "GET /v1/orgs/acme/volumes"];
        let expected = listings.into_iter().map(|listing| (listing.to_owned(), rounds)).collect();
        assert_eq!(counts, expected, "{} environments", names.len());
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_deep_period_every_environment_is_read_closely_once() {
    let daemon = settled(&["a", "b", "c"], "resync: 10m\ndeepResync: 3h").await;
    daemon.pass(4 * 3600 - 720).await;
    for name in ["a", "b", "c"] {
        let requests = daemon.world.sim.requests();
        let path = format!("/v1/apps/{name}-web/machines");
        assert_eq!(requests.iter().filter(|request| request.path == path).count(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_fails_is_tried_less_and_less_and_delays_no_other() {
    let mut daemon = settled(&["good"], "").await;
    let refused = FaultKind::StatusBefore { status: 422, body: r#"{"error":"invalid config"}"#.to_owned() };
    daemon.world.sim.inject(Fault::always(Matcher::new(Method::Post, "/v1/apps/bad-web/machines"), refused));
    let began = daemon.now();
    daemon.world.put("bad.yaml", &small("bad"));
    daemon.publish();
    daemon.pass(3600).await;
    let tries: Vec<i64> = daemon.writes_to("/bad-web/machines", began).into_iter().map(|(second, _)| second).collect();
    assert!((8..=16).contains(&tries.len()), "{tries:?}");
    let gaps: Vec<i64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[0] <= 8 && gaps.iter().all(|gap| *gap <= 620) && gaps[gaps.len() - 1] >= 290, "{gaps:?}");
    // In the midst of it, a change of the other one is as quick as ever.
    for version in 2..5 {
        let began = daemon.now();
        daemon.world.sim.clear_requests();
        daemon.world.edit("good.yaml", &format!("demo:v{}", version - 1), &format!("demo:v{version}"));
        daemon.publish();
        daemon.pass(10).await;
        let updated = daemon.writes_to("/good-web/machines", began);
        assert!(updated.iter().all(|(second, _)| *second <= 2) && updated.len() == 3, "{updated:?}");
        daemon.pass(40).await;
    }
    // A changed spec makes the failing one due at once.
    daemon.world.sim.clear_faults();
    daemon.world.edit("bad.yaml", "demo:v1", "demo:v2");
    daemon.publish();
    daemon.pass(10).await;
    assert_eq!(daemon.image("bad-web"), "registry.fly.io/demo:v2");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_waits_for_its_health_delays_no_other() {
    let mut daemon = settled(&["good"], "workers: 2").await;
    let checks = "web:\n  image: registry.fly.io/demo:unhealthy\n  services: [{internalPort: 80, ports: [{port: 80}], checks: [{type: http, path: /, interval: 15s, timeout: 2s}]}]";
    daemon.world.put("sick.yaml", &environment("sick", "", checks));
    daemon.publish();
    daemon.pass(20).await;
    assert_eq!(daemon.world.sim.machines("sick-web").len(), 1);
    let began = daemon.now();
    daemon.world.sim.clear_requests();
    daemon.world.edit("good.yaml", "demo:v1", "demo:v2");
    daemon.publish();
    daemon.pass(10).await;
    let updated = daemon.writes_to("/good-web/machines", began);
    assert!(updated.len() == 3 && updated.iter().all(|(second, _)| *second <= 2), "{updated:?}");
}

/// Somebody who sets a machine's `team` to `red` whenever the daemon is about to look at it.
#[derive(Debug)]
struct Opponent {
    inner: SharedTransport,
    acts: Mutex<usize>,
}

#[async_trait::async_trait]
impl Transport for Opponent {
    async fn send(&self, request: http::Request) -> Result<http::Response, TransportError> {
        if request.method == Method::Get && request.url.ends_with("/v1/apps/a-web/machines") {
            let answer = self.inner.send(request.clone()).await?;
            let machines: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            if let Some(id) = machines.pointer("/0/id").and_then(serde_json::Value::as_str) {
                *self.acts.lock().unwrap() += 1;
                let url = format!("{}/{id}/metadata/team", request.url);
                let body = serde_json::json!({"value": "red"}).to_string().into();
                let headers = request.headers.clone();
                let change = http::Request { method: Method::Post, url, body, headers, timeout: request.timeout };
                self.inner.send(change).await?;
            }
        }
        self.inner.send(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changes_back_again_and_again_is_not_fought_without_end() {
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER)], {
        let config = SimConfig { rate_limits: false, ..SimConfig::default() };
        config.with_org("acme", "sim_acme_token")
    });
    world.put("a.yaml", &environment("a", "", "web: {image: 'registry.fly.io/demo:v1', metadata: {team: blue}}"));
    let opponent = Arc::new(Opponent { inner: world.sim.transport(), acts: Mutex::default() });
    let observer = Arc::<Recorder>::clone(&world.recorder);
    let daemon = Running::start_with(world, Arc::<Opponent>::clone(&opponent), observer);
    daemon.pass(3600).await;
    let marks = daemon.writes_to("/metadata", daemon.now()).into_iter().filter(|(_, write)| write.starts_with("PATCH"));
    let marks = marks.count();
    assert!((20..50).contains(&marks), "{marks} marks in an hour");
    assert!(*opponent.acts.lock().unwrap() >= marks);
}

#[tokio::test(start_paused = true)]
async fn an_environment_whose_file_is_removed_goes_after_grace() {
    let mut daemon = settled(&["a", "b"], "").await;
    let began = daemon.now();
    daemon.world.remove("a.yaml");
    daemon.publish();
    daemon.pass(290).await;
    assert_eq!(daemon.world.app_names(), ["a-web", "b-web"]);
    daemon.pass(30).await;
    assert_eq!(daemon.world.app_names(), ["b-web"]);
    let writes = daemon.writes_to("a-web", began);
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert!(writes[0].0 <= 2 && (300..=305).contains(&writes[1].0), "{writes:?}");
    daemon.pass(3600).await;
    assert_eq!(daemon.writes_to("", began).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_no_spec_asks_for_is_found_at_the_start_and_while_it_runs() {
    let mut world = world_of(&["a", "b", "c"]);
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    // One has no file when the daemon starts, and one comes to light later: its marker was damaged for a while.
    world.remove("a.yaml");
    world.remove("b.yaml");
    let hidden = world.only_machine("b-web").id;
    world.edit_metadata("b-web", &hidden, &[("hangar_env", None)]);
    let daemon = Running::start(world);
    daemon.pass(310).await;
    assert_eq!(daemon.world.app_names(), ["b-web", "c-web"]);
    daemon.world.edit_metadata("b-web", &hidden, &[("hangar_env", Some("b"))]);
    daemon.pass(11 * 60 + 310).await;
    assert_eq!(daemon.world.app_names(), ["c-web"]);
}

#[tokio::test(start_paused = true)]
async fn where_no_spec_is_left_what_is_there_is_held_for_days_and_told_once_more_after_a_restart() {
    let mut daemon = settled(&["a"], "").await;
    daemon.world.remove("a.yaml");
    daemon.publish();
    daemon.pass(3 * 24 * 3600).await;
    let marks = daemon.writes_to("", daemon.now());
    assert_eq!(marks.len(), 1, "the mark that it is held: {marks:?}");
    daemon.stop.request(StopReason::Stopping);
    let Running { world, task, .. } = daemon;
    task.await.unwrap().unwrap();
    let daemon = Running::start(world);
    daemon.pass(3600).await;
    assert_eq!(daemon.writes_to("", daemon.now()).len(), 1);
    assert_eq!(daemon.world.app_names(), ["a-web"]);
    let told = daemon.world.recorder.events().into_iter().rev().find_map(|event| match event.what {
        What::Finished { message: Some(message), .. } => Some(message),
        _ => None,
    });
    assert!(told.unwrap().contains("hangar gc --acknowledge"));
}

#[tokio::test(start_paused = true)]
async fn an_environment_goes_when_its_time_is_over_and_not_at_the_next_resync() {
    let mut daemon = settled(&["b"], "resync: 1h").await;
    let ends = daemon.now() + chrono::TimeDelta::minutes(50);
    let expires = format!("expiresAt: '{}'", ends.format("%Y-%m-%dT%H:%M:%SZ"));
    daemon.world.put("a.yaml", &environment("a", &expires, "web: {image: 'registry.fly.io/demo:v1'}"));
    daemon.publish();
    daemon.pass(60).await;
    daemon.world.sim.clear_requests();
    daemon.pass(3600).await;
    let writes = daemon.writes_to("a-web", ends);
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert!((0..=2).contains(&writes[0].0) && (300..=305).contains(&writes[1].0), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_opens_as_soon_as_what_it_waits_for_is_converged() {
    let mut world = world_of(&[]);
    world.put("hangar.yaml", &settings("resync: 1h"));
    world.put("staging.yaml", &environment("staging", "", "web: {image: 'registry.fly.io/demo:slow'}"));
    world.put(
        "demo.yaml",
        &environment("demo", "requires: {environments: [staging]}", "web: {image: 'registry.fly.io/demo:v1'}"),
    );
    let daemon = Running::start(world);
    let began = daemon.now();
    daemon.pass(60).await;
    let first = |app: &str| daemon.writes_to(app, began)[0].0;
    let started = first("/demo-web");
    assert!((20..=30).contains(&started), "staging boots in 20 s, and then: {started}");
}

#[tokio::test(start_paused = true)]
async fn specs_that_cannot_be_read_leave_the_last_good_ones_in_force_and_nothing_is_collected() {
    let mut daemon = settled(&["a", "b"], "").await;
    daemon.world.remove("a.yaml");
    daemon.publish();
    daemon.pass(60).await;
    daemon.break_source();
    daemon.pass(3600).await;
    assert_eq!(daemon.world.app_names(), ["a-web", "b-web"]);
    // What is wanted is still kept up.
    let id = daemon.world.only_machine("b-web").id;
    daemon.world.sim.delete_machine("b-web", &id).unwrap();
    daemon.pass(700).await;
    assert_eq!(daemon.world.sim.machines("b-web").len(), 1);
    // A file with an error is the same, and names the problem.
    daemon.world.put("b.yaml", "apiVersion: hangar/v1\nkind: Enviroment\n");
    daemon.publish();
    daemon.pass(3600).await;
    assert_eq!(daemon.world.app_names(), ["a-web", "b-web"]);
    daemon.world.put("b.yaml", &small("b"));
    daemon.publish();
    daemon.pass(20).await;
    assert_eq!(daemon.world.app_names(), ["b-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nothing_announces_is_read_after_a_resync() {
    let mut daemon = settled(&["a"], "resync: 10m").await;
    daemon.world.edit("a.yaml", "demo:v1", "demo:v2");
    *daemon.source.now.lock().unwrap() = Some(daemon.world.snapshot());
    daemon.pass(11 * 60).await;
    assert_eq!(daemon.image("a-web"), "registry.fly.io/demo:v2");
}

#[tokio::test(start_paused = true)]
async fn an_organization_without_a_token_keeps_only_its_own_environments_waiting() {
    let mut daemon = settled(&["a"], "").await;
    let elsewhere = CONTROLLER.replace(
        "{acme: {token: {fromEnv: FLY_API_TOKEN}}}",
        "{acme: {token: {fromEnv: FLY_API_TOKEN}}, other: {token: {fromEnv: NOWHERE}}}",
    );
    daemon.world.put("hangar.yaml", &elsewhere);
    daemon.world.put("b.yaml", &small("b").replace("org: acme", "org: other"));
    daemon.world.edit("a.yaml", "demo:v1", "demo:v2");
    daemon.publish();
    daemon.pass(20).await;
    assert_eq!(daemon.image("a-web"), "registry.fly.io/demo:v2");
    let told = daemon.world.recorder.events().into_iter().any(
        |event| matches!(&event.what, What::Finished { message: Some(message), .. } if message.contains("NOWHERE")),
    );
    assert!(told);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_the_step_under_way_and_begins_no_other() {
    let mut world = world_of(&["a"]);
    world.edit("a.yaml", "web: {", "web: {count: 3, ");
    let mut daemon = Running::start(world);
    daemon.pass(30).await;
    daemon.world.edit("a.yaml", "demo:v1", "demo:slow");
    daemon.publish();
    daemon.pass(3).await;
    let asked = daemon.now();
    daemon.world.sim.clear_requests();
    daemon.stop.request(StopReason::Stopping);
    let Running { world, task, .. } = daemon;
    task.await.unwrap().unwrap();
    let took = (world.clock.now() - asked).num_seconds();
    assert!(took <= 30, "{took}");
    let mut versions: Vec<usize> = world.sim.machines("a-web").iter().map(|machine| machine.versions).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 1, 2]);
    let begun: Vec<RequestRecord> =
        world.sim.requests().into_iter().filter(|request| !request.is_read() && request.method == "POST").collect();
    assert!(begun.is_empty(), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn stopping_abandons_what_does_not_end_in_time() {
    let daemon = Running::start(world_of(&["a"]));
    daemon.world.sim.inject(Fault::always(Matcher::any(), FaultKind::TimeoutBefore));
    daemon.pass(5).await;
    let asked = daemon.now();
    daemon.stop.request(StopReason::Stopping);
    daemon.task.await.unwrap().unwrap();
    assert!((daemon.world.clock.now() - asked).num_seconds() <= 30);
}

/// Panics at everything that happens in `bad`, while it is told to.
#[derive(Debug)]
struct Nervous(Mutex<bool>);

impl Observer for Nervous {
    fn observe(&self, event: &Event) {
        let is_nervous = *self.0.lock().unwrap();
        assert!(!(is_nervous && event.env.as_str() == "bad"), "an observer that panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_environment_ends_neither_the_loop_nor_the_others() {
    let world = world_of(&["bad", "good"]);
    let (transport, observer) = (world.sim.transport(), Arc::new(Nervous(Mutex::new(true))));
    let daemon = Running::start_with(world, transport, Arc::<Nervous>::clone(&observer));
    daemon.pass(20).await;
    assert_eq!(daemon.world.app_names(), ["good-web"]);
    daemon.pass(300).await;
    *observer.0.lock().unwrap() = false;
    daemon.pass(600).await;
    assert_eq!(daemon.world.app_names(), ["bad-web", "good-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_midst_of_a_round_puts_its_environments_back() {
    let world = world_of(&["a", "b"]);
    let meddler = Meddler::before(&world, Method::Get, "/v1/apps?org_slug=acme", || panic!("a transport that panics"));
    let observer = Arc::<Recorder>::clone(&world.recorder);
    let daemon = Running::start_with(world, Arc::<Meddler>::clone(&meddler), observer);
    daemon.pass(60).await;
    assert!(meddler.has_acted());
    assert_eq!(daemon.world.app_names(), ["a-web", "b-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_comes_is_in_force_for_all_at_once() {
    let mut daemon = settled(&["a", "b"], "").await;
    daemon.world.put("policy.yaml", &policy("{protected: ['*']}"));
    daemon.publish();
    daemon.pass(20).await;
    for app in ["a-web", "b-web"] {
        assert_eq!(daemon.world.only_machine(app).metadata("hangar_protect"), Some("true"));
    }
}

#[tokio::test(start_paused = true)]
async fn rounds_side_by_side_write_to_one_project_one_after_the_other() {
    let mut config = SimConfig::default();
    config.neon_times.operation = seconds(5);
    let mut running = Running::start(crate::neon::world_on(config, ""));
    running.pass(300).await;
    let neon = "neon: {project: quiet-sun-123456, branches: {main: {}}}";
    for name in ["one", "two", "three"] {
        running.world.put(&format!("{name}.yaml"), &environment(name, neon, ""));
        running.publish();
        // The round before is still at work.
        running.pass(1).await;
    }
    running.pass(120).await;
    for name in ["demo", "one", "two", "three"] {
        assert!(running.world.branch(&format!("{name}-main")).is_some(), "{name}");
    }
    let requests = running.world.sim.requests();
    assert!(requests.iter().all(|request| request.status != Some(423)), "Neon was busy with another write of ours");
}
