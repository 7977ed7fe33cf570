//! The simulator from outside: what another crate's tests can do with it.
#![cfg(feature = "controller")]

use std::sync::Arc;
use std::time::Duration;

use hangar::clock::{SharedClock, VirtualClock};
use hangar::http::transport::{Method, Request, Response, SharedTransport, TransportError};
use hangar::sim::{FaultFile, SimConfig, Simulator};

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

#[test]
fn the_schema_of_fault_files_is_up_to_date_and_of_one_mind_with_the_reader() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/faults.schema.json");
    let schema = FaultFile::schema();
    let current = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("HANGAR_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let stale = "schemas/faults.schema.json is stale; renew it with: HANGAR_BLESS=1 cargo test --test sim schema";
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == current, "{stale}");
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (text, sound) in [
        ("{profile: storm, seed: 7}", true),
        ("{faults: [{kind: reset_after, probability: 0.1, times: 2}]}", true),
        ("{faults: [{matches: {only: writes, path: /v1/apps}, kind: {status_after: {status: 500}}}]}", true),
        ("{faults: [{kind: {edit: {action: {squat_app: {}}}}}]}", true),
        ("{profile: sunny}", false),
        ("{faults: [{kind: sunny}]}", false),
        ("{faults: [{kind: reset_after, probability: 2}]}", false),
        ("{faults: [{matches: {only: all}, kind: reset_after}]}", false),
        ("{faults: [{kind: {edit: {action: explode}}}]}", false),
        ("{fault: []}", false),
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors.is_empty(), sound, "{text}: {errors:?}");
        assert_eq!(FaultFile::parse(text).is_ok(), sound, "{text}");
    }
}
