//! Saving the world and going on from it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::{Simulator, SnapshotError};

/// The same small history each time.
async fn history(client: &Client) {
    client.app("web").await;
    client.post("/apps/web/secrets", json!({"values": {"A": "one"}})).await;
    let (_, volume) = client.post("/apps/web/volumes", json!({"name": "data"})).await;
    let config = json!({"image": "a/b:v1", "mounts": [{"volume": volume["id"], "path": "/data"}]});
    client.post("/apps/web/machines", json!({"config": config})).await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_simulator_goes_on_where_the_first_one_was() {
    let first = Client::new(config());
    history(&first).await;
    let saved: Value = serde_json::from_str(&first.sim.snapshot().to_string()).unwrap();
    let second =
        Client::of(Simulator::restore(&saved, config(), Arc::clone(&first.clock)).unwrap(), Arc::clone(&first.clock));
    let id = second.sim.machines("web")[0].id.clone();
    assert_eq!(second.state("web", &id).await, "created");
    second.pass(Duration::from_secs(2)).await;
    assert_eq!(second.state("web", &id).await, "started");
    assert_eq!(second.sim.live_secret_value("web", &id, "A").as_deref(), Some("one"));
    let machine = second.machine("web", json!({"image": "a/b:v1"})).await;
    assert_ne!(machine, id);
    assert!(second.sim.requests().iter().all(|request| !request.path.contains("secrets")));
}

#[tokio::test(start_paused = true)]
async fn two_runs_with_one_seed_are_equal() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let client = Client::new(crate::sim::SimConfig { seed, ..config() });
        history(&client).await;
        client.pass(Duration::from_secs(3)).await;
        runs.push(client.sim.snapshot().to_string());
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_snapshot_is_refused() {
    let client = Client::new(config());
    let restore = |saved: &Value| Simulator::restore(saved, config(), Arc::clone(&client.clock)).unwrap_err();
    assert!(matches!(restore(&json!({"version": 99})), SnapshotError::Version { found: 99 }));
    assert!(matches!(restore(&json!([])), SnapshotError::Damaged { .. }));
}
