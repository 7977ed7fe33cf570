//! The daemon's HTTP side: what others tell it, and whether it is there.
//!
//! ```text
//! POST /webhooks/github ─> webhook (signature, replays) ─> Hints ─> the controller looks sooner
//! GET  /healthz         ─> 200
//! ```
//!
//! What is told is only a hint that something may have changed, and carries no data: everything is looked at by the daemon itself.
//! So nothing of a body is ever read but its signature.

mod webhook;

pub use webhook::{Receipt, WebhookReceiver};

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The largest body that is taken. GitHub sends up to 25 MB, but hardly ever more than a few hundred kB, and what is refused here is
/// found by the next look.
const LARGEST_BODY: usize = 5 * 1024 * 1024;
/// How many bodies are read at once: whoever has no secret can make us hold this many times the largest one, and no more.
const BODIES_AT_ONCE: usize = 8;

/// What the daemon serves.
#[derive(Debug, Clone)]
struct Served {
    github: Option<Arc<WebhookReceiver>>,
    bodies: Arc<Semaphore>,
}

/// The routes, for a server of any kind. Without a receiver, webhooks are answered with 404.
pub fn router(github: Option<WebhookReceiver>) -> Router {
    let served = Served { github: github.map(Arc::new), bodies: Arc::new(Semaphore::new(BODIES_AT_ONCE)) };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/webhooks/github", post(github_webhook))
        .with_state(served)
}

/// Serves until `stop` is over.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn github_webhook(State(served): State<Served>, request: Request<Body>) -> Response {
    let Some(receiver) = &served.github else {
        return (StatusCode::NOT_FOUND, "this controller takes no webhooks\n").into_response();
    };
    let (parts, body) = request.into_parts();
    let receipt = {
        let _permit = served.bodies.acquire().await;
        match to_bytes(body, LARGEST_BODY).await {
            Ok(body) => receiver.receive(&headers_of(&parts.headers), &body),
            Err(_too_large) => Receipt::TooLarge,
        }
    };
    let status = StatusCode::from_u16(receipt.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, format!("{}\n", receipt.message())).into_response()
}

fn headers_of(headers: &HeaderMap) -> webhook::Headers {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    webhook::Headers {
        event: header("x-github-event"),
        delivery: header("x-github-delivery"),
        signature: header("x-hub-signature-256"),
    }
}

#[cfg(test)]
mod tests;
