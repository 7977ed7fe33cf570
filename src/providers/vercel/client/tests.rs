//! The client against the simulator, and against answers that the simulator does not give.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{
    Added, Class, Deleted, DeployedTo, DeploymentFilter, GitSource, NewDeployment, NewDomain, NewVariable, Target,
    VariableChange, VercelProblem, VercelReader, VercelScope, VercelWriter, connection,
};
use crate::clock::{SharedClock, VirtualClock};
use crate::http::fake::{self, answer};
use crate::http::transport::Method;
use crate::http::{Connection, ReadClient, Shared, Token, WriteClient};
use crate::providers::vercel::wire::{AliasJob, Progress, VariableKind};
use crate::random::Random;
use crate::secret::SecretText;
use crate::sim::{Fault, FaultKind, Matcher, SimConfig, Simulator, VercelBuild, VercelHand};

use crate::sim::tests::vercel::strict;

struct World {
    sim: Simulator,
    clock: SharedClock,
    web: VercelHand,
    writer: VercelWriter,
}

fn world_of(change: impl FnOnce(&mut SimConfig)) -> World {
    let clock: SharedClock = Arc::new(VirtualClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
    let mut config = SimConfig::default().with_vercel("acme", "web", Some("acme/chat"), "sim_vercel");
    config = config.with_vercel("acme", "docs", None, "sim_vercel");
    change(&mut config);
    let sim = Simulator::new(config, Arc::clone(&clock));
    strict::hold_to_vercel(&sim);
    let writer = writer(&sim, &clock, "sim_vercel");
    World { web: sim.vercel("acme", "web"), sim, clock, writer }
}

fn writer(sim: &Simulator, clock: &SharedClock, token: &str) -> VercelWriter {
    let shared = Shared::new(sim.transport(), Arc::clone(clock), Random::from_seed(1));
    let token = Token::new("VERCEL_TOKEN", token).unwrap();
    VercelWriter::new(WriteClient::new(connection(super::DEFAULT_BASE_URL, token, shared)), VercelScope::of("acme"))
}

impl World {
    fn push(&self, branch: &str) -> String {
        self.sim.repository("acme/chat").push(branch).unwrap()
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

fn variable(key: &str, value: &str, branch: &str) -> NewVariable {
    NewVariable {
        key: key.to_owned(),
        value: SecretText::new(value),
        kind: VariableKind::Encrypted,
        target: vec![Target::Preview],
        git_branch: Some(branch.to_owned()),
        custom_environment_ids: Vec::new(),
        comment: Some("hangar".to_owned()),
    }
}

#[tokio::test(start_paused = true)]
async fn variables_are_written_in_one_request_and_each_can_fail_for_itself() {
    let world = world_of(|_| {});
    world.push("login");
    let wanted = [variable("A", "value-1", "login"), variable("B", "value-2", "nowhere")];
    let came = world.writer.upsert_variables("web", &wanted).await.unwrap();
    assert_eq!(came.created.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["A"]);
    let failed = &came.failed[0];
    assert_eq!(failed.key, "B");
    assert_eq!(failed.problem, VercelProblem::GitBranchNotFound { branch: "nowhere".to_owned() });
    assert_eq!(failed.problem.class(), Class::Transient);
    // Also when all of them fail.
    let came = world.writer.upsert_variables("web", &wanted[1..]).await.unwrap();
    assert_eq!((came.created.len(), came.failed.len()), (0, 1));
    assert_eq!(world.sim.writes(), 2);
    // And a request that is wrong as a whole is an error.
    let wrong = NewVariable { key: "1".to_owned(), ..variable("", "value-1", "login") };
    let error = world.writer.upsert_variables("web", &[wrong]).await.unwrap_err();
    assert_eq!((error.reason(), error.class()), ("InvalidRequest", Class::Permanent));
}

#[tokio::test(start_paused = true)]
async fn the_whole_list_of_variables_shows_what_may_be_seen() {
    let world = world_of(|_| {});
    world.push("login");
    let secret = NewVariable { kind: VariableKind::Sensitive, ..variable("S", "hunter22", "login") };
    world.writer.upsert_variables("web", &[variable("A", "value-1", "login"), secret]).await.unwrap();
    let listed = world.writer.reader().variables("web").await.unwrap();
    assert!(listed.iter().all(|one| one.value().is_none() && one.git_branch.as_deref() == Some("login")));
    let read = world.writer.reader().variable("web", &listed[0].id).await.unwrap().unwrap();
    assert_eq!(read.value().unwrap().expose(), "value-1");
    assert!(!format!("{read:?}").contains("value-1"));
    let read = world.writer.reader().variable("web", &listed[1].id).await.unwrap().unwrap();
    assert!(read.value().is_none());
    let change = VariableChange { value: Some(SecretText::new("value-3")), ..VariableChange::default() };
    world.writer.update_variable("web", &listed[0].id, &change).await.unwrap();
    assert_eq!(world.web.variables()[0].value, "value-3");
    assert_eq!(world.writer.delete_variable("web", &listed[0].id).await.unwrap(), Deleted::Done);
    assert_eq!(world.writer.delete_variable("web", &listed[0].id).await.unwrap(), Deleted::WasGone);
}

#[tokio::test(start_paused = true)]
async fn writes_of_one_project_wait_for_each_other() {
    let world = world_of(|config| config.latency = Duration::from_millis(100));
    world.push("login");
    let write = |key: &'static str| {
        let writer = world.writer.clone();
        async move { writer.upsert_variables("web", &[variable(key, "value-1", "login")]).await.unwrap() }
    };
    let (one, other) = tokio::join!(write("A"), write("B"));
    assert_eq!((one.failed.len(), other.failed.len(), world.web.variables().len()), (0, 0, 2));
    world.web.hold_document(Duration::from_secs(5)).unwrap();
    let error = world.writer.upsert_variables("web", &[variable("C", "value-1", "login")]).await.unwrap_err();
    assert_eq!((error.reason(), error.is_transient()), ("BusyProject", true));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_asked_again_where_that_does_no_harm() {
    let world = world_of(|_| {});
    world.push("login");
    world.sim.inject(Fault::once(Matcher::writes(), FaultKind::ResetAfter));
    world.writer.upsert_variables("web", &[variable("A", "value-1", "login")]).await.unwrap();
    assert_eq!(world.web.variables().len(), 1);
    world.sim.inject(Fault::once(Matcher::writes(), FaultKind::ResetAfter));
    let domain = NewDomain {
        name: "login.acme.dev".to_owned(),
        git_branch: Some("login".to_owned()),
        custom_environment_id: None,
        redirect: None,
    };
    let error = world.writer.add_domain("web", &domain).await.unwrap_err();
    assert!(error.may_have_had_effect());
    let added = world.writer.add_domain("web", &domain).await.unwrap();
    assert!(matches!(added, Added::AlreadyHere(known) if known.git_branch.as_deref() == Some("login")));
    let error = world.writer.add_domain("docs", &domain).await.unwrap_err();
    assert_eq!(error.problem(), &VercelProblem::DomainTaken { project: world.web.id() });
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_is_told_from_a_missing_permission_and_from_another_team() {
    let world = world_of(|config| config.vercel_tokens[0].denied = vec!["env".to_owned()]);
    world.push("login");
    let error = writer(&world.sim, &world.clock, "nobody").reader().project("web").await.unwrap_err();
    assert_eq!(error.reason(), "TokenRejected");
    let error = world.writer.upsert_variables("web", &[variable("A", "value-1", "login")]).await.unwrap_err();
    assert!(matches!(error.problem(), VercelProblem::Forbidden { permission, .. } if permission == "write variables"));
    let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(1));
    let http = connection(super::DEFAULT_BASE_URL, Token::new("VERCEL_TOKEN", "sim_vercel").unwrap(), shared);
    let elsewhere = VercelReader::new(ReadClient::new(http), VercelScope::of("other"));
    assert_eq!(elsewhere.project("web").await.unwrap_err().reason(), "Forbidden");
    assert_eq!(world.writer.reader().project("nowhere").await.unwrap_err().reason(), "NotFound");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_found_by_branch_and_commit_and_followed() {
    let world = world_of(|_| {});
    let sha = world.push("login");
    world.pass(3).await;
    let project = world.writer.reader().project("web").await.unwrap();
    let filter = DeploymentFilter {
        branch: Some("login".to_owned()),
        sha: Some(sha.clone()),
        most: 5,
        ..DeploymentFilter::default()
    };
    let rows = world.writer.reader().deployments(&project.id, &filter).await.unwrap();
    assert_eq!((rows.len(), rows[0].commit().sha), (1, Some(sha)));
    let id = rows[0].uid.clone();
    let mut seen = Vec::new();
    while seen.last() != Some(&Progress::Routed) {
        let progress = world.writer.reader().deployment(&id).await.unwrap().unwrap().progress();
        if seen.last() != Some(&progress) {
            seen.push(progress);
        }
        world.pass(1).await;
    }
    assert!(seen.contains(&Progress::Built), "{seen:?}");
    let aliases = world.writer.reader().aliases_of(&id).await.unwrap();
    assert_eq!(aliases[0].alias, "web-git-login-acme.vercel.app");
    assert_eq!(world.writer.reader().aliases(&project.id).await.unwrap().len(), 1);
    world.web.next_build(VercelBuild::failed()).unwrap();
    let again = world.writer.redeploy("web", &id, &DeployedTo::Preview, &[]).await.unwrap();
    world.pass(60).await;
    let failed = world.writer.reader().deployment(&again.id).await.unwrap().unwrap();
    assert!(matches!(failed.progress(), Progress::Failed { code, step: Some(_), .. } if code == "BUILD_FAILED"));
    let log = world.writer.reader().build_log(&again.id, 2).await.unwrap();
    assert!(log.len() == 2 && log[1].is_error, "{log:?}");
    assert_eq!(world.writer.delete_deployment(&id).await.unwrap(), Deleted::Done);
    assert!(world.writer.reader().deployment(&id).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_made_of_a_commit_and_gets_an_alias() {
    let world = world_of(|_| {});
    world.web.set_creates_deployments(false).unwrap();
    world.push("login");
    let git = GitSource { org: "acme".into(), repo: "chat".into(), branch: "login".into(), sha: None };
    let new =
        NewDeployment { name: "web".into(), project: "web".into(), place: DeployedTo::Preview, git, meta: Vec::new() };
    let made = world.writer.create_deployment(&new).await.unwrap();
    let early = world.writer.assign_alias(&made.id, "x.acme.dev").await.unwrap_err();
    assert_eq!(early.reason(), "DeploymentNotReady");
    world.pass(60).await;
    assert!(!world.writer.assign_alias(&made.id, "x.acme.dev").await.unwrap().was_there);
    assert!(world.writer.assign_alias(&made.id, "x.acme.dev").await.unwrap().was_there);
    assert_eq!(world.writer.remove_alias("x.acme.dev").await.unwrap(), Deleted::Done);
    assert_eq!(world.writer.remove_alias("x.acme.dev").await.unwrap(), Deleted::WasGone);
}

#[tokio::test(start_paused = true)]
async fn secrets_and_production() {
    let world = world_of(|_| {});
    let secret = SecretText::new("s".repeat(32));
    let all = world.writer.generate_bypass("web", Some(&secret), "hangar login").await.unwrap();
    assert_eq!((all.len(), all[0].note.as_deref(), all[0].is_env_var), (1, Some("hangar login"), true));
    let project = world.writer.reader().project("web").await.unwrap();
    assert_eq!(project.bypass_secrets()[0].secret.expose(), secret.expose());
    assert!(!format!("{project:?}").contains(secret.expose()));
    assert!(world.writer.revoke_bypass("web", &secret).await.unwrap().is_empty());
    for _ in 0..2 {
        world.push("main");
        world.pass(60).await;
    }
    let first = world.web.deployments()[0].id.clone();
    world.writer.roll_back(&project.id, &first).await.unwrap();
    let job = world.writer.reader().last_alias_request("web").await.unwrap().unwrap();
    assert_eq!((job.kind.as_str(), job.job_status), ("rollback", AliasJob::Pending));
    world.pass(10).await;
    let project = world.writer.reader().project("web").await.unwrap();
    assert_eq!(project.production().map(|one| one.id.clone()), Some(first));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_several_pages_is_read_whole() {
    let world = world_of(|_| {});
    for number in 0..250 {
        world.web.add_domain(&format!("d{number}.acme.dev"), None).unwrap();
        if number % 2 == 0 {
            world.clock.sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(world.writer.reader().domains("web").await.unwrap().len(), 250);
}

fn through(connection: Connection) -> VercelWriter {
    VercelWriter::new(WriteClient::new(connection), VercelScope::of("team_1"))
}

#[tokio::test(start_paused = true)]
async fn all_three_forms_of_the_list_are_read_and_each_call_names_the_team() {
    let one = json!({"id": "e1", "key": "A", "value": "x", "type": "plain", "target": "preview", "securityIssues": []});
    let forms = [
        one.clone(),
        json!({"envs": [one.clone()], "pagination": {"count": 1, "next": null, "prev": null}}),
        json!({"envs": [one], "hiddenProductionEnvCount": 3}),
    ];
    for form in forms {
        let (fake, connection) = fake::connection(vec![answer(200, &form.to_string())]);
        let found = through(connection).reader().variables("web").await.unwrap();
        assert_eq!((found[0].target.clone(), found.len()), (vec!["preview".to_owned()], 1));
        assert_eq!(fake.lines(), ["GET /v10/projects/web/env?teamId=team_1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_one_with_whatever_status_and_no_value_is_repeated() {
    for status in [400, 403, 409] {
        let body = json!({"error": {
            "code": "ENV_CONFLICT", "message": "value-1 is there", "envVarKey": "A", "target": ["preview"], "gitBranch": "login",
            "value": "value-1",
        }});
        let (_, connection) = fake::connection(vec![answer(status, &body.to_string())]);
        let error =
            through(connection).upsert_variables("web", &[variable("A", "value-1", "login")]).await.unwrap_err();
        let expected =
            VercelProblem::EnvConflict { key: "A".into(), target: "preview".into(), branch: Some("login".into()) };
        assert_eq!(error.problem(), &expected, "{status}");
        assert!(!format!("{error} {error:?}").contains("value-1"));
        assert_eq!(error.http().map(crate::http::HttpError::method), Some(Method::Post));
    }
}
