//! What looking costs, counted exactly. `docs/performance.md` states these numbers.

use std::collections::BTreeMap;

use serde_json::json;

use crate::daemon::{Running, settings, settled};
use crate::support::{QUARANTINE, created, environment, world_of};
use crate::world::World;

/// A world in which one app of somebody else has so many machines that the organization has `machines` of them.
fn fill_up(world: &World, machines: usize) {
    world.sim.create_app("acme", "others", "").unwrap();
    let config = json!({"image": "registry.fly.io/theirs:v1"});
    for _ in world.sim.machines("a-web").len()..machines {
        world.sim.create_machine("others", &config, "iad").unwrap();
    }
}

/// How often each path was asked for.
fn counted(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in world.sim.requests() {
        *counts.entry(format!("{} {}", request.method, request.path)).or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_look_of_the_loop_costs_three_requests_for_up_to_a_thousand_machines_and_one_for_each_further_page() {
    for (machines, pages) in [(1, 1), (1_000, 1), (1_001, 2), (2_500, 3)] {
        let daemon = settled(&["a"], "resync: 10m\ndeepResync: 30d").await;
        fill_up(&daemon.world, machines);
        daemon.pass(3600).await;
        let counts = counted(&daemon.world);
        let looks = counts["GET /v1/apps"];
        assert!((5..=7).contains(&looks), "{counts:?}");
        let expected = [
            ("GET /v1/apps".to_owned(), looks),
            ("GET /v1/orgs/acme/machines".to_owned(), looks * pages),
            ("GET /v1/orgs/acme/volumes".to_owned(), looks),
        ];
        assert_eq!(counts, BTreeMap::from(expected), "{machines} machines");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_with_nothing_known_reads_four_lists_of_each_app_on_top_and_a_fifth_where_it_has_certificates()
 {
    for names in [&["a"][..], &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"][..]] {
        let mut world = created(names).await;
        world.reconcile_without_writes().await;
        assert_eq!(world.sim.requests().len(), 3 + 4 * names.len(), "{:?}", counted(&world));
    }
    let mut world = world_of(&[]);
    world
        .put("a.yaml", &environment("a", "", "web: {image: 'registry.fly.io/demo:v1', certificates: [a.example.com]}"));
    world.converge().await;
    world.reconcile_without_writes().await;
    assert_eq!(world.sim.requests().len(), 3 + 5, "{:?}", counted(&world));
}

/// A daemon that starts where everything is as it should be looks at all of it closely: in a few listings, however many there are.
#[tokio::test(start_paused = true)]
async fn the_first_look_of_the_loop_takes_few_listings() {
    let names: Vec<String> = (0..100).map(|number| format!("e{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = created(&names).await;
    world.put("hangar.yaml", &settings("workers: 2\nresync: 10m\ndeepResync: 30d"));
    world.pass_time(QUARANTINE).await;
    world.sim.clear_requests();
    let daemon = Running::start(world);
    daemon.pass(300).await;
    let counts = counted(&daemon.world);
    assert!(counts["GET /v1/apps"] <= 4, "{counts:#?}");
    assert_eq!(counts.keys().filter(|path| path.ends_with("-web/machines")).count(), names.len());
    assert_eq!(counts["GET /v1/apps/e7-web/machines"], 1, "each is read once");
    assert_eq!(daemon.world.sim.writes(), 0);
}
