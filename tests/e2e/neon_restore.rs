//! A branch at Neon is brought back to a moment of its past: once, only where that is really meant, and with what it was put aside for good.

use hangar::controller::{LoadError, Verdict, load};
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::neon::{PROJECT, converged, demo, world};
use crate::support::{GRACE, Meddler, QUARANTINE, seconds, small, withheld};
use crate::world::World;

const HALF_PAST: &str = "restore: {to: '2026-03-01T12:30:00Z', backupName: main-before}";

/// A branch that is an hour old at 13:00.
async fn an_hour_later(branch: &str) -> World {
    let world = converged(branch).await;
    world.pass_time(seconds(3_600)).await;
    world
}

impl World {
    fn restores(&self) -> usize {
        self.neon_writes().iter().filter(|write| write.ends_with("/restore")).count()
    }

    fn branch_names(&self) -> Vec<String> {
        self.sim.neon(PROJECT).branches().into_iter().map(|branch| branch.name).collect()
    }

    /// Reconciles, and returns why nothing was done about the branch.
    async fn refused(&mut self) -> String {
        self.sim.clear_requests();
        let outcome = self.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Failed, "{:#?}", outcome.failures);
        assert_eq!(self.neon_writes(), Vec::<String>::new());
        let told = outcome.last.plan.withheld.iter().find(|one| one.reason == Reason::ObjectFailed);
        told.unwrap().message.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_restored_once_and_hangs_from_what_it_was() {
    let mut world = an_hour_later("").await;
    let id = world.branch("demo-main").unwrap().id;
    let endpoint = world.sim.neon(PROJECT).endpoints(&id).remove(0).id;
    world.put("demo.yaml", &demo(HALF_PAST));
    world.sim.clear_requests();
    let planned = world.diff().await;
    let shown = format!("{:?}", planned.plan.steps);
    assert!(
        shown.contains("as it was at 2026-03-01T12:30:00Z") && shown.contains("goes on as branch `main-before`"),
        "{shown}"
    );
    assert_eq!(world.writes(), Vec::<String>::new());
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
    assert_eq!(world.restores(), 1);
    let (branch, backup) = (world.branch("demo-main").unwrap(), world.branch("main-before").unwrap());
    assert_eq!((&branch.id, branch.parent.as_ref()), (&id, Some(&backup.id)));
    assert_eq!(world.sim.neon(PROJECT).endpoints(&id).remove(0).id, endpoint);
    assert!(branch.last_reset_at.is_some());
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    // Nor when somebody gives what was preserved another name.
    world.sim.neon(PROJECT).rename_branch(&backup.id, "kept").unwrap();
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    assert_eq!(world.reconcile_without_writes().await.worst(), Verdict::Converged);
    assert_eq!(world.branch_names(), ["demo-main", "kept", "main"]);
}

#[tokio::test(start_paused = true)]
async fn another_moment_is_another_restore_and_none_of_them_is_done_twice() {
    let mut world = an_hour_later("").await;
    world.put("demo.yaml", &demo(HALF_PAST));
    world.converge().await;
    world.pass_time(seconds(3_600)).await;
    world.put("demo.yaml", &demo("restore: {to: '2026-03-01T13:30:00Z', backupName: main-before-2}"));
    let outcome = world.reconcile().await;
    assert_eq!((outcome.worst(), world.restores()), (Verdict::Converged, 1));
    let parent = |name: &str| world.branch(name).unwrap().parent;
    assert_eq!(parent("demo-main"), Some(world.branch("main-before-2").unwrap().id));
    assert_eq!(parent("main-before-2"), Some(world.branch("main-before").unwrap().id));
    // The first one was done, and is not done again because its line comes back.
    world.put("demo.yaml", &demo(HALF_PAST));
    world.reconcile_without_writes().await;
    // A moment that is another branch's past by now is refused.
    world.put("demo.yaml", &demo("restore: {to: '2026-03-01T12:10:00Z', backupName: main-before-3}"));
    assert!(world.refused().await.contains("is not its own any more"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_restores_only_once() {
    let mut world = an_hour_later("").await;
    let id = world.branch("demo-main").unwrap().id;
    let path = format!("/api/v2/projects/{PROJECT}/branches/{id}/restore");
    world.sim.inject(Fault::always(Matcher::new(Method::Post, &path), FaultKind::lost_in_500()).times(1));
    world.put("demo.yaml", &demo(HALF_PAST));
    world.sim.clear_requests();
    world.reconcile().await;
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    let outcome = world.reconcile().await;
    assert_eq!((outcome.worst(), world.restores()), (Verdict::Converged, 1));
    assert_eq!(world.branch_names(), ["demo-main", "main", "main-before"]);
}

#[tokio::test(start_paused = true)]
async fn branches_made_from_it_are_moved_only_where_the_spec_says_so() {
    let mut world = an_hour_later("").await;
    let id = world.branch("demo-main").unwrap().id;
    let neon = world.sim.neon(PROJECT);
    neon.create_branch("child", Some(&id)).unwrap();
    world.put("demo.yaml", &demo(HALF_PAST));
    let told = world.refused().await;
    assert!(told.contains("child") && told.contains("`reparentChildren: true`"), "{told}");
    world.edit("demo.yaml", "backupName: main-before", "backupName: main-before, reparentChildren: true");
    world.converge().await;
    let backup = world.branch("main-before").unwrap().id;
    assert_eq!(world.branch("child").unwrap().parent, Some(backup.clone()));
    assert_eq!(world.branch("demo-main").unwrap().parent, Some(backup));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_made_from_it_at_the_last_moment_is_not_moved() {
    let mut world = an_hour_later("").await;
    let id = world.branch("demo-main").unwrap().id;
    world.put("demo.yaml", &demo(HALF_PAST));
    // Everything was looked at when the lists are read again right before.
    let sim = world.sim.clone();
    let meddler = Meddler::before(&world, Method::Get, "/roles", move || {
        sim.neon(PROJECT).create_branch("child", Some(&id)).unwrap();
    });
    world.sim.clear_requests();
    world.reconcile_through(&meddler).await;
    assert!(meddler.has_acted());
    assert_eq!(world.restores(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_moment_outside_of_the_history_is_reported() {
    let mut world = converged("").await;
    world.pass_time(seconds(40 * 86_400)).await;
    world.put("demo.yaml", &demo(HALF_PAST));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let failure = &outcome.failures.values().next().unwrap()[0];
    assert!(failure.message.contains("outside the history window"), "{}", failure.message);
    assert_eq!(world.branch_names(), ["demo-main", "main"]);
    let outcome = world.reconcile_without_writes().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::RolloutRejected));
}

#[tokio::test(start_paused = true)]
async fn a_moment_to_come_or_before_it_was_made_is_refused() {
    let mut world = an_hour_later("").await;
    world.put("demo.yaml", &demo("restore: {to: '2026-03-01T15:00:00Z', backupName: b}"));
    assert!(world.refused().await.contains("still to come"));
    world.put("demo.yaml", &demo("restore: {to: '2026-03-01T11:00:00Z', backupName: b}"));
    assert!(world.refused().await.contains("has no past at 2026-03-01T11:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn a_protected_branch_is_restored_only_while_the_spec_lifts_that() {
    let mut world = an_hour_later("protected: true").await;
    world.put("demo.yaml", &demo(&format!("protected: true, {HALF_PAST}")));
    assert!(world.refused().await.contains("`protected: false`"));
    world.put("demo.yaml", &demo(&format!("protected: false, {HALF_PAST}")));
    world.converge().await;
    world.put("demo.yaml", &demo(&format!("protected: true, {HALF_PAST}")));
    world.converge().await;
    assert!(world.branch("demo-main").unwrap().protected);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_adopted_branch_is_restored_and_one_of_others_is_not() {
    let mut world = world("");
    let id = world.sim.neon(PROJECT).create_branch("demo-main", None).unwrap();
    world.pass_time(seconds(3_600)).await;
    world.put("demo.yaml", &demo(HALF_PAST));
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::NotOurs));
    assert_eq!(world.neon_writes(), Vec::<String>::new());
    world.put("demo.yaml", &demo(&format!("adopt: true, {HALF_PAST}")));
    world.converge().await;
    assert_eq!(world.branch("demo-main").unwrap().id, id);
    assert_eq!(world.branch("demo-main").unwrap().parent, Some(world.branch("main-before").unwrap().id));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_preserved_stays_when_its_environment_goes() {
    let mut world = an_hour_later("").await;
    world.put("demo.yaml", &demo(HALF_PAST));
    world.converge().await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
    assert_eq!(world.branch_names(), ["main", "main-before"]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_after_a_restore_is_to_the_parent_and_not_to_what_was_preserved() {
    let mut world = an_hour_later("").await;
    world.put("demo.yaml", &demo(HALF_PAST));
    world.converge().await;
    world.pass_time(seconds(60)).await;
    world.put("demo.yaml", &demo(&format!("reset: 1, {HALF_PAST}")));
    world.converge().await;
    assert_eq!(world.branch("demo-main").unwrap().parent, Some(world.branch("main").unwrap().id));
    assert_eq!(world.restores(), 0);
    // It hangs elsewhere now, and is not restored again for that.
    assert_eq!(world.reconcile_without_writes().await.worst(), Verdict::Converged);
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    world.sim.neon(PROJECT).delete_branch(&world.branch("main-before").unwrap().id).unwrap();
    assert!(world.refused().await.contains("is not its own any more"));
}

#[tokio::test(start_paused = true)]
async fn a_spec_says_one_moment_and_another_name() {
    let cases = [
        ("restore: {backupName: b}", "write either `to` or `lsn`"),
        ("restore: {to: '2026-03-01T12:30:00Z', lsn: 0/1, backupName: b}", "write either `to` or `lsn`"),
        ("restore: {lsn: nonsense, backupName: b}", "two hexadecimal numbers"),
        ("restore: {to: '2026-03-01T12:30:00Z', backupName: demo-main}", "another name than the branch has"),
        ("restore: {to: '2026-03-01T12:30:00Z'}", "backupName"),
    ];
    for (branch, expected) in cases {
        let world = world(branch);
        let told = match load(&world.snapshot(), &world.variables) {
            Ok(loaded) => loaded.diagnostics.render(false),
            Err(LoadError::Specs { problems, .. }) => problems.render(false),
            Err(other) => panic!("{other}"),
        };
        assert!(told.contains(expected), "{branch}: {told}");
    }
}
