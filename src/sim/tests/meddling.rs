//! Edits between requests, and clock jumps.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::support::{Client, config, epoch};
use crate::http::transport::{Method, TransportError};
use crate::sim::{Edit, EditAction, EditRecord, Fault, FaultKind, MachineView, Matcher};

/// The app `web` with a secret and one machine that has been up for a minute.
async fn running() -> (Client, String) {
    let client = Client::new(config());
    client.app("web").await;
    assert_eq!(client.post("/apps/web/secrets/KEY", json!({"value": "planted"})).await.0, 201);
    let metadata = json!({"mark": "ours"});
    let body = json!({"name": "app-iad-0", "region": "iad",
        "config": {"image": "registry.fly.io/web:v1", "env": {"PORT": "80"}, "metadata": metadata}});
    let (_, machine) = client.post("/apps/web/machines", body).await;
    client.pass(Duration::from_mins(1)).await;
    (client, machine["id"].as_str().unwrap().to_owned())
}

fn edit(action: EditAction) -> Fault {
    Fault::once(Matcher::any(), FaultKind::Edit(Edit::new(action)))
}

async fn after(action: EditAction) -> (Client, MachineView, EditRecord) {
    let (client, id) = running().await;
    client.sim.inject(edit(action));
    client.get("/apps/web").await;
    client.pass(Duration::from_secs(5)).await;
    let machine = client.sim.machine("web", &id).unwrap();
    let record = client.sim.edits().pop().unwrap();
    (client, machine, record)
}

#[tokio::test(start_paused = true)]
async fn an_edit_strikes_a_machine_before_the_request_is_looked_at() {
    let (client, id) = running().await;
    client.sim.inject(edit(EditAction::StopMachine));
    assert_eq!(client.state("web", &id).await, "stopping");
    let number = client.sim.requests().last().unwrap().number;
    let record = EditRecord {
        at: epoch() + TimeDelta::minutes(1),
        request: Some(number),
        action: "stop_machine",
        app: "web".to_owned(),
        machine: Some(id),
        made: false,
    };
    assert_eq!(client.sim.edits(), [record]);
    assert_eq!(client.sim.requests().last().unwrap().faults, ["edit stop_machine"]);
}

#[tokio::test(start_paused = true)]
async fn each_edit_does_what_its_name_says() {
    let of = async |action| after(action).await.1;
    assert_eq!(of(EditAction::DeleteMachine).await.state, "destroyed");
    assert_eq!(of(EditAction::StopMachine).await.state, "stopped");
    assert_eq!(of(EditAction::CrashMachine).await.state, "started");
    assert!(of(EditAction::EditMachine).await.env("PORT").unwrap().starts_with("edited by hand: "));
    assert_eq!(of(EditAction::ScaleMemory).await.config["guest"]["memory_mb"], 512);
    assert!(of(EditAction::LeaseMachine { seconds: 13 }).await.leased);
    let (client, machine, _) = after(EditAction::HostUnreachable { seconds: 10 }).await;
    assert!(!machine.reachable);
    let (_, seen) = client.get(&format!("/apps/web/machines/{}", machine.id)).await;
    assert_eq!((&seen["host_status"], &seen["config"]), (&json!("unreachable"), &Value::Null));
    client.pass(Duration::from_secs(6)).await;
    assert!(client.sim.machine("web", &machine.id).unwrap().reachable);
    let (client, ..) = after(EditAction::UnsetSecret).await;
    assert_eq!(client.sim.secret_names("web"), Vec::<String>::new());
    let secret = EditAction::SetSecret { name: "KEY".to_owned(), value: "theirs".to_owned() };
    let (client, ..) = after(secret).await;
    assert_eq!(client.sim.secret_value("web", "KEY").as_deref(), Some("theirs"));
    let (client, _) = running().await;
    assert_eq!(client.sim.meddle(&Edit::new(EditAction::DeleteApp)).unwrap().unwrap().app, "web");
    assert_eq!(client.sim.apps(), []);
}

#[tokio::test(start_paused = true)]
async fn copies_are_marked_as_made_and_never_struck_later() {
    for (action, name) in [(EditAction::ScaleCount, None), (EditAction::LookAlikeMachine, Some("app-iad-"))] {
        let (client, model, record) = after(action).await;
        let copy = client.sim.machine("web", record.machine.as_deref().unwrap()).unwrap();
        assert!(record.made && copy.id != model.id && copy.name != model.name, "{copy:?}");
        assert!(name.is_none_or(|begin| copy.name.starts_with(begin)), "{copy:?}");
        assert_eq!(copy.metadata("mark"), Some("ours"));
        for _ in 0..8 {
            client.sim.meddle(&Edit::new(EditAction::EditMachine)).unwrap();
            client.pass(Duration::from_secs(5)).await;
        }
        assert_eq!(client.sim.machine("web", &copy.id).unwrap().versions, 1);
        assert_eq!(client.sim.machine("web", &model.id).unwrap().versions, 9);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_alike_app_has_the_same_machines_and_names_of_secrets_but_not_their_values() {
    let (client, _, record) = after(EditAction::LookAlikeApp).await;
    assert!(record.made && record.app.starts_with("web-"), "{record:?}");
    assert_eq!(client.sim.secret_names(&record.app), ["KEY"]);
    assert_eq!(client.sim.secret_value(&record.app, "KEY").as_deref(), Some("look-alike"));
    let machines = client.sim.machines(&record.app);
    assert_eq!(
        (machines.len(), machines[0].name.as_str(), machines[0].metadata("mark")),
        (1, "app-iad-0", Some("ours"))
    );
}

#[tokio::test(start_paused = true)]
async fn names_are_taken_just_before_they_are_used() {
    for (org, seen) in [(None, 200), (Some("strangers".to_owned()), 403)] {
        let client = Client::new(config());
        client.sim.inject(edit(EditAction::SquatApp { org }));
        client.get("/apps?org_slug=acme").await;
        assert_eq!(client.sim.edits(), [], "only the request that makes an app is struck");
        let (status, _) = client.post("/apps", json!({"name": "web", "org_slug": "acme"})).await;
        assert_eq!((status, client.get("/apps/web").await.0), (422, seen));
        assert!(client.sim.edits()[0].made);
    }
    let (client, _) = running().await;
    client.sim.inject(edit(EditAction::SquatMachine));
    let body = json!({"name": "app-iad-1", "config": {"image": "registry.fly.io/web:v1"}});
    let (status, _) = client.post("/apps/web/machines", body).await;
    assert!(status >= 400, "{status}");
    let squatter = client.sim.machines("web").pop().unwrap();
    assert_eq!((squatter.name.as_str(), squatter.metadata("mark")), ("app-iad-1", None));
}

#[tokio::test(start_paused = true)]
async fn an_edit_keeps_to_its_app_and_to_what_requests_have_made() {
    let (client, _) = running().await;
    client.sim.create_app("acme", "foreign", "").unwrap();
    client.sim.create_machine("foreign", &json!({"image": "registry.fly.io/foreign:v1"}), "iad").unwrap();
    let stop = Edit::new(EditAction::StopMachine);
    assert_eq!(client.sim.meddle(&stop.clone().in_app("foreign")), Ok(None));
    assert_eq!(client.sim.meddle(&stop.clone().in_app("w")), Ok(None));
    for pattern in ["w*", "web"] {
        assert_eq!(client.sim.meddle(&stop.clone().in_app(pattern)).unwrap().unwrap().app, "web", "{pattern}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_platforms_clock_jumps_and_waiting_does_not() {
    let (client, id) = running().await;
    client.sim.inject(Fault::once(Matcher::any(), FaultKind::ClockJump { seconds: 3_600 }));
    client.post(&format!("/apps/web/machines/{id}/stop"), json!({})).await;
    let (_, machine) = client.get(&format!("/apps/web/machines/{id}")).await;
    assert!(machine["updated_at"].as_str().unwrap().starts_with("2026-11-21T09:01"), "{machine}");
    assert_eq!(client.state("web", &id).await, "stopping");
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.state("web", &id).await, "stopped");
    assert_eq!(client.sim.requests().last().unwrap().at, epoch() + TimeDelta::seconds(61));
    client.sim.jump_clock(-3_600);
    client.app("later").await;
    assert_eq!(client.sim.app("later").unwrap().created_at, epoch() + TimeDelta::seconds(61));
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_early_when_the_clock_is_set_forward() {
    let (client, id) = running().await;
    let lease = format!("/apps/web/machines/{id}/lease");
    assert_eq!(client.post(&lease, json!({"ttl": 60})).await.0, 201);
    assert_eq!(client.post(&lease, json!({"ttl": 60})).await.0, 409);
    client.sim.jump_clock(61);
    assert_eq!(client.post(&lease, json!({"ttl": 60})).await.0, 201);
}

#[tokio::test(start_paused = true)]
async fn an_edit_comes_before_a_request_that_then_fails() {
    let (client, id) = running().await;
    client.sim.inject(edit(EditAction::DeleteMachine));
    client.sim.inject(Fault::once(Matcher::any(), FaultKind::ResetBefore));
    let answer = client.try_send(Method::Get, "/apps/web", None).await;
    assert!(matches!(answer, Err(TransportError::Broken { .. })));
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.sim.machine("web", &id).unwrap().state, "destroyed");
}
