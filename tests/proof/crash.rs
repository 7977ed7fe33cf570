//! Killed at any request, before its effect or after it, and started again with nothing or with what was stored: the same end.

use hangar::sim::SimConfig;

use crate::scene::{Scene, killed, lost_and_late};
use crate::support::{CONTROLLER, QUARANTINE, environment, policy, small};
use crate::world::World;

/// Two apps, three machines, a volume, a secret that both know, addresses and a certificate.
const APPS: &str = "worker:
  image: registry.fly.io/demo:v1
  count: 2
  secrets: {SHARED: {generate: {length: 32}}, OLD: {generate: {}}}
server:
  image: registry.fly.io/demo:v1
  env: {WORKER_IMAGE: '${{ fly.worker.image }}'}
  secrets: {SHARED: {value: '${{ fly.worker.secrets.SHARED }}'}}
  volumes: {data: {size: 1GB, mount: /data}}
  ips: {sharedV4: true, v6: true}
  certificates: [demo.example.com]
  services:
    - internalPort: 8080
      ports: [{port: 443, handlers: [http, tls]}]
      checks: [{type: http, path: /, interval: 15s, timeout: 2s}]";

/// The same after a change of every kind: image, env, a rotated secret, one secret less, a larger volume, an address and a
/// certificate less and more, a machine less, metadata, a check.
const CHANGED: &str = "worker:
  image: registry.fly.io/demo:v2
  count: 1
  secrets: {SHARED: {generate: {length: 32, generation: 2}}, NEW: {generate: {}}}
  metadata: {team: blue}
server:
  image: registry.fly.io/demo:v1
  env: {WORKER_IMAGE: '${{ fly.worker.image }}', MORE: 'yes'}
  secrets: {SHARED: {value: '${{ fly.worker.secrets.SHARED }}'}}
  volumes: {data: {size: 2GB, mount: /data}}
  ips: {sharedV4: true, v6: false, v4: true}
  certificates: [www.example.com]
  services:
    - internalPort: 8080
      ports: [{port: 443, handlers: [http, tls]}]
      checks: [{type: http, path: /healthz, interval: 15s, timeout: 2s}]";

/// An empty platform but for somebody else's app, and specs of an environment of these apps next to another one.
fn stage(apps: &str, config: SimConfig) -> (World, SimConfig) {
    let config = config.with_org("acme", "sim_acme_token");
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER)], config.clone());
    world.put("policy.yaml", &policy("{grace: 30s}"));
    world.put("demo.yaml", &environment("demo", "", apps));
    world.put("other.yaml", &small("other"));
    world.sim.create_app("acme", "theirs", "").unwrap();
    let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
    world.sim.create_machine("theirs", &machine, "iad").unwrap();
    (world, config)
}

fn put(files: &mut Vec<(String, String)>, path: &str, text: &str) {
    files.retain(|(other, _)| other != path);
    files.push((path.to_owned(), text.to_owned()));
}

async fn creation() -> Scene {
    let (mut world, config) = stage(APPS, SimConfig::default());
    world.remove("demo.yaml");
    world.converge().await;
    Scene::of(&world, &config).edited(|files| put(files, "demo.yaml", &environment("demo", "", APPS)))
}

/// The environment created, and quarantine over.
async fn settled() -> (World, SimConfig) {
    let (mut world, config) = stage(APPS, SimConfig::default());
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    (world, config)
}

async fn update() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(|files| put(files, "demo.yaml", &environment("demo", "", CHANGED)))
}

async fn teardown() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(|files| files.retain(|(path, _)| path != "demo.yaml"))
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_killed_anywhere_and_started_again_with_an_empty_store_ends_as_if_it_had_not_been() {
    println!(
        "shown: creation, with an empty store: {} points",
        creation().await.every_point(&killed(false), false).await
    );
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_killed_anywhere_and_started_again_with_its_store_ends_as_if_it_had_not_been() {
    println!("shown: creation, with its store: {} points", creation().await.every_point(&killed(true), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_creation_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
    println!("shown: creation, lost and late: {} points", creation().await.every_point(&lost_and_late(), true).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_killed_anywhere_and_started_again_with_an_empty_store_ends_as_if_it_had_not_been() {
    println!("shown: update, with an empty store: {} points", update().await.every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_killed_anywhere_and_started_again_with_its_store_ends_as_if_it_had_not_been() {
    println!("shown: update, with its store: {} points", update().await.every_point(&killed(true), false).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
    println!("shown: update, lost and late: {} points", update().await.every_point(&lost_and_late(), true).await);
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_killed_anywhere_and_started_again_with_an_empty_store_ends_as_if_it_had_not_been() {
    println!(
        "shown: teardown, with an empty store: {} points",
        teardown().await.every_point(&killed(false), false).await
    );
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_killed_anywhere_and_started_again_with_its_store_ends_as_if_it_had_not_been() {
    println!("shown: teardown, with its store: {} points", teardown().await.every_point(&killed(true), false).await);
}

#[tokio::test(start_paused = true)]
async fn a_teardown_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
    println!("shown: teardown, lost and late: {} points", teardown().await.every_point(&lost_and_late(), true).await);
}
