//! Other deployments at the same machine: their leases are waited for, their changes are seen.

use std::time::Duration;

use chrono::TimeDelta;
use hangar::controller::Verdict;
use hangar::http::transport::Method;

use crate::given::web;
use crate::support::Meddler;
use crate::world::World;

fn image(tag: &str) -> String {
    web(&format!("image: registry.fly.io/demo:{tag}\nenv: {{A: '1'}}"))
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_deployment_is_waited_for() {
    let mut world = World::of(&image("v1"));
    world.converge().await;
    let id = world.only_machine("demo-web").id;
    world.post_by_hand(&format!("/v1/apps/demo-web/machines/{id}/lease?ttl=13")).await;
    world.respec(&image("v2"));
    let began = world.clock.now();

    world.converge().await;

    let took = world.clock.now() - began;
    assert!(took >= TimeDelta::seconds(10) && took < TimeDelta::seconds(40), "{took}");
    let machine = world.only_machine("demo-web");
    assert_eq!((machine.config["image"].as_str(), machine.leased), (Some("registry.fly.io/demo:v2"), false));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_end_is_told_and_nothing_is_forced() {
    let mut world = World::of(&image("v1"));
    world.converge().await;
    let before = world.only_machine("demo-web");
    world.post_by_hand(&format!("/v1/apps/demo-web/machines/{}/lease?ttl=3600", before.id)).await;
    world.respec(&image("v2"));

    let outcome = world.reconcile().await;

    assert_eq!(outcome.worst(), Verdict::Failed);
    let failure = &outcome.failures[&"demo".into()][0];
    assert_eq!(failure.reason, "LeaseHeld");
    assert!(failure.transient);
    assert!(
        failure.message.contains("its lease is held by ") && failure.message.contains("until 2026-03-01T13:0"),
        "{}",
        failure.message
    );
    assert_eq!(world.only_machine("demo-web").version, before.version);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_somebody_makes_between_plan_and_update_is_not_overwritten_unseen() {
    let mut world = World::of(&image("v1"));
    world.converge().await;
    let id = world.only_machine("demo-web").id;
    world.respec(&image("v2"));
    let (sim, machine) = (world.sim.clone(), id.clone());
    let meddler = Meddler::before(&world, Method::Post, "/lease", move || {
        sim.edit_machine_config("demo-web", &machine, |config| config["env"]["HAND"] = "kept".into()).unwrap();
    });

    let outcome = world.reconcile_through(&meddler).await;

    assert!(meddler.has_acted());
    world.assert_converged(&outcome);
    let after = world.only_machine("demo-web");
    assert_eq!(after.config["image"], "registry.fly.io/demo:v2");
    assert_eq!(after.env("HAND"), Some("kept"), "the second plan took it into account");
    assert!(!after.leased);
    world.sim.clear_requests();
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_goes_away_between_plan_and_update_is_made_again() {
    let mut world = World::of(&image("v1"));
    world.converge().await;
    world.past_quarantine().await;
    let id = world.only_machine("demo-web").id;
    world.respec(&image("v2"));
    let (sim, machine) = (world.sim.clone(), id.clone());
    let meddler =
        Meddler::before(&world, Method::Post, "/lease", move || sim.delete_machine("demo-web", &machine).unwrap());

    world.reconcile_through(&meddler).await;
    world.pass_time(Duration::from_mins(2)).await;
    world.converge().await;

    let after = world.only_machine("demo-web");
    assert_ne!(after.id, id);
    assert_eq!(after.config["image"], "registry.fly.io/demo:v2");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_is_replacing_is_waited_for() {
    let mut world = World::of(&image("v1"));
    world.converge().await;
    let id = world.only_machine("demo-web").id;
    world.respec(&image("v2"));
    let (sim, machine) = (world.sim.clone(), id.clone());
    let path: &'static str = Box::leak(format!("/machines/{id}").into_boxed_str());
    let meddler = Meddler::before(&world, Method::Post, path, move || {
        sim.edit_machine_config("demo-web", &machine, |config| config["env"]["HAND"] = "kept".into())
            .unwrap_or_default();
    });

    let outcome = world.reconcile_through(&meddler).await;

    assert!(meddler.has_acted());
    world.assert_converged(&outcome);
    assert_eq!(world.only_machine("demo-web").config["image"], "registry.fly.io/demo:v2");
    world.sim.clear_requests();
    world.must_rest().await;
}
