//! What happens inside machines: commands, processes, signals, memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};

async fn started(client: &Client, config: Value) -> String {
    client.app("web").await;
    let id = client.machine("web", config).await;
    format!("/apps/web/machines/{id}")
}

#[tokio::test(start_paused = true)]
async fn a_few_commands_work_everywhere_and_others_are_not_found() {
    let client = Client::new(config());
    client.app("web").await;
    client.post("/apps/web/secrets", json!({"values": {"KEY": "one", "MODE": "secret"}})).await;
    let id = client.machine("web", json!({"image": "a/b:v1", "env": {"MODE": "plain", "PLAIN": "2"}})).await;
    let path = format!("/apps/web/machines/{id}/exec");
    let run = async |command: Value| {
        let (status, body) = client.post(&path, json!({"command": command})).await;
        assert_eq!(status, 200, "{body}");
        (body["exit_code"].as_i64().unwrap(), body["stdout"].as_str().unwrap().to_owned())
    };
    assert_eq!(run(json!(["/bin/echo", "a", "b"])).await, (0, "a b\n".to_owned()));
    assert_eq!(run(json!(["false"])).await, (1, String::new()));
    assert_eq!(run(json!(["printenv", "PLAIN"])).await, (0, "2\n".to_owned()));
    assert_eq!(run(json!(["printenv", "MODE"])).await, (0, "secret\n".to_owned()));
    assert_eq!(run(json!(["printenv", "FLY_MACHINE_ID"])).await, (0, format!("{id}\n")));
    assert_eq!(run(json!(["rails", "db:migrate"])).await.0, 127);

    client.post("/apps/web/secrets", json!({"values": {"KEY": "two"}})).await;
    assert_eq!(run(json!(["printenv", "KEY"])).await, (0, "one\n".to_owned()), "a staged secret is not there yet");

    client.sim.set_command("web", "db:migrate", 3, "half\n", "oh no\n");
    let (_, body) = client.post(&path, json!({"cmd": "rails db:migrate"})).await;
    assert_eq!(body, json!({"exit_code": 3, "exit_signal": 0, "stdout": "half\n", "stderr": "oh no\n"}));
    assert_eq!(client.post(&path, json!({})).await.0, 400);
    assert_eq!(client.post(&path, json!({"command": ["true"], "container": "none"})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn processes_listen_where_the_services_expect_them() {
    let client = Client::new(config());
    let service = json!([{"protocol": "tcp", "internal_port": 8080}]);
    let path =
        started(&client, json!({"image": "a/b:v1", "init": {"cmd": ["serve", "-v"]}, "services": service})).await;
    let (status, processes) = client.get(&format!("{path}/ps")).await;
    assert_eq!((status, processes[1]["command"].as_str()), (200, Some("serve -v")));
    assert_eq!(processes[1]["listen_sockets"], json!([{"proto": "tcp", "address": "0.0.0.0:8080"}]));
    let (_, reversed) = client.get(&format!("{path}/ps?sort_by=pid&order=desc")).await;
    assert_eq!(reversed[0]["command"], "serve -v");
    assert_eq!(client.get(&format!("{path}/ps?sort_by=age")).await.0, 400);
    client.post(&format!("{path}/stop"), json!({})).await;
    client.pass(Duration::from_secs(1)).await;
    for ask in ["ps", "memory"] {
        assert_eq!(client.get(&format!("{path}/{ask}")).await.0, 412, "{ask}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_may_end_a_process_and_the_restart_policy_decides() {
    let client = Client::new(config());
    let path = started(&client, json!({"image": "a/b:v1", "restart": {"policy": "no"}})).await;
    let signal = async |signal: Value| client.post(&format!("{path}/signal"), json!({"signal": signal})).await.0;
    assert_eq!(signal(json!("SIGUSR1")).await, 200);
    assert_eq!(client.get(&path).await.1["state"], "started");
    assert_eq!(signal(json!("SIGNOTHING")).await, 400);
    assert_eq!(signal(json!(9)).await, 200);
    let (_, machine) = client.get(&path).await;
    assert_eq!(machine["state"], "stopped");
    let exit = &machine["events"][0]["request"]["exit_event"];
    assert_eq!((&exit["exit_code"], &exit["signal"], &exit["restarting"]), (&json!(137), &json!(9), &json!(false)));
    assert_eq!(signal(json!("SIGTERM")).await, 412);
}

#[tokio::test(start_paused = true)]
async fn memory_can_be_limited_until_the_next_version() {
    let client = Client::new(config());
    let path = started(&client, json!({"image": "a/b:v1"})).await;
    let memory = format!("{path}/memory");
    assert_eq!(client.get(&memory).await.1, json!({"limit_mb": 256, "available_mb": 192}));
    assert_eq!(client.put(&memory, json!({"limit_mb": 128})).await.1, json!({"limit_mb": 128, "available_mb": 64}));
    assert_eq!(client.put(&memory, json!({"limit_mb": 512})).await.0, 400);
    assert_eq!(client.post(&format!("{memory}/reclaim"), json!({"amount_mb": 100})).await.1["actual_mb"], 64);
    client.post(&path, json!({"config": {"image": "a/b:v2"}})).await;
    client.pass(Duration::from_secs(5)).await;
    assert_eq!(client.get(&memory).await.1["limit_mb"], 256);
}
