//! Machines that do not become healthy: found out early, said clearly, not tried without end.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use hangar::controller::{Outcome, Verdict};
use hangar::execute::Failure;
use hangar::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use hangar::plan::Reason;
use hangar::sim::{CrashPoint, Fault, FaultKind, Matcher};

use crate::given::{held, web};
use crate::world::World;

const CHECKED: &str = "checks: {up: {type: http, port: 8080, path: /, interval: 15s, timeout: 2s}}";

fn image(tag: &str, more: &str) -> String {
    web(&format!("image: registry.fly.io/demo:{tag}\n{more}"))
}

/// Reconciles, and returns the one failure and how long it took to find out.
async fn failure_of(world: &mut World) -> (Failure, TimeDelta) {
    let began = world.clock.now();
    let outcome = world.reconcile().await;
    (only_failure(&outcome), world.clock.now() - began)
}

fn only_failure(outcome: &Outcome) -> Failure {
    assert_eq!(outcome.worst(), Verdict::Failed, "{:#?}", outcome.failures);
    let failures = &outcome.failures[&"demo".into()];
    assert_eq!(failures.len(), 1, "{failures:#?}");
    failures[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_process_that_exits_is_found_out_at_once_and_its_exit_is_told() {
    for more in ["", CHECKED] {
        let mut world = World::of(&image("v1-crash", more));

        let (failure, took) = failure_of(&mut world).await;

        let id = world.only_machine("demo-web").id;
        assert_eq!(failure.reason, "Exited");
        assert!(
            failure.message.contains(&format!("machine {id} of app demo-web exited with code 1")),
            "{}",
            failure.message
        );
        assert!(
            failure.message.contains("last events: ") && failure.message.contains("exit (code 1)"),
            "{}",
            failure.message
        );
        assert!(failure.message.contains(&format!("fly logs -a demo-web -i {id}")), "{}", failure.message);
        assert!(!failure.transient);
        assert!(took < TimeDelta::seconds(30), "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_runs_out_of_memory_is_told_so() {
    let mut world = World::of(&image("v1-oom", ""));

    let (failure, took) = failure_of(&mut world).await;

    assert!(
        failure.message.contains("ran out of memory (exit code 137, killed by the kernel): raise `memory`"),
        "{}",
        failure.message
    );
    assert!(took < TimeDelta::seconds(30), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_well_and_should_not_end_is_told_too() {
    let mut world = World::of(&image("v1-oneshot", ""));

    let (failure, _) = failure_of(&mut world).await;

    assert!(failure.message.contains("exited with code 0"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn checks_that_do_not_pass_in_time_are_named() {
    let mut world = World::of(&image("v1-unhealthy", &format!("{CHECKED}\nhealth: {{timeout: 40s}}")));

    let (failure, took) = failure_of(&mut world).await;

    assert_eq!(failure.reason, "Unhealthy");
    assert!(
        failure
            .message
            .contains("runs, but only 0 of 1 checks pass (`up` says \"connect: connection refused\") after 40 s"),
        "{}",
        failure.message
    );
    assert!(took >= TimeDelta::seconds(40) && took < TimeDelta::seconds(55), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_boots_slowly_is_waited_for_as_long_as_the_spec_says() {
    let mut world = World::of(&image("v1-slow", CHECKED));
    world.converge().await;
    world.must_rest().await;

    let mut world = World::of(&image("v1-slow", &format!("{CHECKED}\nhealth: {{timeout: 10s}}")));
    let (failure, took) = failure_of(&mut world).await;
    assert!(failure.message.contains("is starting and has not started after 10 s"), "{}", failure.message);
    assert!(took < TimeDelta::seconds(20), "{took}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_only_after_a_growing_while() {
    let mut world = World::of(&image("v1", ""));
    world.converge().await;
    let before = world.only_machine("demo-web");
    world.respec(&image("v2-crash", ""));
    failure_of(&mut world).await;
    let versions = world.only_machine("demo-web").versions;
    assert_eq!(versions, before.versions + 1);

    // At once nothing is tried, and why is said.
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let held = held(&outcome.last);
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0].0, Reason::RolloutRejected);
    assert!(held[0].1.contains("was tried and failed") && held[0].1.contains("exited with code 1"), "{held:?}");

    // After a minute it is tried once, then after two.
    for minutes in [1_u64, 2, 4] {
        world.pass_time(Duration::from_secs(minutes * 60 - 30)).await;
        world.reconcile_without_writes().await;
        world.pass_time(Duration::from_secs(35)).await;
        let outcome = world.reconcile().await;
        assert!(only_failure(&outcome).message.contains("exited with code 1"));
    }

    // Another image is another matter.
    world.respec(&image("v3", ""));
    world.converge().await;
    let after = world.only_machine("demo-web");
    assert_eq!((after.id, after.state.as_str()), (before.id, "started"));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_image_from_before_is_brought_back_at_once() {
    let mut world = World::of(&image("v1", CHECKED));
    world.converge().await;
    world.respec(&image("v2-crash", CHECKED));
    failure_of(&mut world).await;

    world.respec(&image("v1", CHECKED));
    world.converge().await;

    let machine = world.only_machine("demo-web");
    assert_eq!(
        (machine.config["image"].as_str(), machine.state.as_str()),
        (Some("registry.fly.io/demo:v1"), "started")
    );
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_image_stops_at_the_first_of_several_machines() {
    let mut world = World::of(&image("v1", "count: 3"));
    world.converge().await;

    world.respec(&image("v2-crash", "count: 3"));
    failure_of(&mut world).await;

    let images: Vec<_> = world
        .sim
        .machines("demo-web")
        .into_iter()
        .map(|machine| machine.config["image"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(images.iter().filter(|image| image.ends_with("v2-crash")).count(), 1, "{images:?}");
    // Nor does a later run go on to the others.
    world.reconcile().await;
    let again = world
        .sim
        .machines("demo-web")
        .into_iter()
        .filter(|machine| machine.config["image"].as_str().unwrap().ends_with("v2-crash"));
    assert_eq!(again.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_pushed_a_moment_ago_is_waited_for() {
    let body = r#"{"error":"failed to get manifest registry.fly.io/demo:v1: request failed: not found [http 404]: {\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}"}"#;
    let mut world = World::of(&image("v1", ""));
    let fault = FaultKind::StatusBefore { status: 400, body: body.to_owned() };
    world.sim.inject(Fault::always(Matcher::new(Method::Post, "/v1/apps/demo-web/machines"), fault).times(3));

    let outcome = world.reconcile().await;

    world.assert_converged(&outcome);
    assert_eq!(world.sim.machines("demo-web").len(), 1);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_named() {
    let mut world = World::of(&image("v1", ""));
    world.converge().await;
    let before = world.only_machine("demo-web");
    world.respec(&image("v2-missing", ""));

    let (failure, took) = failure_of(&mut world).await;

    assert_eq!(failure.reason, "ManifestUnknown");
    assert!(failure.message.contains("app `demo-web`"), "{}", failure.message);
    assert!(
        failure.message.contains("the registry has no image `registry.fly.io/demo:v2-missing`"),
        "{}",
        failure.message
    );
    assert!(failure.message.contains("check `image` in the spec"), "{}", failure.message);
    assert!(failure.message.len() < 400, "{}", failure.message);
    // Long enough for an image that was just pushed, and only once.
    assert!(!failure.transient);
    assert!(took >= TimeDelta::seconds(10) && took < TimeDelta::seconds(25), "{took}");
    assert_eq!(world.only_machine("demo-web"), before, "what runs is left alone");
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_checks_fail_later_is_reported_and_not_touched() {
    let mut world = World::of(&image("v1", CHECKED));
    world.converge().await;
    let id = world.only_machine("demo-web").id;
    world.sim.crash_machine("demo-web", &id, 1, false).unwrap();
    world.pass_time(Duration::from_millis(1300)).await;

    // Fly starts it again by itself: that is waited for, and nothing is written.
    world.must_rest().await;
    assert_eq!(world.only_machine("demo-web").state, "started");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_keeps_exiting_is_not_called_converged_by_a_run_that_knows_nothing_of_it() {
    let mut world = World::of(&image("v1-crash", ""));
    world.reconcile().await;
    for _ in 0..4 {
        world.lose_store();
        let outcome = world.reconcile().await;
        assert_ne!(outcome.worst(), Verdict::Converged);
        world.pass_time(Duration::from_millis(700)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_on_only_behind_a_machine_that_is_healthy() {
    // A run is cut off right after its first machine has been given a bad image, and the next one has an empty store.
    let mut world = World::of(&image("v1", "count: 3"));
    world.converge().await;
    world.respec(&image("v2-crash", "count: 3"));
    world.sim.kill_after_writes(2, CrashPoint::BeforeReply);
    world.reconcile().await;
    world.sim.revive();
    world.lose_store();
    world.pass_time(Duration::from_secs(40)).await;

    for _ in 0..3 {
        world.reconcile().await;
    }

    let with_bad_image = |world: &World| {
        let machines = world.sim.machines("demo-web").into_iter();
        machines.filter(|machine| machine.config["image"].as_str().unwrap().ends_with("v2-crash")).count()
    };
    assert_eq!(with_bad_image(&world), 1);
    world.respec(&image("v3", "count: 3"));
    world.converge().await;
    assert_eq!(with_bad_image(&world), 0);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn another_secret_is_another_try() {
    let text = image("v1-crash", "secrets: {A: {fromEnv: VALUE}}");
    let mut world = World::of(&text);
    world.set("VALUE", "bad");
    failure_of(&mut world).await;
    world.reconcile_without_writes().await;

    // Perhaps it exited because of the secret: the new one is not held back by what the old one did.
    world.set("VALUE", "good");
    let written = world.reconcile_writing().await;

    assert_eq!(written.iter().filter(|line| line.ends_with("/secrets")).count(), 1, "{written:?}");
    assert!(written.iter().any(|line| line.ends_with("/lease")), "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_end_is_its_purpose_has_done_well_when_it_ends_well() {
    let mut world = World::of(&image("v1-oneshot", "restart: {policy: 'no'}"));
    world.converge().await;
    assert_eq!(world.only_machine("demo-web").state, "stopped");
    world.must_rest().await;

    let mut world = World::of(&image("v1-crash", "restart: {policy: 'no'}"));
    let (failure, _) = failure_of(&mut world).await;
    assert!(failure.message.contains("exited with code 1"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_machine_is_made_and_left_to_its_time() {
    let mut world = World::of(&image("v1", "schedule: daily"));
    world.converge().await;
    world.pass_time(Duration::from_secs(5)).await;
    assert_eq!(world.only_machine("demo-web").state, "stopped");
    world.must_rest().await;

    world.respec(&image("v2", "schedule: daily"));
    world.converge().await;
    world.pass_time(Duration::from_secs(5)).await;
    let machine = world.only_machine("demo-web");
    assert_eq!(
        (machine.state.as_str(), machine.config["image"].as_str()),
        ("stopped", Some("registry.fly.io/demo:v2"))
    );
    world.must_rest().await;
}

/// A platform that takes a field that it does not know, and forgets it.
#[derive(Debug)]
struct Forgetful(SharedTransport);

#[async_trait::async_trait]
impl Transport for Forgetful {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        if let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&request.body)
            && let Some(config) = body.pointer_mut("/config").and_then(serde_json::Value::as_object_mut)
        {
            config.remove("new_feature");
            request.body = body.to_string().into();
        }
        self.0.send(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_fly_does_not_keep_is_said_and_does_not_restart_the_machine_again_and_again() {
    let mut world = World::of(&image("v1", ""));
    world.converge().await;
    world.respec(&image("v1", "machine: {new_feature: {level: 3}}"));
    let forgetful: SharedTransport = Arc::new(Forgetful(world.sim.transport()));

    let outcome = world.reconcile_over(Arc::clone(&forgetful)).await;

    let failure = only_failure(&outcome);
    assert_eq!(failure.reason, "NotKept");
    assert!(failure.message.contains("`new_feature.level` is nothing, not 3"), "{}", failure.message);
    let version = world.only_machine("demo-web").version;
    world.pass_time(Duration::from_hours(2)).await;
    let outcome = world.reconcile_over(forgetful).await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    assert_eq!(world.only_machine("demo-web").version, version);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_takes_the_place_of_another_keeps_what_others_set() {
    let stored = |name: &str| image("v1", &format!("volumes: {{{name}: {{size: 1GB, mount: /data}}}}"));
    let mut world = World::of(&stored("one"));
    world.converge().await;
    world.past_quarantine().await;
    let before = world.only_machine("demo-web");
    let edit = |config: &mut serde_json::Value| {
        config["env"]["HAND"] = "kept".into();
        config["metadata"]["team"] = "blue".into();
    };
    world.sim.edit_machine_config("demo-web", &before.id, edit).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    world.respec(&stored("two"));
    world.converge().await;

    let after = world.only_machine("demo-web");
    assert_ne!(after.id, before.id);
    assert_eq!((after.env("HAND"), after.metadata("team")), (Some("kept"), Some("blue")));
    assert_eq!(after.config["mounts"][0]["name"], "two");
    world.must_rest().await;
}
