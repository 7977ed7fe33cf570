//! Apps that older tooling has left: listed first, adopted by exactly the code of that list, and collected like all orphans. Whatever
//! may be somebody's stays.

use std::sync::Arc;

use hangar::controller::{Outcome, Planned, Verdict};
use hangar::desired::{Completeness, NamePattern};
use hangar::http::transport::{Method, SharedTransport};
use hangar::plan::{Adoption, Purpose, Reason, Request};
use hangar::report::adoption_code;
use hangar::resource::marker::{PROTECTED_SECRET, RETAINED_SECRET, TOMBSTONE_SECRET, app_marker_secret};
use hangar::sim::{CrashPoint, Fault, FaultKind, Matcher, Simulator};

use crate::support::{
    GRACE, Meddler, QUARANTINE, created, deletes, edit_metadata, handmade, handmade_in, notices, policy, seconds,
    small, withheld, world_of,
};
use crate::world::World;

const PATTERN: &str = "pr-*-server";

fn request(pattern: &str, consent: Option<&str>) -> Request {
    let pattern = NamePattern::written(pattern).unwrap();
    let purpose = Purpose::Adopt(Adoption { pattern, consent: consent.map(str::to_owned) });
    Request { purpose, dry_run: consent.is_none(), ..Request::default() }
}

/// The list that a person sees. Nothing is written for it.
async fn list(world: &mut World, pattern: &str) -> Planned {
    world.pass_time(seconds(3)).await;
    world.sim.clear_requests();
    let (session, request) = (world.session(), request(pattern, None));
    let observed = session.observe_for(&request, &[].into()).await.unwrap();
    let planned = session.plan(observed, &request).unwrap();
    assert_eq!(world.writes(), Vec::<String>::new());
    planned
}

fn apps_in(planned: &Planned) -> Vec<&str> {
    planned.plan.steps.iter().map(|step| step.key.app().unwrap().as_str()).collect()
}

async fn code(world: &mut World, pattern: &str) -> String {
    let planned = list(world, pattern).await;
    adoption_code(&planned.plan).expect("something to adopt").to_owned()
}

async fn adopt(world: &mut World, pattern: &str, code: &str) -> Outcome {
    world.sim.clear_requests();
    world.run(request(pattern, Some(code))).await
}

/// An app with one machine, as another tool has left it.
fn leave(world: &World, app: &str) -> String {
    world.sim.create_app("acme", app, "").unwrap();
    handmade(world, app, "registry.fly.io/old:v1")
}

/// An environment of ours, and two apps that are left: one with a machine, one with nothing in it.
async fn world() -> World {
    let world = created(&["other"]).await;
    leave(&world, "pr-1-server");
    world.sim.create_app("acme", "pr-2-server", "").unwrap();
    leave(&world, "pr-1-web");
    world.pass_time(QUARANTINE).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_listed_adopted_and_collected_after_its_grace() {
    let mut world = world().await;
    let planned = list(&mut world, PATTERN).await;
    assert_eq!(apps_in(&planned), ["pr-1-server", "pr-2-server"]);
    let code = adoption_code(&planned.plan).unwrap().to_owned();
    let outcome = adopt(&mut world, PATTERN, &code).await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
    let machine = world.only_machine("pr-1-server");
    assert_eq!(
        world.writes(),
        [
            format!("PATCH /v1/apps/pr-1-server/machines/{}/metadata", machine.id),
            "POST /v1/apps/pr-2-server/secrets".to_owned()
        ]
    );
    assert_eq!((machine.versions, machine.metadata("hangar_tombstone")), (1, None), "neither restarted nor condemned");
    // Collection has its own steps: a mark, then its grace, then the end.
    world.pass_time(seconds(61)).await;
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert!(world.only_machine("pr-1-server").metadata("hangar_tombstone").is_some());
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_has_changed_since_is_refused() {
    let mut world = world().await;
    let seen = code(&mut world, PATTERN).await;
    leave(&world, "pr-3-server");
    world.pass_time(seconds(5)).await;
    let outcome = adopt(&mut world, PATTERN, &seen).await;
    assert_eq!((withheld(&outcome.last.plan), world.writes()), (vec![Reason::ApprovalRequired], vec![]));
    assert_eq!(outcome.worst(), Verdict::Blocked);
    // As few as before, and another app among them: it only has the same name.
    let seen = code(&mut world, PATTERN).await;
    world.sim.delete_app("pr-3-server").unwrap();
    world.pass_time(seconds(10)).await;
    leave(&world, "pr-3-server");
    world.pass_time(seconds(5)).await;
    let outcome = adopt(&mut world, PATTERN, &seen).await;
    assert_eq!((withheld(&outcome.last.plan), world.writes()), (vec![Reason::ApprovalRequired], vec![]));
    // Nor is it any code.
    for wrong in ["", "mass", "0123456789ab"] {
        let outcome = adopt(&mut world, PATTERN, wrong).await;
        assert_eq!((withheld(&outcome.last.plan), world.writes()), (vec![Reason::ApprovalRequired], vec![]));
    }
}

/// Something that is done to the app `pr-1-server`, whose machine is given.
type Doing = fn(&Simulator, &str);

#[tokio::test(start_paused = true)]
async fn what_may_be_somebodys_is_left_alone() {
    let theirs: Doing = |sim, id| {
        let name = sim.machine("pr-1-server", id).unwrap().name;
        let marks = [
            ("hangar_owner", Some("them")),
            ("hangar_env", Some("e")),
            ("hangar_app", Some("pr-1-server")),
            ("hangar_component", Some("c")),
            ("hangar_slot", Some("app/iad/0")),
            ("hangar_name", Some(name.as_str())),
        ];
        edit_metadata(sim, "pr-1-server", id, &marks);
    };
    let cases: [(&str, Reason, Doing); 7] = [
        ("another owner's machine", Reason::NotOurs, theirs),
        ("a mark that cannot be read", Reason::NotOurs, |sim, id| {
            edit_metadata(sim, "pr-1-server", id, &[("hangar_owner", Some("hangar"))]);
        }),
        ("another owner's secret", Reason::NotOurs, |sim, _| {
            let name = app_marker_secret(&"them".into(), &"pr-1-server".into());
            sim.set_secret("pr-1-server", &name, "1").unwrap();
        }),
        ("a protected machine", Reason::Protected, |sim, id| {
            edit_metadata(sim, "pr-1-server", id, &[("hangar_protect", Some("true"))]);
        }),
        ("a retained machine", Reason::Protected, |sim, id| {
            edit_metadata(sim, "pr-1-server", id, &[("hangar_retain", Some("true"))]);
        }),
        ("a protected app", Reason::Protected, |sim, _| {
            sim.set_secret("pr-1-server", PROTECTED_SECRET, "1").unwrap();
        }),
        ("a retained app", Reason::Protected, |sim, _| {
            sim.set_secret("pr-1-server", RETAINED_SECRET, "1").unwrap();
        }),
    ];
    for (what, reason, doing) in cases {
        let mut world = world().await;
        let id = world.only_machine("pr-1-server").id;
        doing(&world.sim, &id);
        world.pass_time(seconds(70)).await;
        let planned = list(&mut world, PATTERN).await;
        assert_eq!((apps_in(&planned), notices(&planned.plan)), (vec!["pr-2-server"], vec![reason]), "{what}");
        let code = adoption_code(&planned.plan).unwrap().to_owned();
        let before = world.only_machine("pr-1-server");
        adopt(&mut world, PATTERN, &code).await;
        assert_eq!(world.writes(), ["POST /v1/apps/pr-2-server/secrets"], "{what}");
        for _ in 0..3 {
            world.reconcile().await;
            world.pass_time(GRACE).await;
        }
        assert_eq!(world.only_machine("pr-1-server"), before, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_lives_on_a_controllers_network_is_left_alone() {
    let mut world = world().await;
    world.sim.create_app("acme", "pr-4-server", "hangar-them-0").unwrap();
    world.pass_time(seconds(5)).await;
    let planned = list(&mut world, "pr-4-*").await;
    assert_eq!((apps_in(&planned), notices(&planned.plan)), (vec![], vec![Reason::NotOurs]));
}

#[tokio::test(start_paused = true)]
async fn what_a_spec_asks_for_is_left_alone() {
    for more in ["", "adopt: true, "] {
        let mut world = created(&["other"]).await;
        leave(&world, "demo-web");
        world.put("demo.yaml", &small("demo").replace("web: {", &format!("web: {{{more}")));
        world.pass_time(seconds(5)).await;
        let planned = list(&mut world, "demo-*").await;
        assert_eq!((apps_in(&planned), notices(&planned.plan)), (vec![], vec![Reason::NotOurs]), "{more}");
    }
    // An environment of that name, or a policy that protects it, keeps it too.
    let mut world = created(&["other"]).await;
    leave(&world, "demo");
    world.put("demo.yaml", &small("demo"));
    assert_eq!(notices(&list(&mut world, "dem*").await.plan), [Reason::NotOurs]);
    world.remove("demo.yaml");
    world.put("policy.yaml", &policy("{protected: ['dem*']}"));
    assert_eq!(notices(&list(&mut world, "dem*").await.plan), [Reason::Protected]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_adopted_while_something_is_not_known() {
    let mut world = world().await;
    let seen = code(&mut world, PATTERN).await;
    world.completeness = Completeness::Incomplete { reason: "a file could not be read".into() };
    let outcome = adopt(&mut world, PATTERN, &seen).await;
    assert_eq!((withheld(&outcome.last.plan), world.writes()), (vec![Reason::SourceIncomplete], vec![]));
    world.completeness = Completeness::Complete;
    for path in ["/v1/orgs/acme/machines", "/v1/apps/pr-1-server/machines", "/v1/apps/pr-2-server/secrets"] {
        world.sim.inject(Fault::always(Matcher::new(Method::Get, path), FaultKind::unavailable()));
        let outcome = adopt(&mut world, PATTERN, &seen).await;
        assert_eq!(withheld(&outcome.last.plan), [Reason::ObservationIncomplete], "{path}");
        assert_eq!(world.writes(), Vec::<String>::new(), "{path}");
        world.sim.clear_faults();
    }
    assert_eq!(adopt(&mut world, PATTERN, &seen).await.worst(), Verdict::Converged);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_changes_between_the_plan_and_the_mark_is_not_marked() {
    let doings: [Doing; 3] = [
        |sim, id| edit_metadata(sim, "pr-1-server", id, &[("hangar_protect", Some("true"))]),
        |sim, _| drop(handmade_in(sim, "pr-1-server", "registry.fly.io/new:v1")),
        |sim, _| sim.set_secret("pr-1-server", PROTECTED_SECRET, "1").unwrap(),
    ];
    for (index, doing) in doings.into_iter().enumerate() {
        let mut world = world().await;
        let id = world.only_machine("pr-1-server").id;
        let seen = code(&mut world, PATTERN).await;
        let beside = world.sim.clone();
        let meddler = Meddler::before(&world, Method::Get, "/v1/apps/pr-1-server", move || doing(&beside, &id));
        world.pass_time(seconds(3)).await;
        world.sim.clear_requests();
        let transport: SharedTransport = Arc::<Meddler>::clone(&meddler);
        let session = world.session_through(transport);
        let run = hangar::controller::Once::new(&session, request(PATTERN, Some(&seen)), seconds(180));
        let outcome = run.run(|_| ()).await.unwrap();
        assert!(meddler.has_acted());
        assert_eq!(outcome.failures[&"pr-1-server".into()][0].reason, "NotTheSame", "{index}");
        assert_eq!(world.writes(), ["POST /v1/apps/pr-2-server/secrets"], "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_was_killed_halfway_goes_on_with_the_same_code() {
    for point in [CrashPoint::BeforeEffect, CrashPoint::BeforeReply] {
        for write in 1..=3 {
            let mut world = world().await;
            handmade(&world, "pr-1-server", "registry.fly.io/old:v1");
            world.pass_time(seconds(5)).await;
            let seen = code(&mut world, PATTERN).await;
            world.sim.kill_after_writes(write, point);
            drop(adopt(&mut world, PATTERN, &seen).await);
            world.sim.revive();
            world.lose_store();
            let outcome = adopt(&mut world, PATTERN, &seen).await;
            assert_eq!(outcome.worst(), Verdict::Converged, "{write} {point:?}: {:#?}", outcome.last.plan.withheld);
            for _ in 0..3 {
                world.pass_time(GRACE).await;
                world.reconcile().await;
            }
            assert_eq!(world.app_names(), ["other-web", "pr-1-web"], "{write} {point:?}");
        }
    }
}

/// A copy of a machine of ours brings its marks along, and an empty app may bear the tombstone of an earlier life: neither shortens the
/// grace.
#[tokio::test(start_paused = true)]
async fn no_mark_of_an_earlier_life_shortens_the_grace() {
    let mut world = world().await;
    let (ours, id) = (world.only_machine("other-web"), world.only_machine("pr-1-server").id);
    let keys = ["owner", "env", "app", "component", "slot", "name"].map(|key| format!("hangar_{key}"));
    let mut marks: Vec<(&str, Option<&str>)> = keys.iter().map(|key| (key.as_str(), ours.metadata(key))).collect();
    marks.extend([("hangar_tombstone", Some("1700000000")), ("hangar_released", Some("x"))]);
    // Not the machine that is named.
    marks.push(("hangar_name", Some("another")));
    world.edit_metadata("pr-1-server", &id, &marks);
    world.sim.set_secret("pr-2-server", TOMBSTONE_SECRET, "1").unwrap();
    world.pass_time(GRACE).await;
    let seen = code(&mut world, PATTERN).await;
    assert_eq!(adopt(&mut world, PATTERN, &seen).await.worst(), Verdict::Converged);
    world.pass_time(seconds(61)).await;
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web"]);
}

#[tokio::test(start_paused = true)]
async fn adopted_apps_cost_the_deletion_budget_and_what_is_not_ours_in_them_keeps_them() {
    let mut world = world_of(&["other"]);
    world.put("policy.yaml", &policy("{deletionBudget: {maxDeletions: 1, maxDeletionPercent: 100, window: 1h}}"));
    world.converge().await;
    for app in ["pr-1-server", "pr-2-server"] {
        leave(&world, app);
    }
    world.pass_time(QUARANTINE).await;
    let seen = code(&mut world, PATTERN).await;
    adopt(&mut world, PATTERN, &seen).await;
    world.pass_time(seconds(61)).await;
    let outcome = world.reconcile().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::BudgetExceeded), "{:#?}", outcome.last.plan.withheld);
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names().len(), 3);
}
