//! Machines: updates, waits, leases, exits, metadata.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::SimConfig;

fn image(tag: &str) -> Value {
    json!({"image": format!("registry.fly.io/web:{tag}")})
}

async fn started(client: &Client) -> String {
    client.app("web").await;
    client.machine("web", image("v1")).await
}

#[tokio::test(start_paused = true)]
async fn an_update_reboots_a_started_machine() {
    let client = Client::new(config());
    let id = started(&client).await;
    let path = format!("/apps/web/machines/{id}");
    let before = client.get(&path).await.1;
    let (status, updated) = client.post(&path, json!({"config": image("v2"), "name": "ignored"})).await;
    assert_eq!((status, updated["state"].as_str()), (200, Some("replacing")));
    assert_ne!(updated["instance_id"], before["instance_id"]);
    assert_eq!(updated["name"], before["name"]);

    assert_eq!(client.post(&path, json!({"config": image("v3")})).await.0, 409);
    let (status, body) = client.post(&format!("{path}/start"), json!({})).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (412, Some("failed_precondition: machine getting replaced, refusing to start"))
    );

    let version = updated["instance_id"].as_str().unwrap();
    assert_eq!(client.get(&format!("{path}/wait?state=started&version={version}")).await.0, 200);
    assert_eq!(client.get(&path).await.1["image_ref"]["tag"], "v2");
    let old = before["instance_id"].as_str().unwrap();
    assert_eq!(client.get(&format!("{path}/wait?state=started&version={old}")).await.0, 409);
    assert_eq!(client.get(&format!("{path}/versions")).await.1.as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_leaves_a_stopped_machine_stopped() {
    let client = Client::new(config());
    let id = started(&client).await;
    let path = format!("/apps/web/machines/{id}");
    client.post(&format!("{path}/stop"), json!({})).await;
    assert_eq!(client.get(&format!("{path}/wait?state=stopped")).await.0, 200);
    client.post(&path, json!({"config": image("v2")})).await;
    assert_eq!(client.get(&format!("{path}/wait?state=settled")).await.1["state"], "stopped");
    client.pass(Duration::from_mins(5)).await;
    assert_eq!(client.state("web", &id).await, "stopped");
    assert_eq!(client.post(&format!("{path}/start"), json!({})).await.1["previous_state"], "stopped");
    assert_eq!(client.get(&format!("{path}/wait?state=started")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_update_can_insist_on_the_version_that_it_knows() {
    let client = Client::new(config());
    let id = started(&client).await;
    let path = format!("/apps/web/machines/{id}");
    let body = json!({"config": image("v2"), "current_version": "01K00000000000000000000000"});
    assert_eq!(client.post(&path, body).await.0, 412);
    let version = client.get(&path).await.1["instance_id"].clone();
    assert_eq!(client.post(&path, json!({"config": image("v2"), "current_version": version})).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_after_its_timeout() {
    let client = Client::new(config());
    client.app("web").await;
    let (_, machine) = client.post("/apps/web/machines", json!({"config": image("v1"), "skip_launch": true})).await;
    let path = format!("/apps/web/machines/{}", machine["id"].as_str().unwrap());
    assert_eq!(client.get(&format!("{path}/wait?state=stopped")).await.0, 200);
    let before = client.clock.now();
    let (status, body) = client.get(&format!("{path}/wait?state=started&timeout=7")).await;
    assert_eq!(client.clock.now() - before, chrono::TimeDelta::seconds(7));
    let text = "deadline_exceeded: machine failed to reach desired state, started, currently stopped";
    assert_eq!((status, body["error"].as_str()), (408, Some(text)));
    for timeout in ["0", "61", "soon"] {
        assert_eq!(client.get(&format!("{path}/wait?timeout={timeout}")).await.0, 400);
    }
    client.delete(&path).await;
    assert_eq!(client.get(&format!("{path}/wait?state=started")).await.0, 409);
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_answered_as_soon_as_somebody_else_acts() {
    let client = Client::new(config());
    let id = started(&client).await;
    let before = client.clock.now();
    let wait = format!("/apps/web/machines/{id}/wait?state=stopped");
    let act = async {
        client.pass(Duration::from_secs(3)).await;
        client.sim.stop_machine("web", &id).unwrap();
    };
    let ((status, _), ()) = tokio::join!(client.get(&wait), act);
    assert_eq!((status, client.clock.now() - before), (200, chrono::TimeDelta::milliseconds(3800)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_keeps_others_away_until_it_expires() {
    let client = Client::new(config());
    let id = started(&client).await;
    let path = format!("/apps/web/machines/{id}");
    let (status, lease) = client.post(&format!("{path}/lease?ttl=13"), Value::Null).await;
    assert_eq!((status, lease["status"].as_str()), (201, Some("success")));
    let nonce = lease["data"]["nonce"].as_str().unwrap();

    let (status, conflict) = client.post(&path, json!({"config": image("v2")})).await;
    assert_eq!(status, 409);
    assert!(
        conflict["message"]
            .as_str()
            .unwrap()
            .starts_with(&format!("machine ID {id} lease currently held by acme@tokens.fly.io"))
    );
    assert_eq!(client.post(&format!("{path}/lease"), json!({"ttl": 13})).await.0, 409);
    assert_eq!(client.post(&format!("{path}/metadata/a"), json!({"value": "b"})).await.0, 204);

    let holder = client.with_header("fly-machine-lease-nonce", nonce);
    assert_eq!(holder.post(&path, json!({"config": image("v2")})).await.0, 200);
    client.pass(Duration::from_secs(10)).await;
    let (_, refreshed) = holder.post(&format!("{path}/lease"), json!({"ttl": 13, "description": "deploy"})).await;
    assert_eq!(refreshed["data"]["nonce"].as_str(), Some(nonce));
    client.pass(Duration::from_secs(10)).await;
    assert_eq!(client.get(&format!("{path}/lease")).await.1["data"]["description"], "deploy");
    client.pass(Duration::from_secs(4)).await;
    assert_eq!(client.get(&format!("{path}/lease")).await.0, 404);
    assert_eq!(holder.delete(&format!("{path}/lease")).await.0, 404);
    assert_eq!(client.post(&path, json!({"config": image("v3")})).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_crashing_image_is_restarted_ten_times_and_then_stopped() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", image("crash-1")).await;
    client.pass(Duration::from_mins(5)).await;
    assert_eq!(client.state("web", &id).await, "stopped");
    let (_, events) = client.get(&format!("/apps/web/machines/{id}/events?limit=50")).await;
    let exits: Vec<&Value> = events.as_array().unwrap().iter().filter(|event| event["type"] == "exit").collect();
    assert_eq!(exits.len(), 11);
    let newest = &exits[0]["request"];
    assert_eq!((newest["exit_event"]["exit_code"].as_i64(), newest["restart_count"].as_i64()), (Some(1), Some(10)));
    assert_eq!(newest["exit_event"]["restarting"], false);
    assert_eq!(newest["exit_event"]["requested_stop"], false);
    assert_eq!(client.get(&format!("/apps/web/machines/{id}")).await.1["events"].as_array().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn running_out_of_memory_shows_in_the_exit_event() {
    let client = Client::new(config());
    client.app("web").await;
    let mut config = image("oom");
    config["restart"] = json!({"policy": "no"});
    let id = client.machine("web", config).await;
    client.pass(Duration::from_secs(2)).await;
    let (_, events) = client.get(&format!("/apps/web/machines/{id}/events?limit=1")).await;
    let exit = &events[0]["request"]["MonitorEvent"]["exit_event"];
    assert_eq!(
        (exit["exit_code"].as_i64(), exit["oom_killed"].as_bool(), exit["guest_exit_code"].as_i64()),
        (Some(137), Some(true), Some(0))
    );
}

#[tokio::test(start_paused = true)]
async fn checks_pass_a_moment_after_start_unless_the_image_is_unhealthy() {
    let client = Client::new(config());
    client.app("web").await;
    let with_checks = |tag: &str| {
        let mut config = image(tag);
        config["checks"] = json!({"up": {"type": "tcp", "port": 80}});
        config["services"] =
            json!([{"protocol": "tcp", "internal_port": 80, "checks": [{"type": "http", "path": "/"}]}]);
        config
    };
    let id = client.machine("web", with_checks("v1")).await;
    let checks = async |id: &str| client.sim.machine("web", id).unwrap().checks;
    let both = |status: &str| {
        vec![("up".to_owned(), status.to_owned()), ("servicecheck-00-http-80".to_owned(), status.to_owned())]
    };
    assert_eq!(checks(&id).await, both("critical"));
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(checks(&id).await, both("passing"));
    let sick = client.machine("web", with_checks("unhealthy")).await;
    client.pass(Duration::from_mins(1)).await;
    assert_eq!(checks(&sick).await, both("critical"));
    assert_eq!(client.state("web", &sick).await, "started");
}

#[tokio::test(start_paused = true)]
async fn images_may_be_missing_slow_or_pinned() {
    let client = Client::new(config());
    client.app("web").await;
    let (status, body) = client.post("/apps/web/machines", json!({"config": image("missing")})).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("MANIFEST_UNKNOWN"));
    let slow = client.machine("web", image("slow")).await;
    assert_eq!(client.state("web", &slow).await, "starting");
    client.pass(Duration::from_secs(20)).await;
    assert_eq!(client.state("web", &slow).await, "started");

    let (_, tagged) = client.post("/apps/web/machines", json!({"config": image("crash")})).await;
    let digest = tagged["image_ref"]["digest"].as_str().unwrap();
    let pinned = client
        .machine("web", json!({"image": format!("registry.fly.io/web@{digest}"), "restart": {"policy": "no"}}))
        .await;
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.state("web", &pinned).await, "stopped");
    client.sim.push_image("registry.fly.io/web:crash", "fixed");
    let (_, moved) = client.post("/apps/web/machines", json!({"config": image("crash")})).await;
    assert_ne!(moved["image_ref"]["digest"].as_str(), Some(digest));
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_among_the_living() {
    let client = Client::new(config());
    client.app("web").await;
    let body = json!({"config": image("v1"), "name": "one"});
    let (_, machine) = client.post("/apps/web/machines", body.clone()).await;
    assert_eq!(client.post("/apps/web/machines", body.clone()).await.0, 422);
    client.delete(&format!("/apps/web/machines/{}?kill=true", machine["id"].as_str().unwrap())).await;
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.post("/apps/web/machines", body).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn metadata_is_written_without_a_new_version() {
    let client = Client::new(config());
    let id = started(&client).await;
    let path = format!("/apps/web/machines/{id}");
    let version = client.get(&path).await.1["instance_id"].clone();
    assert_eq!(client.put(&format!("{path}/metadata"), json!({"metadata": {"a": "1", "b": "2"}})).await.0, 204);
    assert_eq!(client.patch(&format!("{path}/metadata"), json!({"metadata": {"a": null, "c": "3"}})).await.0, 204);
    assert_eq!(client.get(&format!("{path}/metadata")).await.1, json!({"b": "2", "c": "3"}));
    assert_eq!(client.post(&format!("{path}/metadata/d"), json!({"value": "4"})).await.0, 204);
    assert_eq!(client.get(&format!("{path}/metadata/d")).await, (200, json!({"value": "4"})));
    assert_eq!(client.delete(&format!("{path}/metadata/d")).await.0, 204);
    assert_eq!(client.get(&format!("{path}/metadata/d")).await.0, 404);
    let stale = json!({"metadata": {}, "machine_version": "01K00000000000000000000000"});
    assert_eq!(client.put(&format!("{path}/metadata"), stale).await.0, 412);
    assert_eq!(client.get(&path).await.1["instance_id"], version);
    let found =
        async |query: &str| client.get(&format!("/apps/web/machines?{query}")).await.1.as_array().unwrap().len();
    assert_eq!(found("metadata.b=2&metadata.c=3").await, 1);
    assert_eq!(found("metadata.b=2&metadata.c=4").await, 0);
    assert_eq!(found("state=stopped,suspended").await, 0);
    assert_eq!(found("state=started&region=iad").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_machine_can_be_suspended_restarted_and_cordoned() {
    let client = Client::new(config());
    let id = started(&client).await;
    let path = format!("/apps/web/machines/{id}");
    assert_eq!(client.post(&format!("{path}/suspend"), json!({})).await.0, 200);
    assert_eq!(client.get(&format!("{path}/wait?state=suspended")).await.0, 200);
    assert_eq!(client.post(&format!("{path}/start"), json!({})).await.1["previous_state"], "suspended");
    client.pass(Duration::from_secs(2)).await;
    assert_eq!(client.post(&format!("{path}/restart"), json!({})).await.0, 200);
    assert_eq!(client.state("web", &id).await, "restarting");
    client.pass(Duration::from_secs(2)).await;
    assert_eq!(client.state("web", &id).await, "started");
    client.post(&format!("{path}/cordon"), json!({})).await;
    assert_eq!(client.get(&path).await.1["cordoned"], true);
}

#[tokio::test(start_paused = true)]
async fn jobs_end_and_destroy_themselves() {
    let client = Client::new(config());
    client.app("web").await;
    let mut config = image("v1");
    config["auto_destroy"] = json!(true);
    config["restart"] = json!({"policy": "no"});
    let id = client.machine("web", config).await;
    assert_eq!(client.get(&format!("/apps/web/machines/{id}/wait?state=destroyed")).await.0, 200);
    let mut waiting = image("v1");
    waiting["schedule"] = json!("daily");
    let scheduled = client.machine("web", waiting).await;
    assert_eq!(client.state("web", &scheduled).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn limits_are_per_action_and_object() {
    let client = Client::new(SimConfig { rate_limits: true, ..config() });
    client.app("web").await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(client.post("/apps/web/machines", json!({"config": image("v1")})).await.0, expected);
    }
    client.pass(Duration::from_secs(1)).await;
    let answer = client
        .try_send(crate::http::transport::Method::Post, "/apps/web/machines", Some(json!({"config": image("v1")})))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (200, None));
}
