//! Why a call failed, with everything that a person, a provider's support or a planner needs to know about it.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::call::Call;
use super::retry::Outcome;
use super::transport::{Method, Response, TransportError};
use crate::secret::{REDACTED, SecretText};

/// Headers in which providers tell the id of a request.
const REQUEST_ID_HEADERS: [&str; 4] = ["fly-request-id", "x-vercel-id", "x-github-request-id", "x-request-id"];

/// The longest part of a provider's message that is kept, in characters.
const MESSAGE_LIMIT: usize = 400;

/// A failed call.
#[derive(Debug, Clone)]
pub struct HttpError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    action: &'static str,
    method: Method,
    path: String,
    token: String,
    problem: Problem,
    outcome: Outcome,
    attempts: u32,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    exhausted_until: Option<DateTime<Utc>>,
    details: BTreeMap<String, String>,
}

/// What was wrong with a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The provider answered with a status that the call does not expect.
    Status {
        /// The status.
        status: u16,
        /// What the provider said, shortened; empty if nothing.
        message: String,
        /// The provider's own word for it, where it gave one (`name_taken`, `insufficient_capacity`).
        code: Option<String>,
    },
    /// There was no answer.
    Transport(TransportError),
    /// The answer is not whole JSON: cut off, empty, or a page meant for people.
    NotJson {
        /// The status.
        status: u16,
        /// What came instead.
        found: String,
    },
    /// The answer is JSON of a shape that Hangar does not know.
    Shape {
        /// What does not fit, without values.
        reason: String,
    },
    /// The call cannot be sent.
    Request {
        /// Why not.
        reason: String,
    },
}

/// What the exchange knows about a call when it fails.
pub(super) struct Circumstances<'a> {
    pub(super) call: &'a Call,
    pub(super) method: Method,
    pub(super) token: &'a str,
    pub(super) outcome: Outcome,
    pub(super) attempts: u32,
    pub(super) response: Option<&'a Response>,
}

impl HttpError {
    pub(super) fn new(problem: Problem, at: &Circumstances<'_>) -> Self {
        Self(Box::new(Failure {
            action: at.call.action,
            method: at.method,
            path: at.call.path.clone(),
            token: at.token.to_owned(),
            problem,
            outcome: at.outcome,
            attempts: at.attempts,
            request_id: at.response.and_then(request_id).map(str::to_owned),
            retry_after: None,
            exhausted_until: at.response.and_then(exhausted_until),
            details: at.response.map(|response| details(response, at.call)).unwrap_or_default(),
        }))
    }

    pub(super) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// What was wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The kind of call, such as `update machine`.
    pub fn action(&self) -> &'static str {
        self.0.action
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The name of the token that was used.
    pub fn token(&self) -> &str {
        &self.0.token
    }

    /// What the call came to: [`Outcome::Unknown`] if any attempt may have had its effect.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// How many times it was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The provider's id of the last request; its support asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the provider asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// When the provider counts anew, if it refused because the token has used up its requests (`x-ratelimit-remaining: 0`).
    pub fn exhausted_until(&self) -> Option<DateTime<Utc>> {
        self.0.exhausted_until
    }

    /// The status of the last answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match &self.0.problem {
            Problem::Status { status, .. } | Problem::NotJson { status, .. } => Some(*status),
            Problem::Transport(_) | Problem::Shape { .. } | Problem::Request { .. } => None,
        }
    }

    /// What the provider said; empty if nothing.
    pub fn message(&self) -> &str {
        match &self.0.problem {
            Problem::Status { message, .. } => message,
            _ => "",
        }
    }

    /// The provider's own word for the error.
    pub fn code(&self) -> Option<&str> {
        match &self.0.problem {
            Problem::Status { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// What else the provider said beside code and message, by its name for it (Vercel: `gitBranch`, `projectId`).
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.0.details.get(name).map(String::as_str)
    }

    /// Whether the provider said 404. Not a proof of absence: the token may just not see it.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the provider said 401 or 403.
    pub fn is_denied(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the provider said 429.
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(429)
    }

    /// Whether the write may have had its effect all the same.
    pub fn may_have_had_effect(&self) -> bool {
        self.0.outcome == Outcome::Unknown
    }
}

impl std::error::Error for HttpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.problem {
            Problem::Transport(error) => Some(error),
            _ => None,
        }
    }
}

impl Display for HttpError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let failure = &*self.0;
        write!(f, "could not {}: {} {}: {}", failure.action, failure.method.as_str(), failure.path, failure.problem)?;
        if failure.attempts > 1 {
            write!(f, ", after {} attempts", failure.attempts)?;
        }
        if failure.outcome == Outcome::Unknown {
            f.write_str("; it may have had its effect all the same")?;
        }
        if let Some(id) = &failure.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status { status, message, .. } if message.is_empty() => write!(f, "{status} without a message"),
            Self::Status { status, message, .. } => write!(f, "{status} {message}"),
            Self::Transport(error) => write!(f, "{error}"),
            Self::NotJson { status, found } => write!(f, "{status} with {found} in place of JSON"),
            Self::Shape { reason } => write!(f, "the answer has a shape that is not known: {reason}"),
            Self::Request { reason } => write!(f, "{reason}"),
        }
    }
}

/// The provider's id of the request that `response` answers.
pub(super) fn request_id(response: &Response) -> Option<&str> {
    REQUEST_ID_HEADERS.iter().find_map(|name| response.header(name))
}

/// When the provider counts anew, if `response` refuses because nothing is left of what the token may ask. GitHub does so with 403 or 429.
pub(super) fn exhausted_until(response: &Response) -> Option<DateTime<Utc>> {
    if !matches!(response.status, 403 | 429) || response.header("x-ratelimit-remaining")?.trim() != "0" {
        return None;
    }
    DateTime::from_timestamp(response.header("x-ratelimit-reset")?.trim().parse().ok()?, 0)
}

/// The problem in an answer whose status is not expected. Texts in `hidden` are cut out.
pub(super) fn status_problem<'a>(response: &Response, hidden: impl Iterator<Item = &'a str>) -> Problem {
    let (mut message, mut code) = read_body(&response.body);
    // A value of one to three characters would cut up words that have nothing to do with it.
    for secret in hidden.filter(|secret| secret.len() >= 4) {
        message = message.replace(secret, REDACTED);
        code = code.filter(|code| !code.contains(secret));
    }
    Problem::Status { status: response.status, message: shorten(&message), code }
}

/// A word for what `body` is, where JSON was expected.
pub(super) fn describe_body(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start();
    if text.is_empty() {
        "an empty body".to_owned()
    } else if text.starts_with('<') {
        "an HTML page".to_owned()
    } else if text.starts_with(['{', '[']) {
        "a body that is cut off".to_owned()
    } else {
        "plain text".to_owned()
    }
}

/// What serde said about an answer, without the values that it quotes.
pub(super) fn describe_mismatch(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match (text.find('"'), text.rfind('"')) {
        (Some(from), Some(to)) if from < to => {
            let before = text.get(..from).unwrap_or_default();
            let after = text.get(to.saturating_add(1)..).unwrap_or_default();
            format!("{before}(a text){after}")
        }
        _ => text,
    }
}

/// Message and code of an error body, whatever its shape: `error`, `message`, `error.message`, `errors[].message`, text, HTML.
fn read_body(body: &Bytes) -> (String, Option<String>) {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
        return (read_text(&String::from_utf8_lossy(body)), None);
    };
    let nested = fields.get("error").filter(|error| error.is_object());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let message = text(fields.get("error"))
        .or_else(|| text(nested.and_then(|error| error.get("message"))))
        .or_else(|| text(fields.get("message")))
        .or_else(|| text(fields.get("errors").and_then(|errors| errors.get(0)).and_then(|error| error.get("message"))))
        .unwrap_or_default();
    let code = text(nested.and_then(|error| error.get("code")))
        .or_else(|| text(fields.get("code")))
        .or_else(|| text(fields.get("status")))
        .filter(|code| code != "error" && code != "unknown");
    (message, code)
}

/// The short texts and flags in the `error` object of a body, and lists of texts joined by commas. What may hold a secret of the call is
/// left out.
fn details(response: &Response, call: &Call) -> BTreeMap<String, String> {
    if response.status < 400 {
        return BTreeMap::new();
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        _ => None,
    };
    let is_open = |name: &str, text: &str| {
        let shows = |secret: &SecretText| !secret.is_empty() && text.contains(secret.expose());
        name != "value" && text.chars().count() <= MESSAGE_LIMIT && !call.hidden.iter().any(shows)
    };
    let fields = body.get("error").and_then(Value::as_object).into_iter().flatten();
    let known = fields.filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    known.filter(|(name, text)| is_open(name, text)).collect()
}

/// A text body as it is, and the title of an HTML page.
fn read_text(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let title =
        text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title.trim());
    match title {
        Some(title) if !title.is_empty() => format!("an HTML page titled `{title}`"),
        _ => "an HTML page".to_owned(),
    }
}

/// One line of at most [`MESSAGE_LIMIT`] characters, without control characters.
fn shorten(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= MESSAGE_LIMIT {
        return line;
    }
    let mut short: String = line.chars().take(MESSAGE_LIMIT).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(body: &str) -> (String, Option<String>) {
        let response = Response { status: 422, headers: Vec::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        match status_problem(&response, ["hunter22"].into_iter()) {
            Problem::Status { message, code, .. } => (message, code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_shape_of_error_body_gives_its_message() {
        let cases = [
            (r#"{"error":"gone","status":"name_taken","details":{}}"#, "gone", Some("name_taken")),
            (r#"{"error":"gone","status":"unknown"}"#, "gone", None),
            (r#"{"message":"gone"}"#, "gone", None),
            (r#"{"status":"error","message":"held","code":"invalid"}"#, "held", Some("invalid")),
            (r#"{"error":{"code":"bad_request","message":"gone"}}"#, "gone", Some("bad_request")),
            (r#"{"errors":[{"message":"gone"}]}"#, "gone", None),
            ("upstream\n  timed out\u{7}", "upstream timed out", None),
            ("<html><head><title>500 Oops</title></head></html>", "an HTML page titled `500 Oops`", None),
            ("<!doctype html><p>x", "an HTML page", None),
            ("", "", None),
            ("{}", "", None),
            (r#"{"error":"bad value hunter22!"}"#, "bad value [REDACTED]!", None),
        ];
        for (body, message, code) in cases {
            assert_eq!(problem(body), (message.to_owned(), code.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(problem(&"ü".repeat(9000)).0.chars().count(), MESSAGE_LIMIT + 1);
    }

    #[test]
    fn a_mismatch_is_described_without_the_value() {
        let error = serde_json::from_str::<u64>(r#""top \" secret""#).unwrap_err();
        let text = describe_mismatch(&error);
        assert!(!text.contains("secret") && text.contains("expected u64"), "{text}");
    }
}
