//! The writes, against the simulator.

use std::sync::Arc;

use super::tests::{World, chat, epoch, world, world_of};
use super::{Author, Deleted, GithubWriter, Sticky, connection};
use crate::http::transport::Method;
use crate::http::{Shared, Token, WriteClient};
use crate::providers::github::wire::{CommitStatus, DeploymentState, NewDeployment, NewDeploymentStatus, StatusState};
use crate::random::Random;
use crate::sim::{Fault, FaultKind, GithubAccess, Matcher, NewPull};

const MARKER: &str = "<!-- hangar acme -->";
const SELF: &str = "hangar-bot";

fn own_author() -> Author {
    Author::Login(SELF.to_owned())
}

fn writer(world: &World) -> GithubWriter {
    let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(1));
    let token = Token::new("GITHUB_TOKEN", "sim_github").unwrap();
    GithubWriter::new(WriteClient::new(connection(super::DEFAULT_BASE_URL, token, shared)))
}

#[tokio::test(start_paused = true)]
async fn one_comment_is_kept_up_to_date() {
    let world = world();
    let writer = writer(&world);
    let number = world.repo.open_pull(NewPull::from_branch("login")).unwrap();
    // Somebody copies the marker before the first comment is there.
    world.repo.comment(number, "eve", &format!("{MARKER}\nmine")).unwrap();
    let keep = async |body| writer.keep_comment(&chat(), number, &own_author(), MARKER, body).await.unwrap();
    assert_eq!(keep(None).await, Sticky::Absent);
    let Sticky::Created(id) = keep(Some("one")).await else { panic!() };
    assert_eq!(keep(Some("one\r\n")).await, Sticky::Unchanged(id));
    assert_eq!(keep(Some("two")).await, Sticky::Edited(id));
    let own = || -> Vec<String> {
        let comments = world.repo.comments(number).into_iter().filter(|comment| comment.author == SELF);
        comments.map(|comment| comment.body).collect()
    };
    assert_eq!(own(), [format!("{MARKER}\ntwo")]);
    // It was deleted by hand.
    world.repo.delete_comment(id).unwrap();
    assert!(matches!(keep(Some("two")).await, Sticky::Created(_)));
    // The reply is lost, and the comment is there.
    keep(None).await;
    let post = Matcher::new(Method::Post, "/repos/acme/chat/issues/1/comments");
    world.sim.inject(Fault::once(post, FaultKind::ResetAfter));
    let error = writer.keep_comment(&chat(), number, &own_author(), MARKER, Some("three")).await.unwrap_err();
    assert!(error.may_have_had_effect(), "{error}");
    assert!(matches!(keep(Some("three")).await, Sticky::Unchanged(_)));
    // Two runs have commented at once.
    world.repo.comment(number, SELF, &format!("{MARKER}\nother")).unwrap();
    assert!(matches!(keep(Some("three")).await, Sticky::Unchanged(_)));
    assert_eq!(own(), [format!("{MARKER}\nthree")]);
    assert_eq!(keep(None).await, Sticky::Removed);
    assert_eq!(world.repo.comments(number).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_status_is_said_of_a_commit() {
    let world = world();
    let sha = world.repo.push("login").unwrap();
    let status = CommitStatus {
        state: StatusState::Pending,
        context: "preview".to_owned(),
        description: "ü".repeat(200),
        target_url: Some("https://hangar.acme.dev".to_owned()),
    };
    writer(&world).set_status(&chat(), &sha, &status).await.unwrap();
    let shown = &world.repo.statuses(&sha)[0];
    assert_eq!((shown.state.as_str(), shown.context.as_str()), ("pending", "preview"));
    assert_eq!(shown.description.as_ref().unwrap().chars().count(), 140);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_comes_and_goes() {
    let world = world();
    let writer = writer(&world);
    let sha = world.repo.push("login").unwrap();
    // GitHub would merge this branch, and wait for this status.
    world.repo.push("main").unwrap();
    let pending = CommitStatus {
        state: StatusState::Pending,
        context: "tests".to_owned(),
        description: String::new(),
        target_url: None,
    };
    writer.set_status(&chat(), &sha, &pending).await.unwrap();
    let new = NewDeployment {
        sha: "login".to_owned(),
        environment: "preview/login".to_owned(),
        description: "Preview".to_owned(),
        transient: true,
    };
    let made = writer.create_deployment(&chat(), &new).await.unwrap();
    assert_eq!((&made.sha, made.environment.as_str()), (&sha, "preview/login"));
    let status = |state, url: Option<&str>| NewDeploymentStatus {
        state,
        description: String::new(),
        environment_url: url.map(str::to_owned),
        log_url: None,
    };
    let there = status(DeploymentState::Success, Some("https://login.acme.dev"));
    writer.set_deployment_status(&chat(), made.id, &there).await.unwrap();
    let shown = &world.repo.deployments()[0];
    assert_eq!(
        (shown.state.as_str(), shown.url.as_str(), shown.transient),
        ("success", "https://login.acme.dev", true)
    );
    assert_eq!(writer.reader().deployments(&chat(), "preview/login").await.unwrap(), std::slice::from_ref(&made));
    writer.set_deployment_status(&chat(), made.id, &status(DeploymentState::Inactive, None)).await.unwrap();
    assert_eq!(writer.delete_deployment(&chat(), made.id).await.unwrap(), Deleted::Done);
    assert_eq!(writer.delete_deployment(&chat(), made.id).await.unwrap(), Deleted::WasGone);
    let error = writer.delete_environment(&chat(), "preview/login").await.unwrap_err();
    assert_eq!(error.reason(), "Forbidden");
    assert!(error.to_string().contains("delete environment `preview/login` of acme/chat"), "{error}");
    assert_eq!(world.repo.environments(), ["preview/login"]);
}

#[tokio::test(start_paused = true)]
async fn an_admin_deletes_environments_and_knows_its_own_name() {
    let world = world_of(|config| config.github_tokens[0].access = GithubAccess::Admin);
    let writer = writer(&world);
    let sha = world.repo.push("login").unwrap();
    let new = NewDeployment { sha, environment: "e".to_owned(), description: String::new(), transient: true };
    writer.create_deployment(&chat(), &new).await.unwrap();
    assert_eq!(writer.delete_environment(&chat(), "e").await.unwrap(), Deleted::Done);
    assert_eq!(writer.delete_environment(&chat(), "e").await.unwrap(), Deleted::WasGone);
    assert_eq!(writer.reader().login().await.unwrap(), SELF);
}

#[tokio::test(start_paused = true)]
async fn writes_of_all_kinds_are_a_second_apart() {
    let world = world();
    let writer = writer(&world);
    let sha = world.repo.push("login").unwrap();
    let number = world.repo.open_pull(NewPull::from_branch("login")).unwrap();
    let status = CommitStatus {
        state: StatusState::Success,
        context: "preview".to_owned(),
        description: String::new(),
        target_url: None,
    };
    for _ in 0..50 {
        writer.set_status(&chat(), &sha, &status).await.unwrap();
        writer.create_comment(&chat(), number, "hello").await.unwrap();
    }
    assert_eq!((world.clock.now() - epoch()).num_seconds(), 99);
}
