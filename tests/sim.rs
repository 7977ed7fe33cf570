//! The simulator from outside: what another crate's tests can do with it.
#![cfg(feature = "controller")]

use std::sync::Arc;
use std::time::Duration;

use hangar::clock::{SharedClock, VirtualClock};
use hangar::http::transport::{Method, Request, Response, SharedTransport, TransportError};
use hangar::sim::{SimConfig, Simulator};

#[path = "contract/strict.rs"]
mod strict;

async fn post(transport: &SharedTransport, path: &str, body: &str) -> Result<Response, TransportError> {
    let request = Request {
        method: Method::Post,
        url: format!("https://api.machines.dev/v1{path}"),
        headers: vec![("authorization".to_owned(), "Bearer sim_demo".to_owned())],
        body: body.to_owned().into(),
        timeout: Duration::from_secs(30),
    };
    transport.send(request).await
}

#[tokio::test(start_paused = true)]
async fn a_month_passes_in_no_time_and_across_processes() {
    let clock: SharedClock = Arc::new(VirtualClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
    let config = SimConfig { open_orgs: true, ..SimConfig::default() };
    let first = Simulator::new(config.clone(), Arc::clone(&clock));
    strict::hold_to_contract(&first);
    let transport = first.transport();
    assert_eq!(post(&transport, "/apps", r#"{"name": "demo", "org_slug": "anyone"}"#).await.unwrap().status, 201);
    let machine = r#"{"config": {"image": "registry.fly.io/demo:v1"}}"#;
    assert_eq!(post(&transport, "/apps/demo/machines", machine).await.unwrap().status, 200);
    assert_eq!((first.reads(), first.writes()), (0, 2));

    let saved = first.snapshot();
    clock.sleep(Duration::from_hours(31 * 24)).await;
    let second = Simulator::restore(&saved, config, Arc::clone(&clock)).unwrap();
    let machines = second.machines("demo");
    assert_eq!((machines.len(), machines[0].state.as_str()), (1, "started"));
    assert_eq!(second.app("demo").unwrap().status, "deployed");
}
