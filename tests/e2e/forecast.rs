//! What `hangar gc --at` says is what happens: the passes between now and then, on paper.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use hangar::controller::{Forecast, forecast};
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::plan::{Purpose, Reason, Request};

use crate::previews::set;
use crate::support::{CONTROLLER, environment, policy, seconds, small, withheld, world_of};
use crate::world::World;

const HOUR: u64 = 3600;

/// What is said now of a moment this far ahead. Nothing is written.
async fn ahead(world: &mut World, by: Duration) -> Forecast {
    world.sim.clear_requests();
    let session = world.session();
    let environments = session.loaded.fleet.environments.keys().cloned().collect();
    let observed = session.observe(&environments).await.unwrap();
    let request = Request { purpose: Purpose::Collect, dry_run: true, ..Request::default() };
    let now = world.clock.now();
    let until = now + TimeDelta::from_std(by).unwrap();
    let forecast = forecast(&session.loaded, observed, &session.journal.memory(), &request, now, until).unwrap();
    assert_eq!(world.writes(), Vec::<String>::new());
    forecast
}

fn apps_of(forecast: &Forecast) -> BTreeSet<String> {
    forecast.collected.iter().map(|collected| collected.subject.to_string()).collect()
}

fn pull(world: &World, number: u64) -> PullRequest {
    let now = world.clock.now();
    PullRequest {
        number,
        title: format!("Change {number}"),
        author: "ada".into(),
        labels: vec![],
        is_draft: false,
        is_fork: false,
        branch: format!("change-{number}"),
        sha: format!("{number}aaaaaaaaaaaaaaa"),
        base: "main".into(),
        url: format!("https://github.com/acme/chat/pull/{number}"),
        created_at: now,
        active_at: now,
        head_at: None,
        closed_at: None,
        files: None,
        approvals: BTreeMap::new(),
        orders: vec![],
    }
}

fn list(world: &mut World, pulls: &[PullRequest]) {
    let listing = RepoListing { pulls: pulls.to_vec(), branches: vec![], completeness: Completeness::Complete };
    world.repos.insert("acme/chat".parse().unwrap(), listing);
}

/// Previews of which one is closed in its set's grace, one idle and one active; an environment with an end, and one whose spec is gone.
async fn busy() -> World {
    let set = set("  grace: 3h\n  ttl: {idle: 30h}");
    let aged = environment("aged", "expiresAt: 2026-03-02T08:00:00Z", "web: {image: 'registry.fly.io/demo:v1'}");
    let files = [("hangar.yaml", CONTROLLER), ("set.yaml", &set), ("aged.yaml", &aged)];
    let mut world = World::with(&files);
    for name in ["kept", "gone"] {
        world.put(&format!("{name}.yaml"), &small(name));
    }
    let (closed, idle, active) = (pull(&world, 1), pull(&world, 2), pull(&world, 3));
    list(&mut world, &[closed.clone(), idle.clone(), active.clone()]);
    world.converge().await;
    world.remove("gone.yaml");
    let (closed_at, active_at) = (Some(world.clock.now()), world.clock.now() + TimeDelta::hours(40));
    list(&mut world, &[PullRequest { closed_at, ..closed }, idle, PullRequest { active_at, ..active }]);
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_day_to_come_is_what_is_gone_when_it_has_come() {
    for (hours, count) in [(1, 1), (4, 2), (21, 3), (48, 4)] {
        let mut world = busy().await;
        let forecast = ahead(&mut world, seconds(hours * HOUR)).await;
        let before: BTreeSet<String> = world.app_names().into_iter().collect();
        let until = world.clock.now() + TimeDelta::seconds(i64::try_from(hours * HOUR).unwrap());
        while world.clock.now() + TimeDelta::minutes(21) < until {
            world.reconcile().await;
            world.pass_time(seconds(1200)).await;
        }
        let rest = until - world.clock.now();
        world.pass_time(rest.to_std().unwrap()).await;
        world.reconcile().await;
        let after: BTreeSet<String> = world.app_names().into_iter().collect();
        let gone: BTreeSet<String> = before.difference(&after).cloned().collect();
        assert_eq!(apps_of(&forecast), gone, "{hours} h");
        assert_eq!(gone.len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn each_app_is_said_to_go_when_its_grace_is_over_and_why() {
    let mut world = busy().await;
    let now = world.clock.now();
    let forecast = ahead(&mut world, seconds(48 * HOUR)).await;
    let told: Vec<(&str, i64, &str)> = forecast
        .collected
        .iter()
        .map(|app| (app.env.as_str(), ((app.at - now).num_seconds() + 30) / 60, app.reason.as_str()))
        .collect();
    // The one whose spec is gone is marked in the first pass, so that its grace of five minutes begins now.
    assert_eq!((told[0].0, told[0].1, told[0].2), ("gone", 5, "no spec asks for its environment"));
    assert_eq!((told[1].0, told[1].1), ("pr-1", 180));
    assert!(told[1].2.contains("pull request acme/chat#1 was closed at"), "{told:?}");
    assert!(told[2].0 == "aged" && told[2].2.contains("expired at"), "{told:?}");
    assert!(told[3].0 == "pr-2" && told[3].2.contains("nothing had happened"), "{told:?}");
    assert_eq!(told.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_let_go_is_held_then_as_well() {
    let mut world = world_of(&["keeper", "one", "two", "three"]);
    world.put("policy.yaml", &policy("{deletionBudget: {maxDeletions: 2, maxDeletionPercent: 100, window: 1h}}"));
    world.converge().await;
    for name in ["one", "two", "three"] {
        world.remove(&format!("{name}.yaml"));
    }
    let forecast = ahead(&mut world, seconds(72 * HOUR)).await;
    assert_eq!(apps_of(&forecast), BTreeSet::new());
    assert_eq!(withheld(&forecast.last.plan), [Reason::BudgetExceeded]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_now_is_not_concluded_later() {
    let mut world = busy().await;
    world.completeness = Completeness::Incomplete { reason: "a file could not be read".into() };
    let forecast = ahead(&mut world, seconds(72 * HOUR)).await;
    assert_eq!(apps_of(&forecast), BTreeSet::new());
    assert!(withheld(&forecast.last.plan).contains(&Reason::SourceIncomplete));
}
