//! Tokens of other providers' projects: each is sent to its own project and nowhere else, and one that lacks a permission says which.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hangar::controller::Verdict;
use hangar::http::transport::{Request, Response, SharedTransport, Transport, TransportError};
use hangar::sim::{SimConfig, SimNeonProject, Simulator};

use crate::support::{CONTROLLER, GRACE, environment, small};
use crate::vercel::{REPO, config, configured};
use crate::vercel_document::hold_to_vercel;
use crate::world::World;

const SUN: &str = "quiet-sun-123456";
const MOON: &str = "calm-moon-654321";

/// Every project with the variable in hangar.yaml that has its token, and the token.
const PROJECTS: [(&str, &str, &str); 5] = [
    ("acme/web", "WEB_TOKEN", "sim_vercel_web"),
    ("acme/shop", "SHOP_TOKEN", "sim_vercel_shop"),
    ("other/docs", "DOCS_TOKEN", "sim_vercel_docs"),
    (SUN, "SUN_KEY", "sim_neon_sun"),
    (MOON, "MOON_KEY", "sim_neon_moon"),
];

/// Writes down which token each request carries.
#[derive(Debug)]
struct Listener {
    inner: SharedTransport,
    heard: Mutex<Vec<(Request, String)>>,
}

#[async_trait::async_trait]
impl Transport for Listener {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let sent = request.headers.iter().find(|(name, _)| name == "authorization");
        let token = sent.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()).unwrap_or_default();
        self.heard.lock().unwrap().push((request.clone(), token));
        self.inner.send(request).await
    }
}

/// What only requests about a Vercel project have in them: its name in the path, its id, the ids of its deployments.
fn signs(sim: &Simulator, team: &str, name: &str) -> Vec<String> {
    let hand = sim.vercel(team, name);
    let deployments = hand.deployments().into_iter().map(|one| one.id);
    let project = [format!("/projects/{name}?"), format!("/projects/{name}/"), hand.id().unwrap()];
    project.into_iter().chain(deployments).collect()
}

/// An environment with a branch at Neon, and a part of each of these Vercel projects of one team that has its connection string.
fn spec(name: &str, neon: &str, team: &str, projects: &[&str]) -> String {
    let part = |project: &&str| {
        format!(
            "{project}: {{project: {project}, branch: login, env: {{DB: '${{{{ neon.main.pooledUri }}}}'}}, domains: [{name}-{project}.acme.dev], deployment: {{}}, bypass: true}}"
        )
    };
    let parts: Vec<String> = projects.iter().map(part).collect();
    let more = format!(
        "neon: {{project: {neon}, branches: {{main: {{}}}}}}\nvercel: {{team: {team}, projects: {{{}}}}}",
        parts.join(", ")
    );
    environment(name, &more, "web: {image: 'registry.fly.io/demo:v1'}")
}

fn world() -> World {
    let config = SimConfig::default().with_org("acme", "sim_acme_token").with_repo(REPO, "ghp_x");
    let config = config.with_vercel("acme", "web", Some(REPO), "sim_vercel_web");
    let config = config.with_vercel("acme", "shop", Some(REPO), "sim_vercel_shop");
    let config = config.with_vercel("other", "docs", Some(REPO), "sim_vercel_docs");
    let config = config.with_neon(SimNeonProject::new(SUN), "sim_neon_sun");
    let config = config.with_neon(SimNeonProject::new(MOON), "sim_neon_moon");
    let of = |is_neon: bool| {
        let own = PROJECTS.iter().filter(|(project, ..)| project.contains('/') != is_neon);
        let own = own.map(|(project, variable, _)| format!("{project}: {{token: {{fromEnv: {variable}}}}}"));
        own.collect::<Vec<_>>().join(", ")
    };
    let more = format!("  vercel: {{projects: {{{}}}}}\n  neon: {{projects: {{{}}}}}\n  fly:", of(false), of(true));
    let controller = CONTROLLER.replace("  fly:", &more);
    let files = [
        ("hangar.yaml", controller.as_str()),
        ("demo.yaml", &spec("demo", SUN, "acme", &["web", "shop"])),
        ("site.yaml", &spec("site", MOON, "other", &["docs"])),
    ];
    let mut world = World::configured(&files, config);
    hold_to_vercel(&world.sim);
    for (_, variable, token) in PROJECTS {
        world.set(variable, token);
    }
    world.sim.create_repository(REPO);
    for (team, name) in [("acme", "web"), ("acme", "shop"), ("other", "docs")] {
        // From here on, what is pushed is deployed.
        assert!(world.sim.vercel(team, name).id().is_some());
    }
    world.sim.repository(REPO).push("login").unwrap();
    world
}

/// Runs, and counts by project the requests that carried its token and were about it. All others are about Fly.
async fn heard(world: &mut World, verdict: Verdict) -> BTreeMap<&'static str, usize> {
    world.sim.clear_requests();
    let listener = Arc::new(Listener { inner: world.sim.transport(), heard: Mutex::default() });
    let outcome = world.reconcile_over(Arc::<Listener>::clone(&listener)).await;
    assert_eq!(outcome.worst(), verdict, "{:#?}", outcome.failures);
    let refused = world.sim.requests().into_iter().filter(|request| matches!(request.status, Some(401 | 403)));
    assert_eq!(refused.count(), 0);
    let mut counts = BTreeMap::new();
    for (request, token) in listener.heard.lock().unwrap().iter() {
        let about = format!("{} {}", request.url, String::from_utf8_lossy(&request.body));
        let is_about = |project: &str| match project.split_once('/') {
            Some((team, name)) => signs(&world.sim, team, name).iter().any(|sign| about.contains(sign)),
            None => about.contains(project),
        };
        let subjects: Vec<_> = PROJECTS.iter().filter(|(project, ..)| is_about(project)).collect();
        let is_fly = request.url.starts_with("https://api.machines.dev/");
        match subjects[..] {
            [(project, _, own)] => {
                assert_eq!(token, own, "{} {}", request.method.as_str(), request.url);
                *counts.entry(*project).or_default() += 1;
            }
            _ => assert!(is_fly && token == "sim_acme_token", "{} {}", request.method.as_str(), request.url),
        }
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn each_project_is_sent_its_own_token_and_no_other_one() {
    let mut world = world();
    let made = heard(&mut world, Verdict::Converged).await;
    assert_eq!(made.len(), PROJECTS.len(), "{made:?}");
    assert!(made.values().all(|count| *count > 5), "{made:?}");
    // The end is written with them as well.
    world.remove("demo.yaml");
    world.remove("site.yaml");
    world.put("other.yaml", &small("other"));
    heard(&mut world, Verdict::Waiting).await;
    world.pass_time(GRACE).await;
    heard(&mut world, Verdict::Converged).await;
    for (team, name) in [("acme", "web"), ("acme", "shop"), ("other", "docs")] {
        let hand = world.sim.vercel(team, name);
        assert_eq!((hand.variables().len(), hand.domains().len(), hand.bypass_notes().len()), (0, 0, 0), "{name}");
    }
    for project in [SUN, MOON] {
        let names: Vec<_> = world.sim.neon(project).branches().into_iter().map(|branch| branch.name).collect();
        assert!(names.iter().all(|name| !name.ends_with("-main")), "{names:?}");
    }
}

/// A run with a Vercel token that may not write things of this kind: reason and message of what fails.
async fn denied(kind: &str, web: &str) -> (String, String) {
    let mut config = config();
    config.vercel_tokens[0].denied = vec![kind.to_owned()];
    let vercel = format!("vercel: {{team: acme, projects: {{web: {{project: web, branch: login, {web}}}}}}}");
    let demo = environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1'}");
    let mut world = configured(&[("demo.yaml", &demo), ("other.yaml", &small("other"))], config);
    world.web().set_creates_deployments(false).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Failed);
    assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged);
    assert!(!world.seen(&outcome).contains("sim_vercel_token"));
    let failure = outcome.failures[&"demo".into()][0].clone();
    (failure.reason, failure.message)
}

#[tokio::test(start_paused = true)]
async fn a_vercel_token_that_lacks_a_permission_is_told_who_has_it() {
    let advice =
        "give the user of the token such a role, and check that the team is the right one and the token is for it";
    for (kind, web, action, role) in [
        (
            "env",
            "env: {A: one}",
            "write variables",
            "a Member or Developer of the team or a Developer of the project (for production an Admin of it, or who has the permission Environment Variable Manager)",
        ),
        ("domains", "domains: [demo.acme.dev]", "add domain", "a Member of the team or an Admin of the project"),
        ("protection", "bypass: true", "generate bypass secret", "a Member of the team or an Admin of the project"),
        (
            "deployments",
            "deployment: {by: hangar}",
            "create deployment",
            "a Member or Developer of the team or a Developer of the project (for production an Admin of it, or who has the permission Full Production Deployment)",
        ),
    ] {
        let (reason, message) = denied(kind, web).await;
        assert_eq!(reason, "Forbidden", "{kind}: {message}");
        let told = format!("the token in `VERCEL_TOKEN` may not {action}, as {role} may: ");
        assert!(message.contains(&told) && message.ends_with(advice), "{kind}: {message}");
    }
}
