//! What other people and the platform do to live objects: what is repaired, and what is left alone.

use std::time::Duration;

use hangar::controller::Verdict;
use hangar::plan::{Reason, Standing};
use serde_json::{Value, json};

use crate::given::{bare_config, held, steps, web};
use crate::world::World;

const PLAIN: &str = "image: registry.fly.io/demo:v1\nenv: {A: '1', B: '2'}\nips: {v6: true}";
const SLEEPY: &str = "image: registry.fly.io/demo:v1
ips: {v6: true}
services: [{internalPort: 8080, autostop: suspend, ports: [{port: 443, handlers: [http, tls]}]}]";
const STORED: &str = "image: registry.fly.io/demo:v1\nvolumes: {data: {size: 1GB, mount: /data}}";

/// An app of these fields, running, late enough that things may be made and removed.
async fn running(fields: &str) -> World {
    let mut world = World::running(&web(fields)).await;
    world.past_quarantine().await;
    world.sim.clear_requests();
    world
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_deleted_is_made_again() {
    let mut world = running(PLAIN).await;
    let before = world.only_machine("demo-web");
    world.sim.delete_machine("demo-web", &before.id).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    assert_eq!(world.written_by_reconcile().await, ["POST /v1/apps/demo-web/machines"]);

    let after = world.only_machine("demo-web");
    assert_ne!(after.id, before.id);
    assert_eq!(after.name, before.name);
    assert_eq!(bare_config(&after), bare_config(&before));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_deleted_gets_its_volume_back() {
    let mut world = running(STORED).await;
    let before = world.only_machine("demo-web");
    let volume = world.sim.volumes("demo-web").remove(0);
    world.sim.delete_machine("demo-web", &before.id).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    assert_eq!(world.written_by_reconcile().await, ["POST /v1/apps/demo-web/machines"]);

    let volumes = world.sim.volumes("demo-web");
    assert_eq!(volumes.len(), 1, "the data is not left behind for a new, empty volume");
    assert_eq!(volumes[0].id, volume.id);
    assert_eq!(volumes[0].attached_machine.as_ref(), Some(&world.only_machine("demo-web").id));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_stopped_is_started_where_nothing_else_would() {
    let mut world = running(PLAIN).await;
    let id = world.only_machine("demo-web").id;
    world.sim.stop_machine("demo-web", &id).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    assert_eq!(world.planned_steps().await, ["start machine app/iad/0 of demo-web [~state]"]);
    assert_eq!(world.written_by_reconcile().await, [format!("POST /v1/apps/demo-web/machines/{id}/start")]);

    assert_eq!(world.only_machine("demo-web").state, "started");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_exited_for_good_is_started_again() {
    let mut world = running("image: registry.fly.io/demo:v1\nrestart: {policy: on-failure, maxRetries: 1}").await;
    let id = world.only_machine("demo-web").id;
    for _ in 0..2 {
        world.sim.crash_machine("demo-web", &id, 3, false).unwrap();
        world.pass_time(Duration::from_secs(2)).await;
    }
    assert_eq!(world.only_machine("demo-web").state, "stopped");

    let planned = world.diff().await;
    assert_eq!(steps(&planned), ["start machine app/iad/0 of demo-web [~state]"]);
    assert_eq!(planned.plan.steps[0].reason, "it exited with code 3 and does not run");
    world.converge().await;

    assert_eq!(world.only_machine("demo-web").state, "started");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_the_proxy_stops_and_starts_is_left_to_the_proxy() {
    for stopped_by_hand in [false, true] {
        let mut world = running(SLEEPY).await;
        let id = world.only_machine("demo-web").id;
        if stopped_by_hand {
            world.sim.stop_machine("demo-web", &id).unwrap();
        } else {
            world.sim.autostop_machine("demo-web", &id).unwrap();
        }
        world.pass_time(Duration::from_secs(5)).await;
        assert_eq!(world.only_machine("demo-web").state, "stopped");

        world.must_rest().await;

        assert_eq!(world.only_machine("demo-web").state, "stopped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_machine_is_updated_and_proves_itself() {
    let mut world = running(SLEEPY).await;
    let id = world.only_machine("demo-web").id;
    world.sim.autostop_machine("demo-web", &id).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    world.edit("demo.yaml", "demo:v1", "demo:v2");
    world.converge().await;

    let after = world.only_machine("demo-web");
    assert_eq!((after.id.as_str(), after.config["image"].as_str()), (id.as_str(), Some("registry.fly.io/demo:v2")));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_edited_by_hand_is_put_right_and_the_rest_is_kept() {
    let mut world = running(PLAIN).await;
    let before = world.only_machine("demo-web");
    let edit = |config: &mut Value| {
        config["env"]["A"] = json!("by hand");
        config["env"]["HAND"] = json!("kept");
        config["image"] = json!("registry.fly.io/demo:hotfix");
        config["metadata"]["team"] = json!("kept");
        config["restart"] = json!({"policy": "always"});
    };
    world.sim.edit_machine_config("demo-web", &before.id, edit).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    assert_eq!(world.planned_steps().await, ["update machine app/iad/0 of demo-web [~env.A ~image]"]);
    world.converge().await;

    let after = world.only_machine("demo-web");
    assert_eq!(after.id, before.id);
    assert_eq!(after.config["image"], "registry.fly.io/demo:v1");
    assert_eq!(
        after.config["env"],
        json!({"A": "1", "B": "2", "HAND": "kept", "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "iad"})
    );
    assert_eq!(after.config["restart"], json!({"policy": "always"}), "no spec has ever set it");
    assert_eq!(after.metadata("team"), Some("kept"));
    world.must_rest().await;

    // It also survives changes of the spec, until a spec sets it; then it is the spec's, and goes with it.
    world.respec(&web(&format!("{PLAIN}\nrestart: {{policy: 'no'}}").replace("A: '1'", "A: '9'")));
    world.converge().await;
    let after = world.only_machine("demo-web");
    assert_eq!((after.env("HAND"), after.metadata("team")), (Some("kept"), Some("kept")));
    assert_eq!(after.config["restart"], json!({"policy": "no"}));
    world.respec(&web(PLAIN));
    world.converge().await;
    assert_eq!(world.only_machine("demo-web").config.get("restart"), None);
    assert_eq!(world.only_machine("demo-web").env("HAND"), Some("kept"));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_took_away_by_hand_comes_back() {
    let mut world = running(PLAIN).await;
    let id = world.only_machine("demo-web").id;
    let edit = |config: &mut Value| {
        config["env"].as_object_mut().unwrap().remove("A");
        config.as_object_mut().unwrap().remove("guest");
    };
    world.sim.edit_machine_config("demo-web", &id, edit).unwrap();
    world.pass_time(Duration::from_secs(5)).await;

    assert_eq!(world.planned_steps().await, ["update machine app/iad/0 of demo-web [+env.A]"]);
    world.converge().await;

    assert_eq!(world.only_machine("demo-web").env("A"), Some("1"));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn metadata_of_the_spec_comes_and_goes_without_a_restart_and_metadata_of_others_stays() {
    let mut world = running(PLAIN).await;
    let before = world.only_machine("demo-web");
    world.edit_metadata("demo-web", &before.id, &[("fly_release_version", Some("12")), ("team", Some("blue"))]);
    world.pass_time(Duration::from_secs(5)).await;
    let version = world.only_machine("demo-web").version;

    world.respec(&web(&format!("{PLAIN}\nmetadata: {{owner: ada, tier: gold}}")));
    assert_eq!(world.planned_steps().await, ["mark machine app/iad/0 of demo-web [+metadata.owner +metadata.tier]"]);
    assert_eq!(
        world.written_by_reconcile().await,
        [format!("PATCH /v1/apps/demo-web/machines/{}/metadata", before.id)]
    );
    let machine = world.only_machine("demo-web");
    assert_eq!((machine.metadata("owner"), machine.metadata("tier")), (Some("ada"), Some("gold")));
    world.must_rest().await;

    world.respec(&web(&format!("{PLAIN}\nmetadata: {{owner: grace}}")));
    world.converge().await;
    let machine = world.only_machine("demo-web");
    assert_eq!((machine.metadata("owner"), machine.metadata("tier")), (Some("grace"), None));
    assert_eq!((machine.metadata("fly_release_version"), machine.metadata("team")), (Some("12"), Some("blue")));
    assert_eq!(machine.version, version, "metadata alone restarts nothing");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_somebody_released_is_allocated_again() {
    let mut world = running(PLAIN).await;
    let before = world.sim.ips("demo-web");
    world.sim.release_ip("demo-web", &before[0].ip).unwrap();

    let planned = world.diff().await;
    assert_eq!(steps(&planned), ["allocate ip v6 of demo-web []"]);
    assert_eq!(planned.plan.steps[0].reason, "it is gone");
    assert_eq!(world.written_by_reconcile().await, ["POST /v1/apps/demo-web/ip_assignments"]);

    let after = world.sim.ips("demo-web");
    assert_eq!(after.iter().map(|ip| ip.kind.as_str()).collect::<Vec<_>>(), ["v6"]);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_somebody_deleted_is_made_again_with_everything_in_it() {
    let mut world = running(&format!("{PLAIN}\nsecrets: {{KEY: {{generate: {{length: 32}}}}}}")).await;
    let value = world.sim.secret_value("demo-web", "KEY");
    world.sim.delete_app("demo-web").unwrap();
    world.pass_time(Duration::from_secs(5)).await;
    assert_eq!(world.sim.apps().len(), 0);

    world.converge().await;

    assert_eq!(world.only_machine("demo-web").state, "started");
    assert_eq!(world.sim.ips("demo-web").len(), 1);
    assert_eq!(world.sim.secret_value("demo-web", "KEY"), value, "a generated secret is the same again");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_fly_moved_to_another_host_is_not_repaired() {
    for fields in [PLAIN, STORED] {
        let mut world = running(fields).await;
        let before = world.only_machine("demo-web");
        let volumes_before = world.sim.volumes("demo-web");
        world.sim.migrate_host("demo-web", &before.id).unwrap();
        let moved = world.only_machine("demo-web");
        assert_ne!(moved.private_ip, before.private_ip);

        world.must_rest().await;

        let after = world.only_machine("demo-web");
        assert_eq!((&after.id, &after.version), (&before.id, &before.version));
        let live: Vec<_> =
            world.sim.volumes("demo-web").into_iter().filter(|volume| volume.state == "created").collect();
        assert_eq!(live.len(), volumes_before.len());
        if let (Some(now), Some(then)) = (live.first(), volumes_before.first()) {
            assert_ne!(now.id, then.id, "the volume has another id, and that is no drift");
            assert_eq!(now.attached_machine.as_ref(), Some(&after.id));
        }
        // A later change of the spec goes to the moved machine, with its moved volume.
        world.edit("demo.yaml", "demo:v1", "demo:v2");
        assert_eq!(world.planned_steps().await, ["update machine app/iad/0 of demo-web [~image]"]);
        world.converge().await;
        assert_eq!(world.only_machine("demo-web").id, before.id);
        world.must_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_to_a_machine_whose_host_does_not_answer() {
    let mut world = running(STORED).await;
    let before = world.only_machine("demo-web");
    world.sim.set_host_unreachable("demo-web", &before.id, true).unwrap();
    world.edit("demo.yaml", "demo:v1", "demo:v2");

    let outcome = world.reconcile_without_writes().await;

    assert_eq!(outcome.worst(), Verdict::Waiting);
    let held = held(&outcome.last);
    assert_eq!(held.iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), [Reason::HostUnreachable]);
    assert!(held[0].1.contains(&before.id), "{held:?}");
    assert_eq!(outcome.last.plan.standing(&"demo".into()), Standing::Waiting);

    world.sim.set_host_unreachable("demo-web", &before.id, false).unwrap();
    world.converge().await;
    let after = world.only_machine("demo-web");
    assert_eq!((&after.id, after.config["image"].as_str()), (&before.id, Some("registry.fly.io/demo:v2")));
    assert_eq!(world.sim.volumes("demo-web").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_machine_stays_cordoned() {
    let mut world = running(SLEEPY).await;
    let id = world.only_machine("demo-web").id;
    world.post_by_hand(&format!("/v1/apps/demo-web/machines/{id}/cordon")).await;

    world.must_rest().await;

    assert!(world.only_machine("demo-web").cordoned);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_was_pushed_again_is_no_drift() {
    let mut world = running(PLAIN).await;
    let before = world.only_machine("demo-web");
    world.sim.push_image("registry.fly.io/demo:v1", "other content");

    world.must_rest().await;

    assert_eq!(world.only_machine("demo-web").digest, before.digest);
}
