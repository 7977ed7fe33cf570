//! Tokens for one app, and tokens that expire.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::SimConfig;

async fn deploy_token(client: &Client, app: &str, body: Value) -> String {
    let (status, answer) = client.post(&format!("/apps/{app}/deploy_token"), body).await;
    assert_eq!(status, 200, "{answer}");
    answer["token"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_deploy_token_sees_its_app_and_nothing_else() {
    let client = Client::new(config());
    client.app("web").await;
    client.app("api").await;
    let token = deploy_token(&client, "web", json!({})).await;
    let bare = token.strip_prefix("FlyV1 ").unwrap();
    assert!(!bare.starts_with("fm"), "flyctl takes macaroons apart");
    // With and without the scheme that the token already begins with.
    for token in [token.as_str(), bare] {
        let deployer = client.with_token(token);
        assert_eq!(deployer.get("/apps/web").await.0, 200);
        assert_eq!(deployer.get("/apps/web/machines").await.0, 200);
        assert_eq!(deployer.post("/apps/web/secrets/A", json!({"value": "x"})).await.0, 201);
        assert_eq!(deployer.get("/apps/api").await, (403, json!({"error": "unauthorized"})));
        assert_eq!(deployer.post("/apps", json!({"name": "new", "org_slug": "acme"})).await.0, 403);
        assert_eq!(deployer.get("/apps?org_slug=acme").await.0, 403);
        assert_eq!(deployer.get("/orgs/acme/machines").await.0, 403);
        let (_, current) = deployer.get("/tokens/current").await;
        assert_eq!(current["tokens"][0]["apps"], json!([client.sim.app("web").unwrap().id]));
    }
    let saved = client.sim.snapshot().to_string();
    assert!(!saved.contains(bare), "only its hash is kept");

    client.delete("/apps/web").await;
    client.pass(Duration::from_secs(1)).await;
    client.app("web").await;
    assert_eq!(client.with_token(&token).get("/apps/web").await.0, 403, "another app of the same name");
}

#[tokio::test(start_paused = true)]
async fn tokens_expire() {
    let client = Client::new(SimConfig { open_orgs: true, ..config() });
    client.app("web").await;
    let token = deploy_token(&client, "web", json!({"expiry": "1h30m"})).await;
    client.pass(Duration::from_mins(89)).await;
    assert_eq!(client.with_token(&token).get("/apps/web").await.0, 200);
    client.pass(Duration::from_mins(1)).await;
    assert_eq!(client.with_token(&token).get("/apps/web").await.0, 403);
    assert_eq!(client.post("/apps/web/deploy_token", json!({"expiry": "soon"})).await.0, 400);
    client.sim.expire_token("sim_acme");
    assert_eq!(client.get("/apps/web").await, (403, json!({"error": "unauthorized"})));
}
