//! The calls of Managed Postgres against the simulator.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::{
    BackupKind, Class, CreateCluster, DEFAULT_BASE_URL, Deleted, FlyProblem, FlyReader, FlyWriter, Restore, Role,
    connection,
};
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::Method;
use crate::http::{Shared, Token, WriteClient};
use crate::providers::fly::wire::{Cluster, ClusterEndpoints, ClusterStatus};
use crate::random::Random;
use crate::sim::tests::strict::hold_to_contract;
use crate::sim::{CrashPoint, Fault, FaultKind, Matcher, SimConfig, Simulator};

struct World {
    sim: Simulator,
    clock: SharedClock,
    writer: FlyWriter,
}

impl World {
    fn new() -> Self {
        let clock: SharedClock = Arc::new(VirtualClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
        let sim = Simulator::new(SimConfig::default().with_org("acme", "sim_acme"), Arc::clone(&clock));
        hold_to_contract(&sim);
        let writer = Self::writer(&sim, &clock, "sim_acme");
        Self { sim, clock, writer }
    }

    fn writer(sim: &Simulator, clock: &SharedClock, token: &str) -> FlyWriter {
        let shared = Shared::new(sim.transport(), Arc::clone(clock), Random::from_seed(1));
        let token = Token::new("FLY_API_TOKEN", token).unwrap();
        FlyWriter::new(WriteClient::new(connection(DEFAULT_BASE_URL, token, shared)))
    }

    fn reader(&self) -> &FlyReader {
        self.writer.reader()
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// A cluster called `main`, which is ready.
    async fn ready(&self) -> String {
        let cluster = self.writer.create_cluster(&main()).await.unwrap();
        self.pass(30).await;
        cluster.id
    }

    async fn shown(&self, id: &str) -> Cluster {
        self.reader().cluster(id).await.unwrap().unwrap()
    }
}

fn main() -> CreateCluster {
    CreateCluster {
        org_slug: "acme".into(),
        name: Some("main".into()),
        plan: "basic".into(),
        region: "iad".into(),
        disk_size_gb: Some(20),
        pg_major_version: Some("17".into()),
        pool_mode: Some("transaction".into()),
        postgis_enabled: Some(true),
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_made_gets_its_endpoints_when_it_is_ready_and_goes() {
    let world = World::new();
    let made = world.writer.create_cluster(&main()).await.unwrap();
    assert_eq!((made.name.as_str(), made.region.as_str(), made.status), ("main", "iad", ClusterStatus::Creating));
    assert_eq!(made.endpoints, ClusterEndpoints::default());
    world.pass(15).await;
    assert_eq!(world.shown(&made.id).await.status, ClusterStatus::Initializing);
    world.pass(15).await;
    let ready = world.shown(&made.id).await;
    assert_eq!((ready.status, ready.disk_size_gb, ready.pg_major_version.as_str()), (ClusterStatus::Ready, 20, "17"));
    assert!(ready.postgis_enabled);
    let primary = ready.endpoints.primary;
    assert_ne!(primary.direct.unwrap().host, primary.pooler.as_ref().unwrap().host);
    assert_eq!(primary.pooler.unwrap().port, 5432);
    let listed = world.reader().clusters("acme").await.unwrap();
    assert_eq!(listed.iter().map(|one| (&one.id, one.name.as_str())).collect::<Vec<_>>(), [(&made.id, "main")]);

    assert_eq!(world.writer.delete_cluster(&made.id).await.unwrap(), Deleted::Accepted);
    assert_eq!(world.writer.delete_cluster(&made.id).await.unwrap(), Deleted::WasGone);
    assert!(world.shown(&made.id).await.status.is_gone());
    assert_eq!(world.reader().clusters("acme").await.unwrap(), []);
    world.pass(30).await;
    assert_eq!(world.reader().cluster(&made.id).await.unwrap(), None);
    assert_eq!(world.writer.delete_cluster(&made.id).await.unwrap(), Deleted::WasGone);
    assert_eq!(world.writer.delete_cluster("nothing").await.unwrap(), Deleted::WasGone);
    assert_eq!(world.sim.clusters("acme"), []);
}

#[tokio::test(start_paused = true)]
async fn databases_and_users_come_and_go() {
    let world = World::new();
    let id = world.ready().await;
    world.writer.create_cluster_database(&id, "pr_1").await.unwrap();
    world.writer.create_cluster_user(&id, "pr_1", Role::SchemaAdmin).await.unwrap();
    world.writer.set_cluster_role(&id, "pr_1", Role::Reader).await.unwrap();
    let databases = world.reader().cluster_databases(&id).await.unwrap();
    assert_eq!(databases.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["fly-db", "pr_1"]);
    let users = world.reader().cluster_users(&id).await.unwrap();
    let users: Vec<_> = users.iter().map(|one| (one.username.as_str(), one.role.as_str())).collect();
    assert_eq!(users, [("fly-user", "schema_admin"), ("pr_1", "reader")]);

    for error in [
        world.writer.create_cluster_database(&id, "pr_1").await.unwrap_err(),
        world.writer.create_cluster_user(&id, "pr_1", Role::Writer).await.unwrap_err(),
    ] {
        assert!(matches!(error.problem(), FlyProblem::AlreadyExists { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Blocked);
        assert!(error.to_string().contains(&format!("`pr_1`, cluster `{id}`")), "{error}");
    }
    assert_eq!(world.writer.delete_cluster_database(&id, "pr_1").await.unwrap(), Deleted::Accepted);
    assert_eq!(world.writer.delete_cluster_database(&id, "pr_1").await.unwrap(), Deleted::WasGone);
    assert_eq!(world.writer.delete_cluster_user(&id, "pr_1").await.unwrap(), Deleted::Accepted);
    assert_eq!(world.writer.delete_cluster_user(&id, "pr_1").await.unwrap(), Deleted::WasGone);
    let left = &world.sim.clusters("acme")[0];
    assert_eq!((left.databases.join(" "), left.users.join(" ")), ("fly-db".to_owned(), "fly-user".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn passwords_are_read_rotated_and_never_shown() {
    let world = World::new();
    let id = world.ready().await;
    let before = world.reader().cluster_credentials(&id, "fly-user").await.unwrap().unwrap();
    assert_eq!(before.username, "fly-user");
    assert_eq!(Some(before.password.expose()), world.sim.cluster_password(&id, "fly-user").as_deref());
    let rotated = world.writer.rotate_cluster_password(&id, "fly-user", true).await.unwrap();
    assert_ne!(before.password.expose(), rotated.password.expose());
    assert_eq!(Some(rotated.password.expose()), world.sim.cluster_password(&id, "fly-user").as_deref());
    assert!(!format!("{rotated:?}").contains(rotated.password.expose()), "{rotated:?}");
    assert!(world.reader().cluster_credentials(&id, "nobody").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_is_waited_for_and_what_is_deleted_is_not() {
    let world = World::new();
    let id = world.writer.create_cluster(&main()).await.unwrap().id;
    for error in [
        world.writer.create_cluster_database(&id, "x").await.unwrap_err(),
        world.writer.create_cluster_user(&id, "x", Role::Writer).await.unwrap_err(),
        world.writer.fork_cluster(&id, "x").await.unwrap_err(),
        world.writer.rotate_cluster_password(&id, "fly-user", false).await.unwrap_err(),
        world.reader().cluster_credentials(&id, "fly-user").await.unwrap_err(),
    ] {
        assert!(matches!(error.problem(), FlyProblem::ClusterNotReady { .. }), "{error:?}");
        assert_eq!((error.class(), error.reason()), (Class::Transient, "ClusterNotReady"));
    }
    world.sim.fail_cluster(&id).unwrap();
    assert_eq!(world.shown(&id).await.status, ClusterStatus::Failed);
    world.writer.delete_cluster(&id).await.unwrap();
    for seconds in [0, 60] {
        world.pass(seconds).await;
        let error = world.writer.fork_cluster(&id, "x").await.unwrap_err();
        assert!(matches!(error.problem(), FlyProblem::Gone { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Permanent);
    }
    let error = world.writer.create_cluster(&CreateCluster { region: "moon".into(), ..main() }).await.unwrap_err();
    assert!(matches!(error.problem(), FlyProblem::InvalidRequest { .. }), "{error:?}");
    let stranger = World::writer(&world.sim, &world.clock, "sim_nobody");
    let error = stranger.reader().clusters("acme").await.unwrap_err();
    assert!(matches!(error.problem(), FlyProblem::TokenRejected { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backup_holds_what_was_there_and_copies_are_clusters_of_their_own() {
    let world = World::new();
    let id = world.ready().await;
    world.writer.start_cluster_backup(&id, BackupKind::Full).await.unwrap();
    let error = world.writer.start_cluster_backup(&id, BackupKind::Incremental).await.unwrap_err();
    assert!(matches!(error.problem(), FlyProblem::Conflict { .. }), "{error:?}");
    let running = world.reader().cluster_backups(&id).await.unwrap().remove(0);
    assert_eq!((running.kind.as_str(), running.is_complete(), running.finished_at), ("full", false, None));
    let backup = Restore::Backup(running.id.clone());
    let error = world.writer.restore_cluster(&id, &backup, "early").await.unwrap_err();
    assert!(matches!(error.problem(), FlyProblem::InvalidRequest { .. }), "{error:?}");
    world.pass(30).await;
    assert!(world.reader().cluster_backups(&id).await.unwrap()[0].is_complete());
    world.writer.create_cluster_database(&id, "later").await.unwrap();

    let restored = world.writer.restore_cluster(&id, &backup, "old").await.unwrap();
    let moment = Restore::Moment(world.clock.now() - TimeDelta::seconds(5));
    let rewound = world.writer.restore_cluster(&id, &moment, "rewound").await.unwrap();
    let forked = world.writer.fork_cluster(&id, "copy").await.unwrap();
    let databases = |name: &str| {
        let clusters = world.sim.clusters("acme");
        clusters.into_iter().find(|one| one.name == name).unwrap().databases.join(" ")
    };
    assert_eq!((databases("old"), databases("copy")), ("fly-db".to_owned(), "fly-db later".to_owned()));
    assert_eq!([restored.status, rewound.status, forked.status], [const { ClusterStatus::Creating }; 3]);
    assert_eq!(world.sim.clusters("acme").len(), 4);
    let early = Restore::Moment("2026-11-20T08:00:00Z".parse().unwrap());
    assert!(world.writer.restore_cluster(&id, &early, "x").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attachment_may_be_made_twice() {
    let world = World::new();
    let id = world.ready().await;
    let error = world.writer.attach_cluster(&id, "web").await.unwrap_err();
    assert!(matches!(error.problem(), FlyProblem::NotFound { .. }), "{error:?}");
    world.sim.create_app("acme", "web", "").unwrap();
    world.writer.attach_cluster(&id, "web").await.unwrap();
    world.writer.attach_cluster(&id, "web").await.unwrap();
    let attached: Vec<_> = world.shown(&id).await.attached_apps.into_iter().map(|app| app.name).collect();
    assert_eq!(attached, ["web"]);
    assert_eq!(world.reader().clusters("acme").await.unwrap()[0].attached_apps[0].name, "web");
    assert_eq!(world.writer.detach_cluster(&id, "web").await.unwrap(), Deleted::Accepted);
    assert_eq!(world.writer.detach_cluster(&id, "web").await.unwrap(), Deleted::WasGone);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_sent_twice_is_sent_twice() {
    let world = World::new();
    let id = world.ready().await;
    let lost = |method, path: &str| {
        world.sim.clear_faults();
        world.sim.clear_requests();
        world.sim.inject(Fault::once(Matcher::new(method, path), FaultKind::ResetAfter));
    };
    lost(Method::Post, "/v1/postgres");
    let error = world.writer.create_cluster(&main()).await.unwrap_err();
    assert_eq!((error.class(), world.sim.writes()), (Class::Unknown, 1));
    lost(Method::Post, &format!("/v1/postgres/{id}/databases"));
    let error = world.writer.create_cluster_database(&id, "x").await.unwrap_err();
    assert_eq!((error.class(), world.sim.writes()), (Class::Unknown, 1));
    lost(Method::Post, &format!("/v1/postgres/{id}/users/fly-user/rotate_password"));
    let rotated = world.writer.rotate_cluster_password(&id, "fly-user", false).await.unwrap();
    assert_eq!(world.sim.writes(), 2);
    assert_eq!(Some(rotated.password.expose()), world.sim.cluster_password(&id, "fly-user").as_deref());
    lost(Method::Delete, &format!("/v1/postgres/{id}"));
    assert_eq!(world.writer.delete_cluster(&id).await.unwrap(), Deleted::WasGone);
    world.sim.kill_after(1, CrashPoint::BeforeEffect);
    assert!(world.writer.delete_cluster(&id).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_may_not_write_is_told_which_one_it_takes() {
    let clock: SharedClock = Arc::new(VirtualClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
    let config = SimConfig::default().with_org("acme", "sim_acme").with_read_only_token("acme", "sim_reader");
    let sim = Simulator::new(config, Arc::clone(&clock));
    sim.create_cluster("acme", "there", "iad").unwrap();
    let writer = World::writer(&sim, &clock, "sim_reader");
    let seen = writer.reader().clusters("acme").await.unwrap();
    let refused = [
        writer.create_cluster(&main()).await.unwrap_err(),
        writer.create_cluster_database(&seen[0].id, "app").await.unwrap_err(),
        writer.create_cluster_user(&seen[0].id, "app", Role::Writer).await.unwrap_err(),
        writer.delete_cluster(&seen[0].id).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.reason(), "Unauthorized", "{error}");
        assert!(
            error.to_string().contains("the token in `FLY_API_TOKEN` may not do this at Managed Postgres"),
            "{error}"
        );
        assert!(error.advice().contains("`fly tokens create org`"), "{}", error.advice());
        assert!(error.advice().contains("a deploy token is for one app"), "{}", error.advice());
    }
}
