//! What happens to each request, from its arrival to its answer.
//!
//! ```text
//! arrive (log, faults, kill point) ─> edits, clock jumps ─> latency ─> advance the world ─> authenticate ─> limits ─> route ─> answer or failure
//! ```

use std::time::Duration;

use bytes::Bytes;

use super::auth::{Caller, Unknown, identify};
use super::config::{Access, SimConfig};
use super::faults::meddle::Before;
use super::faults::spoil::{after_effect, before_effect};
use super::faults::{CrashPoint, FaultKind, Struck};
use super::github;
use super::log::{RequestRecord, is_read};
use super::neon;
use super::registry;
use super::routes::{Call, Envelope, ListingFault, Outcome, Reply, Wait, dispatch};
use super::supabase;
use super::vercel;
use super::watch::Exchange;
use super::world::schedule::{Due, after, before};
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
    /// Scheme and host that it was sent to, for addresses in answers.
    pub(super) base: String,
    pub(super) user_agent: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) request_id: Option<String>,
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

/// Tells the listeners that a request has ended, however it ends: also when the caller hangs up.
struct Ending<'a> {
    simulator: &'a Simulator,
    number: u64,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.simulator.tell_listeners(self.number);
    }
}

/// Fly's header for the id of a request.
const FLY_ID: &str = "fly-request-id";
/// Vercel's.
const VERCEL_ID: &str = "x-vercel-id";

/// The header in which whoever serves a request tells its id.
fn id_header(path: &str, authorization: Option<&str>) -> &'static str {
    if github::serves(path) {
        "x-github-request-id"
    } else if neon::serves(path) || supabase::serves(path, authorization) {
        "x-request-id"
    } else {
        FLY_ID
    }
}

/// What was found out about a request on arrival.
struct Arrival {
    number: u64,
    /// The header in which whoever answers tells the id of the request.
    id_header: &'static str,
    struck: Struck,
    crash: Option<CrashPoint>,
}

impl Simulator {
    /// Answers one request, or fails as the faults want it.
    pub(super) async fn exchange(&self, incoming: Incoming) -> Result<Response, Failure> {
        let arrival = self.arrive(&incoming)?;
        let _ending = Ending { simulator: self, number: arrival.number };
        self.happen_beside(&incoming, &arrival);
        let fault = arrival.struck.spoil.as_ref();
        let delay = arrival.struck.delay.saturating_add(self.inner.config.latency);
        if !delay.is_zero() {
            self.inner.clock.sleep(delay).await;
        }
        if arrival.crash == Some(CrashPoint::BeforeEffect) {
            self.kill();
            return Err(Failure::Broken);
        }
        if let Some(answer) = before_effect(fault) {
            return Ok(self.finish(&arrival, answer?));
        }
        let outcome = self.perform(&incoming, &arrival);
        self.tell_watchers();
        let reply = match outcome? {
            Outcome::Reply(reply) => reply,
            Outcome::Wait(wait) => {
                let reply = self.wait(&wait).await?;
                self.note_wait(&incoming, &arrival, &reply);
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
        let answer = after_effect(fault, reply)?;
        Ok(self.finish(&arrival, answer))
    }

    /// Logs the request and finds out which fault hits it.
    fn arrive(&self, incoming: &Incoming) -> Result<Arrival, Failure> {
        let at = self.inner.clock.now();
        let mut state = self.lock();
        if state.faults.dead {
            return Err(Failure::Refused);
        }
        let of_path = id_header(&incoming.path, incoming.authorization.as_deref());
        let id_header = if self.is_vercel(incoming) { VERCEL_ID } else { of_path };
        let org = identify(&self.inner.config, &state.world.tokens, incoming.authorization.as_deref(), at)
            .map(|caller| caller.label().to_owned())
            .unwrap_or_default();
        let struck = state.faults.strike(incoming.method, &incoming.path, at);
        let number = state.log.begin(RequestRecord {
            number: 0,
            at,
            method: incoming.method.as_str().to_owned(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            status: None,
            org,
            effect: false,
            faults: struck.names.clone(),
        });
        let crash = state.faults.approach(is_read(incoming.method, &incoming.path));
        Ok(Arrival { number, id_header, struck, crash })
    }

    /// Lets happen what faults want to happen before the request is looked at. What the platform refuses does not happen.
    fn happen_beside(&self, incoming: &Incoming, arrival: &Arrival) {
        if arrival.struck.jump != 0 {
            self.jump_clock(arrival.struck.jump);
        }
        let before = Before { number: arrival.number, path: &incoming.path, body: &incoming.body };
        for (edit, draw) in &arrival.struck.edits {
            if let Err(error) = self.meddle_before(edit, *draw, Some(&before)) {
                tracing::debug!(action = edit.action.name(), %error, "an edit was refused");
            }
        }
    }

    /// Carries the request out.
    fn perform(&self, incoming: &Incoming, arrival: &Arrival) -> Result<Outcome, Failure> {
        let true_now = self.inner.clock.now();
        let mut state = self.lock();
        if state.faults.dead {
            return Err(Failure::Broken);
        }
        let now = state.platform_time(true_now);
        state.advance(now);
        let listing = match &arrival.struck.spoil {
            Some(FaultKind::ErrorRegions { regions }) => ListingFault { error_regions: regions.clone(), page: None },
            Some(FaultKind::ShortPage { keep }) => ListingFault { error_regions: Vec::new(), page: Some(*keep) },
            _ => ListingFault::default(),
        };
        let call = match admit(&self.inner.config, &mut state, incoming, &listing, true_now) {
            // Limits go by the true time, all else by the platform's clock.
            Ok(mut call) => {
                call.envelope.number = arrival.number;
                call.envelope.arrived = state.log.arrived();
                Call { now, ..call }
            }
            Err(refusal) => return Ok(Outcome::Reply(refusal)),
        };
        match arrival.struck.spoil {
            Some(FaultKind::Late { after_ms }) => {
                let at = after(now, Duration::from_millis(after_ms));
                state.world.schedule.push(at, Due::LateRequest { number: arrival.number });
                state.late.insert(arrival.number, call);
                Err(Failure::Broken)
            }
            Some(FaultKind::Stale { seconds }) if is_read(call.method, &incoming.path) => {
                Ok(state.look_back(arrival.number, call, Duration::from_secs(seconds)))
            }
            _ => Ok(state.carry_out(arrival.number, &call)),
        }
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
                let now = state.platform_time(now);
                state.advance(now);
                if let Some(reply) = wait.poll(&state.world, now) {
                    return Ok(reply);
                }
                let next = state.world.schedule.next().map_or(wait.deadline, |next| next.min(wait.deadline));
                next.signed_duration_since(now).to_std().unwrap_or_default().max(Duration::from_millis(1))
            };
            tokio::select! {
                () = changed => {}
                () = self.inner.clock.sleep(pause) => {}
            }
        }
    }

    /// Tells the watchers how a wait ended.
    fn note_wait(&self, incoming: &Incoming, arrival: &Arrival, reply: &Reply) {
        let at = self.now();
        {
            let mut state = self.lock();
            if state.watchers.is_watched() {
                let mut exchange =
                    exchange(at, incoming.method, &incoming.path, &incoming.query, &incoming.body, reply);
                exchange.faults.clone_from(&arrival.struck.names);
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
        let region = &self.inner.config.default_region;
        let id = match arrival.id_header {
            FLY_ID => format!("{id}-{region}"),
            VERCEL_ID => format!("{region}1::{id}"),
            _ => id,
        };
        answer.headers.push((arrival.id_header.to_owned(), id));
        state.log.amend(arrival.number, |record| record.status = Some(answer.status));
        answer
    }

    /// Whether it is Vercel that answers.
    fn is_vercel(&self, incoming: &Incoming) -> bool {
        let path = &incoming.path;
        let is_elsewhere = github::serves(path) || neon::serves(path) || registry::serves(path);
        !is_elsewhere && vercel::serves(&self.inner.config, &incoming.path, incoming.authorization.as_deref())
    }

    /// From now on no request gets through.
    fn kill(&self) {
        self.lock().faults.dead = true;
        self.inner.changed.notify_waiters();
    }
}

impl State {
    /// Answers a read from the past: the world as it was `ago` before the call, or as long ago as is known.
    fn look_back(&mut self, number: u64, mut call: Call, ago: Duration) -> Outcome {
        let then = before(call.now, ago);
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        let header = call.envelope.authorization.as_deref();
        let is_vercel = vercel::is_served(&self.world.config, &segments, header);
        if github::is_served(&segments) || neon::is_served(&segments) || is_vercel {
            call.envelope.as_of = Some(then);
            return self.carry_out(number, &call);
        }
        let past = self.world.past(then);
        let Some(mut past) = past else { return self.carry_out(number, &call) };
        call.now = then;
        std::mem::swap(&mut self.world.apps, &mut past);
        let outcome = self.carry_out(number, &call);
        std::mem::swap(&mut self.world.apps, &mut past);
        outcome
    }

    /// Lets everything happen that is due by `now`.
    pub(super) fn advance(&mut self, now: chrono::DateTime<chrono::Utc>) {
        while let Some((at, late)) = self.world.step(now) {
            if let Some((number, mut call)) = late.and_then(|number| self.late.remove_entry(&number)) {
                call.now = at;
                // It comes by itself: nothing else is under way with it.
                call.envelope.number = self.log.arrived();
                self.carry_out(number, &call);
                self.log.ended_late(number);
            }
        }
        self.world.neon.advance(now);
    }

    /// Carries out a call and notes whether it had an effect.
    fn carry_out(&mut self, number: u64, call: &Call) -> Outcome {
        let outcome = dispatch(&mut self.world, call);
        let path = format!("/{}", call.segments.join("/"));
        if let Outcome::Reply(reply) = &outcome
            && self.watchers.is_watched()
        {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
            let mut exchange = exchange(call.now, call.method, &path, &query, &call.body, reply);
            exchange.faults = self.log.faults_of(number);
            self.watchers.note(exchange);
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
        faults: Vec::new(),
    }
}

/// Authenticates a request and counts it towards its limit.
fn admit(
    config: &SimConfig,
    state: &mut State,
    incoming: &Incoming,
    listing: &ListingFault,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Call, Reply> {
    let call = |caller, segments: Vec<String>, node| Call {
        method: incoming.method,
        segments,
        query: url::form_urlencoded::parse(incoming.query.as_bytes()).into_owned().collect(),
        nonce: incoming.nonce.clone(),
        node,
        envelope: Envelope {
            base: incoming.base.clone(),
            authorization: incoming.authorization.clone(),
            user_agent: incoming.user_agent.clone(),
            if_none_match: incoming.if_none_match.clone(),
            number: 0,
            arrived: 0,
            request_id: incoming.request_id.clone(),
            as_of: None,
        },
        body: incoming.body.clone(),
        caller,
        now,
        listing: listing.clone(),
    };
    let segments: Vec<String> =
        incoming.path.split('/').filter(|segment| !segment.is_empty()).map(decode_segment).collect();
    let is_vercel = vercel::serves(config, &incoming.path, incoming.authorization.as_deref());
    let is_supabase = supabase::serves(&incoming.path, incoming.authorization.as_deref());
    let is_elsewhere =
        github::serves(&incoming.path) || neon::serves(&incoming.path) || registry::serves(&incoming.path);
    if is_elsewhere || is_supabase || is_vercel {
        // They know their own callers and limits.
        return Ok(call(Caller::everybody(), segments, None));
    }
    let header = incoming.authorization.as_deref();
    let caller = identify(config, &state.world.tokens, header, now).map_err(|unknown| match unknown {
        Unknown::Malformed => Reply::error(401, "malformed authorization header"),
        Unknown::Unauthorized => Reply::error(401, "unauthorized"),
        Unknown::Expired => Reply::unauthorized(),
    })?;
    if caller.access == Access::ReadOnly && !is_read(incoming.method, &incoming.path) {
        return Err(Reply::unauthorized());
    }
    if config.rate_limits {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if !state.limits.admit(incoming.method, &segments, now) {
            return Err(Reply::rate_limited());
        }
    }
    let node = incoming.cookie.as_deref().and_then(|cookies| {
        cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("fly_flaps_affinity=")).map(str::to_owned)
    });
    Ok(call(caller, segments, node))
}

/// A path segment without percent signs. In a path, unlike in a query, `+` is a plus.
fn decode_segment(segment: &str) -> String {
    let escaped = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}
