//! The transport over the network.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::transport::{Method, Request, Response, Transport, TransportError};

/// How Hangar introduces itself.
const USER_AGENT: &str = concat!("hangar/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to be made. Of its own, so that a host that does not answer at all is known not to have got anything.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
            .connect_timeout(CONNECT_TIMEOUT)
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
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = failed.read_body(&mut response).await?;
        Ok(Response { status, headers, body })
    }
}

/// What is said of a request that fails.
struct Failed {
    host: String,
    timeout: Duration,
}

impl Failed {
    fn on(request: &Request) -> Self {
        let host = url::Url::parse(&request.url).ok().and_then(|url| {
            let host = url.host_str()?;
            Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        });
        Self { host: host.unwrap_or_else(|| "an address that is not a URL".to_owned()), timeout: request.timeout }
    }

    fn unsendable(&self, reason: &str) -> TransportError {
        TransportError::Connect { host: self.host.clone(), reason: format!("the request cannot be built: {reason}") }
    }

    /// Tells apart whether the request can have arrived. A connection that times out while it is made is a connection that was never
    /// made.
    fn because(&self, error: reqwest::Error) -> TransportError {
        let host = self.host.clone();
        if error.is_connect() || error.is_builder() {
            TransportError::Connect { host, reason: innermost(&error.without_url()) }
        } else if error.is_timeout() {
            TransportError::Timeout { host, after: self.timeout }
        } else {
            TransportError::Broken { host, reason: innermost(&error.without_url()) }
        }
    }

    async fn read_body(&self, response: &mut reqwest::Response) -> Result<Bytes, TransportError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.because(error))? {
            if body.len().saturating_add(chunk.len()) > LONGEST_BODY {
                let reason = format!("the answer is longer than {} MB", LONGEST_BODY / (1024 * 1024));
                return Err(TransportError::Broken { host: self.host.clone(), reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn transport() -> ReqwestTransport {
        ReqwestTransport::build(reqwest::Client::builder().no_proxy()).unwrap()
    }

    fn request(url: String, timeout: Duration) -> Request {
        let headers = vec![("authorization".to_owned(), "Bearer planted".to_owned())];
        Request { method: Method::Post, url, headers, body: Bytes::from_static(b"{}"), timeout }
    }

    /// A server that takes one connection, reads once, writes `answer` and hangs up, or holds the line if there is no answer.
    async fn server(answer: Option<&'static str>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/apps?secret=planted", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let length = stream.read(&mut seen).await.unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
            String::from_utf8_lossy(&seen[..length]).into_owned()
        });
        (url, task)
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let (url, task) = server(Some(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nFly-Request-Id: 01K\r\nContent-Length: 2\r\n\r\nok",
        ))
        .await;
        let response = transport().send(request(url, Duration::from_mins(1))).await.unwrap();
        assert_eq!(
            (response.status, response.header("fly-request-id"), &response.body[..]),
            (302, Some("01K"), &b"ok"[..])
        );
        let seen = task.await.unwrap();
        assert!(seen.starts_with("POST /v1/apps?secret=planted HTTP/1.1\r\n"), "{seen}");
        assert!(seen.to_lowercase().contains(concat!("user-agent: hangar/", env!("CARGO_PKG_VERSION"))), "{seen}");
    }

    #[tokio::test]
    async fn a_refused_connection_had_no_effect() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/?secret=planted", listener.local_addr().unwrap());
        drop(listener);
        let error = transport().send(request(url, Duration::from_mins(1))).await.unwrap_err();
        assert!(matches!(&error, TransportError::Connect { host, .. } if host.starts_with("127.0.0.1:")), "{error}");
        assert!(!error.may_have_had_effect() && !format!("{error} {error:?}").contains("planted"), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_may_have_had_its_effect() {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"] {
            let (url, _task) = server(Some(answer)).await;
            let error = transport().send(request(url, Duration::from_mins(1))).await.unwrap_err();
            assert!(matches!(error, TransportError::Broken { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn no_answer_in_time_may_have_had_its_effect() {
        let (url, _task) = server(None).await;
        let error = transport().send(request(url, Duration::from_millis(50))).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_header_that_cannot_be_sent_is_refused_without_being_shown() {
        let mut request = request("http://127.0.0.1:1/".to_owned(), Duration::from_mins(1));
        request.headers.push(("cookie".to_owned(), "planted\n".to_owned()));
        let error = transport().send(request).await.unwrap_err();
        assert!(!error.may_have_had_effect() && !error.to_string().contains("planted"), "{error}");
    }
}
