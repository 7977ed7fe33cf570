//! The two ways to reach the simulator: called in process, and served on a socket. Both go through the same router.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request as HttpRequest, Response as HttpResponse, StatusCode};
use tower::ServiceExt;
use url::Url;

use super::Simulator;
use super::server::{Failure, Incoming};
use crate::clock::SharedClock;
use crate::http::transport::{Method, Request, Response, Transport, TransportError};

/// The largest request body that is read. Real requests stay far below.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

impl Simulator {
    /// The simulator as a router, to be called in process or served.
    pub fn router(&self) -> Router {
        let simulator = self.clone();
        super::admin::routes(self).fallback(move |request: HttpRequest<Body>| {
            let simulator = simulator.clone();
            Box::pin(async move { simulator.handle(request).await })
        })
    }

    async fn handle(&self, request: HttpRequest<Body>) -> HttpResponse<Body> {
        let (parts, body) = request.into_parts();
        let Some(method) = method(parts.method.as_str()) else {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        };
        let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let incoming = Incoming {
            method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            authorization: header(&parts.headers, "authorization"),
            cookie: header(&parts.headers, "cookie"),
            nonce: header(&parts.headers, "fly-machine-lease-nonce"),
            base: base(&parts),
            user_agent: header(&parts.headers, "user-agent"),
            if_none_match: header(&parts.headers, "if-none-match"),
            request_id: header(&parts.headers, "x-request-id"),
            body,
        };
        match self.exchange(incoming).await {
            Ok(answer) => render(answer),
            Err(Failure::Silence) => std::future::pending().await,
            Err(failure) => broken(failure),
        }
    }

    /// Serves the simulator on a socket until the future is dropped.
    pub async fn serve(&self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.router()).await
    }
}

fn method(name: &str) -> Option<Method> {
    [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete]
        .into_iter()
        .find(|method| method.as_str() == name)
}

/// Scheme and host that the request was sent to. In process the whole address is known, on a socket the host by its header.
fn base(parts: &axum::http::request::Parts) -> String {
    match (parts.uri.scheme_str(), parts.uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => format!("http://{}", header(&parts.headers, "host").unwrap_or_default()),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn plain(status: StatusCode) -> HttpResponse<Body> {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn render(answer: Response) -> HttpResponse<Body> {
    let mut builder = HttpResponse::builder().status(answer.status);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(answer.body)).unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

/// An answer whose body fails at once: on a socket the connection breaks. In process, the failure itself is read.
fn broken(failure: Failure) -> HttpResponse<Body> {
    let error =
        std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the simulator was told to break the connection");
    let body = Body::from_stream(futures::stream::once(async { Err::<bytes::Bytes, _>(error) }));
    let mut response = HttpResponse::new(body);
    response.extensions_mut().insert(failure);
    response
}

/// Sends requests straight into the router, whatever host they name.
#[derive(Debug, Clone)]
pub(super) struct InProcess {
    router: Router,
    clock: SharedClock,
}

impl InProcess {
    pub(super) fn new(simulator: &Simulator) -> Self {
        Self { router: simulator.router(), clock: Arc::clone(&simulator.inner.clock) }
    }
}

#[async_trait::async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let timeout = request.timeout;
        let host = Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        tokio::select! {
            answer = self.call(request, &host) => answer,
            () = self.clock.sleep(timeout) => Err(TransportError::Timeout { host: host.clone(), after: timeout }),
        }
    }
}

impl InProcess {
    async fn call(&self, request: Request, host: &str) -> Result<Response, TransportError> {
        let refused = |reason: String| TransportError::Connect { host: host.to_owned(), reason };
        let lost = |reason: &str| TransportError::Broken { host: host.to_owned(), reason: reason.to_owned() };
        let url = Url::parse(&request.url).map_err(|error| refused(format!("the URL is not valid: {error}")))?;
        let mut target = url;
        target.set_fragment(None);
        let mut builder = HttpRequest::builder().method(request.method.as_str()).uri(target.as_str());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let request = builder
            .body(Body::from(request.body))
            .map_err(|error| refused(format!("the request is not valid: {error}")))?;
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        match answer.extensions().get::<Failure>() {
            Some(Failure::Refused) => return Err(refused("connection refused".to_owned())),
            Some(Failure::Broken | Failure::Silence) => return Err(lost("connection reset by peer")),
            None => {}
        }
        let (parts, body) = answer.into_parts();
        let headers = parts.headers.iter();
        let headers = headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let body = to_bytes(body, usize::MAX).await.map_err(|error| lost(&error.to_string()))?;
        Ok(Response { status: parts.status.as_u16(), headers, body })
    }
}
