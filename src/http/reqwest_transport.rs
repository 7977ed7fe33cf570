//! The transport over the network.

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::transport::{Method, Request, Response, Transport, TransportError};

/// How Hangar introduces itself.
const USER_AGENT: &str = concat!("hangar/", env!("CARGO_PKG_VERSION"));

/// The longest body that is read, in bytes. The largest listing page of Fly is some megabytes.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// Sends requests over the network with rustls. Follows no redirects, keeps no cookies, retries nothing.
#[derive(Debug, Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

/// The network client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the network client (are the system's CA certificates installed?): {0}")]
pub struct StartError(#[from] reqwest::Error);

impl ReqwestTransport {
    /// A transport with its own connection pool. Honours the usual proxy variables of the environment.
    pub fn new() -> Result<Self, StartError> {
        Self::build(reqwest::Client::builder())
    }

    fn build(builder: reqwest::ClientBuilder) -> Result<Self, StartError> {
        let client = builder
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()?;
        Ok(Self { client })
    }
}

#[async_trait::async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let failed = Failed::on(&request);
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name).map_err(|error| failed.unsendable(&error.to_string()))?;
            let mut value = HeaderValue::try_from(value).map_err(|error| failed.unsendable(&error.to_string()))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let sent = self
            .client
            .request(method(request.method), &request.url)
            .headers(headers)
            .timeout(request.timeout)
            .body(request.body)
            .send()
            .await;
        let mut response = sent.map_err(|error| failed.because(error))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let body = failed.read_body(&mut response).await?;
        Ok(Response { status, headers, body })
    }
}

/// What is said of a request that fails.
struct Failed {
    host: String,
    timeout: std::time::Duration,
}

impl Failed {
    fn on(request: &Request) -> Self {
        let host = url::Url::parse(&request.url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        Self {
            host: host.unwrap_or_else(|| "an address that is not a URL".to_owned()),
            timeout: request.timeout,
        }
    }

    fn unsendable(&self, reason: &str) -> TransportError {
        TransportError::Connect {
            host: self.host.clone(),
            reason: format!("the request cannot be built: {reason}"),
        }
    }

    /// Tells apart whether the request can have arrived. A connection that times out while it is made is a connection that was never
    /// made.
    fn because(&self, error: reqwest::Error) -> TransportError {
        let host = self.host.clone();
        if error.is_connect() || error.is_builder() {
            TransportError::Connect {
                host,
                reason: innermost(&error.without_url()),
            }
        } else if error.is_timeout() {
            TransportError::Timeout {
                host,
                after: self.timeout,
            }
        } else {
            TransportError::Broken {
                host,
                reason: innermost(&error.without_url()),
            }
        }
    }

    async fn read_body(&self, response: &mut reqwest::Response) -> Result<Bytes, TransportError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.because(error))? {
            if body.len().saturating_add(chunk.len()) > LONGEST_BODY {
                let reason = format!("the answer is longer than {} MB", LONGEST_BODY / (1024 * 1024));
                return Err(TransportError::Broken {
                    host: self.host.clone(),
                    reason,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// The last cause in the chain, which is the one that says what happened (`Connection refused`).
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
