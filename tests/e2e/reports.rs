//! What people see of an environment that has something at several providers: every provider has its lines, and no secret is in them.

use std::collections::{BTreeMap, BTreeSet};

use hangar::controller::Planned;

use hangar::plan::{Purpose, Request};
use hangar::report::{self, Collection, RequestCount, Style};
use hangar::sim::VercelVariableView;

use crate::support::{GRACE, environment, seconds, small};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

const REQUESTS: RequestCount = RequestCount { reads: 12, writes: 0 };

/// An app that uses a branch at Neon, and a part of a Vercel project that uses both.
fn demo() -> String {
    let web = "project: web, branch: login, env: {API: 'https://${{ fly.api.hostname }}', DB: '${{ neon.main.pooledUri }}'}, domains: [demo.acme.dev], deployment: {}, bypass: true";
    let more = format!(
        "neon: {{project: quiet-sun-123456, branches: {{main: {{}}}}}}\nvercel: {{team: acme, projects: {{site: {{{web}}}}}}}"
    );
    let api = "api: {image: 'registry.fly.io/demo:v1', secrets: {DB: {value: '${{ neon.main.uri }}'}}}";
    environment("demo", &more, api)
}

fn world() -> World {
    let world = configured(&[("demo.yaml", &demo())], config());
    world.sim.repository(REPO).push("login").unwrap();
    world
}

/// `hangar gc --dry-run`: everything is listed, and the app of `demo`, which no spec asks for, is read as well.
async fn collection(world: &mut World) -> String {
    world.pass_time(seconds(3)).await;
    let session = world.session();
    let loaded = &session.loaded;
    let mut observed = session.readers.list().await;
    let apps = BTreeMap::from([("acme".into(), BTreeSet::from(["demo-api".into()]))]);
    session.readers.read_apps(&mut observed, loaded, &BTreeSet::new(), &apps).await;
    let request = Request { purpose: Purpose::Collect, dry_run: true, ..Request::default() };
    let planned = session.plan(observed, &request).unwrap();
    let (now, grace) = (world.clock.now(), loaded.policy.grace);
    let found = Collection::of(&planned.plan, Vec::new(), &loaded.fleet, &planned.observed, now, grace);
    without_secrets(world, report::gc_text(&found, &Style::PLAIN, REQUESTS))
}

/// No report shows a value that is secret.
fn without_secrets(world: &World, text: String) -> String {
    let neon = world.sim.neon("quiet-sun-123456");
    for branch in neon.branches() {
        for role in &branch.roles {
            assert!(!text.contains(neon.password(&branch.id, role).unwrap().expose()));
        }
    }
    let secret = |one: &VercelVariableView| one.kind == "sensitive" && text.contains(&one.value);
    assert!(!world.web().variables().iter().any(secret), "{text}");
    text
}

#[tokio::test(start_paused = true)]
async fn a_diff_shows_what_is_made_at_every_provider_and_names_what_is_not_counted() {
    let mut world = world();
    let first = world.diff().await;
    insta::assert_snapshot!("diff_text", report::diff_text(&first.plan, &Style::PLAIN, REQUESTS));
    let cost = report::cost_delta(&first.plan, &first.observed);
    insta::assert_snapshot!("diff_markdown", report::diff_markdown(&first.plan, cost, REQUESTS));
    world.converge().await;
    world.edit("demo.yaml", "domains: [demo.acme.dev]", "domains: [other.acme.dev]");
    world.edit("demo.yaml", "https://", "http://");
    world.edit("demo.yaml", "branches: {main: {}}", "branches: {main: {compute: {max: 2}}}");
    let change = world.diff().await;
    let text = report::diff_text(&change.plan, &Style::PLAIN, REQUESTS);
    insta::assert_snapshot!("diff_of_a_change", without_secrets(&world, text));
    let cost = report::cost_delta(&change.plan, &change.observed);
    assert!(cost.is_nothing(), "a change makes and removes nothing that is paid for: {cost:?}");
}

#[tokio::test(start_paused = true)]
async fn status_shows_what_there_is_at_every_provider() {
    let mut world = world();
    world.converge().await;
    let shown = |world: &World, planned: &Planned| {
        let now = world.clock.now();
        let status = report::status_of(&world.load().fleet, &planned.plan, &planned.observed, now);
        let overview = report::status_overview_text(&status, now, &Style::PLAIN, REQUESTS);
        without_secrets(world, overview + "\n" + &report::status_text(&status, now, &Style::PLAIN, REQUESTS))
    };
    let seen = world.diff().await;
    insta::assert_snapshot!("status", shown(&world, &seen));
    world.web().delete_domain("demo.acme.dev").unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(10)).await;
    let seen = world.diff().await;
    insta::assert_snapshot!("status_of_what_is_not_right", shown(&world, &seen));
}

#[tokio::test(start_paused = true)]
async fn collection_shows_what_goes_at_every_provider() {
    let mut world = world();
    world.converge().await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    insta::assert_snapshot!("collection_later", collection(&mut world).await);
    world.reconcile().await;
    insta::assert_snapshot!("collection_in_grace", collection(&mut world).await);
    world.pass_time(GRACE).await;
    insta::assert_snapshot!("collection_now", collection(&mut world).await);
}
