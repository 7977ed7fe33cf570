//! What no spec asks for any more goes, after grace and with proof; and everything that keeps it from going.

use hangar::controller::Verdict;
use hangar::desired::Completeness;
use hangar::http::transport::Method;
use hangar::plan::{Reason, Request};
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::support::{
    CONTROLLER, GRACE, Meddler, created, deletes, edit_metadata, environment, seconds, small, withheld,
};
use crate::world::World;

/// Two environments of which one has just lost its file.
async fn orphaned() -> World {
    let mut world = created(&["demo", "other"]).await;
    world.remove("demo.yaml");
    world
}

/// The same, with the tombstone set and grace over: the next pass deletes.
async fn doomed() -> World {
    let mut world = orphaned().await;
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_is_marked_then_left_for_grace_then_deleted_after_its_marker_was_read_again() {
    let mut world = orphaned().await;
    let id = world.only_machine("demo-web").id;
    let outcome = world.reconcile().await;
    assert_eq!(world.writes(), [format!("PATCH /v1/apps/demo-web/machines/{id}/metadata")]);
    assert_eq!(outcome.worst(), Verdict::Waiting);
    assert_eq!(withheld(&outcome.last.plan), [Reason::Grace]);
    let tombstone: i64 = world.only_machine("demo-web").metadata("hangar_tombstone").unwrap().parse().unwrap();
    assert!((world.clock.now().timestamp() - tombstone) < 5);
    // A run waits out what is left of grace if that is within its patience of 3 minutes.
    world.pass_time(seconds(100)).await;
    world.reconcile_without_writes().await;
    world.pass_time(seconds(20)).await;
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    assert_eq!(world.app_names(), ["other-web"]);
    assert_eq!(world.writes(), ["DELETE /v1/apps/demo-web"]);
    // Before the delete its markers are read again, and after it that it is gone.
    let about: Vec<String> = world
        .sim
        .requests()
        .iter()
        .filter(|request| request.path.starts_with("/v1/apps/demo-web"))
        .map(|request| format!("{} {} {}", request.method, request.path, request.status.unwrap()))
        .collect();
    assert_eq!(
        about,
        [
            "GET /v1/apps/demo-web 200",
            "GET /v1/apps/demo-web/machines 200",
            "DELETE /v1/apps/demo-web 202",
            "GET /v1/apps/demo-web 404",
        ]
    );
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_comes_back_during_grace_lifts_the_tombstone() {
    let mut world = doomed().await;
    let before = world.only_machine("demo-web");
    world.put("demo.yaml", &small("demo"));
    let writes = world.reconcile_writing().await;
    assert_eq!(writes, [format!("PATCH /v1/apps/demo-web/machines/{}/metadata", before.id)]);
    let after = world.only_machine("demo-web");
    assert_eq!((&after.id, after.versions), (&before.id, before.versions));
    assert_eq!(after.metadata("hangar_tombstone"), None);
    // Grace begins anew when the spec goes again.
    world.remove("demo.yaml");
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn grace_outlives_the_store() {
    let mut world = orphaned().await;
    world.reconcile().await;
    world.lose_store();
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    // Nothing is deleted in quarantine, which this run waits out, and then at once: grace is over.
    let began = world.clock.now();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    assert_eq!(deletes(&world), ["DELETE /v1/apps/demo-web"]);
    let deleted = world.sim.requests().iter().find(|request| request.method == "DELETE").unwrap().at;
    assert!((123..=128).contains(&(deleted - began).num_seconds()), "{}", deleted - began);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_someone_else_deleted_meanwhile_counts_as_gone() {
    // Before the pass, between plan and delete, and between the last look and the delete.
    let mut world = doomed().await;
    world.sim.delete_app("demo-web").unwrap();
    world.pass_time(seconds(5)).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    for (method, end) in [(Method::Get, "/v1/apps/demo-web"), (Method::Delete, "/v1/apps/demo-web")] {
        let mut world = doomed().await;
        let sim = world.sim.clone();
        let meddler = Meddler::before(&world, method, end, move || sim.delete_app("demo-web").unwrap());
        let outcome = world.reconcile_through(&meddler).await;
        assert!(meddler.has_acted());
        assert_eq!(outcome.worst(), Verdict::Converged, "{method:?} {:#?}", outcome.failures);
        assert_eq!(world.app_names(), ["other-web"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_for_an_app_that_is_gone_is_no_failure() {
    let mut world = orphaned().await;
    let sim = world.sim.clone();
    let meddler = Meddler::before(&world, Method::Patch, "/metadata", move || sim.delete_app("demo-web").unwrap());
    let outcome = world.reconcile_through(&meddler).await;
    assert!(meddler.has_acted());
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_its_environment_no_longer_has_goes_alone() {
    let both = "web: {image: 'registry.fly.io/demo:v1'}\napi: {image: 'registry.fly.io/demo:v1'}";
    let mut world = created(&[]).await;
    world.put("demo.yaml", &environment("demo", "", both));
    world.converge().await;
    world.put("demo.yaml", &small("demo"));
    let api = world.only_machine("demo-api").id;
    assert_eq!(world.reconcile_writing().await, [format!("PATCH /v1/apps/demo-api/machines/{api}/metadata")]);
    world.reconcile_without_writes().await;
    world.pass_time(GRACE).await;
    assert_eq!(world.reconcile_writing().await, ["DELETE /v1/apps/demo-api"]);
    assert_eq!(world.app_names(), ["demo-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_has_expired_goes_although_its_spec_is_there() {
    let mut world = created(&["other"]).await;
    let spec = environment("demo", "expiresAt: '2026-03-02T12:00:00Z'", "web: {image: 'registry.fly.io/demo:v1'}");
    world.put("demo.yaml", &spec);
    world.converge().await;
    world.pass_time(seconds(24 * 3600)).await;
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_without_machines_is_collected_by_its_network_and_a_tombstone_secret() {
    let mut world = orphaned().await;
    let id = world.only_machine("demo-web").id;
    world.sim.delete_machine("demo-web", &id).unwrap();
    world.pass_time(seconds(90)).await;
    assert_eq!(world.reconcile_writing().await, ["POST /v1/apps/demo-web/secrets"]);
    assert_eq!(world.sim.secret_names("demo-web"), ["HANGAR_TOMBSTONE"]);
    world.reconcile_without_writes().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_app_on_our_network_with_machines_of_others_only_is_marked_once_and_collected() {
    let mut world = orphaned().await;
    let id = world.only_machine("demo-web").id;
    world.sim.clone_machine("demo-web", &id).unwrap();
    world.sim.delete_machine("demo-web", &id).unwrap();
    world.pass_time(seconds(90)).await;
    assert_eq!(world.reconcile_writing().await, ["POST /v1/apps/demo-web/secrets"]);
    world.pass_time(GRACE).await;
    assert_eq!(world.reconcile_writing().await, ["DELETE /v1/apps/demo-web"]);
}

// What keeps everything from being deleted: something was not seen.

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_when_a_listing_fails_or_is_partial() {
    let answers = |status: u16| FaultKind::StatusBefore { status, body: r#"{"error":"no"}"#.to_owned() };
    let cases = [
        ("/v1/apps", answers(500)),
        ("/v1/apps", answers(403)),
        ("/v1/apps", answers(401)),
        ("/v1/apps", FaultKind::Truncated),
        ("/v1/apps", FaultKind::HtmlError),
        ("/v1/apps", FaultKind::TimeoutBefore),
        ("/v1/orgs/acme/machines", answers(500)),
        ("/v1/orgs/acme/machines", answers(403)),
        ("/v1/orgs/acme/machines", FaultKind::Truncated),
        ("/v1/orgs/acme/machines", FaultKind::ErrorRegions { regions: vec!["ams".to_owned()] }),
        ("/v1/orgs/acme/volumes", answers(500)),
        ("/v1/orgs/acme/volumes", FaultKind::ErrorRegions { regions: vec!["iad".to_owned()] }),
    ];
    for (path, kind) in cases {
        let mut world = doomed().await;
        world.sim.inject(Fault::always(Matcher::new(Method::Get, path), kind.clone()));
        world.reconcile_without_writes().await;
        let request = Request { allow_mass_delete: true, ..Request::default() };
        world.run(request).await;
        assert_eq!(world.writes(), Vec::<String>::new(), "{path} {kind:?}");
        // It was only this that kept it.
        world.sim.clear_faults();
        world.reconcile().await;
        assert_eq!(world.app_names(), ["other-web"], "{path} {kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_listing_that_looks_complete_makes_nothing_anew_and_proves_nothing_gone() {
    for path in ["/v1/apps", "/v1/orgs/acme/machines", "/v1/orgs/acme/volumes"] {
        let mut world = created(&["demo", "other"]).await;
        world.sim.inject(Fault::always(Matcher::new(Method::Get, path), FaultKind::EmptyList));
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_while_the_specs_are_incomplete() {
    let mut world = doomed().await;
    world.completeness = Completeness::Incomplete { reason: "the forge does not answer".to_owned() };
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::SourceIncomplete]);
    world.completeness = Completeness::Complete;
    assert_eq!(world.reconcile_writing().await, ["DELETE /v1/apps/demo-web"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_while_any_spec_cannot_be_evaluated() {
    let mut world = doomed().await;
    let broken = "web: {image: 'registry.fly.io/demo:v1', config: nowhere.toml}";
    world.put("broken.yaml", &environment("broken", "", broken));
    let outcome = world.reconcile_without_writes().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::SourceIncomplete), "{:?}", outcome.last.plan.withheld);
    world.remove("broken.yaml");
    assert_eq!(world.reconcile_writing().await, ["DELETE /v1/apps/demo-web"]);
}

// Races: what was proven when the plan was made no longer is.

/// Changes the metadata of the doomed app's machine just before the executor looks at it for the last time.
async fn meddling(changes: &'static [(&'static str, Option<&'static str>)]) -> World {
    let mut world = doomed().await;
    let id = world.only_machine("demo-web").id;
    let sim = world.sim.clone();
    let meddler = Meddler::before(&world, Method::Get, "/v1/apps/demo-web", move || {
        edit_metadata(&sim, "demo-web", &id, changes);
    });
    world.reconcile_through(&meddler).await;
    assert!(meddler.has_acted());
    world
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_when_the_evidence_changes_between_plan_and_delete() {
    let cases: [&'static [(&'static str, Option<&'static str>)]; 6] = [
        &[("hangar_owner", Some("others"))],
        &[("hangar_slot", Some("nonsense"))],
        &[("hangar_tombstone", None)],
        &[("hangar_protect", Some("true"))],
        &[("hangar_retain", Some("true"))],
        &[("hangar_held", Some("1"))],
    ];
    for changes in cases {
        let world = meddling(changes).await;
        assert_eq!(deletes(&world), Vec::<String>::new(), "{changes:?}");
        assert_eq!(world.app_names(), ["demo-web", "other-web"], "{changes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_belongs_to_another_environment_by_now_is_not_deleted_for_the_first() {
    let world = meddling(&[("hangar_env", Some("another")), ("hangar_protect", Some("true"))]).await;
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
    let events = format!("{:?}", world.recorder.events());
    assert!(events.contains("it belongs to environment `another` now"), "{events}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_while_another_instance_writes_under_our_owner_id() {
    let mut world = doomed().await;
    // Another instance stamps the app after this run has begun, but before its plan.
    let stamp = format!("another@{}", (world.clock.now() + chrono::TimeDelta::seconds(10)).timestamp_millis());
    let id = world.only_machine("demo-web").id;
    world.edit_metadata("demo-web", &id, &[("hangar_writer", Some(&stamp))]);
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::AnotherWriter]);
    assert_eq!(outcome.worst(), Verdict::Blocked);
    // A run that begins after that stamp is the newest writer itself.
    world.pass_time(seconds(60)).await;
    assert_eq!(world.reconcile_writing().await, ["DELETE /v1/apps/demo-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_surplus_machines_tombstone_does_not_shorten_the_apps_grace() {
    let mut world = created(&["demo", "other"]).await;
    world.edit("demo.yaml", "web: {", "web: {count: 2, ");
    world.converge().await;
    let young = world.sim.machines("demo-web").pop().unwrap();
    let long_ago = (world.clock.now() - chrono::TimeDelta::hours(1)).timestamp().to_string();
    world.edit_metadata("demo-web", &young.id, &[("hangar_tombstone", Some(&long_ago))]);
    world.pass_time(seconds(5)).await;
    world.remove("demo.yaml");
    let outcome = world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(withheld(&outcome.last.plan), [Reason::Grace]);
}

#[tokio::test(start_paused = true)]
async fn another_controllers_environments_are_never_orphans_of_ours() {
    let mut world = created(&["demo"]).await;
    world.put("hangar.yaml", &CONTROLLER.replace("owner: hangar", "owner: newcomer"));
    world.remove("demo.yaml");
    world.put("next.yaml", &small("next"));
    world.converge().await;
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.last.plan.environments.len(), 1);
    assert_eq!(world.app_names(), ["demo-web", "next-web"]);
}
