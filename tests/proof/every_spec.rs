//! Everything under `specs/` whole: created, updated in every class of field and torn down, killed before each request and after the
//! effect of each, and started again with an empty store.

use crate::edits;
use crate::scene::{Scene, killed};
use crate::support::QUARANTINE;
use crate::world::World;
use hangar::sim::SimConfig;

/// The examples under `specs/`. A new folder there has to be taken up here.
const EXAMPLES: [&str; 1] = ["chat-dev"];

fn chat_dev() -> (World, SimConfig) {
    let mut config = SimConfig::default();
    for org in crate::given::CHAT_DEV_ORGS {
        config = config.with_org(org, &format!("sim_{org}_token"));
    }
    (World::chat_dev(), config)
}

/// An empty platform but for somebody else's app in each organization.
fn with_foreigners((world, config): (World, SimConfig)) -> (World, SimConfig) {
    for org in crate::given::CHAT_DEV_ORGS {
        let name = format!("theirs-in-{org}");
        world.sim.create_app(org, &name, "").unwrap();
        let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
        world.sim.create_machine(&name, &machine, "iad").unwrap();
    }
    (world, config)
}

/// Created, and quarantine over.
async fn settled() -> (World, SimConfig) {
    let (mut world, config) = with_foreigners(chat_dev());
    let mut files: Vec<_> = world.files.clone().into_iter().collect();
    edits::ready_for_teardown(&mut files);
    world.files = files.into_iter().collect();
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    (world, config)
}

#[test]
fn every_example_is_here() {
    let folders = std::fs::read_dir("specs").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders: Vec<String> = folders.collect();
    folders.sort();
    assert_eq!(folders, EXAMPLES);
}

/// All of chat-dev, about to be created.
pub(crate) fn created() -> Scene {
    let (world, config) = with_foreigners(chat_dev());
    Scene::of(&world, &config).edited(|_| ())
}

/// The same, about to be updated.
pub(crate) async fn updated() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(edits::update)
}

/// The same, about to be taken down, as far as it may be.
pub(crate) async fn taken_down() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(edits::teardown)
}

#[tokio::test(start_paused = true)]
async fn the_creation_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    println!("shown: chat-dev, creation: {} points", created().every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_every_class_of_field_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    println!("shown: chat-dev, update: {} points", updated().await.every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn the_teardown_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    println!("shown: chat-dev, teardown: {} points", taken_down().await.every_point(&killed(false), false).await);
}
