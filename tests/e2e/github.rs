//! Previews from a GitHub repository: what people do with pull requests, and what then is live.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use hangar::controller::{Verdict, WithRepositories};
use hangar::desired::Completeness;
use hangar::http::Shared;
use hangar::http::transport::Method;
use hangar::random::Random;
use hangar::sim::{Fault, FaultKind, GithubAccess, Matcher, NewPull, SimConfig};
use hangar::source::{Snapshot, Source, SourceError};

use crate::previews::set;
use crate::support::{CONTROLLER, seconds, small};
use crate::world::World;

pub(crate) const REPO: &str = "acme/chat";
pub(crate) const TOKEN: &str = "ghp_planted_0123456789abcdef";

/// A source that is never asked: a world has its specs itself.
#[derive(Debug)]
pub(crate) struct NoSource;

#[async_trait::async_trait]
impl Source for NoSource {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        unreachable!("a world has its specs itself")
    }

    async fn changed(&self) {}

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

/// A world with a repository, and the eyes that Hangar has for it.
pub(crate) struct Github {
    pub(crate) world: World,
    pub(crate) eyes: WithRepositories,
}

impl Github {
    async fn with(more: &str) -> Self {
        Self::of_set(&set(more), GithubAccess::Write).await
    }

    /// The same with this set, and a token that may do this.
    pub(crate) async fn of_set(set: &str, access: GithubAccess) -> Self {
        Self::configured(set, |config| config.github_tokens[0].access = access).await
    }

    /// The same in a simulator that is set up like this.
    pub(crate) async fn configured(set: &str, change: impl FnOnce(&mut SimConfig)) -> Self {
        let mut config = SimConfig::default().with_org("acme", "sim_acme_token").with_repo(REPO, TOKEN);
        change(&mut config);
        let files = [("hangar.yaml", CONTROLLER), ("other.yaml", &small("other")), ("set.yaml", set)];
        let mut world = World::configured(&files, config);
        world.set("GITHUB_TOKEN", TOKEN);
        world.sim.create_repository(REPO);
        let eyes = Self::eyes(&world);
        let mut github = Self { world, eyes };
        github.pass().await;
        github
    }

    pub(crate) fn eyes(world: &World) -> WithRepositories {
        let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(7));
        WithRepositories::new(Arc::new(NoSource), shared, Arc::new(world.variables.clone()))
    }

    /// Looks at the repository, and reconciles.
    pub(crate) async fn pass(&mut self) -> Verdict {
        self.world.pass_time(seconds(61)).await;
        self.look().await;
        self.world.reconcile().await.worst()
    }

    pub(crate) async fn look(&mut self) {
        self.world.repos = self.eyes.complete(self.world.snapshot()).await.repos;
    }

    fn completeness(&self) -> &Completeness {
        &self.world.repos.values().next().unwrap().completeness
    }

    /// The requests to GitHub since the log was cleared, with their answers.
    fn asked(&self) -> Vec<(String, Option<u16>)> {
        let requests = self.world.sim.requests();
        let of_github = requests.iter().filter(|request| request.path.starts_with("/repos/"));
        of_github.map(|request| (request.path.clone(), request.status)).collect()
    }
}

/// The image that the set's template asks for at this commit.
pub(crate) fn image_of(sha: &str) -> String {
    format!("registry.fly.io/demo:{}", sha.get(..7).unwrap())
}

/// GitHub does not answer.
fn down() -> Fault {
    Fault::always(Matcher::new(Method::Get, "/repos/**"), FaultKind::unavailable())
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_lives_from_its_opening_to_its_merge() {
    let mut github = Github::with("").await;
    let repo = github.world.sim.repository(REPO);
    let number = repo.open_pull(NewPull::from_branch("feature/login")).unwrap();
    let fork = repo.open_pull(NewPull::from_fork("eve", "evil")).unwrap();
    assert_eq!(github.pass().await, Verdict::Converged);
    let app = format!("pr-{number}-web");
    assert_eq!(github.world.app_names(), ["other-web", app.as_str()], "and none for the fork, #{fork}");
    let sha = repo.push_to_pull(number).unwrap();
    github.pass().await;
    let image = github.world.only_machine(&app).config["image"].clone();
    assert_eq!(image, image_of(&sha));
    repo.merge(number).unwrap();
    assert_eq!(github.pass().await, Verdict::Converged);
    assert_eq!(github.world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn asking_again_costs_nothing_while_nothing_has_changed() {
    let mut github = Github::with("").await;
    let repo = github.world.sim.repository(REPO);
    for number in 0..120 {
        repo.open_pull(NewPull::from_branch(&format!("b{number}"))).unwrap();
    }
    github.look().await;
    github.world.sim.clear_requests();
    github.look().await;
    let statuses: BTreeSet<Option<u16>> = github.asked().into_iter().map(|(_, status)| status).collect();
    assert_eq!((github.asked().len(), statuses), (3, BTreeSet::from([Some(304)])), "{:?}", github.asked());
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_a_listing_nothing_is_deleted() {
    let mut github = Github::with("").await;
    let repo = github.world.sim.repository(REPO);
    let numbers: Vec<u64> = (0..3).map(|n| repo.open_pull(NewPull::from_branch(&format!("b{n}"))).unwrap()).collect();
    github.pass().await;
    let before = github.world.app_names();
    assert_eq!(before.len(), 4);
    repo.close(numbers[0]).unwrap();
    github.world.sim.inject(down());
    assert_eq!(github.pass().await, Verdict::Waiting);
    assert!(!github.completeness().is_complete());
    assert_eq!(github.world.app_names(), before);
    github.world.sim.clear_faults();
    // A token that was revoked, and none at all.
    for token in [Some("ghp_revoked"), None] {
        match token {
            Some(token) => github.world.set("GITHUB_TOKEN", token),
            None => drop(github.world.variables.variables.remove("GITHUB_TOKEN")),
        }
        github.eyes = Github::eyes(&github.world);
        github.pass().await;
        let Completeness::Incomplete { reason } = github.completeness() else { panic!("{token:?}") };
        assert!(!reason.contains("ghp_") && !reason.is_empty(), "{reason}");
        assert_eq!(github.world.app_names(), before);
    }
    github.world.set("GITHUB_TOKEN", TOKEN);
    github.eyes = Github::eyes(&github.world);
    github.pass().await;
    assert_eq!(github.world.app_names().len(), 3);
}

/// The requests for changed files since the log was cleared, with their answers.
fn asked_for_files(github: &Github) -> Vec<(String, Option<u16>)> {
    github.asked().into_iter().filter(|(path, _)| path.ends_with("/files")).collect()
}

#[tokio::test(start_paused = true)]
async fn changed_files_choose_pull_requests_and_only_candidates_are_asked_for_them() {
    let mut github = Github::with("").await;
    github.world.edit("set.yaml", "pullRequests: {}", "pullRequests: {paths: ['web/**'], excludeLabels: [wip]}");
    let repo = github.world.sim.repository(REPO);
    let web = repo.open_pull(NewPull::from_branch("web").changing(&["web/main.ts"])).unwrap();
    let docs = repo.open_pull(NewPull::from_branch("docs").changing(&["docs/web/a.md"])).unwrap();
    repo.open_pull(NewPull::from_branch("wip").changing(&["web/x"]).labelled("wip")).unwrap();
    repo.open_pull(NewPull::from_fork("eve", "evil").changing(&["web/x"])).unwrap();
    github.world.sim.clear_requests();
    assert_eq!(github.pass().await, Verdict::Converged);
    let app = format!("pr-{web}-web");
    assert_eq!(github.world.app_names(), ["other-web", app.as_str()]);
    let of = |number: u64| format!("/repos/acme/chat/pulls/{number}/files");
    assert_eq!(asked_for_files(&github), [(of(web), Some(200)), (of(docs), Some(200))]);
    github.world.sim.clear_requests();
    github.look().await;
    assert_eq!(asked_for_files(&github), [(of(web), Some(304)), (of(docs), Some(304))]);
    // Of a closed one nothing changes any more: it is asked once.
    repo.close(web).unwrap();
    assert_eq!(github.pass().await, Verdict::Converged);
    assert_eq!(github.world.app_names(), ["other-web"]);
    github.world.sim.clear_requests();
    github.look().await;
    assert_eq!(asked_for_files(&github), [(of(docs), Some(304))]);
}

#[tokio::test(start_paused = true)]
async fn files_that_could_not_be_listed_delete_nothing() {
    let mut github = Github::with("").await;
    github.world.edit("set.yaml", "pullRequests: {}", "pullRequests: {paths: ['web/**']}");
    let repo = github.world.sim.repository(REPO);
    let numbers: Vec<u64> = ["a", "b"]
        .iter()
        .map(|name| repo.open_pull(NewPull::from_branch(name).changing(&["web/main.ts"])).unwrap())
        .collect();
    github.pass().await;
    let before = github.world.app_names();
    assert_eq!(before.len(), 3);
    repo.close(numbers[0]).unwrap();
    repo.push_to_pull(numbers[1]).unwrap();
    let files = Matcher::new(Method::Get, &format!("/repos/acme/chat/pulls/{}/files", numbers[1]));
    github.world.sim.inject(Fault::always(files, FaultKind::unavailable()));
    for _ in 0..3 {
        assert_eq!(github.pass().await, Verdict::Waiting);
        assert!(!github.completeness().is_complete());
        github.world.pass_time(seconds(301)).await;
    }
    assert_eq!(github.world.app_names(), before);
    github.world.sim.clear_faults();
    github.pass().await;
    assert_eq!(github.world.app_names().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stale_listing_delays_and_does_nothing_else() {
    let mut github = Github::with("").await;
    let repo = github.world.sim.repository(REPO);
    let first = repo.open_pull(NewPull::from_branch("first")).unwrap();
    github.pass().await;
    let stale = FaultKind::Stale { seconds: 100 };
    github.world.sim.inject(Fault::always(Matcher::new(Method::Get, "/repos/**"), stale));
    repo.close(first).unwrap();
    let second = repo.open_pull(NewPull::from_branch("second")).unwrap();
    github.world.sim.clear_requests();
    assert_eq!(github.pass().await, Verdict::Converged);
    assert_eq!((github.world.app_names(), github.world.writes()), (names_of(&[first]), vec![]));
    assert_eq!(github.pass().await, Verdict::Converged);
    assert_eq!(github.world.app_names(), names_of(&[second]));
}

/// The apps that are live beside these previews.
fn names_of(pulls: &[u64]) -> Vec<String> {
    let previews = pulls.iter().map(|number| format!("pr-{number}-web"));
    std::iter::once("other-web".to_owned()).chain(previews).collect()
}

/// A month of 200 pull requests in the office hours of a small team, with listings that fail at times: at every look that was
/// answered, each open pull request within the limit has exactly its environment, and no other has one.
#[tokio::test(start_paused = true)]
async fn a_month_of_pull_requests_leaves_nothing_behind() {
    const LIMIT: usize = 20;
    let mut github = Github::with("  limit: 20").await;
    let repo = github.world.sim.repository(REPO);
    let random = Random::from_seed(42);
    let mut open: BTreeMap<u64, String> = BTreeMap::new();
    let (mut opened, mut answered, mut failed) = (0, 0, 0);
    github.world.sim.clear_requests();
    let mut to_github = 0;
    for day in 0..30 {
        for _ in 0..7 {
            if opened < 200 {
                opened += 1;
                let number = repo.open_pull(NewPull::from_branch(&format!("work/{opened}"))).unwrap();
                open.insert(number, repo.pull(number).unwrap().sha);
            }
        }
        for look in 0..3 {
            let numbers: Vec<u64> = open.keys().copied().collect();
            for number in numbers {
                match random.next_u64() % 12 {
                    0 => drop(open.insert(number, repo.push_to_pull(number).unwrap())),
                    1 if open.len() > 3 => {
                        open.remove(&number);
                        if random.next_u64().is_multiple_of(2) {
                            repo.close(number).unwrap();
                        } else {
                            repo.merge(number).unwrap();
                        }
                    }
                    _ => {}
                }
            }
            let is_down = random.next_u64().is_multiple_of(5);
            if is_down {
                github.world.sim.inject(down());
            }
            let before = github.world.app_names();
            github.pass().await;
            github.world.sim.clear_faults();
            to_github += github.asked().len();
            github.world.sim.clear_requests();
            if is_down {
                failed += 1;
                assert_eq!(github.world.app_names(), before, "day {day}, look {look}");
            } else {
                answered += 1;
                let live: BTreeSet<String> = github.world.app_names().into_iter().collect();
                let wanted: BTreeSet<String> = open.keys().map(|number| format!("pr-{number}-web")).collect();
                let mut previews = live.clone();
                assert!(previews.remove("other-web"));
                assert!(previews.is_subset(&wanted), "day {day}, look {look}: {previews:?} of {wanted:?}");
                assert_eq!(previews.len(), wanted.len().min(LIMIT), "day {day}, look {look}");
                for app in &previews {
                    let number: u64 = app.trim_start_matches("pr-").trim_end_matches("-web").parse().unwrap();
                    let image = github.world.only_machine(app).config["image"].clone();
                    assert_eq!(image, image_of(&open[&number]), "day {day}, look {look}");
                }
            }
            github.world.pass_time(TimeDelta::hours(3).to_std().unwrap()).await;
        }
    }
    for number in open.keys() {
        repo.close(*number).unwrap();
    }
    github.pass().await;
    assert_eq!(github.world.app_names(), ["other-web"]);
    assert!(opened == 200 && answered > 60 && failed > 10, "{opened} {answered} {failed}");
    // Two or three requests a look, whatever the number of pull requests.
    assert!(to_github < 90 * 12, "{to_github}");
}
