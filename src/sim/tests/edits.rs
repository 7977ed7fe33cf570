//! What happens without the caller.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::EditError;

#[tokio::test(start_paused = true)]
async fn a_person_edits_and_nobody_logs_it() {
    let client = Client::new(config());
    let sim = &client.sim;
    sim.create_app("acme", "web", "").unwrap();
    let id = sim.create_machine("web", &json!({"image": "a/b:v1", "metadata": {"slot": "1"}}), "fra").unwrap();
    client.pass(Duration::from_secs(2)).await;
    sim.edit_machine_config("web", &id, |config| config["env"] = json!({"DEBUG": "1"})).unwrap();
    client.pass(Duration::from_secs(5)).await;
    let machine = sim.machine("web", &id).unwrap();
    assert_eq!((machine.state.as_str(), machine.versions, machine.env("DEBUG")), ("started", 2, Some("1")));
    let clone = sim.clone_machine("web", &id).unwrap();
    assert_eq!(sim.machine("web", &clone).unwrap().metadata("slot"), Some("1"));
    sim.delete_machine("web", &clone).unwrap();
    sim.set_secret("web", "A", "x").unwrap();
    assert_eq!(sim.app("web").unwrap().vault_version, 1);
    let refusal = sim.create_app("acme", "web", "").unwrap_err();
    assert!(matches!(refusal, EditError::Refused { status: 422, .. }));
    assert!(matches!(sim.stop_machine("web", "none").unwrap_err(), EditError::Refused { status: 404, .. }));
    sim.delete_app("web").unwrap();
    assert_eq!(sim.app("web"), None);
    assert!(sim.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_hand_is_told_from_a_crash() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "a/b:v1"})).await;
    let exit = async || {
        let (_, events) = client.get(&format!("/apps/web/machines/{id}/events")).await;
        let exit = events.as_array().unwrap().iter().find(|event| event["type"] == "exit").unwrap();
        exit["request"]["exit_event"].clone()
    };
    client.sim.crash_machine("web", &id, 3, false).unwrap();
    assert_eq!(client.state("web", &id).await, "starting");
    assert_eq!((&exit().await["requested_stop"], &exit().await["exit_code"]), (&json!(false), &json!(3)));
    client.pass(Duration::from_secs(2)).await;
    client.sim.stop_machine("web", &id).unwrap();
    client.pass(Duration::from_secs(2)).await;
    assert_eq!(client.state("web", &id).await, "stopped");
    assert_eq!(exit().await["requested_stop"], true);
    client.sim.autostart_machine("web", &id).unwrap();
    client.pass(Duration::from_secs(2)).await;
    client.sim.autostop_machine("web", &id).unwrap();
    assert_eq!(client.state("web", &id).await, "stopping");
}

#[tokio::test(start_paused = true)]
async fn a_host_migration_changes_address_and_volume() {
    let client = Client::new(config());
    client.app("web").await;
    let volume = client.sim.create_volume("web", "data", "iad", 1).unwrap();
    let id = client.machine("web", json!({"image": "a/b:v1", "mounts": [{"volume": volume, "path": "/data"}]})).await;
    let before = client.sim.machine("web", &id).unwrap();
    client.sim.migrate_host("web", &id).unwrap();
    let after = client.sim.machine("web", &id).unwrap();
    assert_ne!(after.private_ip, before.private_ip);
    assert_eq!((after.version, after.state), (before.version, before.state));
    let bound = client.sim.volumes("web").into_iter().find(|volume| volume.attached_machine.is_some()).unwrap();
    assert_ne!(bound.id, volume);
    assert_eq!(after.config["mounts"][0]["volume"].as_str(), Some(bound.id.as_str()));
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_done_to_a_machine_whose_host_is_silent() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "a/b:v1"})).await;
    client.sim.set_host_unreachable("web", &id, true).unwrap();
    let path = format!("/apps/web/machines/{id}");
    let (_, shown) = client.get(&path).await;
    assert_eq!((&shown["host_status"], &shown["config"]), (&json!("unreachable"), &Value::Null));
    assert_eq!(shown["incomplete_config"]["image"], "a/b:v1");
    assert_eq!(client.post(&format!("{path}/stop"), json!({})).await.0, 408);
    client.sim.set_host_unreachable("web", &id, false).unwrap();
    assert_eq!(client.post(&format!("{path}/stop"), json!({})).await.0, 200);
}
