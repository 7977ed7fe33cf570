//! Stale reads: the world as it was.

use std::time::Duration;

use serde_json::json;

use super::support::{Client, config};
use crate::http::transport::Method;
use crate::sim::{Fault, FaultKind, Matcher, SimConfig};

fn stale(path: &str, seconds: u64) -> Fault {
    Fault::always(Matcher::new(Method::Get, path), FaultKind::Stale { seconds })
}

async fn names(client: &Client) -> Vec<String> {
    let (_, body) = client.get("/apps?org_slug=acme").await;
    body["apps"].as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_listing_shows_what_was_there_that_long_ago() {
    let client = Client::new(config());
    client.app("before").await;
    client.pass(Duration::from_secs(100)).await;
    client.sim.inject(stale("/v1/apps", 30));
    client.app("one").await;
    client.pass(Duration::from_secs(20)).await;
    client.app("two").await;
    assert_eq!(names(&client).await, ["before"]);
    client.pass(Duration::from_secs(10)).await;
    assert_eq!(names(&client).await, ["before", "one"]);
    assert_eq!(client.delete("/apps/before").await.0, 202);
    client.pass(Duration::from_secs(29)).await;
    assert_eq!(names(&client).await, ["before", "one", "two"]);
    client.pass(Duration::from_secs(2)).await;
    assert_eq!(names(&client).await, ["one", "two"]);
    client.sim.clear_faults();
    assert_eq!(names(&client).await, ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_one_object_shows_its_old_state_and_writes_see_the_present() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "registry.fly.io/web:v1"})).await;
    client.pass(Duration::from_mins(1)).await;
    client.sim.inject(stale("/v1/apps/*/machines/*", 10));
    assert_eq!(client.post(&format!("/apps/web/machines/{id}/stop"), json!({})).await.0, 200);
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.state("web", &id).await, "started");
    let (status, _) = client.post(&format!("/apps/web/machines/{id}/start"), json!({})).await;
    assert_eq!((status, client.sim.machine("web", &id).unwrap().state), (200, "starting".to_owned()));
    assert_eq!(client.state("web", &id).await, "started");
    client.pass(Duration::from_secs(8)).await;
    assert_eq!(client.state("web", &id).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn what_was_made_since_is_not_found() {
    let client = Client::new(config());
    client.sim.inject(stale("/v1/apps/*", 5));
    client.pass(Duration::from_secs(1)).await;
    client.app("web").await;
    assert_eq!(client.get("/apps/web").await.0, 404);
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.get("/apps/web").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn the_past_is_kept_only_while_such_a_fault_is_set_and_never_saved() {
    let client = Client::new(config());
    client.app("web").await;
    let plain = client.sim.snapshot().to_string().len();
    client.sim.inject(stale("/v1/apps", 30));
    for name in ["a", "b", "c"] {
        client.app(name).await;
        client.delete(&format!("/apps/{name}")).await;
        client.pass(Duration::from_secs(1)).await;
    }
    let saved = client.sim.snapshot();
    assert!(saved.to_string().len() < plain + 200, "{saved}");
    assert_eq!(names(&client).await, ["web"]);
    client.sim.clear_faults();
    client.app("d").await;
    client.sim.inject(stale("/v1/apps", 30));
    // What was before the fault was set again is unknown: the oldest that is known is shown.
    assert_eq!(names(&client).await, ["d", "web"]);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_can_be_stale_as_well() {
    let client = Client::new(SimConfig { listing_lag: Duration::from_secs(10), ..config() });
    client.app("web").await;
    client.sim.inject(stale("/v1/apps", 30));
    client.pass(Duration::from_secs(35)).await;
    assert_eq!(names(&client).await, Vec::<String>::new());
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(names(&client).await, ["web"]);
}
