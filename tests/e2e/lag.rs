//! Everything that a listing or a vault may lag behind, and everything that lingers: nothing is made twice, nothing wrongly deleted.

use std::time::Duration;

use hangar::controller::Verdict;
use hangar::sim::SimConfig;

use crate::live::live;
use crate::support::{CONTROLLER, GRACE, environment, seconds, small};
use crate::world::World;

const APPS: &str = "web:
  image: registry.fly.io/demo:v1
  count: 2
  volumes: {data: {mount: /data}}
  ips: {v6: true}
  secrets: {TOKEN: {generate: {}}}
api: {image: 'registry.fly.io/demo:v1'}";

fn lags() -> Vec<(&'static str, SimConfig)> {
    let none = SimConfig::default;
    let second = Duration::from_secs;
    vec![
        ("no lag", none()),
        ("listings 10 s", SimConfig { listing_lag: second(10), ..none() }),
        ("listings 60 s", SimConfig { listing_lag: second(60), ..none() }),
        ("new apps 5 s", SimConfig { app_missing_after_create: second(5), ..none() }),
        ("vault 10 s", SimConfig { vault_lag: second(10), ..none() }),
        ("secrets' list 60 s", SimConfig { secrets_lag: second(60), ..none() }),
        ("volumes bound 60 s", SimConfig { volume_bound_after_destroy: second(60), ..none() }),
        ("destroyed machines 10 min", SimConfig { destroyed_visible: second(600), ..none() }),
        ("apps deleted in 20 s", SimConfig { app_delete: second(20), ..none() }),
        ("slow answers", SimConfig { latency: Duration::from_millis(700), ..none() }),
        (
            "all of them",
            SimConfig {
                listing_lag: second(60),
                app_missing_after_create: second(5),
                vault_lag: second(10),
                secrets_lag: second(60),
                volume_bound_after_destroy: second(60),
                destroyed_visible: second(600),
                app_delete: second(20),
                latency: Duration::from_millis(300),
                ..none()
            },
        ),
    ]
}

/// Reconciles until everything is converged, in at most `runs` runs a minute apart.
async fn reconcile_until_converged(world: &mut World, lag: &str, runs: usize) {
    for _ in 0..runs {
        let outcome = world.reconcile().await;
        if outcome.worst() == Verdict::Converged {
            return;
        }
        assert!(outcome.failures.is_empty(), "{lag}: {:#?}", outcome.failures);
        world.pass_time(seconds(60)).await;
    }
    panic!("{lag}: not converged after {runs} runs");
}

/// Creates, changes and removes an environment next to another one; returns the live state after each.
async fn life(lag: &str, config: SimConfig) -> [Vec<String>; 3] {
    let config = config.with_org("acme", "sim_acme_token");
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER), ("other.yaml", &small("other"))], config);
    world.put("demo.yaml", &environment("demo", "", APPS));
    reconcile_until_converged(&mut world, lag, 3).await;
    let created = live(&world.sim);
    world.reconcile_without_writes().await;
    let changed = APPS
        .replace("demo:v1\n  count: 2", "demo:v2\n  count: 1")
        .replace("{generate: {}}", "{generate: {generation: 2}}")
        .replace("v6: true", "v6: false, v4: true");
    world.put("demo.yaml", &environment("demo", "", &changed));
    reconcile_until_converged(&mut world, lag, 3).await;
    world.pass_time(seconds(130)).await;
    // A volume that was still bound to its destroyed machine is free now.
    reconcile_until_converged(&mut world, lag, 2).await;
    let updated = live(&world.sim);
    world.reconcile_without_writes().await;
    world.remove("demo.yaml");
    world.sim.clear_requests();
    world.reconcile().await;
    let marks = world.writes();
    assert_eq!(marks.len(), 2, "{lag}: each app is marked once: {marks:?}");
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    reconcile_until_converged(&mut world, lag, 4).await;
    let mut deletes = world.writes();
    deletes.sort();
    assert_eq!(deletes, ["DELETE /v1/apps/demo-api", "DELETE /v1/apps/demo-web"], "{lag}");
    world.pass_time(seconds(61)).await;
    world.reconcile_without_writes().await;
    [created, updated, live(&world.sim)]
}

#[tokio::test(start_paused = true)]
async fn whatever_lags_an_environment_is_created_changed_and_removed_with_the_same_result() {
    let mut lags = lags().into_iter();
    let (name, config) = lags.next().unwrap();
    let expected = life(name, config).await;
    for (name, config) in lags {
        assert_eq!(life(name, config).await, expected, "{name}");
    }
}

/// A volume stays bound to a destroyed machine for a while. A new one in its place would be one without the data.
#[tokio::test(start_paused = true)]
async fn the_volume_of_a_machine_that_is_gone_is_waited_for_and_never_doubled() {
    let config = SimConfig { volume_bound_after_destroy: seconds(60), ..SimConfig::default() };
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER)], config.with_org("acme", "sim_acme_token"));
    let apps = "web: {image: 'registry.fly.io/demo:v1', volumes: {data: {mount: /data}}}";
    world.put("demo.yaml", &environment("demo", "", apps));
    world.converge().await;
    let volumes = world.sim.volumes("demo-web");
    let gone = world.only_machine("demo-web").id;
    world.sim.delete_machine("demo-web", &gone).unwrap();
    reconcile_until_converged(&mut world, "bound", 4).await;
    let ids = |volumes: &[hangar::sim::VolumeView]| volumes.iter().map(|volume| volume.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&world.sim.volumes("demo-web")), ids(&volumes));
    assert_ne!(world.only_machine("demo-web").id, gone);
}
