//! Aliases at Vercel: they lead to the deployment of their environment, follow it, and go with it; those of others stay where they lead.

use hangar::controller::Verdict;
use hangar::plan::Reason;

use crate::support::{GRACE, environment, seconds, withheld};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

const HOST: &str = "login.acme.dev";

/// `demo`, with the deployment of the branch `login`, and with more.
fn demo(more: &str) -> String {
    let web = format!("project: web, branch: login, deployment: {{}}{more}");
    environment("demo", &format!("vercel: {{team: acme, projects: {{web: {{{web}}}}}}}"), "web: {image: 'demo:v1'}")
}

fn world(more: &str) -> World {
    let world = configured(&[("demo.yaml", &demo(more))], config());
    world.sim.repository(REPO).push("login").unwrap();
    world
}

async fn converged() -> World {
    let mut world = world(", aliases: [Login.acme.dev]");
    world.converge().await;
    world
}

impl World {
    /// The id of the newest deployment that is left.
    fn newest(&self) -> String {
        self.web().deployments().into_iter().rfind(|one| one.state != "DELETED").unwrap().id
    }

    fn alias(&self) -> Option<String> {
        self.web().aliases().remove(HOST)
    }
}

#[tokio::test(start_paused = true)]
async fn an_alias_leads_to_the_deployment_follows_it_and_goes_with_it() {
    let mut world = converged().await;
    assert_eq!(world.alias(), Some(world.newest()));
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    let first = world.newest();
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(60)).await;
    world.converge().await;
    assert_ne!(world.newest(), first);
    assert_eq!(world.alias(), Some(world.newest()));
    // Somebody leads it elsewhere.
    world.web().add_alias(HOST, &first).unwrap();
    world.converge().await;
    assert_eq!(world.alias(), Some(world.newest()));
    world.tear_down().await;
    assert_eq!((world.left(), world.alias()), (Vec::new(), None));
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_the_spec_no_longer_has_goes_alone() {
    let mut world = converged().await;
    let newest = world.newest();
    world.web().add_alias("theirs.acme.dev", &newest).unwrap();
    world.put("demo.yaml", &demo(""));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.converge().await;
    assert_eq!(world.web().aliases().into_keys().collect::<Vec<_>>(), ["theirs.acme.dev"]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_alias_of_others_is_left_where_it_leads_unless_it_is_adopted() {
    let mut world = world("");
    world.converge().await;
    let theirs = world.newest();
    world.web().add_alias(HOST, &theirs).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(60)).await;
    world.put("demo.yaml", &demo(", aliases: [login.acme.dev]"));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
    assert_eq!(world.alias(), Some(theirs.clone()));
    world.put("demo.yaml", &demo(", aliases: [login.acme.dev], adopt: true"));
    world.converge().await;
    assert_eq!(world.alias(), Some(world.newest()));
    // What was adopted is never deleted by itself.
    world.put("demo.yaml", &demo(""));
    world.pass_time(GRACE).await;
    world.converge().await;
    assert_eq!(world.alias(), Some(world.newest()));
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_was_ours_and_is_made_anew_by_hand_is_somebody_elses() {
    let mut world = converged().await;
    let newest = world.newest();
    world.web().delete_alias(HOST).unwrap();
    world.put("demo.yaml", &demo(""));
    world.pass_time(seconds(180)).await;
    world.converge().await;
    world.web().add_alias(HOST, &newest).unwrap();
    world.pass_time(GRACE).await;
    world.converge().await;
    world.pass_time(GRACE).await;
    world.converge().await;
    assert_eq!(world.alias(), Some(newest));
}

#[test]
fn an_alias_needs_a_deployment() {
    let vercel = "vercel: {team: acme, projects: {web: {project: web, branch: login, aliases: [login.acme.dev]}}}";
    let world = configured(&[("demo.yaml", &environment("demo", vercel, "web: {image: 'demo:v1'}"))], config());
    let problems = hangar::controller::load(&world.snapshot(), &world.variables).unwrap().diagnostics.render(false);
    assert!(problems.contains("an alias leads to a deployment, and none is asked for"), "{problems}");
}
