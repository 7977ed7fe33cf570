//! The client against the simulator, and against answers that the simulator does not give.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{GithubProblem, GithubReader, connection};
use crate::clock::{SharedClock, VirtualClock};
use crate::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use crate::http::{ReadClient, Shared, Token};
use crate::random::Random;
use crate::resource::RepoName;
use crate::sim::{Fault, FaultKind, Matcher, NewPull, RepositoryHand, SimConfig, Simulator};

pub(super) fn epoch() -> DateTime<Utc> {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

pub(super) fn chat() -> RepoName {
    "acme/chat".parse().unwrap()
}

fn clock() -> SharedClock {
    Arc::new(VirtualClock::starting_at(epoch()))
}

fn reader_through(transport: SharedTransport, clock: &SharedClock, base: &str) -> GithubReader {
    let shared = Shared::new(transport, Arc::clone(clock), Random::from_seed(1));
    let token = Token::new("GITHUB_TOKEN", "sim_github").unwrap();
    GithubReader::new(ReadClient::new(connection(base, token, shared)))
}

pub(super) struct World {
    pub(super) sim: Simulator,
    pub(super) clock: SharedClock,
    pub(super) repo: RepositoryHand,
    reader: GithubReader,
}

pub(super) fn world_of(change: impl FnOnce(&mut SimConfig)) -> World {
    let clock = clock();
    let mut config = SimConfig::default().with_repo("acme/chat", "sim_github");
    change(&mut config);
    let sim = Simulator::new(config, Arc::clone(&clock));
    let reader = reader_through(sim.transport(), &clock, super::DEFAULT_BASE_URL);
    World { repo: sim.repository("acme/chat"), sim, clock, reader }
}

pub(super) fn world() -> World {
    world_of(|_| {})
}

impl World {
    fn open(&self, count: u64) {
        for number in 1..=count {
            self.repo.open_pull(NewPull::from_branch(&format!("b{number}"))).unwrap();
        }
    }

    async fn numbers(&self) -> Vec<u64> {
        self.reader.open_pulls(&chat()).await.unwrap().iter().map(|pull| pull.number).collect()
    }

    /// The statuses of the requests since the last look.
    fn statuses(&self) -> Vec<u16> {
        let statuses = self.sim.requests().iter().map(|request| request.status.unwrap_or(0)).collect();
        self.sim.clear_requests();
        statuses
    }

    pub(super) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_is_read_with_all_that_a_preview_needs() {
    let world = world();
    let login = NewPull::from_branch("login").by("bob").labelled("preview").labelled("Big").changing(&["web/a.ts"]);
    world.repo.open_pull(login.draft()).unwrap();
    world.pass(60).await;
    let sha = world.repo.push("login").unwrap();
    let pulls = world.reader.open_pulls(&chat()).await.unwrap();
    let pull = &pulls[0];
    assert_eq!((pull.number, pull.title.as_str(), pull.author.as_str()), (1, "login", "bob"));
    assert_eq!(
        (&pull.labels[..], pull.draft, pull.open, pull.merged),
        (&["preview".to_owned(), "Big".to_owned()][..], true, true, false)
    );
    assert_eq!((&pull.head.branch, &pull.head.sha, pull.base.branch.as_str()), (&"login".to_owned(), &sha, "main"));
    assert_eq!((pull.created_at, pull.updated_at), (epoch(), epoch() + Duration::from_mins(1)));
    assert_eq!(pull.url, "https://github.com/acme/chat/pull/1");
    assert!(!pull.is_fork());
    assert_eq!(world.reader.pull(&chat(), 1).await.unwrap(), *pull);
    assert_eq!(world.reader.changed_files(&chat(), 1).await.unwrap(), ["web/a.ts"]);
    let commit = world.reader.commit(&chat(), &sha).await.unwrap();
    assert_eq!((&commit.sha, commit.committed_at), (&sha, Some(epoch() + Duration::from_mins(1))));
    let repository = world.reader.repository(&chat()).await.unwrap();
    assert_eq!((repository.full_name.as_str(), repository.default_branch.as_str()), ("acme/chat", "main"));
    assert_eq!((repository.id, Some(repository.id)), (pull.base.repo_id, pull.head.repo_id));
}

#[tokio::test(start_paused = true)]
async fn a_fork_is_known_by_its_repository_and_not_by_names() {
    let world = world();
    world.repo.open_pull(NewPull::from_branch("login")).unwrap();
    world.repo.open_pull(NewPull::from_fork("eve", "login")).unwrap();
    world.repo.open_pull(NewPull::from_fork("mallory", "login")).unwrap();
    world.repo.delete_fork("mallory").unwrap();
    let pulls = world.reader.open_pulls(&chat()).await.unwrap();
    assert_eq!(pulls.iter().map(super::super::wire::PullRequest::is_fork).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(pulls[2].head.repo_id, None);
}

#[tokio::test(start_paused = true)]
async fn every_page_is_read_and_a_second_look_is_free() {
    let world = world();
    world.open(205);
    assert_eq!(world.numbers().await, (1..=205).collect::<Vec<u64>>());
    // Three pages, and once more to see that they stood still.
    assert_eq!(world.statuses(), [200, 200, 200, 304, 304, 304]);
    assert_eq!(world.numbers().await.len(), 205);
    assert_eq!(world.statuses(), [304; 6]);
    world.repo.label(150, "preview").unwrap();
    assert_eq!(world.reader.open_pulls(&chat()).await.unwrap()[149].labels, ["preview"]);
    assert_eq!(world.statuses(), [304, 200, 304, 304, 304, 304]);
    world.repo.close(7).unwrap();
    assert_eq!(world.numbers().await.len(), 204);
}

#[tokio::test(start_paused = true)]
async fn a_full_last_page_does_not_hide_the_next_one() {
    let world = world();
    world.open(100);
    assert_eq!(world.numbers().await.len(), 100);
    world.repo.open_pull(NewPull::from_branch("one-more")).unwrap();
    assert_eq!(world.numbers().await.len(), 101);
}

/// Closes a pull request of the first page each time that the second one is asked for.
#[derive(Debug)]
struct Meddler {
    inner: SharedTransport,
    repo: RepositoryHand,
    closing: Mutex<Vec<u64>>,
}

#[async_trait::async_trait]
impl Transport for Meddler {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.url.contains("page=2")
            && let Some(number) = self.closing.lock().unwrap().pop()
        {
            self.repo.close(number).unwrap();
        }
        self.inner.send(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_moves_to_the_page_before_is_not_lost() {
    let world = world();
    world.open(205);
    let meddle = |closing: Vec<u64>| {
        let meddler = Meddler { inner: world.sim.transport(), repo: world.repo.clone(), closing: Mutex::new(closing) };
        reader_through(Arc::new(meddler), &world.clock, super::DEFAULT_BASE_URL)
    };
    // 101 is the first of the second page; closing 7 moves it to the end of the first one, which has been read already.
    let numbers: Vec<u64> = meddle(vec![7]).open_pulls(&chat()).await.unwrap().iter().map(|pull| pull.number).collect();
    assert_eq!(numbers, (1..=205).filter(|number| *number != 7).collect::<Vec<u64>>());
    let error = meddle((20..60).collect()).open_pulls(&chat()).await.unwrap_err();
    assert_eq!(error.problem(), &GithubProblem::Unsettled { pages: 2 });
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_fails_the_whole_list() {
    for kind in [
        FaultKind::StatusBefore { status: 502, body: String::new() },
        FaultKind::Truncated,
        FaultKind::NotJson,
        FaultKind::ResetAfter,
        FaultKind::Refused,
    ] {
        let world = world();
        world.open(105);
        world.sim.inject(Fault::always(Matcher::new(Method::Get, "/repositories/*/pulls"), kind.clone()));
        let error = world.reader.open_pulls(&chat()).await.unwrap_err();
        assert!(error.is_transient(), "{kind:?}: {error}");
        world.sim.clear_faults();
        assert_eq!(world.numbers().await.len(), 105, "{kind:?}");
    }
    let world = world();
    world.open(105);
    // One failure is repeated.
    world.sim.inject(Fault::once(Matcher::reads(), FaultKind::StatusBefore { status: 502, body: String::new() }));
    assert_eq!(world.numbers().await.len(), 105);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_cut_off_once_is_whole_again_the_next_time() {
    let world = world();
    world.open(5);
    world.sim.inject(Fault::once(Matcher::reads(), FaultKind::PartialList { keep: 1 }));
    assert_eq!(world.numbers().await, [1]);
    assert_eq!(world.numbers().await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn closed_pull_requests_are_read_as_far_back_as_is_asked() {
    let world = world();
    world.open(250);
    for number in 1..=240 {
        world.repo.close(number).unwrap();
        world.pass(1).await;
    }
    world.sim.clear_requests();
    let since = epoch() + Duration::from_secs(100);
    let pulls = world.reader.closed_pulls(&chat(), since).await.unwrap();
    let numbers: Vec<u64> = pulls.iter().map(|pull| pull.number).collect();
    assert_eq!(numbers, (101..=240).rev().collect::<Vec<u64>>());
    assert_eq!(world.statuses().len(), 2);
    // Within a second of the moment that was asked for, GitHub does not tell before from after.
    let pulls = world.reader.closed_pulls(&chat(), epoch() + Duration::from_millis(239_900)).await.unwrap();
    assert_eq!(pulls.iter().map(|pull| pull.number).collect::<Vec<_>>(), [240]);
}

#[tokio::test(start_paused = true)]
async fn branches_may_have_slashes() {
    let world = world();
    let sha = world.repo.push("bold/idea").unwrap();
    let branches = world.reader.branches(&chat()).await.unwrap();
    assert_eq!(branches.iter().map(|branch| branch.name.as_str()).collect::<Vec<_>>(), ["bold/idea", "main"]);
    assert_eq!(branches[0].sha, sha);
    assert_eq!(world.reader.commit(&chat(), "bold/idea").await.unwrap().sha, sha);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_token_waits_for_its_hour_and_says_until_when() {
    let world = world_of(|config| config.github_tokens[0].hourly = 2);
    world.open(1);
    world.numbers().await;
    world.repo.label(1, "x").unwrap();
    world.numbers().await;
    world.repo.label(1, "y").unwrap();
    world.sim.clear_requests();
    let error = world.reader.open_pulls(&chat()).await.unwrap_err();
    let at = epoch() + Duration::from_hours(1);
    assert_eq!(error.resets_at(), Some(at));
    let text = error.to_string();
    assert!(text.contains("list open pull requests of acme/chat") && text.contains("2026-11-21T09:00:00Z"), "{text}");
    assert!(text.contains("GITHUB_TOKEN") && error.advice().contains("wait until then"));
    // Nothing more is sent before.
    assert_eq!(world.statuses(), [403]);
    world.pass(1800).await;
    assert!(world.reader.branches(&chat()).await.is_err());
    assert_eq!(world.statuses(), [0; 0]);
    world.pass(1801).await;
    assert_eq!(world.reader.open_pulls(&chat()).await.unwrap()[0].labels, ["x", "y"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_github_asks_for_is_kept() {
    let world = world();
    world.open(1);
    let body = r#"{"message": "You have exceeded a secondary rate limit."}"#.to_owned();
    world.sim.inject(Fault::once(Matcher::reads(), FaultKind::RateLimited { retry_after: Some(7) }));
    assert_eq!(world.numbers().await, [1]);
    assert_eq!((world.clock.now() - epoch()).num_seconds(), 7);
    world.sim.inject(Fault::always(Matcher::reads(), FaultKind::StatusBefore { status: 403, body }));
    let error = world.reader.open_pulls(&chat()).await.unwrap_err();
    assert_eq!(error.problem(), &GithubProblem::SecondaryLimit { retry_after: None });
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_to_do() {
    let world = world();
    let other: RepoName = "acme/other".parse().unwrap();
    let error = world.reader.open_pulls(&other).await.unwrap_err();
    assert_eq!(error.reason(), "NotVisible");
    assert!(error.to_string().contains("or the token in `GITHUB_TOKEN` may not see it"), "{error}");
    assert!(error.request_id().is_some() && !error.is_transient());
    let body = r#"{"message": "Resource not accessible by integration"}"#.to_owned();
    world.sim.inject(Fault::once(Matcher::reads(), FaultKind::StatusBefore { status: 403, body }));
    let error = world.reader.branches(&chat()).await.unwrap_err();
    assert_eq!(error.reason(), "Forbidden");
    assert!(error.to_string().contains("Resource not accessible by integration"), "{error}");
    world.sim.expire_token("sim_github");
    assert_eq!(world.reader.branches(&chat()).await.unwrap_err().reason(), "TokenRejected");
}

#[tokio::test(start_paused = true)]
async fn a_renamed_repository_is_found_under_its_old_name() {
    let world = world_of(|config| config.open_orgs = true);
    world.sim.create_repository("acme/old").rename("acme/new").unwrap();
    // A token that sees all.
    let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(1));
    let token = Token::new("GITHUB_TOKEN", "sim_any").unwrap();
    let reader = GithubReader::new(ReadClient::new(connection(super::DEFAULT_BASE_URL, token, shared)));
    let old: RepoName = "acme/old".parse().unwrap();
    assert_eq!(reader.repository(&old).await.unwrap().full_name, "acme/new");
    assert_eq!(reader.open_pulls(&old).await.unwrap(), []);
}

/// Answers every request in the same way.
#[derive(Debug)]
struct Fixed {
    status: u16,
    header: (&'static str, &'static str),
    seen: Mutex<Vec<Request>>,
}

#[async_trait::async_trait]
impl Transport for Fixed {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.seen.lock().unwrap().push(request);
        let headers = vec![(self.header.0.to_owned(), self.header.1.to_owned())];
        Ok(Response { status: self.status, headers, body: Bytes::from_static(b"[]") })
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_goes_to_no_other_host() {
    for (status, name, value) in [
        (301, "location", "https://evil.example/repos/acme/chat/pulls"),
        (307, "location", "http://git.acme.dev/api/v3/repos/acme/chat/pulls"),
        (308, "location", "https://git.acme.dev/login"),
        (301, "location", ""),
        (200, "link", r#"<https://evil.example/api/v3/x?page=2>; rel="next""#),
    ] {
        let fixed = Arc::new(Fixed { status, header: (name, value), seen: Mutex::default() });
        let transport: SharedTransport = Arc::<Fixed>::clone(&fixed);
        let reader = reader_through(transport, &clock(), "https://git.acme.dev/api/v3");
        let error = reader.open_pulls(&chat()).await.unwrap_err();
        assert!(matches!(error.reason(), "LeadsElsewhere" | "EndlessRedirect"), "{value}: {error}");
        for request in fixed.seen.lock().unwrap().iter() {
            assert!(request.url.starts_with("https://git.acme.dev/api/v3/repos/acme/chat/pulls"), "{}", request.url);
        }
    }
    let fixed = Arc::new(Fixed { status: 301, header: ("location", "/api/v3/again"), seen: Mutex::default() });
    let transport: SharedTransport = Arc::<Fixed>::clone(&fixed);
    let error =
        reader_through(transport, &clock(), "https://git.acme.dev/api/v3/").open_pulls(&chat()).await.unwrap_err();
    assert_eq!(error.reason(), "EndlessRedirect");
    let seen = fixed.seen.lock().unwrap();
    assert_eq!((seen.len(), seen[1].url.as_str()), (4, "https://git.acme.dev/api/v3/again"));
    let header = |name: &str| {
        seen[1].headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(header("authorization"), ["Bearer sim_github"]);
    assert_eq!(header("accept"), ["application/vnd.github+json"]);
    assert_eq!(header("x-github-api-version"), ["2022-11-28"]);
    assert_eq!(header("user-agent").len(), 1);
}
