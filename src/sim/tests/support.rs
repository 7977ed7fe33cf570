//! A client for tests: sends JSON, reads JSON.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::{Method, Request, Response, SharedTransport, TransportError};
use crate::sim::{SimConfig, Simulator};

use super::strict::hold_to_contract;

/// The organization `acme` with the token `sim_acme`, the organization `other` with `sim_other`, and no rate limits.
pub(super) fn config() -> SimConfig {
    let config = SimConfig::default().with_org("acme", "sim_acme").with_org("other", "sim_other");
    SimConfig { rate_limits: false, ..config.with_read_only_token("acme", "sim_reader") }
}

pub(super) struct Client {
    pub(super) sim: Simulator,
    pub(super) clock: SharedClock,
    transport: SharedTransport,
    token: String,
    headers: Vec<(String, String)>,
}

pub(super) fn epoch() -> DateTime<Utc> {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

impl Client {
    pub(super) fn new(config: SimConfig) -> Self {
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
        Self::of(Simulator::new(config, Arc::clone(&clock)), clock)
    }

    pub(super) fn of(sim: Simulator, clock: SharedClock) -> Self {
        hold_to_contract(&sim);
        Self::to(sim, clock)
    }

    /// One more client of the same simulator.
    fn to(sim: Simulator, clock: SharedClock) -> Self {
        Self { transport: sim.transport(), sim, clock, token: "sim_acme".to_owned(), headers: Vec::new() }
    }

    /// The same client with another token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..Self::to(self.sim.clone(), Arc::clone(&self.clock)) }
    }

    /// The same client, sending one more header.
    pub(super) fn with_header(&self, name: &str, value: &str) -> Self {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Self { headers, token: self.token.clone(), ..Self::to(self.sim.clone(), Arc::clone(&self.clock)) }
    }

    pub(super) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response, TransportError> {
        self.try_send_to(&format!("https://api.machines.dev/v1{path}"), method, body).await
    }

    async fn try_send_to(&self, url: &str, method: Method, body: Option<Value>) -> Result<Response, TransportError> {
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", self.token))];
        headers.extend(self.headers.clone());
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        self.transport
            .send(Request { method, url: url.to_owned(), headers, body, timeout: Duration::from_secs(90) })
            .await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        read(&self.try_send(method, path, body).await.unwrap())
    }

    /// The same at `api.fly.io`.
    pub(super) async fn web(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        read(&self.try_send_to(&format!("https://api.fly.io{path}"), method, body).await.unwrap())
    }

    /// A GraphQL query: its `data`; there may be no errors.
    pub(super) async fn query(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.ask(query, variables).await;
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].take()
    }

    /// A GraphQL query: the whole answer.
    pub(super) async fn ask(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let (status, answer) = self.web(Method::Post, "/graphql", Some(body)).await;
        assert_eq!(status, 200);
        answer
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::Get, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::Post, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::Put, path, Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::Patch, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(Method::Delete, path, None).await
    }

    pub(super) async fn pass(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// An app in `acme`.
    pub(super) async fn app(&self, name: &str) {
        assert_eq!(self.post("/apps", json!({"name": name, "org_slug": "acme"})).await.0, 201);
    }

    /// A machine with this config, started (or, if it does not start, just created); its id.
    pub(super) async fn machine(&self, app: &str, config: Value) -> String {
        let (status, machine) = self.post(&format!("/apps/{app}/machines"), json!({"config": config})).await;
        assert_eq!(status, 200, "{machine}");
        let id = machine["id"].as_str().unwrap().to_owned();
        self.get(&format!("/apps/{app}/machines/{id}/wait?state=started&timeout=5")).await;
        id
    }

    pub(super) async fn state(&self, app: &str, id: &str) -> String {
        self.get(&format!("/apps/{app}/machines/{id}")).await.1["state"].as_str().unwrap_or("gone").to_owned()
    }
}

fn read(answer: &Response) -> (u16, Value) {
    let body = if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body).unwrap() };
    (answer.status, body)
}
