//! What is not yet known everywhere, and listings that lag behind.

use std::time::Duration;

use serde_json::json;

use super::support::{Client, config};
use crate::sim::SimConfig;

async fn cookie(client: &Client) -> String {
    let body = json!({"name": "web", "org_slug": "acme"});
    let answer = client.try_send(crate::http::transport::Method::Post, "/apps", Some(body)).await.unwrap();
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_new_machine_is_known_only_where_its_app_is() {
    let client = Client::new(SimConfig { machine_missing_after_create: Duration::from_secs(5), ..config() });
    let near = client.with_header("cookie", &cookie(&client).await);
    let (_, machine) = near.post("/apps/web/machines", json!({"config": {"image": "a/b:v1"}})).await;
    let path = format!("/apps/web/machines/{}", machine["id"].as_str().unwrap());
    for missing in [path.clone(), format!("{path}/wait?state=started"), format!("{path}/events")] {
        assert_eq!(client.get(&missing).await.0, 404, "{missing}");
    }
    assert_eq!(client.get("/apps/web/machines").await.1, json!([]));
    assert_eq!(near.get(&path).await.0, 200);
    assert_eq!(near.get("/apps/web/machines").await.1.as_array().unwrap().len(), 1);
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.get(&path).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_does_not_help_when_its_node_is_gone() {
    let client = Client::new(SimConfig { app_missing_after_create: Duration::from_secs(5), ..config() });
    let near = client.with_header("cookie", &cookie(&client).await);
    assert_eq!(near.get("/apps/web").await.0, 200);
    client.sim.forget_affinity("web").unwrap();
    assert_eq!(near.get("/apps/web").await.0, 404);
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(near.get("/apps/web").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_listing_shows_the_old_app_under_a_name_that_was_reused() {
    let client = Client::new(SimConfig { listing_lag: Duration::from_secs(30), ..config() });
    client.app("web").await;
    let old = client.machine("web", json!({"image": "a/b:v1"})).await;
    client.pass(Duration::from_secs(40)).await;
    client.delete("/apps/web").await;
    client.pass(Duration::from_secs(1)).await;
    let body = json!({"name": "web", "org_slug": "other"});
    assert_eq!(client.with_token("sim_other").post("/apps", body).await.0, 201);
    let machines = async |token: &str, org: &str| {
        let listed = client.with_token(token).get(&format!("/orgs/{org}/machines")).await.1;
        let ids = listed["machines"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(machines("sim_acme", "acme").await, [old]);
    assert_eq!(client.with_token("sim_other").get("/apps?org_slug=other").await.1["total_apps"], 0);
    client.pass(Duration::from_secs(30)).await;
    assert_eq!(machines("sim_acme", "acme").await, Vec::<String>::new());
    assert_eq!(client.with_token("sim_other").get("/apps?org_slug=other").await.1["total_apps"], 1);
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 0);
}

#[tokio::test(start_paused = true)]
async fn pages_go_on_through_all_apps_of_one_organization() {
    let client = Client::new(SimConfig { org_page: 2, ..config() });
    for app in ["one", "two"] {
        client.app(app).await;
        for _ in 0..3 {
            client.post(&format!("/apps/{app}/machines"), json!({"config": {"image": "a/b:v1"}})).await;
        }
    }
    client.sim.create_app("other", "between", "").unwrap();
    client.sim.create_machine("between", &json!({"image": "a/b:v1"}), "iad").unwrap();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = client.get(&format!("/orgs/acme/machines?cursor={cursor}")).await;
        seen.extend(page["machines"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let mut all: Vec<String> =
        ["one", "two"].iter().flat_map(|app| client.sim.machines(app)).map(|machine| machine.id).collect();
    all.sort();
    seen.sort();
    assert_eq!((seen.len(), seen), (6, all));
}
