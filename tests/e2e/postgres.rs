//! Managed Postgres as parts of environments: databases in a shared cluster, clusters of their own, and nothing else touched.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::{Purpose, Reason, Request};
use hangar::resource::own_name::last_word;
use hangar::sim::{ClusterView, Fault, FaultKind, Matcher, SimConfig};

use crate::support::{CONTROLLER, GRACE, Meddler, QUARANTINE, environment, seconds, small, withheld};
use crate::world::World;

/// The environment `demo` with an app that uses `postgres.main`.
pub(crate) fn demo(postgres: &str) -> String {
    let app = "web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: '${{ postgres.main.pooledUri }}'}}, env: {DB: '${{ postgres.main.host }}'}}";
    environment("demo", &format!("postgres: {postgres}"), app)
}

pub(crate) fn database(more: &str) -> String {
    demo(&format!("{{databases: {{main: {{cluster: previews{more}}}}}}}"))
}

pub(crate) fn cluster(more: &str) -> String {
    demo(&format!("{{clusters: {{main: {{plan: basic{more}}}}}}}"))
}

fn world(demo: &str) -> World {
    world_on(SimConfig::default(), demo)
}

pub(crate) fn world_on(config: SimConfig, demo: &str) -> World {
    let controller = CONTROLLER.replace("FLY_API_TOKEN}}}", "FLY_API_TOKEN}, postgres: true}}");
    assert_ne!(controller, CONTROLLER);
    let config = config.with_org("acme", "sim_acme_token");
    World::configured(&[("hangar.yaml", &controller), ("demo.yaml", demo)], config)
}

/// A world with a cluster `previews` that somebody has made.
pub(crate) async fn shared(demo: &str) -> World {
    let world = world(demo);
    world.sim.create_cluster("acme", "previews", "iad").unwrap();
    world.pass_time(seconds(60)).await;
    world
}

pub(crate) async fn converged(demo: &str) -> World {
    let mut world = shared(demo).await;
    world.converge().await;
    world
}

impl World {
    pub(crate) fn clusters_named(&self, begin: &str) -> Vec<ClusterView> {
        self.sim.clusters("acme").into_iter().filter(|cluster| cluster.name.starts_with(begin)).collect()
    }

    pub(crate) fn previews(&self) -> ClusterView {
        self.clusters_named("previews").remove(0)
    }

    /// The databases of the cluster `previews` that are of `demo`.
    fn own_databases(&self) -> Vec<String> {
        self.previews().databases.into_iter().filter(|name| name.starts_with("demo-")).collect()
    }

    pub(crate) fn postgres_writes(&self) -> Vec<String> {
        self.writes().into_iter().filter(|write| write.contains("/v1/postgres")).collect()
    }

    fn secret(&self) -> Option<String> {
        self.sim.secret_value("demo-web", "DATABASE_URL")
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_is_made_in_a_shared_cluster_and_what_uses_it_gets_its_uri() {
    let world = converged(&database("")).await;
    let (previews, own) = (world.previews(), world.own_databases());
    assert_eq!(own.len(), 1);
    assert!(previews.users.contains(&own[0]) && own[0].starts_with("demo-main-"), "{previews:#?}");
    let machine = world.sim.machines("demo-web").remove(0);
    assert_eq!(machine.config["env"]["DB"], format!("direct.{}.flympg.net", previews.id));
    assert!(world.sim.secret_names("demo-web").contains(&"DATABASE_URL".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_second_pass_writes_nothing_also_without_a_store() {
    for demo in [database(", rotate: 2"), cluster(", database: app, user: app")] {
        let mut world = converged(&demo).await;
        world.reconcile_without_writes().await;
        world.lose_store();
        world.reconcile_without_writes().await;
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_password_is_in_any_event_plan_or_store() {
    let mut world = shared(&database("")).await;
    let diff = world.diff().await;
    world.converge().await;
    let own = world.own_databases().remove(0);
    let password = world.sim.cluster_password(&world.previews().id, &own).unwrap();
    let seen = format!("{:?} {:?} {:?}", diff.plan, world.recorder.events(), world.diff().await);
    assert!(!password.is_empty() && !seen.contains(&password));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_waited_for_and_used() {
    let world = converged(&cluster(", database: app, user: app")).await;
    let own = world.clusters_named("demo-main-").remove(0);
    assert_eq!(own.status, "ready");
    assert!(own.databases.contains(&"app".to_owned()) && own.users.contains(&"app".to_owned()));
    assert_eq!(world.sim.machines("demo-web").remove(0).config["env"]["DB"], format!("direct.{}.flympg.net", own.id));
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_what_its_source_had() {
    let mut world = shared(&demo("{clusters: {main: {forkOf: previews}}}")).await;
    world.converge().await;
    assert_eq!(world.clusters_named("demo-main-").len(), 1);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_ready_is_known_again_without_a_store() {
    let mut world = world(&cluster(""));
    let list = "/v1/postgres";
    world.sim.inject(Fault::always(Matcher::new(Method::Post, list), FaultKind::lost_in_500()).times(1));
    world.reconcile().await;
    assert_eq!(world.clusters_named("demo-main-").len(), 1);
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    assert_eq!(world.clusters_named("demo-main-").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_user_or_database() {
    for what in ["databases", "users"] {
        let mut world = shared(&database("")).await;
        let list = format!("/v1/postgres/{}/{what}", world.previews().id);
        world.sim.inject(Fault::always(Matcher::new(Method::Post, &list), FaultKind::lost_in_500()).times(1));
        world.reconcile().await;
        world.pass_time(QUARANTINE).await;
        world.converge().await;
        assert_eq!(world.own_databases().len(), 1);
        assert!(world.previews().users.contains(&world.own_databases()[0]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_failed_is_said_and_nothing_else_is_made() {
    let mut world = world(&cluster(""));
    world.reconcile().await;
    let id = world.clusters_named("demo-main-").remove(0).id;
    world.sim.fail_cluster(&id).unwrap();
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::ObjectFailed));
    assert_eq!(world.postgres_writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_ours_is_left_alone_and_one_that_is_adopted_is_never_deleted() {
    let mut world = shared(&demo("{clusters: {main: {adopt: true, name: previews}}}")).await;
    world.converge().await;
    assert_eq!(world.postgres_writes(), Vec::<String>::new());
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
    assert_eq!((world.app_names(), world.previews().status), (vec!["other-web".to_owned()], "ready".to_owned()));
    assert_eq!(world.postgres_writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_database_in_a_copy_of_its_cluster_is_not_ours() {
    let mut world = converged(&database("")).await;
    let own = world.own_databases().remove(0);
    // Somebody copies the whole cluster.
    world.put(
        "copy.yaml",
        &environment(
            "copy",
            "postgres: {clusters: {main: {forkOf: previews}}}",
            "web: {image: 'registry.fly.io/demo:v1'}",
        ),
    );
    world.converge().await;
    let copy = world.clusters_named("copy-main-").remove(0);
    assert!(copy.databases.contains(&own));
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.converge().await;
    assert_eq!(world.own_databases(), Vec::<String>::new());
    assert!(world.clusters_named("copy-main-").remove(0).databases.contains(&own));
}

#[tokio::test(start_paused = true)]
async fn what_was_made_goes_after_grace_and_the_cluster_of_others_stays() {
    for demo in [database(""), cluster("")] {
        let mut world = converged(&demo).await;
        world.remove("demo.yaml");
        world.put("other.yaml", &small("other"));
        world.reconcile().await;
        assert_eq!(world.own_databases().len() + world.clusters_named("demo-").len(), 1);
        world.lose_store();
        world.pass_time(GRACE).await;
        world.reconcile().await;
        world.pass_time(QUARANTINE).await;
        world.converge().await;
        let previews = world.previews();
        assert_eq!((previews.databases, previews.users), (vec!["fly-db".to_owned()], vec!["fly-user".to_owned()]));
        assert_eq!(world.clusters_named("demo-").iter().filter(|cluster| cluster.status != "deleting").count(), 0);
        assert_eq!(world.app_names(), ["other-web"]);
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_that_a_deletion_has_left_goes_without_a_note_that_could_outlive_it() {
    let mut world = converged(&database("")).await;
    let (cluster, own) = (world.previews().id, world.own_databases().remove(0));
    world.sim.delete_cluster_database(&cluster, &own).unwrap();
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.lose_store();
    world.sim.clear_requests();
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile().await;
    assert_eq!(world.postgres_writes(), [format!("DELETE /v1/postgres/{cluster}/users/{own}")]);
    assert_eq!(world.previews().users, ["fly-user"]);
    assert_eq!(world.previews().databases, ["fly-db"]);
    assert_eq!(world.app_names(), ["other-web"]);
    // One that is wanted has its database again, and no note either.
    world.put("demo.yaml", &database(""));
    world.converge().await;
    let own = world.own_databases().remove(0);
    world.sim.delete_cluster_database(&cluster, &own).unwrap();
    world.reconcile_writing().await;
    assert_eq!(world.postgres_writes(), [format!("POST /v1/postgres/{cluster}/databases")]);
    assert_eq!(world.previews().databases, [own.as_str(), "fly-db"]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_comes_back_while_its_user_is_about_to_go_is_never_deleted_with_it() {
    let mut moments = 0;
    loop {
        let mut world = converged(&database("")).await;
        let (cluster, own) = (world.previews().id, world.own_databases().remove(0));
        world.sim.delete_cluster_database(&cluster, &own).unwrap();
        world.remove("demo.yaml");
        world.put("other.yaml", &small("other"));
        world.reconcile().await;
        world.pass_time(GRACE).await;
        let sim = world.sim.clone();
        let meddler = Meddler::after(moments, &world, Method::Get, "/databases", move || {
            // Where its user is still there, that is said, once the database is made.
            drop(sim.create_cluster_database(&cluster, &own));
        });
        world.reconcile_through(&meddler).await;
        if !meddler.has_acted() {
            break;
        }
        assert_eq!(world.own_databases().len(), 1, "made before look {moments}");
        moments += 1;
    }
    assert!(moments > 2, "{moments}");
}

#[tokio::test(start_paused = true)]
async fn a_user_alone_is_left_alone_while_its_environment_is_paused() {
    let mut world = converged(&database("")).await;
    let (cluster, own) = (world.previews().id, world.own_databases().remove(0));
    world.sim.delete_cluster_database(&cluster, &own).unwrap();
    world.put("demo.yaml", &database("").replace("spec:\n", "spec:\n  pause: true\n"));
    let outcome = world.reconcile_without_writes().await;
    assert!(outcome.last.plan.steps.is_empty(), "{:#?}", outcome.last.plan.steps);
    assert!(world.previews().users.contains(&own));
}

#[tokio::test(start_paused = true)]
async fn a_user_has_its_grace_where_no_database_at_all_is_listed() {
    let mut world = converged(&database("")).await;
    let (cluster, own) = (world.previews().id, world.own_databases().remove(0));
    for name in [own.as_str(), "fly-db"] {
        world.sim.delete_cluster_database(&cluster, name).unwrap();
    }
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.pass_time(QUARANTINE).await;
    world.reconcile().await;
    assert!(world.previews().users.contains(&own));
    let noted = world.previews().databases;
    assert!(matches!(noted.as_slice(), [name] if name.starts_with("hangar_t")), "{noted:?}");
    world.pass_time(GRACE).await;
    world.converge().await;
    assert!(!world.previews().users.contains(&own));
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_within_grace_stays_and_bears_no_mark() {
    let mut world = converged(&database("")).await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    assert!(world.previews().databases.iter().any(|name| name.starts_with("hangar_t")));
    world.put("demo.yaml", &database(""));
    world.converge().await;
    assert!(!world.previews().databases.iter().any(|name| name.starts_with("hangar_")));
    world.pass_time(GRACE * 2).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.own_databases().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_person_ends_it_at_once() {
    let mut world = converged(&database("")).await;
    world.remove("demo.yaml");
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
    assert_eq!((world.own_databases(), world.app_names()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_missing_cluster_is_named() {
    let mut world = world(&database(""));
    let outcome = world.reconcile().await;
    assert_ne!(outcome.worst(), Verdict::Converged);
    assert!(format!("{:?}", outcome.failures).contains("there is no cluster `previews`"), "{:#?}", outcome.failures);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_changed_once_for_each_time_it_is_asked_for() {
    for (before, after) in [(database(""), database(", rotate: 1")), (cluster(""), cluster(", rotate: 1"))] {
        let mut world = converged(&before).await;
        let secret = world.secret();
        let rotations = |world: &World| world.writes().iter().filter(|write| write.contains("rotate_password")).count();
        world.put("demo.yaml", &after);
        let outcome = world.reconcile().await;
        assert_eq!((outcome.worst(), rotations(&world)), (Verdict::Converged, 1));
        assert_ne!(world.secret(), secret);
        world.reconcile_without_writes().await;
        world.lose_store();
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_user_may_do_is_changed_and_what_is_lost_is_made_anew() {
    let mut world = converged(&database("")).await;
    world.put("demo.yaml", &database(", role: reader"));
    let writes = world.reconcile_writing().await;
    assert!(writes.iter().any(|write| write.starts_with("PATCH")), "{writes:#?}");
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_postgres_machine_with_a_volume_sleeps_and_has_a_password_that_others_get() {
    let apps = "db: {image: 'postgres:17', env: {PGDATA: /data/pg}, secrets: {POSTGRES_PASSWORD: {generate: {length: 32}}}, volumes: {data: {mount: /data, size: 1GB}}, services: [{internalPort: 5432, ports: [{port: 5432}], autostop: stop, autostart: true}], ips: {flycast: true}}
web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: 'postgres://postgres:${{ fly.db.secrets.POSTGRES_PASSWORD }}@${{ fly.db.flycast }}:5432/postgres'}}}";
    let mut world = World::with(&[("demo.yaml", &environment("demo", "", apps))]);
    world.converge().await;
    let password = world.sim.secret_value("demo-db", "POSTGRES_PASSWORD").unwrap();
    let uri = format!("postgres://postgres:{password}@demo-db.flycast:5432/postgres");
    assert_eq!(world.sim.secret_value("demo-web", "DATABASE_URL"), Some(uri));
    let machine = world.only_machine("demo-db");
    assert_eq!(machine.config["services"][0]["autostop"], true);
    assert_eq!(machine.config["mounts"][0]["path"], "/data");
    // Nobody uses it, and Fly stops it: that is as it should be.
    world.sim.autostop_machine("demo-db", &machine.id).unwrap();
    world.pass_time(seconds(60)).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_database_goes_only_once_its_cluster_is_backed_up() {
    let mut world = converged(&database(", deletionPolicy: snapshot")).await;
    world.reconcile_without_writes().await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    assert_eq!(world.previews().backups, 0);
    world.pass_time(GRACE).await;
    let list = format!("/v1/postgres/{}/backups", world.previews().id);
    world.sim.inject(Fault::always(Matcher::new(Method::Post, &list), FaultKind::unavailable()).times(100));
    world.reconcile().await;
    assert_eq!((world.own_databases().len(), world.previews().backups), (1, 0));
    world.sim.clear_faults();
    world.converge().await;
    assert_eq!((world.own_databases().len(), world.previews().backups), (0, 1));
    assert!(format!("{:?}", world.recorder.events()).contains("is kept in backup"));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_somebody_protects_during_the_backup_stays() {
    let mut world = converged(&database(", deletionPolicy: snapshot")).await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let (sim, cluster, own) = (world.sim.clone(), world.previews().id, world.own_databases().remove(0));
    let (protect, user) = (format!("hangar_p1_{}", last_word(&own)), own);
    let meddler = Meddler::before(&world, Method::Post, "/backups", move || {
        sim.create_cluster_database(&cluster, &protect).unwrap();
    });
    world.reconcile_through(&meddler).await;
    assert!(meddler.has_acted());
    let previews = world.previews();
    assert_eq!((world.own_databases().len(), previews.backups), (1, 1));
    assert!(previews.users.contains(&user));
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
}
