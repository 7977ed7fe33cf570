//! Which commit is in production at Vercel: promoted once it is ready, gone back to, never deleted.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::{Purpose, Reason, Request};
use hangar::sim::{Fault, FaultKind, Matcher, VercelBuild};

use crate::support::{GRACE, QUARANTINE, environment, seconds, small, withheld};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

/// `demo`: an app that is told where the site is, and what is under `vercel.projects.web`.
fn demo(web: &str) -> String {
    let vercel = format!(
        "class: staging\nvercel: {{team: acme, projects: {{web: {{project: web, target: production, {web}}}}}}}"
    );
    let app = "web: {image: 'registry.fly.io/demo:v1', env: {SITE: '${{ vercel.web.url }}', ID: '${{ vercel.web.deploymentId }}'}}";
    environment("demo", &vercel, app)
}

fn of(sha: &str) -> String {
    demo(&format!("deployment: {{sha: {sha}}}"))
}

/// A project in which the commit that is returned was pushed to `main` and is in production.
async fn live() -> (World, String) {
    let mut world = configured(&[("other.yaml", &small("other"))], config());
    let sha = world.push_main().await;
    assert_eq!(world.in_production(), sha);
    world.converge().await;
    (world, sha)
}

impl World {
    /// Somebody pushes to `main`, and all builds come to their end.
    async fn push_main(&self) -> String {
        let sha = self.sim.repository(REPO).push("main").unwrap();
        self.pass_time(seconds(60)).await;
        sha
    }

    /// The commit that is in production.
    fn in_production(&self) -> String {
        let id = self.web().production().unwrap();
        self.web().deployments().into_iter().find(|one| one.id == id).unwrap().sha.unwrap()
    }

    fn id_of(&self, sha: &str) -> String {
        let found = self.web().deployments().into_iter().find(|one| one.sha.as_deref() == Some(sha));
        found.unwrap().id
    }

    /// What was written at Vercel but variables, which hold the mark.
    fn moves(&self) -> Vec<String> {
        let is_move =
            |write: &String| ["/promote/", "/rollback/", "/deployments"].iter().any(|part| write.contains(part));
        self.writes().into_iter().filter(is_move).collect()
    }

    fn promoted(&self, sha: &str) -> String {
        format!("POST /v10/projects/{}/promote/{}", self.web().id().unwrap(), self.id_of(sha))
    }

    fn rolled_back(&self, sha: &str) -> String {
        format!("POST /v1/projects/{}/rollback/{}", self.web().id().unwrap(), self.id_of(sha))
    }

    /// Reconciles until converged, and returns what was moved or built.
    async fn converge_moving(&mut self) -> Vec<String> {
        self.sim.clear_requests();
        let outcome = self.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?} {:#?}", outcome.failures, outcome.last.plan.withheld);
        self.moves()
    }
}

#[tokio::test(start_paused = true)]
async fn what_vercel_sends_to_production_by_itself_is_only_waited_for() {
    let (mut world, _) = live().await;
    let next = world.sim.repository(REPO).push("main").unwrap();
    world.put("demo.yaml", &of(&next));
    assert_eq!(world.converge_moving().await, Vec::<String>::new());
    assert_eq!(world.in_production(), next);
    let current = world.web().deployments().pop().unwrap();
    let machine = world.only_machine("demo-web");
    assert_eq!(machine.config["env"]["SITE"], format!("https://{}", current.host));
    assert_eq!(machine.config["env"]["ID"], current.id);
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_is_promoted_once_when_it_is_ready_and_not_before() {
    let (mut world, first) = live().await;
    world.web().set_assigns_domains(false).unwrap();
    let next = world.sim.repository(REPO).push("main").unwrap();
    world.put("demo.yaml", &of(&next));
    let began = world.clock.now();
    let moves = world.converge_moving().await;
    // A build takes half a minute, and the simulator refuses to promote what is not ready: it was not asked to.
    assert_eq!(moves, [world.promoted(&next)]);
    assert!((world.clock.now() - began).num_seconds() >= 24);
    let refused = |path: &str| path.contains("/promote/");
    assert!(world.sim.requests().iter().all(|one| !refused(&one.path) || one.status == Some(201)));
    assert_ne!(first, next);
    assert_eq!(world.in_production(), next);
    world.reconcile_without_writes().await;
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_commit_is_gone_back_to_and_going_forward_is_a_promotion() {
    let (mut world, first) = live().await;
    let second = world.push_main().await;
    world.put("demo.yaml", &of(&second));
    assert_eq!(world.converge_moving().await, Vec::<String>::new());
    world.put("demo.yaml", &of(&first));
    assert_eq!(world.converge_moving().await, [world.rolled_back(&first)]);
    assert_eq!((world.in_production(), world.web().assigns_domains()), (first.clone(), Some(false)));
    // After a rollback Vercel sends nothing there by itself.
    let third = world.push_main().await;
    assert_eq!(world.in_production(), first);
    world.reconcile_without_writes().await;
    world.put("demo.yaml", &of(&third));
    assert_eq!(world.converge_moving().await, [world.promoted(&third)]);
    assert_eq!((world.in_production(), world.web().assigns_domains()), (third, Some(true)));
    assert_eq!(world.web().deployments().len(), 3);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_others_send_to_production_is_brought_back_to_the_spec() {
    let (mut world, first) = live().await;
    world.put("demo.yaml", &of(&first));
    assert_eq!(world.converge_moving().await, Vec::<String>::new());
    world.push_main().await;
    assert_ne!(world.in_production(), first);
    assert_eq!(world.converge_moving().await, [world.rolled_back(&first)]);
    assert_eq!(world.in_production(), first);
    world.push_main().await;
    world.reconcile_without_writes().await;
    assert_eq!(world.in_production(), first);
}

#[tokio::test(start_paused = true)]
async fn going_back_is_done_at_once_and_then_built_with_the_variables_as_they_are_now() {
    let with = |sha: &str, value: &str| demo(&format!("env: {{A: {value}}}, deployment: {{sha: {sha}}}"));
    let (mut world, first) = live().await;
    world.put("demo.yaml", &with(&first, "one"));
    world.converge().await;
    let second = world.sim.repository(REPO).push("main").unwrap();
    world.put("demo.yaml", &with(&second, "two"));
    world.converge().await;
    assert_eq!(world.in_production(), second);
    let builds = world.web().deployments().len();
    world.put("demo.yaml", &with(&first, "three"));
    let moves = world.converge_moving().await;
    assert!(moves[0].contains("/rollback/"), "{moves:?}");
    assert_eq!((moves[1].as_str(), moves.len()), ("POST /v13/deployments", 3), "{moves:?}");
    assert!(moves[2].contains("/promote/"), "{moves:?}");
    let id = world.web().production().unwrap();
    let current = world.web().deployments().into_iter().find(|one| one.id == id).unwrap();
    assert_eq!((current.sha.as_ref(), current.env["A"].as_str()), (Some(&first), "three"));
    assert_eq!(world.web().deployments().len(), builds + 1);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_is_reported_and_production_stays() {
    let (mut world, first) = live().await;
    world.web().next_build(VercelBuild::failed()).unwrap();
    let next = world.sim.repository(REPO).push("main").unwrap();
    world.put("demo.yaml", &of(&next));
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let seen = world.seen(&outcome);
    for text in ["BUILD_FAILED", "buildStep", "its log ends with"] {
        assert!(seen.contains(text), "{text}: {:#?}", outcome.failures);
    }
    assert_eq!(world.moves(), Vec::<String>::new());
    assert_eq!(world.in_production(), first);
    let outcome = world.reconcile_without_writes().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::ObjectFailed));
    assert_eq!(world.in_production(), first);
    // Going back to what is there needs nothing.
    world.put("demo.yaml", &of(&first));
    assert_eq!(world.converge_moving().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_promotes_and_rolls_back_only_once() {
    for back in [false, true] {
        let (mut world, first) = live().await;
        world.web().set_assigns_domains(back).unwrap();
        let next = world.push_main().await;
        world.put("demo.yaml", &of(if back { &first } else { &next }));
        let expected = if back { world.rolled_back(&first) } else { world.promoted(&next) };
        let path = expected.trim_start_matches("POST ").to_owned();
        world.sim.inject(Fault::always(Matcher::new(Method::Post, &path), FaultKind::lost_in_500()).times(1));
        world.sim.clear_requests();
        world.reconcile().await;
        world.lose_store();
        world.pass_time(QUARANTINE).await;
        let outcome = world.reconcile().await;
        assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.failures);
        assert_eq!(world.moves(), [expected]);
        assert_eq!(world.in_production(), if back { first } else { next });
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_move_and_writes_nothing() {
    let (mut world, first) = live().await;
    world.put("demo.yaml", &of(&first));
    world.converge().await;
    world.web().set_assigns_domains(false).unwrap();
    let next = world.push_main().await;
    world.put("demo.yaml", &of(&next));
    world.pass_time(QUARANTINE).await;
    world.sim.clear_requests();
    let planned = world.diff().await;
    assert_eq!(world.writes(), Vec::<String>::new());
    let shown = format!("{:?}", planned.plan.steps);
    assert!(shown.contains("inProduction"), "{shown}");
    assert_eq!(world.in_production(), first);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_fails_is_told_with_its_hosts_and_not_tried_again() {
    let (mut world, first) = live().await;
    world.web().set_assigns_domains(false).unwrap();
    let next = world.push_main().await;
    world.web().next_move_fails().unwrap();
    world.put("demo.yaml", &of(&next));
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let seen = world.seen(&outcome);
    assert!(seen.contains("production could not be sent to") && seen.contains("web.vercel.app"), "{seen}");
    assert_eq!(world.moves(), [world.promoted(&next)]);
    world.reconcile_without_writes().await;
    assert_eq!(world.in_production(), first);
    // A person sees to it.
    world.web().send_production(&world.id_of(&next)).unwrap();
    world.pass_time(seconds(60)).await;
    assert_eq!(world.converge_moving().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn hangar_builds_for_production_where_vercel_does_not() {
    let (mut world, first) = live().await;
    world.web().set_creates_deployments(false).unwrap();
    let next = world.push_main().await;
    world.put("demo.yaml", &demo(&format!("deployment: {{by: hangar, sha: {next}}}")));
    assert_eq!(world.converge_moving().await, ["POST /v13/deployments"]);
    assert_eq!(world.in_production(), next);
    let made = world.web().deployments().pop().unwrap();
    assert!(made.production && made.source == "api-trigger-git-deploy");
    world.reconcile_without_writes().await;
    world.put("demo.yaml", &demo(&format!("deployment: {{by: hangar, sha: {first}}}")));
    assert_eq!(world.converge_moving().await, [world.rolled_back(&first)]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_never_built_for_production_is_waited_for() {
    let (mut world, first) = live().await;
    let preview = world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(60)).await;
    world.put("demo.yaml", &demo(&format!("deployment: {{sha: {preview}, timeout: 60s}}")));
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_ne!(outcome.worst(), Verdict::Converged);
    assert!(world.seen(&outcome).contains("for production yet"), "{:#?}", outcome.failures);
    assert_eq!((world.moves(), world.in_production()), (vec![], first));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_was_deployed_is_deleted_whoever_ends_the_environment() {
    for by_a_person in [false, true] {
        let (mut world, _) = live().await;
        world.sim.repository(REPO).push("login").unwrap();
        let next = world.push_main().await;
        world
            .put("demo.yaml", &demo(&format!("env: {{A: one}}, domains: [www.acme.dev], deployment: {{sha: {next}}}")));
        world.converge().await;
        let before: Vec<_> = world.web().deployments().into_iter().map(|one| (one.id, one.state)).collect();
        let production = world.web().production();
        world.remove("demo.yaml");
        if by_a_person {
            world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
        } else {
            world.reconcile().await;
            world.pass_time(GRACE).await;
            world.converge().await;
        }
        assert_eq!(world.left(), Vec::<String>::new());
        let after: Vec<_> = world.web().deployments().into_iter().map(|one| (one.id, one.state)).collect();
        assert_eq!((after, world.web().production()), (before, production));
    }
}

#[tokio::test(start_paused = true)]
async fn a_preview_that_got_into_production_survives_its_environment() {
    let text = "vercel: {team: acme, projects: {web: {project: web, branch: login, deployment: {}}}}";
    let mut world =
        configured(&[("demo.yaml", &environment("demo", text, "web: {image: 'registry.fly.io/demo:v1'}"))], config());
    world.sim.repository(REPO).push("login").unwrap();
    world.converge().await;
    let id = world.web().deployments().pop().unwrap().id;
    world.web().send_production(&id).unwrap();
    world.tear_down().await;
    assert_eq!(world.web().production(), Some(id));
}

#[tokio::test(start_paused = true)]
async fn a_preview_does_not_decide_what_is_in_production() {
    let text = demo("deployment: {sha: abc}").replace("class: staging", "class: preview");
    let world = configured(&[("demo.yaml", &text)], config());
    let told = world.load().diagnostics.render(false);
    assert!(told.contains("a preview does not decide what is in production"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_level_that_changes_nothing_leaves_production_where_it_is() {
    for level in ["createOnly", "observe"] {
        let (mut world, first) = live().await;
        world.web().set_assigns_domains(false).unwrap();
        let next = world.push_main().await;
        world.put("demo.yaml", &of(&next).replace("class: staging", &format!("class: staging\n  level: {level}")));
        world.sim.clear_requests();
        world.reconcile().await;
        assert_eq!((world.moves(), world.in_production()), (vec![], first.clone()));
        world.put("demo.yaml", &of(&next));
        assert_eq!(world.converge_moving().await, [world.promoted(&next)]);
    }
}
