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
    for (status, word) in [(502, "GitHub's API is in trouble"), (403, "checks")] {
        let (mut world, repo, sha) = world();
        repo.check(&sha, "test", Some("success")).unwrap();
        world.sim.inject(Fault::always(Matcher::new(Method::Get, "/repos/**"), FaultKind::status_before(status)));
        let outcome = world.waits_for_checks().await;
        let message = outcome.last.plan.withheld[0].message.clone();
        assert!(message.contains(word), "{message}");
    }
    let (mut world, repo, sha) = world();
    repo.check(&sha, "test", Some("success")).unwrap();
    world.variables.variables.remove("GITHUB_TOKEN");
    let outcome = world.waits_for_checks().await;
    assert!(outcome.last.plan.withheld[0].message.contains("GITHUB_TOKEN"));
    assert!(!format!("{:?}", outcome.last).contains(TOKEN));
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
