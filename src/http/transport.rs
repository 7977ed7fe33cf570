//! The one seam of the HTTP layer: a request goes in, a response comes out.
//!
//! In production the transport is reqwest, in tests and under `--sim` it is the simulator's router, called in process. Everything
//! above it (limiter, retries, error mapping, request log) is the same code in both.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// The HTTP methods that the providers' APIs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads; never has an effect.
    Get,
    /// Asks whether something is there, without reading it.
    Head,
    /// Creates or acts.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request with this method can change anything.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// A whole request, as bytes. Header names are lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL, query included.
    pub url: String,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: Bytes,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

impl Debug for Request {
    /// Leaves out headers and body: they may hold tokens and secret values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method.as_str()).field("url", &self.url).finish_non_exhaustive()
    }
}

/// A whole response, as bytes. Header names are lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names (lower case) and values, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// The first value of the header `name` (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Debug for Response {
    /// Leaves out headers and body: they may hold secret values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The connection was never made, so the request cannot have had an effect.
    #[error("no connection to `{host}`: {reason}")]
    Connect {
        /// The host that was tried.
        host: String,
        /// What the network said.
        reason: String,
    },
    /// The request was sent, or may have been, and no answer came in time.
    #[error("no answer from `{host}` within {}s", .after.as_secs())]
    Timeout {
        /// The host that was asked.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke after the request was sent, or may have been.
    #[error("the connection to `{host}` broke: {reason}")]
    Broken {
        /// The host that was asked.
        host: String,
        /// What the network said.
        reason: String,
    },
}

impl TransportError {
    /// Whether the request may have had an effect all the same.
    pub const fn may_have_had_effect(&self) -> bool {
        !matches!(self, Self::Connect { .. })
    }
}

/// Sends one request and returns its one answer. Never retries, never follows redirects.
#[async_trait::async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends `request`.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// A transport that is shared by all clients of a run.
pub type SharedTransport = Arc<dyn Transport>;
