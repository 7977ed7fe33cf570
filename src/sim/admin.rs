//! The simulator's own pages, under `/_sim/`: what is there, what was asked, faults, and a few accidents. They need no token, for the
//! simulator holds nothing real; values of secrets are not shown.

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Simulator;
use super::edits::EditError;
use super::faults::Fault;

/// The routes under `/_sim/`.
pub(super) fn routes(simulator: &Simulator) -> Router {
    Router::new()
        .route("/_sim/state", get(state))
        .route("/_sim/requests", get(requests).delete(clear_requests))
        .route("/_sim/faults", get(faults).post(inject).delete(clear_faults))
        .route("/_sim/apps/{app}/machines/{id}/{accident}", post(accident))
        .with_state(simulator.clone())
        .merge(super::admin_platform::routes(simulator))
}

async fn state(State(simulator): State<Simulator>) -> Json<Value> {
    let apps = simulator.apps().into_iter().map(|app| {
        let name = app.name.clone();
        json!({
            "app": app,
            "machines": simulator.machines(&name),
            "volumes": simulator.volumes(&name),
            "secrets": simulator.secret_names(&name),
            "ips": simulator.ips(&name),
            "certificates": simulator.certificates(&name),
        })
    });
    Json(Value::Array(apps.collect()))
}

/// One JSON object per line, oldest first.
async fn requests(State(simulator): State<Simulator>) -> Response<Body> {
    let lines = simulator
        .requests()
        .iter()
        .filter_map(|request| serde_json::to_string(request).ok())
        .map(|line| line + "\n")
        .collect();
    answer(StatusCode::OK, "application/x-ndjson", lines)
}

async fn clear_requests(State(simulator): State<Simulator>) -> StatusCode {
    simulator.clear_requests();
    StatusCode::NO_CONTENT
}

async fn faults(State(simulator): State<Simulator>) -> Json<Vec<Fault>> {
    Json(simulator.faults())
}

async fn inject(State(simulator): State<Simulator>, Json(fault): Json<Fault>) -> StatusCode {
    simulator.inject(fault);
    StatusCode::CREATED
}

async fn clear_faults(State(simulator): State<Simulator>) -> StatusCode {
    simulator.clear_faults();
    StatusCode::NO_CONTENT
}

async fn accident(
    State(simulator): State<Simulator>,
    Path((app, id, accident)): Path<(String, String, String)>,
) -> Response<Body> {
    let outcome = match accident.as_str() {
        "stop" => simulator.stop_machine(&app, &id),
        "start" => simulator.start_machine(&app, &id),
        "delete" => simulator.delete_machine(&app, &id),
        "crash" => simulator.crash_machine(&app, &id, 1, false),
        "oom" => simulator.crash_machine(&app, &id, 137, true),
        "migrate" => simulator.migrate_host(&app, &id),
        "fail" => simulator.fail_machine(&app, &id),
        "unreachable" => simulator.set_host_unreachable(&app, &id, true),
        "reachable" => simulator.set_host_unreachable(&app, &id, false),
        other => Err(EditError::NotFound { what: format!("accident `{other}`") }),
    };
    match outcome {
        Ok(()) => answer(StatusCode::OK, "application/json", json!({"ok": true}).to_string()),
        Err(error) => answer(StatusCode::CONFLICT, "application/json", json!({"error": error.to_string()}).to_string()),
    }
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static(kind));
    response
}
