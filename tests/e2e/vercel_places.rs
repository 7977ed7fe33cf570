//! Custom environments at Vercel: variables, domains and deployments go there, and nowhere else.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::support::{environment, seconds};
use crate::vercel::{REPO, config, configured};
use crate::world::World;

/// `demo` in the custom environment `qa`.
fn demo(web: &str) -> String {
    let vercel = format!("vercel: {{team: acme, projects: {{web: {{project: web, target: qa, {web}}}}}}}");
    environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1', env: {SITE: '${{ vercel.web.url }}'}}")
}

const WHOLE: &str = "branch: qa, env: {A: one, KEY: {generate: {length: 20}}}, domains: [qa.acme.dev], deployment: {}";

/// The project with an environment `qa`, which has the pushes to the branch `qa`; returns its id.
fn world(web: &str) -> (World, String) {
    let world = configured(&[("demo.yaml", &demo(web))], config());
    let id = world.web().add_environment("qa", Some("qa")).unwrap();
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn everything_is_in_the_custom_environment_and_goes_again() {
    let (mut world, id) = world(WHOLE);
    world.sim.repository(REPO).push("qa").unwrap();
    world.sim.repository(REPO).push("login").unwrap();
    world.pass_time(seconds(60)).await;
    world.web().add_variable("A", "of previews", "encrypted", &["preview"], None).unwrap();
    world.converge().await;
    let variables = world.web().variables();
    let ours: Vec<_> = variables.iter().filter(|one| one.environments == [id.clone()]).collect();
    assert_eq!(ours.len(), 3, "{ours:?}");
    assert!(ours.iter().all(|one| one.target.is_empty() && one.branch.is_none()));
    let domains: Vec<_> = world.web().domains().into_iter().map(|one| (one.name, one.environment)).collect();
    assert_eq!(domains, [("qa.acme.dev".to_owned(), Some(id.clone()))]);
    // The build that had begun before its variables were there was made again, in the same place.
    let newest = world.web().deployments().pop().unwrap();
    assert_eq!((newest.environment.as_ref(), newest.env["A"].as_str()), (Some(&id), "one"));
    assert_eq!((newest.branch.as_deref(), newest.source.as_str()), (Some("qa"), "redeploy"));
    assert!(newest.hosts.contains(&"qa.acme.dev".to_owned()), "{:?}", newest.hosts);
    assert_eq!(world.only_machine("demo-web").config["env"]["SITE"], format!("https://{}", newest.host));
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    let before = world.web().deployments().len();
    world.tear_down().await;
    assert_eq!(world.left(), ["A"]);
    // Its deployments are the team's: an environment of its own is nothing that a branch has made.
    let left = world.web().deployments().into_iter().filter(|one| one.state != "DELETED").count();
    assert_eq!(left, before);
}

#[tokio::test(start_paused = true)]
async fn hangar_builds_for_a_custom_environment_where_vercel_does_not() {
    let (mut world, id) = world("branch: qa, deployment: {by: hangar}");
    world.web().set_creates_deployments(false).unwrap();
    let sha = world.sim.repository(REPO).push("qa").unwrap();
    world.put("demo.yaml", &demo(&format!("branch: qa, deployment: {{by: hangar, sha: {sha}}}")));
    world.converge().await;
    let made = world.web().deployments();
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].environment.as_ref(), made[0].sha.as_ref()), (Some(&id), Some(&sha)));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_removed_by_hand_comes_back_where_it_was() {
    let (mut world, id) = world("env: {A: one}, domains: [qa.acme.dev]");
    world.edit("demo.yaml", ", env: {SITE: '${{ vercel.web.url }}'}", "");
    world.converge().await;
    let marks = |world: &World| {
        let mut all = world.web().variables();
        all.retain(|one| one.key.starts_with("HANGAR_ENVIRONMENT_"));
        all
    };
    let mark = marks(&world).remove(0);
    world.web().delete_variable(&mark.id).unwrap();
    world.web().delete_domain("qa.acme.dev").unwrap();
    world.pass_time(crate::support::QUARANTINE).await;
    world.converge().await;
    assert_eq!(marks(&world)[0].environments, [id]);
    // Also when nobody wants the environment any more, and only its variables tell of it.
    world.web().delete_variable(&marks(&world)[0].id).unwrap();
    world.web().delete_domain("qa.acme.dev").unwrap();
    world.tear_down().await;
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_not_there_is_named_and_found_once_it_is() {
    let mut world = configured(&[("demo.yaml", &demo("env: {A: one}"))], config());
    world.edit("demo.yaml", ", env: {SITE: '${{ vercel.web.url }}'}", "");
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    assert!(world.seen(&outcome).contains("has no environment `qa`"), "{:#?}", outcome.failures);
    assert_eq!(world.left(), Vec::<String>::new());
    world.web().add_environment("qa", None).unwrap();
    world.pass_time(seconds(7_200)).await;
    world.converge().await;
    assert_eq!(world.left().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_domain_goes_where_its_environment_goes() {
    let place = |place: &str| {
        let vercel =
            format!("vercel: {{team: acme, projects: {{web: {{project: web, {place}, domains: [x.acme.dev]}}}}}}");
        environment("demo", &format!("{vercel}\nclass: staging"), "web: {image: 'registry.fly.io/demo:v1'}")
    };
    let mut world = configured(&[("demo.yaml", &place("branch: login"))], config());
    world.sim.repository(REPO).push("login").unwrap();
    let id = world.web().add_environment("qa", Some("qa")).unwrap();
    world.converge().await;
    let seen = |world: &World| {
        let domain = world.web().domains().remove(0);
        (domain.branch, domain.environment)
    };
    assert_eq!(seen(&world), (Some("login".to_owned()), None));
    for (spec, wanted) in [
        ("target: production", (None, None)),
        ("target: qa", (None, Some(id.clone()))),
        ("branch: login", (Some("login".to_owned()), None)),
        ("target: qa", (None, Some(id))),
        ("target: production", (None, None)),
    ] {
        world.put("demo.yaml", &place(spec));
        world.converge().await;
        assert_eq!(seen(&world), wanted, "{spec}");
        world.reconcile_without_writes().await;
    }
    // Somebody gives it a branch by hand.
    world.web().delete_domain("x.acme.dev").unwrap();
    world.web().add_domain("x.acme.dev", Some("login")).unwrap();
    world.converge().await;
    assert_eq!(seen(&world), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_is_not_proved_says_how_and_is_tried_again_until_it_is() {
    let mut world = configured(&[("demo.yaml", &demo("env: {A: one}, domains: [qa.far.dev]"))], config());
    world.edit("demo.yaml", ", env: {SITE: '${{ vercel.web.url }}'}", "");
    world.web().add_environment("qa", None).unwrap();
    world.sim.set_vercel_domain_taken("far.dev", true);
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    assert!(
        world.seen(&outcome).contains("add to DNS TXT _vercel.far.dev vc-domain-verify="),
        "{:#?}",
        outcome.failures
    );
    let tries = |world: &World| world.writes().iter().filter(|write| write.ends_with("/verify")).count();
    for _ in 0..10 {
        world.pass_time(seconds(300)).await;
        world.reconcile().await;
    }
    assert!((1..10).contains(&tries(&world)), "{}", tries(&world));
    // Its owner has added the record.
    world.sim.set_vercel_domain_taken("far.dev", false);
    world.pass_time(seconds(7_200)).await;
    world.converge().await;
    assert!(world.web().domains()[0].verified);
    world.reconcile_without_writes().await;
    world.tear_down().await;
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_is_adopted_is_never_removed_to_be_shown_elsewhere() {
    let mut world = configured(&[("demo.yaml", &demo("adopt: true, domains: [www.acme.dev]"))], config());
    world.edit("demo.yaml", ", env: {SITE: '${{ vercel.web.url }}'}", "");
    world.web().add_environment("qa", None).unwrap();
    world.web().add_domain("www.acme.dev", None).unwrap();
    let outcome = world.reconcile().await;
    assert!(world.seen(&outcome).contains("Vercel moves no domain between them"), "{:#?}", outcome.failures);
    let removed =
        world.writes().iter().filter(|write| write.starts_with("DELETE") && write.contains("/domains/")).count();
    assert_eq!((removed, world.web().domains().remove(0).environment), (0, None));
    world.tear_down().await;
    assert_eq!(world.web().domains().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_cannot_be_shown_elsewhere_stays_where_it_was() {
    let place = |target: &str| {
        let vercel = format!(
            "vercel: {{team: acme, projects: {{web: {{project: web, target: {target}, domains: [x.acme.dev]}}}}}}"
        );
        environment("demo", &format!("{vercel}\nclass: staging"), "web: {image: 'registry.fly.io/demo:v1'}")
    };
    let mut world = configured(&[("demo.yaml", &place("qa"))], config());
    let id = world.web().add_environment("qa", Some("qa")).unwrap();
    world.converge().await;
    world.put("demo.yaml", &place("production"));
    let added = Matcher::new(Method::Post, "/v10/projects/web/domains");
    world.sim.inject(Fault::always(added, FaultKind::status_before(400)).times(1));
    let outcome = world.reconcile().await;
    assert_ne!(outcome.worst(), Verdict::Converged);
    assert_eq!(world.web().domains().remove(0).environment, Some(id));
    world.pass_time(seconds(7_200)).await;
    world.converge().await;
    assert_eq!(world.web().domains().remove(0).environment, None);
}
