//! Private networks come from a pool of places: one environment each, used again when they are free.

use hangar::plan::{Purpose, Request};
use hangar::sim::CrashPoint;

use crate::support::{GRACE, created, environment, seconds, small, world_of};
use crate::world::World;

const TWO: &str = "web: {image: 'registry.fly.io/demo:v1'}\napi: {image: 'registry.fly.io/demo:v1'}";

fn network(world: &World, app: &str) -> String {
    world.sim.app(app).unwrap().network
}

#[tokio::test(start_paused = true)]
async fn environments_created_in_one_pass_get_different_networks_and_their_apps_share_one() {
    let mut world = world_of(&[]);
    for name in ["a", "b", "c"] {
        world.put(&format!("{name}.yaml"), &environment(name, "", TWO));
    }
    world.converge().await;
    for (name, slot) in [("a", 0), ("b", 1), ("c", 2)] {
        for app in ["web", "api"] {
            assert_eq!(network(&world, &format!("{name}-{app}")), format!("hangar-hangar-{slot}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_network_of_an_environment_stays_and_its_new_apps_join_it() {
    let mut world = created(&["a", "b"]).await;
    world.put("b.yaml", &environment("b", "", TWO));
    world.put("0.yaml", &small("zero"));
    world.lose_store();
    world.converge().await;
    assert_eq!(network(&world, "b-web"), "hangar-hangar-1");
    assert_eq!(network(&world, "b-api"), "hangar-hangar-1");
    assert_eq!(network(&world, "zero-web"), "hangar-hangar-2");
}

#[tokio::test(start_paused = true)]
async fn a_place_is_used_again_after_a_teardown_and_not_before() {
    let mut world = created(&["a", "b"]).await;
    world.remove("a.yaml");
    world.reconcile().await;
    // During grace the place is taken.
    world.put("c.yaml", &small("c"));
    world.reconcile().await;
    assert_eq!(network(&world, "c-web"), "hangar-hangar-2");
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.put("d.yaml", &small("d"));
    world.converge().await;
    assert_eq!(network(&world, "d-web"), "hangar-hangar-0");
    assert_eq!(world.sim.networks("acme").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn many_lives_need_no_more_networks_than_environments_at_once() {
    let mut world = created(&["base"]).await;
    for round in 0..6 {
        let name = format!("pr-{round}");
        world.put("pr.yaml", &small(&name));
        world.converge().await;
        world.run(Request { purpose: Purpose::Destroy(name.as_str().into()), ..Request::default() }).await;
        world.remove("pr.yaml");
    }
    assert_eq!(world.sim.networks("acme").len(), 2, "{:?}", world.sim.networks("acme"));
}

#[tokio::test(start_paused = true)]
async fn a_network_of_another_owner_takes_no_place_of_ours() {
    let mut world = world_of(&["demo"]);
    world.sim.create_app("acme", "theirs", "hangar-hangar2-0").unwrap();
    world.sim.create_app("acme", "thine", "hangar-hangar-00").unwrap();
    world.converge().await;
    assert_eq!(network(&world, "demo-web"), "hangar-hangar-0");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_was_interrupted_goes_on_in_its_network() {
    // Killed between the creations of the two apps of the first environment.
    let mut world = world_of(&[]);
    world.put("a.yaml", &environment("a", "", TWO));
    world.put("b.yaml", &environment("b", "", TWO));
    world.sim.kill_after_writes(2, CrashPoint::BeforeEffect);
    let session = world.session();
    let run = hangar::controller::Once::new(&session, Request::default(), GRACE).run(|_| ());
    tokio::time::timeout(seconds(1), run).await.expect_err("it is dead");
    drop(session);
    world.sim.revive();
    world.lose_store();
    world.converge().await;
    for name in ["a", "b"] {
        assert_eq!(network(&world, &format!("{name}-web")), network(&world, &format!("{name}-api")));
    }
    assert_ne!(network(&world, "a-web"), network(&world, "b-web"));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_not_given_away_while_a_creation_in_it_may_still_take_effect() {
    let mut world = world_of(&["a"]);
    let late = hangar::sim::FaultKind::Late { after_ms: 50_000 };
    let apps = hangar::sim::Matcher::new(hangar::http::transport::Method::Post, "/v1/apps");
    world.sim.inject(hangar::sim::Fault::once(apps, late));
    let session = world.session();
    let run = hangar::controller::Once::new(&session, Request::default(), GRACE).run(|_| ());
    tokio::time::timeout(seconds(5), run).await.expect_err("it waits");
    drop(session);
    world.put("0.yaml", &small("zero"));
    world.converge().await;
    assert_eq!(network(&world, "zero-web"), "hangar-hangar-1");
    assert_eq!(network(&world, "a-web"), "hangar-hangar-0");
}
