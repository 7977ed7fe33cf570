//! The clients against a scripted transport, on a paused clock.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fake::{TOKEN, answer, broken, connection, refused, timed_out, with_header};
use super::transport::{Method, Response, TransportError};
use super::{Answer, Call, HttpError, Outcome, Problem, ReadClient, WriteClient};
use crate::secret::SecretText;

type Script = Vec<Result<Response, TransportError>>;

fn call() -> Call {
    Call::new("read thing", "t1", &["v1", "things", "t1"])
}

async fn read(script: Script) -> (Vec<i64>, Result<Value, HttpError>) {
    let (fake, connection) = connection(script);
    let result = ReadClient::new(connection).get(call()).await;
    (fake.seconds(), result)
}

async fn write(script: Script, call: Call) -> (usize, Result<Value, HttpError>) {
    let (fake, connection) = connection(script);
    let result = WriteClient::new(connection).send(Method::Post, call).await;
    (fake.lines().len(), result)
}

#[tokio::test(start_paused = true)]
async fn a_read_is_retried_until_it_is_answered() {
    let script = vec![refused(), timed_out(), broken(), answer(503, "<html>"), answer(200, "{}")];
    let (sent, result) = read(script).await;
    assert_eq!(result.unwrap(), json!({}));
    assert_eq!(sent.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_read_gives_up_after_four_retries_and_says_why() {
    let (sent, result) = read(vec![answer(500, r#"{"error":"boom"}"#); 5]).await;
    let error = result.unwrap_err();
    assert_eq!(sent.len(), 5);
    assert_eq!((error.status(), error.outcome(), error.attempts()), (Some(500), Outcome::Transient, 5));
    assert_eq!(
        error.to_string(),
        "could not read thing: GET /v1/things/t1: 500 boom, after 5 attempts (request 01K7REQ-fra)"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_never_answered_is_not_waited_for() {
    let (fake, connection) = connection(vec![refused(); 6]);
    let clock = Arc::clone(&connection.shared.clock);
    let (began, client) = (clock.now(), ReadClient::new(connection));
    let error = client.get::<Value>(call()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Transient);
    assert!(fake.lines().len() > 1 && (clock.now() - began).num_seconds() < 3, "{:?}", fake.seconds());
    // Nor is anybody asked twice for the next call.
    let before = fake.lines().len();
    client.get::<Value>(call()).await.unwrap_err();
    assert_eq!(fake.lines().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_answered_once_is_waited_for() {
    let (fake, connection) = connection([vec![answer(403, "no")], vec![refused(); 5]].concat());
    let client = ReadClient::new(connection);
    client.get::<Value>(call()).await.unwrap_err();
    assert_eq!(client.get::<Value>(call()).await.unwrap_err().attempts(), 5);
    assert_eq!(fake.lines().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_refused_read_is_not_repeated() {
    for status in [301, 400, 401, 403, 404, 409, 422] {
        let (sent, result) = read(vec![answer(status, "no")]).await;
        assert_eq!((sent.len(), result.unwrap_err().outcome()), (1, Outcome::Permanent), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_whole_json_counts_as_lost() {
    for body in ["", r#"{"apps":["#, "<html>sign in</html>", "ok"] {
        let (sent, result) = read(vec![answer(200, body), answer(200, "[]")]).await;
        assert_eq!((sent.len(), result.unwrap()), (2, json!([])), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_in_seconds_and_as_a_date() {
    for value in ["20", "Thu, 01 Oct 2026 00:00:20 GMT"] {
        let (sent, result) = read(vec![with_header(answer(429, ""), "retry-after", value), answer(200, "{}")]).await;
        assert!(result.is_ok());
        assert_eq!(sent, [0, 20], "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_reported_at_once() {
    let (sent, result) = read(vec![with_header(answer(429, ""), "retry-after", "3600")]).await;
    let error = result.unwrap_err();
    assert!(error.is_rate_limited());
    assert_eq!((sent.len(), error.retry_after().unwrap().as_secs()), (1, 3600));
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_back_others_of_the_same_key() {
    let script = vec![with_header(answer(429, ""), "retry-after", "10"), answer(200, "{}"), answer(200, "{}")];
    let (fake, connection) = connection(script);
    let client = ReadClient::new(connection);
    let other = client.clone();
    let (first, second) = tokio::join!(client.get::<Value>(call()), other.get::<Value>(call()));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(fake.seconds(), [0, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_never_repeated_after_an_unknown_outcome() {
    for script in [timed_out(), broken(), answer(408, "x"), answer(500, "x"), answer(503, "x"), answer(504, "x")] {
        let (sent, result) = write(vec![script.clone()], call()).await;
        let error = result.unwrap_err();
        assert_eq!((sent, error.outcome()), (1, Outcome::Unknown), "{script:?}");
        assert!(error.to_string().contains("it may have had its effect all the same"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_without_effect_is_repeated() {
    let (sent, result) = write(vec![refused(), answer(429, ""), answer(200, r#"{"id":1}"#)], call()).await;
    assert_eq!((sent, result.unwrap()), (3, json!({"id": 1})));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_safe_to_replay_is_replayed_twice() {
    let (sent, result) = write(vec![timed_out(), answer(502, ""), answer(200, "{}")], call().replay_safe()).await;
    assert!(result.is_ok());
    assert_eq!(sent, 3);
    let (sent, result) = write(vec![timed_out(); 3], call().replay_safe()).await;
    assert_eq!((sent, result.unwrap_err().outcome()), (3, Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_replay_does_not_prove_that_the_first_attempt_failed() {
    let (sent, result) = write(vec![timed_out(), answer(412, "version")], call().replay_safe()).await;
    let error = result.unwrap_err();
    assert_eq!((sent, error.outcome(), error.status()), (2, Outcome::Unknown, Some(412)));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_makes_no_sense_is_of_unknown_outcome() {
    let (_, result) = write(vec![answer(200, "<html>")], call()).await;
    assert_eq!(result.unwrap_err().outcome(), Outcome::Unknown);
    let (_, connection) = connection(vec![answer(200, r#"{"count":"many"}"#)]);
    let result = WriteClient::new(connection).send::<Vec<u8>>(Method::Post, call()).await;
    let error = result.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(matches!(error.problem(), Problem::Shape { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_refusal_is_an_answer() {
    let (fake, connection) = connection(vec![answer(408, r#"{"error":"not yet"}"#)]);
    let result = ReadClient::new(connection).find::<Value>(call().accepting(&[408])).await;
    let Ok(Answer::Refused { status: 408, message }) = result else { panic!("{result:?}") };
    assert_eq!((message.as_str(), fake.lines().len()), ("not yet", 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_broken_path_is_not_sent() {
    let (fake, connection) = connection(vec![]);
    let call = Call::new("delete machine", "", &["v1", "apps", "chat", "machines", ""]);
    let error = WriteClient::new(connection).tell(Method::Delete, call).await.unwrap_err();
    assert_eq!(fake.lines(), Vec::<String>::new());
    assert!(matches!(error.problem(), Problem::Request { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_affinity_cookie_goes_back_below_its_path() {
    let created = with_header(answer(201, "{}"), "set-cookie", "node=n7; Path=/v1/apps/chat; HttpOnly");
    let (fake, mut connection) = connection(vec![created, answer(200, "{}"), answer(200, "{}")]);
    connection.affinity_cookie = Some("node");
    let client = WriteClient::new(connection);
    client.tell(Method::Post, Call::new("create app", "acme", &["v1", "apps"])).await.unwrap();
    for app in ["chat", "other"] {
        let call = Call::new("read app", app, &["v1", "apps", app]);
        client.reader().get::<Value>(call).await.unwrap();
    }
    assert_eq!(fake.header(0, "cookie"), None);
    assert_eq!(fake.header(1, "cookie").as_deref(), Some("node=n7"));
    assert_eq!(fake.header(2, "cookie"), None);
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_what_they_can_do() {
    let (_, connection) = connection(vec![answer(500, ""), answer(200, "{}"), answer(200, "{}")]);
    let requests = Arc::clone(&connection.shared.requests);
    let client = WriteClient::new(connection);
    client.reader().get::<Value>(call()).await.unwrap();
    client.tell(Method::Put, call()).await.unwrap();
    assert_eq!((requests.reads(), requests.writes()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn neither_token_nor_secret_is_in_any_error() {
    let body = format!(r#"{{"error":"bad header {TOKEN} and value planted-secret and nonce planted-nonce"}}"#);
    let (_, connection) = connection(vec![answer(400, &body)]);
    let call = call()
        .header("fly-machine-lease-nonce", SecretText::new("planted-nonce"))
        .json(&json!({"values": {"KEY": "planted-secret"}}))
        .hiding(SecretText::new("planted-secret"));
    let seen = format!("{call:?} {connection:?}");
    let error = WriteClient::new(connection).tell(Method::Post, call).await.unwrap_err();
    let seen = format!("{seen} {error} {error:?}");
    assert!(!seen.contains("planted"), "{seen}");
    assert!(error.to_string().contains("bad header [REDACTED] and value [REDACTED]"), "{error}");
}

#[test]
fn the_request_log_has_neither_headers_nor_bodies() {
    let log = super::fake::log_of(|| async {
        let script = vec![timed_out(), answer(200, r#"{"value":"planted-answer"}"#)];
        let (_, connection) = connection(script);
        let call = call().query("cursor", "planted-query").json(&json!({"value": "planted-secret"})).replay_safe();
        WriteClient::new(connection).tell(Method::Post, call).await.unwrap();
    });
    assert!(log.contains("POST") && log.contains("/v1/things/t1") && log.contains("01K7REQ-fra"), "{log}");
    assert!(!log.contains("planted"), "{log}");
}
