//! `adopt: true` takes an app over by name: nothing is made anew, and what is not needed is left alone.

use hangar::controller::Verdict;
use hangar::plan::Reason;
use serde_json::json;

use crate::support::{GRACE, created, handmade, seconds, small, with_foreign_app, withheld};

#[tokio::test(start_paused = true)]
async fn adopting_takes_an_app_over_without_making_anything_anew() {
    let (mut world, id) = with_foreign_app().await;
    let surplus = handmade(&world, "demo-web", "registry.fly.io/theirs:v9");
    world.pass_time(seconds(5)).await;
    let app = world.sim.app("demo-web").unwrap();
    world.edit("demo.yaml", "web: {", "web: {adopt: true, ");
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan.withheld);
    let machine = world.sim.machine("demo-web", &id).unwrap();
    assert_eq!(world.sim.app("demo-web").unwrap().id, app.id);
    assert_eq!(machine.config["image"], "registry.fly.io/demo:v1");
    assert_eq!(machine.metadata("hangar_env"), Some("demo"));
    let untouched = world.sim.machine("demo-web", &surplus).unwrap();
    assert_eq!((untouched.state.as_str(), untouched.versions), ("started", 1));
    assert_eq!(untouched.metadata("hangar_owner"), None);
    assert_eq!(
        world.writes(),
        [
            format!("POST /v1/apps/demo-web/machines/{id}/lease"),
            format!("POST /v1/apps/demo-web/machines/{id}"),
            format!("DELETE /v1/apps/demo-web/machines/{id}/lease"),
        ]
    );
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn adopting_a_machine_that_is_already_as_wanted_only_marks_it() {
    let mut world = created(&["demo"]).await;
    let ours = world.only_machine("demo-web");
    // An app like ours that others made: the same configuration, no marker, no network of ours.
    world.sim.create_app("acme", "old-web", "").unwrap();
    let mut config = ours.config.clone();
    config["metadata"] = json!({"fly_process_group": "app"});
    let id = world.sim.create_machine("old-web", &config, "iad").unwrap();
    world.pass_time(seconds(5)).await;
    world.put("old.yaml", &small("old").replace("web: {", "web: {adopt: true, "));
    let writes = world.reconcile_writing().await;
    assert!(writes.iter().all(|write| write.contains(&format!("/old-web/machines/{id}/metadata"))), "{writes:?}");
    assert_eq!(world.sim.machine("old-web", &id).unwrap().versions, 1);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_adopted_app_with_machines_of_others_is_not_deleted_with_its_environment() {
    let (mut world, _) = with_foreign_app().await;
    handmade(&world, "demo-web", "registry.fly.io/theirs:v9");
    world.pass_time(seconds(5)).await;
    world.edit("demo.yaml", "web: {", "web: {adopt: true, ");
    world.put("other.yaml", &small("other"));
    world.converge().await;
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::ForeignContent]);
    assert_eq!(world.sim.machines("demo-web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_app_with_a_volume_of_others_is_not_deleted_with_its_environment() {
    let (mut world, _) = with_foreign_app().await;
    world.sim.create_volume("demo-web", "archive", "iad", 1).unwrap();
    world.edit("demo.yaml", "web: {", "web: {adopt: true, ");
    world.put("other.yaml", &small("other"));
    world.converge().await;
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::ForeignContent]);
    assert_eq!(world.sim.volumes("demo-web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_app_that_holds_nothing_else_goes_with_its_environment() {
    let (mut world, _) = with_foreign_app().await;
    world.edit("demo.yaml", "web: {", "web: {adopt: true, ");
    world.put("other.yaml", &small("other"));
    world.converge().await;
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    assert_eq!(world.reconcile_writing().await, ["DELETE /v1/apps/demo-web"]);
    assert_eq!(world.app_names(), ["other-web"]);
}
