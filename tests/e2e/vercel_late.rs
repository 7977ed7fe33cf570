//! Writes at Vercel whose effect comes late. What an environment has is noted in one value that is written as a whole, so none may be
//! written while an earlier one can still come: it would take back what was noted after it, and leave that behind as nobody's.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::{Action, Plan, Purpose, Reason, Request};
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::support::{QUARANTINE, environment, seconds, small, withheld};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

const DOMAINS: &str = "domains: [a.acme.dev, b.acme.dev], bypass: true";

fn demo(web: &str) -> String {
    let vercel = format!("vercel: {{team: acme, projects: {{web: {{project: web, branch: login, {web}}}}}}}");
    environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1'}")
}

/// The environment is not there yet.
fn world(web: &str) -> World {
    let world = configured(&[("demo.yaml", &demo(web))], config());
    world.sim.repository(REPO).push("login").unwrap();
    world
}

/// It is there with a variable, and is now to have domains.
async fn extended() -> World {
    let mut world = world("env: {A: one}");
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    world.sim.clear_requests();
    world.put("demo.yaml", &demo(&format!("env: {{A: one}}, {DOMAINS}")));
    world
}

/// The next change of a variable, which the mark is, comes 55 s late.
fn delay_next_mark(world: &World) {
    let mark = Matcher::new(Method::Patch, "/v9/projects/web/env/*");
    world.sim.inject(Fault::once(mark, FaultKind::Late { after_ms: 55_000 }));
}

/// What the plan is to make.
fn made(plan: &Plan) -> Vec<String> {
    let made = plan.steps.iter().filter(|step| matches!(step.action, Action::CreateObject(_)));
    made.map(|step| step.key.to_string()).collect()
}

/// Everything is there, is noted, and goes again without anything that is left.
async fn ends_well(world: &mut World) {
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    let domains: Vec<_> = world.web().domains().into_iter().map(|one| one.name).collect();
    assert_eq!(domains, ["a.acme.dev", "b.acme.dev"]);
    assert_eq!(world.web().bypass_notes().len(), 1);
    let is_mark = |key: &str| key.starts_with("HANGAR_ENVIRONMENT_");
    let mark = world.web().variables().into_iter().find(|one| is_mark(&one.key)).unwrap();
    let said: serde_json::Value = serde_json::from_str(&mark.value).unwrap();
    assert_eq!(said["domains"], serde_json::json!(domains));
    world.tear_down().await;
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn after_a_write_of_the_mark_without_an_answer_it_is_not_written_until_that_can_come_no_more() {
    let mut world = extended().await;
    delay_next_mark(&world);
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
    let is_change = |path: &str| path.starts_with("/v9/projects/web/env/");
    let changes: Vec<_> =
        world.sim.requests().into_iter().filter(|one| !one.is_read() && is_change(&one.path)).collect();
    let (first, next) = (&changes[0], &changes[1]);
    assert_eq!((first.status, next.status), (None, Some(200)), "{changes:#?}");
    assert!(next.at - first.at > chrono::TimeDelta::seconds(110), "{changes:#?}");
    ends_well(&mut world).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_the_mark_whose_answer_is_lost_is_looked_at_and_nothing_waits() {
    let mut world = extended().await;
    let mark = Matcher::new(Method::Patch, "/v9/projects/web/env/*");
    world.sim.inject(Fault::once(mark, FaultKind::ResetAfter));
    let began = world.clock.now();
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
    assert!(world.clock.now() - began < chrono::TimeDelta::seconds(60));
    ends_well(&mut world).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_the_mark_that_times_out_is_waited_for_from_then_on_and_is_no_failure() {
    let mut world = extended().await;
    let mark = Matcher::new(Method::Patch, "/v9/projects/web/env/*");
    world.sim.inject(Fault::once(mark, FaultKind::TimeoutBefore));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?} {:#?}", outcome.failures, outcome.last.plan.withheld);
    ends_well(&mut world).await;
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_comes_late_goes_with_an_environment_that_a_person_ends_meanwhile() {
    let mut world = extended().await;
    let domains = Matcher::new(Method::Post, "/v10/projects/web/domains");
    world.sim.inject(Fault::once(domains, FaultKind::Late { after_ms: 55_000 }));
    world.run_for(seconds(2)).await;
    let end = || Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() };
    world.run(end()).await;
    world.pass_time(QUARANTINE).await;
    world.run(end()).await;
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn where_every_variable_is_made_sensitive_that_is_said_and_nothing_stays_also_after_a_lost_answer() {
    for faults in [0, 1] {
        let mut config = config();
        config.vercel_teams.iter_mut().for_each(|team| team.sensitive_policy = true);
        let mut world = configured(&[("demo.yaml", &demo("env: {A: one}"))], config);
        world.sim.repository(REPO).push("login").unwrap();
        let create = Matcher::new(Method::Post, "/v10/projects/web/env");
        world.sim.inject(Fault::always(create, FaultKind::ResetAfter).times(faults));
        let outcome = world.reconcile().await;
        assert!(world.seen(&outcome).contains("SensitivePolicy"), "{:#?}", outcome.failures);
        assert_eq!(world.left(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_run_waits_for_what_the_last_one_had_no_answer_to() {
    let mut world = extended().await;
    delay_next_mark(&world);
    world.run_for(seconds(2)).await;
    assert!(world.web().domains().is_empty());
    let plan = world.diff().await.plan;
    assert_eq!(made(&plan), Vec::<String>::new());
    assert_eq!(withheld(&plan), [Reason::OwnWritePending]);
    ends_well(&mut world).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_store_names_are_noted_in_an_earlier_mark_after_quarantine_and_in_a_new_one_at_once() {
    let mut world = extended().await;
    world.lose_store();
    let plan = world.diff().await.plan;
    assert_eq!(made(&plan), Vec::<String>::new());
    assert_eq!(withheld(&plan), [Reason::Quarantine]);
    ends_well(&mut world).await;
    let mut world = self::world(DOMAINS);
    let plan = world.diff().await.plan;
    assert_eq!(withheld(&plan), []);
    assert_eq!(made(&plan).len(), 4, "the mark, both domains and the secret: {:#?}", made(&plan));
    ends_well(&mut world).await;
}

#[tokio::test(start_paused = true)]
async fn a_redeployment_without_an_answer_is_not_made_twice_though_there_is_an_older_deployment() {
    let app = "web: {image: 'registry.fly.io/demo:v1'";
    let demo = demo("env: {A: one}, domains: [demo.acme.dev], deployment: {}")
        .replace(app, &format!("{app}, env: {{SITE: '${{{{ vercel.web.url }}}}'}}"));
    let mut world = world("");
    // What the controller has known for long is not in quarantine.
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.put("demo.yaml", &demo);
    let redeploy = Matcher::new(Method::Post, "/v13/deployments");
    world.sim.inject(Fault::once(redeploy, FaultKind::Late { after_ms: 55_000 }));
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    let made: Vec<_> = world.web().deployments().into_iter().map(|one| one.source).collect();
    assert_eq!(made, ["git", "redeploy"]);
}
