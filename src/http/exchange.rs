//! One call, from the first attempt to its end: paced, counted, logged, retried where that is harmless.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::call::Call;
use super::client::Connection;
use super::cookies::AffinityCookies;
use super::error::{
    Circumstances, HttpError, Problem, describe_body, describe_mismatch, exhausted_until, request_id, status_problem,
};
use super::limiter::LimitKey;
use super::quotas::Quota;
use super::retry::{History, Outcome, Reply};
use super::transport::{Method, Request, Response, TransportError};

/// The longest pause that a `Retry-After` header can cause; a mistaken header must not stop a controller for a day.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long a first connection is tried. Who has never answered is likely not there, or its address is wrong, and a person waits.
const FIRST_CONTACT: Duration = Duration::from_secs(3);

/// What a client sends its calls through.
#[derive(Debug)]
pub(super) struct Exchange {
    connection: Connection,
    cookies: AffinityCookies,
}

/// What must be in an answer with a 2xx status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    /// Anything, or nothing.
    Anything,
    /// Whole JSON.
    Json,
}

/// What was wrong with one attempt.
#[derive(Debug)]
struct Flaw {
    reply: Reply,
    problem: Problem,
    response: Option<Response>,
}

impl Exchange {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, cookies: AffinityCookies::default() }
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends `call` until it is done or may not be sent again.
    pub(super) async fn send(&self, method: Method, call: &Call, expects: Expects) -> Result<Response, HttpError> {
        if let Some(defect) = &call.defect {
            let problem = Problem::Request { reason: defect.clone() };
            return Err(self.error(problem, method, call, Outcome::Permanent, 0, None));
        }
        let shared = &self.connection.shared;
        let policy = self.connection.retry;
        let key = LimitKey {
            token: self.connection.token.label().to_owned(),
            account: call.account.clone(),
            action: call.lane.unwrap_or(call.action),
            object: if call.lane.is_some() { String::new() } else { call.object.clone() },
        };
        let timeout = call.timeout.unwrap_or(self.connection.timeout_of(method));
        let mut delays = policy.delays(&shared.random);
        let mut history = History::default();
        let mut began = None;
        loop {
            shared.limiter.wait(&key, call.rate).await;
            let began = *began.get_or_insert_with(|| shared.clock.now());
            let result = self.attempt(method, call, timeout).await;
            if let Some(quota) = result.as_ref().ok().and_then(Quota::told) {
                shared.quotas.note(&key, quota);
                // The next one would be refused. What takes longer is told to whoever asks for it.
                let wait = (quota.resets_at - shared.clock.now()).to_std().unwrap_or_default();
                if quota.left == 0 && wait <= LONGEST_PAUSE {
                    shared.limiter.pause(&key, wait);
                }
            }
            let Flaw { reply, problem, response } = match self.judge(call, expects, result) {
                Ok(response) => return Ok(response),
                Err(flaw) => flaw,
            };
            let outcome = Outcome::of(method, reply);
            let overall = history.add(outcome);
            let now = shared.clock.now();
            let retry_after = response.as_ref().and_then(|response| retry_after(response, now));
            let exhausted = response.as_ref().and_then(exhausted_until);
            let delay = delays.next().unwrap_or(policy.longest_delay).max(retry_after.unwrap_or_default());
            // Once nothing is left, the caller is told until when: an hour is too long to hold it back here.
            if reply == Reply::Status(429) && exhausted.is_none() {
                shared.limiter.pause(&key, delay.min(LONGEST_PAUSE));
            }
            let elapsed = (shared.clock.now() - began).to_std().unwrap_or_default();
            let has_contact = reply != Reply::NotSent || shared.requests.is_answered();
            let deadline = if has_contact {
                policy.deadline.max(timeout)
            } else if shared.requests.is_unheard() {
                Duration::ZERO
            } else {
                FIRST_CONTACT
            };
            let in_time = elapsed.saturating_add(delay) <= deadline;
            if !in_time || !history.may_retry(&policy, outcome, call.replay_safe) {
                if !has_contact {
                    shared.requests.note_unheard();
                }
                let error = self.error(problem, method, call, overall, history.attempts, response.as_ref());
                return Err(error.with_retry_after(retry_after));
            }
            shared.clock.sleep(delay).await;
        }
    }

    /// Reads the JSON in `response`, the answer to `call`.
    pub(super) fn decode<T: DeserializeOwned>(
        &self,
        method: Method,
        call: &Call,
        response: &Response,
    ) -> Result<T, HttpError> {
        serde_json::from_slice(&response.body).map_err(|error| {
            let problem = Problem::Shape { reason: describe_mismatch(&error) };
            // The provider did what was asked, but what it made cannot be told: the planner has to look.
            let outcome = if method.is_read() { Outcome::Permanent } else { Outcome::Unknown };
            self.error(problem, method, call, outcome, 1, Some(response))
        })
    }

    /// The error that `response` is, a refusal that the call accepts.
    pub(super) fn refusal(&self, method: Method, call: &Call, response: &Response) -> HttpError {
        self.error(self.problem_of(call, response), method, call, Outcome::Permanent, 1, Some(response))
    }

    /// The message in `response`, a refusal that the call accepts.
    pub(super) fn message(&self, call: &Call, response: &Response) -> String {
        match self.problem_of(call, response) {
            Problem::Status { message, .. } => message,
            _ => String::new(),
        }
    }

    #[expect(clippy::result_large_err, reason = "a flaw is looked at once and never travels")]
    fn judge(&self, call: &Call, expects: Expects, result: Result<Response, TransportError>) -> Result<Response, Flaw> {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let reply = if error.may_have_had_effect() { Reply::Lost } else { Reply::NotSent };
                return Err(Flaw { reply, problem: Problem::Transport(error), response: None });
            }
        };
        let status = response.status;
        if call.accepted.contains(&status) {
            return Ok(response);
        }
        if !(200..300).contains(&status) {
            let problem = self.problem_of(call, &response);
            // GitHub says 403 where others say 429.
            let is_throttled =
                status == 403 && (response.header("retry-after").is_some() || exhausted_until(&response).is_some());
            let reply = if call.harmless.contains(&status) {
                Reply::Undone
            } else {
                Reply::Status(if is_throttled { 429 } else { status })
            };
            return Err(Flaw { reply, problem, response: Some(response) });
        }
        if expects == Expects::Json && serde_json::from_slice::<IgnoredAny>(&response.body).is_err() {
            let problem = Problem::NotJson { status, found: describe_body(&response.body) };
            return Err(Flaw { reply: Reply::Lost, problem, response: Some(response) });
        }
        Ok(response)
    }

    async fn attempt(&self, method: Method, call: &Call, timeout: Duration) -> Result<Response, TransportError> {
        let shared = &self.connection.shared;
        shared.requests.count(method);
        let began = shared.clock.now();
        let result = shared.transport.send(self.request(method, call, timeout)).await;
        let ms = (shared.clock.now() - began).num_milliseconds();
        let (method, path) = (method.as_str(), call.path.as_str());
        match &result {
            Ok(response) => {
                shared.requests.note_answer();
                if let Some(name) = self.connection.affinity_cookie {
                    self.cookies.remember(name, response);
                }
                let (status, request_id) = (response.status, request_id(response).unwrap_or("-"));
                tracing::debug!(method, path, status, ms, request_id, "request");
            }
            Err(error) => tracing::debug!(method, path, ms, %error, "request without an answer"),
        }
        result
    }

    fn request(&self, method: Method, call: &Call, timeout: Duration) -> Request {
        let mut headers = Vec::new();
        if let Some(authorization) = self.connection.token.authorization() {
            headers.push(("authorization".to_owned(), authorization.expose().to_owned()));
        }
        if !self.connection.headers.iter().any(|(name, _)| *name == "accept") {
            headers.push(("accept".to_owned(), "application/json".to_owned()));
        }
        headers.extend(self.connection.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if call.body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if let Some(name) = self.connection.affinity_cookie
            && let Some(value) = self.cookies.value_for(&call.path)
        {
            headers.push(("cookie".to_owned(), format!("{name}={value}")));
        }
        headers.extend(call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.expose().to_owned())));
        Request {
            method,
            url: format!("{}{}", self.connection.base_url.trim_end_matches('/'), call.target()),
            headers,
            body: call.body.clone().unwrap_or_default(),
            timeout,
        }
    }

    fn problem_of(&self, call: &Call, response: &Response) -> Problem {
        let token = self.connection.token.value();
        let hidden = call.hidden.iter().chain(call.headers.iter().map(|(_, value)| value)).chain([token]);
        status_problem(response, hidden.map(super::super::secret::SecretText::expose))
    }

    fn error(
        &self,
        problem: Problem,
        method: Method,
        call: &Call,
        outcome: Outcome,
        attempts: u32,
        response: Option<&Response>,
    ) -> HttpError {
        let token = self.connection.token.label();
        HttpError::new(problem, &Circumstances { call, method, token, outcome, attempts, response })
    }
}

/// How long `response` asks to wait: `Retry-After` in seconds or as a date, or until the provider counts anew.
fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    if let Some(until) = exhausted_until(response) {
        return Some((until - now).to_std().unwrap_or_default());
    }
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = DateTime::parse_from_rfc2822(text).ok()?;
    Some((moment.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}
