//! How machines live by themselves: schedules, restart policies, failures.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::support::{Client, config};

/// The exits of a machine: when, with which code, and whether it was restarted; oldest first.
async fn exits(client: &Client, id: &str) -> Vec<(DateTime<Utc>, i64, bool)> {
    let (_, events) = client.get(&format!("/apps/web/machines/{id}/events?limit=50")).await;
    let exits = events.as_array().unwrap().iter().rev().filter(|event| event["type"] == "exit");
    let exit = |event: &Value| {
        let exit = &event["request"]["exit_event"];
        let at = DateTime::from_timestamp_millis(event["timestamp"].as_i64().unwrap()).unwrap();
        (at, exit["exit_code"].as_i64().unwrap(), exit["restarting"].as_bool().unwrap())
    };
    exits.map(exit).collect()
}

fn restarting(tag: &str, restart: &Value) -> Value {
    json!({"image": format!("a/b:{tag}"), "restart": restart})
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_a_schedule_runs_when_its_time_comes() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "a/b:v1", "schedule": "hourly"})).await;
    assert_eq!(client.state("web", &id).await, "stopped");
    assert_eq!(client.sim.machine("web", &id).unwrap().next_run, Some("2026-11-21T09:00:00Z".parse().unwrap()));
    client.pass(Duration::from_hours(3)).await;
    let ends: Vec<String> = exits(&client, &id).await.iter().map(|(at, ..)| at.to_rfc3339()).collect();
    // 1.2 s to boot, 2 s to run.
    let expected = ["2026-11-21T09:00:03.200+00:00", "2026-11-21T10:00:03.200+00:00", "2026-11-21T11:00:03.200+00:00"];
    assert_eq!(ends[..2], expected[..2]);
    assert_eq!(client.state("web", &id).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_can_change_and_end() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "a/b:v1", "schedule": "hourly"})).await;
    client.sim.edit_machine_config("web", &id, |config| config["schedule"] = json!("daily")).unwrap();
    client.pass(Duration::from_hours(12)).await;
    assert_eq!(exits(&client, &id).await, []);
    client.pass(Duration::from_hours(12)).await;
    assert_eq!(exits(&client, &id).await.len(), 1);
    client.sim.edit_machine_config("web", &id, |config| config["schedule"] = Value::Null).unwrap();
    client.pass(Duration::from_hours(48)).await;
    assert_eq!((exits(&client, &id).await.len(), client.sim.machine("web", &id).unwrap().next_run), (1, None));
    let wrong = json!({"config": {"image": "a/b:v1", "schedule": "yearly"}});
    assert_eq!(client.post("/apps/web/machines", wrong).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn the_restart_policy_decides_what_follows_an_exit() {
    let client = Client::new(config());
    client.app("web").await;
    for (config, codes, state) in [
        (restarting("crash", &json!({"policy": "no"})), vec![(1, false)], "stopped"),
        (
            restarting("crash", &json!({"policy": "on-failure", "max_retries": 2})),
            vec![(1, true), (1, true), (1, false)],
            "stopped",
        ),
        (restarting("oneshot", &json!({"policy": "on-failure"})), vec![(0, false)], "stopped"),
        (restarting("v1", &json!({"policy": "always"})), vec![], "started"),
    ] {
        let id = client.machine("web", config.clone()).await;
        client.pass(Duration::from_mins(1)).await;
        let seen: Vec<(i64, bool)> =
            exits(&client, &id).await.into_iter().map(|(_, code, again)| (code, again)).collect();
        assert_eq!((seen, client.state("web", &id).await.as_str()), (codes, state), "{config}");
    }
    let always = client.machine("web", restarting("oneshot", &json!({"policy": "always"}))).await;
    client.pass(Duration::from_mins(1)).await;
    assert!(exits(&client, &always).await.iter().all(|(_, code, again)| *code == 0 && *again));
}

#[tokio::test(start_paused = true)]
async fn retries_are_counted_within_five_minutes() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", restarting("v1", &json!({"policy": "on-failure", "max_retries": 1}))).await;
    for _ in 0..3 {
        client.sim.crash_machine("web", &id, 1, false).unwrap();
        client.pass(Duration::from_mins(6)).await;
        assert_eq!(client.state("web", &id).await, "started");
    }
    client.sim.crash_machine("web", &id, 1, false).unwrap();
    client.pass(Duration::from_mins(1)).await;
    client.sim.crash_machine("web", &id, 1, false).unwrap();
    client.pass(Duration::from_mins(1)).await;
    assert_eq!(client.state("web", &id).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_failed_machine_waits_for_somebody() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "a/b:v1"})).await;
    let wait = format!("/apps/web/machines/{id}/wait?state=failed&timeout=60");
    let fail = async {
        client.pass(Duration::from_secs(7)).await;
        client.sim.fail_machine("web", &id).unwrap();
    };
    let ((status, answer), ()) = tokio::join!(client.get(&wait), fail);
    assert_eq!((status, answer["state"].as_str()), (200, Some("failed")));
    client.pass(Duration::from_hours(1)).await;
    assert_eq!(client.state("web", &id).await, "failed");
    assert_eq!(client.post(&format!("/apps/web/machines/{id}/start"), json!({})).await.0, 200);
    assert_eq!(client.get(&format!("/apps/web/machines/{id}/wait?state=started")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_wait_can_look_past_an_event_that_it_knows() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", json!({"image": "a/b:v1"})).await;
    let (_, first) = client.get(&format!("/apps/web/machines/{id}/wait?state=started")).await;
    let event = first["event_id"].as_str().unwrap();
    let again = format!("/apps/web/machines/{id}/wait?state=started&timeout=5&from_event_id={event}");
    assert_eq!(client.get(&again).await.0, 408);
    client.post(&format!("/apps/web/machines/{id}/restart"), json!({})).await;
    let (status, second) = client.get(&again).await;
    assert_eq!(status, 200);
    assert_ne!(second["event_id"], first["event_id"]);
}
