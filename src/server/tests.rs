//! What comes in over HTTP, from GitHub and from those who pretend to be it.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use super::{WebhookReceiver, router};
use crate::controller::Hints;
use crate::secret::SecretText;

const SECRET: &str = "It's a Secret to Everybody";
/// The body and signature that GitHub's documentation has as an example for this secret.
const EXAMPLE: (&str, &str) =
    ("Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");

struct Served {
    router: axum::Router,
    hints: Hints,
}

fn served() -> Served {
    let hints = Hints::default();
    Served { router: router(Some(WebhookReceiver::new(SecretText::new(SECRET), hints.clone()))), hints }
}

impl Served {
    /// Sends a delivery; returns the status of the answer and what it says.
    async fn deliver(&self, event: &str, id: &str, signature: Option<&str>, body: impl Into<Body>) -> (u16, String) {
        let mut request =
            Request::post("/webhooks/github").header("x-github-event", event).header("x-github-delivery", id);
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let text = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    /// Whether a hint was given since this was asked last.
    async fn has_hinted(&self) -> bool {
        tokio::time::timeout(Duration::from_secs(1), self.hints.given()).await.is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_event_lets_the_controller_look_once() {
    let (body, signature) = EXAMPLE;
    for event in ["pull_request", "push", "create", "delete", "issue_comment"] {
        let served = served();
        assert_eq!(served.deliver(event, "1", Some(signature), body).await.0, 202, "{event}");
        assert!(served.has_hinted().await, "{event}");
        // The same again, and a copy under another id, which is not signed.
        for id in ["1", "2"] {
            let (status, text) = served.deliver(event, id, Some(signature), body).await;
            assert_eq!((status, text.trim_end()), (202, "this delivery was taken before"));
            assert!(!served.has_hinted().await, "{event}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_signed_with_the_secret_does_nothing() {
    let served = served();
    let (body, signature) = EXAMPLE;
    let other = signature.replace("757107", "757108");
    let cut = signature.get(..40).unwrap();
    let long = format!("{signature}00");
    for given in [None, Some(""), Some("sha256="), Some("sha256=zz"), Some(&*other), Some(cut), Some(&long)] {
        let (status, text) = served.deliver("pull_request", "1", given, body).await;
        assert_eq!(status, 401, "{given:?}");
        assert!(!text.contains(SECRET), "{text}");
    }
    assert_eq!(served.deliver("pull_request", "1", Some(signature), "Hello, World?").await.0, 401);
    assert_eq!(served.deliver("ping", "1", None, body).await.0, 401);
    assert!(!served.has_hinted().await);
    // A forged one does not use up the id of the true one.
    assert_eq!(served.deliver("pull_request", "1", Some(signature), body).await.0, 202);
    assert!(served.has_hinted().await);
}

#[tokio::test(start_paused = true)]
async fn what_nothing_depends_on_is_taken_and_does_nothing() {
    let served = served();
    let (body, signature) = EXAMPLE;
    assert_eq!(served.deliver("ping", "1", Some(signature), body).await, (200, "pong\n".to_owned()));
    assert_eq!(served.deliver("star", "2", Some(signature), body).await.0, 202);
    assert!(!served.has_hinted().await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused() {
    let served = served();
    let large = vec![b' '; super::LARGEST_BODY + 1];
    assert_eq!(served.deliver("push", "1", Some(EXAMPLE.1), large).await.0, 413);
    assert!(!served.has_hinted().await);
}

#[tokio::test(start_paused = true)]
async fn other_paths_and_methods_are_refused_and_health_is_told() {
    let get = async |router: axum::Router, path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().status().as_u16()
    };
    let served = served();
    assert_eq!(get(served.router.clone(), "/healthz").await, 200);
    assert_eq!(get(served.router.clone(), "/webhooks/github").await, 405);
    assert_eq!(get(served.router.clone(), "/").await, 404);
    let without = Served { router: router(None), ..served };
    assert_eq!(without.deliver("push", "1", Some(EXAMPLE.1), EXAMPLE.0).await.0, 404);
}
