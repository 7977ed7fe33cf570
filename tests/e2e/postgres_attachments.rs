//! Fly's records of which apps use which cluster of Managed Postgres: made for what uses one, and for nothing else.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::sim::{ClusterView, Fault, FaultKind, Matcher, SimConfig};

use crate::postgres::{cluster, converged, database, demo, shared, world_on};
use crate::support::{GRACE, QUARANTINE, environment, handmade, seconds, small, withheld};

/// The writes that are about records.
fn of_records(writes: Vec<String>) -> Vec<String> {
    writes.into_iter().filter(|write| write.contains("/attachments")).collect()
}

/// The request that makes the record of an app.
fn attach(cluster: &ClusterView) -> String {
    format!("POST /v1/postgres/{}/attachments", cluster.id)
}

#[tokio::test(start_paused = true)]
async fn an_app_that_uses_a_database_is_attached_to_its_cluster_after_it_is_there() {
    for (demo, name) in [(database(""), "previews"), (cluster(""), "demo-main-")] {
        let mut world = shared(&demo).await;
        let outcome = world.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
        let used = world.clusters_named(name).remove(0);
        assert_eq!(used.attached_apps, ["demo-web"]);
        let writes = world.writes();
        assert_eq!(of_records(writes.clone()), [attach(&used)]);
        let place = |what: &str| writes.iter().position(|write| write == what).unwrap();
        assert!(place("POST /v1/apps") < place(&attach(&used)), "{writes:#?}");
        world.reconcile_without_writes().await;
        world.lose_store();
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_named_by_its_id_or_taken_over_is_attached_to_as_well() {
    let adopted = demo("{clusters: {main: {adopt: true, name: previews}}}");
    for demo in [database("").replace("cluster: previews", "cluster: ID"), adopted] {
        let mut world = shared(&demo).await;
        world.put("demo.yaml", &demo.replace("ID}", &format!("{}}}", world.previews().id)));
        world.converge().await;
        assert_eq!(world.previews().attached_apps, ["demo-web"]);
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_uses_it_is_attached_be_it_in_a_job() {
    let apps = "web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: '${{ postgres.main.uri }}'}}}
api: {image: 'registry.fly.io/demo:v1'}
work: {image: 'registry.fly.io/demo:v1'}";
    let more = "postgres: {databases: {main: {cluster: previews}}}
jobs: {migrate: {app: work, command: [migrate], env: {DB: '${{ postgres.main.host }}'}, after: [api], before: [web]}, seed: {app: api, command: [seed], after: [postgres.main]}}";
    let platform = SimConfig { command: Some(seconds(1)), ..SimConfig::default() };
    let mut world = world_on(platform, &environment("demo", more, apps));
    world.sim.create_cluster("acme", "previews", "iad").unwrap();
    world.pass_time(seconds(60)).await;
    world.converge().await;
    assert_eq!(world.previews().attached_apps, ["demo-web", "demo-work"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_taken_away_is_made_again_and_that_of_another_app_stays() {
    let mut world = converged(&database("")).await;
    let id = world.previews().id;
    world.sim.create_app("acme", "theirs", "").unwrap();
    handmade(&world, "theirs", "registry.fly.io/theirs:v9");
    world.sim.attach_cluster(&id, "theirs").unwrap();
    world.reconcile_without_writes().await;
    world.sim.detach_cluster(&id, "demo-web").unwrap();
    let writes = world.reconcile_writing().await;
    assert_eq!(writes, [attach(&world.previews())]);
    assert_eq!(world.previews().attached_apps, ["demo-web", "theirs"]);
    // Its environment goes, and what is noted of others stays.
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.converge().await;
    assert_eq!(world.app_names(), ["other-web", "theirs"]);
    assert_eq!(world.previews().attached_apps, ["theirs"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_what_no_longer_uses_it_stays_for_nothing_says_who_made_it() {
    let mut world = converged(&database("")).await;
    let without = database("").replace("secrets: {DATABASE_URL: {value: '${{ postgres.main.pooledUri }}'}}, ", "");
    let without = without.replace(", env: {DB: '${{ postgres.main.host }}'}", "");
    assert!(!without.contains("${{"), "{without}");
    world.put("demo.yaml", &without);
    assert_eq!(of_records(world.reconcile_writing().await), Vec::<String>::new());
    assert_eq!(world.previews().attached_apps, ["demo-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_app_of_others_is_not_attached() {
    let mut world = shared(&database("")).await;
    world.sim.create_app("acme", "demo-web", "").unwrap();
    handmade(&world, "demo-web", "registry.fly.io/theirs:v9");
    world.pass_time(seconds(5)).await;
    let outcome = world.reconcile().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::NotOurs));
    assert_eq!(of_records(world.writes()), Vec::<String>::new());
    assert_eq!(world.previews().attached_apps, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_app_without_machines_is_attached_once_it_is_there_and_only_then() {
    let apps = "work: {image: 'registry.fly.io/demo:v1', count: 0}";
    let database = "postgres: {databases: {main: {cluster: previews}}}";
    let jobs = "jobs: {migrate: {app: work, command: [migrate], env: {DB: '${{ postgres.main.host }}'}}}";
    for is_taken in [false, true] {
        let platform = SimConfig { command: Some(seconds(1)), ..SimConfig::default() }.with_org("other", "sim_other");
        let mut world = world_on(platform, &environment("demo", database, ""));
        world.sim.create_cluster("acme", "previews", "iad").unwrap();
        world.pass_time(seconds(60)).await;
        world.converge().await;
        if is_taken {
            world.sim.create_app("other", "demo-work", "").unwrap();
        }
        // The database is there already: nothing but the app itself is to be waited for.
        world.put("demo.yaml", &environment("demo", &format!("{database}\n{jobs}"), apps));
        let writes = world.reconcile_writing().await;
        let place = |what: &str| writes.iter().position(|write| write.contains(what));
        if is_taken {
            assert_eq!((place("/attachments"), world.previews().attached_apps.len()), (None, 0), "{writes:#?}");
        } else {
            assert!(place("POST /v1/apps").unwrap() < place("/attachments").unwrap(), "{writes:#?}");
            assert_eq!(world.previews().attached_apps, ["demo-work"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_only_be_created_is_attached_too() {
    let mut world = shared(&database("").replace("spec:\n", "spec:\n  level: createOnly\n")).await;
    world.converge().await;
    assert_eq!(world.previews().attached_apps, ["demo-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_is_said_and_a_lost_answer_makes_one_record() {
    for (kind, is_lost) in [(FaultKind::lost_in_500(), true), (FaultKind::status_before(403), false)] {
        let mut world = shared(&database("")).await;
        let list = format!("/v1/postgres/{}/attachments", world.previews().id);
        world.sim.inject(Fault::always(Matcher::new(Method::Post, &list), kind).times(if is_lost { 1 } else { 100 }));
        let outcome = world.reconcile().await;
        if !is_lost {
            assert_ne!(outcome.worst(), Verdict::Converged);
            assert!(format!("{:?}", outcome.failures).contains("attach to cluster"), "{:#?}", outcome.failures);
            // The app runs all the same.
            assert_eq!(world.only_machine("demo-web").state, "started");
        }
        world.sim.clear_faults();
        world.pass_time(QUARANTINE).await;
        world.converge().await;
        assert_eq!(world.previews().attached_apps, ["demo-web"]);
        world.reconcile_without_writes().await;
    }
}
