//! Only what carries our marker is touched, or what a spec adopts by name.

use hangar::controller::Verdict;
use hangar::plan::Reason;
use hangar::sim::SimConfig;
use serde_json::json;

use crate::support::{
    CONTROLLER, GRACE, configured, created, environment, handmade, notices, seconds, small, with_foreign_app, withheld,
    world_of,
};

#[tokio::test(start_paused = true)]
async fn an_app_of_our_name_that_is_not_ours_is_left_alone_and_reported() {
    let (mut world, id) = with_foreign_app().await;
    let before = world.sim.snapshot();
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
    assert_eq!(world.sim.snapshot(), before);
    assert_eq!(world.only_machine("demo-web").id, id);
}

#[tokio::test(start_paused = true)]
async fn an_empty_app_of_our_name_that_is_not_ours_is_left_alone() {
    let mut world = world_of(&["demo"]);
    world.sim.create_app("acme", "demo-web", "").unwrap();
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
}

#[tokio::test(start_paused = true)]
async fn a_name_taken_in_another_organization_is_reported_even_when_it_is_to_be_adopted() {
    for adopt in ["", ", adopt: true"] {
        let config = SimConfig::default().with_org("strangers", "sim_strangers_token");
        let mut world = configured(&[], config);
        world.put("demo.yaml", &environment("demo", "", &format!("web: {{image: 'registry.fly.io/demo:v1'{adopt}}}")));
        world.sim.create_app("strangers", "demo-web", "").unwrap();
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(outcome.worst(), Verdict::Blocked);
        assert_eq!(withheld(&outcome.last.plan), [Reason::NameTaken]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_with_another_owners_marker_is_left_alone() {
    let mut world = created(&["demo"]).await;
    // Another controller, with its own owner id, whose spec asks for an app of the same name.
    world.put("hangar.yaml", &CONTROLLER.replace("owner: hangar", "owner: other"));
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
    assert!(outcome.last.plan.withheld[0].message.contains("owner hangar"), "{:?}", outcome.last.plan.withheld);
    world.remove("demo.yaml");
    world.put("next.yaml", &small("next"));
    world.converge().await;
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_whose_network_is_ours_and_whose_machines_are_another_owners_is_left_alone() {
    let mut world = created(&["demo", "next"]).await;
    let id = world.only_machine("demo-web").id;
    world.edit_metadata("demo-web", &id, &[("hangar_owner", Some("other"))]);
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
    world.remove("demo.yaml");
    world.reconcile_without_writes().await;
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_with_an_unreadable_marker_is_left_alone() {
    for damage in [("hangar_slot", Some("nonsense")), ("hangar_env", None), ("hangar_tombstone", Some("soon"))] {
        let mut world = created(&["demo", "next"]).await;
        let id = world.only_machine("demo-web").id;
        world.edit_metadata("demo-web", &id, &[damage]);
        world.pass_time(GRACE).await;
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs], "{damage:?}");
        world.remove("demo.yaml");
        world.reconcile_without_writes().await;
        world.pass_time(GRACE).await;
        world.reconcile_without_writes().await;
        assert_eq!(world.app_names(), ["demo-web", "next-web"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_of_another_environment_of_ours_is_left_alone() {
    let mut world = created(&["demo"]).await;
    // The spec of another environment names the same app, after the file of the first was renamed without care.
    let text = small("next").replace("web: {", "web: {name: demo-web, ");
    world.remove("demo.yaml");
    world.put("next.yaml", &text);
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
    assert!(outcome.last.plan.withheld[0].message.contains("belongs to environment `demo`"));
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_clone_made_by_hand_is_not_ours_and_is_never_touched() {
    let mut world = created(&["demo"]).await;
    let ours = world.only_machine("demo-web").id;
    let clone = world.sim.clone_machine("demo-web", &ours).unwrap();
    world.pass_time(seconds(5)).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    assert_eq!(notices(&outcome.last.plan), [Reason::Unmanaged]);
    // Also not when ours is updated, or gone.
    world.edit("demo.yaml", "demo:v1", "demo:v2");
    let writes = world.reconcile_writing().await;
    assert!(writes.iter().all(|write| !write.contains(&clone)), "{writes:?}");
    world.sim.delete_machine("demo-web", &ours).unwrap();
    world.pass_time(GRACE).await;
    let writes = world.reconcile_writing().await;
    assert!(writes.iter().all(|write| !write.contains(&clone)), "{writes:?}");
    let clone = world.sim.machine("demo-web", &clone).unwrap();
    assert_eq!((clone.state.as_str(), clone.versions), ("started", 1));
    assert_eq!(world.sim.machines("demo-web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn machines_of_others_in_our_app_are_left_alone() {
    let mut world = created(&["demo"]).await;
    let theirs = handmade(&world, "demo-web", "registry.fly.io/debug:v1");
    world.pass_time(seconds(5)).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    assert_eq!(notices(&outcome.last.plan), [Reason::Unmanaged]);
    world.edit("demo.yaml", "demo:v1", "demo:v2");
    let writes = world.reconcile_writing().await;
    assert!(writes.iter().all(|write| !write.contains(&theirs)), "{writes:?}");
    assert_eq!(world.sim.machines("demo-web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_machine_that_holds_a_slots_name_is_reported_and_left_alone() {
    let mut world = created(&["demo"]).await;
    let ours = world.only_machine("demo-web");
    let stripped: Vec<(&str, Option<&str>)> = vec![("hangar_owner", None)];
    world.edit_metadata("demo-web", &ours.id, &stripped);
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::NotOurs]);
    assert_eq!(world.only_machine("demo-web").id, ours.id);
}

#[tokio::test(start_paused = true)]
async fn a_marker_copied_to_another_app_does_not_make_it_ours() {
    let mut world = created(&["demo"]).await;
    let ours = world.only_machine("demo-web");
    world.sim.create_app("acme", "theirs", "").unwrap();
    let copy = json!({"image": "registry.fly.io/theirs:v9", "metadata": ours.config["metadata"]});
    world.sim.create_machine("theirs", &copy, "iad").unwrap();
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
    // Even when no spec asks for anything of that environment any more.
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web", "theirs"]);
    let touched: Vec<String> = world.writes().into_iter().filter(|write| write.contains("theirs")).collect();
    assert_eq!(touched, Vec::<String>::new());
}
