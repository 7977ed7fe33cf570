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
    server.abort();
}
