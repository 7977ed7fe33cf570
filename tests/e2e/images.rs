//! Previews of commits whose images are still being built.

use chrono::Duration;
use hangar::controller::{Outcome, Verdict};
use hangar::desired::PullRequest;
use hangar::http::transport::Method;
use hangar::plan::{Reason, Stance};
use hangar::secret::SecretText;
use hangar::sim::{Fault, FaultKind, Matcher, SimConfig, SimRegistry};

use crate::daemon::Running;
use crate::previews::{list, pull, set};
use crate::support::{CONTROLLER, seconds, small};
use crate::world::World;

/// The image of the first commit of pull request 1.
const FIRST: &str = "registry.fly.io/demo:1aaaaaa";
const SECOND: &str = "registry.fly.io/demo:bbbbbbb";

/// A world with one pull request, and a set of previews with these lines under `spec`.
fn world(more: &str) -> World {
    of_set(&set(more), CONTROLLER, SimConfig::default().with_org("acme", "sim_acme_token"))
}

fn of_set(set: &str, controller: &str, config: SimConfig) -> World {
    let files = [("hangar.yaml", controller), ("other.yaml", &small("other")), ("set.yaml", set)];
    let mut world = World::configured(&files, config);
    let pulls = [pull(world.clock.now(), 1)];
    list(&mut world, &pulls);
    world
}

fn push(world: &mut World) {
    let pushed = PullRequest { sha: "bbbbbbbbbbbbb".into(), ..pull(world.clock.now(), 1) };
    list(world, &[pushed]);
}

/// What is asked of registries, with the minute and second of each request since `world` began.
fn asked(world: &World, since: chrono::DateTime<chrono::Utc>) -> Vec<String> {
    let requests = world.sim.requests();
    let asked = requests.iter().filter(|request| request.path.starts_with("/v2/"));
    asked
        .map(|request| format!("{:>3} {} {}", (request.at - since).num_seconds(), request.method, request.path))
        .collect()
}

fn said(outcome: &Outcome) -> Vec<(Stance, Reason, String)> {
    let withheld = outcome.last.plan.withheld.iter();
    withheld.map(|withheld| (withheld.stance, withheld.reason, withheld.message.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_preview_waits_for_its_image_and_is_made_when_it_appears() {
    let mut world = world("");
    world.sim.await_image(FIRST);
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"pr-1".into()], Verdict::Waiting);
    assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged, "nobody else waits for it");
    let [(stance, reason, message)] = said(&outcome).try_into().unwrap();
    assert_eq!((stance, reason), (Stance::Waiting, Reason::ImagePending));
    assert!(message.starts_with(&format!("waits for image `{FIRST}`, until ")), "{message}");
    assert_eq!(world.app_names(), ["other-web"], "nothing is made that would only cost");
    world.sim.push_image(FIRST, "");
    world.converge().await;
    assert_eq!(world.only_machine("pr-1-web").config["image"], FIRST);
    world.sim.clear_requests();
    world.reconcile_without_writes().await;
    assert_eq!(asked(&world, world.clock.now()), Vec::<String>::new(), "what runs is there");
}

#[tokio::test(start_paused = true)]
async fn the_former_commit_stays_until_the_next_one_is_built() {
    let mut world = world("");
    world.converge().await;
    world.sim.await_image(SECOND);
    push(&mut world);
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"pr-1".into()], Verdict::Waiting);
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!(world.only_machine("pr-1-web").config["image"], FIRST);
    world.sim.push_image(SECOND, "");
    world.converge().await;
    assert_eq!(world.only_machine("pr-1-web").config["image"], SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_build_that_takes_too_long_is_a_failure_that_heals() {
    let mut world = world("  imageDeadline: 20m");
    world.sim.await_image(FIRST);
    world.reconcile().await;
    world.pass_time(seconds(20 * 60)).await;
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"pr-1".into()], Verdict::Failed);
    let message = format!(
        "image `{FIRST}` is not in its registry after 20m: see whether the build of commit 1aaaaaaaaaaaaaaa has pushed it under this name"
    );
    assert_eq!(said(&outcome), [(Stance::Blocked, Reason::ImageMissing, message)]);
    // Another commit has its own time, and so has the same one in a store that knows nothing of it.
    world.sim.await_image(SECOND);
    push(&mut world);
    assert_eq!(world.reconcile().await.verdicts[&"pr-1".into()], Verdict::Waiting);
    world.sim.push_image(SECOND, "");
    world.converge().await;
    assert_eq!(world.only_machine("pr-1-web").config["image"], SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_asked_less_and_less_often() {
    let world = world("");
    world.sim.await_image(FIRST);
    let daemon = Running::start(world);
    let began = daemon.world.clock.now();
    daemon.pass(9 * 60).await;
    let all = asked(&daemon.world, began);
    let every = |line: &String| line.ends_with("HEAD /v2/demo/manifests/1aaaaaa");
    assert!(all.iter().all(every), "{all:#?}");
    // Each look is two requests: without a login, and, since Fly's registry wants one, with it.
    let mut seconds: Vec<i64> =
        all.iter().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_eq!(seconds.len() % 2, 0, "{all:#?}");
    seconds.dedup();
    let pauses: Vec<i64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [10, 20, 40, 80, 120, 120, 120]);
    daemon.world.sim.push_image(FIRST, "");
    daemon.pass(150).await;
    assert_eq!(daemon.world.only_machine("pr-1-web").config["image"], FIRST);
}

#[tokio::test(start_paused = true)]
async fn where_a_registry_does_not_say_fly_finds_out() {
    for kind in [FaultKind::StatusBefore { status: 500, body: String::new() }, FaultKind::ResetBefore] {
        let mut world = world("");
        world.sim.inject(Fault::always(Matcher::new(Method::Head, "/v2/demo/manifests/*"), kind));
        world.converge().await;
        assert_eq!(world.only_machine("pr-1-web").config["image"], FIRST);
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_registry_is_asked_by_the_user_that_the_controller_names() {
    let controller =
        format!("{CONTROLLER}  registries: {{ghcr.example: {{username: robot, password: {{fromEnv: GHCR_TOKEN}}}}}}\n");
    let set = set("").replace("registry.fly.io/demo", "ghcr.example/acme/chat");
    let registry =
        SimRegistry { host: "ghcr.example".into(), username: "robot".into(), password: "planted-password".into() };
    let config = SimConfig { registries: vec![registry], ..SimConfig::default().with_org("acme", "sim_acme_token") };
    for (password, is_known) in [("planted-password", true), ("wrong-password", false)] {
        let mut world = of_set(&set, &controller, config.clone());
        world.variables.variables.insert("GHCR_TOKEN".into(), SecretText::new(password));
        world.sim.await_image("ghcr.example/acme/chat:1aaaaaa");
        let outcome = world.reconcile().await;
        let reasons: Vec<Reason> = said(&outcome).into_iter().map(|(_, reason, _)| reason).collect();
        assert_eq!(reasons.contains(&Reason::ImagePending), is_known, "{reasons:?}");
        // Fly refuses what is not there, if nobody else has said so before.
        assert_eq!(world.app_names().contains(&"pr-1-web".to_owned()), !is_known);
    }
}

#[tokio::test(start_paused = true)]
async fn only_previews_wait() {
    let files = [("hangar.yaml", CONTROLLER), ("small.yaml", &small("small"))];
    let mut world = World::with(&files);
    world.converge().await;
    assert_eq!(asked(&world, world.clock.now() - Duration::hours(1)), Vec::<String>::new());
}
