//! `hangar destroy`: a person asks for the end of one environment.

use hangar::controller::Verdict;
use hangar::execute::Intent;
use hangar::http::transport::Method;
use hangar::memory::Verb;
use hangar::plan::{Purpose, Reason, Request};
use hangar::resource::ResourceKey;
use hangar::sim::{Fault, FaultKind, Matcher, SimConfig};

use crate::support::{Meddler, QUARANTINE, configured, created, edit_metadata, environment, seconds, small, withheld};
use crate::world::World;

const TWO: &str = "web: {image: 'registry.fly.io/demo:v1', volumes: {data: {mount: /data}}, ips: {v6: true}}
api: {image: 'registry.fly.io/demo:v1', count: 2}";

fn destroy(env: &str) -> Request {
    Request { purpose: Purpose::Destroy(env.into()), ..Request::default() }
}

/// `demo` with two apps, and `other`, created.
async fn two() -> World {
    let mut world = created(&["other"]).await;
    world.put("demo.yaml", &environment("demo", "", TWO));
    world.converge().await;
    world
}

#[tokio::test(start_paused = true)]
async fn the_whole_environment_goes_at_once_and_nothing_else_is_touched() {
    for with_spec in [true, false] {
        let mut world = two().await;
        if !with_spec {
            world.remove("demo.yaml");
        }
        let outcome = world.run(destroy("demo")).await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan.withheld);
        let mut writes = world.writes();
        writes.sort();
        assert_eq!(writes, ["DELETE /v1/apps/demo-api", "DELETE /v1/apps/demo-web"]);
        assert_eq!(world.app_names(), ["other-web"]);
        world.sim.clear_requests();
        world.run(destroy("demo")).await;
        assert_eq!(world.writes(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_just_been_marked_as_an_orphan_goes_without_a_wait() {
    let mut world = two().await;
    world.pass_time(QUARANTINE).await;
    world.remove("demo.yaml");
    world.reconcile().await;
    let began = world.clock.now();
    let outcome = world.run(destroy("demo")).await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    assert!((world.clock.now() - began).num_seconds() < 20, "{}", world.clock.now() - began);
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_outcome_is_not_known_is_waited_for_before_the_end() {
    let mut world = two().await;
    world.pass_time(QUARANTINE).await;
    let key = ResourceKey::App { app: "demo-web".into() };
    let write = Intent { key: &key, env: &"demo".into(), verb: Verb::Update, detail: "" };
    world.session().journal.note(write, world.clock.now()).unwrap();
    let began = world.clock.now();
    world.run(destroy("demo")).await;
    let requests = world.sim.requests();
    let deleted = |app: &str| {
        let path = format!("/v1/apps/{app}");
        let request = requests.iter().find(|request| request.method == "DELETE" && request.path == path).unwrap();
        (request.at - began).num_seconds()
    };
    assert!(deleted("demo-api") < 20, "{}", deleted("demo-api"));
    assert!(deleted("demo-web") >= 120, "{}", deleted("demo-web"));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_we_gave_up_a_moment_ago_is_waited_for() {
    let config = SimConfig { app_delete: seconds(20), ..SimConfig::default() };
    let mut world = configured(&["demo", "other"], config);
    world.converge().await;
    world.run(destroy("demo")).await;
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_collect_what_else_is_wanted_by_nobody() {
    let mut world = two().await;
    world.remove("other.yaml");
    world.run(destroy("demo")).await;
    assert_eq!(world.app_names(), ["other-web"]);
    assert!(world.writes().iter().all(|write| !write.contains("other")));
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_is_refused() {
    for more in ["protect: true", "class: production"] {
        let mut world = created(&[]).await;
        world.put("demo.yaml", &environment("demo", more, TWO));
        world.converge().await;
        for keep_spec in [true, false] {
            if !keep_spec {
                world.remove("demo.yaml");
            }
            let outcome = world.run(destroy("demo")).await;
            assert_eq!(outcome.worst(), Verdict::Blocked);
            assert_eq!(withheld(&outcome.last.plan), [Reason::Protected]);
            assert_eq!(world.writes(), Vec::<String>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_retained_goes_when_a_person_asks_for_it() {
    let mut world = created(&["other"]).await;
    world.put("demo.yaml", &environment("demo", "deletionPolicy: retain", TWO));
    world.converge().await;
    world.remove("demo.yaml");
    world.run(destroy("demo")).await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_destroyed_while_a_listing_is_partial_or_in_quarantine() {
    for path in ["/v1/apps", "/v1/orgs/acme/machines", "/v1/orgs/acme/volumes"] {
        let mut world = two().await;
        world.sim.inject(Fault::always(Matcher::new(Method::Get, path), FaultKind::unavailable()));
        let outcome = world.run(destroy("demo")).await;
        assert_eq!(outcome.worst(), Verdict::Waiting, "{path}");
        assert_eq!(world.writes(), Vec::<String>::new(), "{path}");
    }
    let mut world = two().await;
    world.lose_store();
    let began = world.clock.now();
    world.run(destroy("demo")).await;
    let first = world.sim.requests().into_iter().find(|request| request.method == "DELETE").unwrap();
    assert!((first.at - began).num_seconds() >= 120);
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_protected_or_given_away_meanwhile_stays() {
    for change in [("hangar_protect", Some("true")), ("hangar_owner", Some("others")), ("hangar_env", Some("other"))] {
        let mut world = two().await;
        let id = world.only_machine("demo-web").id;
        let sim = world.sim.clone();
        let meddler = Meddler::before(&world, Method::Get, "/v1/apps/demo-web", move || {
            edit_metadata(&sim, "demo-web", &id, &[change]);
        });
        let session = world.session_through(std::sync::Arc::<Meddler>::clone(&meddler));
        hangar::controller::Once::new(&session, destroy("demo"), seconds(180)).run(|_| ()).await.unwrap();
        assert!(meddler.has_acted());
        assert_eq!(world.app_names(), ["demo-web", "other-web"], "{change:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reconciling_one_environment_touches_nothing_else() {
    let mut world = two().await;
    world.put("gone.yaml", &small("gone"));
    world.converge().await;
    world.remove("gone.yaml");
    world.edit("demo.yaml", "demo:v1", "demo:v2");
    world.edit("other.yaml", "demo:v1", "demo:v2");
    let outcome = world.run(Request { env: Some("other".into()), ..Request::default() }).await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    let id = world.only_machine("other-web").id;
    assert_eq!(
        world.writes(),
        [
            format!("POST /v1/apps/other-web/machines/{id}/lease"),
            format!("POST /v1/apps/other-web/machines/{id}"),
            format!("DELETE /v1/apps/other-web/machines/{id}/lease"),
        ]
    );
    assert_eq!(outcome.verdicts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn reconciling_one_component_touches_nothing_else() {
    let mut world = two().await;
    world.edit("demo.yaml", "demo:v1", "demo:v2");
    world.run(Request { env: Some("demo".into()), component: Some("api".into()), ..Request::default() }).await;
    assert!(world.writes().iter().all(|write| write.contains("/demo-api/")), "{:?}", world.writes());
    let image = |app: &str| world.sim.machines(app)[0].config["image"].as_str().unwrap().to_owned();
    assert_eq!(
        (image("demo-api"), image("demo-web")),
        ("registry.fly.io/demo:v2".into(), "registry.fly.io/demo:v1".into())
    );
}
