//! What is done once at another provider and would do harm twice, killed at any request: production that is sent to a commit and back, a
//! branch that is restored or put aside, a database that goes after a backup, and what is adopted and never ours to delete.

use hangar::sim::SimConfig;

use crate::objects::{NEON, POSTGRES, PROJECT, REPO, VERCEL};
use crate::scene::{Scene, killed, lost_and_late};
use crate::support::{QUARANTINE, environment, seconds};
use crate::world::World;

const APP: &str = "web:\n  image: registry.fly.io/demo:v1\n  env: {ADDRESS: '${{ OUTPUT }}'}";

/// `demo` with this, and an app that uses this output of it.
fn demo(has: &str, output: &str) -> String {
    environment("demo", has, &APP.replace("OUTPUT", output))
}

/// `demo` is as `spec` says, for long.
async fn settle((mut world, config): (World, SimConfig), spec: &str) -> (World, SimConfig) {
    world.put("demo.yaml", spec);
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    (world, config)
}

/// Its spec is about to be another one.
fn about_to_be((mut world, config): (World, SimConfig), spec: &str) -> Scene {
    world.put("demo.yaml", spec);
    Scene::of(&world, &config).edited(|_| ())
}

/// Its spec has just been removed.
fn about_to_go((mut world, config): (World, SimConfig)) -> Scene {
    world.remove("demo.yaml");
    Scene::of(&world, &config).edited(|_| ())
}

/// Production is to have this commit.
fn production(sha: &str) -> String {
    let has = format!(
        "class: staging\nvercel: {{team: acme, projects: {{web: {{project: web, target: production, env: {{A: one}}, deployment: {{sha: {sha}}}}}}}}}"
    );
    demo(&has, "vercel.web.url")
}

async fn push(world: &World) -> String {
    let sha = world.sim.repository(REPO).push("main").unwrap();
    world.pass_time(seconds(60)).await;
    sha
}

/// A commit is staged, and is to be promoted.
async fn promotion() -> Scene {
    let stage = VERCEL.world().await;
    let first = push(&stage.0).await;
    let stage = settle(stage, &production(&first)).await;
    stage.0.sim.vercel("acme", "web").set_assigns_domains(false).unwrap();
    let next = push(&stage.0).await;
    about_to_be(stage, &production(&next))
}

/// Production is to have again what it had before.
async fn rollback() -> Scene {
    let stage = VERCEL.world().await;
    let first = push(&stage.0).await;
    let stage = settle(stage, &production(&first)).await;
    let next = push(&stage.0).await;
    let stage = settle(stage, &production(&next)).await;
    about_to_be(stage, &production(&first))
}

fn branch(says: &str) -> String {
    let has = format!("neon: {{project: {PROJECT}, branches: {{main: {{compute: {{min: 0.25, max: 1}}, {says}}}}}}}");
    demo(&has, "neon.main.host")
}

/// A branch is to be as it was half an hour ago.
async fn restore() -> Scene {
    let stage = settle(NEON.world().await, &branch("database: neondb")).await;
    stage.0.pass_time(seconds(3_600)).await;
    about_to_be(stage, &branch("database: neondb, restore: {to: '2026-03-01T12:30:00Z', backupName: before}"))
}

/// A branch is to be kept under another name.
async fn put_aside() -> Scene {
    about_to_go(settle(NEON.world().await, &branch("deletionPolicy: snapshot")).await)
}

/// A branch that is there is taken over.
async fn adoption() -> Scene {
    let (mut world, config) = NEON.world().await;
    world.converge().await;
    world.sim.neon(PROJECT).create_branch("adopted", None).unwrap();
    world.pass_time(QUARANTINE).await;
    about_to_be((world, config), &branch("name: adopted, adopt: true, database: neondb"))
}

/// What was taken over is to be left as it is.
async fn end_of_adoption() -> Scene {
    let stage = NEON.world().await;
    stage.0.sim.neon(PROJECT).create_branch("adopted", None).unwrap();
    about_to_go(settle(stage, &branch("name: adopted, adopt: true, database: neondb")).await)
}

/// A database goes after a backup of its cluster.
async fn backup() -> Scene {
    let has = "postgres: {databases: {main: {cluster: previews, deletionPolicy: snapshot}}}";
    about_to_go(settle(POSTGRES.world().await, &demo(has, "postgres.main.host")).await)
}

/// A cluster is made from another one.
async fn fork() -> Scene {
    let (mut world, config) = POSTGRES.world().await;
    world.converge().await;
    about_to_be((world, config), &demo("postgres: {clusters: {main: {forkOf: previews}}}", "postgres.main.host"))
}

async fn holds(what: &str, scene: Scene) {
    let empty = scene.every_point(&killed(false), false).await;
    let kept = scene.every_point(&killed(true), false).await;
    let network = scene.every_point(&lost_and_late(), true).await;
    println!("shown: {what}: {empty} points with an empty store, {kept} with its store, {network} lost and late");
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_is_killed_or_not_answered_ends_as_if_it_had_not() {
    holds("promotion", promotion().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_killed_or_not_answered_ends_as_if_it_had_not() {
    holds("rollback", rollback().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_is_killed_or_not_answered_ends_as_if_it_had_not() {
    holds("restore", restore().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_put_aside_is_never_lost_or_doubled() {
    holds("put aside", put_aside().await).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_adopted_is_adopted_and_left_as_if_nothing_had_happened() {
    holds("adoption", adoption().await).await;
    holds("end of an adoption", end_of_adoption().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_goes_after_a_backup_wherever_its_end_is_killed() {
    holds("backup", backup().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_that_is_killed_or_not_answered_ends_as_if_it_had_not() {
    holds("fork", fork().await).await;
}
