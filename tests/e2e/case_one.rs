//! Case 1, whole: `specs/chat-dev` against the simulator, from nothing to converged, repaired, changed and collected.

use std::collections::BTreeMap;
use std::time::Duration;

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::{Reason, Standing};
use hangar::sim::{CrashPoint, Fault, FaultKind, Matcher};

use crate::world::World;

const APPS: [(&str, &str); 9] = [
    ("chat-dev-server", "chat-dev"),
    ("chat-dev-server-dev", "chat-dev-staging"),
    ("chat-dev-web", "chat-dev"),
    ("chat-dev-web-dev", "chat-dev-staging"),
    ("chat-dev-worker", "chat-dev"),
    ("chat-dev-worker-dev", "chat-dev-staging"),
    ("login-chat-dev-server-dev", "chat-dev-previews"),
    ("login-chat-dev-web-dev", "chat-dev-previews"),
    ("login-chat-dev-worker-dev", "chat-dev-previews"),
];

/// Reads of a pass that looks at everything in detail: three listings for each of three organizations, and machines, volumes, secrets
/// and addresses of each of nine apps.
const READS: usize = 3 * 3 + 9 * 4;

async fn converged() -> World {
    let mut world = World::chat_dev();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", world.recorder.events());
    world.sim.clear_requests();
    world
}

/// Reconciles, and expects it to converge with exactly these writes; then that a further pass writes nothing.
async fn repairs_with(world: &mut World, expected: &[String]) {
    let outcome = world.reconcile().await;
    let failures: Vec<_> = outcome.failures.values().flatten().map(|failure| &failure.message).collect();
    assert_eq!(outcome.worst(), Verdict::Converged, "{failures:#?}\n{:#?}", outcome.last.plan.withheld);
    assert_eq!(world.writes(), expected);
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!((world.writes(), world.sim.reads()), (Vec::new(), READS));
}

fn update_of(app: &str, id: &str) -> [String; 3] {
    let machine = format!("/v1/apps/{app}/machines/{id}");
    [format!("POST {machine}/lease"), format!("POST {machine}"), format!("DELETE {machine}/lease")]
}

/// What is live, without what the server mints.
fn live(world: &World) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for app in world.sim.apps() {
        let mut lines = vec![format!("{} {}", app.org, app.network)];
        for machine in world.sim.machines(&app.name).iter().filter(|machine| machine.state != "destroyed") {
            let mut config = machine.config.clone();
            config["metadata"] = serde_json::Value::Null;
            if config.get("mounts").is_some() {
                config["mounts"][0]["volume"] = serde_json::Value::Null;
            }
            let markers: Vec<_> = ["owner", "env", "slot", "name", "hash", "fields", "ips", "protect"]
                .map(|key| machine.metadata(&format!("hangar_{key}")).unwrap_or_default().to_owned())
                .to_vec();
            lines.push(format!("{} {} {} {config} {markers:?}", machine.name, machine.region, machine.state));
            for name in world.sim.secret_names(&app.name) {
                lines.push(format!("{name}={:?}", world.sim.live_secret_value(&app.name, &machine.id, &name)));
            }
        }
        let mut volumes: Vec<_> =
            world.sim.volumes(&app.name).iter().map(|volume| format!("{} {}GB", volume.name, volume.size_gb)).collect();
        volumes.sort();
        let mut ips: Vec<_> = world.sim.ips(&app.name).iter().map(|ip| ip.kind.clone()).collect();
        ips.sort();
        lines.push(format!("{volumes:?} {ips:?}"));
        state.insert(app.name, lines.join("\n"));
    }
    state
}

#[tokio::test(start_paused = true)]
async fn everything_is_created_and_a_second_pass_writes_nothing() {
    let mut world = World::chat_dev();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan.withheld);

    let mut apps: Vec<_> = world.sim.apps().into_iter().map(|app| (app.name, app.org)).collect();
    apps.sort();
    assert_eq!(apps, APPS.map(|(app, org)| (app.to_owned(), org.to_owned())));
    for (app, _) in APPS {
        let machines = world.sim.machines(app);
        let [machine] = machines.as_slice() else { panic!("one machine in {app}: {machines:?}") };
        assert_eq!((machine.name.as_str(), machine.state.as_str()), ("app-iad-0", "started"));
        assert!(machine.checks.iter().all(|(_, status)| status == "passing"), "{machine:?}");
        assert_eq!(machine.metadata("hangar_owner"), Some("chat-dev"));
        assert_eq!(machine.metadata("fly_platform_version"), Some("v2"));
        assert_eq!(machine.metadata("fly_process_group"), Some("app"));
        let expected_ips = if app.contains("worker") { vec![] } else { vec!["shared_v4", "v6"] };
        let mut ips: Vec<_> = world.sim.ips(app).into_iter().map(|ip| ip.kind).collect();
        ips.sort();
        assert_eq!(ips, expected_ips, "{app}");
        let volumes = world.sim.volumes(app);
        assert_eq!(volumes.len(), usize::from(app.contains("server")), "{app}");
        if let [volume] = volumes.as_slice() {
            let name = if app == "chat-dev-server" { "chat_dev_data" } else { "chat_dev_data_dev" };
            assert_eq!((volume.name.as_str(), volume.size_gb), (name, 1));
            assert_eq!(volume.attached_machine.as_deref(), Some(machine.id.as_str()));
        }
    }

    // The server knows its own worker, and shares the secret with it and with nobody else.
    let mut shared = Vec::new();
    for (server, worker) in [
        ("chat-dev-server", "chat-dev-worker"),
        ("chat-dev-server-dev", "chat-dev-worker-dev"),
        ("login-chat-dev-server-dev", "login-chat-dev-worker-dev"),
    ] {
        let machine = &world.sim.machines(server)[0];
        assert_eq!(machine.env("FLY_WORKER_APP"), Some(worker));
        let worker_image = world.sim.machines(worker)[0].config["image"].clone();
        assert_eq!(machine.env("FLY_WORKER_IMAGE"), worker_image.as_str());
        let callback = format!("https://{server}.fly.dev/internal/worker-callback");
        assert_eq!(machine.env("WORKER_CALLBACK_URL"), Some(callback.as_str()));
        assert_eq!(world.sim.secret_value(server, "WORKER_SECRET"), world.sim.secret_value(worker, "WORKER_SECRET"));
        shared.extend(world.sim.secret_value(server, "WORKER_SECRET"));
        shared.extend(world.sim.secret_value(server, "CHAT_DEV_ENCRYPTION_KEY"));
        assert!(world.sim.live_secret_value(server, &machine.id, "FLY_API_TOKEN").is_some());
    }
    shared.sort();
    shared.dedup();
    assert_eq!(shared.len(), 6, "two generated secrets per environment, all different");

    // Each environment has a network of its own, shared by its three apps.
    let network = |app: &str| world.sim.app(app).unwrap().network;
    assert_eq!(network("chat-dev-server"), "hangar-chat-dev-0");
    assert_eq!(network("chat-dev-server"), network("chat-dev-worker"));

    // 9 apps, 6 secret sets and the mark that protects production's web (it has no secret of its own), 12 addresses, 3 volumes,
    // 9 machines.
    assert_eq!(world.sim.writes(), 9 + 7 + 12 + 3 + 9);

    world.sim.clear_requests();
    let again = world.reconcile().await;
    assert_eq!(again.worst(), Verdict::Converged);
    assert_eq!((world.writes(), world.sim.reads()), (Vec::new(), READS));
}

#[tokio::test(start_paused = true)]
async fn a_new_worker_image_reaches_the_worker_first_and_then_the_server_in_one_run() {
    let mut world = converged().await;
    let worker = world.sim.machines("chat-dev-worker-dev")[0].id.clone();
    let server = world.sim.machines("chat-dev-server-dev")[0].id.clone();
    world.edit("staging.yaml", "chat-dev-worker-dev:${{ params.release }}", "chat-dev-worker-dev:v9");
    let mut expected = update_of("chat-dev-worker-dev", &worker).to_vec();
    expected.extend(update_of("chat-dev-server-dev", &server));
    repairs_with(&mut world, &expected).await;
    let machine = &world.sim.machines("chat-dev-server-dev")[0];
    assert_eq!(machine.id, server, "updated in place");
    assert_eq!(machine.env("FLY_WORKER_IMAGE"), Some("registry.fly.io/chat-dev-worker-dev:v9"));
}

#[tokio::test(start_paused = true)]
async fn a_worker_image_that_crashes_leaves_the_server_and_production_untouched() {
    let mut world = converged().await;
    let worker = world.sim.machines("chat-dev-worker-dev")[0].id.clone();
    world.edit("staging.yaml", "chat-dev-worker-dev:${{ params.release }}", "chat-dev-worker-dev:crash");
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"staging".into()], Verdict::Failed);
    assert_eq!(outcome.verdicts[&"login".into()], Verdict::Converged);
    let message = &outcome.failures[&"staging".into()][0].message;
    assert!(message.contains("exited with code 1") && message.contains("fly logs"), "{message}");
    assert_eq!(world.writes(), update_of("chat-dev-worker-dev", &worker));
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired() {
    let mut world = converged().await;
    let app = "chat-dev-worker";
    let machine = world.sim.machines(app)[0].id.clone();

    // The only machine, deleted by hand: made again under the same name. The record of the secrets went with it, so they are written
    // again, with the same values.
    let before = world.sim.secret_value(app, "WORKER_SECRET");
    world.sim.delete_machine(app, &machine).unwrap();
    let expected = [format!("POST /v1/apps/{app}/secrets"), format!("POST /v1/apps/{app}/machines")];
    repairs_with(&mut world, &expected).await;
    assert_eq!(world.sim.secret_value(app, "WORKER_SECRET"), before);
    let machine = world.sim.machines(app).into_iter().find(|machine| machine.state == "started").unwrap().id;

    // A machine without autostop, stopped by hand: started.
    world.sim.stop_machine(app, &machine).unwrap();
    world.pass_time(Duration::from_secs(5)).await;
    repairs_with(&mut world, &[format!("POST /v1/apps/{app}/machines/{machine}/start")]).await;

    // A configuration edited by hand: only what the spec sets is put back.
    world
        .sim
        .edit_machine_config(app, &machine, |config| {
            config["env"]["NODE_ENV"] = "development".into();
            config["env"]["BY_HAND"] = "stays".into();
        })
        .unwrap();
    world.pass_time(Duration::from_secs(5)).await;
    repairs_with(&mut world, &update_of(app, &machine)).await;
    let seen = world.sim.machine(app, &machine).unwrap();
    assert_eq!((seen.env("NODE_ENV"), seen.env("BY_HAND")), (Some("production"), Some("stays")));

    // A secret changed by hand: written again in one call, and taken by the machine.
    world.sim.set_secret(app, "WORKER_SECRET", "changed by hand").unwrap();
    let mut expected = vec![format!("POST /v1/apps/{app}/secrets")];
    expected.extend(update_of(app, &machine));
    repairs_with(&mut world, &expected).await;
    assert_eq!(world.sim.live_secret_value(app, &machine, "WORKER_SECRET"), before);

    // An address released by hand: allocated again, alone.
    let address = world.sim.ips("chat-dev-web")[0].ip.clone();
    world.sim.release_ip("chat-dev-web", &address).unwrap();
    repairs_with(&mut world, &["POST /v1/apps/chat-dev-web/ip_assignments".to_owned()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_autostop_has_stopped_is_left_alone() {
    let mut world = converged().await;
    let app = "login-chat-dev-web-dev";
    let machine = world.sim.machines(app)[0].id.clone();
    world.sim.stop_machine(app, &machine).unwrap();
    world.pass_time(Duration::from_secs(5)).await;
    repairs_with(&mut world, &[]).await;
    assert_eq!(world.sim.machine(app, &machine).unwrap().state, "stopped");
}

#[tokio::test(start_paused = true)]
async fn an_app_of_the_same_name_that_is_not_ours_is_left_alone_and_reported() {
    let mut world = World::chat_dev();
    world.sim.create_app("chat-dev-previews", "login-chat-dev-web-dev", "").unwrap();
    let before = world.sim.app("login-chat-dev-web-dev");
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"login".into()], Verdict::Blocked);
    assert_eq!(outcome.verdicts[&"production".into()], Verdict::Converged);
    let withheld = outcome.last.plan.withheld.iter().find(|withheld| withheld.reason == Reason::NotOurs).unwrap();
    assert!(withheld.message.contains("login-chat-dev-web-dev") && withheld.message.contains("adopt"), "{withheld:?}");
    assert!(!world.writes().iter().any(|write| write.contains("login-chat-dev-web-dev")));
    assert_eq!(world.sim.app("login-chat-dev-web-dev"), before);
}

#[tokio::test(start_paused = true)]
async fn an_environment_whose_file_is_removed_is_collected_after_grace() {
    let mut world = converged().await;
    let preview = world.files.remove("preview.yaml").unwrap();

    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"login".into()], Verdict::Waiting);
    assert!(world.writes().iter().all(|write| write.starts_with("PATCH ")), "{:?}", world.writes());
    assert_eq!(world.writes().len(), 3, "one tombstone per app");

    world.sim.clear_requests();
    world.pass_time(Duration::from_mins(1)).await;
    world.reconcile().await;
    assert_eq!(world.writes(), Vec::<String>::new(), "grace has not passed");

    // The file comes back, and the tombstones go.
    world.files.insert("preview.yaml".into(), preview.clone());
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
    assert_eq!(world.sim.apps().len(), 9);

    world.files.remove("preview.yaml");
    world.reconcile().await;
    world.lose_store();
    world.pass_time(Duration::from_secs(301)).await;
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan.withheld);
    assert_eq!(
        world.writes(),
        ["login-chat-dev-server-dev", "login-chat-dev-web-dev", "login-chat-dev-worker-dev"]
            .map(|app| format!("DELETE /v1/apps/{app}"))
    );
    assert_eq!(world.sim.apps().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn production_stays_when_its_file_is_removed() {
    let mut world = converged().await;
    world.files.remove("production.yaml");
    world.files.remove("policy.yaml");
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(Duration::from_mins(10)).await;
    }
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!(world.sim.apps().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_on_a_partial_or_failed_listing() {
    let org = "/v1/orgs/chat-dev-previews/machines";
    for (name, fault) in [
        (
            "regions",
            Fault::always(Matcher::new(Method::Get, org), FaultKind::ErrorRegions { regions: vec!["iad".into()] }),
        ),
        ("failed", Fault::always(Matcher::new(Method::Get, org), FaultKind::unavailable())),
        ("apps", Fault::always(Matcher::new(Method::Get, "/v1/apps"), FaultKind::unavailable())),
    ] {
        let mut world = converged().await;
        world.files.remove("preview.yaml");
        world.reconcile().await;
        world.pass_time(Duration::from_secs(301)).await;
        world.sim.clear_requests();
        world.sim.inject(fault);
        world.reconcile().await;
        assert_eq!(world.writes(), Vec::<String>::new(), "{name}");
        world.sim.clear_faults();
        world.reconcile().await;
        assert_eq!(world.sim.apps().len(), 6, "{name}: and afterwards it goes");
    }
}

#[tokio::test(start_paused = true)]
async fn more_deletions_than_the_budget_allows_are_held_until_exactly_they_are_acknowledged() {
    let mut world = World::chat_dev();
    let preview = world.files.remove("preview.yaml").unwrap();
    for number in 0..11 {
        let text = preview.replace("name: login", &format!("name: pr-{number}"));
        world.files.insert(format!("pr-{number}.yaml"), text);
    }
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
    let all = world.sim.apps().len();
    world.files.retain(|name, _| !name.starts_with("pr-"));
    world.sim.clear_requests();
    let mut hash = String::new();
    for _ in 0..2 {
        let outcome = world.reconcile().await;
        let held = outcome.last.plan.withheld.iter().find(|withheld| withheld.reason == Reason::BudgetExceeded);
        let message = &held.expect("the budget holds").message;
        hash = message.split("--acknowledge ").nth(1).unwrap().split('`').next().unwrap().to_owned();
        assert_eq!(outcome.last.plan.standing(&"pr-0".into()), Standing::Blocked);
        world.pass_time(Duration::from_hours(2)).await;
        // Neither time nor a lost store resets it.
        world.lose_store();
    }
    assert!(!world.writes().iter().any(|write| write.starts_with("DELETE")), "{:?}", world.writes());
    assert_eq!(world.sim.apps().len(), all);
    let journal = world.session().journal;
    journal.change(|memory| memory.acknowledge(&hash)).unwrap();
    drop(journal);
    world.reconcile().await;
    world.pass_time(Duration::from_secs(301)).await;
    world.reconcile().await;
    assert_eq!(world.sim.apps().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_write_and_started_again_with_an_empty_store_it_ends_in_the_same_place() {
    let undisturbed = live(&converged().await);
    let mut points = 0;
    for point in [CrashPoint::BeforeEffect, CrashPoint::BeforeReply] {
        for write in (1..=40).step_by(5) {
            let mut world = World::chat_dev();
            world.sim.kill_after_writes(write, point);
            // The process that was killed hears nothing more.
            drop(world.reconcile().await);
            world.sim.revive();
            world.lose_store();
            let outcome = world.reconcile().await;
            let failures: Vec<_> = outcome.failures.values().flatten().map(|failure| &failure.message).collect();
            assert_eq!(outcome.worst(), Verdict::Converged, "write {write} {point:?}: {failures:#?}");
            let differing: Vec<_> =
                live(&world).into_iter().filter(|(app, state)| undisturbed.get(app) != Some(state)).collect();
            assert!(differing.is_empty(), "write {write} {point:?}: {differing:#?}");
            points += 1;
        }
    }
    assert_eq!(points, 16);
}

#[tokio::test(start_paused = true)]
async fn diff_sends_nothing_but_reads() {
    let mut world = World::chat_dev();
    let planned = world.diff().await;
    assert_eq!(planned.plan.standing(&"staging".into()), Standing::Changes);
    assert_eq!(world.writes(), Vec::<String>::new());
    let mut world = converged().await;
    world.edit("staging.yaml", "v1.4.0", "v1.5.0");
    world.diff().await;
    assert_eq!((world.writes(), world.sim.reads()), (Vec::new(), READS));
}
