//! Previews that go to sleep when nothing happens in them: what is stopped, when, and what wakes it.

use chrono::{DateTime, TimeDelta, Utc};
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::report::{self, PreviewNews, PreviewPhase, RequestCount, Style};

use crate::daemon::Running;
use crate::support::{CONTROLLER, Meddler, notices, seconds, small};
use crate::world::World;

const HOUR: u64 = 3600;

/// Previews of a server that requests reach, a quiet one that they must not wake, and a worker without services.
const APPS: &str = "web:
  image: 'registry.fly.io/demo:${{ head.shortSha }}'
  services:
    - internalPort: 8080
      ports: [{port: 443, handlers: [http, tls]}]
      checks: [{type: http, path: /, interval: 15s, timeout: 2s}]
quiet:
  image: 'registry.fly.io/demo:v1'
  services: [{internalPort: 8080, autostart: false, ports: [{port: 443, handlers: [http, tls]}]}]
worker: {image: 'registry.fly.io/demo:v1', memory: 4GB, cpu: {kind: shared, count: 2}}";

fn set(sleep: &str, apps: &str) -> String {
    let apps: String = apps.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: chat}}
spec:
  source: {{github: {{repo: acme/chat, pullRequests: {{}}}}}}
  sleep: {sleep}
  template:
    metadata: {{name: 'pr-${{{{ pr.number }}}}'}}
    spec:
      fly:
        org: acme
        region: iad
        apps:
{apps}"
    )
}

async fn awake(sleep: &str, apps: &str) -> World {
    let set = set(sleep, apps);
    let mut world = World::with(&[("hangar.yaml", CONTROLLER), ("other.yaml", &small("other")), ("set.yaml", &set)]);
    let now = world.clock.now();
    push(&mut world, "aaaaaaaaaaaaaaa", now);
    world.converge().await;
    world
}

/// The same, asleep.
async fn asleep(sleep: &str, apps: &str) -> World {
    let mut world = awake(sleep, apps).await;
    world.pass_time(seconds(2 * HOUR)).await;
    world.converge().await;
    world
}

fn push(world: &mut World, sha: &str, active_at: DateTime<Utc>) {
    let began: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
    let pull = PullRequest {
        number: 1,
        title: String::new(),
        author: "ada".into(),
        labels: vec![],
        is_draft: false,
        is_fork: false,
        branch: "change".into(),
        sha: sha.into(),
        base: "main".into(),
        url: "https://github.com/acme/chat/pull/1".into(),
        created_at: began,
        active_at,
        head_at: None,
        closed_at: None,
        files: None,
        orders: vec![],
        approvals: std::collections::BTreeMap::new(),
    };
    let listing = RepoListing { pulls: vec![pull], branches: vec![], completeness: Completeness::Complete };
    world.repos.insert("acme/chat".parse().unwrap(), listing);
}

/// The state of the machines of the preview: web, quiet, worker.
fn states(world: &World) -> [String; 3] {
    ["web", "quiet", "worker"].map(|name| world.only_machine(&format!("pr-1-{name}")).state)
}

#[tokio::test(start_paused = true)]
async fn in_a_day_without_a_push_each_machine_is_stopped_once_and_nothing_more_is_written() {
    let mut world = awake("{after: 2h}", APPS).await;
    let ids = ["quiet", "web", "worker"].map(|name| (name, world.only_machine(&format!("pr-1-{name}")).id));
    let mut log = Vec::new();
    for hour in 1..=24 {
        world.pass_time(seconds(HOUR)).await;
        world.sim.clear_requests();
        let outcome = world.reconcile().await;
        world.assert_converged(&outcome);
        log.extend(world.writes().into_iter().map(|write| format!("{hour}h {write}")));
    }
    log.sort();
    let mut expected: Vec<String> = ids
        .iter()
        .flat_map(|(name, id)| {
            let machine = format!("/v1/apps/pr-1-{name}/machines/{id}");
            [
                format!("2h POST {machine}/lease"),
                format!("2h POST {machine}/stop"),
                format!("2h DELETE {machine}/lease"),
            ]
        })
        .collect();
    expected.sort();
    assert_eq!(log, expected);
    assert_eq!(states(&world), ["stopped", "stopped", "stopped"]);
    assert_eq!(world.only_machine("other-web").state, "started");
}

#[tokio::test(start_paused = true)]
async fn a_request_wakes_what_it_reaches_for_as_long_again_and_nothing_else() {
    let mut world = asleep("{after: 2h}", APPS).await;
    let web = world.only_machine("pr-1-web");
    assert_eq!(web.config["services"][0]["autostart"], true);
    assert_eq!(world.only_machine("pr-1-quiet").config["services"][0]["autostart"], false);
    world.sim.traffic("pr-1-web", 1).unwrap();
    world.sim.traffic("pr-1-quiet", 1).unwrap();
    world.pass_time(seconds(10)).await;
    assert_eq!(states(&world), ["started", "stopped", "stopped"]);
    for _ in 0..7 {
        let outcome = world.reconcile_without_writes().await;
        world.assert_converged(&outcome);
        world.pass_time(seconds(HOUR / 4)).await;
    }
    assert_eq!(states(&world), ["started", "stopped", "stopped"]);
    world.pass_time(seconds(HOUR / 4)).await;
    let writes = world.reconcile_writing().await;
    assert!(writes.len() == 3 && writes[1] == format!("POST /v1/apps/pr-1-web/machines/{}/stop", web.id), "{writes:?}");
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_push_wakes_all_and_what_is_new_is_waited_for() {
    let mut world = asleep("{after: 2h}", APPS).await;
    let now = world.clock.now();
    push(&mut world, "bbbbbbbbbbbbbbb", now);
    let outcome = world.reconcile().await;
    world.assert_converged(&outcome);
    assert_eq!(states(&world), ["started", "started", "started"]);
    assert_eq!(world.only_machine("pr-1-web").config["image"], "registry.fly.io/demo:bbbbbbb");
    world.reconcile_without_writes().await;
    world.pass_time(seconds(2 * HOUR)).await;
    world.reconcile().await;
    assert_eq!(states(&world), ["stopped", "stopped", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_reaches_what_sleeps_and_wakes_nothing() {
    let mut world = asleep("{after: 2h}", APPS).await;
    let worker = world.only_machine("pr-1-worker");
    world.edit("set.yaml", "worker: {", "worker: {env: {MORE: 'yes'}, ");
    let outcome = world.reconcile().await;
    world.assert_converged(&outcome);
    let after = world.only_machine("pr-1-worker");
    assert_eq!((after.id, after.config["env"]["MORE"].as_str()), (worker.id, Some("yes")));
    assert_eq!(states(&world), ["stopped", "stopped", "stopped"]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn suspending_keeps_memory_where_fly_allows_it_and_stops_the_rest() {
    let mut world = asleep("{after: 2h, mode: suspend}", APPS).await;
    assert_eq!(states(&world), ["suspended", "suspended", "stopped"]);
    world.sim.traffic("pr-1-web", 1).unwrap();
    world.pass_time(seconds(10)).await;
    assert_eq!(states(&world), ["started", "suspended", "stopped"]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_fly_stops_by_itself_is_left_to_fly() {
    let autostop = "web: {image: 'registry.fly.io/demo:v1', services: [{internalPort: 80, ports: [{port: 80}], autostop: stop, autostart: true}]}";
    let mut world = awake("{after: 2h}", autostop).await;
    world.pass_time(seconds(5 * HOUR)).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.only_machine("pr-1-web").state, "started");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_another_deployment_holds_or_has_changed_is_not_stopped_on_an_old_plan() {
    let mut world = awake("{after: 2h}", APPS).await;
    world.pass_time(seconds(2 * HOUR)).await;
    let (sim, id) = (world.sim.clone(), world.only_machine("pr-1-worker").id);
    let changed = id.clone();
    let meddler = Meddler::before(&world, Method::Post, "/lease", move || {
        sim.edit_machine_config("pr-1-worker", &changed, |config| config["env"]["BY"] = "hand".into()).unwrap();
    });
    world.reconcile_through(&meddler).await;
    assert!(meddler.has_acted());
    let requests = world.sim.requests();
    let leases =
        requests.iter().filter(|request| request.method == "POST" && request.path.ends_with(&format!("{id}/lease")));
    assert!(leases.count() >= 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_told_that_it_sleeps_and_what_wakes_it() {
    for (apps, waker) in [(APPS, "a request or a push"), ("web: {image: 'registry.fly.io/demo:v1'}", "a push")] {
        let mut world = asleep("{after: 2h}", apps).await;
        let planned = world.diff().await;
        assert_eq!(notices(&planned.plan), [Reason::Asleep]);
        let said = format!("asleep, because nothing was pushed for 2h until 2026-03-01 14:00 UTC; {waker} wakes it");
        assert_eq!(planned.plan.notices[0].message, said);
        let all = report::status_of(&world.load().fleet, &planned.plan, &planned.observed, world.clock.now());
        let text = report::status_text(&all, world.clock.now(), &Style::default(), RequestCount::default());
        assert!(text.contains("asleep, because") && !text.contains("not healthy"), "{text}");
        let status = all.iter().find(|status| status.name.as_str() == "pr-1");
        let name = "pr-1".into();
        let news = PreviewNews {
            name: &name,
            sha: "aaaaaaaaaaaaaaa",
            cost: None,
            phase: PreviewPhase::Ready,
            status,
            problems: &[],
            notes: &[],
            advice: None,
        };
        let comment = report::preview_comment(&news);
        assert!(comment.contains(&format!("{waker} wakes it")), "{comment}");
        // Awake, nobody says so.
        let now = world.clock.now() + TimeDelta::seconds(1);
        push(&mut world, "aaaaaaaaaaaaaaa", now);
        let plan = world.reconcile().await.last.plan;
        assert_eq!(notices(&plan), []);
    }
}

#[tokio::test(start_paused = true)]
async fn the_daemon_stops_it_in_time_and_then_leaves_it_alone() {
    let daemon = Running::start(awake("{after: 2h}", APPS).await);
    daemon.pass(2 * HOUR - 60).await;
    assert_eq!(states(&daemon.world), ["started", "started", "started"]);
    daemon.pass(120).await;
    assert_eq!(states(&daemon.world), ["stopped", "stopped", "stopped"]);
    daemon.world.sim.clear_requests();
    daemon.pass(10 * HOUR).await;
    assert_eq!(daemon.world.writes(), Vec::<String>::new());
    // Woken by a request, it is stopped in time again.
    daemon.world.sim.traffic("pr-1-web", 1).unwrap();
    daemon.pass(2 * HOUR - 60).await;
    assert_eq!(states(&daemon.world), ["started", "stopped", "stopped"]);
    daemon.pass(180).await;
    assert_eq!(states(&daemon.world), ["stopped", "stopped", "stopped"]);
}
