//! Apps, and what every request has in common.

use std::time::Duration;

use serde_json::json;

use super::support::{Client, config};
use crate::sim::SimConfig;

#[tokio::test(start_paused = true)]
async fn an_app_and_its_machine_live_and_die() {
    let client = Client::new(config());
    client.app("web").await;
    let (status, machine) =
        client.post("/apps/web/machines", json!({"config": {"image": "registry.fly.io/web:v1"}})).await;
    assert_eq!((status, machine["state"].as_str()), (200, Some("created")));
    let id = machine["id"].as_str().unwrap();
    let (status, wait) = client.get(&format!("/apps/web/machines/{id}/wait?state=started")).await;
    assert_eq!((status, wait["state"].as_str()), (200, Some("started")));
    assert_eq!(client.get("/apps/web").await.1["machine_count"], 1);

    assert_eq!(client.delete(&format!("/apps/web/machines/{id}")).await.0, 412);
    assert_eq!(client.delete(&format!("/apps/web/machines/{id}?force=true")).await.0, 200);
    assert_eq!(client.get(&format!("/apps/web/machines/{id}/wait?state=destroyed")).await.0, 200);
    assert_eq!(client.get("/apps/web/machines").await.1, json!([]));
    assert_eq!(client.state("web", id).await, "destroyed");
    client.pass(Duration::from_mins(2)).await;
    assert_eq!(client.get(&format!("/apps/web/machines/{id}")).await.0, 404);

    assert_eq!(client.delete("/apps/web").await.0, 202);
    assert_eq!(client.delete("/apps/web").await.0, 404);
    client.pass(Duration::from_secs(1)).await;
    client.app("web").await;
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_refused_whoever_has_it() {
    let client = Client::new(config());
    client.app("web").await;
    for token in ["sim_acme", "sim_other"] {
        let org = token.trim_start_matches("sim_");
        let (status, body) = client.with_token(token).post("/apps", json!({"app_name": "web", "org_slug": org})).await;
        assert_eq!((status, body["status"].as_str()), (422, Some("name_taken")));
    }
    assert_eq!(client.with_token("sim_other").get("/apps/web").await.0, 403);
    assert_eq!(client.get("/apps/free").await, (404, json!({"error": "app not found"})));
    let long = "a".repeat(64);
    for name in ["", "Web", "a_b", long.as_str()] {
        assert_eq!(client.post("/apps", json!({"name": name, "org_slug": "acme"})).await.0, 422, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_are_known_by_their_token() {
    let client = Client::new(config());
    client.app("web").await;
    assert_eq!(client.with_token("").get("/apps/web").await, (401, json!({"error": "malformed authorization header"})));
    assert_eq!(client.with_token("wrong").get("/apps/web").await.0, 401);
    let reader = client.with_token("sim_reader");
    assert_eq!(reader.get("/apps/web").await.0, 200);
    assert_eq!(reader.delete("/apps/web").await, (403, json!({"error": "unauthorized"})));
    assert_eq!(client.get("/apps?org_slug=other").await.0, 403);
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_app_is_known_only_to_the_node_that_created_it() {
    let client = Client::new(SimConfig { app_missing_after_create: Duration::from_secs(5), ..config() });
    let answer = client
        .try_send(crate::http::transport::Method::Post, "/apps", Some(json!({"name": "web", "org_slug": "acme"})))
        .await
        .unwrap();
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert!(answer.header("fly-request-id").unwrap().ends_with("-iad"));
    assert_eq!(client.get("/apps/web").await.0, 404);
    assert_eq!(client.with_header("cookie", &cookie).get("/apps/web").await.0, 200);
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.get("/apps/web").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn listings_may_lag() {
    let client = Client::new(SimConfig { listing_lag: Duration::from_secs(10), ..config() });
    client.app("web").await;
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 0);
    client.pass(Duration::from_secs(10)).await;
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 1);
    client.delete("/apps/web").await;
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.get("/apps/web").await.0, 404);
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 1);
    client.pass(Duration::from_secs(10)).await;
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 0);
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_and_nothing_secret_is_kept() {
    let client = Client::new(config());
    client.app("web").await;
    client.get("/apps?org_slug=acme").await;
    client.post("/apps", json!({"name": "web", "org_slug": "acme"})).await;
    assert_eq!((client.sim.reads(), client.sim.writes()), (1, 2));
    let requests = client.sim.requests();
    let seen: Vec<(&str, Option<u16>, bool)> =
        requests.iter().map(|request| (request.path.as_str(), request.status, request.effect)).collect();
    assert_eq!(seen, [("/v1/apps", Some(201), true), ("/v1/apps", Some(200), false), ("/v1/apps", Some(422), false)]);
    assert_eq!((requests[1].query.as_str(), requests[1].org.as_str()), ("org_slug=acme", "acme"));
    assert!(!format!("{requests:?} {:?}", client.sim).contains("sim_acme"));
    client.sim.clear_requests();
    assert!(client.sim.requests().is_empty());
}
