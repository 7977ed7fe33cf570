//! Replies that are lost: whether the write had its effect is found out by looking, and nothing is made twice.

use std::time::Duration;

use hangar::http::transport::Method;
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::given::web;
use crate::world::World;

const APP: &str = "image: registry.fly.io/demo:v1
ips: {v6: true, v4: true}
certificates: [www.example.com]
secrets: {A: {fromEnv: VALUE}, B: {generate: {}}}
volumes: {data: {size: 1GB, mount: /data}}";

/// How many of everything there is, and what of it is live.
fn count(world: &World) -> String {
    let machines = world.sim.machines("demo-web");
    let value = machines.first().and_then(|machine| world.sim.live_secret_value("demo-web", &machine.id, "A"));
    format!(
        "{} apps, {} machines, {} volumes, {} ips, {} certificates, {} secrets, A={}, {}",
        world.sim.apps().len(),
        machines.len(),
        world.sim.volumes("demo-web").len(),
        world.sim.ips("demo-web").len(),
        world.sim.certificates("demo-web").len(),
        world.sim.secret_names("demo-web").len(),
        value.unwrap_or_default(),
        machines.first().map(|machine| machine.state.clone()).unwrap_or_default(),
    )
}

/// Ways in which the reply of a write is lost after its effect.
fn losses() -> [(&'static str, FaultKind); 3] {
    [("500", FaultKind::lost_in_500()), ("reset", FaultKind::ResetAfter), ("silence", FaultKind::TimeoutAfter)]
}

fn world() -> World {
    let mut world = World::of(&web(APP));
    world.set("VALUE", "one");
    world
}

#[tokio::test(start_paused = true)]
async fn what_was_created_although_the_reply_was_lost_is_not_created_again() {
    let creations = [
        "/v1/apps",
        "/v1/apps/demo-web/machines",
        "/v1/apps/demo-web/volumes",
        "/v1/apps/demo-web/ip_assignments",
        "/v1/apps/demo-web/secrets",
        "/v1/apps/demo-web/certificates/acme",
    ];
    for path in creations {
        for (name, kind) in losses() {
            let mut world = world();
            world.sim.inject(Fault::once(Matcher::new(Method::Post, path), kind));

            world.converge().await;

            let expected = "1 apps, 1 machines, 1 volumes, 2 ips, 1 certificates, 2 secrets, A=one, started";
            assert_eq!(count(&world), expected, "{path} {name}");
            assert_eq!(world.sim.faults().len(), 0, "{path} {name}: the fault was hit");
            world.must_rest().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_created_because_the_request_was_lost_is_created() {
    let creations =
        ["/v1/apps", "/v1/apps/demo-web/machines", "/v1/apps/demo-web/volumes", "/v1/apps/demo-web/secrets"];
    for path in creations {
        for kind in [FaultKind::ResetBefore, FaultKind::TimeoutBefore, FaultKind::unavailable(), FaultKind::HtmlError] {
            let mut world = world();
            world.sim.inject(Fault::once(Matcher::new(Method::Post, path), kind.clone()));

            world.converge().await;

            let expected = "1 apps, 1 machines, 1 volumes, 2 ips, 1 certificates, 2 secrets, A=one, started";
            assert_eq!(count(&world), expected, "{path} {kind:?}");
            world.must_rest().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_reply_was_lost_ends_with_the_new_version() {
    for path in ["/v1/apps/demo-web/machines/*", "/v1/apps/demo-web/machines/*/lease", "/v1/apps/demo-web/secrets"] {
        for (name, kind) in losses() {
            let mut world = world();
            world.converge().await;
            let before = world.only_machine("demo-web");
            world.set("VALUE", "two");
            world.edit("demo.yaml", "demo:v1", "demo:v2");
            world.sim.inject(Fault::once(Matcher::new(Method::Post, path), kind));

            world.converge().await;

            let expected = "1 apps, 1 machines, 1 volumes, 2 ips, 1 certificates, 2 secrets, A=two, started";
            assert_eq!(count(&world), expected, "{path} {name}");
            let after = world.only_machine("demo-web");
            assert_eq!((&after.id, after.config["image"].as_str()), (&before.id, Some("registry.fly.io/demo:v2")));
            assert!(!after.leased, "{path} {name}");
            world.must_rest().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_reply_was_lost_takes_nothing_else() {
    let two = APP.replace("image:", "count: 2\nimage:");
    for (name, kind) in losses() {
        let mut world = World::of(&web(&two));
        world.set("VALUE", "one");
        world.converge().await;
        world.past_quarantine().await;
        let survivor = world.slots("demo-web")["app/iad/0"].clone();
        world.sim.inject(Fault::once(Matcher::new(Method::Delete, "/v1/apps/demo-web/machines/*"), kind));
        world.respec(&web(APP));

        world.converge().await;

        assert_eq!(world.only_machine("demo-web").id, survivor, "{name}");
        world.pass_time(Duration::from_mins(3)).await;
        world.converge().await;
        let live = world.sim.volumes("demo-web").into_iter().filter(|volume| volume.state == "created").count();
        assert_eq!(live, 1, "{name}");
        world.must_rest().await;
    }
}
