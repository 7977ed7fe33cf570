//! chat-dev whole: staging, production and a preview, from the files that the repository ships.

use std::collections::BTreeSet;

use hangar::plan::{Reason, Standing};

use crate::given::{held, portrait, steps};
use crate::world::World;

/// What creating one environment of chat-dev takes: three apps, two vaults, four addresses, a volume, three machines.
const WRITES_PER_ENVIRONMENT: usize = 13;

#[tokio::test(start_paused = true)]
async fn all_of_chat_dev_is_created_and_a_second_pass_writes_nothing() {
    let mut world = World::chat_dev();

    let outcome = world.reconcile().await;

    world.assert_converged(&outcome);
    // And one for the protection of production's web app, which has no secret of its own.
    assert_eq!(world.sim.writes(), 3 * WRITES_PER_ENVIRONMENT + 1);
    assert!(world.sim.requests().iter().all(|request| request.is_read() || request.effect), "no write was in vain");
    assert_eq!(world.sim.reads(), 153);
    insta::assert_snapshot!(portrait(&world));

    let before = portrait(&world);
    world.must_rest().await;
    // Three organizations, three listings each; nine apps, four lists each.
    assert_eq!(world.sim.reads(), 3 * 3 + 9 * 4);
    assert_eq!(portrait(&world), before);
}

#[tokio::test(start_paused = true)]
async fn each_environment_is_wired_to_its_own_parts_only() {
    let mut world = World::chat_dev();
    world.converge().await;

    let servers = [
        ("chat-dev-server", "chat-dev-worker", "chat-dev-worker:v1.4.0", "chat-dev-web"),
        ("chat-dev-server-dev", "chat-dev-worker-dev", "chat-dev-worker-dev:v1.4.0", "chat-dev-web-dev"),
        (
            "login-chat-dev-server-dev",
            "login-chat-dev-worker-dev",
            "chat-dev-worker-dev:3f2a91c",
            "login-chat-dev-web-dev",
        ),
    ];
    for (server, worker, image, web) in servers {
        let machine = world.only_machine(server);
        assert_eq!(machine.env("FLY_WORKER_APP"), Some(worker));
        assert_eq!(machine.env("FLY_WORKER_IMAGE"), Some(format!("registry.fly.io/{image}").as_str()));
        let callback = format!("https://{server}.fly.dev/internal/worker-callback");
        assert_eq!(machine.env("WORKER_CALLBACK_URL"), Some(callback.as_str()));
        assert_eq!(machine.env("WEB_ORIGIN"), Some(format!("https://{web}.fly.dev").as_str()));
        let api = format!("https://{server}.fly.dev");
        assert_eq!(world.only_machine(web).env("NEXT_PUBLIC_API_URL"), Some(api.as_str()));
        // The worker's own machine and the server's were given the same secret.
        let of = |app: &str| {
            world
                .sim
                .live_secret_value(app, &world.only_machine(app).id, "WORKER_SECRET")
                .expect("a secret that is live")
        };
        assert_eq!(of(server), of(worker));
        assert_eq!(of(server).len(), 48);
    }
    // Staging turns the tracker off, production leaves it on.
    assert_eq!(world.only_machine("chat-dev-web-dev").env("NEXT_PUBLIC_ENABLE_MIXPANEL"), Some("0"));
    assert_eq!(world.only_machine("chat-dev-web").env("NEXT_PUBLIC_ENABLE_MIXPANEL"), None);
    // No two environments share a secret or a volume.
    let secrets: BTreeSet<_> =
        servers.iter().map(|(server, ..)| world.sim.secret_value(server, "WORKER_SECRET")).collect();
    assert_eq!(secrets.len(), 3);
    for (server, volume) in [
        ("chat-dev-server", "chat_dev_data"),
        ("chat-dev-server-dev", "chat_dev_data_dev"),
        ("login-chat-dev-server-dev", "chat_dev_data_dev"),
    ] {
        let volumes = world.sim.volumes(server);
        assert_eq!(volumes.len(), 1);
        assert_eq!(volumes[0].name, volume);
        assert_eq!(volumes[0].attached_machine.as_ref(), Some(&world.only_machine(server).id));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_store_and_another_machine_find_nothing_to_do() {
    let mut world = World::chat_dev();
    world.converge().await;

    world.lose_store();

    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn production_waits_until_staging_has_converged() {
    let mut world = World::chat_dev();
    let planned = world.diff().await;
    let production = "production".into();
    assert_eq!(planned.plan.standing(&production), Standing::Waiting);
    assert_eq!(planned.plan.steps_of(&production).count(), 0);
    assert!(held(&planned).iter().any(|(reason, message)| {
        *reason == Reason::GateClosed && message.contains("until `staging` is converged")
    }));

    world.reconcile().await;

    // The first request for an app of production came after the last one for an app of staging.
    let requests = world.sim.requests();
    let first = requests
        .iter()
        .position(|request| request.path.starts_with("/v1/apps/chat-dev-worker/secrets") && !request.is_read());
    let last = requests
        .iter()
        .rposition(|request| request.path.contains("-dev/") && !request.path.contains("login-") && !request.is_read());
    assert!(first > last, "{first:?} {last:?}");
}

#[tokio::test(start_paused = true)]
async fn the_servers_follow_the_workers_image_in_the_same_run() {
    let mut world = World::chat_dev();
    world.converge().await;
    let servers_before = world.only_machine("chat-dev-server-dev");

    world.edit("staging.yaml", "chat-dev-worker-dev:${{ params.release }}", "chat-dev-worker-dev:v1.5.0");

    let planned = world.diff().await;
    assert_eq!(
        steps(&planned),
        [
            "update machine app/iad/0 of chat-dev-worker-dev [~image]",
            "update machine app/iad/0 of chat-dev-server-dev [~env.FLY_WORKER_IMAGE]",
        ]
    );
    let done_before = world.endings().len();
    let written = world.written_by_reconcile().await;
    let (worker, server) = (world.only_machine("chat-dev-worker-dev"), world.only_machine("chat-dev-server-dev"));
    assert_eq!(
        written,
        [
            format!("POST /v1/apps/chat-dev-worker-dev/machines/{}/lease", worker.id),
            format!("POST /v1/apps/chat-dev-worker-dev/machines/{}", worker.id),
            format!("DELETE /v1/apps/chat-dev-worker-dev/machines/{}/lease", worker.id),
            format!("POST /v1/apps/chat-dev-server-dev/machines/{}/lease", server.id),
            format!("POST /v1/apps/chat-dev-server-dev/machines/{}", server.id),
            format!("DELETE /v1/apps/chat-dev-server-dev/machines/{}/lease", server.id),
        ]
    );
    assert_eq!(
        world.endings()[done_before..],
        [
            "update machine app/iad/0 of chat-dev-worker-dev: done",
            "wait machine app/iad/0 of chat-dev-worker-dev: done",
            "update machine app/iad/0 of chat-dev-server-dev: done",
            "wait machine app/iad/0 of chat-dev-server-dev: done",
        ]
    );
    assert_eq!(worker.config["image"], "registry.fly.io/chat-dev-worker-dev:v1.5.0");
    assert_eq!(server.env("FLY_WORKER_IMAGE"), Some("registry.fly.io/chat-dev-worker-dev:v1.5.0"));
    assert_eq!((&server.id, server.versions), (&servers_before.id, servers_before.versions + 1));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_crashes_leaves_its_server_alone() {
    let mut world = World::chat_dev();
    world.converge().await;
    let server_before = world.only_machine("chat-dev-server-dev");

    world.edit("staging.yaml", "chat-dev-worker-dev:${{ params.release }}", "chat-dev-worker-dev:v1.5.0-crash");
    let outcome = world.reconcile().await;

    let staging = "staging".into();
    assert_eq!(outcome.verdicts[&staging], hangar::controller::Verdict::Failed);
    assert_eq!(outcome.failures[&staging].len(), 1);
    assert!(outcome.failures[&staging][0].message.contains("exited with code 1"), "{:?}", outcome.failures);
    assert_eq!(world.only_machine("chat-dev-server-dev"), server_before);
    // The other environments are not affected; production's gate stays closed, and it has nothing to do anyway.
    assert_eq!(outcome.verdicts[&"login".into()], hangar::controller::Verdict::Converged);
    assert_eq!(outcome.verdicts[&"production".into()], hangar::controller::Verdict::Converged);
    // A repaired image goes through, and then the server follows.
    world.edit("staging.yaml", "v1.5.0-crash", "v1.5.1");
    world.converge().await;
    assert_eq!(
        world.only_machine("chat-dev-server-dev").env("FLY_WORKER_IMAGE"),
        Some("registry.fly.io/chat-dev-worker-dev:v1.5.1")
    );
    world.must_rest().await;
}
