//! What no spec asks for any more goes, after grace and with proof; and everything that keeps it from going.

use hangar::controller::Verdict;
use hangar::desired::Completeness;
use hangar::http::transport::Method;
use hangar::plan::{Reason, Request};
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::support::{
    CONTROLLER, GRACE, Meddler, QUARANTINE, created, edit_metadata, environment, policy, seconds, small, withheld,
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

/// `count` environments, of which the files of the first `gone` are removed.
async fn fleet_without(count: usize, gone: usize) -> World {
    let names: Vec<String> = (0..count).map(|index| format!("e{index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = created(&names).await;
    for name in names.iter().take(gone) {
        world.remove(&format!("{name}.yaml"));
    }
    world
}

/// The hash by which the held set is acknowledged, as the message tells it.
fn hash_in(plan: &hangar::plan::Plan) -> String {
    let held = plan.withheld.iter().find(|withheld| withheld.message.contains("--acknowledge")).expect("held");
    let (_, rest) = held.message.split_once("--acknowledge ").unwrap();
    rest.split('`').next().unwrap().to_owned()
}

fn acknowledge(world: &mut World, hash: &str) {
    world.session().journal.change(|memory| memory.acknowledged.insert(hash.to_owned())).unwrap();
}

fn deletes(world: &World) -> Vec<String> {
    world.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect()
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
async fn an_empty_machine_listing_does_not_make_the_budget_larger() {
    let mut world = fleet_without(12, 4).await;
    world.sim.inject(Fault::always(Matcher::new(Method::Get, "/v1/orgs/acme/machines"), FaultKind::EmptyList));
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
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

// Too many at once.

#[tokio::test(start_paused = true)]
async fn a_source_that_is_suddenly_empty_is_held_until_acknowledged() {
    let mut world = created(&["demo", "other"]).await;
    world.remove("demo.yaml");
    world.remove("other.yaml");
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert_eq!(withheld(&outcome.last.plan), [Reason::SourceSuddenlyEmpty]);
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    acknowledge(&mut world, &hash_in(&outcome.last.plan));
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "grace begins with the consent");
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_comes_back_piece_by_piece_after_it_was_empty_is_still_held() {
    let mut world = created(&["demo", "other"]).await;
    world.remove("demo.yaml");
    world.remove("other.yaml");
    world.reconcile().await;
    world.put("other.yaml", &small("other"));
    world.lose_store();
    for _ in 0..3 {
        world.pass_time(GRACE).await;
        world.reconcile().await;
    }
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_source_goes_with_a_run_that_allows_it() {
    let mut world = created(&["demo"]).await;
    world.remove("demo.yaml");
    world.reconcile().await;
    world.run(Request { allow_mass_delete: true, ..Request::default() }).await;
    world.pass_time(GRACE).await;
    // The consent was given for these apps, so the run after grace does not have to repeat it.
    world.lose_store();
    world.reconcile().await;
    assert_eq!(world.app_names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_few_deletions_are_within_the_budget() {
    let mut world = fleet_without(8, 7).await;
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["e07-web"]);
}

#[tokio::test(start_paused = true)]
async fn more_deletions_than_the_budget_are_held_and_neither_a_pass_nor_a_restart_nor_an_empty_store_lets_them_go() {
    // 4 of 12 are more than 30 %.
    let mut world = fleet_without(12, 4).await;
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"e00".into()], Verdict::Blocked);
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    assert_eq!(deletes(&world), Vec::<String>::new());
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
    world.pass_time(seconds(3 * 3600)).await;
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    world.pass_time(QUARANTINE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    // Also when one of them is wanted again, so that there would not be too many any more.
    world.put("e00.yaml", &small("e00"));
    world.lose_store();
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    assert_eq!(world.app_names().len(), 12);
    // What is wanted again is not held any more: it goes alone when its file goes another day.
    assert_eq!(world.only_machine("e00-web").metadata("hangar_held"), None);
}

#[tokio::test(start_paused = true)]
async fn acknowledging_exactly_the_held_set_lets_it_go() {
    let mut world = fleet_without(12, 4).await;
    let outcome = world.reconcile().await;
    let hash = hash_in(&outcome.last.plan);
    acknowledge(&mut world, &hash);
    world.reconcile().await;
    world.pass_time(GRACE).await;
    // The first deletions make the set smaller; what is left of it goes all the same, with another store too.
    world.sim.inject(Fault::always(Matcher::new(Method::Delete, "/v1/apps/e02-web"), FaultKind::unavailable()));
    world.reconcile().await;
    assert_eq!(world.app_names().len(), 9);
    world.sim.clear_faults();
    world.lose_store();
    world.reconcile().await;
    assert_eq!(world.app_names().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn acknowledging_one_set_does_not_let_another_go() {
    let mut world = fleet_without(12, 4).await;
    let outcome = world.reconcile().await;
    let hash = hash_in(&outcome.last.plan);
    // One more: not the set that was acknowledged.
    world.remove("e05.yaml");
    acknowledge(&mut world, &hash);
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    assert_ne!(hash_in(&outcome.last.plan), hash);
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
    // One fewer neither.
    world.put("e05.yaml", &small("e05"));
    world.put("e00.yaml", &small("e00"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.app_names().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn apps_made_anew_under_acknowledged_names_are_another_set() {
    let mut world = fleet_without(12, 4).await;
    let outcome = world.reconcile().await;
    let hash = hash_in(&outcome.last.plan);
    acknowledge(&mut world, &hash);
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names().len(), 8);
    for index in 0..4 {
        world.put(&format!("e{index:02}.yaml"), &small(&format!("e{index:02}")));
    }
    world.converge().await;
    for index in 0..4 {
        world.remove(&format!("e{index:02}.yaml"));
    }
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    assert_ne!(hash_in(&outcome.last.plan), hash);
}

#[tokio::test(start_paused = true)]
async fn deletions_are_counted_over_a_window_and_not_by_the_pass() {
    // 3 of 12 are allowed (25 %), and then no more within the hour.
    let mut world = fleet_without(12, 3).await;
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names().len(), 9);
    world.remove("e04.yaml");
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    // The hour over, it is still held, for nobody has looked.
    world.pass_time(seconds(2 * 3600)).await;
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
}

#[tokio::test(start_paused = true)]
async fn a_policys_budget_counts() {
    let mut world = fleet_without(4, 2).await;
    world.put("policy.yaml", &policy("{deletionBudget: {maxDeletions: 1}, grace: 1m}"));
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    world.put("e01.yaml", &small("e01"));
    world.edit("policy.yaml", "maxDeletions: 1", "maxDeletions: 2");
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded], "it latches");
    let hash = hash_in(&outcome.last.plan);
    acknowledge(&mut world, &hash);
    world.reconcile().await;
    world.pass_time(seconds(61)).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["e01-web", "e02-web", "e03-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_for_one_environment_still_counts_all_deletions() {
    let mut world = fleet_without(12, 4).await;
    let request = Request { env: Some("e00".into()), ..Request::default() };
    let outcome = world.run(request.clone()).await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world.run(request).await;
    assert_eq!(world.writes(), Vec::<String>::new());
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
