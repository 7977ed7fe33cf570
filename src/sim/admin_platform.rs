//! The pages under `/_sim/` with which people act on the platform: traffic, checks, commands, capacity, quotas, tokens, DNS, images.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use serde::Deserialize;
use serde_json::json;

use super::Simulator;
use super::config::{CheckResult, Quotas, Shortage};
use super::edits::EditError;

/// The routes.
pub(super) fn routes(simulator: &Simulator) -> Router {
    Router::new()
        .route("/_sim/apps/{app}/traffic", post(traffic))
        .route("/_sim/apps/{app}/commands", post(command))
        .route("/_sim/apps/{app}/forget-affinity", post(forget_affinity))
        .route("/_sim/apps/{app}/machines/{id}/checks", post(check))
        .route("/_sim/regions/{region}/shortages/{shortage}", put(short).delete(enough))
        .route("/_sim/orgs/{org}/quotas", put(quotas))
        .route("/_sim/tokens/expire", post(expire))
        .route("/_sim/dns", post(dns))
        .route("/_sim/images", post(image))
        .route("/_sim/images/awaited", post(awaited_image))
        .with_state(simulator.clone())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    concurrent: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    /// All checks without it.
    #[serde(default)]
    name: String,
    /// `null` for what the images make of it.
    result: Option<CheckResult>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    words: String,
    #[serde(default)]
    exit_code: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dns {
    hostname: String,
    points_here: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    image: String,
    /// Pushing other content moves the tag.
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AwaitedImage {
    image: String,
}

fn done<T: serde::Serialize>(outcome: Result<T, EditError>) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(error) => (StatusCode::CONFLICT, Json(json!({"error": error.to_string()}))).into_response(),
    }
}

async fn traffic(State(simulator): State<Simulator>, Path(app): Path<String>, Json(load): Json<Load>) -> Response {
    done(simulator.traffic(&app, load.concurrent))
}

async fn check(
    State(simulator): State<Simulator>,
    Path((app, id)): Path<(String, String)>,
    Json(check): Json<Check>,
) -> Response {
    done(simulator.set_check(&app, &id, &check.name, check.result))
}

async fn command(
    State(simulator): State<Simulator>,
    Path(app): Path<String>,
    Json(command): Json<Command>,
) -> StatusCode {
    simulator.set_command(&app, &command.words, command.exit_code, &command.stdout, &command.stderr);
    StatusCode::NO_CONTENT
}

async fn forget_affinity(State(simulator): State<Simulator>, Path(app): Path<String>) -> Response {
    done(simulator.forget_affinity(&app))
}

async fn short(State(simulator): State<Simulator>, Path((region, shortage)): Path<(String, Shortage)>) -> StatusCode {
    simulator.set_shortage(shortage, &region, true);
    StatusCode::NO_CONTENT
}

async fn enough(State(simulator): State<Simulator>, Path((region, shortage)): Path<(String, Shortage)>) -> StatusCode {
    simulator.set_shortage(shortage, &region, false);
    StatusCode::NO_CONTENT
}

async fn quotas(State(simulator): State<Simulator>, Path(org): Path<String>, Json(quotas): Json<Quotas>) -> StatusCode {
    simulator.set_quotas(&org, quotas);
    StatusCode::NO_CONTENT
}

async fn expire(State(simulator): State<Simulator>, Json(token): Json<Token>) -> StatusCode {
    simulator.expire_token(&token.token);
    StatusCode::NO_CONTENT
}

async fn dns(State(simulator): State<Simulator>, Json(dns): Json<Dns>) -> StatusCode {
    simulator.set_dns(&dns.hostname, dns.points_here);
    StatusCode::NO_CONTENT
}

async fn image(State(simulator): State<Simulator>, Json(image): Json<Image>) -> StatusCode {
    simulator.push_image(&image.image, &image.content);
    StatusCode::NO_CONTENT
}

async fn awaited_image(State(simulator): State<Simulator>, Json(awaited): Json<AwaitedImage>) -> StatusCode {
    simulator.await_image(&awaited.image);
    StatusCode::NO_CONTENT
}
