//! Snapshots of volumes, and volumes that are made from others.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};

async fn volume(client: &Client, body: Value) -> String {
    let (status, volume) = client.post("/apps/web/volumes", body).await;
    assert_eq!(status, 200, "{volume}");
    format!("/apps/web/volumes/{}", volume["id"].as_str().unwrap())
}

async fn ages(client: &Client, path: &str) -> Vec<i64> {
    let (_, listed) = client.get(&format!("{path}/snapshots")).await;
    let age = |one: &Value| {
        let at: chrono::DateTime<chrono::Utc> = one["created_at"].as_str().unwrap().parse().unwrap();
        (client.clock.now() - at).num_days()
    };
    listed.as_array().unwrap().iter().map(age).collect()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_taken_every_day_and_kept_for_a_while() {
    let client = Client::new(config());
    client.app("web").await;
    let path = volume(&client, json!({"name": "data", "snapshot_retention": 3})).await;
    assert_eq!(ages(&client, &path).await, Vec::<i64>::new());
    client.pass(Duration::from_hours(24 * 10 + 1)).await;
    assert_eq!(ages(&client, &path).await, [0, 1, 2]);
    let first = client.get(&format!("{path}/snapshots")).await.1;
    assert_eq!(client.get(&format!("{path}/snapshots")).await.1, first, "asking changes nothing");

    client.put(&path, json!({"auto_backup_enabled": false})).await;
    client.pass(Duration::from_hours(24)).await;
    assert_eq!(ages(&client, &path).await, [1, 2]);
    client.pass(Duration::from_hours(48)).await;
    assert_eq!(ages(&client, &path).await, Vec::<i64>::new());
    let never = volume(&client, json!({"name": "scratch", "auto_backup_enabled": false})).await;
    client.pass(Duration::from_hours(48)).await;
    assert_eq!(ages(&client, &never).await, Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_outlives_its_deleted_volume_for_a_day() {
    let client = Client::new(config());
    client.app("web").await;
    let path = volume(&client, json!({"name": "data", "size_gb": 5})).await;
    let (_, snapshot) = client.post(&format!("{path}/snapshots"), json!({})).await;
    assert_eq!(snapshot["status"], "waiting");
    client.pass(Duration::from_millis(500)).await;
    assert_eq!(client.get(&format!("{path}/snapshots")).await.1[0]["status"], "running");
    client.pass(Duration::from_millis(500)).await;
    assert_eq!(client.get(&format!("{path}/snapshots")).await.1[0]["status"], "created");
    client.delete(&path).await;
    let body = json!({"name": "data", "snapshot_id": snapshot["id"]});
    let copy = volume(&client, body.clone()).await;
    let (_, shown) = client.get(&copy).await;
    assert_eq!((&shown["state"], &shown["size_gb"]), (&json!("restoring"), &json!(5)));
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.get(&copy).await.1["state"], "created");
    assert_eq!(client.get(&path).await.1["state"], "pending_destroy");
    client.pass(Duration::from_hours(24)).await;
    assert_eq!(client.get(&path).await.0, 404);
    assert_eq!(client.post("/apps/web/volumes", body).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_copy_can_be_mounted_while_it_is_filled_and_is_never_smaller() {
    let client = Client::new(config());
    client.app("web").await;
    let source = volume(&client, json!({"name": "data", "size_gb": 5})).await;
    let id = source.rsplit('/').next().unwrap();
    assert_eq!(
        client.post("/apps/web/volumes", json!({"name": "data", "source_volume_id": id, "size_gb": 4})).await.0,
        400
    );
    let copy = volume(&client, json!({"name": "data", "source_volume_id": id, "size_gb": 6})).await;
    assert_eq!(client.get(&copy).await.1["state"], "hydrating");
    let mount = json!([{"volume": copy.rsplit('/').next().unwrap(), "path": "/data"}]);
    let (status, _) = client.post("/apps/web/machines", json!({"config": {"image": "a/b:v1", "mounts": mount}})).await;
    assert_eq!(status, 200);
}
