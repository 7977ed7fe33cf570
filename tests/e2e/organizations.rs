//! Organizations that no spec names any more, and what is remembered of what we made.

use hangar::controller::Verdict;
use hangar::secret::SecretText;
use hangar::sim::SimConfig;

use crate::support::{CONTROLLER, GRACE, created, deletes, seconds, small};
use crate::world::World;

/// `demo` in `acme`, which only its spec names, and `one` and `two` in `second`, which the controller's settings name.
async fn two_orgs() -> World {
    let controller =
        CONTROLLER.replace("acme: {token: {fromEnv: FLY_API_TOKEN}}", "second: {token: {fromEnv: SECOND}}");
    assert_ne!(controller, CONTROLLER);
    let config = SimConfig::default().with_org("acme", "sim_acme_token").with_org("second", "sim_second_token");
    let mut world = World::configured(&[("hangar.yaml", &controller), ("demo.yaml", &small("demo"))], config);
    world.set("SECOND", "sim_second_token");
    for name in ["one", "two"] {
        world.put(&format!("{name}.yaml"), &small(name).replace("org: acme", "org: second"));
    }
    world.converge().await;
    world
}

/// How often `acme` was looked at since the log was cleared.
fn looks(world: &World) -> usize {
    world.sim.requests().iter().filter(|request| request.path == "/v1/orgs/acme/machines").count()
}

#[tokio::test(start_paused = true)]
async fn an_organization_is_looked_at_until_nothing_of_ours_is_left_in_it() {
    let mut world = two_orgs().await;
    world.remove("demo.yaml");
    world.reconcile().await;
    assert!(world.only_machine("demo-web").metadata("hangar_tombstone").is_some());
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(deletes(&world), ["DELETE /v1/apps/demo-web"]);
    // When a listing has shown that it is empty, it is none of our business any more.
    world.pass_time(seconds(61)).await;
    world.reconcile().await;
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!((looks(&world), outcome.worst()), (0, Verdict::Converged));
    // Until an environment comes to live there again.
    world.put("demo.yaml", &small("demo"));
    world.converge().await;
    assert_eq!(world.app_names(), ["demo-web", "one-web", "two-web"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_only_organizations_that_are_named_are_looked_at() {
    let mut world = two_orgs().await;
    world.remove("demo.yaml");
    world.lose_store();
    world.reconcile().await;
    assert_eq!(looks(&world), 0);
    assert_eq!(world.app_names(), ["demo-web", "one-web", "two-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_former_organization_without_a_token_that_works_holds_nothing_else_up() {
    for token in [None, Some("sim_of_nobody")] {
        let mut world = two_orgs().await;
        world.remove("demo.yaml");
        world.remove("two.yaml");
        world.variables.variables.remove("FLY_API_TOKEN");
        if let Some(token) = token {
            world.set("FLY_API_TOKEN", token);
        }
        world.reconcile().await;
        world.pass_time(GRACE).await;
        let outcome = world.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{token:?}");
        assert_eq!(world.app_names(), ["demo-web", "one-web"], "{token:?}");
        // It is not forgotten either.
        world.variables.variables.insert("FLY_API_TOKEN".into(), SecretText::new("sim_acme_token"));
        world.reconcile().await;
        world.pass_time(GRACE).await;
        world.reconcile().await;
        assert_eq!(world.app_names(), ["one-web"], "{token:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_made_and_is_gone_is_not_remembered_for_ever() {
    let mut world = created(&["demo", "other"]).await;
    let born = |world: &World| -> Vec<String> {
        world.store.load().unwrap().unwrap().born.keys().map(ToString::to_string).collect()
    };
    assert_eq!(born(&world), ["demo-web", "other-web"]);
    world.remove("demo.yaml");
    world.sim.delete_app("demo-web").unwrap();
    world.pass_time(seconds(61)).await;
    world.reconcile().await;
    assert_eq!(born(&world), ["other-web"]);
}
