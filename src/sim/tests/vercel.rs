//! Vercel's projects, variables and domains, as its clients see them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::epoch;
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::{Method, Request, Response};
use crate::sim::{
    Fault, FaultKind, Matcher, SimConfig, SimVercelToken, Simulator, VercelBuild, VercelHand, VercelPlan,
};

#[path = "../../../tests/contract/vercel.rs"]
pub(crate) mod strict;

pub(super) struct Client {
    pub(super) sim: Simulator,
    pub(super) clock: SharedClock,
    pub(super) web: VercelHand,
    token: &'static str,
    scope: &'static str,
}

pub(super) fn config() -> SimConfig {
    let config = SimConfig::default().with_org("acme", "sim_fly");
    let config = config.with_vercel("acme", "web", Some("acme/chat"), "sim_vercel").with_vercel(
        "acme",
        "docs",
        None,
        "sim_vercel",
    );
    let mut config = config.with_vercel("other", "site", None, "sim_elsewhere");
    let denied = vec!["env".to_owned()];
    config.vercel_tokens.push(SimVercelToken { denied, ..SimVercelToken::new("sim_narrow", "acme") });
    config
}

impl Client {
    pub(super) fn new(config: SimConfig) -> Self {
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
        let sim = Simulator::new(config, Arc::clone(&clock));
        strict::hold_to_vercel(&sim);
        Self { web: sim.vercel("acme", "web"), sim, clock, token: "sim_vercel", scope: "slug=acme" }
    }

    /// The same with another token and scope.
    pub(super) fn as_of(&self, token: &'static str, scope: &'static str) -> Self {
        Self { sim: self.sim.clone(), clock: Arc::clone(&self.clock), web: self.web.clone(), token, scope }
    }

    pub(super) async fn answer(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let sign = if path.contains('?') { '&' } else { '?' };
        let url = format!("https://api.vercel.com{path}{sign}{}", self.scope);
        let headers = vec![("authorization".to_owned(), format!("Bearer {}", self.token))];
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        let request = Request { method, url, headers, body, timeout: Duration::from_secs(30) };
        self.sim.transport().send(request).await.unwrap()
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.answer(method, path, body).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::Get, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::Post, path, Some(body)).await
    }

    pub(super) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub(super) fn push(&self, branch: &str) -> String {
        self.sim.repository("acme/chat").push(branch).unwrap()
    }
}

fn preview(key: &str, value: &str, kind: &str, branch: &str) -> Value {
    json!({"key": key, "value": value, "type": kind, "target": ["preview"], "gitBranch": branch})
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_is_403_and_a_wrong_scope_404_or_403() {
    let client = Client::new(config());
    let (status, body) = client.as_of("nobody", "slug=acme").get("/v9/projects/web").await;
    assert_eq!((status, &body["error"]["invalidToken"]), (403, &json!(true)));
    assert_eq!(client.as_of("sim_vercel", "x=1").get("/v2/projects/web").await.0, 404);
    assert_eq!(client.as_of("sim_vercel", "slug=other").get("/v2/projects/web").await.0, 403);
    assert_eq!(client.as_of("sim_elsewhere", "slug=other").get("/v9/projects/web").await.0, 404);
    assert_eq!(client.get("/v9/projects/web").await.0, 200);
    let (status, body) = client.as_of("sim_narrow", "slug=acme").post("/v10/projects/web/env", json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("forbidden")));
}

#[tokio::test(start_paused = true)]
async fn any_version_and_an_old_segment_lead_to_the_same_and_other_providers_keep_their_paths() {
    let client = Client::new(config());
    for path in ["/v9/projects/web", "/v2/projects/web", "/projects/web", "/v1/now/projects/web"] {
        assert_eq!(client.get(path).await.1["name"], "web", "{path}");
    }
    assert_eq!(client.get("/v1/apps/web").await.1, json!({"error": "unauthorized"}));
    let github = client.get("/rate_limit").await.1["message"].clone();
    assert!(github.as_str().unwrap().contains("User-Agent"), "{github}");
    let (status, body) = client.post("/v1/webhooks", json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (501, &json!("not_implemented")));
}

#[tokio::test(start_paused = true)]
async fn an_array_of_variables_is_written_in_part() {
    let client = Client::new(config());
    client.push("login");
    let array = json!([preview("A", "1", "plain", "login"), preview("B", "2", "encrypted", "nowhere")]);
    let (status, body) = client.post("/v10/projects/web/env?upsert=true", array).await;
    assert_eq!(status, 201);
    assert_eq!(body["created"][0]["key"], "A");
    assert_eq!(body["failed"][0]["error"]["code"], "git_branch_not_found");
    // Wholly failed it is 400, with the same list.
    let (status, body) =
        client.post("/v10/projects/web/env?upsert=true", json!([preview("B", "2", "plain", "nowhere")])).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("git_branch_not_found")));
    assert_eq!(body["failed"].as_array().unwrap().len(), 1);
    // One object comes back as one.
    let (_, body) = client.post("/v10/projects/web/env", preview("C", "3", "plain", "login")).await;
    assert_eq!(body["created"]["key"], "C");
}

#[tokio::test(start_paused = true)]
async fn a_variable_that_is_there_conflicts_and_is_replaced_only_when_asked() {
    let client = Client::new(config());
    client.push("login");
    let (_, first) = client.post("/v10/projects/web/env", preview("A", "1", "plain", "login")).await;
    let (status, body) = client.post("/v10/projects/web/env", preview("A", "2", "plain", "login")).await;
    let error = &body["error"];
    assert_eq!((status, &error["code"], &error["envVarKey"]), (400, &json!("ENV_CONFLICT"), &json!("A")));
    assert_eq!(error["gitBranch"], "login");
    let (_, again) = client.post("/v10/projects/web/env?upsert=true", preview("A", "2", "plain", "login")).await;
    assert_eq!(again["created"]["id"], first["created"]["id"]);
    // For all previews it is another one.
    let all = json!({"key": "A", "value": "0", "type": "plain", "target": ["preview"]});
    assert_eq!(client.post("/v10/projects/web/env", all).await.0, 201);
    let values: Vec<String> = client.web.variables().into_iter().map(|one| one.value).collect();
    assert_eq!(values, ["2", "0"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_back_depends_on_the_kind() {
    let client = Client::new(config());
    client.push("login");
    let all = json!([
        preview("P", "plain-1", "plain", "login"),
        preview("E", "secret-1", "encrypted", "login"),
        preview("S", "secret-2", "sensitive", "login"),
    ]);
    client.post("/v10/projects/web/env", all).await;
    let values = |body: &Value| {
        let rows = body["envs"].as_array().unwrap();
        rows.iter().map(|row| row["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kept = values(&client.get("/v10/projects/web/env").await.1);
    assert_eq!((kept[0].as_str(), kept[2].as_str()), ("plain-1", ""));
    assert!(!kept[1].contains("secret"), "{}", kept[1]);
    assert_eq!(values(&client.get("/v10/projects/web/env?decrypt=true").await.1), ["plain-1", "secret-1", ""]);
    let id = client.web.variables()[2].id.clone();
    let (_, one) = client.get(&format!("/v1/projects/web/env/{id}")).await;
    assert_eq!((one.get("value"), &one["decrypted"]), (None, &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn the_form_of_a_variable_is_looked_at() {
    let client = Client::new(config());
    client.push("login");
    let cases = [
        (json!({"key": "1A", "value": "", "type": "plain", "target": ["preview"]}), "env_key_invalid_characters"),
        (
            json!({"key": "A", "value": "x".repeat(65_537), "type": "plain", "target": ["preview"]}),
            "env_value_invalid_length",
        ),
        (
            json!({"key": "A".repeat(257), "value": "", "type": "plain", "target": ["preview"]}),
            "env_key_invalid_length",
        ),
        (json!({"key": "A", "value": "", "type": "sensitive", "target": ["development"]}), "bad_request"),
        (
            json!({"key": "A", "value": "", "type": "plain", "target": ["production"], "gitBranch": "login"}),
            "bad_request",
        ),
        (
            json!({"key": "A", "value": "", "type": "plain", "target": ["preview"], "comment": "x".repeat(501)}),
            "bad_request",
        ),
        (json!({"key": "A", "value": "", "type": "plain", "target": ["preview"], "colour": "red"}), "bad_request"),
        (json!({"key": "A", "value": "", "type": "plain"}), "bad_request"),
    ];
    for (body, code) in cases {
        let (status, answer) = client.post("/v10/projects/web/env?upsert=true", body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{answer}");
    }
    assert!(client.web.variables().is_empty());
}

#[tokio::test(start_paused = true)]
async fn variables_stay_when_their_branch_goes_and_a_project_can_lose_sight_of_branches() {
    let client = Client::new(config());
    client.push("login");
    client.post("/v10/projects/web/env", preview("A", "1", "plain", "login")).await;
    client.sim.repository("acme/chat").delete_branch("login").unwrap();
    assert_eq!(client.web.variables().len(), 1);
    client.push("search");
    client.web.set_sourceless(true).unwrap();
    let (status, _) = client.post("/v10/projects/web/env", preview("A", "1", "plain", "search")).await;
    assert_eq!(status, 400);
    assert_eq!(client.post("/v10/projects/docs/env", preview("A", "1", "plain", "search")).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn two_writes_of_one_project_at_the_same_time_conflict() {
    let client = Client::new(SimConfig { latency: Duration::from_millis(50), ..config() });
    client.push("login");
    let (one, other, elsewhere) = tokio::join!(
        client.post("/v10/projects/web/env", preview("A", "1", "plain", "login")),
        client.post("/v10/projects/web/env", preview("B", "1", "plain", "login")),
        client.post("/v10/projects/docs/env", json!({"key": "A", "value": "", "type": "plain", "target": ["preview"]})),
    );
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!((statuses, elsewhere.0), ([201, 400], 201));
    let text = if one.0 == 400 { one.1 } else { other.1 };
    assert!(text["error"]["message"].as_str().unwrap().contains("already happening"), "{text}");
    assert_eq!(client.post("/v10/projects/web/env", preview("C", "1", "plain", "login")).await.0, 201);
    client.web.hold_document(Duration::from_secs(5)).unwrap();
    assert_eq!(client.post("/v10/projects/web/env", preview("D", "1", "plain", "login")).await.0, 400);
    client.pass(6).await;
    assert_eq!(client.post("/v10/projects/web/env", preview("D", "1", "plain", "login")).await.0, 201);
}

#[tokio::test(start_paused = true)]
async fn a_variable_is_edited_and_deleted_and_says_by_whom() {
    let client = Client::new(config());
    let by_hand = client.web.add_variable("A", "1", "plain", &["preview"], None).unwrap();
    let path = format!("/v9/projects/web/env/{by_hand}");
    client.pass(60).await;
    let (status, edited) = client.send(Method::Patch, &path, Some(json!({"value": "2", "comment": "ours"}))).await;
    assert_eq!((status, &edited["value"], &edited["comment"]), (200, &json!("2"), &json!("ours")));
    assert_ne!(edited["createdBy"], edited["updatedBy"]);
    assert!(edited["updatedAt"].as_i64() > edited["createdAt"].as_i64());
    let (status, gone) = client.send(Method::Delete, &path, None).await;
    assert_eq!((status, &gone["key"]), (200, &json!("A")));
    assert_eq!(client.send(Method::Delete, &path, None).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_project_has_room_for_a_thousand_variables() {
    let client = Client::new(config());
    for number in 0..1000 {
        client.web.add_variable(&format!("V{number}"), "", "plain", &["preview"], None).unwrap();
    }
    let one = json!({"key": "MORE", "value": "", "type": "plain", "target": ["preview"]});
    assert_eq!(client.post("/v10/projects/web/env", one).await.0, 400);
    let one = json!({"key": "MORE", "value": "", "type": "plain", "target": ["production"]});
    assert_eq!(client.post("/v10/projects/web/env", one).await.0, 201);
    assert_eq!(client.get("/v10/projects/web/env").await.1["envs"].as_array().unwrap().len(), 1001);
}

#[tokio::test(start_paused = true)]
async fn a_domain_is_refused_where_it_is_already_and_where_it_makes_no_sense() {
    let client = Client::new(config());
    client.push("login");
    let add = |project: &str, body: Value| {
        let path = format!("/v10/projects/{project}/domains");
        let client = &client;
        async move { client.post(&path, body).await }
    };
    let (status, added) = add("web", json!({"name": "login.acme.dev", "gitBranch": "login"})).await;
    assert_eq!((status, &added["verified"], &added["apexName"]), (200, &json!(true), &json!("acme.dev")));
    let (status, again) = add("web", json!({"name": "login.acme.dev", "gitBranch": "login"})).await;
    assert_eq!((status, &again["error"]["projectId"]), (409, &json!(client.web.id())));
    let (status, other) = add("docs", json!({"name": "login.acme.dev"})).await;
    assert_eq!((status, &other["error"]["code"]), (409, &json!("domain_already_in_use")));
    for wrong in [
        json!({"name": "main.acme.dev", "gitBranch": "main"}),
        json!({"name": "x.acme.dev", "gitBranch": "login", "redirect": "y.acme.dev"}),
        json!({"name": "x.acme.dev", "redirect": "x.acme.dev"}),
        json!({"name": "not a domain"}),
    ] {
        assert_eq!(add("web", wrong.clone()).await.0, 400, "{wrong}");
    }
    let body = Some(json!({"gitBranch": null, "redirect": "acme.dev", "redirectStatusCode": 308}));
    let (_, edited) = client.send(Method::Patch, "/v9/projects/web/domains/login.acme.dev", body).await;
    assert_eq!((&edited["gitBranch"], &edited["redirect"]), (&Value::Null, &json!("acme.dev")));
    let gone = client.send(Method::Delete, "/v9/projects/web/domains/login.acme.dev", None).await;
    assert_eq!(gone, (200, json!({})));
    assert_eq!(client.send(Method::Delete, "/v9/projects/web/domains/login.acme.dev", None).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_domain_of_somebody_else_waits_for_a_proof_and_a_failed_production_keeps_domains_away() {
    let client = Client::new(config());
    client.sim.set_vercel_domain_taken("far.dev", true);
    let (_, added) = client.post("/v10/projects/web/domains", json!({"name": "a.far.dev"})).await;
    assert_eq!((&added["verified"], &added["verification"][0]["type"]), (&json!(false), &json!("TXT")));
    assert_eq!(client.post("/v9/projects/web/domains/a.far.dev/verify", json!({})).await.0, 400);
    client.sim.set_vercel_domain_taken("far.dev", false);
    assert_eq!(client.post("/v9/projects/web/domains/a.far.dev/verify", json!({})).await.1["verified"], true);
    client.web.next_build(VercelBuild::failed()).unwrap();
    client.push("main");
    client.pass(60).await;
    let (status, body) = client.post("/v10/projects/web/domains", json!({"name": "b.acme.dev"})).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test(start_paused = true)]
async fn pages_go_by_time_and_lose_nothing_when_times_differ() {
    let client = Client::new(config());
    for number in 0..5 {
        client.web.add_domain(&format!("d{number}.acme.dev"), None).unwrap();
        client.pass(1).await;
    }
    let (_, first) = client.get("/v9/projects/web/domains?limit=3").await;
    assert_eq!(first["domains"][0]["name"], "d4.acme.dev");
    let next = first["pagination"]["next"].as_i64().unwrap();
    let (_, second) = client.get(&format!("/v9/projects/web/domains?limit=3&until={next}")).await;
    assert_eq!(second["domains"].as_array().unwrap().len(), 2);
    assert_eq!(second["pagination"]["next"], Value::Null);
    assert_eq!(client.get("/v9/projects/web/domains?limit=101").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn limits_are_counted_in_windows_and_told_in_headers() {
    let mut config = config();
    config.vercel_teams[0].plan = VercelPlan::Hobby;
    let client = Client::new(config);
    for _ in 0..60 {
        let path = "/v9/projects/web/env/none";
        assert_eq!(client.send(Method::Delete, path, None).await.0, 404);
    }
    let answer = client.answer(Method::Delete, "/v9/projects/web/env/none", None).await;
    assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (429, Some("0")));
    let reset: i64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset, (epoch() + chrono::TimeDelta::seconds(60)).timestamp());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&body["error"]["code"], &body["error"]["limit"]["total"]), (&json!("rate_limited"), &json!(60)));
    client.pass(61).await;
    let answer = client.answer(Method::Delete, "/v9/projects/web/env/none", None).await;
    assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (404, Some("59")));
    assert!(answer.header("x-vercel-id").is_some());
}

#[tokio::test(start_paused = true)]
async fn faults_hit_it_as_they_hit_everything_else() {
    let client = Client::new(config());
    client.push("login");
    client.sim.inject(Fault::once(Matcher::new(Method::Post, "/v10/projects/*/env"), FaultKind::lost_in_500()));
    assert_eq!(client.post("/v10/projects/web/env", preview("A", "1", "plain", "login")).await.0, 500);
    assert_eq!(client.web.variables().len(), 1);
    client.sim.inject(Fault::once(Matcher::reads(), FaultKind::Stale { seconds: 30 }));
    client.pass(5).await;
    client.post("/v10/projects/web/env", preview("B", "1", "plain", "login")).await;
    client.sim.inject(Fault::once(Matcher::reads(), FaultKind::EmptyList).after(1));
    let stale = client.get("/v10/projects/web/env").await.1["envs"].as_array().unwrap().len();
    let empty = client.get("/v10/projects/web/env").await.1["envs"].as_array().unwrap().len();
    assert_eq!((stale, empty, client.web.variables().len()), (1, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn everything_is_kept_in_a_saved_world() {
    let client = Client::new(config());
    client.push("login");
    client.post("/v10/projects/web/env", preview("A", "1", "sensitive", "login")).await;
    client.pass(10).await;
    assert_eq!(client.web.deployments().len(), 1);
    let saved = client.sim.snapshot();
    let restored = Simulator::restore(&saved, config(), Arc::clone(&client.clock)).unwrap();
    let web = restored.vercel("acme", "web");
    assert_eq!(web.variables(), client.web.variables());
    assert_eq!(web.deployments(), client.web.deployments());
}
