//! The client against the simulator, and against answers that the simulator does not give.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{BranchRef, Class, Deleted, NeonError, NeonProblem, NeonReader, NeonWriter, connection};
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use crate::http::{Shared, Token, WriteClient};
use crate::providers::neon::wire::{
    BranchData, BranchState, CreateBranch, CreateEndpoint, Restore, RestorePoint, UpdateBranch, UpdateEndpoint,
};
use crate::random::Random;
use crate::sim::{
    Fault, FaultKind, Matcher, NeonAccess, NeonHand, NeonPlan, NeonTimes, SimConfig, SimNeonProject, SimNeonToken,
    Simulator,
};

const ID: &str = "quiet-river-100001";
const BRANCHES: &str = "/api/v2/projects/*/branches";

struct World {
    sim: Simulator,
    clock: SharedClock,
    hand: NeonHand,
    writer: NeonWriter,
}

fn clock() -> SharedClock {
    Arc::new(VirtualClock::starting_at("2026-11-21T08:00:00Z".parse::<DateTime<Utc>>().unwrap()))
}

fn writer(transport: SharedTransport, clock: &SharedClock, token: &str) -> NeonWriter {
    let shared = Shared::new(transport, Arc::clone(clock), Random::from_seed(1));
    let token = Token::new("NEON_API_KEY", token).unwrap();
    NeonWriter::new(WriteClient::new(connection(super::DEFAULT_BASE_URL, token, shared)))
}

fn world_of(config: SimConfig) -> World {
    let clock = clock();
    let sim = Simulator::new(config, Arc::clone(&clock));
    let writer = writer(sim.transport(), &clock, "sim_neon");
    World { hand: sim.neon(ID), sim, clock, writer }
}

fn config() -> SimConfig {
    SimConfig::default().with_neon(SimNeonProject::new(ID), "sim_neon")
}

fn world() -> World {
    world_of(config())
}

fn at(branch: &str) -> BranchRef<'_> {
    BranchRef { project: ID, branch }
}

fn wanted(name: &str) -> CreateBranch {
    let annotation = BTreeMap::from([("hangar".to_owned(), name.to_owned())]);
    let endpoints = vec![CreateEndpoint::read_write()];
    CreateBranch { name: name.to_owned(), endpoints, annotation, ..CreateBranch::default() }
}

impl World {
    fn reader(&self) -> &NeonReader {
        self.writer.reader()
    }

    /// A branch, when it is ready; its id.
    async fn branch(&self, name: &str) -> String {
        let made = self.writer.create_branch(ID, &wanted(name)).await.unwrap();
        self.done(&made.operations).await.unwrap();
        made.branch.id
    }

    async fn done(&self, operations: &[crate::providers::neon::wire::Operation]) -> Result<(), NeonError> {
        self.writer.finished(operations, ID, Duration::from_mins(1)).await
    }

    fn main(&self) -> String {
        self.hand.branch("main").unwrap().id
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_made_found_connected_to_and_deleted() {
    let world = world();
    let expires_at = world.clock.now() + TimeDelta::days(3);
    let sizes = UpdateEndpoint { min_cu: Some(0.5), max_cu: Some(2.0), suspend_seconds: Some(120) };
    let endpoints = vec![CreateEndpoint { sizes, ..CreateEndpoint::read_write() }];
    let asked = CreateBranch { expires_at: Some(expires_at), endpoints, ..wanted("preview/login") };
    let made = world.writer.create_branch(ID, &asked).await.unwrap();
    assert_eq!(made.branch.current_state, BranchState::Init);
    assert!(made.connection_uri.is_some());
    world.done(&made.operations).await.unwrap();

    let id = made.branch.id.as_str();
    let found = world.reader().branch_named(ID, "preview/login").await.unwrap().unwrap();
    assert_eq!((found.branch.id.as_str(), &found.branch.current_state), (id, &BranchState::Ready));
    assert_eq!((found.branch.expires_at, found.branch.parent_id.clone()), (Some(expires_at), Some(world.main())));
    assert_eq!(found.annotation, asked.annotation);
    assert_eq!(world.reader().branch(at(id)).await.unwrap(), Some(found));

    let endpoint = world.reader().endpoints(at(id)).await.unwrap().remove(0);
    assert_eq!((endpoint.autoscaling_limit_min_cu, endpoint.suspend_timeout_seconds), (0.5, 120));
    let role = world.reader().roles(at(id)).await.unwrap().remove(0).name;
    let database = world.reader().databases(at(id)).await.unwrap().remove(0).name;
    let password = world.reader().password(at(id), &role).await.unwrap();
    let uri = world.reader().connection_uri(&endpoint, &database, &role, false).await.unwrap();
    let pooled = world.reader().connection_uri(&endpoint, &database, &role, true).await.unwrap();
    assert!(uri.expose().contains(&format!(":{}@{}/", password.expose(), endpoint.host)), "{}", uri.expose());
    assert!(pooled.expose().contains(&endpoint.pooler_host()));

    let Deleted::Begun(operations) = world.writer.delete_branch(at(id)).await.unwrap() else { panic!("it was there") };
    world.done(&operations).await.unwrap();
    assert_eq!(world.reader().branch(at(id)).await.unwrap(), None);
    assert!(matches!(world.writer.delete_branch(at(id)).await.unwrap(), Deleted::WasGone));
}

#[tokio::test(start_paused = true)]
async fn no_secret_can_be_printed() {
    let world = world();
    let made = world.writer.create_branch(ID, &wanted("a")).await.unwrap();
    world.done(&made.operations).await.unwrap();
    let role = world.writer.reset_password(at(&made.branch.id), "neondb_owner").await.unwrap();
    let password = role.object.password.clone().unwrap();
    assert!(password.expose().starts_with("npg_"));
    let shown = format!("{made:?}{role:?}");
    assert!(!shown.contains("npg_") && !shown.contains("postgresql://"), "{shown}");
    world.done(&role.operations).await.unwrap();
    assert_eq!(world.reader().password(at(&made.branch.id), "neondb_owner").await.unwrap().expose(), password.expose());
}

#[tokio::test(start_paused = true)]
async fn every_page_of_branches_is_read_or_none() {
    let world = world();
    for number in 0..5 {
        world.hand.create_branch(&format!("b{number}"), None).unwrap();
    }
    world.sim.inject(Fault::always(Matcher::new(Method::Get, BRANCHES), FaultKind::ShortPage { keep: 2 }));
    let branches = world.reader().branches(ID).await.unwrap();
    assert_eq!(branches.len(), 6);
    assert_eq!(world.sim.reads(), 3);
    assert_eq!(world.reader().branch_count(ID).await.unwrap(), 6);

    world.sim.clear_faults();
    world.sim.inject(Fault::always(Matcher::new(Method::Get, BRANCHES), FaultKind::PartialList { keep: 2 }));
    let error = world.reader().branches(ID).await.unwrap_err();
    assert_eq!(error.problem(), &NeonProblem::PartialList, "what does not say that it is whole is not believed");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_found_exactly_among_those_that_contain_it() {
    let world = world();
    world.hand.create_branch("preview/login-2", None).unwrap();
    assert_eq!(world.reader().branch_named(ID, "preview/login").await.unwrap(), None);
    let id = world.hand.create_branch("preview/login", None).unwrap();
    assert_eq!(world.reader().branch_named(ID, "preview/login").await.unwrap().unwrap().branch.id, id);
    assert_eq!(world.reader().branch_named(ID, &id).await.unwrap(), None, "an id is no name");
}

#[tokio::test(start_paused = true)]
async fn a_busy_project_is_waited_for_but_not_for_ever() {
    let world = world();
    world.hand.keep_busy(Duration::from_secs(40)).unwrap();
    let id = world.branch("a").await;
    assert!(world.hand.branch("a").is_some());
    world.hand.keep_busy(Duration::from_mins(10)).unwrap();
    let error = world.writer.delete_branch(at(&id)).await.unwrap_err();
    assert!(matches!(error.problem(), NeonProblem::Locked { .. }), "{error}");
    assert_eq!(error.class(), Class::Transient);
    assert!(world.hand.branch("a").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_503_is_harmless_and_a_lost_reply_is_not() {
    let world = world();
    let post = || Matcher::new(Method::Post, BRANCHES);
    world.sim.inject(Fault::always(post(), FaultKind::status_before(503)).times(2));
    world.branch("a").await;
    assert_eq!(world.sim.requests().iter().filter(|request| request.method == "POST").count(), 3);

    world.sim.inject(Fault::always(post(), FaultKind::ResetAfter).times(1));
    let error = world.writer.create_branch(ID, &wanted("b")).await.unwrap_err();
    assert_eq!(error.class(), Class::Unknown, "{error}");
    assert!(error.to_string().contains("it may have had its effect all the same"));
    let found = world.reader().branch_named(ID, "b").await.unwrap();
    assert_eq!(found.unwrap().annotation["hangar"], "b", "it is looked up by its name, and known by its mark");
    let again = world.writer.create_branch(ID, &wanted("b")).await.unwrap_err();
    assert!(matches!(again.problem(), NeonProblem::NameTaken { .. }), "{again}");
    assert_eq!((again.class(), again.reason()), (Class::Permanent, "NameTaken"));

    world.sim.inject(Fault::always(Matcher::writes(), FaultKind::status_after(500)).times(1));
    let b = world.hand.branch("b").unwrap().id;
    let error = world.writer.delete_branch(at(&b)).await.unwrap_err();
    assert_eq!(error.class(), Class::Unknown, "{error}");
}

#[tokio::test(start_paused = true)]
async fn operations_that_fail_are_told_with_their_error() {
    let world = world();
    world.hand.fail_next("create_branch", "error", "no room on the pageserver").unwrap();
    let made = world.writer.create_branch(ID, &wanted("a")).await.unwrap();
    let error = world.done(&made.operations).await.unwrap_err();
    let NeonProblem::OperationFailed { action, message, .. } = error.problem() else { panic!("{error}") };
    assert_eq!((action.as_str(), message.as_str()), ("create_branch", "no room on the pageserver"));
    assert_eq!(error.place().branch.as_deref(), Some(made.branch.id.as_str()));

    world.hand.fail_next("create_branch", "cancelled", "by hand").unwrap();
    let made = world.writer.create_branch(ID, &wanted("b")).await.unwrap();
    let error = world.done(&made.operations).await.unwrap_err();
    assert_eq!((error.reason(), error.class()), ("OperationFailed", Class::Permanent));

    world.hand.fail_next("create_branch", "failed", "once").unwrap();
    let made = world.writer.create_branch(ID, &wanted("c")).await.unwrap();
    world.done(&made.operations).await.unwrap();
    assert_eq!(world.hand.branch("c").unwrap().state, "ready", "what Neon tries again by itself is waited for");
    world.hand.fail_next("create_branch", "skipped", "").unwrap();
    let made = world.writer.create_branch(ID, &wanted("d")).await.unwrap();
    world.done(&made.operations).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_operations_is_bounded() {
    let times = NeonTimes { operation: Duration::from_mins(5), ..NeonTimes::default() };
    let world = world_of(SimConfig { neon_times: times, ..config() });
    let made = world.writer.create_branch(ID, &wanted("a")).await.unwrap();
    let before = world.clock.now();
    let error = world.done(&made.operations).await.unwrap_err();
    assert!(matches!(error.problem(), NeonProblem::OperationUnfinished { .. }), "{error}");
    assert_eq!(error.class(), Class::Transient);
    let waited = (world.clock.now() - before).num_seconds();
    assert!((60..=65).contains(&waited), "{waited}");
    assert_eq!(world.reader().running_operations(ID).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart() {
    let free = SimNeonProject::new(ID).on(NeonPlan::Free);
    let mut config = SimConfig::default().with_neon(free, "sim_neon");
    config.neon_tokens.push(SimNeonToken { access: NeonAccess::CanView, ..SimNeonToken::new("sim_viewer", ID) });
    config.neon_times.settle = Duration::from_secs(20);
    let world = world_of(config);
    let problem = |error: NeonError| error.problem().clone();

    let a = world.branch("a").await;
    let child = CreateBranch { parent_id: Some(a.clone()), ..wanted("child") };
    assert_eq!(problem(world.writer.create_branch(ID, &child).await.unwrap_err()), NeonProblem::NotReady);
    world.clock.sleep(Duration::from_secs(20)).await;
    world.hand.create_branch("child", Some(&a)).unwrap();
    let children = problem(world.writer.delete_branch(at(&a)).await.unwrap_err());
    assert!(matches!(children, NeonProblem::HasChildren { .. }), "{children:?}");
    let main = problem(world.writer.delete_branch(at(&world.main())).await.unwrap_err());
    assert!(matches!(main, NeonProblem::Protected { .. }), "{main:?}");
    let protect = UpdateBranch { protected: Some(true), ..UpdateBranch::default() };
    let limit = problem(world.writer.update_branch(at(&a), &protect).await.unwrap_err());
    let NeonProblem::LimitReached { code, .. } = limit else { panic!("{limit:?}") };
    assert_eq!(code, "BRANCHES_PROTECTED_LIMIT_EXCEEDED");
    for number in 0..7 {
        world.hand.create_branch(&format!("b{number}"), None).unwrap();
    }
    let limit = problem(world.writer.create_branch(ID, &wanted("more")).await.unwrap_err());
    let NeonProblem::LimitReached { code, .. } = limit else { panic!("{limit:?}") };
    assert_eq!(code, "BRANCHES_LIMIT_EXCEEDED");
    let gone = problem(world.reader().endpoints(at("br-nothing")).await.unwrap_err());
    assert!(matches!(gone, NeonProblem::NotFound { .. }), "{gone:?}");

    let viewer = writer(world.sim.transport(), &world.clock, "sim_viewer");
    let forbidden = problem(viewer.create_branch(ID, &wanted("x")).await.unwrap_err());
    let NeonProblem::Forbidden { permission, .. } = forbidden else { panic!("{forbidden:?}") };
    assert_eq!(permission, "CAN_EDIT");
    let stranger = writer(world.sim.transport(), &world.clock, "sim_nobody");
    let unknown = problem(stranger.reader().project(ID).await.unwrap_err());
    assert_eq!(unknown, NeonProblem::Unauthorized { token: "NEON_API_KEY".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_not_kept_is_a_problem_of_its_own() {
    let project = SimNeonProject { store_passwords: false, ..SimNeonProject::new(ID) };
    let world = world_of(SimConfig::default().with_neon(project, "sim_neon"));
    let error = world.reader().password(at(&world.main()), "neondb_owner").await.unwrap_err();
    assert!(matches!(error.problem(), NeonProblem::PasswordsNotKept { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_reset_restored_and_changed() {
    let world = world();
    let a = world.branch("a").await;
    let reset = world.writer.reset_to_parent(at(&a), &world.main()).await.unwrap();
    assert_eq!(reset.object.current_state, BranchState::Resetting);
    world.done(&reset.operations).await.unwrap();
    assert_eq!(world.hand.branch("a").unwrap().parent, Some(world.main()), "a reset leaves the parent");

    let mut own =
        Restore { source_id: a.clone(), point: RestorePoint::At(world.clock.now()), preserve_under_name: None };
    let error = world.writer.restore(at(&a), &own).await.unwrap_err();
    assert!(matches!(error.problem(), NeonProblem::NameToPreserveMissing { .. }), "{error}");
    own.preserve_under_name = Some("a-old".to_owned());
    let restored = world.writer.restore(at(&a), &own).await.unwrap();
    world.done(&restored.operations).await.unwrap();
    assert_eq!(restored.object.parent_id, Some(world.hand.branch("a-old").unwrap().id));

    // Neon tells whole seconds.
    let until = DateTime::from_timestamp(world.clock.now().timestamp() + 3600, 0).unwrap();
    let change = |expires_at| UpdateBranch { expires_at: Some(expires_at), ..UpdateBranch::default() };
    let changed = world.writer.update_branch(at(&a), &change(Some(until))).await.unwrap();
    assert_eq!(changed.object.expires_at, Some(until));
    assert_eq!(world.writer.update_branch(at(&a), &change(None)).await.unwrap().object.expires_at, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_a_branch_is_made_and_deleted() {
    let world = world();
    let plain = CreateBranch { endpoints: Vec::new(), data: BranchData::SchemaOnly, ..wanted("a") };
    let made = world.writer.create_branch(ID, &plain).await.unwrap();
    assert_eq!((made.branch.parent_id.as_deref(), made.endpoints.len()), (None, 0));
    let (a, writer) = (made.branch.id.as_str(), &world.writer);
    world.done(&made.operations).await.unwrap();
    let compute = writer.create_endpoint(at(a), &CreateEndpoint::read_write()).await.unwrap();
    world.done(&compute.operations).await.unwrap();
    let larger = UpdateEndpoint { max_cu: Some(4.0), ..UpdateEndpoint::default() };
    let changed = writer.update_endpoint(ID, &compute.object.id, &larger).await.unwrap();
    assert!((changed.object.autoscaling_limit_max_cu - 4.0).abs() < f64::EPSILON);
    world.done(&changed.operations).await.unwrap();
    let role = writer.create_role(at(a), "app").await.unwrap();
    assert!(role.object.password.is_some());
    world.done(&role.operations).await.unwrap();
    let database = writer.create_database(at(a), "app", "app").await.unwrap();
    world.done(&database.operations).await.unwrap();
    assert_eq!(world.hand.branch("a").unwrap().databases, ["neondb", "app"]);
    for deleted in [writer.delete_database(at(a), "app").await, writer.delete_role(at(a), "app").await] {
        let Deleted::Begun(operations) = deleted.unwrap() else { panic!("it was there") };
        world.done(&operations).await.unwrap();
    }
    assert!(matches!(writer.delete_role(at(a), "app").await.unwrap(), Deleted::WasGone));
    let Deleted::Begun(operations) = writer.delete_endpoint(ID, &compute.object.id).await.unwrap() else {
        panic!("it was there")
    };
    world.done(&operations).await.unwrap();
    assert!(world.hand.endpoints(a).is_empty());
    assert!(world.reader().operations(ID).await.unwrap().len() >= 8);
}

/// Answers every request with the same body.
#[derive(Debug)]
struct Always(&'static str);

#[async_trait::async_trait]
impl Transport for Always {
    async fn send(&self, _: Request) -> Result<Response, TransportError> {
        Ok(Response { status: 200, headers: Vec::new(), body: Bytes::from_static(self.0.as_bytes()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_string_to_another_host_is_refused_without_being_shown() {
    let world = world();
    let a = world.branch("a").await;
    let endpoint = world.reader().endpoints(at(&a)).await.unwrap().remove(0);
    let wrong =
        Always(r#"{"uri": "postgresql://neondb_owner:npg_planted@ep-production.us-east-2.aws.neon.tech/neondb"}"#);
    let other = writer(Arc::new(wrong), &world.clock, "sim_neon");
    let error = other.reader().connection_uri(&endpoint, "neondb", "neondb_owner", false).await.unwrap_err();
    assert!(matches!(error.problem(), NeonProblem::WrongHost { .. }), "{error}");
    assert!(!format!("{error}{error:?}").contains("npg_planted"));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_does_not_end_is_an_error() {
    let endless = Always(r#"{"branches": [], "annotations": {}, "pagination": {"next": "again"}}"#);
    let reader = writer(Arc::new(endless), &clock(), "sim_neon");
    let error = reader.reader().branches(ID).await.unwrap_err();
    assert_eq!(error.problem(), &NeonProblem::EndlessList);
}
