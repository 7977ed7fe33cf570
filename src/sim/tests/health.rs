//! Checks that flap or are made to say something, and containers that depend on each other.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::CheckResult;

fn checked(tag: &str) -> Value {
    json!({"image": format!("a/b:{tag}"), "checks": {"up": {"type": "tcp", "port": 80}, "deep": {"type": "tcp", "port": 81}}})
}

/// The results of `deep` and `up`.
fn results(client: &Client, id: &str) -> (String, String) {
    let checks = client.sim.machine("web", id).unwrap().checks;
    assert_eq!((checks[0].0.as_str(), checks[1].0.as_str()), ("deep", "up"));
    (checks[0].1.clone(), checks[1].1.clone())
}

fn both(status: &str) -> (String, String) {
    (status.to_owned(), status.to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_checks_of_a_flapping_image_pass_and_fail_by_turns() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", checked("flap-1")).await;
    client.pass(Duration::from_secs(1)).await;
    for expected in ["passing", "critical", "passing"] {
        assert_eq!(results(&client, &id), both(expected));
        client.pass(Duration::from_millis(9_999)).await;
        assert_eq!(results(&client, &id), both(expected));
        client.pass(Duration::from_millis(1)).await;
    }
    let (_, machine) = client.get(&format!("/apps/web/machines/{id}")).await;
    assert_eq!(machine["checks"][0]["updated_at"], "2026-11-21T08:00:32.500Z");
}

#[tokio::test(start_paused = true)]
async fn a_check_says_what_it_is_told_while_the_machine_runs() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", checked("v1")).await;
    client.pass(Duration::from_secs(1)).await;
    client.sim.set_check("web", &id, "up", Some(CheckResult::Warning)).unwrap();
    assert_eq!(results(&client, &id), ("passing".to_owned(), "warning".to_owned()));
    client.sim.set_check("web", &id, "", Some(CheckResult::Critical)).unwrap();
    assert_eq!(results(&client, &id), ("critical".to_owned(), "warning".to_owned()));
    client.sim.set_check("web", &id, "", Some(CheckResult::Flapping)).unwrap();
    client.pass(Duration::from_secs(15)).await;
    assert_eq!(results(&client, &id), ("critical".to_owned(), "warning".to_owned()));
    client.pass(Duration::from_secs(10)).await;
    assert_eq!(results(&client, &id), ("passing".to_owned(), "warning".to_owned()));
    client.sim.stop_machine("web", &id).unwrap();
    assert_eq!(results(&client, &id), both("critical"));
    client.sim.start_machine("web", &id).unwrap_err();
    for name in ["", "up"] {
        client.sim.set_check("web", &id, name, None).unwrap();
    }
    client.pass(Duration::from_secs(1)).await;
    client.sim.start_machine("web", &id).unwrap();
    client.pass(Duration::from_secs(3)).await;
    assert_eq!(results(&client, &id), both("passing"));
}

fn container(name: &str, tag: &str, depends_on: &Value) -> Value {
    let health = json!([{"name": "up", "tcp": {"port": 80}}]);
    json!({"name": name, "image": format!("a/{name}:{tag}"), "depends_on": depends_on, "healthchecks": health})
}

fn with_containers(containers: &Value) -> Value {
    json!({"image": "a/b:v1", "containers": containers, "checks": {"up": {"type": "tcp", "port": 80}}})
}

fn on(name: &str, condition: &str) -> Value {
    json!([{"name": name, "condition": condition}])
}

#[tokio::test(start_paused = true)]
async fn containers_begin_after_what_they_depend_on() {
    let client = Client::new(config());
    client.app("web").await;
    let containers = json!([
        container("web", "v1", &on("db", "healthy")),
        container("migrate", "oneshot", &on("db", "started")),
        container("db", "v1", &json!([])),
        container("late", "v1", &on("migrate", "exited_successfully")),
    ]);
    let id = client.machine("web", with_containers(&containers)).await;
    let states = || client.sim.machine("web", &id).unwrap().containers;
    let named = |all: [(&str, &str); 4]| all.map(|(name, state)| (name.to_owned(), state.to_owned())).to_vec();
    assert_eq!(states(), named([("web", "created"), ("migrate", "started"), ("db", "started"), ("late", "created")]));
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(states(), named([("web", "started"), ("migrate", "stopped"), ("db", "started"), ("late", "started")]));
    let check = || client.sim.machine("web", &id).unwrap().checks[0].1.clone();
    assert_eq!(check(), "critical");
    client.pass(Duration::from_secs(1)).await;
    assert_eq!((check().as_str(), client.state("web", &id).await.as_str()), ("passing", "started"));
    let (_, machine) = client.get(&format!("/apps/web/machines/{id}")).await;
    assert_eq!(machine["containers"][0], json!({"name": "web", "state": "started"}));
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_dependency_is_never_healthy_never_begins() {
    let client = Client::new(config());
    client.app("web").await;
    let mut without = container("db", "v1", &json!([]));
    without["healthchecks"] = json!([]);
    for db in [container("db", "unhealthy", &json!([])), without] {
        let id =
            client.machine("web", with_containers(&json!([db, container("web", "v1", &on("db", "healthy"))]))).await;
        client.pass(Duration::from_hours(1)).await;
        let machine = client.sim.machine("web", &id).unwrap();
        assert_eq!(machine.containers[1], ("web".to_owned(), "created".to_owned()));
        assert_eq!((machine.state.as_str(), machine.checks[0].1.as_str()), ("started", "critical"));
    }
}

#[tokio::test(start_paused = true)]
async fn impossible_containers_are_refused() {
    let client = Client::new(config());
    client.app("web").await;
    for (containers, text) in [
        (json!([container("a", "v1", &on("b", "started"))]), "b is not a container of the machine"),
        (json!([container("a", "v1", &json!([])), container("a", "v1", &json!([]))]), "used twice"),
        (json!([container("a", "v1", &on("b", "started")), container("b", "v1", &on("a", "healthy"))]), "circle"),
        (json!([container("a", "v1", &json!([])), container("b", "v1", &on("a", "happy"))]), "unknown condition"),
        (json!([{"name": "a"}]), "a name and an image"),
    ] {
        let (status, body) = client.post("/apps/web/machines", json!({"config": with_containers(&containers)})).await;
        assert_eq!(status, 400);
        assert!(body["error"].as_str().unwrap().contains(text), "{body}");
    }
}
