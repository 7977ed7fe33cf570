//! Faults and kill points: what the caller sees, and what happened all the same.

use std::time::Duration;

use serde_json::json;

use super::support::{Client, config};
use crate::http::transport::{Method, TransportError};
use crate::sim::{CrashPoint, Fault, FaultKind, Matcher};

const CREATE: (Method, &str) = (Method::Post, "/apps");

async fn with_fault(kind: FaultKind) -> (Client, Result<u16, TransportError>) {
    let client = Client::new(config());
    client.sim.inject(Fault::once(Matcher::new(Method::Post, "/v1/apps"), kind));
    let answer = client.try_send(CREATE.0, CREATE.1, Some(json!({"name": "web", "org_slug": "acme"}))).await;
    (client, answer.map(|answer| answer.status))
}

#[tokio::test(start_paused = true)]
async fn an_error_may_come_before_or_after_the_effect() {
    for (kind, status, effect) in [
        (FaultKind::unavailable(), 503, false),
        (FaultKind::lost_in_500(), 500, true),
        (FaultKind::HtmlError, 500, false),
        (FaultKind::RateLimited { retry_after: Some(2) }, 429, false),
        (FaultKind::Truncated, 201, true),
        (FaultKind::NotJson, 201, true),
        (FaultKind::status_before(408), 408, false),
        (FaultKind::status_after(504), 504, true),
    ] {
        let (client, answer) = with_fault(kind.clone()).await;
        assert_eq!(answer, Ok(status), "{kind:?}");
        assert_eq!(client.sim.app("web").is_some(), effect, "{kind:?}");
        let request = &client.sim.requests()[0];
        assert_eq!((request.status, request.effect), (Some(status), effect), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_break_before_or_after_the_effect() {
    for (kind, may_have_effect, effect) in [
        (FaultKind::Refused, false, false),
        (FaultKind::ResetBefore, true, false),
        (FaultKind::ResetAfter, true, true),
        (FaultKind::TimeoutBefore, true, false),
        (FaultKind::TimeoutAfter, true, true),
    ] {
        let (client, answer) = with_fault(kind.clone()).await;
        assert_eq!(answer.unwrap_err().may_have_had_effect(), may_have_effect, "{kind:?}");
        assert_eq!(client.sim.app("web").is_some(), effect, "{kind:?}");
        assert_eq!(client.sim.requests()[0].status, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_may_come_late() {
    let (client, answer) = with_fault(FaultKind::Late { after_ms: 30_000 }).await;
    assert!(matches!(answer, Err(TransportError::Broken { .. })));
    client.pass(Duration::from_secs(29)).await;
    assert_eq!(client.get("/apps/web").await.0, 404);
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.get("/apps/web").await.0, 200);
    assert!(client.sim.requests()[0].effect);
}

#[tokio::test(start_paused = true)]
async fn latency_can_outlast_the_caller() {
    let (client, answer) = with_fault(FaultKind::Latency { ms: 1_000 }).await;
    assert_eq!((answer, client.clock.now()), (Ok(201), super::support::epoch() + chrono::TimeDelta::seconds(1)));
    let (client, answer) = with_fault(FaultKind::Latency { ms: 600_000 }).await;
    assert!(matches!(answer, Err(TransportError::Timeout { .. })));
    assert_eq!(client.sim.app("web"), None);
}

#[tokio::test(start_paused = true)]
async fn a_body_can_be_no_json_and_an_error_has_one_even_if_none_was_given() {
    let body = async |kind| {
        let client = Client::new(config());
        client.sim.inject(Fault::once(Matcher::any(), kind));
        let answer = client.try_send(Method::Get, "/apps?org_slug=acme", None).await.unwrap();
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    assert_eq!(body(FaultKind::NotJson).await, "upstream connect error or disconnect/reset before headers");
    assert_eq!(body(FaultKind::status_before(504)).await, r#"{"error":"gateway timeout"}"#);
    assert_eq!(body(FaultKind::Truncated).await, r#"{"apps":[],"t"#);
    assert!(body(FaultKind::HtmlError).await.starts_with("<!DOCTYPE html>"));
}

#[tokio::test(start_paused = true)]
async fn latency_is_drawn_between_its_bounds_and_added_to_what_else_goes_wrong() {
    let client = Client::new(config());
    let slow = FaultKind::LatencyBetween { min_ms: 100, max_ms: 200 };
    client.sim.inject(Fault::always(Matcher::any(), slow));
    client.sim.inject(Fault::always(Matcher::any(), FaultKind::unavailable()));
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let before = client.clock.now();
        assert_eq!(client.get("/apps?org_slug=acme").await.0, 503);
        waits.insert((client.clock.now() - before).num_milliseconds());
    }
    assert!(waits.len() > 5 && waits.iter().all(|wait| (100..=200).contains(wait)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_may_be_cut_off_without_a_word() {
    let client = Client::new(config());
    for name in ["a", "b", "c"] {
        client.app(name).await;
    }
    client.sim.inject(Fault::once(Matcher::any(), FaultKind::PartialList { keep: 2 }));
    // What is no listing is not meant.
    assert_eq!(client.get("/apps/a").await.0, 200);
    let (_, listing) = client.get("/apps?org_slug=acme").await;
    assert_eq!((listing["apps"].as_array().unwrap().len(), &listing["total_apps"]), (2, &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn a_listing_may_look_empty_and_complete() {
    let client = Client::new(config());
    client.app("web").await;
    client.sim.inject(Fault::once(Matcher::new(Method::Get, "/v1/**"), FaultKind::EmptyList));
    assert_eq!(client.get("/apps?org_slug=acme").await.1, json!({"apps": [], "total_apps": 0}));
    assert_eq!(client.get("/apps?org_slug=acme").await.1["total_apps"], 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_kill_point_nothing_gets_through() {
    for (point, apps) in [(CrashPoint::BeforeEffect, 1), (CrashPoint::BeforeReply, 2)] {
        let client = Client::new(config());
        let create = async |name: &str| {
            client.try_send(CREATE.0, CREATE.1, Some(json!({"name": name, "org_slug": "acme"}))).await
        };
        client.sim.kill_after_writes(2, point);
        assert!(create("one").await.is_ok());
        assert_eq!(client.get("/apps/one").await.0, 200);
        assert!(matches!(create("two").await, Err(TransportError::Broken { .. })));
        assert!(client.sim.is_dead());
        assert!(matches!(create("three").await, Err(TransportError::Connect { .. })));
        assert_eq!(client.sim.apps().len(), apps);
        client.sim.revive();
        assert!(create("three").await.is_ok());
    }
}

#[tokio::test]
async fn the_same_router_serves_on_a_socket() {
    let client = Client::new(config());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sim = client.sim.clone();
    let server = tokio::spawn(async move { sim.serve(listener).await });
    client.app("web").await;
    let http = reqwest::Client::new();
    let ask = async |path: &str| {
        http.get(format!("http://{address}{path}")).header("authorization", "FlyV1 sim_acme").send().await
    };
    let text = ask("/v1/apps/web").await.unwrap().text().await.unwrap();
    assert!(text.contains(r#""name":"web""#), "{text}");
    let state = ask("/_sim/state").await.unwrap().text().await.unwrap();
    assert!(state.contains(r#""machines":[]"#), "{state}");
    let fault = serde_json::to_vec(&Fault::once(Matcher::any(), FaultKind::ResetAfter)).unwrap();
    let set = http.post(format!("http://{address}/_sim/faults")).header("content-type", "application/json").body(fault);
    assert_eq!(set.send().await.unwrap().status().as_u16(), 201);
    let broken = ask("/v1/apps/web").await;
    assert!(broken.is_err() || broken.unwrap().bytes().await.is_err());
    let lines = ask("/_sim/requests").await.unwrap().text().await.unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.lines().last().unwrap().contains(r#""faults":["reset_after"]"#), "{lines}");
    server.abort();
}

#[tokio::test]
async fn faults_profiles_edits_and_the_clock_can_be_set_from_outside() {
    let client = Client::new(config());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sim = client.sim.clone();
    let server = tokio::spawn(async move { sim.serve(listener).await });
    let http = reqwest::Client::new();
    let send = async |method: reqwest::Method, path: &str, body: &str| {
        let request = http.request(method, format!("http://{address}/_sim/{path}")).body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let post = async |path: &str, body: &str| send(reqwest::Method::POST, path, body).await;
    let get = async |path: &str| send(reqwest::Method::GET, path, "").await.1;

    let (status, _) = post("faults", r#"[{"kind": "refused", "probability": 0.5}, {"kind": "truncated"}]"#).await;
    assert_eq!((status, client.sim.faults().len()), (201, 2));
    for (path, body, said) in [
        ("faults", r#"{"kind": "refused", "probability": 2}"#, "is not a number from 0 to 1"),
        ("faults", r#"{"kind": "sunny"}"#, "sunny"),
        ("faults", "no json", "the body is not what is expected here"),
        ("profile", r#"{"profile": "sunny"}"#, "sunny"),
        ("edits", r#"{"action": "explode"}"#, "explode"),
        ("clock", "{}", "seconds"),
    ] {
        let (status, answer) = post(path, body).await;
        assert!(status == 400 && answer.contains(said), "{path} {body}: {status} {answer}");
    }
    assert_eq!(client.sim.faults().len(), 2);
    assert_eq!(post("profile", r#"{"profile": "storm", "seed": 3}"#).await.0, 200);
    assert!(get("profile").await.contains(r#""profile":"storm""#));
    assert_eq!(send(reqwest::Method::DELETE, "profile", "").await.0, 204);
    assert_eq!(client.sim.faults(), []);

    assert_eq!(post("edits", r#"{"action": "delete_app"}"#).await, (200, "null\n".to_owned()));
    client.app("web").await;
    let (status, record) = post("edits", r#"{"action": "delete_app", "app": "w*"}"#).await;
    assert!(status == 200 && record.contains(r#""app":"web""#), "{record}");
    assert!(get("edits").await.contains("delete_app"));
    assert_eq!(post("clock", r#"{"seconds": 3600}"#).await.0, 200);
    assert!(get("clock").await.contains("2026-11-21T09:00:"));
    assert!(get("hash").await.contains(&client.sim.log_hash()));
    server.abort();
}
