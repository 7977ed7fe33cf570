//! What environments have in Vercel projects: made, used by others, changed, and gone with their environment; and nothing else touched.

use std::collections::BTreeMap;

use hangar::controller::{Outcome, Verdict};
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::http::transport::Method;
use hangar::plan::{Purpose, Reason, Request};
use hangar::sim::{
    Fault, FaultKind, Matcher, NewPull, SimConfig, SimNeonProject, VercelBuild, VercelHand, VercelVariableView,
};

use crate::previews::pull;
use crate::support::{CONTROLLER, GRACE, Meddler, QUARANTINE, environment, seconds, small, withheld};
use crate::vercel_document::hold_to_vercel;
use crate::world::World;

pub(crate) const REPO: &str = "acme/chat";
const NEON: &str = "quiet-sun-123456";

/// `demo`: an app, and what is under `vercel.projects.web`.
fn demo(web: &str) -> String {
    let vercel = format!("vercel: {{team: acme, projects: {{web: {{project: web, {web}}}}}}}");
    environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1'}")
}

/// The usual: two variables, a domain, a deployment, a secret.
fn whole(branch: &str) -> String {
    format!(
        "branch: {branch}, env: {{API: 'https://${{{{ fly.web.hostname }}}}', KEY: {{generate: {{length: 20}}}}}}, domains: [demo.acme.dev], deployment: {{}}, bypass: true"
    )
}

pub(crate) fn config() -> SimConfig {
    let config = SimConfig::default().with_org("acme", "sim_acme_token").with_repo(REPO, "ghp_x");
    let config = config.with_vercel("acme", "web", Some(REPO), "sim_vercel_token");
    let config = config.with_vercel("acme", "docs", Some(REPO), "sim_vercel_token");
    config.with_neon(SimNeonProject::new(NEON), "sim_neon_key")
}

pub(crate) fn configured(files: &[(&str, &str)], config: SimConfig) -> World {
    let more = format!("  vercel: {{projects: {{acme/web: {{}}}}}}\n  neon: {{projects: {{{NEON}: {{}}}}}}\n  fly:");
    let controller = CONTROLLER.replace("  fly:", &more);
    let mut all = vec![("hangar.yaml", controller.as_str())];
    all.extend(files);
    let mut world = World::configured(&all, config);
    hold_to_vercel(&world.sim);
    world.set("VERCEL_TOKEN", "sim_vercel_token");
    world.set("NEON_API_KEY", "sim_neon_key");
    world.sim.create_repository(REPO);
    // From here on, what is pushed is deployed.
    assert!(world.web().id().is_some());
    world
}

fn world(web: &str) -> World {
    configured(&[("demo.yaml", &demo(web))], config())
}

/// The same with a branch `login` that was pushed.
fn pushed(web: &str) -> World {
    let world = world(web);
    world.sim.repository(REPO).push("login").unwrap();
    world
}

async fn converged(web: &str) -> World {
    let mut world = pushed(web);
    world.converge().await;
    world
}

impl World {
    pub(crate) fn web(&self) -> VercelHand {
        self.sim.vercel("acme", "web")
    }

    /// The variables of a branch by name, without marks.
    pub(crate) fn env_of(&self, branch: Option<&str>) -> BTreeMap<String, VercelVariableView> {
        let of_branch = self.web().variables().into_iter().filter(|one| one.branch.as_deref() == branch);
        let named = of_branch.filter(|one| !one.key.starts_with("HANGAR_ENVIRONMENT_"));
        named.map(|one| (one.key.clone(), one)).collect()
    }

    /// What is left in the project: variables, domains, notes of secrets.
    pub(crate) fn left(&self) -> Vec<String> {
        let web = self.web();
        let variables = web.variables().into_iter().map(|one| one.key);
        let domains = web.domains().into_iter().map(|one| one.name);
        let notes = web.bypass_notes().into_iter().map(|note| format!("{note:?}"));
        variables.chain(domains).chain(notes).collect()
    }

    /// The branches of the deployments that are left, oldest first.
    fn deployed(&self) -> Vec<String> {
        let left = self.web().deployments().into_iter().filter(|one| one.state != "DELETED");
        left.map(|one| one.branch.unwrap()).collect()
    }

    /// The states of all deployments, oldest first.
    fn states(&self) -> Vec<(&'static str, String)> {
        self.web().deployments().into_iter().map(|one| (one.state, one.source)).collect()
    }

    pub(crate) fn seen(&self, outcome: &Outcome) -> String {
        format!("{:?} {:?} {:?}", outcome.last.plan, outcome.failures, self.recorder.events())
    }

    /// Lets the environment go, and its grace pass.
    pub(crate) async fn tear_down(&mut self) {
        self.remove("demo.yaml");
        self.put("other.yaml", &small("other"));
        self.reconcile().await;
        self.pass_time(GRACE).await;
        self.converge().await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_made_marked_and_as_the_spec_says() {
    let world = converged(&whole("login")).await;
    let env = world.env_of(Some("login"));
    assert_eq!(env.keys().collect::<Vec<_>>(), ["API", "KEY"]);
    assert_eq!((env["API"].value.as_str(), env["API"].kind.as_str()), ("https://demo-web.fly.dev", "encrypted"));
    assert_eq!((env["KEY"].value.len(), env["KEY"].kind.as_str()), (20, "sensitive"));
    assert!(env.values().all(|one| one.target == ["preview"]));
    assert!(env["API"].comment.as_ref().unwrap().starts_with("hangar hangar/demo "));
    let web = world.web();
    let domains: Vec<_> = web.domains().into_iter().map(|one| (one.name, one.branch)).collect();
    assert_eq!(domains, [("demo.acme.dev".to_owned(), Some("login".to_owned()))]);
    assert_eq!(web.bypass_notes(), [Some("hangar hangar/demo".to_owned())]);
    let mark = web.variables().into_iter().find(|one| one.key.starts_with("HANGAR_ENVIRONMENT_")).unwrap();
    let said: serde_json::Value = serde_json::from_str(&mark.value).unwrap();
    assert_eq!(
        (&said["owner"], &said["env"], &said["branch"], &said["domains"]),
        (&"hangar".into(), &"demo".into(), &"login".into(), &serde_json::json!(["demo.acme.dev"]))
    );
    assert_eq!((mark.kind.as_str(), mark.branch.as_deref()), ("plain", Some("login")));
    assert!(mark.comment.unwrap().contains("Made by Hangar"));
    let newest = web.deployments().pop().unwrap();
    assert_eq!(newest.state, "READY");
    assert_eq!(newest.env["KEY"], env["KEY"].value);
}

#[tokio::test(start_paused = true)]
async fn a_second_pass_writes_nothing_also_without_a_store() {
    let mut world = converged(&whole("login")).await;
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn outputs_flow_both_ways_across_providers() {
    let text = "branch: login, env: {DATABASE_URL: '${{ neon.main.pooledUri }}'}, deployment: {}, bypass: true";
    let more = format!(
        "neon: {{project: {NEON}, branches: {{main: {{}}}}}}\nvercel: {{team: acme, projects: {{web: {{project: web, {text}}}}}}}"
    );
    let app = "web: {image: 'registry.fly.io/demo:v1', env: {SITE: '${{ vercel.web.url }}', BRANCH: '${{ vercel.web.branchUrl }}'}, secrets: {PASS: {value: '${{ vercel.web.bypassSecret }}'}}}";
    let mut world = configured(&[("demo.yaml", &environment("demo", &more, app))], config());
    world.sim.repository(REPO).push("login").unwrap();
    world.converge().await;
    let branch = world.sim.neon(NEON).branches().into_iter().find(|branch| branch.name == "demo-main").unwrap();
    let password = world.sim.neon(NEON).password(&branch.id, &branch.roles[0]).unwrap();
    let variable = world.env_of(Some("login"))["DATABASE_URL"].clone();
    assert!(variable.value.contains(password.expose()) && variable.value.contains("-pooler"));
    assert_eq!(variable.kind, "sensitive");
    let newest = world.web().deployments().pop().unwrap();
    assert_eq!(newest.env["DATABASE_URL"], variable.value);
    let machine = world.only_machine("demo-web");
    assert_eq!(machine.config["env"]["SITE"], format!("https://{}", newest.host));
    let branch_url = machine.config["env"]["BRANCH"].as_str().unwrap().trim_start_matches("https://").to_owned();
    assert!(
        branch_url.contains("-git-login-") && newest.hosts.contains(&branch_url),
        "{branch_url} {:?}",
        newest.hosts
    );
    assert_eq!(world.sim.secret_names("demo-web"), ["PASS"]);
    world.reconcile_without_writes().await;
    let diff = world.diff().await;
    let seen = format!("{:?} {:?}", world.recorder.events(), diff.plan);
    assert!(!seen.contains(password.expose()));
}

#[tokio::test(start_paused = true)]
async fn variables_are_changed_and_removed_and_others_never() {
    let mut world = converged("branch: login, env: {A: one, B: {generate: {}}, C: three}").await;
    let web = world.web();
    web.add_variable("HAND", "made", "plain", &["preview"], Some("login")).unwrap();
    web.add_variable("A", "of all", "encrypted", &["preview"], None).unwrap();
    let before = world.env_of(Some("login"));
    world.put("demo.yaml", &demo("branch: login, env: {A: two, B: {generate: {}}}"));
    world.converge().await;
    let after = world.env_of(Some("login"));
    assert_eq!(after.keys().collect::<Vec<_>>(), ["A", "B", "HAND"]);
    assert_eq!((after["A"].value.as_str(), &after["A"].id), ("two", &before["A"].id));
    assert_eq!(after["B"], before["B"]);
    assert_eq!(after["HAND"], before["HAND"]);
    // What was public becomes a secret.
    world.put("demo.yaml", &demo("branch: login, env: {A: {generate: {}}, B: {generate: {}}}"));
    world.converge().await;
    assert_eq!(world.env_of(Some("login"))["A"].kind, "sensitive");
    world.put("demo.yaml", &demo("branch: login, env: {A: plain, B: {generate: {}}}"));
    world.converge().await;
    assert_eq!(world.env_of(Some("login"))["A"].value, "plain");
    world.tear_down().await;
    assert_eq!(world.left(), ["HAND", "A"]);
    assert_eq!(web.variables()[1].value, "of all");
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_by_hand_comes_back() {
    let mut world = converged("branch: login, env: {A: one, B: two}, domains: [demo.acme.dev]").await;
    let web = world.web();
    web.delete_variable(&world.env_of(Some("login"))["A"].id).unwrap();
    web.delete_domain("demo.acme.dev").unwrap();
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    assert_eq!(world.env_of(Some("login"))["A"].value, "one");
    assert_eq!(web.domains().len(), 1);
    // Also the mark itself.
    let mark = web.variables().into_iter().find(|one| one.key.starts_with("HANGAR_ENVIRONMENT_")).unwrap();
    web.delete_variable(&mark.id).unwrap();
    web.delete_domain("demo.acme.dev").unwrap();
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    world.tear_down().await;
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_variable_made_by_hand_is_reported_with_who_and_when_and_left_alone() {
    let mut world = pushed("branch: login, env: {A: one, B: two}");
    world.web().add_variable("A", "by hand", "encrypted", &["preview"], Some("login")).unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let failure = &outcome.failures.values().next().unwrap()[0];
    assert_eq!(failure.reason, "EnvConflict");
    assert!(failure.message.contains("`A`") && failure.message.contains("by the user"), "{}", failure.message);
    assert!(failure.message.contains("at 2026-03-01"), "{}", failure.message);
    let env = world.env_of(Some("login"));
    assert_eq!((env["A"].value.as_str(), env["A"].comment.as_ref()), ("by hand", None));
    assert_eq!(env["B"].value, "two");
    assert!(!world.seen(&outcome).contains("by hand"));
    world.reconcile_without_writes().await;
    world.tear_down().await;
    assert_eq!(world.left(), ["A"]);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_variable_is_given_back_in_the_end() {
    let mut world = pushed("branch: login, adopt: true, env: {A: one, B: two}");
    let id = world.web().add_variable("A", "by hand", "encrypted", &["preview"], Some("login")).unwrap();
    world.converge().await;
    let env = world.env_of(Some("login"));
    assert_eq!((env["A"].value.as_str(), &env["A"].id), ("one", &id));
    world.reconcile_without_writes().await;
    world.tear_down().await;
    assert_eq!(world.left(), ["A"]);
    assert_eq!(world.env_of(Some("login"))["A"].comment, None);
}

#[tokio::test(start_paused = true)]
async fn a_domain_made_by_hand_is_left_alone() {
    let mut world = pushed("branch: login, domains: [demo.acme.dev]");
    world.web().add_domain("demo.acme.dev", None).unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert!(withheld(&outcome.last.plan).contains(&Reason::NotOurs));
    world.reconcile_without_writes().await;
    world.tear_down().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.left(), ["demo.acme.dev"]);
    assert_eq!(world.web().domains()[0].branch, None);
}

#[tokio::test(start_paused = true)]
async fn a_domain_follows_its_spec_and_one_that_is_dropped_goes() {
    let mut world = converged("branch: login, domains: [a.acme.dev, b.acme.dev]").await;
    world.sim.repository(REPO).push("logout").unwrap();
    world.put("demo.yaml", &demo("branch: logout, domains: [a.acme.dev]"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.converge().await;
    let domains: Vec<_> = world.web().domains().into_iter().map(|one| (one.name, one.branch.unwrap())).collect();
    assert_eq!(domains, [("a.acme.dev".to_owned(), "logout".to_owned())]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn variables_move_with_the_branch() {
    let mut world = converged("branch: login, env: {A: one}").await;
    world.sim.repository(REPO).push("logout").unwrap();
    world.put("demo.yaml", &demo("branch: logout, env: {A: one}"));
    world.converge().await;
    assert_eq!(world.env_of(Some("logout"))["A"].value, "one");
    assert!(world.web().variables().iter().all(|one| one.branch.as_deref() == Some("logout")));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_is_neither_wanted_nor_there_is_not_noted_for_long_and_nobody_elses_later() {
    let mut world = converged("branch: login, domains: [a.acme.dev, b.acme.dev]").await;
    // Somebody deletes it at the same time as the spec drops it.
    world.web().delete_domain("b.acme.dev").unwrap();
    world.put("demo.yaml", &demo("branch: login, domains: [a.acme.dev]"));
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    let said = |world: &World| world.web().variables().into_iter().map(|one| one.value).collect::<String>();
    assert!(said(&world).contains("a.acme.dev") && !said(&world).contains("b.acme.dev"), "{}", said(&world));
    world.reconcile_without_writes().await;
    // Whoever adds one of that name keeps it.
    world.web().add_domain("b.acme.dev", None).unwrap();
    for _ in 0..3 {
        world.pass_time(GRACE).await;
        world.converge().await;
    }
    assert_eq!(world.web().domains().len(), 2);
    // One that was deleted by hand and is wanted comes back, noted or not.
    world.web().delete_domain("a.acme.dev").unwrap();
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    assert_eq!(world.web().domains().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_domain_in_use_elsewhere_is_a_failure_that_names_the_project() {
    let mut world = pushed("branch: login, domains: [demo.acme.dev]");
    let docs = world.sim.vercel("acme", "docs");
    docs.add_domain("demo.acme.dev", None).unwrap();
    let outcome = world.reconcile().await;
    let failure = &outcome.failures.values().next().unwrap()[0];
    assert_eq!(failure.reason, "DomainTaken");
    assert!(failure.message.contains(&docs.id().unwrap()), "{}", failure.message);
    world.tear_down().await;
    assert_eq!((world.left(), docs.domains().len()), (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn a_domain_added_by_hand_at_the_last_moment_is_not_ours() {
    let mut world = pushed("branch: login, domains: [demo.acme.dev]");
    let web = world.web();
    let meddler = Meddler::before(&world, Method::Post, "/domains?slug=acme", move || {
        web.add_domain("demo.acme.dev", None).unwrap();
    });
    world.reconcile_through(&meddler).await;
    assert!(meddler.has_acted());
    world.tear_down().await;
    assert_eq!(world.left(), ["demo.acme.dev"]);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_not_pushed_yet_is_waited_for() {
    let mut world = world(&whole("login"));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Waiting, "{:#?}", outcome.failures);
    let told = outcome.last.plan.withheld.iter().find(|one| one.reason == Reason::Queued).unwrap();
    assert!(told.message.contains("the branch `login` is not in the repository"), "{}", told.message);
    assert_eq!(world.left(), Vec::<String>::new());
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(600)).await;
    world.converge().await;
    assert_eq!(world.env_of(Some("login")).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_first_build_is_made_again_with_the_variables_once() {
    let mut world = pushed(&whole("login"));
    world.pass_time(seconds(60)).await;
    assert_eq!(world.states(), [("READY", "git".to_owned())]);
    world.converge().await;
    assert_eq!(world.states(), [("READY", "git".to_owned()), ("READY", "redeploy".to_owned())]);
    let newest = world.web().deployments().pop().unwrap();
    assert_eq!(newest.env["API"], "https://demo-web.fly.dev");
    for _ in 0..3 {
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
    }
    // Another value makes another build, again once.
    world.edit("demo.yaml", "https://", "http://");
    world.converge().await;
    assert_eq!(world.states().len(), 3);
    assert_eq!(world.web().deployments().pop().unwrap().env["API"], "http://demo-web.fly.dev");
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn hangar_makes_the_deployment_where_vercel_does_not() {
    let text = |sha: &str| format!("branch: login, env: {{A: one}}, deployment: {{by: hangar, sha: {sha}}}");
    let mut world = world("");
    world.web().set_creates_deployments(false).unwrap();
    let first = world.sim.repository(REPO).push("login").unwrap();
    world.put("demo.yaml", &demo(&text(&first)));
    world.converge().await;
    world.reconcile_without_writes().await;
    let made =
        || -> Vec<_> { world.web().deployments().into_iter().map(|one| (one.sha.unwrap(), one.state)).collect() };
    assert_eq!(made(), [(first.clone(), "READY")]);
    let second = world.sim.repository(REPO).push("login").unwrap();
    world.put("demo.yaml", &demo(&text(&second)));
    world.converge().await;
    let made: Vec<_> = world.web().deployments().into_iter().map(|one| one.sha.unwrap()).collect();
    assert_eq!(made, [first, second]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_is_shown_with_code_step_and_log() {
    let mut world = world(&whole("login"));
    world.web().builds_of("login", VercelBuild::failed()).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let seen = world.seen(&outcome);
    for text in ["BUILD_FAILED", "buildStep", "its log ends with", "npm run build"] {
        assert!(seen.contains(text), "{text}: {:#?}", outcome.failures);
    }
    let outcome = world.reconcile_without_writes().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::ObjectFailed));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_build_says_who_has_to_act() {
    let mut world = world("branch: login, deployment: {}");
    world.web().next_build(VercelBuild::Blocked).unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    let outcome = world.reconcile().await;
    assert!(world.seen(&outcome).contains("waits for somebody of the team to authorize it"));
    let id = world.web().deployments()[0].id.clone();
    world.web().authorize(&id).unwrap();
    world.pass_time(seconds(120)).await;
    world.converge().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_of_many_is_told_by_name() {
    let mut world = pushed("branch: login, env: {A: one, 'B-D': two, C: three}");
    let outcome = world.reconcile().await;
    let seen = world.seen(&outcome);
    assert_eq!(outcome.worst(), Verdict::Failed);
    assert!(seen.contains("B-D"), "{:#?}", outcome.failures);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_an_environment_and_nothing_else_is_touched() {
    let mut world = converged(&whole("login")).await;
    let web = world.web();
    web.add_bypass("by hand").unwrap();
    world.sim.repository(REPO).push("other").unwrap();
    world.sim.repository(REPO).push("main").unwrap();
    world.pass_time(seconds(60)).await;
    world.tear_down().await;
    assert_eq!(world.deployed(), ["main", "other"]);
    assert_eq!(web.bypass_notes(), [Some("by hand".to_owned())]);
    assert_eq!((web.variables().len(), web.domains().len()), (0, 0));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_protected_environment_stays_and_a_person_ends_another_at_once() {
    let mut world = pushed(&whole("login"));
    world.edit("demo.yaml", "spec:\n", "spec:\n  protect: true\n");
    world.converge().await;
    world.reconcile_without_writes().await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
    assert_eq!((world.left().len(), world.deployed().len()), (5, 2), "{:?}", world.left());
    world.put("demo.yaml", &demo(&whole("login")));
    world.converge().await;
    world.remove("demo.yaml");
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
    assert_eq!((world.left(), world.deployed()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_within_grace_stays() {
    let mut world = converged(&whole("login")).await;
    let before = world.left();
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.put("demo.yaml", &demo(&whole("login")));
    world.converge().await;
    world.pass_time(GRACE * 2).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.left(), before);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_vercel_does_not_list_everything() {
    let mut world = converged(&whole("login")).await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let list = "/v9/projects/web/domains";
    world.sim.inject(Fault::always(Matcher::new(Method::Get, list), FaultKind::unavailable()));
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_nothing_twice() {
    let paths = [
        (Method::Post, "/v10/projects/web/env"),
        (Method::Post, "/v10/projects/web/domains"),
        (Method::Patch, "/v1/projects/web/protection-bypass"),
        (Method::Post, "/v13/deployments"),
    ];
    for (method, path) in paths {
        let mut world = pushed(&whole("login"));
        // The first build has begun, so that another one is needed.
        world.pass_time(seconds(60)).await;
        world.sim.inject(Fault::always(Matcher::new(method, path), FaultKind::lost_in_500()).times(1));
        world.reconcile().await;
        world.pass_time(QUARANTINE).await;
        world.converge().await;
        assert_eq!(world.left().len(), 5, "{path}: {:?}", world.left());
        assert_eq!(world.states().len(), 2, "{path}");
    }
}

/// A set of previews of all pull requests, each with its part of the project.
fn set() -> String {
    let web = "project: web, branch: '${{ branch.name }}', env: {API: 'https://${{ fly.web.hostname }}'}, domains: ['pr-${{ pr.number }}.acme.dev'], deployment: {sha: '${{ head.sha }}'}, bypass: true";
    crate::previews::set("").replace(
        "    spec:\n      fly:",
        &format!("    spec:\n      vercel: {{team: acme, projects: {{web: {{{web}}}}}}}\n      fly:"),
    )
}

#[tokio::test(start_paused = true)]
async fn a_closed_pull_request_leaves_nothing() {
    let mut world = configured(&[("set.yaml", &set()), ("other.yaml", &small("other"))], config());
    let hand = world.sim.repository(REPO);
    let numbers = ["login", "logout"].map(|branch| {
        let sha = hand.push(branch).unwrap();
        (hand.open_pull(NewPull::from_branch(branch)).unwrap(), branch, sha)
    });
    world.pass_time(seconds(60)).await;
    let pulls = |world: &World, closed: &[u64]| -> Vec<PullRequest> {
        let live = numbers.iter().map(|(number, branch, sha)| PullRequest {
            branch: (*branch).to_owned(),
            sha: sha.clone(),
            closed_at: closed.contains(number).then(|| world.clock.now()),
            ..pull(world.clock.now(), *number)
        });
        live.collect()
    };
    let list = |world: &mut World, closed: &[u64]| {
        let listing =
            RepoListing { pulls: pulls(world, closed), branches: vec![], completeness: Completeness::Complete };
        world.repos.insert(REPO.parse().unwrap(), listing);
    };
    list(&mut world, &[]);
    world.converge().await;
    world.reconcile_without_writes().await;
    assert_eq!(world.env_of(Some("login"))["API"].value, "https://pr-1-web.fly.dev");
    assert_eq!(world.env_of(Some("logout"))["API"].value, "https://pr-2-web.fly.dev");
    let others: Vec<_> =
        world.web().variables().into_iter().filter(|one| one.branch.as_deref() == Some("logout")).collect();
    hand.close(1).unwrap();
    hand.delete_branch("login").unwrap();
    list(&mut world, &[1]);
    world.converge().await;
    assert_eq!(world.web().variables(), others);
    let domains: Vec<_> = world.web().domains().into_iter().map(|one| one.name).collect();
    assert_eq!(domains, ["pr-2.acme.dev"]);
    assert_eq!(world.web().bypass_notes(), [Some("hangar hangar/pr-2".to_owned())]);
    assert!(world.deployed().iter().all(|branch| branch == "logout"));
    assert_eq!(world.app_names(), ["other-web", "pr-2-web"]);
    list(&mut world, &[1, 2]);
    world.converge().await;
    assert_eq!((world.left(), world.deployed()), (vec![], vec![]));
    assert_eq!(world.app_names(), ["other-web"]);
    world.reconcile_without_writes().await;
}
