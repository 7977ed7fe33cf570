//! What a team may still deploy at Vercel: a queue in time, and no failure.

use hangar::controller::Verdict;
use hangar::plan::Reason;
use hangar::sim::{SimConfig, VercelPlan};

use crate::support::{environment, seconds};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

/// An environment whose deployments Hangar makes: a preview of the branch of its name, or production.
fn deployed(name: &str, place: &str) -> String {
    let vercel =
        format!("vercel: {{team: acme, projects: {{web: {{project: web, {place}, deployment: {{by: hangar}}}}}}}}");
    let class = if place.contains("production") { "\nclass: production" } else { "" };
    environment(name, &format!("{vercel}{class}"), "web: {image: 'registry.fly.io/demo:v1'}")
}

fn with_plan(plan: VercelPlan) -> SimConfig {
    let mut config = config();
    for team in &mut config.vercel_teams {
        team.plan = plan;
    }
    config
}

/// A team of this plan, which has made so many deployments today, and an environment `one` whose branch is pushed.
fn team(plan: VercelPlan, made: u32) -> World {
    let world = configured(&[("one.yaml", &deployed("one", "branch: one"))], with_plan(plan));
    for project in ["web", "docs"] {
        world.sim.vercel("acme", project).set_creates_deployments(false).unwrap();
    }
    for branch in ["one", "two", "main"] {
        world.sim.repository(REPO).push(branch).unwrap();
    }
    world.sim.others_deploy_at_vercel("acme", made);
    world
}

impl World {
    /// The branches of which there are deployments.
    fn built(&self) -> Vec<String> {
        let mut built: Vec<_> = self.web().deployments().into_iter().filter_map(|one| one.branch).collect();
        built.sort();
        built
    }

    fn tries_to_deploy(&self) -> usize {
        self.writes().iter().filter(|write| write.contains("/deployments")).count()
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_limit_of_a_day_is_near_previews_queue_and_production_goes_on() {
    let mut world = team(VercelPlan::Hobby, 95);
    // The first one learns what is left.
    world.converge().await;
    assert_eq!(world.built(), ["one"]);
    world.put("two.yaml", &deployed("two", "branch: two"));
    world.put("production.yaml", &deployed("production", "target: production"));
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(world.built(), ["main", "one"]);
    assert_eq!(outcome.verdicts[&"production".into()], Verdict::Converged);
    assert_eq!(outcome.verdicts[&"two".into()], Verdict::Waiting, "{:#?}", outcome.failures);
    let waits: Vec<_> = outcome.last.plan.withheld.iter().filter(|one| one.env == "two".into()).collect();
    let queued = waits.iter().find(|one| one.reason == Reason::Queued).unwrap();
    let text = "Vercel lets the team make 3 of 100 more deployments until 2026-03-02 12:00 UTC";
    assert!(queued.message.contains(text), "{}", queued.message);
    assert_eq!(world.tries_to_deploy(), 1, "that of production");
    // A day later Vercel counts anew.
    world.pass_time(seconds(86_400)).await;
    world.converge().await;
    assert_eq!(world.built(), ["main", "one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_left_the_environment_waits_and_has_not_failed() {
    for (plan, made) in [(VercelPlan::Hobby, 100), (VercelPlan::Pro, 6_000)] {
        let mut world = team(plan, made);
        let outcome = world.reconcile().await;
        assert_eq!(outcome.verdicts[&"one".into()], Verdict::Waiting, "{plan:?}: {:#?}", outcome.failures);
        assert!(outcome.last.plan.withheld.iter().any(|one| one.reason == Reason::Queued));
        assert_eq!((world.built().len(), world.tries_to_deploy()), (0, 1), "{plan:?}");
        world.pass_time(seconds(2 * 86_400)).await;
        world.converge().await;
        assert_eq!(world.built(), ["one"]);
    }
}
