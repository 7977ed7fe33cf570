//! What happens to each request, from its arrival to its answer.
//!
//! ```text
//! arrive (log, faults, kill point) ─> wait out latency ─> advance the world ─> authenticate ─> limits ─> route ─> answer or failure
//! ```

use bytes::Bytes;
use serde_json::{Value, json};

use super::auth::{Unknown, identify};
use super::config::{Access, SimConfig};
use super::faults::{CrashPoint, FaultKind};
use super::log::{RequestRecord, is_read};
use super::routes::{Call, ListingFault, Outcome, Reply, Wait, dispatch};
use super::watch::Exchange;
use super::world::schedule::{Due, after};
use super::{Simulator, State};
use crate::http::transport::{Method, Response};

/// A request as it arrives.
pub(super) struct Incoming {
    pub(super) method: Method,
    /// The path as it was sent, without the query.
    pub(super) path: String,
    /// The query as it was sent, without the question mark.
    pub(super) query: String,
    pub(super) authorization: Option<String>,
    pub(super) cookie: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) body: Bytes,
}

/// Why a request gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is refused.
    Refused,
    /// The connection breaks.
    Broken,
    /// Nothing comes.
    Silence,
}

/// What was found out about a request on arrival.
struct Arrival {
    number: u64,
    fault: Option<FaultKind>,
    crash: Option<CrashPoint>,
}

impl Simulator {
    /// Answers one request, or fails as the faults want it.
    pub(super) async fn exchange(&self, incoming: Incoming) -> Result<Response, Failure> {
        let arrival = self.arrive(&incoming)?;
        let delay =
            arrival.fault.as_ref().map(FaultKind::delay).unwrap_or_default().saturating_add(self.inner.config.latency);
        if !delay.is_zero() {
            self.inner.clock.sleep(delay).await;
        }
        if arrival.crash == Some(CrashPoint::BeforeEffect) {
            self.kill();
            return Err(Failure::Broken);
        }
        if let Some(answer) = before_effect(arrival.fault.as_ref()) {
            return Ok(self.finish(&arrival, answer?));
        }
        let outcome = self.perform(&incoming, &arrival);
        self.tell_watchers();
        let reply = match outcome? {
            Outcome::Reply(reply) => reply,
            Outcome::Wait(wait) => {
                let reply = self.wait(&wait).await?;
                self.note_wait(&incoming, &reply);
                reply
            }
        };
        self.inner.changed.notify_waiters();
        if arrival.crash == Some(CrashPoint::BeforeReply) {
            self.kill();
        }
        if self.lock().faults.dead {
            return Err(Failure::Broken);
        }
        let answer = after_effect(arrival.fault.as_ref(), reply)?;
        Ok(self.finish(&arrival, answer))
    }

    /// Logs the request and finds out which fault hits it.
    fn arrive(&self, incoming: &Incoming) -> Result<Arrival, Failure> {
        let at = self.inner.clock.now();
        let mut state = self.lock();
        if state.faults.dead {
            return Err(Failure::Refused);
        }
        let org = identify(&self.inner.config, &state.world.tokens, incoming.authorization.as_deref(), at)
            .map(|caller| caller.label().to_owned())
            .unwrap_or_default();
        let number = state.log.begin(RequestRecord {
            at,
            method: incoming.method.as_str().to_owned(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            status: None,
            org,
            effect: false,
        });
        let fault = state.faults.strike(incoming.method, &incoming.path);
        let crash = state.faults.approach(is_read(incoming.method, &incoming.path));
        Ok(Arrival { number, fault, crash })
    }

    /// Carries the request out.
    fn perform(&self, incoming: &Incoming, arrival: &Arrival) -> Result<Outcome, Failure> {
        let now = self.inner.clock.now();
        let mut state = self.lock();
        if state.faults.dead {
            return Err(Failure::Broken);
        }
        state.advance(now);
        let listing = match &arrival.fault {
            Some(FaultKind::ErrorRegions { regions }) => ListingFault { error_regions: regions.clone(), page: None },
            Some(FaultKind::ShortPage { keep }) => ListingFault { error_regions: Vec::new(), page: Some(*keep) },
            _ => ListingFault::default(),
        };
        let call = match admit(&self.inner.config, &mut state, incoming, listing, now) {
            Ok(call) => call,
            Err(refusal) => return Ok(Outcome::Reply(refusal)),
        };
        if let Some(FaultKind::Late { after_ms }) = arrival.fault {
            let at = after(now, std::time::Duration::from_millis(after_ms));
            state.world.schedule.push(at, Due::LateRequest { number: arrival.number });
            state.late.insert(arrival.number, call);
            return Err(Failure::Broken);
        }
        Ok(state.carry_out(arrival.number, &call))
    }

    /// Waits until a machine is where the caller wants it, or the time is up.
    async fn wait(&self, wait: &Wait) -> Result<Reply, Failure> {
        loop {
            let changed = self.inner.changed.notified();
            let pause = {
                let now = self.inner.clock.now();
                let mut state = self.lock();
                if state.faults.dead {
                    return Err(Failure::Broken);
                }
                state.advance(now);
                if let Some(reply) = wait.poll(&state.world, now) {
                    return Ok(reply);
                }
                let next = state.world.schedule.next().map_or(wait.deadline, |next| next.min(wait.deadline));
                next.signed_duration_since(now).to_std().unwrap_or_default().max(std::time::Duration::from_millis(1))
            };
            tokio::select! {
                () = changed => {}
                () = self.inner.clock.sleep(pause) => {}
            }
        }
    }

    /// Tells the watchers how a wait ended.
    fn note_wait(&self, incoming: &Incoming, reply: &Reply) {
        let at = self.inner.clock.now();
        {
            let mut state = self.lock();
            if state.watchers.is_watched() {
                let exchange = exchange(at, incoming.method, &incoming.path, &incoming.query, &incoming.body, reply);
                state.watchers.note(exchange);
            }
        }
        self.tell_watchers();
    }

    /// Logs the answer and gives it its headers.
    fn finish(&self, arrival: &Arrival, mut answer: Response) -> Response {
        let now = self.inner.clock.now();
        let mut state = self.lock();
        let id = state.request_ids.ulid(now);
        answer.headers.push(("fly-request-id".to_owned(), format!("{id}-{}", self.inner.config.default_region)));
        state.log.amend(arrival.number, |record| record.status = Some(answer.status));
        answer
    }

    /// From now on no request gets through.
    fn kill(&self) {
        self.lock().faults.dead = true;
        self.inner.changed.notify_waiters();
    }
}

impl State {
    /// Lets everything happen that is due by `now`.
    pub(super) fn advance(&mut self, now: chrono::DateTime<chrono::Utc>) {
        while let Some((at, late)) = self.world.step(now) {
            if let Some((number, mut call)) = late.and_then(|number| self.late.remove_entry(&number)) {
                call.now = at;
                self.carry_out(number, &call);
            }
        }
    }

    /// Carries out a call and notes whether it had an effect.
    fn carry_out(&mut self, number: u64, call: &Call) -> Outcome {
        let outcome = dispatch(&mut self.world, call);
        let path = format!("/{}", call.segments.join("/"));
        if let Outcome::Reply(reply) = &outcome
            && self.watchers.is_watched()
        {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
            self.watchers.note(exchange(call.now, call.method, &path, &query, &call.body, reply));
        }
        if let Outcome::Reply(reply) = &outcome
            && !is_read(call.method, &path)
            && (200..300).contains(&reply.status)
        {
            self.log.amend(number, |record| record.effect = true);
            self.world.record(call.now);
        }
        outcome
    }
}

/// What watchers see.
fn exchange(
    at: chrono::DateTime<chrono::Utc>,
    method: Method,
    path: &str,
    query: &str,
    request: &Bytes,
    reply: &Reply,
) -> Exchange {
    Exchange {
        number: 0,
        at,
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        request: request.clone(),
        status: reply.status,
        reply: reply.body.clone(),
    }
}

/// Authenticates a request and counts it towards its limit.
fn admit(
    config: &SimConfig,
    state: &mut State,
    incoming: &Incoming,
    listing: ListingFault,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Call, Reply> {
    let header = incoming.authorization.as_deref();
    let caller = identify(config, &state.world.tokens, header, now).map_err(|unknown| match unknown {
        Unknown::Malformed => Reply::error(401, "malformed authorization header"),
        Unknown::Unauthorized => Reply::error(401, "unauthorized"),
        Unknown::Expired => Reply::unauthorized(),
    })?;
    if caller.access == Access::ReadOnly && !is_read(incoming.method, &incoming.path) {
        return Err(Reply::unauthorized());
    }
    let segments: Vec<String> =
        incoming.path.split('/').filter(|segment| !segment.is_empty()).map(decode_segment).collect();
    if config.rate_limits {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if !state.limits.admit(incoming.method, &segments, now) {
            return Err(Reply::rate_limited());
        }
    }
    let node = incoming.cookie.as_deref().and_then(|cookies| {
        cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("fly_flaps_affinity=")).map(str::to_owned)
    });
    Ok(Call {
        method: incoming.method,
        segments,
        query: url::form_urlencoded::parse(incoming.query.as_bytes()).into_owned().collect(),
        nonce: incoming.nonce.clone(),
        node,
        body: incoming.body.clone(),
        caller,
        now,
        listing,
    })
}

/// A path segment without percent signs. In a path, unlike in a query, `+` is a plus.
fn decode_segment(segment: &str) -> String {
    let escaped = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

/// What a fault answers before the effect, if it does.
fn before_effect(fault: Option<&FaultKind>) -> Option<Result<Response, Failure>> {
    Some(match fault? {
        FaultKind::StatusBefore { status, body } => Ok(raw(*status, body)),
        FaultKind::RateLimited { retry_after } => {
            let mut answer = response(Reply::rate_limited());
            if let Some(seconds) = retry_after {
                answer.headers.push(("retry-after".to_owned(), seconds.to_string()));
            }
            Ok(answer)
        }
        FaultKind::HtmlError => Ok(raw(
            500,
            "<!DOCTYPE html><html><head><title>500</title></head><body><h1>Internal Server Error</h1></body></html>",
        )),
        FaultKind::Refused => Err(Failure::Refused),
        FaultKind::ResetBefore => Err(Failure::Broken),
        FaultKind::TimeoutBefore => Err(Failure::Silence),
        _ => return None,
    })
}

/// What a fault makes of the answer after the effect.
fn after_effect(fault: Option<&FaultKind>, mut reply: Reply) -> Result<Response, Failure> {
    match fault {
        Some(FaultKind::StatusAfter { status, body }) => Ok(raw(*status, body)),
        Some(FaultKind::ResetAfter) => Err(Failure::Broken),
        Some(FaultKind::TimeoutAfter) => Err(Failure::Silence),
        Some(FaultKind::Truncated) => {
            let mut answer = response(reply);
            answer.body.truncate(answer.body.len() / 2);
            Ok(answer)
        }
        Some(FaultKind::EmptyList) => {
            reply.body = reply.body.map(emptied);
            Ok(response(reply))
        }
        _ => Ok(response(reply)),
    }
}

/// A listing without its objects.
fn emptied(body: Value) -> Value {
    match body {
        Value::Array(_) => json!([]),
        Value::Object(mut map) => {
            map.retain(|key, _| key != "next_cursor");
            for value in map.values_mut() {
                if value.is_array() {
                    *value = json!([]);
                }
            }
            if let Some(total) = map.get_mut("total_apps") {
                *total = json!(0);
            }
            Value::Object(map)
        }
        other => other,
    }
}

/// A reply as bytes.
fn response(reply: Reply) -> Response {
    let mut headers = reply.headers;
    let body = reply.body.map_or_else(Bytes::new, |body| {
        headers.push(("content-type".to_owned(), "application/json; charset=utf-8".to_owned()));
        Bytes::from(body.to_string())
    });
    Response { status: reply.status, headers, body }
}

/// An answer with any body; its content type is guessed.
fn raw(status: u16, body: &str) -> Response {
    let kind = match body.trim_start().chars().next() {
        Some('{' | '[') => "application/json; charset=utf-8",
        Some('<') => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    Response { status, headers, body: Bytes::from(body.to_owned()) }
}
