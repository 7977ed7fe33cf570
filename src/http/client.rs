//! The two clients: one that only reads, and one that also writes.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::call::Call;
use super::error::HttpError;
use super::exchange::{Exchange, Expects};
use super::lanes::Lanes;
use super::limiter::Limiter;
use super::quotas::Quotas;
use super::requests::Requests;
use super::retry::RetryPolicy;
use super::token::Token;
use super::transport::{Method, Response, SharedTransport};
use crate::clock::SharedClock;
use crate::random::Random;

/// What all connections of a run have in common.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Where requests go.
    pub transport: SharedTransport,
    /// The pace of every key.
    pub limiter: Arc<Limiter>,
    /// The run's clock.
    pub clock: SharedClock,
    /// The run's generator, for jitter.
    pub random: Random,
    /// Counts what is sent.
    pub requests: Arc<Requests>,
    /// What providers say is left.
    pub quotas: Arc<Quotas>,
    /// What only one writer at a time may change.
    pub lanes: Arc<Lanes>,
}

impl Shared {
    /// What a run shares, with a new limiter and a counter at zero.
    pub fn new(transport: SharedTransport, clock: SharedClock, random: Random) -> Self {
        let limiter = Arc::new(Limiter::new(Arc::clone(&clock)));
        Self {
            transport,
            limiter,
            clock,
            random,
            requests: Arc::default(),
            quotas: Arc::default(),
            lanes: Arc::default(),
        }
    }
}

/// One provider's API, spoken to with one token.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Scheme and host, such as `https://api.machines.dev`; paths come behind it.
    pub base_url: String,
    /// The token.
    pub token: Token,
    /// What all connections of the run have in common.
    pub shared: Shared,
    /// How calls are retried.
    pub retry: RetryPolicy,
    /// How long a read may take, unless the call says otherwise.
    pub read_timeout: Duration,
    /// How long a write may take, unless the call says otherwise.
    pub write_timeout: Duration,
    /// The name of the cookie that keeps requests about one object on one node, where the provider has one.
    pub affinity_cookie: Option<&'static str>,
    /// Headers of every request, in lower case; none of them is secret. An `accept` here takes the place of `application/json`.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Connection {
    /// A connection with the usual time limits: 30 seconds for a read, a minute for a write (creating a machine includes fetching its
    /// image's manifest), no cookies.
    pub fn new(base_url: impl Into<String>, token: Token, shared: Shared) -> Self {
        Self {
            base_url: base_url.into(),
            token,
            shared,
            retry: RetryPolicy::default(),
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_mins(1),
            affinity_cookie: None,
            headers: Vec::new(),
        }
    }

    pub(super) const fn timeout_of(&self, method: Method) -> Duration {
        if method.is_read() { self.read_timeout } else { self.write_timeout }
    }
}

/// Sends reads, and has no way to send anything else.
#[derive(Debug, Clone)]
pub struct ReadClient {
    exchange: Arc<Exchange>,
}

/// Sends writes, and reads through [`WriteClient::reader`].
#[derive(Debug, Clone)]
pub struct WriteClient {
    reader: ReadClient,
}

/// An answer to a call that accepts some refusals.
#[derive(Debug, Clone)]
pub enum Answer<T> {
    /// What was asked for.
    Given(T),
    /// One of the refusals that the call accepts.
    Refused {
        /// The status.
        status: u16,
        /// What the provider said; empty if nothing.
        message: String,
    },
}

impl ReadClient {
    /// A client that can only read.
    pub fn new(connection: Connection) -> Self {
        Self { exchange: Arc::new(Exchange::new(connection)) }
    }

    /// What it sends through.
    pub fn connection(&self) -> &Connection {
        self.exchange.connection()
    }

    /// Reads JSON.
    pub async fn get<T: DeserializeOwned>(&self, call: Call) -> Result<T, HttpError> {
        let response = self.exchange.send(Method::Get, &call, Expects::Json).await?;
        self.exchange.decode(Method::Get, &call, &response)
    }

    /// Reads JSON, where the call accepts some refusals.
    pub async fn find<T: DeserializeOwned>(&self, call: Call) -> Result<Answer<T>, HttpError> {
        let response = self.exchange.send(Method::Get, &call, Expects::Json).await?;
        self.answer(Method::Get, &call, &response)
    }

    /// Reads, and returns the whole answer: for whoever needs its headers, or accepts statuses beside 200.
    pub async fn fetch(&self, call: &Call) -> Result<Response, HttpError> {
        self.exchange.send(Method::Get, call, Expects::Json).await
    }

    /// Asks whether something is there without reading it, and returns the answer's status and headers.
    pub async fn probe(&self, call: &Call) -> Result<Response, HttpError> {
        self.exchange.send(Method::Head, call, Expects::Anything).await
    }

    /// Reads the JSON in `response`, which [`fetch`](Self::fetch) returned for `call`.
    pub fn decode<T: DeserializeOwned>(&self, call: &Call, response: &Response) -> Result<T, HttpError> {
        self.exchange.decode(Method::Get, call, response)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        call: &Call,
        response: &Response,
    ) -> Result<Answer<T>, HttpError> {
        if is_success(response.status) && !call.accepted.contains(&response.status) {
            return self.exchange.decode(method, call, response).map(Answer::Given);
        }
        Ok(Answer::Refused { status: response.status, message: self.exchange.message(call, response) })
    }
}

impl WriteClient {
    /// A client that reads and writes.
    pub fn new(connection: Connection) -> Self {
        Self { reader: ReadClient::new(connection) }
    }

    /// The same connection, for reading. Limits, cookies and counters are shared.
    pub const fn reader(&self) -> &ReadClient {
        &self.reader
    }

    /// Sends a write whose answer is JSON.
    pub async fn send<T: DeserializeOwned>(&self, method: Method, call: Call) -> Result<T, HttpError> {
        let response = self.reader.exchange.send(method, &call, Expects::Json).await?;
        self.reader.exchange.decode(method, &call, &response)
    }

    /// Sends a write whose answer is JSON, where the call accepts some refusals.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, call: Call) -> Result<Answer<T>, HttpError> {
        let response = self.reader.exchange.send(method, &call, Expects::Json).await?;
        self.reader.answer(method, &call, &response)
    }

    /// Sends a write, and returns the whole answer: for whoever accepts refusals whose body says more than a message.
    pub async fn exchange(&self, method: Method, call: &Call) -> Result<Response, HttpError> {
        self.reader.exchange.send(method, call, Expects::Json).await
    }

    /// Reads the JSON in `response`, which [`exchange`](Self::exchange) returned for `call`.
    pub fn decode<T: DeserializeOwned>(
        &self,
        method: Method,
        call: &Call,
        response: &Response,
    ) -> Result<T, HttpError> {
        self.reader.exchange.decode(method, call, response)
    }

    /// The error that `response` is, an answer that `call` accepts but nobody can do anything with.
    pub fn refusal(&self, method: Method, call: &Call, response: &Response) -> HttpError {
        self.reader.exchange.refusal(method, call, response)
    }

    /// Sends a write of whose answer only the refusals that the call accepts matter. Returns the status.
    pub async fn tell(&self, method: Method, call: Call) -> Result<u16, HttpError> {
        self.reader.exchange.send(method, &call, Expects::Anything).await.map(|response| response.status)
    }
}

const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}
