//! Everything under `specs/` whole: created, updated in every class of field and torn down, killed before each request and after the
//! effect of each, and started again with an empty store.

use crate::edits;
use crate::scene::{Scene, killed};
use crate::support::QUARANTINE;
use crate::world::World;
use hangar::desired::{Branch, Completeness, PullRequest, RepoListing};
use hangar::sim::{SimConfig, SimNeonProject};

/// The examples under `specs/`. A new folder there has to be taken up here.
const EXAMPLES: [&str; 5] = ["agents", "atlaris", "chat-dev", "chat-dev-previews", "reify"];

fn chat_dev() -> (World, SimConfig) {
    let mut config = SimConfig::default();
    for org in crate::given::CHAT_DEV_ORGS {
        config = config.with_org(org, &format!("sim_{org}_token"));
    }
    (World::chat_dev(), config)
}

/// An empty platform but for somebody else's app in each organization.
fn with_foreigners((world, config): (World, SimConfig)) -> (World, SimConfig) {
    for org in crate::given::CHAT_DEV_ORGS {
        let name = format!("theirs-in-{org}");
        world.sim.create_app(org, &name, "").unwrap();
        let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
        world.sim.create_machine(&name, &machine, "iad").unwrap();
    }
    (world, config)
}

/// Created, and quarantine over.
async fn settled() -> (World, SimConfig) {
    let (mut world, config) = with_foreigners(chat_dev());
    let mut files: Vec<_> = world.files.clone().into_iter().collect();
    edits::ready_for_teardown(&mut files);
    world.files = files.into_iter().collect();
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    (world, config)
}

#[test]
fn every_example_is_here() {
    let folders = std::fs::read_dir("specs").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders: Vec<String> = folders.collect();
    folders.sort();
    assert_eq!(folders, EXAMPLES);
}

/// All of chat-dev, about to be created.
pub(crate) fn created() -> Scene {
    let (world, config) = with_foreigners(chat_dev());
    Scene::of(&world, &config).edited(|_| ())
}

/// The same, about to be updated.
pub(crate) async fn updated() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(edits::update)
}

/// The same, about to be taken down, as far as it may be.
pub(crate) async fn taken_down() -> Scene {
    let (world, config) = settled().await;
    Scene::of(&world, &config).edited(edits::teardown)
}

#[tokio::test(start_paused = true)]
async fn the_creation_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    println!("shown: chat-dev, creation: {} points", created().every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_every_class_of_field_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    println!("shown: chat-dev, update: {} points", updated().await.every_point(&killed(false), false).await);
}

#[tokio::test(start_paused = true)]
async fn the_teardown_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    println!("shown: chat-dev, teardown: {} points", taken_down().await.every_point(&killed(false), false).await);
}

/// An example whose environments are made from what a repository has.
struct Previews {
    folder: &'static str,
    orgs: &'static [(&'static str, &'static str)],
    repo: &'static str,
    /// Slug of the team at Vercel.
    team: &'static str,
    /// Its projects that follow the repository.
    projects: &'static [&'static str],
    /// The branch of production there.
    production: &'static str,
    /// The project at Neon, if it has one.
    neon: Option<&'static str>,
}

const CHAT_DEV_PREVIEWS: Previews = Previews {
    folder: "specs/chat-dev-previews",
    orgs: &[("chat-dev-previews", "FLY_API_TOKEN_PREVIEWS")],
    repo: "chat-dev/chat-dev",
    team: "acme",
    projects: &[],
    production: "main",
    neon: None,
};

const AGENTS: Previews = Previews {
    folder: "specs/agents",
    orgs: &[("agents-previews", "FLY_API_TOKEN")],
    repo: "acme/agents",
    team: "acme",
    projects: &["agents-api", "manage-ui"],
    production: "main",
    neon: None,
};

const ATLARIS: Previews = Previews {
    folder: "specs/atlaris",
    orgs: &[
        ("atlaris-staging", "FLY_API_TOKEN_STAGING"),
        ("atlaris-production", "FLY_API_TOKEN_PRODUCTION"),
        ("atlaris-previews", "FLY_API_TOKEN_PREVIEWS"),
    ],
    repo: "atlaris/atlaris",
    team: "atlaris",
    projects: &["atlaris-web"],
    production: "prod",
    neon: Some("quiet-sun-123456"),
};

const REIFY: Previews = Previews {
    folder: "specs/reify",
    orgs: &[
        ("reify-production", "FLY_API_TOKEN_PRODUCTION"),
        ("reify-staging", "FLY_API_TOKEN_STAGING"),
        ("personal", "FLY_API_TOKEN_PERSONAL"),
    ],
    repo: "reify/reify",
    team: "acme",
    projects: &[],
    production: "main",
    neon: None,
};

/// What has happened in the repository.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Opened,
    Pushed,
    Closed,
}

impl Previews {
    /// An empty platform but for somebody else's app in each organization, and a repository with a pull request.
    fn world(&self) -> (World, SimConfig) {
        // Commands that are run once end by themselves.
        let config = SimConfig { command: Some(std::time::Duration::from_secs(1)), ..SimConfig::default() };
        let with_org = |config: SimConfig, org: &str| config.with_org(org, &format!("sim_{org}_token"));
        let config = self.orgs.iter().fold(config, |config, (org, _)| with_org(config, org));
        let with_project = |config: SimConfig, project| {
            let config = config.with_vercel(self.team, project, Some(self.repo), "sim_vercel_token");
            config.with_production_branch(project, self.production)
        };
        let config = self.projects.iter().fold(config, |config, project| with_project(config, project));
        let config = config.with_repo(self.repo, "sim_github_token");
        let with_neon = |config: SimConfig, project| config.with_neon(SimNeonProject::new(project), "sim_neon_key");
        let config = self.neon.into_iter().fold(config, with_neon);
        let mut world = World::configured(&[], config.clone());
        world.files = crate::given::folder(self.folder);
        for (org, variable) in self.orgs {
            world.set(variable, &format!("sim_{org}_token"));
            let name = format!("theirs-in-{org}");
            world.sim.create_app(org, &name, "").unwrap();
            let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
            world.sim.create_machine(&name, &machine, "iad").unwrap();
        }
        if !self.projects.is_empty() {
            world.set("VERCEL_TOKEN", "sim_vercel_token");
            world.sim.create_repository(self.repo);
            for project in self.projects {
                // From here on, what is pushed is deployed.
                assert!(world.sim.vercel(self.team, project).id().is_some());
            }
        }
        if let Some(project) = self.neon {
            world.set("NEON_API_KEY", "sim_neon_key");
            let hand = world.sim.neon(project);
            let main = hand.branches().into_iter().find(|branch| branch.default).unwrap();
            hand.rename_branch(&main.id, "production").unwrap();
            // Who deploys in an order has switched off what deploys by itself.
            for project in self.projects {
                world.sim.vercel(self.team, project).set_creates_deployments(false).unwrap();
            }
        }
        world.set("GITHUB_TOKEN", "sim_github_token");
        world.set("HANGAR_MASTER_KEY_PREVIEWS", "planted-key-of-previews-0123456789abcdef");
        world.set("CHAT_DEV_WORKER_TOKEN_PREVIEWS", "planted-worker-token");
        self.list(&mut world, Work::Opened);
        (world, config)
    }

    fn list(&self, world: &mut World, work: Work) {
        let now = world.clock.now();
        let sha = self.head(world, work);
        let pull = PullRequest {
            number: 7,
            title: "Log in".into(),
            author: "ada".into(),
            labels: vec![],
            is_draft: false,
            is_fork: false,
            branch: "feature/login".into(),
            sha: sha.clone(),
            base: "main".into(),
            url: "https://github.com/pull/7".into(),
            created_at: now,
            active_at: now,
            closed_at: (work == Work::Closed).then_some(now),
            head_at: None,
            files: None,
            approvals: std::collections::BTreeMap::new(),
            orders: vec![],
        };
        // Main and production go with it, each at a commit of its own where anybody follows the repository.
        let head =
            |name: &str| Branch { name: name.into(), sha: self.tip(world, name, &sha, work), active_at: Some(now) };
        let branches = vec![head("main"), head("prod")];
        let listing = RepoListing { pulls: vec![pull], branches, completeness: Completeness::Complete };
        world.repos.insert(self.repo.parse().unwrap(), listing);
    }

    /// The commit at the head of the pull request, pushed where anybody follows the repository.
    fn head(&self, world: &World, work: Work) -> String {
        let is_followed = !self.projects.is_empty();
        match work {
            Work::Opened | Work::Pushed if is_followed => {
                world.sim.repository(self.repo).push("feature/login").unwrap()
            }
            Work::Opened => "a".repeat(40),
            Work::Pushed | Work::Closed => "b".repeat(40),
        }
    }

    /// The commit at the head of a branch, whose CI is good.
    fn tip(&self, world: &World, branch: &str, usual: &str, work: Work) -> String {
        if self.neon.is_none() {
            return usual.to_owned();
        }
        let repo = world.sim.repository(self.repo);
        if work == Work::Closed {
            return repo.branches().into_iter().find(|(name, _)| name == branch).unwrap().1;
        }
        let sha = repo.push(branch).unwrap();
        repo.check(&sha, "ci", Some("success")).unwrap();
        sha
    }

    fn created(&self) -> Scene {
        let (world, config) = self.world();
        Scene::of(&world, &config).edited(|_| ())
    }

    /// About to follow `work`, long after everything was created.
    async fn after(&self, work: Work) -> Scene {
        let (mut world, config) = self.world();
        world.converge().await;
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
        self.list(&mut world, work);
        Scene::of(&world, &config).edited(|_| ())
    }
}

#[tokio::test(start_paused = true)]
async fn a_preview_of_chat_dev_killed_anywhere_ends_as_if_it_had_not_been() {
    let points = CHAT_DEV_PREVIEWS.created().every_point(&killed(false), false).await;
    let pushed = CHAT_DEV_PREVIEWS.after(Work::Pushed).await.every_point(&killed(false), false).await;
    let closed = CHAT_DEV_PREVIEWS.after(Work::Closed).await.every_point(&killed(false), false).await;
    println!("shown: chat-dev-previews: {points} points of its creation, {pushed} of a push, {closed} of its end");
}

#[tokio::test(start_paused = true)]
async fn the_review_apps_of_reify_killed_anywhere_end_as_if_they_had_not_been() {
    let points = REIFY.created().every_point(&killed(false), false).await;
    let pushed = REIFY.after(Work::Pushed).await.every_point(&killed(false), false).await;
    let closed = REIFY.after(Work::Closed).await.every_point(&killed(false), false).await;
    println!("shown: reify: {points} points of its creation, {pushed} of a push, {closed} of a review app's end");
}

#[tokio::test(start_paused = true)]
async fn a_preview_of_agents_killed_anywhere_ends_as_if_it_had_not_been() {
    let points = AGENTS.created().every_point(&killed(false), false).await;
    let pushed = AGENTS.after(Work::Pushed).await.every_point(&killed(false), false).await;
    let closed = AGENTS.after(Work::Closed).await.every_point(&killed(false), false).await;
    println!("shown: agents: {points} points of its creation, {pushed} of a push, {closed} of its end");
}

#[tokio::test(start_paused = true)]
async fn all_of_atlaris_killed_anywhere_ends_as_if_it_had_not_been() {
    let points = ATLARIS.created().every_point(&killed(false), false).await;
    let pushed = ATLARIS.after(Work::Pushed).await.every_point(&killed(false), false).await;
    let closed = ATLARIS.after(Work::Closed).await.every_point(&killed(false), false).await;
    println!("shown: atlaris: {points} points of its creation, {pushed} of a push, {closed} of a preview's end");
}

#[tokio::test(start_paused = true)]
async fn two_controllers_at_once_bring_agents_and_atlaris_about_as_one_does() {
    for example in [AGENTS, ATLARIS] {
        example.created().by_two_at_once().await;
        example.after(Work::Pushed).await.by_two_at_once().await;
        example.after(Work::Closed).await.by_two_at_once().await;
    }
}
