//! The organization-wide listings, and what the platform says about itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::http::transport::Method;
use crate::sim::{Fault, FaultKind, Matcher, SimConfig};

async fn five_machines(client: &Client) {
    client.app("web").await;
    for (number, region) in ["iad", "iad", "fra", "fra", "fra"].iter().enumerate() {
        let config = json!({"image": "a/b:v1", "env": {"A": "1"}, "metadata": {"slot": number.to_string()}});
        client.post("/apps/web/machines", json!({"config": config, "region": region})).await;
    }
}

/// Reads all pages: the ids, and how many pages there were.
async fn all(client: &Client, query: &str) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let (status, body) = client.get(&format!("/orgs/acme/machines?cursor={cursor}&{query}")).await;
        assert_eq!(status, 200, "{body}");
        ids.extend(
            body["machines"].as_array().unwrap().iter().map(|machine| machine["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match body["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return (ids, pages),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn machines_of_an_organization_come_in_pages() {
    let client = Client::new(SimConfig { org_page: 2, ..config() });
    five_machines(&client).await;
    let (ids, pages) = all(&client, "").await;
    assert_eq!((ids.len(), pages), (5, 3));
    assert_eq!(all(&client, "region=fra").await.0.len(), 3);
    assert_eq!(all(&client, "limit=1").await.1, 5);
    let (_, page) = client.get("/orgs/acme/machines").await;
    let config = page["machines"][0]["config"].as_object().unwrap();
    assert_eq!(config.keys().collect::<Vec<_>>(), ["guest", "image", "metadata"]);
    assert_eq!(client.get("/orgs/other/machines").await.0, 403);
    assert_eq!(client.get("/orgs/nobody/machines").await.0, 404);
    assert_eq!(client.get("/orgs/acme/machines?limit=1001").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_page_may_be_empty_while_more_remain() {
    let client = Client::new(config());
    five_machines(&client).await;
    let listing = Matcher::new(Method::Get, "/v1/orgs/*/machines");
    client.sim.inject(Fault::once(listing, FaultKind::ShortPage { keep: 0 }));
    assert_eq!(all(&client, "").await, (all(&client, "").await.0, 2));
}

#[tokio::test(start_paused = true)]
async fn regions_that_do_not_answer_are_named() {
    let client = Client::new(config());
    five_machines(&client).await;
    let listing = Matcher::new(Method::Get, "/v1/orgs/acme/machines");
    client.sim.inject(Fault::once(listing, FaultKind::ErrorRegions { regions: vec!["fra".to_owned()] }));
    let (_, partial) = client.get("/orgs/acme/machines").await;
    assert_eq!((partial["machines"].as_array().unwrap().len(), &partial["error_regions"]), (2, &json!(["fra"])));
    let (_, whole) = client.get("/orgs/acme/machines").await;
    assert_eq!((whole["machines"].as_array().unwrap().len(), &whole["error_regions"]), (5, &json!([])));
}

#[tokio::test(start_paused = true)]
async fn volumes_are_listed_with_their_app() {
    let client = Client::new(SimConfig { listing_lag: Duration::from_secs(30), ..config() });
    client.app("web").await;
    client.post("/apps/web/volumes", json!({"name": "data"})).await;
    let count = async || client.get("/orgs/acme/volumes").await.1["volumes"].as_array().unwrap().len();
    assert_eq!(count().await, 0);
    client.pass(Duration::from_secs(30)).await;
    assert_eq!(count().await, 1);
    assert_eq!(client.get("/orgs/acme/volumes").await.1["volumes"][0]["app_name"], "web");
}

#[tokio::test(start_paused = true)]
async fn the_platform_describes_itself() {
    let client = Client::new(config());
    let (_, regions) = client.get("/platform/regions").await;
    assert_eq!(regions["nearest"], "iad");
    assert!(regions["regions"].as_array().unwrap().iter().any(|region: &Value| region["code"] == "fra"));
    let reader = client.with_token("sim_reader");
    let body = json!({"org_slug": "acme", "region": "fra,iad", "count": 2});
    assert_eq!(
        reader.post("/platform/placements", body).await.1["regions"][0],
        json!({"region": "fra", "count": 2, "concurrency": 1})
    );
    assert_eq!(reader.get("/tokens/current").await.1["tokens"][0]["org_slug"], "acme");
    assert_eq!(reader.get("/nothing").await.0, 501);
    assert_eq!((client.sim.reads(), client.sim.writes()), (4, 0));
}
