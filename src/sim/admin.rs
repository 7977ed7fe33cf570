//! The simulator's own pages, under `/_sim/`: what is there, what was asked, faults, and a few accidents. They need no token, for the
//! simulator holds nothing real; values of secrets are not shown.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Json, Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Simulator;
use super::edits::EditError;
use super::faults::{Edit, Fault, Profile};

/// The routes under `/_sim/`.
pub(super) fn routes(simulator: &Simulator) -> Router {
    Router::new()
        .route("/_sim/state", get(state))
        .route("/_sim/requests", get(requests).delete(clear_requests))
        .route("/_sim/hash", get(hash))
        .route("/_sim/faults", get(faults).post(inject).delete(clear_faults))
        .route("/_sim/profile", get(profile).put(set_profile).post(set_profile).delete(clear_faults))
        .route("/_sim/edits", get(edits).post(edit))
        .route("/_sim/clock", get(clock).post(jump))
        .route("/_sim/apps/{app}/machines/{id}/{accident}", post(accident))
        .with_state(simulator.clone())
        .merge(super::admin_platform::routes(simulator))
        .merge(super::admin_github::routes(simulator))
        .merge(super::admin_neon::routes(simulator))
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

/// The hash of the request log.
async fn hash(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({"log_hash": simulator.log_hash()}))
}

async fn faults(State(simulator): State<Simulator>) -> Json<Vec<Fault>> {
    Json(simulator.faults())
}

/// One fault, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

async fn inject(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    let read = || -> Result<Vec<Fault>, String> {
        let values = match read_body(&body)? {
            OneOrMany::Many(values) => values,
            OneOrMany::One(value) => vec![value],
        };
        let fault = |value| {
            let fault: Fault = serde_json::from_value(value).map_err(|error| error.to_string())?;
            fault.check().map_err(|error| error.to_string())?;
            Ok(fault)
        };
        values.into_iter().map(fault).collect()
    };
    match read() {
        Ok(faults) => {
            for fault in faults {
                simulator.inject(fault);
            }
            shown(StatusCode::CREATED, &json!(simulator.faults()))
        }
        Err(problem) => refused(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn clear_faults(State(simulator): State<Simulator>) -> StatusCode {
    simulator.clear_faults();
    StatusCode::NO_CONTENT
}

async fn profile(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({"profile": simulator.profile(), "profiles": Profile::ALL}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    profile: Profile,
    seed: Option<u64>,
}

async fn set_profile(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    match read_body::<Chosen>(&body) {
        Ok(chosen) => {
            if let Some(seed) = chosen.seed {
                simulator.seed_faults(seed);
            }
            simulator.set_profile(chosen.profile);
            shown(StatusCode::OK, &json!({"profile": chosen.profile, "faults": simulator.faults()}))
        }
        Err(problem) => refused(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn edits(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!(simulator.edits()))
}

/// Carries out an edit now; answers `null` if there is nothing to strike.
async fn edit(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    match read_body::<Edit>(&body) {
        Ok(edit) => match simulator.meddle(&edit) {
            Ok(record) => shown(StatusCode::OK, &json!(record)),
            Err(error) => refused(StatusCode::CONFLICT, &error.to_string()),
        },
        Err(problem) => refused(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn clock(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({"now": simulator.now()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jump {
    seconds: i64,
}

async fn jump(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    match read_body::<Jump>(&body) {
        Ok(jump) => {
            simulator.jump_clock(jump.seconds);
            shown(StatusCode::OK, &json!({"now": simulator.now()}))
        }
        Err(problem) => refused(StatusCode::BAD_REQUEST, &problem),
    }
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
        Ok(()) => shown(StatusCode::OK, &json!({"ok": true})),
        Err(error) => refused(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// The body as JSON, whatever content type it was sent with.
fn read_body<T: DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body is not what is expected here: {error}"))
}

fn refused(status: StatusCode, problem: &str) -> Response<Body> {
    shown(status, &json!({"error": problem}))
}

fn shown(status: StatusCode, value: &Value) -> Response<Body> {
    answer(status, "application/json", value.to_string() + "\n")
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static(kind));
    response
}
