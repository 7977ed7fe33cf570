//! The client against the simulator.

use std::sync::Arc;
use std::time::Duration;

use super::wire::Progress;
use super::{
    Class, CreateBranch, DEFAULT_BASE_URL, Deleted, SupabaseProblem, SupabaseReader, SupabaseWriter, UpdateBranch,
    connection,
};
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::Method;
use crate::http::{Shared, Token, WriteClient};
use crate::random::Random;
use crate::secret::SecretText;
use crate::sim::tests::documents::supabase::hold_to_supabase;
use crate::sim::{Fault, FaultKind, Matcher, SimConfig, SimSupabaseToken, Simulator};

const MAIN: &str = "abcdefghijklmnopqrst";
const TOKEN: &str = "sbp_0123456789012345678901234567890123456789";
const READER: &str = "sbp_reader";
const STRANGER: &str = "sbp_stranger";

struct World {
    sim: Simulator,
    clock: SharedClock,
    writer: SupabaseWriter,
}

impl World {
    fn new() -> Self {
        let clock: SharedClock = Arc::new(VirtualClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
        let mut config = SimConfig::default().with_supabase(MAIN, TOKEN);
        for (token, organization, read_only) in [(READER, "acme", true), (STRANGER, "other", false)] {
            let (token, organization) = (token.to_owned(), organization.to_owned());
            config.supabase_tokens.push(SimSupabaseToken { token, organization, read_only });
        }
        let sim = Simulator::new(config, Arc::clone(&clock));
        hold_to_supabase(&sim);
        let writer = Self::writer(&sim, &clock, TOKEN);
        Self { sim, clock, writer }
    }

    fn writer(sim: &Simulator, clock: &SharedClock, token: &str) -> SupabaseWriter {
        let shared = Shared::new(sim.transport(), Arc::clone(clock), Random::from_seed(1));
        let token = Token::new("SUPABASE_ACCESS_TOKEN", token).unwrap();
        SupabaseWriter::new(WriteClient::new(connection(DEFAULT_BASE_URL, token, shared)))
    }

    fn with_token(&self, token: &str) -> SupabaseWriter {
        Self::writer(&self.sim, &self.clock, token)
    }

    fn reader(&self) -> &SupabaseReader {
        self.writer.reader()
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    async fn progress(&self, name: &str) -> Progress {
        self.reader().branch(MAIN, name).await.unwrap().unwrap().progress()
    }
}

fn pr_1() -> CreateBranch {
    CreateBranch {
        branch_name: "pr-1".into(),
        git_branch: Some("change".into()),
        persistent: Some(true),
        with_data: Some(false),
        notify_url: Some("https://hangar.example/acme/pr-1".into()),
        ..CreateBranch::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_made_can_be_logged_in_to_when_it_is_up_and_goes() {
    let world = World::new();
    let made = world.writer.create_branch(MAIN, &pr_1()).await.unwrap();
    assert_eq!((made.name.as_str(), made.parent_project_ref.as_str(), made.persistent), ("pr-1", MAIN, true));
    assert_eq!((made.progress(), made.git_branch.as_deref()), (Progress::Coming, Some("change")));
    assert_eq!(made.notify_url.as_deref(), Some("https://hangar.example/acme/pr-1"));
    let own = made.project_ref.clone();
    let early = world.reader().branch_config(&own).await.unwrap().unwrap();
    assert_eq!((early.status.as_str(), early.uri().is_none()), ("COMING_UP", true));
    world.pass(60).await;
    let config = world.reader().branch_config(&own).await.unwrap().unwrap();
    let password = world.sim.supabase_password(&own).unwrap();
    let address = format!("postgresql://postgres:{password}@db.{own}.supabase.co:5432/postgres");
    assert_eq!((config.status.as_str(), config.uri().unwrap().expose()), ("ACTIVE_HEALTHY", address.as_str()));
    assert!(!format!("{config:?}").contains(&password), "{config:?}");
    assert_eq!(world.progress("pr-1").await, Progress::Coming, "its migrations still run");
    world.pass(30).await;
    assert_eq!(world.progress("pr-1").await, Progress::Ready);
    world.pass(30).await;
    let done = world.reader().branches(MAIN).await.unwrap().remove(0);
    assert_eq!((done.status.as_str(), done.progress(), &done.id), ("FUNCTIONS_DEPLOYED", Progress::Ready, &made.id));

    assert_eq!(world.writer.delete_branch(&own).await.unwrap(), Deleted::Done);
    assert_eq!(world.writer.delete_branch(&own).await.unwrap(), Deleted::WasGone);
    assert_eq!(world.reader().branches(MAIN).await.unwrap(), []);
    assert_eq!(world.reader().branch(MAIN, "pr-1").await.unwrap(), None);
    assert!(world.reader().branch_config(&own).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_renamed_and_changed_and_keeps_what_is_not_named() {
    let world = World::new();
    let made = world.writer.create_branch(MAIN, &pr_1()).await.unwrap();
    let change = UpdateBranch { branch_name: Some("pr-1.t1".into()), ..UpdateBranch::default() };
    let renamed = world.writer.update_branch(&made.project_ref, &change).await.unwrap();
    let expected = crate::providers::supabase::wire::Branch { name: "pr-1.t1".into(), ..made.clone() };
    assert_eq!(renamed, expected);
    let change = UpdateBranch { git_branch: Some("other".into()), persistent: Some(false), ..UpdateBranch::default() };
    let changed = world.writer.update_branch(&made.project_ref, &change).await.unwrap();
    assert_eq!((changed.git_branch.as_deref(), changed.persistent, changed.name), (Some("other"), false, renamed.name));
    let second = world.writer.create_branch(MAIN, &pr_1()).await.unwrap();
    let taken = UpdateBranch { branch_name: Some("pr-1.t1".into()), ..UpdateBranch::default() };
    assert!(world.writer.update_branch(&second.project_ref, &taken).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn keys_and_poolers_give_what_an_app_connects_with() {
    let world = World::new();
    let own = world.writer.create_branch(MAIN, &pr_1()).await.unwrap().project_ref;
    let keys = world.reader().api_keys(&own).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["anon", "service_role"]);
    let key = keys[1].api_key.as_ref().unwrap();
    assert!(key.expose().starts_with("eyJ") && !format!("{keys:?}").contains(key.expose()));
    let pooler = world.reader().poolers(&own).await.unwrap().remove(0);
    let uri = pooler.uri(&SecretText::new("p@ss/word")).unwrap();
    let address = format!("postgresql://postgres.{own}:p%40ss%2Fword@us-east-1.pooler.supabase.com:6543/postgres");
    assert_eq!(uri.expose(), address);
}

#[tokio::test(start_paused = true)]
async fn what_the_integration_has_made_is_found_and_failed_migrations_are_seen() {
    let world = World::new();
    let own = world.sim.create_supabase_branch(MAIN, "feature/x", 7).unwrap();
    let found = world.reader().branch(MAIN, "feature/x").await.unwrap().unwrap();
    assert_eq!((found.project_ref, found.pr_number, found.persistent), (own.clone(), Some(7), false));
    world.sim.fail_supabase_migrations(&own).unwrap();
    world.pass(90).await;
    assert_eq!(world.progress("feature/x").await, Progress::Failed("MIGRATIONS_FAILED".into()));
    world.sim.delete_supabase_branch(&own).unwrap();
    assert_eq!(world.sim.supabase_branches(MAIN), []);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_and_a_lost_answer_look_the_same_and_neither_is_sent_twice() {
    let world = World::new();
    world.sim.inject(Fault::once(Matcher::new(Method::Post, "/v1/projects/**"), FaultKind::ResetAfter));
    for _ in 0..2 {
        world.sim.clear_requests();
        let error = world.writer.create_branch(MAIN, &pr_1()).await.unwrap_err();
        assert_eq!((error.class(), world.sim.writes()), (Class::Unknown, 1), "{error}");
        assert!(error.to_string().starts_with(&format!("could not create branch `pr-1` of project `{MAIN}`")));
    }
    assert_eq!(world.sim.supabase_branches(MAIN).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_they_mean() {
    let world = World::new();
    let rejected = world.with_token("sbp_nobody").reader().branches(MAIN).await.unwrap_err();
    assert!(matches!(rejected.problem(), SupabaseProblem::TokenRejected { token } if token == "SUPABASE_ACCESS_TOKEN"));
    let read_only = world.with_token(READER);
    assert_eq!(read_only.reader().branches(MAIN).await.unwrap(), []);
    let forbidden = read_only.create_branch(MAIN, &pr_1()).await.unwrap_err();
    let elsewhere = world.with_token(STRANGER).reader().branches(MAIN).await.unwrap_err();
    for error in [forbidden, elsewhere] {
        assert!(matches!(error.problem(), SupabaseProblem::Forbidden { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Permanent);
    }
    let missing = world.reader().branches("aaaaaaaaaaaaaaaaaaaa").await.unwrap_err();
    assert!(matches!(missing.problem(), SupabaseProblem::NotFound { .. }), "{missing:?}");
    let wrong = world.reader().branches("main").await.unwrap_err();
    assert!(matches!(wrong.problem(), SupabaseProblem::InvalidRequest { .. }), "{wrong:?}");
    for wrong in ["11111111-1111-1111-1111-111111111111", "main"] {
        let error = world.reader().branch_config(wrong).await.unwrap_err();
        assert!(matches!(error.problem(), SupabaseProblem::InvalidRequest { .. }), "{error:?}");
    }
    world.sim.inject(Fault::always(Matcher::new(Method::Get, "/v1/projects/**"), FaultKind::unavailable()));
    let error = world.reader().branches(MAIN).await.unwrap_err();
    assert_eq!((error.reason(), error.class()), ("Unavailable", Class::Transient));
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_kept_and_whoever_does_not_is_refused() {
    let world = World::new();
    for _ in 0..130 {
        world.reader().branches(MAIN).await.unwrap();
    }
    assert!(world.sim.requests().iter().all(|request| request.status == Some(200)));
    // Clients that know nothing of each other use up the minute of one token.
    let mut refusal = None;
    for _ in 0..7 {
        let other = world.with_token(READER);
        for _ in 0..20 {
            refusal = refusal.or(other.reader().branches(MAIN).await.err());
        }
    }
    let refusal = refusal.unwrap();
    assert!(matches!(refusal.problem(), SupabaseProblem::RateLimited), "{refusal:?}");
    assert_eq!(refusal.class(), Class::Transient);
    world.pass(60).await;
    world.with_token(READER).reader().branches(MAIN).await.unwrap();
}
