//! Neon, as its clients see it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::objects::moment;
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::{Method, Request, Response};
use crate::sim::{
    Fault, FaultKind, Matcher, NeonAccess, NeonHand, NeonKey, NeonPlan, NeonTimes, SimConfig, SimNeonProject,
    SimNeonToken, Simulator,
};

use crate::sim::tests::strict;

const ID: &str = "quiet-river-100001";

struct Client {
    sim: Simulator,
    clock: SharedClock,
    token: &'static str,
    hand: NeonHand,
}

fn epoch() -> DateTime<Utc> {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn config() -> SimConfig {
    let mut config = SimConfig::default().with_neon(SimNeonProject::new(ID), "sim_neon");
    let viewer = SimNeonToken { access: NeonAccess::CanView, ..SimNeonToken::new("sim_viewer", ID) };
    let person = SimNeonToken { key: NeonKey::Personal, ..SimNeonToken::new("sim_person", ID) };
    config.neon_tokens.extend([viewer, person, SimNeonToken::new("sim_other", "other-project-100002")]);
    config
}

impl Client {
    fn new() -> Self {
        Self::of(config())
    }

    fn of(config: SimConfig) -> Self {
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
        let sim = Simulator::new(config, Arc::clone(&clock));
        strict::hold_to_contract(&sim);
        Self { hand: sim.neon(ID), sim, clock, token: "sim_neon" }
    }

    fn with_token(&self, token: &'static str) -> Self {
        Self { sim: self.sim.clone(), clock: Arc::clone(&self.clock), token, hand: self.hand.clone() }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let url = format!("https://console.neon.tech/api/v2{path}");
        let headers = vec![
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
            ("x-request-id".to_owned(), "req-1".to_owned()),
        ];
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        let request = Request { method, url, headers, body, timeout: Duration::from_secs(30) };
        self.sim.transport().send(request).await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.ask(method, path, body).await;
        let body = if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body).unwrap() };
        (answer.status, body)
    }

    async fn at(&self, path: &str) -> (u16, Value) {
        self.send(Method::Get, &format!("/projects/{ID}{path}"), None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::Post, &format!("/projects/{ID}{path}"), Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::Patch, &format!("/projects/{ID}{path}"), Some(body)).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(Method::Delete, &format!("/projects/{ID}{path}"), None).await
    }

    /// A branch with a compute, when it is ready; its id.
    async fn branch(&self, name: &str) -> String {
        let body = json!({"branch": {"name": name}, "endpoints": [{"type": "read_write"}]});
        let (status, made) = self.post("/branches", body).await;
        assert_eq!(status, 201, "{made}");
        self.rest().await;
        made["branch"]["id"].as_str().unwrap().to_owned()
    }

    /// Until the operations of the last write are over.
    async fn rest(&self) {
        self.pass(Duration::from_secs(2)).await;
    }

    async fn pass(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    fn main(&self) -> String {
        self.hand.branch("main").unwrap().id
    }
}

fn refusal((status, body): (u16, Value)) -> (u16, String, String) {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("message"))
}

fn refused(answer: (u16, Value), status: u16, words: &str) {
    let (found, code, message) = refusal(answer);
    assert!(found == status && (message.contains(words) || code == words), "{found} {code} {message}");
}

#[tokio::test(start_paused = true)]
async fn a_branch_begins_to_be_and_is_ready_when_its_operations_are_over() {
    let client = Client::new();
    let note = json!({"hangar": "preview-1"});
    let body = json!({
        "branch": {"name": "preview/login"},
        "endpoints": [{"type": "read_write", "autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 2, "suspend_timeout_seconds": 120}],
        "annotation_value": note,
    });
    let (status, made) = client.post("/branches", body).await;
    assert_eq!(status, 201);
    let id = made["branch"]["id"].as_str().unwrap();
    assert_eq!((&made["branch"]["current_state"], &made["branch"]["pending_state"]), (&json!("init"), &json!("ready")));
    assert_eq!(made["branch"]["parent_id"], json!(client.main()));
    assert_eq!(made["endpoints"][0]["current_state"], json!("init"));
    assert_eq!(made["endpoints"][0]["pending_state"], json!("active"));
    let actions: Vec<_> = made["operations"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, [&json!("create_branch"), &json!("start_compute")]);
    assert_eq!(
        (&made["operations"][0]["status"], &made["operations"][1]["status"]),
        (&json!("running"), &json!("scheduling"))
    );
    // One role and one database: how to connect is told.
    let uri = made["connection_uris"][0]["connection_uri"].as_str().unwrap();
    assert!(uri.contains(made["endpoints"][0]["host"].as_str().unwrap()), "{uri}");
    client.rest().await;
    let (_, found) = client.at(&format!("/branches/{id}")).await;
    assert_eq!((&found["branch"]["current_state"], &found["annotation"]["value"]), (&json!("ready"), &note));
    assert_eq!(found["branch"].get("pending_state"), None);
    assert_eq!(client.hand.endpoints(id)[0].state, "active");
    // The default of five minutes is overruled.
    client.pass(Duration::from_secs(121)).await;
    assert_eq!(client.hand.endpoints(id)[0].state, "idle");
}

#[tokio::test(start_paused = true)]
async fn a_project_takes_no_write_while_operations_run() {
    let client = Client::new();
    let id = client.branch("a").await;
    let (_, begun) = client.delete(&format!("/branches/{id}")).await;
    let busy = "project already has running conflicting operations, scheduling of new ones is prohibited";
    refused(client.post("/branches", json!({})).await, 423, busy);
    refused(client.patch(&format!("/branches/{id}"), json!({"branch": {"name": "b"}})).await, 423, busy);
    assert_eq!(client.at("/branches").await.0, 200, "reads go on");
    let operation = begun["operations"][0]["id"].as_str().unwrap();
    let (_, running) = client.at(&format!("/operations/{operation}")).await;
    assert_eq!(running["operation"]["status"], json!("running"));
    client.rest().await;
    assert_eq!(client.at(&format!("/operations/{operation}")).await.1["operation"]["status"], json!("finished"));
    assert_eq!(client.at(&format!("/branches/{id}")).await.0, 404);
    // What is gone is deleted again without complaint, but not in a project that is not there.
    assert_eq!(client.delete(&format!("/branches/{id}")).await.0, 204);
    assert_eq!(client.send(Method::Delete, "/projects/other-project/branches/br-x", None).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_and_a_search_finds_parts_of_them() {
    let client = Client::new();
    client.branch("preview/login").await;
    client.branch("preview/login-2").await;
    let again = client.post("/branches", json!({"branch": {"name": "preview/login"}})).await;
    assert_eq!(refusal(again), (409, String::new(), "branch already exists; branch_name:\"preview/login\"".to_owned()));
    let (_, found) = client.at("/branches?search=preview/login").await;
    assert_eq!(found["branches"].as_array().unwrap().len(), 2);
    assert_eq!(client.at("/branches/count?search=login-2").await.1, json!({"count": 1}));
    assert_eq!(client.at("/branches?search=br-").await.1["branches"].as_array().unwrap().len(), 3, "ids too");
}

#[tokio::test(start_paused = true)]
async fn branches_come_in_pages_and_the_cursor_ends_with_the_last_one() {
    let client = Client::new();
    for name in ["a", "b", "c", "d"] {
        client.pass(Duration::from_secs(1)).await;
        client.hand.create_branch(name, None).unwrap();
    }
    let names = |page: &Value| -> Vec<String> {
        page["branches"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, newest) = client.at("/branches").await;
    assert_eq!(names(&newest), ["d", "c", "b", "a", "main"], "latest change first");
    let (_, first) = client.at("/branches?sort_by=name&sort_order=asc&limit=2").await;
    let next = first["pagination"]["next"].as_str().unwrap().to_owned();
    assert_eq!(names(&first), ["a", "b"]);
    // What comes and goes on a page that was read moves nothing.
    client.hand.delete_branch(&client.hand.branch("a").unwrap().id).unwrap();
    let (_, second) = client.at(&format!("/branches?sort_by=name&sort_order=asc&limit=3&cursor={next}")).await;
    assert_eq!(names(&second), ["c", "d", "main"]);
    assert_eq!(second["pagination"].get("next"), None);
    assert_eq!(client.at("/branches?limit=0").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn operations_have_a_cursor_on_the_last_page_too() {
    let client = Client::new();
    client.branch("a").await;
    let (_, page) = client.at("/operations?limit=2").await;
    assert_eq!(page["operations"].as_array().unwrap().len(), 2);
    assert_eq!(page["operations"][0]["action"], json!("start_compute"), "newest first");
    let cursor = page["pagination"]["cursor"].as_str().unwrap();
    let (_, empty) = client.at(&format!("/operations?limit=2&cursor={cursor}")).await;
    assert_eq!(empty["operations"], json!([]));
    assert!(!empty["pagination"]["cursor"].as_str().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_branch_may_not_be_seen_or_used_at_once() {
    let times = NeonTimes {
        missing_after_create: Duration::from_secs(3),
        settle: Duration::from_secs(5),
        ..NeonTimes::default()
    };
    let client = Client::of(SimConfig { neon_times: times, ..config() });
    let (_, made) = client.post("/branches", json!({"branch": {"name": "a"}})).await;
    let id = made["branch"]["id"].as_str().unwrap();
    assert_eq!(client.at(&format!("/branches/{id}")).await.0, 404);
    client.pass(Duration::from_secs(3)).await;
    assert_eq!(client.at(&format!("/branches/{id}")).await.1["branch"]["current_state"], json!("init"));
    let child = json!({"branch": {"name": "b", "parent_id": id}});
    refused(client.post("/branches", child.clone()).await, 422, "branch not ready yet");
    client.pass(Duration::from_secs(3)).await;
    assert_eq!(client.post("/branches", child).await.0, 201);
}

#[tokio::test(start_paused = true)]
async fn what_has_children_is_default_protected_or_the_root_is_not_deleted() {
    let client = Client::new();
    let (a, main) = (client.branch("a").await, client.main());
    let child = client.hand.create_branch("child", Some(&a)).unwrap();
    let answer = client.delete(&format!("/branches/{a}")).await;
    assert_eq!(refusal(answer).2, format!("cannot delete branch that has children: {child}"));
    refused(client.delete(&format!("/branches/{main}")).await, 422, "default branch");
    client.hand.protect_branch(&child, true).unwrap();
    refused(client.delete(&format!("/branches/{child}")).await, 422, "protected branch");
    client.hand.delete_branch(&child).unwrap();
    assert_eq!(client.post(&format!("/branches/{a}/set_as_default"), json!({})).await.0, 200);
    client.hand.delete_branch(&a).unwrap();
    refused(client.delete(&format!("/branches/{main}")).await, 422, "root branch");
}

#[tokio::test(start_paused = true)]
async fn limits_follow_from_the_plan_and_have_codes() {
    let free = SimNeonProject::new(ID).on(NeonPlan::Free);
    let client = Client::of(SimConfig::default().with_neon(free, "sim_neon"));
    for number in 0..9 {
        client.hand.create_branch(&format!("b{number}"), None).unwrap();
    }
    let answer = client.post("/branches", json!({})).await;
    assert_eq!(refusal(answer), (422, "BRANCHES_LIMIT_EXCEEDED".into(), "branches limit exceeded".into()));
    let one = client.hand.branch("b1").unwrap().id;
    let timeout = json!({"endpoint": {"branch_id": one, "type": "read_only", "suspend_timeout_seconds": 60}});
    refused(client.post("/endpoints", timeout).await, 422, "free plan");
    let protected = client.patch(&format!("/branches/{one}"), json!({"branch": {"protected": true}})).await;
    refused(protected, 422, "BRANCHES_PROTECTED_LIMIT_EXCEEDED");

    let client = Client::new();
    let limits = super::NeonLimits { root_branches: Some(1), active_endpoints: Some(1), ..NeonPlan::Scale.limits() };
    client.hand.set_limits(limits).unwrap();
    let root = json!({"branch": {"init_source": "schema-only"}});
    refused(client.post("/branches", root).await, 422, "ROOT_BRANCHES_LIMIT_EXCEEDED");
    client.branch("a").await;
    let second = json!({"endpoints": [{"type": "read_write"}]});
    refused(client.post("/branches", second).await, 422, "ACTIVE_ENDPOINTS_LIMIT_EXCEEDED");
}

#[tokio::test(start_paused = true)]
async fn roles_and_databases_are_those_of_the_parent_and_so_is_the_password() {
    let client = Client::new();
    let main = client.main();
    client.hand.create_role(&main, "reader").unwrap();
    let body = json!({"branch": {"name": "a"}, "endpoints": [{"type": "read_write"}]});
    let (_, made) = client.post("/branches", body).await;
    assert_eq!(made.get("connection_uris"), None, "with two roles nobody knows which one is meant");
    assert_eq!(made["roles"].as_array().unwrap().len(), 2);
    client.rest().await;
    let a = made["branch"]["id"].as_str().unwrap();
    let password = |id: &str| client.hand.password(id, "neondb_owner").unwrap().expose().to_owned();
    assert_eq!(password(a), password(&main));
    let (_, told) = client.at(&format!("/branches/{a}/roles/neondb_owner/reveal_password")).await;
    assert_eq!(told["password"], json!(password(a)));

    let reset = client.post(&format!("/branches/{a}/roles/neondb_owner/reset_password"), json!({})).await;
    let new = reset.1["role"]["password"].as_str().unwrap().to_owned();
    assert_eq!(password(a), password(&main), "the old one holds until the operation is over");
    client.rest().await;
    assert_eq!(password(a), new);
    assert_ne!(new, password(&main));

    client.hand.protect_branch(&main, true).unwrap();
    let b = client.branch("b").await;
    assert_ne!(password(&b), password(&main), "a protected branch keeps its passwords to itself");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_not_kept_is_not_told() {
    let project = SimNeonProject { store_passwords: false, ..SimNeonProject::new(ID) };
    let client = Client::of(SimConfig::default().with_neon(project, "sim_neon"));
    let path = format!("/branches/{}/roles/neondb_owner/reveal_password", client.main());
    assert_eq!(client.at(&path).await.0, 412);
}

#[tokio::test(start_paused = true)]
async fn a_connection_string_without_a_branch_is_that_of_production() {
    let client = Client::new();
    let (a, main) = (client.branch("a").await, client.main());
    let host = |id: &str| client.hand.endpoints(id)[0].host.clone();
    let uri = |query: String| {
        let client = &client;
        async move {
            let path = format!("/connection_uri?database_name=neondb&role_name=neondb_owner{query}");
            client.at(&path).await.1["uri"].as_str().unwrap().to_owned()
        }
    };
    assert!(uri(String::new()).await.contains(&host(&main)));
    assert!(uri(format!("&branch_id={a}")).await.contains(&host(&a)));
    let pooled = uri(format!("&branch_id={a}&pooled=true")).await;
    assert!(pooled.contains(&host(&a).replacen('.', "-pooler.", 1)), "{pooled}");
    let missing = client.at("/connection_uri?database_name=neondb&role_name=nobody").await;
    assert_eq!(missing.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_restored_branch_has_another_parent_and_children_move_to_what_was_preserved() {
    let client = Client::new();
    let (a, main) = (client.branch("a").await, client.main());
    let endpoint = client.hand.endpoints(&a)[0].id.clone();
    let reset = json!({"source_branch_id": main});
    let (status, begun) = client.post(&format!("/branches/{a}/restore"), reset.clone()).await;
    assert_eq!((status, &begun["branch"]["current_state"]), (200, &json!("resetting")));
    client.rest().await;
    assert_eq!(client.hand.branch("a").unwrap().state, "ready");
    assert_eq!(client.hand.endpoints(&a)[0].id, endpoint, "the compute stays");

    let child = client.hand.create_branch("child", Some(&a)).unwrap();
    refused(
        client.post(&format!("/branches/{a}/restore"), reset).await,
        422,
        "Branch has children, preserve_under_name is required",
    );
    let past = moment(epoch() + TimeDelta::seconds(1));
    let own = json!({"source_branch_id": a, "source_timestamp": past});
    refused(client.post(&format!("/branches/{a}/restore"), own).await, 422, "preserve_under_name is required");
    let own = json!({"source_branch_id": a, "source_timestamp": past, "preserve_under_name": "a-old"});
    assert_eq!(client.post(&format!("/branches/{a}/restore"), own).await.0, 200);
    client.rest().await;
    let old = client.hand.branch("a-old").unwrap();
    assert_eq!(client.hand.branch("a").unwrap().parent, Some(old.id.clone()));
    assert_eq!(client.hand.branch("child").unwrap().parent, Some(old.id.clone()));
    assert_eq!(old.parent, Some(main));
    client.hand.delete_branch(&child).unwrap();
    refused(client.delete(&format!("/branches/{}", old.id)).await, 422, "has children");
}

#[tokio::test(start_paused = true)]
async fn nothing_older_than_the_history_can_be_restored() {
    let client = Client::new();
    let old = moment(epoch() - TimeDelta::days(2));
    let body = json!({"branch": {"parent_timestamp": old}});
    refused(client.post("/branches", body).await, 422, "history window");
}

#[tokio::test(start_paused = true)]
async fn what_expires_goes_late_and_by_itself() {
    let client = Client::new();
    let (a, main) = (client.branch("a").await, client.main());
    let expiry = |at: Option<DateTime<Utc>>| json!({"branch": {"expires_at": at.map(moment)}});
    let path = format!("/branches/{a}");
    refused(client.patch(&path, expiry(Some(epoch()))).await, 422, "future");
    refused(client.patch(&path, expiry(Some(epoch() + TimeDelta::days(31)))).await, 422, "30 days");
    refused(
        client.patch(&format!("/branches/{main}"), expiry(Some(epoch() + TimeDelta::hours(1)))).await,
        422,
        "default",
    );
    let soon = epoch() + TimeDelta::hours(1);
    let (_, changed) = client.patch(&path, expiry(Some(soon))).await;
    assert_eq!(changed["branch"]["expires_at"], json!(moment(soon)));
    let child = json!({"branch": {"parent_id": a}});
    refused(client.post("/branches", child).await, 422, "expiration");
    assert_eq!(client.patch(&path, expiry(None)).await.1["branch"].get("expires_at"), None);
    client.patch(&path, expiry(Some(soon))).await;
    client.pass(Duration::from_hours(1)).await;
    assert!(client.hand.branch("a").is_some(), "the job is late");
    client.pass(Duration::from_secs(302)).await;
    assert!(client.hand.branch("a").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_the_time_to_live_anew() {
    let client = Client::new();
    let a = client.branch("a").await;
    client.hand.expire_branch(&a, Some(client.clock.now() + TimeDelta::hours(2))).unwrap();
    client.pass(Duration::from_hours(1)).await;
    let now = client.clock.now();
    client.post(&format!("/branches/{a}/reset_to_parent"), json!({})).await;
    assert_eq!(client.hand.branch("a").unwrap().expires_at, Some(now + TimeDelta::hours(2)));
}

#[tokio::test(start_paused = true)]
async fn a_branch_without_data_is_a_root() {
    let client = Client::new();
    let (status, made) = client.post("/branches", json!({"branch": {"name": "s", "init_source": "schema-only"}})).await;
    assert_eq!((status, made["branch"].get("parent_id")), (201, None));
    client.rest().await;
    let id = made["branch"]["id"].as_str().unwrap();
    refused(client.post(&format!("/branches/{id}/reset_to_parent"), json!({})).await, 422, "no parent");
    assert_eq!(client.delete(&format!("/branches/{id}")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn computes_are_one_for_writing_and_change_by_operations() {
    let client = Client::new();
    let a = client.branch("a").await;
    let second = json!({"endpoint": {"branch_id": a, "type": "read_write"}});
    refused(client.post("/endpoints", second).await, 422, "read_write endpoint already exists");
    let settings = json!({"endpoint": {"branch_id": a, "type": "read_only", "settings": {}}});
    refused(client.post("/endpoints", settings).await, 400, "settings must not be nil");
    let id = client.hand.endpoints(&a)[0].id.clone();
    let sizes = json!({"endpoint": {"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 4, "suspend_timeout_seconds": -1}});
    let (_, changed) = client.patch(&format!("/endpoints/{id}"), sizes).await;
    assert_eq!(changed["operations"][0]["action"], json!("apply_config"));
    client.rest().await;
    let seen = client.hand.endpoints(&a)[0].clone();
    assert_eq!((seen.sizes, seen.suspend_seconds), ((1.0, 4.0), -1));
    client.post(&format!("/endpoints/{id}/suspend"), json!({})).await;
    refused(client.post(&format!("/endpoints/{id}/suspend"), json!({})).await, 423, "transitive state");
    client.rest().await;
    assert_eq!(client.hand.endpoints(&a)[0].state, "idle");
    client.delete(&format!("/endpoints/{id}")).await;
    client.rest().await;
    assert_eq!(client.delete(&format!("/endpoints/{id}")).await.0, 204);
}

#[tokio::test(start_paused = true)]
async fn roles_and_databases_come_and_go() {
    let client = Client::new();
    let a = client.branch("a").await;
    let (status, made) = client.post(&format!("/branches/{a}/roles"), json!({"role": {"name": "app"}})).await;
    assert_eq!(status, 201);
    assert!(made["role"]["password"].as_str().unwrap().starts_with("npg_"));
    client.rest().await;
    let database = json!({"database": {"name": "app", "owner_name": "app"}});
    assert_eq!(client.post(&format!("/branches/{a}/databases"), database.clone()).await.0, 201);
    client.rest().await;
    refused(client.post(&format!("/branches/{a}/databases"), database).await, 409, "already exists");
    refused(client.delete(&format!("/branches/{a}/roles/app")).await, 422, "owns databases");
    client.delete(&format!("/branches/{a}/databases/app")).await;
    client.rest().await;
    client.delete(&format!("/branches/{a}/roles/app")).await;
    client.rest().await;
    assert_eq!(client.hand.branch("a").unwrap().roles, ["neondb_owner"]);
    let (_, roles) = client.at(&format!("/branches/{a}/roles")).await;
    assert_eq!(roles["roles"][0].get("password"), None, "lists tell no passwords");
}

#[tokio::test(start_paused = true)]
async fn operations_can_fail_for_good_or_until_they_are_tried_again() {
    let client = Client::new();
    client.hand.fail_next("create_branch", "failed", "no room").unwrap();
    let (_, made) =
        client.post("/branches", json!({"branch": {"name": "a"}, "endpoints": [{"type": "read_write"}]})).await;
    let id = made["operations"][0]["id"].as_str().unwrap();
    client.pass(Duration::from_secs(1)).await;
    let (_, seen) = client.at(&format!("/operations/{id}")).await;
    assert_eq!((&seen["operation"]["status"], &seen["operation"]["error"]), (&json!("failed"), &json!("no room")));
    assert!(seen["operation"]["retry_at"].is_string());
    client.pass(Duration::from_secs(8)).await;
    assert_eq!(client.at(&format!("/operations/{id}")).await.1["operation"]["status"], json!("finished"));
    assert_eq!(client.hand.branch("a").unwrap().state, "ready");

    client.hand.fail_next("create_branch", "error", "broken").unwrap();
    client.post("/branches", json!({"branch": {"name": "b"}, "endpoints": [{"type": "read_write"}]})).await;
    client.rest().await;
    let ends: Vec<String> = client.hand.operations().into_iter().rev().take(2).map(|one| one.status).collect();
    assert_eq!(ends, ["cancelled", "error"]);
    assert_eq!(client.hand.branch("b").unwrap().state, "init");
}

#[tokio::test(start_paused = true)]
async fn keys_are_known_by_what_they_may() {
    let client = Client::new();
    let nobody = client.with_token("sim_nobody");
    refused(nobody.at("").await, 401, "credentials");
    let (_, body) = nobody.at("").await;
    assert_eq!(body["request_id"], json!("req-1"));
    refused(client.with_token("sim_viewer").post("/branches", json!({})).await, 403, "CAN_EDIT");
    assert_eq!(client.with_token("sim_viewer").at("/branches").await.0, 200);
    assert_eq!(client.with_token("sim_other").at("").await.0, 404, "what a key does not see is not there");
    let auth = |token| {
        let client = client.with_token(token);
        async move { client.send(Method::Get, "/auth", None).await.1["auth_method"].clone() }
    };
    assert_eq!((auth("sim_neon").await, auth("sim_person").await), (json!("api_key_org"), json!("api_key_user")));
    refused(client.send(Method::Get, "/users/me", None).await, 403, "not allowed for organization API keys");
    let person = client.with_token("sim_person");
    assert_eq!(person.send(Method::Get, "/users/me", None).await.0, 200);
    refused(person.send(Method::Get, "/projects", None).await, 400, "org_id");
    let (_, listed) = client.send(Method::Get, "/projects", None).await;
    assert_eq!((&listed["projects"][0]["id"], listed["pagination"]["cursor"].is_string()), (&json!(ID), true));
    let (_, orgs) = person.send(Method::Get, "/users/me/organizations", None).await;
    let org = orgs["organizations"][0]["id"].as_str().unwrap();
    assert_eq!(person.send(Method::Get, &format!("/projects?org_id={org}"), None).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_refused() {
    let client = Client::new();
    let mut statuses = Vec::new();
    for _ in 0..41 {
        statuses.push(client.at("").await.0);
    }
    assert_eq!((statuses[39], statuses[40]), (200, 429), "40 a second on one route");
    assert_eq!(client.at("/branches").await.0, 200);
    client.pass(Duration::from_secs(1)).await;
    assert_eq!(client.at("").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn faults_hit_it_as_they_hit_the_rest() {
    let client = Client::new();
    let path = "/api/v2/projects/*/branches";
    client.sim.inject(Fault::always(Matcher::new(Method::Post, path), FaultKind::ResetAfter).times(1));
    let url = format!("https://console.neon.tech/api/v2/projects/{ID}/branches");
    let headers = vec![("authorization".to_owned(), "Bearer sim_neon".to_owned())];
    let body = json!({"branch": {"name": "a"}}).to_string().into();
    let request = Request { method: Method::Post, url, headers, body, timeout: Duration::from_secs(30) };
    assert!(client.sim.transport().send(request).await.is_err());
    assert!(client.sim.requests().last().unwrap().effect);
    client.rest().await;
    refused(client.post("/branches", json!({"branch": {"name": "a"}})).await, 409, "already exists");

    client.sim.inject(Fault::always(Matcher::new(Method::Get, path), FaultKind::ShortPage { keep: 1 }).times(1));
    let (_, short) = client.at("/branches").await;
    assert_eq!(short["branches"].as_array().unwrap().len(), 1);
    assert!(short["pagination"]["next"].is_string(), "it says that it goes on");
    client.sim.inject(Fault::always(Matcher::new(Method::Get, path), FaultKind::PartialList { keep: 1 }).times(1));
    let (_, partial) = client.at("/branches").await;
    assert_eq!((partial["branches"].as_array().unwrap().len(), partial.get("pagination")), (1, None));

    client.sim.inject(Fault::always(Matcher::reads(), FaultKind::Stale { seconds: 30 }));
    client.pass(Duration::from_mins(1)).await;
    client.hand.create_branch("new", None).unwrap();
    let count = |(_, body): (u16, Value)| body["count"].as_u64().unwrap();
    assert_eq!(count(client.at("/branches/count").await), 2);
    client.pass(Duration::from_secs(31)).await;
    assert_eq!(count(client.at("/branches/count").await), 3);
}

#[tokio::test(start_paused = true)]
async fn a_saved_world_goes_on_where_it_was() {
    let client = Client::new();
    client.post("/branches", json!({"branch": {"name": "a"}})).await;
    let saved = client.sim.snapshot();
    let sim = Simulator::restore(&saved, config(), Arc::clone(&client.clock)).unwrap();
    assert_eq!(sim.neon(ID).branch("a").unwrap().state, "init");
    client.rest().await;
    assert_eq!(sim.neon(ID).branch("a").unwrap().state, "ready");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_says_so() {
    let client = Client::new();
    let main = client.main();
    for path in ["/snapshots".to_owned(), format!("/branches/{main}/schema"), "/jwks".to_owned()] {
        refused(client.at(&path).await, 501, "is not simulated");
    }
    refused(client.post(&format!("/branches/{main}/recover"), json!({})).await, 501, "is not simulated");
}
