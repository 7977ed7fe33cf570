//! Jobs: commands that run to their end, each after what it needs and before what needs it, once, whatever happens meanwhile.

use std::time::Duration;

use hangar::controller::{Outcome, Verdict};
use hangar::plan::Reason;
use hangar::sim::{CrashPoint, MachineView, SimConfig};
use serde_json::json;

use crate::support::{GRACE, QUARANTINE, configured, environment, seconds, small, withheld};
use crate::world::World;

const APPS: &str = "web:
  image: 'registry.fly.io/demo:VERSION'
  env: {KEEP: all}
  memory: 512MB
  secrets: {KEY: {generate: {length: 20}}}
  services: [{internalPort: 8080, ports: [{port: 443, handlers: [tls, http]}]}]
db: {image: 'registry.fly.io/db:v1'}";

/// The environment `demo` with these jobs, its `web` of that version.
fn demo(version: &str, jobs: &str) -> String {
    environment("demo", &format!("jobs: {{{jobs}}}"), &APPS.replace("VERSION", version))
}

/// A platform on which a command that is run once ends well after a second.
fn platform() -> SimConfig {
    SimConfig { command: Some(Duration::from_secs(1)), ..SimConfig::default() }
}

fn world(jobs: &str) -> World {
    world_on(platform(), jobs)
}

fn world_on(config: SimConfig, jobs: &str) -> World {
    let mut world = configured(&[], config);
    world.put("demo.yaml", &demo("v1", jobs));
    world
}

async fn converged(jobs: &str) -> World {
    let mut world = world(jobs);
    world.converge().await;
    world
}

/// The machine that a job runs in.
fn job(world: &World, app: &str, name: &str) -> Option<MachineView> {
    let slot = format!("job-{name}/iad/0");
    let mut machines = world.sim.machines(app).into_iter();
    machines.find(|machine| machine.state != "destroyed" && machine.metadata("hangar_slot") == Some(&slot))
}

fn job_of_web(world: &World, name: &str) -> MachineView {
    job(world, "demo-web", name).unwrap_or_else(|| panic!("no job {name}: {:#?}", world.writes()))
}

/// The machines of `web` that serve.
fn servers(world: &World) -> Vec<MachineView> {
    let machines = world.sim.machines("demo-web").into_iter();
    machines.filter(|machine| machine.metadata("hangar_slot").is_some_and(|slot| slot.starts_with("app/"))).collect()
}

/// How often the machine of a job was updated, which starts it.
fn runs(world: &World, name: &str) -> usize {
    let id = job_of_web(world, name).id;
    let update = format!("POST /v1/apps/demo-web/machines/{id}");
    world.writes().into_iter().filter(|write| *write == update).count()
}

fn said(outcome: &Outcome) -> String {
    outcome.last.plan.withheld.iter().map(|held| format!("{}\n", held.message)).collect()
}

const MIGRATE: &str = "migrate: {app: web, command: bin/migrate --all, before: [web], env: {MODE: 'x'}}";

#[tokio::test(start_paused = true)]
async fn a_job_runs_before_the_machines_of_its_app_with_their_image_and_secrets_and_nothing_that_serves() {
    let world = converged(MIGRATE).await;
    let (job, server) = (job_of_web(&world, "migrate"), servers(&world).remove(0));
    assert_eq!(job.config["init"]["cmd"], json!(["bin/migrate", "--all"]));
    assert_eq!(job.config["image"], server.config["image"]);
    assert_eq!(job.config["guest"], server.config["guest"]);
    assert_eq!((job.env("KEEP"), job.env("MODE")), (Some("all"), Some("x")));
    assert_eq!(job.config.get("services"), None);
    assert_eq!(job.config["restart"], json!({"policy": "no"}));
    let value = world.sim.live_secret_value("demo-web", &job.id, "KEY");
    assert!(value.is_some() && value == world.sim.live_secret_value("demo-web", &server.id, "KEY"));
    assert!(job.created_at < server.created_at);
    assert_eq!((job.state.as_str(), job.metadata("hangar_ended")), ("stopped", Some("0")));
}

#[tokio::test(start_paused = true)]
async fn a_second_pass_writes_nothing_also_without_a_store() {
    let mut world = converged(&format!("{MIGRATE}, smoke: {{app: web, command: bin/smoke}}")).await;
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_job_waits_for_its_end_and_what_it_comes_after_is_healthy_before() {
    let jobs = "migrate: {app: web, command: bin/migrate, after: [db], before: [web]}, seed: {app: web, command: bin/seed, after: [migrate], before: [web]}, smoke: {app: web, command: bin/smoke}";
    let mut world = world(jobs);
    world.reconcile().await;
    let order = [
        world.sim.machines("demo-db").remove(0),
        job_of_web(&world, "migrate"),
        job_of_web(&world, "seed"),
        servers(&world).remove(0),
        job_of_web(&world, "smoke"),
    ];
    assert!(order.is_sorted_by_key(|machine| machine.created_at), "{order:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_keeps_back_what_comes_after_it_until_what_it_runs_is_changed() {
    let mut world = converged(MIGRATE).await;
    let before = servers(&world).remove(0);
    world.sim.set_command("demo-web", "bin/migrate", 3, "", "");
    world.put("demo.yaml", &demo("v2", MIGRATE));
    let failed = world.reconcile().await;
    assert_eq!(failed.worst(), Verdict::Failed);
    assert!(format!("{:?}", failed.failures).contains("exited with code 3"), "{:?}", failed.failures);
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert!(withheld(&outcome.last.plan).contains(&Reason::JobFailed));
    assert!(said(&outcome).contains("job `migrate` failed: it exited with code 3 at "), "{}", said(&outcome));
    assert!(said(&outcome).contains("it comes after job `migrate`, which has not ended well"), "{}", said(&outcome));
    assert_eq!(servers(&world).remove(0).version, before.version, "the server is as it was");
    // It is not tried again by itself, nor without the store.
    world.sim.clear_requests();
    world.reconcile_without_writes().await;
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    // A new image may mend it.
    world.sim.set_command("demo-web", "bin/migrate", 0, "", "");
    world.put("demo.yaml", &demo("v3", MIGRATE));
    world.converge().await;
    assert_eq!(servers(&world).remove(0).config["image"], "registry.fly.io/demo:v3");
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_whose_job_fails_makes_no_machine_that_serves() {
    let mut world = world(MIGRATE);
    world.sim.set_command("demo-web", "bin/migrate", 1, "", "");
    world.reconcile().await;
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert_eq!(servers(&world).len(), 0);
    world.put("demo.yaml", &demo("v1", &MIGRATE.replace("env:", "generation: 2, env:")));
    world.sim.set_command("demo-web", "bin/migrate", 0, "", "");
    world.converge().await;
    assert_eq!(servers(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_again_when_what_it_runs_has_changed_and_one_for_once_does_not() {
    let jobs = "migrate: {app: web, command: bin/migrate, before: [web]}, seed: {app: web, command: bin/seed, run: once, after: [migrate]}";
    let mut world = converged(jobs).await;
    world.put("demo.yaml", &demo("v2", jobs));
    world.reconcile().await;
    assert_eq!((runs(&world, "migrate"), runs(&world, "seed")), (1, 0), "{:#?}", world.writes());
    world.converge().await;
    world.put("demo.yaml", &demo("v2", &jobs.replace("run: once", "run: once, generation: again")));
    world.reconcile().await;
    assert_eq!((runs(&world, "migrate"), runs(&world, "seed")), (0, 1), "{:#?}", world.writes());
}

#[tokio::test(start_paused = true)]
async fn a_run_under_way_is_waited_for_and_not_interrupted_by_another() {
    let mut world = world_on(SimConfig::default(), MIGRATE);
    let outcome = world.run_for(seconds(20)).await;
    assert_ne!(outcome.worst(), Verdict::Converged);
    let first = job_of_web(&world, "migrate");
    assert_eq!(first.state, "started");
    world.sim.clear_requests();
    world.put("demo.yaml", &demo("v2", MIGRATE));
    let outcome = world.run_for(seconds(20)).await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::JobRunning), "{}", said(&outcome));
    assert_eq!((runs(&world, "migrate"), servers(&world).len()), (0, 0));
    world.sim.crash_machine("demo-web", &first.id, 0, false).unwrap();
    world.run_for(seconds(20)).await;
    assert_eq!(runs(&world, "migrate"), 1);
    assert_eq!(servers(&world).len(), 0, "the run of the new image has not ended");
    world.sim.crash_machine("demo-web", &first.id, 0, false).unwrap();
    world.converge().await;
    assert_eq!(servers(&world).remove(0).config["image"], "registry.fly.io/demo:v2");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_stopped_and_has_failed() {
    let mut world = world_on(SimConfig::default(), &MIGRATE.replace("env:", "timeout: 2m, env:"));
    world.run_for(seconds(150)).await;
    let outcome = world.reconcile().await;
    assert_eq!(job_of_web(&world, "migrate").state, "stopped");
    let outcome = if said(&outcome).contains("was stopped") { outcome } else { world.reconcile().await };
    assert!(said(&outcome).contains("job `migrate` was stopped before it had ended"), "{}", said(&outcome));
    assert_eq!((outcome.worst(), servers(&world).len()), (Verdict::Blocked, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_is_started_again_as_often_as_the_spec_says() {
    let mut world = world(&MIGRATE.replace("env:", "retries: 2, env:"));
    world.sim.set_command("demo-web", "bin/migrate", 1, "", "");
    assert_eq!(world.reconcile().await.worst(), Verdict::Failed);
    let job = job_of_web(&world, "migrate");
    assert_eq!(job.config["restart"], json!({"policy": "on-failure", "max_retries": 2}));
    assert_eq!((job.exits, job.state.as_str()), (vec![1, 1, 1], "stopped"));
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_request_a_job_runs_once() {
    for point in [CrashPoint::BeforeEffect, CrashPoint::BeforeReply] {
        for count in 1..60 {
            let mut world = world(MIGRATE);
            world.sim.kill_after(count, point);
            world.reconcile_to_death().await;
            let is_over = !world.sim.is_dead();
            world.sim.revive();
            world.lose_store();
            world.pass_time(QUARANTINE).await;
            world.reconcile().await;
            world.pass_time(QUARANTINE).await;
            world.reconcile().await;
            let job = job_of_web(&world, "migrate");
            assert_eq!((job.exits, servers(&world).len()), (vec![0], 1), "after {count} requests, {point:?}");
            if is_over {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_environment_takes_its_jobs_along_and_a_job_that_no_spec_has_goes() {
    let mut world = converged(MIGRATE).await;
    world.put("other.yaml", &small("other"));
    world.put("demo.yaml", &demo("v1", ""));
    world.converge().await;
    assert!(job(&world, "demo-web", "migrate").is_none());
    world.put("demo.yaml", &demo("v1", MIGRATE));
    world.converge().await;
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_app_without_machines_is_a_place_for_jobs() {
    let apps = "web: {image: 'registry.fly.io/demo:v1'}\njobs: {image: 'registry.fly.io/tools:v1', count: 0, secrets: {KEY: {generate: {length: 20}}}}";
    let jobs = "jobs: {prepare: {app: jobs, command: bin/prepare, before: [web]}, smoke: {app: jobs, image: 'registry.fly.io/smoke:v1', command: bin/smoke, after: [web]}}";
    let mut world = configured(&[], platform());
    world.put("demo.yaml", &environment("demo", jobs, apps));
    world.converge().await;
    let order = [
        job(&world, "demo-jobs", "prepare").unwrap(),
        world.only_machine("demo-web"),
        job(&world, "demo-jobs", "smoke").unwrap(),
    ];
    assert!(order.is_sorted_by_key(|machine| machine.created_at), "{order:#?}");
    assert_eq!(order[2].config["image"], "registry.fly.io/smoke:v1");
    world.reconcile_without_writes().await;
}
