//! The pages under `/_sim/neon` with which people act at Neon: branches, and what is made to go wrong.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::edits::EditError;
use super::{NeonLimits, NeonPlan, SimNeonProject, Simulator};

/// The routes.
pub(super) fn routes(simulator: &Simulator) -> Router {
    const PROJECT: &str = "/_sim/neon/{project}";
    let below = |path: &str| format!("{PROJECT}{path}");
    Router::new()
        .route("/_sim/neon", get(show))
        .route(PROJECT, put(create))
        .route(&below("/branches"), post(create_branch))
        .route(&below("/branches/{branch}/{action}"), post(act))
        .route(&below("/busy"), post(keep_busy))
        .route(&below("/mishaps"), post(fail_next))
        .route(&below("/limits"), put(set_limits))
        .with_state(simulator.clone())
}

/// Everything that is there.
async fn show(State(simulator): State<Simulator>) -> Json<Value> {
    let view = |id: String| {
        let hand = simulator.neon(&id);
        let branches = hand.branches().into_iter().map(|branch| {
            let endpoints = hand.endpoints(&branch.id);
            json!({"branch": branch, "endpoints": endpoints})
        });
        json!({"project": id, "branches": branches.collect::<Vec<_>>(), "operations": hand.operations()})
    };
    Json(simulator.neon_projects().into_iter().map(view).collect())
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewProject {
    plan: Option<NeonPlan>,
    name: Option<String>,
}

async fn create(State(simulator): State<Simulator>, Path(id): Path<String>, body: Bytes) -> Response {
    with(&body, |wanted: NewProject| {
        let project = SimNeonProject::new(&id).on(wanted.plan.unwrap_or(NeonPlan::Launch));
        let name = wanted.name.unwrap_or_else(|| project.name.clone());
        simulator.create_neon_project(&SimNeonProject { name, ..project });
        Ok(json!({"ok": true}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBranch {
    name: String,
    parent: Option<String>,
}

async fn create_branch(State(simulator): State<Simulator>, Path(project): Path<String>, body: Bytes) -> Response {
    with(&body, |wanted: NewBranch| {
        simulator.neon(&project).create_branch(&wanted.name, wanted.parent.as_deref()).map(|id| json!({"id": id}))
    })
}

/// What an action needs to know.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Details {
    name: String,
    role: String,
    password: String,
    /// When it goes by itself; `null` for never.
    at: Option<chrono::DateTime<chrono::Utc>>,
}

async fn act(
    State(simulator): State<Simulator>,
    Path((project, branch, action)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let hand = simulator.neon(&project);
    with(&body, |details: Details| {
        match action.as_str() {
            "delete" => hand.delete_branch(&branch),
            "rename" => hand.rename_branch(&branch, &details.name),
            "protect" => hand.protect_branch(&branch, true),
            "unprotect" => hand.protect_branch(&branch, false),
            "expire" => hand.expire_branch(&branch, details.at),
            "role" => hand.create_role(&branch, &details.role),
            "password" => hand.set_password(&branch, &details.role, &details.password),
            other => Err(EditError::NotFound { what: format!("action `{other}`") }),
        }
        .map(|()| json!({"ok": true}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Busy {
    seconds: u64,
}

async fn keep_busy(State(simulator): State<Simulator>, Path(project): Path<String>, body: Bytes) -> Response {
    with(&body, |busy: Busy| {
        simulator.neon(&project).keep_busy(Duration::from_secs(busy.seconds)).map(|()| json!({"ok": true}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mishap {
    action: String,
    end: String,
    #[serde(default)]
    error: String,
}

async fn fail_next(State(simulator): State<Simulator>, Path(project): Path<String>, body: Bytes) -> Response {
    with(&body, |mishap: Mishap| {
        simulator.neon(&project).fail_next(&mishap.action, &mishap.end, &mishap.error).map(|()| json!({"ok": true}))
    })
}

async fn set_limits(State(simulator): State<Simulator>, Path(project): Path<String>, body: Bytes) -> Response {
    with(&body, |limits: NeonLimits| simulator.neon(&project).set_limits(limits).map(|()| json!({"ok": true})))
}

/// Reads the body, whatever content type it was sent with, and acts on it. An empty one counts as `{}`.
fn with<T: DeserializeOwned>(body: &Bytes, act: impl FnOnce(T) -> Result<Value, EditError>) -> Response {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    match serde_json::from_slice(body) {
        Ok(value) => match act(value) {
            Ok(value) => Json(value).into_response(),
            Err(error) => (StatusCode::CONFLICT, Json(json!({"error": error.to_string()}))).into_response(),
        },
        Err(error) => {
            let problem = json!({"error": format!("the body is not what is expected here: {error}")});
            (StatusCode::BAD_REQUEST, Json(problem)).into_response()
        }
    }
}
