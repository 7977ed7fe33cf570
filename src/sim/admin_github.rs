//! The pages under `/_sim/github` with which people act at GitHub: pull requests, branches, forks, permissions.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::edits::EditError;
use super::{GithubAccess, NewPull, RepositoryHand, Simulator, WebhookTarget};

/// The routes.
pub(super) fn routes(simulator: &Simulator) -> Router {
    const REPO: &str = "/_sim/github/{owner}/{name}";
    let below = |path: &str| format!("{REPO}{path}");
    Router::new()
        .route("/_sim/github", get(show))
        .route(REPO, put(create))
        .route(&below("/rename"), post(rename))
        .route(&below("/pulls"), post(open))
        .route(&below("/pulls/{number}/{action}"), post(act))
        .route(&below("/branches/{*branch}"), post(push).delete(delete_branch))
        .route(&below("/checks"), post(check))
        .route(&below("/forks/{owner_of_fork}"), delete(delete_fork))
        .route(&below("/people/{login}"), put(set_permission))
        .route(&below("/hooks"), get(show_hook).post(add_hook).delete(remove_hook))
        .with_state(simulator.clone())
}

/// Everything that is there.
async fn show(State(simulator): State<Simulator>) -> Json<Value> {
    let view = |name: String| {
        let repo = simulator.repository(&name);
        let branches: Value = repo.branches().into_iter().map(|(name, sha)| (name, Value::from(sha))).collect();
        json!({"repository": name, "branches": branches, "pulls": repo.pulls()})
    };
    Json(simulator.repositories().into_iter().map(view).collect())
}

type Named = Path<(String, String)>;

fn hand(simulator: &Simulator, owner: &str, name: &str) -> RepositoryHand {
    simulator.repository(&format!("{owner}/{name}"))
}

async fn create(State(simulator): State<Simulator>, Path((owner, name)): Named) -> StatusCode {
    simulator.create_repository(&format!("{owner}/{name}"));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewName {
    name: String,
}

async fn rename(State(simulator): State<Simulator>, Path((owner, name)): Named, body: Bytes) -> Response {
    with(&body, |to: NewName| hand(&simulator, &owner, &name).rename(&to.name).map(|_| json!({"ok": true})))
}

async fn open(State(simulator): State<Simulator>, Path((owner, name)): Named, body: Bytes) -> Response {
    with(&body, |pull: NewPull| hand(&simulator, &owner, &name).open_pull(pull).map(|number| json!({"number": number})))
}

/// What an action needs to know.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Details {
    label: String,
    base: String,
    title: String,
    /// Who does it.
    login: String,
    body: String,
    sha: String,
}

async fn act(
    State(simulator): State<Simulator>,
    Path((owner, name, number, action)): Path<(String, String, u64, String)>,
    body: Bytes,
) -> Response {
    let repo = hand(&simulator, &owner, &name);
    with(&body, |details: Details| {
        match action.as_str() {
            "push" => return repo.push_to_pull(number).map(|sha| json!({"sha": sha})),
            "close" => repo.close(number),
            "reopen" => repo.reopen(number),
            "merge" => repo.merge(number),
            "draft" => repo.set_draft(number, true),
            "ready" => repo.set_draft(number, false),
            "label" if !details.login.is_empty() => repo.label_as(number, &details.label, &details.login),
            "label" => repo.label(number, &details.label),
            "comment" => return repo.comment(number, &details.login, &details.body).map(|id| json!({"id": id})),
            "move" => repo.move_head(number, &details.sha),
            "unlabel" => repo.unlabel(number, &details.label),
            "retarget" => repo.retarget(number, &details.base),
            "retitle" => repo.retitle(number, &details.title),
            other => Err(EditError::NotFound { what: format!("action `{other}`") }),
        }
        .map(|()| json!(repo.pull(number)))
    })
}

/// How a check stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    sha: String,
    name: String,
    /// `null` while it runs.
    #[serde(default)]
    conclusion: Option<String>,
}

async fn check(State(simulator): State<Simulator>, Path((owner, name)): Named, body: Bytes) -> Response {
    with(&body, |check: Check| {
        let said = hand(&simulator, &owner, &name).check(&check.sha, &check.name, check.conclusion.as_deref());
        said.map(|()| json!({"ok": true}))
    })
}

async fn push(
    State(simulator): State<Simulator>,
    Path((owner, name, branch)): Path<(String, String, String)>,
) -> Response {
    done(hand(&simulator, &owner, &name).push(&branch).map(|sha| json!({"sha": sha})))
}

async fn delete_branch(
    State(simulator): State<Simulator>,
    Path((owner, name, branch)): Path<(String, String, String)>,
) -> Response {
    done(hand(&simulator, &owner, &name).delete_branch(&branch).map(|()| json!({"ok": true})))
}

async fn delete_fork(
    State(simulator): State<Simulator>,
    Path((owner, name, of)): Path<(String, String, String)>,
) -> Response {
    done(hand(&simulator, &owner, &name).delete_fork(&of).map(|()| json!({"ok": true})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    /// `null` for none.
    access: Option<GithubAccess>,
}

async fn set_permission(
    State(simulator): State<Simulator>,
    Path((owner, name, login)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    with(&body, |wanted: Permission| {
        hand(&simulator, &owner, &name).set_permission(&login, wanted.access).map(|()| json!({"ok": true}))
    })
}

/// Where the webhook goes, and what became of its newest deliveries.
async fn show_hook(State(simulator): State<Simulator>, Path((owner, name)): Named) -> Json<Value> {
    let sent = hand(&simulator, &owner, &name).sent_webhooks();
    Json(json!(sent.map(|(url, deliveries)| json!({"url": url, "deliveries": deliveries}))))
}

async fn add_hook(State(simulator): State<Simulator>, Path((owner, name)): Named, body: Bytes) -> Response {
    let target = match serde_json::from_slice::<WebhookTarget>(&body) {
        Ok(target) => target,
        Err(error) => return wrong(&error.to_string()),
    };
    if let Some(problem) = target.problem() {
        return wrong(&problem);
    }
    // Whoever adds one means a repository, whether or not somebody has asked for it before.
    simulator.create_repository(&format!("{owner}/{name}"));
    done(hand(&simulator, &owner, &name).add_webhook_to(target).map(|()| json!({"ok": true})))
}

async fn remove_hook(State(simulator): State<Simulator>, Path((owner, name)): Named) -> Response {
    done(hand(&simulator, &owner, &name).remove_webhook().map(|()| json!({"ok": true})))
}

/// Reads the body, whatever content type it was sent with, and acts on it. An empty one counts as `{}`.
fn with<T: DeserializeOwned>(body: &Bytes, act: impl FnOnce(T) -> Result<Value, EditError>) -> Response {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    match serde_json::from_slice(body) {
        Ok(value) => done(act(value)),
        Err(error) => wrong(&error.to_string()),
    }
}

fn wrong(problem: &str) -> Response {
    let problem = json!({"error": format!("the body is not what is expected here: {problem}")});
    (StatusCode::BAD_REQUEST, Json(problem)).into_response()
}

fn done(outcome: Result<Value, EditError>) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(error) => (StatusCode::CONFLICT, Json(json!({"error": error.to_string()}))).into_response(),
    }
}
