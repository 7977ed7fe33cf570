//! GitHub, as its clients see it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::documents::github::hold_to_github;
use super::support::epoch;
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::{Method, Request, Response};
use crate::sim::{
    Fault, FaultKind, GithubAccess, Matcher, NewPull, RepositoryHand, SimConfig, SimGithubToken, Simulator,
};

struct Client {
    sim: Simulator,
    clock: SharedClock,
    token: &'static str,
}

fn config() -> SimConfig {
    let mut config = SimConfig::default().with_repo("acme/chat", "sim_github");
    config.github_tokens.push(SimGithubToken::new("sim_reader", "reader", "acme/chat", GithubAccess::Read));
    config.github_tokens.push(SimGithubToken::new("sim_admin", "admin", "acme/chat", GithubAccess::Admin));
    let app = SimGithubToken::new("sim_app", "app[bot]", "acme/chat", GithubAccess::Read);
    config.github_tokens.push(SimGithubToken { is_app: true, ..app });
    config.github_tokens.push(SimGithubToken::new("sim_other", "other", "acme/other", GithubAccess::Admin));
    config
}

impl Client {
    fn new() -> (Self, RepositoryHand) {
        let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
        let sim = Simulator::new(config(), Arc::clone(&clock));
        Self::of(sim, clock)
    }

    fn of(sim: Simulator, clock: SharedClock) -> (Self, RepositoryHand) {
        hold_to_github(&sim);
        let repo = sim.repository("acme/chat");
        (Self { sim, clock, token: "sim_github" }, repo)
    }

    fn with_token(&self, token: &'static str) -> Self {
        Self { sim: self.sim.clone(), clock: Arc::clone(&self.clock), token }
    }

    async fn ask(&self, method: Method, address: &str, more: &[(&str, &str)], body: Option<Value>) -> Response {
        let url =
            if address.starts_with('/') { format!("https://api.github.com{address}") } else { address.to_owned() };
        let mut headers = Vec::new();
        if !more.iter().any(|(name, _)| *name == "user-agent") {
            headers.push(("user-agent".to_owned(), "test".to_owned()));
        }
        if !self.token.is_empty() {
            headers.push(("authorization".to_owned(), format!("token {}", self.token)));
        }
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        self.sim
            .transport()
            .send(Request { method, url, headers, body, timeout: Duration::from_secs(30) })
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        read(&self.ask(Method::Get, path, &[], None).await)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        read(&self.ask(method, path, &[], Some(body)).await)
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

fn read(answer: &Response) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|pull| pull["number"].as_u64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn pull_requests_are_listed_with_all_that_a_preview_needs_to_know() {
    let (client, repo) = Client::new();
    let login = repo.open_pull(NewPull::from_branch("login").labelled("preview")).unwrap();
    client.pass(60).await;
    let fork = repo.open_pull(NewPull::from_fork("eve", "login").draft()).unwrap();

    let (status, list) = client.get("/repos/acme/chat/pulls?state=open&sort=created&direction=asc&per_page=100").await;
    assert_eq!((status, numbers(&list)), (200, vec![login, fork]));
    let (ours, theirs) = (&list[0], &list[1]);
    assert_eq!((&ours["head"]["ref"], &theirs["head"]["ref"]), (&"login".into(), &"login".into()));
    assert_eq!(ours["head"]["repo"]["id"], ours["base"]["repo"]["id"]);
    assert_ne!(theirs["head"]["repo"]["id"], theirs["base"]["repo"]["id"]);
    assert_eq!((&theirs["head"]["label"], &theirs["draft"]), (&"eve:login".into(), &true.into()));
    assert_eq!(ours["labels"][0]["name"], "preview");
    assert_eq!(ours["html_url"], "https://github.com/acme/chat/pull/1");
    assert_eq!(theirs["created_at"], "2026-11-21T08:01:00Z");

    let (_, list) = client.get("/repos/acme/chat/pulls?head=eve:login").await;
    assert_eq!(numbers(&list), [fork]);
    repo.delete_fork("eve").unwrap();
    let (_, pull) = client.get("/repos/acme/chat/pulls/2").await;
    assert_eq!((&pull["head"]["repo"], &pull["state"]), (&Value::Null, &"open".into()));
}

#[tokio::test(start_paused = true)]
async fn what_people_do_shows() {
    let (client, repo) = Client::new();
    let number = repo.open_pull(NewPull::from_branch("login")).unwrap();
    client.pass(60).await;
    let sha = repo.push("login").unwrap();
    repo.label(number, "preview").unwrap();
    let (_, pull) = client.get("/repos/acme/chat/pulls/1").await;
    assert_eq!((&pull["head"]["sha"], &pull["updated_at"]), (&sha.as_str().into(), &"2026-11-21T08:01:00Z".into()));
    let (_, commit) = client.get(&format!("/repos/acme/chat/commits/{sha}")).await;
    assert_eq!(commit["commit"]["committer"]["date"], "2026-11-21T08:01:00Z");

    repo.close(number).unwrap();
    let (_, closed) = client.get("/repos/acme/chat/pulls?state=closed&sort=updated&direction=desc").await;
    assert_eq!((numbers(&closed), &closed[0]["merged_at"]), (vec![number], &Value::Null));
    repo.reopen(number).unwrap();
    repo.push("next").unwrap();
    repo.retarget(number, "next").unwrap();
    assert_eq!(client.get("/repos/acme/chat/pulls?base=main").await.1, Value::Array(Vec::new()));
    repo.merge(number).unwrap();
    let (_, pull) = client.get("/repos/acme/chat/pulls/1").await;
    assert_eq!((&pull["state"], &pull["merged"]), (&"closed".into(), &true.into()));
    assert!(repo.reopen(number).is_err());

    let second = repo.open_pull(NewPull::from_branch("bold/idea").changing(&["web/a.ts", "api/b.rs"])).unwrap();
    let (_, branches) = client.get("/repos/acme/chat/branches").await;
    let names: Vec<&str> = branches.as_array().unwrap().iter().map(|branch| branch["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["bold/idea", "login", "main", "next"]);
    assert_eq!(client.get("/repos/acme/chat/branches/bold%2Fidea").await.1["name"], "bold/idea");
    let (_, files) = client.get(&format!("/repos/acme/chat/pulls/{second}/files")).await;
    assert_eq!((&files[0]["filename"], &files[1]["filename"]), (&"web/a.ts".into(), &"api/b.rs".into()));
    repo.delete_branch("bold/idea").unwrap();
    assert_eq!(client.get("/repos/acme/chat/branches/bold/idea").await.0, 404);
    assert!(!repo.pull(second).unwrap().open);
}

#[tokio::test(start_paused = true)]
async fn pages_are_found_only_by_their_links() {
    let (client, repo) = Client::new();
    for number in 1..=65 {
        repo.open_pull(NewPull::from_branch(&format!("b{number}"))).unwrap();
    }
    let first = client.ask(Method::Get, "/repos/acme/chat/pulls?direction=asc", &[], None).await;
    assert_eq!(numbers(&read(&first).1), (1..=30).collect::<Vec<u64>>());
    let link = first.header("link").unwrap().to_owned();
    let next = link.split(['<', '>']).nth(1).unwrap();
    assert!(
        next.starts_with("https://api.github.com/repositories/") && next.ends_with("?direction=asc&page=2"),
        "{link}"
    );
    assert_eq!(numbers(&client.get(next).await.1), (31..=60).collect::<Vec<u64>>());
    let last = client.ask(Method::Get, &next.replace("page=2", "page=3"), &[], None).await;
    assert_eq!(numbers(&read(&last).1), (61..=65).collect::<Vec<u64>>());
    assert!(!last.header("link").unwrap().contains("next"));
    let (_, all) = client.get("/repos/acme/chat/pulls?per_page=1000").await;
    assert_eq!(numbers(&all).len(), 65);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_already_is_free() {
    let (client, repo) = Client::new();
    repo.open_pull(NewPull::from_branch("login")).unwrap();
    let path = "/repos/acme/chat/pulls";
    let first = client.ask(Method::Get, path, &[], None).await;
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    let left = |answer: &Response| answer.header("x-ratelimit-remaining").unwrap().to_owned();
    assert_eq!(left(&first), "4999");
    let again = client.ask(Method::Get, path, &[("if-none-match", &etag)], None).await;
    assert_eq!((again.status, again.body.len(), left(&again).as_str()), (304, 0, "4999"));
    // Another token sees another ETag, and a change ends it.
    let other = client.with_token("sim_reader").ask(Method::Get, path, &[("if-none-match", &etag)], None).await;
    assert_eq!(other.status, 200);
    repo.label(1, "preview").unwrap();
    let changed = client.ask(Method::Get, path, &[("if-none-match", &etag)], None).await;
    assert_eq!((changed.status, left(&changed).as_str()), (200, "4998"));
    let (_, limits) = client.get("/rate_limit").await;
    assert_eq!((&limits["resources"]["core"]["used"], &limits["rate"]["remaining"]), (&2.into(), &4998.into()));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_see_is_told_nothing() {
    let (client, repo) = Client::new();
    repo.open_pull(NewPull::from_branch("login")).unwrap();
    let (status, body) = client.with_token("sim_other").get("/repos/acme/chat/pulls").await;
    assert_eq!((status, &body["message"]), (404, &"Not Found".into()));
    assert_eq!(client.with_token("").get("/repos/acme/chat").await.0, 404);
    let (status, body) = client.with_token("sim_wrong").get("/repos/acme/chat").await;
    assert_eq!((status, &body["message"]), (401, &"Bad credentials".into()));
    client.sim.expire_token("sim_reader");
    assert_eq!(client.with_token("sim_reader").get("/repos/acme/chat").await.0, 401);
    assert_eq!(client.ask(Method::Get, "/repos/acme/chat", &[("user-agent", "")], None).await.status, 403);
    assert_eq!(client.get("/user").await.1["login"], "hangar-bot");
    let answer = client.ask(Method::Get, "/repos/acme/chat", &[], None).await;
    assert!(answer.header("x-github-request-id").is_some() && answer.header("fly-request-id").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_token_has_so_many_requests_an_hour() {
    let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
    let mut config = config();
    config.github_tokens[0].hourly = 3;
    let (client, _) = Client::of(Simulator::new(config, Arc::clone(&clock)), clock);
    for _ in 0..3 {
        assert_eq!(client.get("/repos/acme/chat").await.0, 200);
    }
    let refused = client.ask(Method::Get, "/repos/acme/chat", &[], None).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, Some("0")));
    assert!(read(&refused).1["message"].as_str().unwrap().contains("API rate limit exceeded"));
    let reset: i64 = refused.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset, epoch().timestamp() + 3600);
    client.pass(3600).await;
    assert_eq!(client.get("/repos/acme/chat").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn too_much_at_once_is_refused_for_a_minute() {
    let (client, _) = Client::new();
    for _ in 0..900 {
        assert_eq!(client.get("/rate_limit").await.0, 200);
    }
    for _ in 0..900 {
        assert_eq!(client.get("/repos/acme/chat").await.0, 200);
    }
    let refused = client.ask(Method::Get, "/repos/acme/chat", &[], None).await;
    assert_eq!(refused.status, 403);
    assert!(read(&refused).1["message"].as_str().unwrap().contains("secondary rate limit"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    client.pass(seconds).await;
    assert_eq!(client.get("/repos/acme/chat").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_repository_leads_on() {
    let (client, repo) = Client::new();
    let renamed = repo.rename("acme/talk").unwrap();
    renamed.open_pull(NewPull::from_branch("login")).unwrap();
    let moved = client.ask(Method::Get, "/repos/acme/chat/pulls?state=all", &[], None).await;
    assert_eq!(moved.status, 404, "the token was for the old name");
    let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
    let open = SimConfig { open_orgs: true, ..SimConfig::default() };
    let (client, _) = Client::of(Simulator::new(open, Arc::clone(&clock)), clock);
    client.sim.create_repository("acme/chat").rename("acme/talk").unwrap();
    let moved = client.ask(Method::Get, "/repos/acme/chat/pulls?state=all", &[], None).await;
    assert_eq!(moved.status, 301);
    let (status, list) = client.get(moved.header("location").unwrap()).await;
    assert_eq!((status, numbers(&list).len()), (200, 0));
    assert_eq!(client.get("/repos/acme/talk").await.1["full_name"], "acme/talk");
}

#[tokio::test(start_paused = true)]
async fn a_saved_world_goes_on_and_an_old_one_still_loads() {
    let (client, repo) = Client::new();
    let number = repo.open_pull(NewPull::from_branch("login")).unwrap();
    let mut saved = client.sim.snapshot();
    let second = Simulator::restore(&saved, config(), Arc::clone(&client.clock)).unwrap();
    assert_eq!(second.repository("acme/chat").pull(number), repo.pull(number));
    assert_eq!(second.repository("acme/chat").open_pull(NewPull::from_branch("next")), Ok(2));

    saved["world"].as_object_mut().unwrap().remove("github").unwrap();
    let old = Simulator::restore(&saved, config(), Arc::clone(&client.clock)).unwrap();
    assert!(old.repository("acme/chat").pulls().is_empty());
    assert_eq!(old.repositories(), ["acme/chat"]);
}

#[tokio::test(start_paused = true)]
async fn for_demonstrations_every_repository_is_there() {
    let clock: SharedClock = Arc::new(VirtualClock::starting_at(epoch()));
    let open = SimConfig { open_orgs: true, ..SimConfig::default() };
    let (client, _) = Client::of(Simulator::new(open, Arc::clone(&clock)), clock);
    let (status, list) = client.get("/repos/some/thing/pulls?state=open").await;
    assert_eq!((status, numbers(&list).len()), (200, 0));
    assert_eq!(client.sim.repositories().last().unwrap(), "some/thing");
}

#[tokio::test(start_paused = true)]
async fn an_enterprise_server_names_its_own_addresses() {
    let (client, repo) = Client::new();
    for number in 0..31 {
        repo.open_pull(NewPull::from_branch(&format!("b{number}"))).unwrap();
    }
    let first = client.ask(Method::Get, "https://git.acme.dev/api/v3/repos/acme/chat/pulls", &[], None).await;
    let row = &read(&first).1[0];
    assert!(row["url"].as_str().unwrap().starts_with("https://git.acme.dev/api/v3/repos/acme/chat/pulls/"), "{row}");
    assert!(row["html_url"].as_str().unwrap().starts_with("https://git.acme.dev/acme/chat/pull/"), "{row}");
    assert!(first.header("link").unwrap().starts_with("<https://git.acme.dev/api/v3/repositories/"));
}

#[tokio::test(start_paused = true)]
async fn people_act_over_the_simulators_own_pages() {
    let (client, repo) = Client::new();
    let act = async |method, path: &str, body: &str| {
        let body = (!body.is_empty()).then(|| serde_json::from_str(body).unwrap());
        read(&client.ask(method, &format!("/_sim/github{path}"), &[], body).await)
    };
    let (post, put, delete) = (Method::Post, Method::Put, Method::Delete);
    let (_, opened) = act(post, "/acme/chat/pulls", r#"{"branch": "bold/idea", "labels": ["preview"]}"#).await;
    assert_eq!(opened["number"], 1);
    let (_, pushed) = act(post, "/acme/chat/branches/bold/idea", "").await;
    assert_eq!(repo.pull(1).unwrap().sha, pushed["sha"].as_str().unwrap());
    assert_eq!(act(post, "/acme/chat/pulls/1/label", r#"{"label": "x"}"#).await.1["labels"][1], "x");
    assert_eq!(act(post, "/acme/chat/pulls/1/close", "").await.1["open"], false);
    assert_eq!(act(post, "/acme/chat/pulls/1/reopen", "").await.1["open"], true);
    act(post, "/acme/chat/pulls", r#"{"branch": "x", "fork": "eve", "author": "eve"}"#).await;
    act(post, "/acme/chat/pulls/2/push", "").await;
    assert_eq!(act(delete, "/acme/chat/forks/eve", "").await.0, 200);
    assert_eq!(act(post, "/acme/chat/pulls/2/push", "").await.0, 409);
    assert_eq!(act(delete, "/acme/chat/branches/bold/idea", "").await.0, 200);
    assert!(!repo.pull(1).unwrap().open);
    act(put, "/acme/chat/people/bob", r#"{"access": "triage"}"#).await;
    let (_, bob) = client.get("/repos/acme/chat/collaborators/bob/permission").await;
    assert_eq!((&bob["permission"], &bob["role_name"]), (&"read".into(), &"triage".into()));
    assert_eq!(act(put, "/acme/more", "").await.0, 204);
    act(post, "/acme/more/rename", r#"{"name": "acme/most"}"#).await;
    let (_, shown) = act(Method::Get, "", "").await;
    assert_eq!((&shown[0]["pulls"][1]["fork"], &shown[1]["repository"]), (&"eve".into(), &"acme/most".into()));
    for (path, status) in
        [("/acme/chat/pulls/9/close", 409), ("/acme/chat/pulls/1/explode", 409), ("/acme/none/pulls", 409)]
    {
        assert_eq!(act(post, path, "").await.0, status, "{path}");
    }
    assert_eq!(act(post, "/acme/chat/pulls", r#"{"brnch": "x"}"#).await.0, 400);
}

const COMMENTS: &str = "/repos/acme/chat/issues/1/comments";

#[tokio::test(start_paused = true)]
async fn comments_are_made_edited_and_deleted() {
    let (client, repo) = Client::new();
    let number = repo.open_pull(NewPull::from_branch("login")).unwrap();
    client.pass(60).await;
    let (status, comment) = client.send(Method::Post, COMMENTS, json!({"body": "hello"})).await;
    assert_eq!((status, &comment["user"]["login"]), (201, &"hangar-bot".into()));
    assert_eq!(repo.pull(number).unwrap().updated_at, epoch() + Duration::from_mins(1));
    let own = format!("/repos/acme/chat/issues/comments/{}", comment["id"]);
    client.pass(60).await;
    let (_, edited) = client.send(Method::Patch, &own, json!({"body": "hello again"})).await;
    assert_eq!((&edited["body"], &edited["updated_at"]), (&"hello again".into(), &"2026-11-21T08:02:00Z".into()));
    repo.comment(number, "eve", "me too").unwrap();
    let (_, list) = client.get(COMMENTS).await;
    assert_eq!((&list[0]["body"], &list[1]["user"]["login"]), (&"hello again".into(), &"eve".into()));
    assert_eq!(client.get("/repos/acme/chat/pulls/1").await.1["comments"], 2);

    // A person who reads may comment, and change only their own; an app may not.
    let reader = client.with_token("sim_reader");
    assert_eq!(reader.send(Method::Post, COMMENTS, json!({"body": "hi"})).await.0, 201);
    assert_eq!(reader.send(Method::Patch, &own, json!({"body": "mine"})).await.0, 403);
    let (status, refused) = client.with_token("sim_app").send(Method::Post, COMMENTS, json!({"body": "hi"})).await;
    assert_eq!((status, &refused["message"]), (403, &"Resource not accessible by integration".into()));
    let (status, refused) = client.send(Method::Post, COMMENTS, json!({"body": "x".repeat(65_537)})).await;
    assert_eq!(
        (status, &refused["errors"][0]["message"]),
        (422, &"body is too long (maximum is 65536 characters)".into())
    );
    assert_eq!(client.ask(Method::Delete, &own, &[], None).await.status, 204);
    assert_eq!(client.ask(Method::Delete, &own, &[], None).await.status, 404);
    let authors: Vec<String> = repo.comments(number).into_iter().map(|comment| comment.author).collect();
    assert_eq!(authors, ["eve", "reader"]);
}

#[tokio::test(start_paused = true)]
async fn labels_are_set_by_whoever_may_triage() {
    let (client, repo) = Client::new();
    repo.open_pull(NewPull::from_branch("login").labelled("Preview")).unwrap();
    let path = "/repos/acme/chat/issues/1/labels";
    let (_, labels) = client.send(Method::Post, path, json!({"labels": ["preview", "big"]})).await;
    assert_eq!((labels.as_array().unwrap().len(), &labels[1]["name"]), (2, &"big".into()));
    assert_eq!(client.ask(Method::Delete, &format!("{path}/PREVIEW"), &[], None).await.status, 200);
    assert_eq!(client.ask(Method::Delete, &format!("{path}/preview"), &[], None).await.status, 404);
    client.send(Method::Put, path, json!({"labels": ["small"]})).await;
    assert_eq!(client.get(path).await.1[0]["name"], "small");
    let reader = client.with_token("sim_reader");
    assert_eq!(reader.send(Method::Post, path, json!({"labels": ["x"]})).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn the_latest_status_of_each_context_counts() {
    let (client, repo) = Client::new();
    let sha = repo.push("login").unwrap();
    let (path, combined) =
        (format!("/repos/acme/chat/statuses/{sha}"), format!("/repos/acme/chat/commits/{sha}/status"));
    assert_eq!(client.get(&combined).await.1["state"], "pending");
    for (context, state) in [("preview", "pending"), ("tests", "success"), ("Preview", "success")] {
        let (status, _) = client.send(Method::Post, &path, json!({"state": state, "context": context})).await;
        assert_eq!(status, 201);
    }
    let (_, shown) = client.get(&combined).await;
    assert_eq!((&shown["state"], &shown["total_count"]), (&"success".into(), &2.into()));
    let (_, all) = client.get(&format!("/repos/acme/chat/commits/{sha}/statuses")).await;
    assert_eq!((all.as_array().unwrap().len(), &all[0]["context"]), (3, &"Preview".into()));
    let long = json!({"state": "success", "description": "x".repeat(141)});
    assert_eq!(client.send(Method::Post, &path, long).await.0, 422);
    let nowhere = "/repos/acme/chat/statuses/0000000000000000000000000000000000000000";
    assert_eq!(client.send(Method::Post, nowhere, json!({"state": "success"})).await.0, 422);
    assert_eq!(client.with_token("sim_reader").send(Method::Post, &path, json!({"state": "success"})).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn deployments_stay_until_they_are_inactive_and_environments_until_an_admin_comes() {
    let (client, repo) = Client::new();
    let sha = repo.push("login").unwrap();
    let path = "/repos/acme/chat/deployments";
    let wanted = json!({"ref": sha, "environment": "pr/1", "transient_environment": true, "auto_merge": false, "required_contexts": []});
    let (status, first) = client.send(Method::Post, path, wanted.clone()).await;
    assert_eq!((status, &first["environment"], &first["production_environment"]), (201, &"pr/1".into(), &false.into()));
    let (_, second) = client.send(Method::Post, path, wanted).await;
    let statuses = format!("{path}/{}/statuses", second["id"]);
    let success = json!({"state": "success", "environment_url": "https://pr-1.acme.dev"});
    assert_eq!(client.send(Method::Post, &statuses, success).await.0, 201);
    let shown: Vec<String> = repo.deployments().into_iter().map(|one| one.state).collect();
    assert_eq!(shown, ["pending", "success"], "transient ones do not retire by themselves");
    let own = format!("{path}/{}", second["id"]);
    assert_eq!(client.ask(Method::Delete, &own, &[], None).await.status, 422);
    client.send(Method::Post, &statuses, json!({"state": "inactive"})).await;
    assert_eq!(client.ask(Method::Delete, &own, &[], None).await.status, 204);
    let (_, left) = client.get(&format!("{path}?environment=pr/1")).await;
    assert_eq!((left.as_array().unwrap().len(), &left[0]["id"]), (1, &first["id"]));

    // What GitHub does unless it is told not to.
    repo.push("main").unwrap();
    let (status, merged) = client.send(Method::Post, path, json!({"ref": "login"})).await;
    assert_eq!((status, merged["id"].is_null()), (202, true));
    let pending = json!({"state": "pending"});
    client.send(Method::Post, &format!("/repos/acme/chat/statuses/{sha}"), pending).await;
    assert_eq!(client.send(Method::Post, path, json!({"ref": sha})).await.0, 409);

    let environment = "/repos/acme/chat/environments/pr%2F1";
    assert_eq!(client.get("/repos/acme/chat/environments").await.1["environments"][0]["name"], "pr/1");
    let refused = client.ask(Method::Delete, environment, &[], None).await;
    assert_eq!((refused.status, &read(&refused).1["message"]), (403, &"Must have admin rights to Repository.".into()));
    assert_eq!(client.with_token("sim_admin").ask(Method::Delete, environment, &[], None).await.status, 204);
    assert_eq!((repo.environments().len(), repo.deployments()[0].state.as_str()), (0, "inactive"));
}

#[tokio::test(start_paused = true)]
async fn stale_reads_show_what_was_there_that_long_ago_and_writes_see_the_present() {
    let (client, repo) = Client::new();
    client.sim.inject(Fault::always(Matcher::new(Method::Get, "/repos/**"), FaultKind::Stale { seconds: 30 }));
    let first = repo.open_pull(NewPull::from_branch("first")).unwrap();
    client.pass(30).await;
    let second = repo.open_pull(NewPull::from_branch("second")).unwrap();
    repo.close(first).unwrap();
    let open = "/repos/acme/chat/pulls?state=open&sort=created&direction=asc";
    client.pass(29).await;
    assert_eq!(numbers(&client.get(open).await.1), [first]);
    assert_eq!(client.get("/repos/acme/chat/pulls/2").await.0, 404);
    let admin = client.with_token("sim_admin");
    let (status, _) = admin.send(Method::Post, "/repos/acme/chat/issues/2/comments", json!({"body": "hello"})).await;
    assert_eq!((status, repo.comments(second).len()), (201, 1));
    assert_eq!(client.get("/repos/acme/chat/issues/2/comments").await.0, 404);
    client.pass(1).await;
    assert_eq!(numbers(&client.get(open).await.1), [second]);
    assert_eq!(client.get("/repos/acme/chat/issues/2/comments").await.1, json!([]));
    client.sim.clear_faults();
    assert_eq!(client.get("/repos/acme/chat/issues/2/comments").await.1[0]["body"], "hello");
}
