//! What faults make of answers.

use bytes::Bytes;
use serde_json::{Value, json};

use super::FaultKind;
use crate::http::transport::Response;
use crate::sim::routes::Reply;
use crate::sim::server::Failure;

/// What a fault answers before the effect, if it does.
pub(in crate::sim) fn before_effect(fault: Option<&FaultKind>) -> Option<Result<Response, Failure>> {
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
pub(in crate::sim) fn after_effect(fault: Option<&FaultKind>, mut reply: Reply) -> Result<Response, Failure> {
    match fault {
        Some(FaultKind::StatusAfter { status, body }) => Ok(raw(*status, body)),
        Some(FaultKind::ResetAfter) => Err(Failure::Broken),
        Some(FaultKind::TimeoutAfter) => Err(Failure::Silence),
        Some(FaultKind::Truncated) => {
            let mut answer = response(reply);
            answer.body.truncate(answer.body.len() / 2);
            Ok(answer)
        }
        Some(FaultKind::NotJson) => Ok(raw(reply.status, "upstream connect error or disconnect/reset before headers")),
        Some(FaultKind::EmptyList) => {
            forget_whole(&mut reply);
            reply.body = reply.body.map(|body| cut_off(body, 0));
            Ok(response(reply))
        }
        Some(FaultKind::PartialList { keep }) => {
            forget_whole(&mut reply);
            reply.body = reply.body.map(|body| cut_off(body, *keep));
            Ok(response(reply))
        }
        _ => Ok(response(reply)),
    }
}

/// Drops the headers by which the list could be known to be longer, or taken for the whole one later.
fn forget_whole(reply: &mut Reply) {
    reply.headers.retain(|(name, _)| !matches!(name.as_str(), "etag" | "link"));
}

/// A listing that ends after `keep` objects and looks complete. Anything else stays as it is.
fn cut_off(body: Value, keep: usize) -> Value {
    match body {
        Value::Array(mut list) => {
            list.truncate(keep);
            Value::Array(list)
        }
        Value::Object(mut map) => {
            map.remove("next_cursor");
            map.remove("pagination");
            let mut kept = 0;
            for list in map.values_mut().filter_map(Value::as_array_mut) {
                list.truncate(keep);
                kept = kept.max(list.len());
            }
            if let Some(total) = map.get_mut("total_apps") {
                *total = json!(kept);
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
    let (kind, body) = match body.trim_start().chars().next() {
        None => ("application/json; charset=utf-8", json!({"error": reason(status)}).to_string()),
        Some('{' | '[') => ("application/json; charset=utf-8", body.to_owned()),
        Some('<') => ("text/html; charset=utf-8", body.to_owned()),
        Some(_) => ("text/plain; charset=utf-8", body.to_owned()),
    };
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    Response { status, headers, body: Bytes::from(body) }
}

/// What an answer says to which a fault gives no body.
fn reason(status: u16) -> String {
    let known = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.unwrap_or("injected by a fault").to_lowercase()
}
