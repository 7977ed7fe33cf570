//! Secrets: staged by a write, live after an update.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::SimConfig;

const PATH: &str = "/apps/web/secrets";

#[tokio::test(start_paused = true)]
async fn a_write_only_stages() {
    let client = Client::new(config());
    client.app("web").await;
    let (status, written) = client.post(PATH, json!({"values": {"A": "one", "B": "two"}})).await;
    assert_eq!((status, written["version"].as_u64()), (200, Some(1)));
    let id = client.machine("web", json!({"image": "a/b:v1"})).await;
    client.post(PATH, json!({"values": {"A": "three", "B": null, "NOT_THERE": null}})).await;
    let live = |name: &str| client.sim.live_secret_value("web", &id, name);
    assert_eq!((live("A").as_deref(), live("B").as_deref()), (Some("one"), Some("two")));
    assert_eq!(client.sim.secret_names("web"), ["A"]);

    let path = format!("/apps/web/machines/{id}");
    client.post(&format!("{path}/restart"), json!({})).await;
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(live("A").as_deref(), Some("one"));
    let update = |version: u64| json!({"config": {"image": "a/b:v1"}, "min_secrets_version": version});
    assert_eq!(client.post(&path, update(3)).await.0, 400);
    assert_eq!(client.post(&path, update(2)).await.0, 200);
    assert_eq!((live("A").as_deref(), live("B")), (Some("three"), None));
    assert_eq!(client.sim.secret_value("web", "A").as_deref(), Some("three"));
}

#[tokio::test(start_paused = true)]
async fn the_vault_counts_real_changes() {
    let client = Client::new(config());
    client.app("web").await;
    let version = async |values: Value| client.post(PATH, json!({"values": values})).await.1["version"].as_u64();
    assert_eq!(version(json!({"A": "one"})).await, Some(1));
    assert_eq!(version(json!({"NOT_THERE": null})).await, Some(1));
    let (status, set) = client.post("/apps/web/secrets/B", json!({"value": "two"})).await;
    assert_eq!((status, set["version"].as_u64()), (201, Some(2)));
    assert_eq!(client.delete("/apps/web/secrets/B").await.1["version"].as_u64(), Some(3));
    assert_eq!(client.get("/apps/web/secrets/B").await.0, 404);
    assert_eq!(client.post(PATH, json!({"values": {"1A": "x"}})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn digests_tell_nothing_but_equality() {
    let client = Client::new(config());
    client.app("web").await;
    client.app("api").await;
    let body = json!({"values": {"A": "same", "B": "same", "C": "other"}});
    let digests = |answer: &Value| -> Vec<String> {
        answer["secrets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| secret["digest"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, web) = client.post(PATH, body.clone()).await;
    let (_, api) = client.post("/apps/api/secrets", body).await;
    let (web, api) = (digests(&web), digests(&api));
    assert_eq!(web[0], web[1]);
    assert_ne!(web[0], web[2]);
    assert_ne!(web[0], api[0]);
    let (_, listed) = client.get(&format!("{PATH}?show_secrets=true")).await;
    assert!(!listed.to_string().contains("same"));
    assert!(!format!("{:?}", client.sim).contains("same"));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_write_may_be_missed_without_a_minimum_version() {
    let client =
        Client::new(SimConfig { vault_lag: Duration::from_secs(5), secrets_lag: Duration::from_secs(5), ..config() });
    client.app("web").await;
    client.post(PATH, json!({"values": {"A": "one"}})).await;
    let (_, missed) = client.post("/apps/web/machines", json!({"config": {"image": "a/b:v1"}})).await;
    let body = json!({"config": {"image": "a/b:v1"}, "min_secrets_version": 1});
    let (_, insisted) = client.post("/apps/web/machines", body).await;
    let live = |machine: &Value| client.sim.live_secret_value("web", machine["id"].as_str().unwrap(), "A");
    assert_eq!((live(&missed), live(&insisted).as_deref()), (None, Some("one")));
    let listed = async |query: &str| client.get(&format!("{PATH}{query}")).await.1["secrets"].as_array().unwrap().len();
    assert_eq!([listed("").await, listed("?min_version=1").await, listed("?version=1").await], [0, 1, 1]);
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(listed("").await, 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_known_by_name_and_kind_only() {
    let client = Client::new(config());
    client.app("web").await;
    let set = async |name: &str, body: Value| client.post(&format!("/apps/web/secretkeys/{name}"), body).await;
    let (status, shown) = set("SIGN", json!({"type": "hs256", "value": [1, 2, 3]})).await;
    assert_eq!((status, &shown["type"], shown["version"].as_u64()), (201, &json!("hs256"), Some(1)));
    assert_eq!(set("BOX", json!({"type": "nacl_box", "value": "c2VjcmV0LWJ5dGVz"})).await.0, 201);
    assert_eq!(set("BAD", json!({"type": "rot13", "value": [1]})).await.0, 400);
    assert_eq!(set("BAD", json!({"type": "hs256", "value": [256]})).await.0, 400);
    let (_, listed) = client.get("/apps/web/secretkeys?types=nacl_box").await;
    assert_eq!(listed["secret_keys"].as_array().unwrap().len(), 1);
    assert!(!client.sim.snapshot().to_string().contains("c2VjcmV0LWJ5dGVz"));
    assert_eq!(client.delete("/apps/web/secretkeys/SIGN").await.1["version"].as_u64(), Some(3));
    assert_eq!(client.get("/apps/web/secretkeys/SIGN").await.0, 404);
    assert_eq!(client.post("/apps/web/secretkeys/BOX/encrypt", json!({})).await.0, 501);
}
