//! Environments that require checks at GitHub: held until these have succeeded at their commit, and not a moment longer.

use hangar::controller::{Outcome, Verdict};
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::sim::{Fault, FaultKind, Matcher, RepositoryHand, SimConfig};

use crate::daemon::Running;
use crate::support::{CONTROLLER, environment, small, withheld};
use crate::world::World;

const REPO: &str = "acme/chat";
const TOKEN: &str = "ghp_planted_0123456789abcdef";

/// `demo`, of this image, which requires the check `test` of a commit.
fn demo(sha: &str, image: &str) -> String {
    let requires = format!("requires: {{checks: {{names: [test], repo: {REPO}, commit: {sha}}}}}");
    environment("demo", &requires, &format!("web: {{image: 'registry.fly.io/demo:{image}'}}"))
}

/// A commit that was pushed, and `demo`, which waits for its check; `other` waits for nothing.
fn world() -> (World, RepositoryHand, String) {
    let config = SimConfig::default().with_org("acme", "sim_acme_token").with_repo(REPO, TOKEN);
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER), ("other.yaml", &small("other"))], config);
    world.set("GITHUB_TOKEN", TOKEN);
    let repo = world.sim.create_repository(REPO);
    let sha = repo.push("main").unwrap();
    world.put("demo.yaml", &demo(&sha, "v1"));
    (world, repo, sha)
}

impl World {
    async fn waits_for_checks(&mut self) -> Outcome {
        let outcome = self.reconcile().await;
        assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Waiting);
        assert_eq!(withheld(&outcome.last.plan), [Reason::ChecksPending]);
        assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged, "nobody else waits for it");
        assert_eq!(self.app_names(), ["other-web"]);
        outcome
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_before_the_check_has_succeeded() {
    let (mut world, repo, sha) = world();
    world.waits_for_checks().await;
    repo.check(&sha, "test", None).unwrap();
    repo.check(&sha, "build", Some("success")).unwrap();
    world.waits_for_checks().await;
    // Red: only a person can help.
    repo.check(&sha, "test", Some("failure")).unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Blocked);
    assert_eq!(withheld(&outcome.last.plan), [Reason::ChecksFailed]);
    assert_eq!(world.app_names(), ["other-web"]);
    // Run again.
    repo.check(&sha, "test", Some("success")).unwrap();
    world.converge().await;
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
    // What is good stays, whatever is said of its commit later; nothing of the next one is done before it is good.
    repo.check(&sha, "test", Some("cancelled")).unwrap();
    world.reconcile_without_writes().await;
    let next = repo.push("main").unwrap();
    world.put("demo.yaml", &demo(&next, "v2"));
    world.reconcile_without_writes().await;
    repo.check(&next, "test", Some("skipped")).unwrap();
    world.converge().await;
    assert_eq!(world.only_machine("demo-web").config["image"], "registry.fly.io/demo:v2");
}

#[tokio::test(start_paused = true)]
async fn a_commit_status_counts_as_a_check_and_both_have_to_be_good() {
    let (mut world, repo, sha) = world();
    repo.say_status(&sha, "Test", "pending", "ci").unwrap();
    repo.check(&sha, "test", Some("success")).unwrap();
    world.waits_for_checks().await;
    repo.say_status(&sha, "Test", "error", "ci").unwrap();
    assert_eq!(withheld(&world.reconcile().await.last.plan), [Reason::ChecksFailed]);
    repo.say_status(&sha, "Test", "success", "ci").unwrap();
    world.converge().await;
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn where_github_does_not_answer_or_the_token_is_refused_the_gate_stays_closed() {
    let answering = |status| {
        let (world, repo, sha) = world();
        repo.check(&sha, "test", Some("success")).unwrap();
        world.sim.inject(Fault::always(Matcher::new(Method::Get, "/repos/**"), FaultKind::status_before(status)));
        world
    };
    let outcome = answering(502).waits_for_checks().await;
    let message = &outcome.last.plan.withheld[0].message;
    assert!(message.contains("GitHub's API is in trouble"), "{message}");
    // Where only a person can help, nobody is kept waiting.
    let (mut without, repo, sha) = world();
    repo.check(&sha, "test", Some("success")).unwrap();
    without.variables.variables.remove("GITHUB_TOKEN");
    for (mut world, word) in [(answering(403), "checks"), (without, "GITHUB_TOKEN")] {
        let outcome = world.reconcile().await;
        assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Blocked);
        assert_eq!(withheld(&outcome.last.plan), [Reason::ChecksUnknown]);
        assert_eq!(world.app_names(), ["other-web"]);
        let message = &outcome.last.plan.withheld[0].message;
        assert!(message.contains(word), "{message}");
        assert!(!format!("{:?}", outcome.last).contains(TOKEN));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_time_is_over_is_stopped_behind_any_gate() {
    let job = "jobs: {seed: {app: web, command: bin/seed, timeout: 1m}}";
    for (requires, held) in [
        (format!("checks: {{names: [test], repo: {REPO}, commit: {}}}", "0".repeat(40)), Reason::ChecksPending),
        ("environments: [stuck]".to_owned(), Reason::GateClosed),
        ("approval: true".to_owned(), Reason::ApprovalRequired),
    ] {
        let (mut world, ..) = world();
        world.put("stuck.yaml", &environment("stuck", "pause: true", "web: {image: 'registry.fly.io/demo:v1'}"));
        let demo = |more: &str, image: &str| {
            environment("demo", &format!("{job}{more}"), &format!("web: {{image: 'registry.fly.io/demo:{image}'}}"))
        };
        world.put("demo.yaml", &demo("", "v1"));
        let mut daemon = Running::start(world);
        daemon.pass(30).await;
        let seed = |daemon: &Running| {
            let mut all = daemon.world.sim.machines("demo-web").into_iter();
            all.find(|one| one.metadata("hangar_slot").is_some_and(|slot| slot.starts_with("job-"))).unwrap()
        };
        assert_eq!(seed(&daemon).state, "started", "it hangs");
        // While it does, something else is wanted, behind a gate.
        daemon.world.put("demo.yaml", &demo(&format!("\nrequires: {{{requires}}}"), "v2"));
        daemon.publish();
        daemon.pass(120).await;
        assert_eq!(seed(&daemon).state, "stopped", "{held:?}");
        let image = |one: &hangar::sim::MachineView| one.config["image"].as_str().unwrap().to_owned();
        let images: Vec<_> = daemon.world.sim.machines("demo-web").iter().map(image).collect();
        assert!(images.iter().all(|image| image.ends_with(":v1")), "{held:?}: {images:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_daemon_goes_on_by_itself_and_asks_again_for_nothing() {
    let (world, repo, sha) = world();
    let daemon = Running::start(world);
    daemon.pass(120).await;
    let asked = || daemon.world.sim.requests().into_iter().filter(|one| one.path.ends_with("/check-runs"));
    let (first, again): (Vec<_>, Vec<_>) = asked().partition(|one| one.status == Some(200));
    assert_eq!(first.len(), 1, "later ones are conditional, and free");
    assert!((6..=10).contains(&again.len()) && again.iter().all(|one| one.status == Some(304)), "{}", again.len());
    repo.check(&sha, "test", Some("success")).unwrap();
    daemon.pass(20).await;
    assert_eq!(daemon.world.app_names(), ["demo-web", "other-web"]);
}
