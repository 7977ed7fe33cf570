//! The daemon and the simulator as two programs: what happens in a repository is told by a webhook over a socket.

use std::time::Duration;

use hangar::http::ReqwestTransport;
use hangar::http::transport::{Method, Request, Transport as _};
use serde_json::{Value, json};

use crate::support::{Folder, MASTER_KEY, SILENCE};

/// Somebody acts at the simulated GitHub.
fn act(method: Method, url: &str, body: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = Request {
        method,
        url: url.to_owned(),
        headers: vec![],
        body: if method.is_read() { bytes::Bytes::new() } else { body.to_string().into() },
        timeout: Duration::from_secs(30),
    };
    let answer = runtime.block_on(ReqwestTransport::new().unwrap().send(request)).unwrap();
    assert!(answer.status < 300, "{method:?} {url}: {answer:?} {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_daemon_that_asks_once_an_hour_follows_at_once_what_webhooks_tell_it() {
    let nowhere = Folder::with(&[]);
    let mut sim = nowhere.start("sim --listen 127.0.0.1:0");
    let line = sim.wait_for("The Fly Machines API is simulated at http://127.0.0.1:");
    let url =
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches('.').to_owned();
    let controller = format!(
        "apiVersion: hangar/v1\nkind: Controller\nmetadata: {{name: hangar}}\nspec:\n  owner: hangar\n  resync: 1h\n  github: {{baseUrl: '{url}', interval: 1h, webhook: {{secret: {{fromEnv: GITHUB_WEBHOOK_SECRET}}}}}}\n  server: {{listen: '127.0.0.1:0'}}\n  fly: {{organizations: {{acme: {{token: {{fromEnv: FLY_API_TOKEN}}}}}}}}\n"
    );
    let set = "apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: chat}
spec:
  source: {github: {repo: acme/chat, pullRequests: {}}}
  template:
    metadata: {name: 'chat-${{ branch.slug }}'}
    spec: {fly: {org: acme, region: iad, apps: {web: {image: 'registry.fly.io/demo:v1', processes: {app: {count: 0}}}}}}
";
    let mut folder = Folder::with(&[("hangar.yaml", &controller), ("chat.yaml", set)]);
    for (name, value) in [
        ("FLY_FLAPS_BASE_URL", url.as_str()),
        ("FLY_API_TOKEN", "sim_demo"),
        ("GITHUB_TOKEN", "sim_demo"),
        ("GITHUB_WEBHOOK_SECRET", "planted-webhook-secret"),
        ("HANGAR_MASTER_KEY", MASTER_KEY),
    ] {
        folder.set(name, value);
    }
    let mut daemon = folder.start("reconcile");
    let line = daemon.wait_for("listening on 127.0.0.1:");
    let listening = line.split_whitespace().last().unwrap().to_owned();
    let repo = format!("{url}/_sim/github/acme/chat");
    let hook = json!({"url": format!("http://{listening}/webhooks/github"), "secret": "planted-webhook-secret"});
    act(Method::Post, &format!("{repo}/hooks"), &hook);
    act(Method::Post, &format!("{repo}/pulls"), &json!({"branch": "login"}));
    daemon.wait_for("chat-login");
    daemon.wait_for("as desired");
    let hooks = act(Method::Get, &format!("{repo}/hooks"), &json!(null));
    let deliveries = hooks["deliveries"].as_array().unwrap();
    assert!(deliveries.len() >= 3 && deliveries.iter().any(|each| each["event"] == "pull_request"), "{hooks}");
    assert!(deliveries.iter().all(|each| each["outcome"].as_str().unwrap().starts_with('2')), "{hooks}");
    assert!(!hooks.to_string().contains("planted-webhook-secret"));
    daemon.signal("TERM");
    assert_eq!(daemon.end_within(SILENCE).0, Some(0));
    sim.signal("TERM");
    assert_eq!(sim.end_within(SILENCE).0, Some(0));
}
