//! A transport for tests: answers from a script, and remembers what was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::transport::{Request, Response, Transport, TransportError};
use super::{Connection, Shared, Token};
use crate::clock::{SharedClock, VirtualClock};
use crate::random::Random;

/// The token that tests use, to be searched for in everything that is shown.
pub(crate) const TOKEN: &str = "sim_planted-token-value";

/// Plays one answer after the other; runs out with a panic.
#[derive(Debug)]
pub(crate) struct FakeTransport {
    clock: SharedClock,
    script: Mutex<VecDeque<Result<Response, TransportError>>>,
    seen: Mutex<Vec<(DateTime<Utc>, Request)>>,
}

impl FakeTransport {
    /// What was sent, as `METHOD path?query`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |request: &Request| {
            format!("{} {}", request.method.as_str(), request.url.trim_start_matches("https://fly.test"))
        };
        self.seen.lock().unwrap().iter().map(|(_, request)| line(request)).collect()
    }

    /// When each request was sent, in whole seconds since the first.
    pub(crate) fn seconds(&self) -> Vec<i64> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(at, _)| (*at - seen[0].0).num_seconds()).collect()
    }

    /// The value of a header of request number `index`.
    pub(crate) fn header(&self, index: usize, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        seen[index].1.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }
}

#[async_trait::async_trait]
impl Transport for FakeTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let line = format!("{request:?}");
        self.seen.lock().unwrap().push((self.clock.now(), request));
        self.script.lock().unwrap().pop_front().unwrap_or_else(|| panic!("no answer is left for {line}"))
    }
}

/// A transport that plays `script`, and a connection through it. Call inside a paused runtime.
pub(crate) fn connection(script: Vec<Result<Response, TransportError>>) -> (Arc<FakeTransport>, Connection) {
    let epoch = "2026-10-01T00:00:00Z".parse().unwrap();
    let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch));
    let fake = Arc::new(FakeTransport {
        clock: Arc::clone(&clock),
        script: Mutex::new(script.into()),
        seen: Mutex::default(),
    });
    let transport: Arc<dyn Transport> = Arc::<FakeTransport>::clone(&fake);
    let shared = Shared::new(transport, clock, Random::from_seed(1));
    let token = Token::new("FLY_TOKEN_ACME", TOKEN).unwrap();
    (fake, Connection::new("https://fly.test/", token, shared))
}

/// An answer.
#[expect(clippy::unnecessary_wraps, reason = "stands in a script beside errors")]
pub(crate) fn answer(status: u16, body: &str) -> Result<Response, TransportError> {
    let headers = vec![("fly-request-id".to_owned(), "01K7REQ-fra".to_owned())];
    Ok(Response { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) })
}

/// The same with one more header.
pub(crate) fn with_header(
    answer: Result<Response, TransportError>,
    name: &str,
    value: &str,
) -> Result<Response, TransportError> {
    answer.map(|mut response| {
        response.headers.push((name.to_owned(), value.to_owned()));
        response
    })
}

/// No connection.
pub(crate) fn refused() -> Result<Response, TransportError> {
    Err(TransportError::Connect { host: "fly.test".to_owned(), reason: "connection refused".to_owned() })
}

/// No answer in time.
pub(crate) fn timed_out() -> Result<Response, TransportError> {
    Err(TransportError::Timeout { host: "fly.test".to_owned(), after: Duration::from_secs(30) })
}

/// A connection that broke.
pub(crate) fn broken() -> Result<Response, TransportError> {
    Err(TransportError::Broken { host: "fly.test".to_owned(), reason: "connection reset by peer".to_owned() })
}

/// Everything that is logged, at the finest level, while `work` runs on a paused clock.
///
/// A place in the code that another test's thread reaches first, while there is only one subscriber, is taken for
/// silent ever after. So all places are reached once before, and there is a second subscriber while it counts.
pub(crate) fn log_of<F: Future<Output = ()>>(work: impl Fn() -> F) -> String {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work());
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    tracing::subscriber::with_default(subscriber, || runtime.block_on(work()));
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
