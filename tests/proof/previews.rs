//! A preview whose run is killed at any request, when its pull request is opened, pushed to, or closed: the same end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::sim::SimConfig;

use crate::scene::{Scene, killed};
use crate::support::{CONTROLLER, QUARANTINE, policy, small};
use crate::world::World;

/// The apps of a preview: a volume, a secret that both know, an address, and the commit in both images.
const APPS: &str = "worker:
  image: 'registry.fly.io/worker:${{ head.shortSha }}'
  secrets: {SHARED: {generate: {length: 32}}}
server:
  image: 'registry.fly.io/demo:${{ head.shortSha }}'
  secrets: {SHARED: {value: '${{ fly.worker.secrets.SHARED }}'}}
  volumes: {data: {size: 1GB, mount: /data}}
  ips: {v6: true}";

/// The one app of a preview that nobody may delete.
const KEPT: &str = "web:
  image: 'registry.fly.io/demo:${{ head.shortSha }}'
  protect: true";

/// A set of previews of all pull requests of `acme/<name>`, each of them an environment `<name>-<number>` of these apps.
pub(crate) fn set(name: &str, apps: &str) -> String {
    let apps: Vec<String> = apps.lines().map(|line| format!("          {line}")).collect();
    format!(
        "apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: {name}}}
spec:
  source: {{github: {{repo: acme/{name}, pullRequests: {{}}}}}}
  template:
    metadata: {{name: '{name}-${{{{ pr.number }}}}'}}
    spec:
      fly:
        org: acme
        region: iad
        apps:
{}
",
        apps.join("\n")
    )
}

/// A pull request at the commit that is its number's for the `push`th time.
pub(crate) fn pull(number: u64, push: u64) -> PullRequest {
    let created_at: DateTime<Utc> = "2026-02-01T00:00:00Z".parse().unwrap();
    let created_at = created_at + TimeDelta::minutes(i64::try_from(number).unwrap());
    PullRequest {
        number,
        title: String::new(),
        author: "ada".into(),
        labels: vec![],
        is_draft: false,
        is_fork: false,
        branch: format!("change-{number}"),
        sha: format!("{number}{push}aaaaaaaaaaaaa"),
        base: "main".into(),
        url: format!("https://github.com/acme/chat/pull/{number}"),
        created_at,
        active_at: created_at,
        closed_at: None,
        head_at: None,
        files: None,
        approvals: BTreeMap::new(),
        orders: vec![],
    }
}

pub(crate) fn closed(world: &World, pull: PullRequest) -> PullRequest {
    PullRequest { closed_at: Some(world.clock.now()), ..pull }
}

pub(crate) fn list(world: &mut World, repo: &str, pulls: Vec<PullRequest>) {
    let listing = RepoListing { pulls, branches: vec![], completeness: Completeness::Complete };
    world.repos.insert(format!("acme/{repo}").parse().unwrap(), listing);
}

/// Pull request 1 of `chat` has its preview. Beside it are: an environment of a spec; the protected preview of a pull request of `docs`
/// that is closed; and apps of somebody else, one of them with the name that the preview of a closed pull request has had.
async fn world() -> (World, SimConfig) {
    let config = SimConfig::default().with_org("acme", "sim_acme_token");
    let files = [
        ("hangar.yaml", CONTROLLER),
        ("policy.yaml", &policy("{grace: 30s}")),
        ("other.yaml", &small("other")),
        ("chat.yaml", &set("chat", APPS)),
        ("docs.yaml", &set("docs", KEPT)),
    ];
    let mut world = World::configured(&files, config.clone());
    for app in ["theirs", "chat-9-server"] {
        world.sim.create_app("acme", app, "").unwrap();
        let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
        world.sim.create_machine(app, &machine, "iad").unwrap();
    }
    let gone = closed(&world, pull(9, 0));
    list(&mut world, "chat", vec![pull(1, 0), gone]);
    list(&mut world, "docs", vec![pull(2, 0)]);
    world.converge().await;
    let kept = closed(&world, pull(2, 0));
    list(&mut world, "docs", vec![kept]);
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    (world, config)
}

/// The world in which `chat` now has these pull requests beside the closed number 9.
async fn scene(pulls: impl FnOnce(&World) -> Vec<PullRequest>) -> Scene {
    let (mut world, config) = world().await;
    let mut pulls = pulls(&world);
    pulls.push(closed(&world, pull(9, 0)));
    list(&mut world, "chat", pulls);
    Scene::of(&world, &config).edited(|_| ())
}

/// Kills at every request, with an empty store afterwards, and prints how many points that were. The undisturbed end has these apps.
async fn holds(what: &str, scene: Scene, apps: &[&str]) {
    let (end, _) = scene.undisturbed().await;
    let found: Vec<&str> = end.iter().filter_map(|line| line.strip_prefix("app ")?.split(' ').next()).collect();
    assert_eq!(found, apps);
    println!("shown: preview {what}, with an empty store: {} points", scene.every_point(&killed(false), false).await);
}

/// What is there whatever becomes of the previews of `chat`.
const OTHERS: [&str; 4] = ["chat-9-server", "docs-2-web", "other-web", "theirs"];

fn beside_others<'a>(apps: &[&'a str]) -> Vec<&'a str> {
    let mut all: Vec<&str> = OTHERS.iter().chain(apps).copied().collect();
    all.sort_unstable();
    all
}

#[tokio::test(start_paused = true)]
async fn a_preview_whose_creation_is_killed_anywhere_is_created_all_the_same() {
    let scene = scene(|_| vec![pull(1, 0), pull(3, 0)]).await;
    let apps = beside_others(&["chat-1-server", "chat-1-worker", "chat-3-server", "chat-3-worker"]);
    holds("created", scene, &apps).await;
}

#[tokio::test(start_paused = true)]
async fn a_preview_whose_update_is_killed_anywhere_comes_to_its_head_all_the_same() {
    let scene = scene(|_| vec![pull(1, 1)]).await;
    let (end, _) = scene.undisturbed().await;
    assert!(
        end.iter().any(|line| line.starts_with("chat-1-worker machine") && line.contains("worker:11aaaaa")),
        "{end:#?}"
    );
    holds("pushed to", scene, &beside_others(&["chat-1-server", "chat-1-worker"])).await;
}

#[tokio::test(start_paused = true)]
async fn a_preview_whose_end_is_killed_anywhere_leaves_nothing_all_the_same() {
    let scene = scene(|world| vec![closed(world, pull(1, 0))]).await;
    holds("closed", scene, &beside_others(&[])).await;
}
