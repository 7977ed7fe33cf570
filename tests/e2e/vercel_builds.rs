//! Builds at Vercel that do not end as they should, or not soon: what is said of them, and how often they are asked for.

use std::sync::Arc;

use hangar::controller::Verdict;
use hangar::plan::Reason;
use hangar::sim::{SimConfig, VercelBuild, VercelTimes};

use crate::support::{environment, seconds};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

/// `demo`, which waits for the deployment of the branch `login`, and what else is said of that.
fn demo(deployment: &str) -> String {
    let web = format!("project: web, branch: login, deployment: {{{deployment}}}");
    let vercel = format!("vercel: {{team: acme, projects: {{web: {{{web}}}}}}}");
    environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1'}")
}

fn world_of(deployment: &str, config: SimConfig) -> World {
    configured(&[("demo.yaml", &demo(deployment))], config)
}

fn world() -> World {
    world_of("", config())
}

/// Runs, and tells what the environment needs a person for.
async fn failing(world: &mut World) -> String {
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed, "{:#?}", outcome.last.plan.withheld);
    let [withheld] = &outcome.last.plan.withheld[..] else { panic!("{:#?}", outcome.last.plan.withheld) };
    assert_eq!(withheld.reason, Reason::ObjectFailed);
    let failures = outcome.failures.values().flatten();
    let failures: Vec<_> = failures.map(|failure| (failure.reason.as_str(), failure.message.as_str())).collect();
    assert!(failures.is_empty() || failures == [("ObjectFailed", withheld.message.as_str())], "{failures:#?}");
    withheld.message.clone()
}

/// What is said of the newest deployment.
fn said(world: &World, text: &str) -> String {
    let newest = world.web().deployments().pop().unwrap();
    format!("Vercel deployment demo of acme/web: {} {text}", newest.id)
}

/// Nothing is written because of a build that has ended so, and the next commit makes it good.
async fn is_left_until_the_next_push(mut world: World) {
    world.reconcile_without_writes().await;
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(10)).await;
    world.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_that_somebody_cancels_is_told_and_left_until_the_next_push() {
    let mut world = world();
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(10)).await;
    let building = world.web().deployments().pop().unwrap();
    assert_eq!(building.state, "BUILDING");
    world.web().cancel(&building.id).unwrap();
    let told = failing(&mut world).await;
    let text = "was canceled (CANCELED), by somebody or because a newer commit came while it waited; deploy it again at Vercel, or push another commit";
    assert_eq!(told, said(&world, text));
    is_left_until_the_next_push(world).await;
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_canceled_while_it_is_waited_for_ends_the_wait() {
    let mut world = world();
    world.sim.repository(REPO).push("login").unwrap();
    let (web, clock) = (world.web(), Arc::clone(&world.clock));
    let cancel = async {
        clock.sleep(seconds(12)).await;
        let building = web.deployments().pop().unwrap();
        assert_eq!(building.state, "BUILDING");
        web.cancel(&building.id).unwrap();
    };
    let (outcome, ()) = tokio::join!(world.reconcile(), cancel);
    assert_eq!(outcome.worst(), Verdict::Failed);
    let failure = &outcome.failures.values().next().unwrap()[0];
    assert_eq!((failure.reason.as_str(), failure.transient), ("ObjectFailed", false));
    assert!(failure.message.contains("was canceled (CANCELED)"), "{}", failure.message);
    let asked = world.sim.requests();
    let waits = asked.iter().filter(|request| request.path.starts_with("/v13/deployments/"));
    let seen: Vec<_> = waits.map(|request| request.at).collect();
    assert!(seen.len() > 5, "it was waited for: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_build_that_a_newer_commit_has_taken_the_place_of_is_told_until_the_spec_asks_for_that_one() {
    let world = configured(&[], config());
    let first = world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(1)).await;
    let second = world.sim.repository(REPO).push("login").unwrap();
    let mut world = world;
    world.put("demo.yaml", &demo(&format!("sha: {first}")));
    let told = failing(&mut world).await;
    assert!(told.contains("because a newer commit came while it waited"), "{told}");
    world.edit("demo.yaml", &first, &second);
    world.converge().await;
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_skipped_is_told_with_what_decides_it() {
    let mut world = world();
    world.web().next_build(VercelBuild::Skipped).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    let told = failing(&mut world).await;
    let text = "was skipped: the project's ignored build step said that there is nothing to build, and nothing was built of the branch before; push a commit that it lets through, or change that step (`ignoreCommand`)";
    assert_eq!(told, said(&world, text));
    is_left_until_the_next_push(world).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_built_before_stands_for_a_commit_that_is_skipped() {
    let web = |sha: &str, value: &str| {
        let web = format!("project: web, branch: login, env: {{A: {value}}}, deployment: {{sha: {sha}}}");
        let vercel = format!("vercel: {{team: acme, projects: {{web: {{{web}}}}}}}");
        environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1', env: {SITE: '${{ vercel.web.url }}'}}")
    };
    let mut world = configured(&[], config());
    let repository = world.sim.repository(REPO);
    let first = repository.push("login").unwrap();
    world.put("demo.yaml", &web(&first, "one"));
    world.converge().await;
    let built = world.web().deployments().pop().unwrap();
    let site = |world: &World| world.only_machine("demo-web").config["env"]["SITE"].as_str().unwrap().to_owned();
    assert_eq!(site(&world), format!("https://{}", built.host));
    world.web().next_build(VercelBuild::Skipped).unwrap();
    let second = repository.push("login").unwrap();
    world.pass_time(seconds(30)).await;
    assert_eq!(world.web().deployments().pop().unwrap().state, "CANCELED");
    world.put("demo.yaml", &web(&second, "one"));
    world.converge().await;
    assert_eq!(site(&world), format!("https://{}", built.host));
    world.reconcile_without_writes().await;
    // It is what is built again where a variable changes, and once.
    world.put("demo.yaml", &web(&second, "two"));
    world.converge().await;
    let newest = world.web().deployments().pop().unwrap();
    assert_eq!((newest.source.as_str(), newest.state, newest.env["A"].as_str()), ("redeploy", "READY", "two"));
    assert_eq!(newest.sha, built.sha);
    assert_eq!(site(&world), format!("https://{}", newest.host));
    world.reconcile_without_writes().await;
    // A later commit never stands for an earlier one.
    let third = repository.push("login").unwrap();
    world.pass_time(seconds(60)).await;
    world.reconcile_without_writes().await;
    assert_eq!(site(&world), format!("https://{}", newest.host));
    world.put("demo.yaml", &web(&third, "two"));
    world.converge().await;
    assert_eq!(world.web().deployments().pop().unwrap().sha, Some(third));
}

#[tokio::test(start_paused = true)]
async fn a_build_whose_hosts_cannot_lead_to_it_is_not_ready_and_told_with_code_and_reason() {
    let mut world = world();
    let message = "the certificate of demo.acme.dev is missing".to_owned();
    world.web().next_build(VercelBuild::AliasFails { code: "cert_missing".to_owned(), message }).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    let told = failing(&mut world).await;
    let text = "is built, but its hosts cannot lead to it (cert_missing): the certificate of demo.acme.dev is missing; see to that at Vercel, and deploy it again there";
    assert_eq!(told, said(&world, text));
    is_left_until_the_next_push(world).await;
}

/// What Vercel's own clients keep to: after how many seconds of waiting a deployment is asked for.
fn schedule(until: i64) -> Vec<i64> {
    let pause = |elapsed| match elapsed {
        0..=15 => 1,
        16..=60 => 5,
        61..=300 => 15,
        _ => 30,
    };
    std::iter::successors(Some(0), |elapsed| Some(elapsed + pause(*elapsed))).take_while(|at| *at <= until).collect()
}

#[tokio::test(start_paused = true)]
async fn a_build_is_asked_for_as_often_as_vercels_own_clients_ask() {
    let times = VercelTimes { build: seconds(500), ..VercelTimes::default() };
    let mut world = world_of("", SimConfig { vercel_times: times, ..config() });
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(5)).await;
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
    let id = world.web().deployments().pop().unwrap().id;
    let path = format!("/v13/deployments/{id}");
    let asked: Vec<_> = world.sim.requests().into_iter().filter(|request| request.path == path).collect();
    let mut elapsed: Vec<_> = asked.iter().map(|request| (request.at - asked[0].at).num_seconds()).collect();
    // A pass looks at what a step waits for, too, before the first time and after the last.
    elapsed.dedup();
    assert_eq!(elapsed, schedule(511));
}

/// Runs, and tells how, after how many seconds, and with which failures: reason, message, and whether it may pass by itself.
async fn waited(world: &mut World) -> (Verdict, i64, Vec<(String, String, bool)>) {
    let began = world.clock.now();
    let outcome = world.reconcile().await;
    let failures = outcome.failures.values().flatten();
    let failures = failures.map(|one| (one.reason.clone(), one.message.clone(), one.transient)).collect();
    (outcome.worst(), (world.clock.now() - began).num_seconds(), failures)
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_does_not_come_is_waited_for_as_long_as_the_spec_says_and_then_told_with_the_cause() {
    let mut world = world_of("timeout: 60s", config());
    world.sim.repository(REPO).push("login").unwrap();
    world.web().set_creates_deployments(false).unwrap();
    let why = "Vercel has made no deployment of the branch `login` yet; the project makes none of what is pushed (`createDeployments` is off): switch that on at Vercel, or set `deployment: {by: hangar}`";
    let failure =
        ("NotReady".to_owned(), format!("Vercel deployment demo of acme/web is not ready after 60 s: {why}"), false);
    for _ in 0..3 {
        let (verdict, took, failures) = waited(&mut world).await;
        assert_eq!((verdict, failures), (Verdict::Failed, vec![failure.clone()]));
        assert!((60..80).contains(&took), "it was waited once: {took} s");
        let told = format!("{:?}", world.recorder.events());
        assert!(told.contains(&format!("waiting: {why}")), "{told}");
        world.pass_time(seconds(300)).await;
    }
    assert_eq!(world.web().deployments().len(), 0);
    // It comes once it is switched on and something is pushed.
    world.web().set_creates_deployments(true).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    world.converge().await;
}

#[tokio::test(start_paused = true)]
async fn what_else_keeps_a_deployment_from_coming_is_told_as_well() {
    // A commit that was never pushed.
    let sha = "c".repeat(40);
    let mut world = world_of(&format!("timeout: 60s, sha: {sha}"), config());
    world.sim.repository(REPO).push("login").unwrap();
    let (verdict, _, failures) = waited(&mut world).await;
    assert_eq!(verdict, Verdict::Failed);
    let why = format!(
        "Vercel has made no deployment of the commit {sha} yet; it does so by itself after a push, unless the project's `git.deploymentEnabled` leaves the branch out"
    );
    assert!(failures[0].1.ends_with(&why), "{failures:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_project_without_a_repository_is_named_as_the_cause() {
    let sha = "c".repeat(40);
    let bare = format!("project: bare, target: production, deployment: {{sha: {sha}, timeout: 60s}}");
    let vercel = format!("class: production\nvercel: {{team: acme, projects: {{web: {{{bare}}}}}}}");
    let text = environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1'}");
    let mut world = configured(&[("demo.yaml", &text)], config().with_vercel("acme", "bare", None, "sim_vercel_token"));
    let (verdict, _, failures) = waited(&mut world).await;
    assert_eq!(verdict, Verdict::Failed);
    let why = format!(
        "Vercel has made no deployment of the commit {sha} for production yet; the project is not connected with a repository: connect it at Vercel"
    );
    assert!(failures[0].1.ends_with(&why), "{failures:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_build_that_takes_longer_than_the_spec_waits_is_told_and_converges_later() {
    let times = VercelTimes { build: seconds(300), ..VercelTimes::default() };
    let mut world = world_of("timeout: 60s", SimConfig { vercel_times: times, ..config() });
    world.sim.repository(REPO).push("login").unwrap();
    let (verdict, took, failures) = waited(&mut world).await;
    assert_eq!((verdict, failures.len()), (Verdict::Failed, 1));
    assert!((60..80).contains(&took), "it was waited once: {took} s");
    let id = world.web().deployments().pop().unwrap().id;
    assert_eq!(
        failures[0].1,
        format!("Vercel deployment demo of acme/web is not ready after 60 s: Vercel is building it ({id}, Building)")
    );
    world.pass_time(seconds(300)).await;
    world.converge().await;
}
