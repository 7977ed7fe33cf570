//! Autostart and autostop, as the proxy does them.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::{EditError, Traffic};

fn service(autostop: &str, least: u64) -> Value {
    json!({"image": "a/b:v1", "services": [{
        "protocol": "tcp", "internal_port": 80, "autostop": autostop, "min_machines_running": least,
        "concurrency": {"type": "requests", "soft_limit": 10},
    }]})
}

async fn three(client: &Client, config: Value) -> Vec<String> {
    client.app("web").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.machine("web", config.clone()).await);
    }
    ids.sort();
    ids
}

async fn states(client: &Client, ids: &[String]) -> Vec<String> {
    client.pass(Duration::from_secs(3)).await;
    let state = |id: &String| client.sim.machine("web", id).unwrap().state;
    ids.iter().map(state).collect()
}

#[tokio::test(start_paused = true)]
async fn machines_come_and_go_with_the_traffic() {
    let client = Client::new(config());
    let ids = three(&client, service("stop", 1)).await;
    let quiet = client.sim.traffic("web", 0).unwrap();
    assert_eq!(quiet, Traffic { started: vec![], stopped: ids[..2].to_vec() });
    assert_eq!(states(&client, &ids).await, ["stopped", "stopped", "started"]);
    assert_eq!(client.sim.traffic("web", 10).unwrap(), Traffic::default());
    assert_eq!(client.sim.traffic("web", 11).unwrap().started, ids[..1]);
    assert_eq!(states(&client, &ids).await, ["started", "stopped", "started"]);
    assert_eq!(client.sim.traffic("web", 1000).unwrap().started, ids[1..2]);
    let (_, machine) = client.get(&format!("/apps/web/machines/{}", ids[1])).await;
    assert_eq!(machine["events"][0]["source"], "proxy");
    assert!(matches!(client.sim.traffic("none", 1), Err(EditError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_or_started_against_its_settings() {
    let client = Client::new(config());
    let ids = three(&client, service("off", 0)).await;
    assert_eq!(client.sim.traffic("web", 0).unwrap(), Traffic::default());
    client.sim.edit_machine_config("web", &ids[0], |config| config["services"][0]["autostart"] = json!(false)).unwrap();
    client.pass(Duration::from_secs(5)).await;
    for id in &ids {
        client.sim.stop_machine("web", id).unwrap();
    }
    client.post(&format!("/apps/web/machines/{}/cordon", ids[1]), json!({})).await;
    client.pass(Duration::from_secs(2)).await;
    assert_eq!(client.sim.traffic("web", 100).unwrap().started, ids[2..]);
}

#[tokio::test(start_paused = true)]
async fn suspended_machines_are_resumed() {
    let client = Client::new(config());
    let ids = three(&client, service("suspend", 0)).await;
    assert_eq!(client.sim.traffic("web", 0).unwrap().stopped, ids);
    assert_eq!(states(&client, &ids).await, ["suspended", "suspended", "suspended"]);
    assert_eq!(client.sim.traffic("web", 1).unwrap().started, ids[..1]);
    assert_eq!(states(&client, &ids).await, ["started", "suspended", "suspended"]);
}
