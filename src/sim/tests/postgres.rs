//! Managed Postgres.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};

/// A cluster that is ready; its path.
async fn cluster(client: &Client) -> String {
    let body = json!({"org_slug": "acme", "plan": "basic", "region": "iad", "name": "main"});
    let (status, answer) = client.post("/postgres", body).await;
    assert_eq!((status, answer["data"]["status"].as_str()), (201, Some("creating")));
    client.pass(Duration::from_secs(30)).await;
    format!("/postgres/{}", answer["data"]["id"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_cluster_gets_ready_and_goes() {
    let client = Client::new(config());
    let body = json!({"org_slug": "acme", "plan": "Performance", "region": "iad"});
    let path = format!("/postgres/{}", client.post("/postgres", body).await.1["data"]["id"].as_str().unwrap());
    let shown = async || client.get(&path).await.1["data"].clone();
    assert_eq!(shown().await["endpoints"], json!({}));
    client.pass(Duration::from_secs(15)).await;
    assert_eq!(shown().await["status"], "initializing");
    assert_eq!(client.post(&format!("{path}/fork"), json!({})).await.0, 409);
    client.pass(Duration::from_secs(15)).await;
    let ready = shown().await;
    assert_eq!((&ready["status"], &ready["plan"], &ready["cpus"]), (&json!("ready"), &json!("Performance"), &json!(8)));
    assert!(ready["endpoints"]["primary"]["direct"]["host"].as_str().unwrap().ends_with(".flympg.net"));
    let listed = async |query: &str| client.get(&format!("/postgres?org_slug=acme{query}")).await.1["data"].clone();
    assert_eq!(listed("").await.as_array().unwrap().len(), 1);

    assert_eq!(client.delete(&path).await.0, 202);
    assert_eq!(client.delete(&path).await.0, 410);
    assert_eq!(shown().await["status"], "deleting");
    assert_eq!(listed("").await, json!([]));
    assert_eq!(listed("&include_deleted=true").await[0]["status"], "deleting");
    client.pass(Duration::from_secs(30)).await;
    assert_eq!(client.get(&path).await, (404, json!({"error": "cluster not found"})));
    assert_eq!(listed("&include_deleted=true").await[0]["status"], "deleted");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let client = Client::new(config());
    let create = async |change: Value| {
        let mut body = json!({"org_slug": "acme", "plan": "basic", "region": "iad"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        client.post("/postgres", body).await.0
    };
    assert_eq!(create(json!({"plan": "huge"})).await, 400);
    assert_eq!(create(json!({"region": "moon"})).await, 422);
    assert_eq!(create(json!({"disk_size_gb": 9})).await, 422);
    assert_eq!(create(json!({"pg_major_version": "9"})).await, 422);
    assert_eq!(create(json!({"org_slug": "nobody"})).await, 404);
    assert_eq!(client.get("/postgres").await.0, 422);
    let path = cluster(&client).await;
    assert_eq!(client.with_token("sim_other").get(&path).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn an_attachment_is_only_a_note() {
    let client = Client::new(config());
    let path = cluster(&client).await;
    let attach = async || client.post(&format!("{path}/attachments"), json!({"app_name": "web"})).await;
    assert_eq!(attach().await.0, 404);
    client.app("web").await;
    let (status, body) = attach().await;
    assert_eq!((status, body["data"]["app_name"].as_str()), (201, Some("web")));
    assert_eq!(attach().await.0, 200);
    assert_eq!(client.get(&path).await.1["data"]["attached_apps"], json!([{"name": "web"}]));
    assert_eq!(client.sim.secret_names("web"), Vec::<String>::new());
    let attachment = format!("{path}/attachments/web");
    assert_eq!((client.delete(&attachment).await.0, client.delete(&attachment).await.0), (204, 404));
    attach().await;
    client.delete("/apps/web").await;
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.get(&path).await.1["data"]["attached_apps"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn databases_extensions_and_users_are_kept() {
    let client = Client::new(config());
    let path = cluster(&client).await;
    let databases = format!("{path}/databases");
    assert_eq!(client.get(&databases).await.1["data"], json!([{"name": "fly-db"}]));
    assert_eq!(client.post(&databases, json!({"name": "pr_1"})).await, (201, json!({"data": {"name": "pr_1"}})));
    assert_eq!(client.post(&databases, json!({"name": "pr_1"})).await.0, 422);
    let extensions = format!("{databases}/pr_1/extensions");
    let enable = async |name: &str| client.post(&extensions, json!({"name": name})).await.0;
    assert_eq!([enable("vector").await, enable("vector").await, enable("plpgsql").await], [204, 409, 409]);
    assert_eq!(enable("nonsense").await, 422);
    let listed = client.get(&extensions).await.1["data"].clone();
    let vector = listed.as_array().unwrap().iter().find(|one| one["name"] == "vector").unwrap().clone();
    assert_eq!(vector["installed"]["schema"], "public");
    assert_eq!(client.delete(&format!("{extensions}/vector")).await.0, 204);
    assert_eq!(client.delete(&format!("{databases}/pr_1")).await.0, 200);
    assert_eq!(client.get(&extensions).await.0, 404);

    let users = format!("{path}/users");
    let create = async |role: &str| client.post(&users, json!({"username": "app", "role": role})).await.0;
    assert_eq!([create("owner").await, create("writer").await, create("writer").await], [422, 201, 409]);
    assert_eq!(client.patch(&format!("{users}/app"), json!({"role": "reader"})).await.0, 204);
    let listed = json!([{"username": "app", "role": "reader"}, {"username": "fly-user", "role": "schema_admin"}]);
    assert_eq!(client.get(&users).await.1["data"], listed);
    let credentials = async || client.get(&format!("{users}/app/credentials")).await.1["data"].clone();
    let before = credentials().await;
    assert_eq!(client.post(&format!("{users}/app/rotate_password"), json!({})).await.0, 200);
    let after = credentials().await;
    assert_eq!(after["username"], "app");
    assert_ne!(before["password"], after["password"]);
    assert!(!format!("{:?}", client.sim).contains(after["password"].as_str().unwrap()));
    assert_eq!(client.delete(&format!("{users}/app")).await.0, 204);
    assert_eq!(client.get(&format!("{users}/app/credentials")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn clusters_are_copied_from_themselves_from_backups_and_from_moments() {
    let client = Client::new(config());
    let path = cluster(&client).await;
    client.post(&format!("{path}/databases"), json!({"name": "extra"})).await;
    let (status, fork) = client.post(&format!("{path}/fork"), json!({})).await;
    assert_eq!((status, fork["data"]["name"].as_str()), (201, Some("main-fork")));
    let copy = format!("/postgres/{}/databases", fork["data"]["id"].as_str().unwrap());
    assert_eq!(client.get(&copy).await.1["data"], json!([{"name": "extra"}, {"name": "fly-db"}]));

    let backups = format!("{path}/backups");
    assert_eq!(client.post(&backups, json!({"type": "full"})).await.0, 202);
    assert_eq!(client.post(&backups, json!({"type": "incr"})).await.0, 409);
    let listed = client.get(&backups).await.1["data"].clone();
    assert_eq!(listed[0]["status"], "running");
    let restore = async |body: Value| client.post(&format!("{path}/restore"), body).await.0;
    let from_backup = json!({"backup_id": listed[0]["id"]});
    assert_eq!(restore(from_backup.clone()).await, 422);
    client.pass(Duration::from_secs(30)).await;
    assert_eq!(client.get(&backups).await.1["data"][0]["status"], "completed");
    assert_eq!(restore(from_backup).await, 201);
    assert_eq!(restore(json!({"backup_id": "none"})).await, 404);
    assert_eq!(restore(json!({})).await, 400);
    assert_eq!(restore(json!({"pitr_time": "2026-11-21T08:00:31"})).await, 400);
    assert_eq!(restore(json!({"pitr_time": "2026-11-21T07:00:00Z"})).await, 422);
    assert_eq!(restore(json!({"pitr_time": "2026-11-21T09:00:31+01:00"})).await, 201);
}
