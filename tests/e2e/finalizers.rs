//! What is run before anything of an environment is deleted: in what order, how long it is waited for, and when it is not run at all.

use chrono::{DateTime, TimeDelta, Utc};
use hangar::controller::{Outcome, Verdict};
use hangar::desired::Completeness;
use hangar::http::transport::Method;
use hangar::plan::{Purpose, Reason, Request};
use hangar::report::{self, Collection, PreviewNews, PreviewPhase, RequestCount, Style};
use hangar::sim::{CrashPoint, Fault, FaultKind, MachineView, Matcher};
use serde_json::json;

use crate::daemon::Running;
use crate::support::{GRACE, QUARANTINE, created, deletes, environment, notices, policy, seconds, withheld};
use crate::world::World;

const APPS: &str = "db:
  image: 'registry.fly.io/db:v1'
  env: {KEEP: all}
  memory: 512MB
  command: serve
  files: [{path: /etc/dump.conf, content: x}]
  volumes: {data: {mount: /data}}
  services: [{internalPort: 5432, ports: [{port: 5432}]}]
web: {image: 'registry.fly.io/demo:v1'}";

const DUMP: &str = "{name: dump, component: db, command: [/bin/dump, --to, 's3://${{ env.name }}'], timeout: 2m}";
const NOTIFY: &str = "{name: notify, component: web, command: /bin/notify, timeout: 3m}";

fn demo(finalizers: &str) -> String {
    environment("demo", &format!("finalizers: [{finalizers}]"), APPS)
}

/// `demo` with these finalizers and `other`, created, and nothing of them in quarantine.
async fn living(finalizers: &str) -> World {
    let mut world = created(&["other"]).await;
    world.put("demo.yaml", &demo(finalizers));
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world
}

/// The same, whose `demo` nobody wants any more, and whose grace is over: the next pass would delete it.
async fn doomed(finalizers: &str) -> World {
    let mut world = living(finalizers).await;
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world
}

/// The machine that a finalizer runs in.
fn job(world: &World, app: &str, name: &str) -> Option<MachineView> {
    let group = format!("finalizer-{name}/iad/0");
    let mut machines = world.sim.machines(app).into_iter();
    machines.find(|machine| machine.state != "destroyed" && machine.metadata("hangar_slot") == Some(&group))
}

fn end(world: &World, app: &str, name: &str, code: i32) {
    let job = job(world, app, name).unwrap_or_else(|| panic!("no job {name}: {:#?}", world.writes()));
    world.sim.crash_machine(app, &job.id, code, false).unwrap();
}

fn creations(world: &World) -> Vec<String> {
    world.writes().into_iter().filter(|write| write.ends_with("/machines") && write.starts_with("POST")).collect()
}

fn said(world: &World) -> String {
    format!("{:?}", world.recorder.events())
}

async fn destroy(world: &mut World) -> Outcome {
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_before_the_command_has_ended_which_runs_beside_the_machines_of_its_component() {
    let mut world = doomed(DUMP).await;
    let db = world.only_machine("demo-db");
    let outcome = world.run_for(seconds(30)).await;
    assert_eq!(outcome.worst(), Verdict::Waiting);
    assert_eq!(withheld(&outcome.last.plan), [Reason::Finalizing]);
    assert_eq!(
        world.writes(),
        [format!("PATCH /v1/apps/demo-db/machines/{}/metadata", db.id), "POST /v1/apps/demo-db/machines".to_owned()]
    );
    let job = job(&world, "demo-db", "dump").unwrap();
    let config = &job.config;
    assert_eq!(job.name, "finalizer-dump-iad-0");
    assert_eq!(job.state, "started");
    assert_eq!(config["init"]["cmd"], json!(["/bin/dump", "--to", "s3://demo"]));
    assert_eq!(config["restart"]["policy"], "no");
    assert_eq!((&config["image"], &config["env"]), (&db.config["image"], &db.config["env"]));
    assert_eq!((&config["guest"], &config["files"]), (&db.config["guest"], &db.config["files"]));
    for left_out in ["services", "mounts", "checks"] {
        assert!(
            config.get(left_out).is_none_or(|value| value.is_null() || *value == json!([])),
            "{left_out}: {config}"
        );
    }
    assert_eq!((job.metadata("hangar_env"), job.metadata("hangar_finalizers")), (Some("demo"), None));
    world.sim.clear_requests();
    end(&world, "demo-db", "dump", 0);
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan);
    assert_eq!(world.app_names(), ["other-web"]);
    assert_eq!(
        world.writes(),
        [
            format!("PATCH /v1/apps/demo-db/machines/{}/metadata", db.id),
            "DELETE /v1/apps/demo-db".to_owned(),
            "DELETE /v1/apps/demo-web".to_owned(),
        ]
    );
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_is_told_with_its_exit_code_and_the_deletion_goes_on() {
    let mut world = doomed(DUMP).await;
    world.run_for(seconds(30)).await;
    let dumped = job(&world, "demo-db", "dump").unwrap();
    end(&world, "demo-db", "dump", 3);
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
    let events = said(&world);
    assert!(events.contains("finalizer `dump` failed: it exited with code 3 at 2026-03-01"), "{events}");
    // What is noted says so to whoever comes later, too.
    let mut world = doomed(DUMP).await;
    let id = world.only_machine("demo-db").id;
    let now = world.clock.now().timestamp().to_string();
    let marks = [("hangar_finalizing", Some(now.as_str())), ("hangar_finalized", Some("dump=3"))];
    world.edit_metadata("demo-db", &id, &marks);
    let plan = world.diff().await.plan;
    assert_eq!(notices(&plan), [Reason::FinalizerFailed]);
    assert!(plan.notices[0].message.contains("code 3"), "{:?}", plan.notices);
    assert_ne!(dumped.id, id);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_given_up_when_its_time_is_over() {
    let mut world = doomed(DUMP).await;
    let began = world.clock.now();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan);
    assert_eq!(world.app_names(), ["other-web"]);
    assert!((120..=140).contains(&first_deletion(&world, began)), "{}", first_deletion(&world, began));
    assert_eq!(creations(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_machine_cannot_be_created_does_not_keep_anything_for_ever() {
    for body in [
        r#"{"error":"no capacity","status":"insufficient_capacity"}"#,
        r#"{"error":"MANIFEST_UNKNOWN: manifest unknown"}"#,
    ] {
        let mut world = doomed(DUMP).await;
        let refusal = FaultKind::StatusBefore { status: 422, body: body.to_owned() };
        world.sim.inject(Fault::always(Matcher::new(Method::Post, "/v1/apps/demo-db/machines"), refusal));
        let began = world.clock.now();
        let outcome = world.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
        assert_eq!(world.app_names(), ["other-web"]);
        assert!((120..=140).contains(&first_deletion(&world, began)), "{}", first_deletion(&world, began));
    }
}

#[tokio::test(start_paused = true)]
async fn several_run_one_after_the_other_in_the_order_of_the_spec() {
    let mut world = doomed(&format!("{NOTIFY}, {DUMP}")).await;
    world.run_for(seconds(30)).await;
    assert_eq!(creations(&world), ["POST /v1/apps/demo-web/machines"]);
    end(&world, "demo-web", "notify", 0);
    world.run_for(seconds(30)).await;
    assert_eq!(creations(&world), ["POST /v1/apps/demo-web/machines", "POST /v1/apps/demo-db/machines"]);
    assert_eq!(deletes(&world), Vec::<String>::new());
    // Its time counts from the end of the time of those before it.
    let machines = world.sim.machines("demo-db");
    let mark = machines.iter().find_map(|machine| machine.metadata("hangar_finalizing")).unwrap();
    let since = DateTime::from_timestamp(mark.parse().unwrap(), 0).unwrap();
    world.pass_time((since + TimeDelta::seconds(295) - world.clock.now()).to_std().unwrap()).await;
    world.run_for(seconds(1)).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    world.pass_time(seconds(10)).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_meanwhile_stays_as_it_was_and_only_the_command_goes() {
    let mut world = doomed(DUMP).await;
    let before = world.only_machine("demo-db");
    world.run_for(seconds(30)).await;
    let job = job(&world, "demo-db", "dump").unwrap();
    world.put("demo.yaml", &demo(DUMP));
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan);
    let after = world.only_machine("demo-db");
    assert_eq!((&after.id, after.versions), (&before.id, before.versions));
    assert_eq!((after.metadata("hangar_finalizing"), after.metadata("hangar_tombstone")), (None, None));
    assert_eq!(world.app_names(), ["demo-db", "demo-web", "other-web"]);
    let machines = world.writes().into_iter().filter(|write| write.contains("/machines/"));
    let others: Vec<String> =
        machines.filter(|write| !write.ends_with("/metadata") && !write.contains(&job.id)).collect();
    assert_eq!(others, Vec::<String>::new());
    world.reconcile_without_writes().await;
    // At its next end it is run again.
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.run_for(seconds(30)).await;
    end(&world, "demo-db", "dump", 0);
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_destroys_an_environment_has_it_run_too_with_its_spec_or_without() {
    for with_spec in [true, false] {
        let mut world = living(DUMP).await;
        if !with_spec {
            world.remove("demo.yaml");
        }
        world.sim.clear_requests();
        let began = world.clock.now();
        let outcome = destroy(&mut world).await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan);
        assert_eq!(world.app_names(), ["other-web"]);
        assert_eq!(creations(&world), ["POST /v1/apps/demo-db/machines"]);
        assert!((120..=140).contains(&first_deletion(&world, began)), "{}", first_deletion(&world, began));
    }
}

#[tokio::test(start_paused = true)]
async fn neither_a_crash_anywhere_nor_an_empty_store_runs_it_twice_or_gives_it_more_time() {
    let mut count = 1;
    loop {
        let mut is_over = true;
        for point in [CrashPoint::BeforeEffect, CrashPoint::BeforeReply] {
            let mut world = doomed(DUMP).await;
            let began = world.clock.now();
            world.sim.kill_after_writes(count, point);
            world.run_for(seconds(60)).await;
            is_over &= !world.sim.is_dead();
            world.sim.revive();
            world.lose_store();
            let outcome = world.reconcile().await;
            assert_eq!(outcome.worst(), Verdict::Converged, "{count} {point:?} {:#?}", outcome.last.plan);
            assert_eq!(world.app_names(), ["other-web"], "{count} {point:?}");
            let made = |request: &&hangar::sim::RequestRecord| {
                request.method == "POST"
                    && request.path == "/v1/apps/demo-db/machines"
                    && request.status.is_some_and(|status| status < 300)
            };
            assert!(world.sim.requests().iter().filter(made).count() <= 1, "{count} {point:?} {:#?}", world.writes());
            let latest = if count == 1 { 120 + 60 + 130 + 20 } else { 60 + 130 + 20 };
            assert!(first_deletion(&world, began) <= latest, "{count} {point:?} {}", first_deletion(&world, began));
        }
        if is_over {
            break;
        }
        count += 1;
    }
    assert!(count > 2, "{count}");
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_not_run_again_although_its_machine_is_gone() {
    let mut world = doomed(&format!("{DUMP}, {NOTIFY}")).await;
    world.run_for(seconds(30)).await;
    end(&world, "demo-db", "dump", 0);
    world.run_for(seconds(30)).await;
    let dumped = job(&world, "demo-db", "dump").unwrap();
    world.sim.delete_machine("demo-db", &dumped.id).unwrap();
    end(&world, "demo-web", "notify", 0);
    world.lose_store();
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
    assert_eq!(creations(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_run_for_what_would_not_be_deleted() {
    // In grace, in quarantine, while something is incomplete, too many at once, protected.
    let mut world = living(DUMP).await;
    world.remove("demo.yaml");
    world.reconcile().await;
    let plan = world.reconcile().await.last.plan;
    assert_eq!(withheld(&plan), [Reason::Grace]);
    assert!(plan.withheld[0].message.contains("after running `dump`"), "{:?}", plan.withheld);
    assert_eq!(creations(&world).len(), 0);

    let mut world = doomed(DUMP).await;
    world.lose_store();
    world.run_for(seconds(100)).await;
    assert_eq!(world.writes(), Vec::<String>::new());

    let mut world = doomed(DUMP).await;
    world.completeness = Completeness::Incomplete { reason: "the forge does not answer".to_owned() };
    world.reconcile_without_writes().await;
    let mut world = doomed(DUMP).await;
    world.sim.inject(Fault::always(Matcher::new(Method::Get, "/v1/orgs/acme/machines"), FaultKind::unavailable()));
    world.reconcile_without_writes().await;

    let mut world = doomed(DUMP).await;
    world.put("policy.yaml", &policy("{deletionBudget: {maxDeletions: 0}}"));
    world.reconcile().await;
    assert_eq!(creations(&world).len(), 0);

    let mut world = doomed(DUMP).await;
    for app in ["demo-db", "demo-web"] {
        let id = world.only_machine(app).id;
        world.edit_metadata(app, &id, &[("hangar_protect", Some("true"))]);
    }
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn it_shows_in_a_diff() {
    let mut world = doomed(DUMP).await;
    let planned = world.diff().await;
    let steps: Vec<String> =
        planned.plan.steps.iter().map(|step| format!("{} {}: {}", step.action.name(), step.key, step.reason)).collect();
    assert_eq!(
        steps,
        ["mark machine app/iad/0 of demo-db: no spec asks for its environment: `dump` is run before it is deleted"]
    );
    let (fleet, now) = (world.load().fleet, world.clock.now());
    let collection = Collection::of(&planned.plan, Vec::new(), &fleet, &planned.observed, now, GRACE);
    let gc = report::gc_text(&collection, &Style::default(), RequestCount::default());
    assert!(gc.contains("Run now, deleted then") && gc.contains("1 to run before"), "{gc}");
}

#[tokio::test(start_paused = true)]
async fn status_and_comment_say_beforehand_what_is_run() {
    let mut world = living(&format!("{DUMP}, {NOTIFY}")).await;
    let planned = world.diff().await;
    let now = world.clock.now();
    let all = report::status_of(&world.load().fleet, &planned.plan, &planned.observed, now);
    let text = report::status_text(&all, now, &Style::default(), RequestCount::default());
    assert!(text.contains("runs dump and notify before it is deleted"), "{text}");
    let comment = report::preview_comment(&PreviewNews {
        name: &all[0].name,
        sha: "0123456789",
        cost: None,
        phase: PreviewPhase::Ready,
        status: Some(&all[0]),
        problems: &[],
        notes: &[],
        advice: None,
    });
    assert!(comment.contains("runs `dump` and `notify` before it is deleted"), "{comment}");
}

#[tokio::test(start_paused = true)]
async fn a_component_that_its_environment_no_longer_has_is_finalized_alone() {
    let mut world = living(DUMP).await;
    world.put("demo.yaml", &environment("demo", "", "web: {image: 'registry.fly.io/demo:v1'}"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.run_for(seconds(30)).await;
    end(&world, "demo-db", "dump", 0);
    world.reconcile().await;
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_environment_is_finalized_by_gc_alone() {
    let mut world = created(&["other"]).await;
    let spec = environment("demo", &format!("ttl: {{max: 1h}}\nfinalizers: [{DUMP}]"), APPS);
    world.put("demo.yaml", &spec);
    world.converge().await;
    world.pass_time(seconds(3600)).await;
    let collect = || Request { purpose: Purpose::Collect, ..Request::default() };
    world.run(collect()).await;
    world.pass_time(GRACE).await;
    let outcome = world.run(collect()).await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan);
    assert_eq!(world.app_names(), ["other-web"]);
    assert_eq!(creations(&world), ["POST /v1/apps/demo-db/machines"]);
}

#[tokio::test(start_paused = true)]
async fn the_daemon_runs_it_waits_for_its_end_and_goes_on() {
    let mut daemon = Running::start(living(DUMP).await);
    daemon.pass(QUARANTINE.as_secs()).await;
    daemon.world.remove("demo.yaml");
    daemon.publish();
    daemon.pass(GRACE.as_secs() + 60).await;
    let running = job(&daemon.world, "demo-db", "dump").unwrap();
    assert_eq!(running.state, "started");
    assert_eq!(daemon.world.app_names(), ["demo-db", "demo-web", "other-web"]);
    end(&daemon.world, "demo-db", "dump", 0);
    daemon.pass(60).await;
    assert_eq!(daemon.world.app_names(), ["other-web"]);
}

/// How many seconds after `began` the first app was deleted.
fn first_deletion(world: &World, began: DateTime<Utc>) -> i64 {
    let requests = world.sim.requests();
    let first = requests.iter().find(|request| request.method == "DELETE" && request.path.starts_with("/v1/apps/demo"));
    (first.unwrap().at - began).num_seconds()
}
