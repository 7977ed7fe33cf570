//! Too many deletions at once: all of them are held until a person acknowledges exactly the held set.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::{Reason, Request};
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::support::{GRACE, QUARANTINE, created, deletes, policy, seconds, small, withheld};
use crate::world::World;

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
    world.session().journal.change(|memory| memory.acknowledge(hash)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_empty_machine_listing_does_not_make_the_budget_larger() {
    let mut world = fleet_without(12, 4).await;
    world.sim.inject(Fault::always(Matcher::new(Method::Get, "/v1/orgs/acme/machines"), FaultKind::EmptyList));
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
}

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

#[tokio::test(start_paused = true)]
async fn acknowledging_within_the_minute_of_the_hold_lets_the_whole_set_go_as_each_of_it_becomes_free() {
    let mut world = fleet_without(12, 4).await;
    world.reconcile().await;
    world.pass_time(seconds(30)).await;
    world.remove("e04.yaml");
    let outcome = world.reconcile().await;
    // No mark of the hold is known to show everywhere yet, and until it is its machine is not written to: four are free to be let go
    // half a minute before the fifth.
    acknowledge(&mut world, &hash_in(&outcome.last.plan));
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::Grace]);
    for index in 0..5 {
        let machine = world.only_machine(&format!("e{index:02}-web"));
        assert_eq!(machine.metadata("hangar_held"), None, "e{index:02}");
        assert!(machine.metadata("hangar_released").is_some(), "e{index:02}");
    }
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names().len(), 7);
}

/// Four of twelve held and acknowledged, of which `e02` cannot be let go yet because its marks cannot be written.
async fn let_go_but_one() -> World {
    let mut world = fleet_without(12, 4).await;
    world.put("policy.yaml", &policy("{deletionBudget: {maxDeletions: 2}}"));
    let outcome = world.reconcile().await;
    let hash = hash_in(&outcome.last.plan);
    acknowledge(&mut world, &hash);
    let id = world.only_machine("e02-web").id;
    let path = format!("/v1/apps/e02-web/machines/{id}/metadata");
    world.sim.inject(Fault::always(Matcher::new(Method::Patch, &path), FaultKind::unavailable()));
    world.reconcile().await;
    world.sim.clear_faults();
    assert_eq!(world.only_machine("e02-web").metadata("hangar_released"), None);
    assert!(world.only_machine("e02-web").metadata("hangar_held").is_some());
    world
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_is_added_after_the_consent_is_not_part_of_it() {
    let mut world = let_go_but_one().await;
    for index in 4..8 {
        world.remove(&format!("e{index:02}.yaml"));
    }
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::BudgetExceeded]);
    assert_eq!(
        world.app_names(),
        ["e04", "e05", "e06", "e07", "e08", "e09", "e10", "e11"].map(|env| format!("{env}-web"))
    );
    for index in 4..8 {
        assert_eq!(world.only_machine(&format!("e{index:02}-web")).metadata("hangar_released"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn consent_ends_for_what_is_wanted_again() {
    let mut world = let_go_but_one().await;
    world.put("e02.yaml", &small("e02"));
    world.reconcile().await;
    for index in [2, 4, 5, 6] {
        world.remove(&format!("e{index:02}.yaml"));
    }
    let outcome = world.reconcile().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::BudgetExceeded));
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert!(world.app_names().contains(&"e02-web".to_owned()), "{:?}", world.app_names());
    assert!(!world.app_names().contains(&"e01-web".to_owned()), "{:?}", world.app_names());
}
