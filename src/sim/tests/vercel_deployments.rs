//! Vercel's deployments, aliases, secrets and production, as its clients see them.

use serde_json::{Value, json};

use super::vercel::{Client, config};
use crate::http::transport::Method;
use crate::sim::{NewPull, SimConfig, VercelBuild, VercelPlan};

async fn newest(client: &Client, query: &str) -> Value {
    let (status, body) = client.get(&format!("/v7/deployments?{query}")).await;
    assert_eq!(status, 200, "{body}");
    body["deployments"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_push_makes_a_deployment_that_is_built_and_then_routed() {
    let client = Client::new(config());
    let sha = client.push("feat/New_Login");
    assert_eq!(newest(&client, "branch=feat/New_Login").await, Value::Null, "it takes a moment to appear");
    client.pass(2).await;
    let row = newest(&client, &format!("branch=feat/New_Login&sha={sha}")).await;
    assert_eq!((&row["state"], &row["readyState"], &row["target"]), (&json!("QUEUED"), &json!("QUEUED"), &Value::Null));
    assert_eq!((&row["meta"]["githubCommitSha"], &row["source"]), (&json!(sha), &json!("git")));
    let path = format!("/v13/deployments/{}", row["uid"].as_str().unwrap());
    let mut states = Vec::new();
    for _ in 0..30 {
        let (_, whole) = client.get(&path).await;
        let state = (whole["readyState"].as_str().unwrap().to_owned(), whole["aliasAssigned"] == true);
        if states.last() != Some(&state) {
            states.push(state);
        }
        client.pass(1).await;
    }
    let expected = [("QUEUED", false), ("INITIALIZING", false), ("BUILDING", false), ("READY", false), ("READY", true)];
    assert_eq!(states, expected.map(|(state, assigned)| (state.to_owned(), assigned)));
    // Lower case, a dash for the slash, no underscore: to be read, never computed.
    let (_, whole) = client.get(&path).await;
    assert_eq!(whole["alias"], json!(["web-git-feat-newlogin-acme.vercel.app"]));
    let host = whole["url"].as_str().unwrap();
    assert_eq!(client.get(&format!("/v13/deployments/{host}")).await.1["id"], whole["id"]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_push_cancels_what_waits_and_takes_over_the_hosts_of_the_branch() {
    let client = Client::new(config());
    client.push("login");
    client.pass(1).await;
    client.push("login");
    client.pass(40).await;
    let deployments = client.web.deployments();
    assert_eq!(deployments.iter().map(|one| one.state).collect::<Vec<_>>(), ["CANCELED", "READY"]);
    client.web.add_domain("login.acme.dev", Some("login")).unwrap();
    let hosts = client.web.deployments()[1].hosts.clone();
    assert_eq!(hosts, ["web-git-login-acme.vercel.app", "login.acme.dev"]);
    client.push("login");
    client.pass(60).await;
    let deployments = client.web.deployments();
    assert_eq!((deployments[1].hosts.len(), deployments[2].hosts.len()), (0, 2));
    // Canceled ones are listed, and found by state.
    let (_, canceled) = client.get("/v6/deployments?state=CANCELED,ERROR").await;
    assert_eq!(canceled["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(newest(&client, "limit=1").await["uid"], json!(deployments[2].id));
}

#[tokio::test(start_paused = true)]
async fn values_are_those_of_the_moment_when_the_deployment_was_made() {
    let client = Client::new(config());
    client.web.add_variable("A", "all", "plain", &["preview"], None).unwrap();
    client.push("login");
    client.pass(5).await;
    client.web.add_variable("A", "branch", "plain", &["preview"], Some("login")).unwrap();
    let id = client.web.deployments()[0].id.clone();
    let again = json!({"name": "web", "deploymentId": id, "meta": {"action": "redeploy"}});
    let (status, made) = client.post("/v13/deployments?forceNew=1", again).await;
    assert_eq!((status, &made["source"], &made["meta"]["githubCommitRef"]), (200, &json!("redeploy"), &json!("login")));
    let values: Vec<String> = client.web.deployments().into_iter().map(|one| one.env["A"].clone()).collect();
    assert_eq!(values, ["all", "branch"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_says_why_and_its_log_ends_with_the_error() {
    let client = Client::new(config());
    client.web.builds_of("login", VercelBuild::failed()).unwrap();
    client.push("login");
    client.pass(40).await;
    let id = client.web.deployments()[0].id.clone();
    let (_, whole) = client.get(&format!("/v13/deployments/{id}")).await;
    assert_eq!(
        (&whole["readyState"], &whole["errorCode"], &whole["errorStep"]),
        (&json!("ERROR"), &json!("BUILD_FAILED"), &json!("buildStep"))
    );
    assert_eq!(whole["alias"], json!([]));
    let (_, last) = client.get(&format!("/v3/deployments/{id}/events?builds=1&direction=backward&limit=1")).await;
    assert_eq!((last.as_array().unwrap().len(), &last[0]["level"]), (1, &json!("error")));
    // Nothing follows a failed one, and an alias cannot be given to it.
    let (status, refused) = client.post(&format!("/v2/deployments/{id}/aliases"), json!({"alias": "x.acme.dev"})).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("deployment_not_ready")));
}

#[tokio::test(start_paused = true)]
async fn forks_wait_for_an_authorization_and_skipped_builds_are_canceled() {
    let client = Client::new(config());
    client.sim.repository("acme/chat").open_pull(NewPull::from_fork("bob", "fix")).unwrap();
    client.pass(10).await;
    let blocked = client.web.deployments()[0].clone();
    assert_eq!((blocked.state, blocked.branch.as_deref()), ("BLOCKED", Some("fix")));
    client.web.authorize(&blocked.id).unwrap();
    client.pass(60).await;
    assert_eq!(client.web.deployments()[0].state, "READY");
    client.web.next_build(VercelBuild::Skipped).unwrap();
    client.push("login");
    client.pass(10).await;
    let id = client.web.deployments()[1].id.clone();
    let (_, whole) = client.get(&format!("/v13/deployments/{id}")).await;
    assert_eq!((&whole["readyState"], &whole["buildSkipped"]), (&json!("CANCELED"), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_made_of_a_commit_canceled_and_deleted() {
    let client = Client::new(config());
    client.web.set_creates_deployments(false).unwrap();
    let sha = client.push("login");
    client.pass(10).await;
    assert!(client.web.deployments().is_empty());
    let source = |branch: &str| json!({"type": "github", "org": "acme", "repo": "chat", "ref": branch});
    let make = |branch: &str| json!({"name": "web", "gitSource": source(branch)});
    let (status, answer) = client.post("/v13/deployments?forceNew=1", make("login")).await;
    assert_eq!((status, &answer["gitSource"]["sha"]), (200, &json!(sha)));
    assert_eq!(client.post("/v13/deployments", make("nowhere")).await.0, 400);
    assert_eq!(client.post("/v13/deployments", json!({"gitSource": source("login")})).await.0, 400, "without a name");
    let id = answer["id"].as_str().unwrap();
    let (_, canceled) = client.send(Method::Patch, &format!("/v12/deployments/{id}/cancel"), None).await;
    assert_eq!(canceled["status"], "CANCELED");
    let (status, gone) = client.send(Method::Delete, &format!("/v13/deployments/{id}"), None).await;
    assert_eq!((status, &gone["state"]), (200, &json!("DELETED")));
    assert_eq!(client.send(Method::Delete, &format!("/v13/deployments/{id}"), None).await.0, 404);
    assert_eq!(newest(&client, "limit=5").await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_alias_stays_where_it_was_put_and_409_says_that_it_is_there() {
    let client = Client::new(config());
    client.push("login");
    client.pass(60).await;
    client.push("login");
    client.pass(60).await;
    let ids: Vec<String> = client.web.deployments().into_iter().map(|one| one.id).collect();
    let assign = |id: String| {
        let client = &client;
        async move { client.post(&format!("/v2/deployments/{id}/aliases"), json!({"alias": "x.acme.dev"})).await }
    };
    assert_eq!(assign(ids[0].clone()).await.0, 200);
    let (status, again) = assign(ids[0].clone()).await;
    assert_eq!((status, &again["error"]["alias"]), (409, &json!("x.acme.dev")));
    let (_, moved) = assign(ids[1].clone()).await;
    assert_eq!(moved["oldDeploymentId"], json!(ids[0]));
    let (_, listed) = client.get(&format!("/v2/deployments/{}/aliases", ids[1])).await;
    assert_eq!(listed["aliases"].as_array().unwrap().len(), 2);
    let (_, one) = client.get("/v4/aliases/x.acme.dev").await;
    assert_eq!(one["deploymentId"], json!(ids[1]));
    let gone = client.send(Method::Delete, "/v2/aliases/x.acme.dev", None).await;
    assert_eq!(gone, (200, json!({"status": "SUCCESS"})));
    assert_eq!(client.get("/v4/aliases/x.acme.dev").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn of_the_secrets_exactly_one_is_the_variable_of_builds() {
    let client = Client::new(config());
    let path = "/v1/projects/web/protection-bypass";
    let change = |body: Value| client.send(Method::Patch, path, Some(body));
    let (first, second) = ("a".repeat(32), "b".repeat(32));
    change(json!({"generate": {"secret": first, "note": "ours"}})).await;
    let (_, both) = change(json!({"generate": {"secret": second}})).await;
    let is_var = |body: &Value, secret: &str| body["protectionBypass"][secret]["isEnvVar"].clone();
    assert_eq!((is_var(&both, &first), is_var(&both, &second)), (json!(true), json!(false)));
    assert_eq!(change(json!({"revoke": {"secret": first, "regenerate": false}})).await.0, 409);
    let (_, both) = change(json!({"update": {"secret": second, "isEnvVar": true}})).await;
    assert_eq!((is_var(&both, &first), is_var(&both, &second)), (json!(false), json!(true)));
    let (_, left) = change(json!({"revoke": {"secret": first, "regenerate": false}})).await;
    assert_eq!(left["protectionBypass"].as_object().unwrap().len(), 1);
    // Whoever reads the project reads the secret.
    assert!(client.get("/v9/projects/web").await.1["protectionBypass"].get(&second).is_some());
    assert_eq!(change(json!({"generate": {"secret": "short"}})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn production_is_rolled_back_and_stays_until_it_is_promoted() {
    let client = Client::new(config());
    for _ in 0..2 {
        client.push("main");
        client.pass(60).await;
    }
    let ids: Vec<String> = client.web.deployments().into_iter().map(|one| one.id).collect();
    assert_eq!(client.web.production().as_ref(), Some(&ids[1]));
    let act = |action: &str, id: &str| {
        let path = format!("/v10/projects/{}/{action}/{id}", client.web.id().unwrap());
        let client = &client;
        async move { client.post(&path, json!({})).await.0 }
    };
    assert_eq!(act("promote", &ids[1]).await, 409);
    assert_eq!(act("rollback", &ids[0]).await, 201);
    assert_eq!(act("promote", &ids[1]).await, 409, "one at a time");
    let job = |body: Value| body["lastAliasRequest"]["jobStatus"].as_str().unwrap().to_owned();
    assert_eq!(job(client.get("/v9/projects/web?rollbackInfo=true").await.1), "pending");
    client.pass(5).await;
    assert_eq!(job(client.get("/v9/projects/web").await.1), "succeeded");
    assert_eq!(client.web.production().as_ref(), Some(&ids[0]));
    client.push("main");
    client.pass(60).await;
    assert_eq!(client.web.production().as_ref(), Some(&ids[0]), "nothing goes there by itself any more");
    let newest = client.web.deployments()[2].id.clone();
    assert_eq!(act("promote", &newest).await, 201);
    client.pass(5).await;
    let hosts = client.web.deployments()[2].hosts.clone();
    assert!(hosts.contains(&"web.vercel.app".to_owned()), "{hosts:?}");
    client.push("login");
    client.pass(60).await;
    assert_eq!(act("promote", &client.web.deployments()[3].id).await, 422, "a preview has to be built again");
}

#[tokio::test(start_paused = true)]
async fn a_free_team_makes_a_hundred_deployments_a_day() {
    let mut config = SimConfig { ..config() };
    config.vercel_teams[0].plan = VercelPlan::Hobby;
    let client = Client::new(config);
    let body = json!({"name": "docs", "files": [{"file": "index.html", "data": "x"}]});
    for number in 0..100 {
        assert_eq!(client.post("/v13/deployments", body.clone()).await.0, 200, "{number}");
        client.pass(10).await;
    }
    let (status, refused) = client.post("/v13/deployments", body.clone()).await;
    assert_eq!((status, &refused["error"]["code"]), (429, &json!("api-deployments-free-per-day")));
    let missing = json!({"name": "docs", "files": [{"file": "a", "sha": "abc", "size": 1}]});
    let (status, refused) = client.post("/v13/deployments", missing).await;
    assert_eq!((status, &refused["error"]["missing"]), (400, &json!(["abc"])));
}
