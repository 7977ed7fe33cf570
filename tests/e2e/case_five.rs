//! Case 5, whole: `specs/atlaris` against simulated Fly, Vercel, Neon and GitHub: staging and production that follow branches, and a
//! preview of each pull request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hangar::controller::{Outcome, Verdict};
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::sim::{
    Exchange, MachineView, NewPull, SimConfig, SimNeonProject, Simulator, VercelDeploymentView, VercelHand, Watcher,
};
use serde_json::json;

use crate::neon::PROJECT;
use crate::preview_specs::Team;
use crate::support::{GRACE, QUARANTINE, seconds, withheld};
use crate::vercel_document::hold_to_vercel;

const REPO: &str = "atlaris/atlaris";
const ORGS: [(&str, &str); 3] = [
    ("atlaris-staging", "FLY_API_TOKEN_STAGING"),
    ("atlaris-production", "FLY_API_TOKEN_PRODUCTION"),
    ("atlaris-previews", "FLY_API_TOKEN_PREVIEWS"),
];
const WORKER: &str = "atlaris-worker-staging";
const REGENERATOR: &str = "atlaris-worker-regenerator-staging";
const PRODUCTION: &str = "atlaris-worker-prod";

/// The team, before anybody has reconciled: there is a database with the branch `production`, and `main` has its first commit.
fn team() -> Atlaris {
    team_where(Some(Duration::from_secs(1)))
}

/// The same, where a command that is run once ends after so long by itself.
fn team_where(command: Option<Duration>) -> Atlaris {
    let config = SimConfig { command, ..SimConfig::default() };
    let config = config.with_neon(SimNeonProject::new(PROJECT), "sim_neon_key");
    let config = config.with_vercel("atlaris", "atlaris-web", Some(REPO), "sim_vercel_token");
    let config = config.with_production_branch("atlaris-web", "prod");
    let variables = [("VERCEL_TOKEN", "sim_vercel_token"), ("NEON_API_KEY", "sim_neon_key")];
    let mut team = Atlaris(Team::about_to_begin(config, "specs/atlaris", &ORGS, REPO, &variables));
    hold_to_vercel(&team.world.sim);
    team.world.tells = true;
    team.web().set_creates_deployments(false).unwrap();
    let main = team.world.branch("main").unwrap();
    team.world.sim.neon(PROJECT).rename_branch(&main.id, "production").unwrap();
    team
}

/// The team, whose staging is live.
async fn staged() -> (Atlaris, String) {
    let mut team = team();
    let sha = team.repo.push("main").unwrap();
    team.pass().await;
    (team, sha)
}

/// The team, whose production is live as well, at the commit that is returned.
async fn live() -> (Atlaris, String) {
    let (mut team, _) = staged().await;
    let sha = team.release().await;
    (team, sha)
}

/// The team of the case.
struct Atlaris(Team);

impl std::ops::Deref for Atlaris {
    type Target = Team;

    fn deref(&self) -> &Team {
        &self.0
    }
}

impl std::ops::DerefMut for Atlaris {
    fn deref_mut(&mut self) -> &mut Team {
        &mut self.0
    }
}

impl Atlaris {
    fn web(&self) -> VercelHand {
        self.world.sim.vercel("atlaris", "atlaris-web")
    }

    /// Pushes to `prod`, whose CI is good, and reconciles. Returns the commit.
    async fn release(&mut self) -> String {
        let sha = self.repo.push("prod").unwrap();
        self.repo.check(&sha, "ci", Some("success")).unwrap();
        self.pass().await;
        sha
    }

    fn servers(&self, app: &str) -> Vec<MachineView> {
        let is_server = |one: &MachineView| {
            one.state != "destroyed" && one.metadata("hangar_slot").is_some_and(|slot| slot.starts_with("app/"))
        };
        self.world.sim.machines(app).into_iter().filter(is_server).collect()
    }

    fn job(&self, app: &str, name: &str) -> Option<MachineView> {
        let slot = format!("job-{name}/iad/0");
        let mut all = self.world.sim.machines(app).into_iter();
        all.find(|one| one.state != "destroyed" && one.metadata("hangar_slot") == Some(&slot))
    }

    fn exits(&self, app: &str, name: &str) -> Vec<i64> {
        self.job(app, name).map(|job| job.exits).unwrap_or_default()
    }

    fn image(&self, app: &str) -> String {
        let images: Vec<_> = self.servers(app).iter().map(|one| one.config["image"].clone()).collect();
        assert!(images.windows(2).all(|pair| pair[0] == pair[1]), "{images:?}");
        images[0].as_str().unwrap().to_owned()
    }

    fn deployment(&self, sha: &str) -> Option<VercelDeploymentView> {
        self.web().deployments().into_iter().find(|one| one.sha.as_deref() == Some(sha) && one.state != "DELETED")
    }

    fn status(&self, sha: &str, context: &str) -> Option<String> {
        self.repo.statuses(sha).into_iter().find(|one| one.context == context).map(|one| one.state)
    }

    fn secret(&self, app: &str) -> String {
        self.world.sim.secret_value(app, "DATABASE_URL").unwrap()
    }

    fn variable(&self, target: &str, branch: Option<&str>) -> String {
        let is_it = |target: &str| target == "DATABASE_URL";
        let mut all = self.web().variables().into_iter().filter(|one| is_it(&one.key));
        let found = all.find(|one| one.target == [target] && one.branch.as_deref() == branch);
        found.unwrap_or_else(|| panic!("no variable for {target} {branch:?}")).value
    }

    /// The host of a branch's compute, as connection strings name it.
    fn host(&self, branch: &str) -> String {
        let branch = self.world.branch(branch).unwrap();
        self.world.sim.neon(PROJECT).endpoints(&branch.id).remove(0).id
    }

    fn standing(outcome: &Outcome, env: &str) -> Verdict {
        outcome.verdicts[&env.into()].clone()
    }
}

fn image_of(sha: &str) -> String {
    format!("registry.fly.io/atlaris-worker:{sha}")
}

/// When it was last started.
fn started(machine: &MachineView) -> DateTime<Utc> {
    machine.started_at.unwrap()
}

#[tokio::test(start_paused = true)]
async fn staging_is_two_workers_of_one_image_a_vercel_preview_and_a_branch_of_its_own() {
    let (mut team, sha) = staged().await;
    let (worker, regenerator) = (team.servers(WORKER).remove(0), team.servers(REGENERATOR).remove(0));
    assert_eq!(
        (worker.config["image"].as_str(), regenerator.config["image"].as_str()),
        (Some(&*image_of(&sha)), Some(&*image_of(&sha)))
    );
    assert_eq!(worker.config["init"]["cmd"], json!(["node", "dist/worker.js"]));
    assert_eq!(regenerator.config["init"]["cmd"], json!(["node", "dist/regenerator.js"]));
    for machine in [&worker, &regenerator] {
        assert_eq!(machine.config["guest"], json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}));
        assert_eq!(machine.config["stop_config"], json!({"signal": "SIGTERM", "timeout": "30s"}));
        assert_eq!((machine.state.as_str(), machine.checks[0].1.as_str()), ("started", "passing"));
    }
    // The database of staging, and of nobody else: the pooler for Vercel, the compute itself for the workers.
    let host = team.host("staging");
    assert!(team.secret(WORKER).contains(&format!("@{host}.")), "{}", team.secret(WORKER));
    assert_eq!(team.secret(WORKER), team.secret(REGENERATOR));
    assert!(team.variable("preview", Some("main")).contains(&format!("@{host}-pooler.")));
    let made = team.deployment(&sha).unwrap();
    assert_eq!((made.state, made.production, made.branch.as_deref()), ("READY", false, Some("main")));
    assert_eq!(team.status(&sha, "staging").as_deref(), Some("success"));
    let deployment = team.repo.deployments().pop().unwrap();
    assert_eq!(deployment.state, "success");
    // GitHub leads to what people look at, and not to a worker.
    assert!(deployment.url.ends_with(".vercel.app") && deployment.url.contains("-git-main-"), "{}", deployment.url);
    // The smoke test knows the deployment that it tests, and passes the project's protection.
    let smoke = team.job("atlaris-smoke-staging", "smoke").unwrap();
    assert_eq!(smoke.env("APP_URL"), Some(&*format!("https://{}", made.host)));
    let bypass = team.world.sim.secret_value("atlaris-smoke-staging", "BYPASS").unwrap();
    assert!(team.web().bypasses().contains_key(&bypass));
    team.rests().await;
    team.world.lose_store();
    team.rests().await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_goes_through_migration_workers_vercel_smoke_test_and_status_in_this_order() {
    let (mut team, _) = staged().await;
    let next = team.repo.push("main").unwrap();
    team.pass().await;
    let (migrate, smoke) = (team.job(WORKER, "migrate").unwrap(), team.job("atlaris-smoke-staging", "smoke").unwrap());
    let workers = [team.servers(WORKER).remove(0), team.servers(REGENERATOR).remove(0)];
    let made = team.deployment(&next).unwrap();
    for worker in &workers {
        assert!(started(&migrate) < started(worker) && started(worker) < made.created_at);
    }
    assert!(made.created_at < started(&smoke));
    assert_eq!((migrate.exits, smoke.exits), (vec![0, 0], vec![0, 0]));
    assert_eq!((team.image(WORKER), team.image(REGENERATOR)), (image_of(&next), image_of(&next)));
    assert_eq!(team.status(&next, "staging").as_deref(), Some("success"));
    team.rests().await;
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_fails_leaves_everything_after_it_as_it_was() {
    let (mut team, first) = staged().await;
    team.world.sim.set_command(WORKER, "pnpm db:migrate", 1, "", "relation does not exist");
    let next = team.repo.push("main").unwrap();
    let outcome = team.look().await;
    assert_eq!(Atlaris::standing(&outcome, "staging"), Verdict::Failed);
    assert!(format!("{:?}", outcome.failures).contains("migrate"), "{:?}", outcome.failures);
    assert_eq!((team.image(WORKER), team.image(REGENERATOR)), (image_of(&first), image_of(&first)));
    assert!(team.deployment(&next).is_none(), "Vercel is not deployed");
    assert_eq!(team.exits("atlaris-smoke-staging", "smoke"), [0]);
    assert_eq!(team.status(&next, "staging").as_deref(), Some("failure"));
    // A commit that mends it.
    team.world.sim.set_command(WORKER, "pnpm db:migrate", 0, "", "");
    let mended = team.repo.push("main").unwrap();
    team.pass().await;
    assert_eq!(team.image(WORKER), image_of(&mended));
    assert_eq!(team.status(&mended, "staging").as_deref(), Some("success"));
}

#[tokio::test(start_paused = true)]
async fn a_smoke_test_that_fails_marks_the_deployment_failed() {
    let (mut team, _) = staged().await;
    team.world.sim.set_command("atlaris-smoke-staging", "node dist/smoke.js", 1, "", "no plan after 60 s");
    let next = team.repo.push("main").unwrap();
    let outcome = team.look().await;
    assert_eq!(Atlaris::standing(&outcome, "staging"), Verdict::Failed);
    assert_eq!(team.exits("atlaris-smoke-staging", "smoke"), [0, 1]);
    assert_eq!(team.status(&next, "staging").as_deref(), Some("failure"));
    let deployment = team.repo.deployments().pop().unwrap();
    assert_eq!((deployment.sha, deployment.state.as_str()), (next, "failure"));
}

#[tokio::test(start_paused = true)]
async fn a_smoke_test_has_ninety_seconds() {
    // Nothing ends by itself but the migration.
    let mut team = team_where(None);
    team.world.sim.set_command(WORKER, "pnpm db:migrate", 0, "", "");
    let sha = team.repo.push("main").unwrap();
    let outcome = team.look().await;
    assert_eq!(Atlaris::standing(&outcome, "staging"), Verdict::Failed, "{:#?}", outcome.last.plan.withheld);
    let smoke = team.job("atlaris-smoke-staging", "smoke").unwrap();
    assert_ne!(smoke.state, "started", "it is stopped");
    let took = (team.world.clock.now() - smoke.created_at).num_seconds();
    assert!((90..180).contains(&took), "{took}");
    assert_eq!(team.status(&sha, "staging").as_deref(), Some("failure"));
}

#[tokio::test(start_paused = true)]
async fn production_is_deployed_only_if_its_ci_and_staging_are_green() {
    let (mut team, _) = staged().await;
    let in_production = |team: &Atlaris| team.world.sim.apps().iter().any(|app| app.org == "atlaris-production");
    let sha = team.repo.push("prod").unwrap();
    let outcome = team.look().await;
    assert_eq!(Atlaris::standing(&outcome, "production"), Verdict::Waiting);
    assert_eq!(withheld(&outcome.last.plan), [Reason::ChecksPending]);
    team.repo.check(&sha, "ci", Some("failure")).unwrap();
    assert_eq!(withheld(&team.look().await.last.plan), [Reason::ChecksFailed]);
    assert!(!in_production(&team));
    // CI is good now, and staging is not: its smoke test fails.
    team.repo.check(&sha, "ci", Some("success")).unwrap();
    team.world.sim.set_command("atlaris-smoke-staging", "node dist/smoke.js", 1, "", "");
    team.repo.push("main").unwrap();
    let outcome = team.look().await;
    assert_eq!(Atlaris::standing(&outcome, "staging"), Verdict::Failed);
    assert_eq!(Atlaris::standing(&outcome, "production"), Verdict::Waiting);
    assert!(withheld(&outcome.last.plan).contains(&Reason::GateClosed));
    assert!(!in_production(&team));
    team.world.sim.set_command("atlaris-smoke-staging", "node dist/smoke.js", 0, "", "");
    team.repo.push("main").unwrap();
    team.pass().await;
    assert_eq!(
        (team.image(PRODUCTION), team.image("atlaris-worker-regenerator-prod")),
        (image_of(&sha), image_of(&sha))
    );
    assert_eq!(team.web().production(), team.deployment(&sha).map(|one| one.id));
    assert_eq!(team.status(&sha, "production").as_deref(), Some("success"));
    team.rests().await;
}

#[tokio::test(start_paused = true)]
async fn staging_and_production_share_nothing() {
    let (team, _) = live().await;
    let org = |app: &str| team.world.sim.apps().into_iter().find(|one| one.name == app).unwrap();
    assert_eq!((org(WORKER).org.as_str(), org(PRODUCTION).org.as_str()), ("atlaris-staging", "atlaris-production"));
    assert_ne!(team.secret(WORKER), team.secret(PRODUCTION));
    let host = team.host("production");
    assert!(team.secret(PRODUCTION).contains(&format!("@{host}.")));
    assert!(team.variable("production", None).contains(&format!("@{host}-pooler.")));
    assert!(!team.variable("preview", Some("main")).contains(&host));
    let staging = team.world.branch("staging").unwrap();
    assert_eq!(staging.parent, None, "it has the tables of production, and none of its data");
}

/// Remembers the least that production's workers were at work, and how many of them were written to at once.
#[derive(Debug)]
struct Shift {
    least: Mutex<usize>,
    updated: Mutex<Vec<String>>,
}

impl Watcher for Shift {
    fn seen(&self, simulator: &Simulator, exchange: &Exchange) {
        let is_server = |one: &MachineView| one.metadata("hangar_slot").is_some_and(|slot| slot.starts_with("app/"));
        let servers: Vec<_> = simulator.machines(PRODUCTION).into_iter().filter(is_server).collect();
        let works = |one: &&MachineView| one.state == "started" && one.checks.iter().all(|(_, how)| how == "passing");
        let mut least = self.least.lock().unwrap();
        *least = servers.iter().filter(works).count().min(*least);
        if exchange.method == Method::Post
            && let Some(one) = servers.iter().find(|one| exchange.path.ends_with(&format!("/machines/{}", one.id)))
        {
            self.updated.lock().unwrap().push(one.name.clone());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_workers_are_replaced_one_at_a_time_without_a_gap() {
    let (mut team, _) = live().await;
    let shift = Arc::new(Shift { least: Mutex::new(2), updated: Mutex::default() });
    let watcher: Arc<dyn Watcher> = Arc::<Shift>::clone(&shift);
    team.world.sim.watch(watcher);
    let sha = team.release().await;
    assert_eq!(team.image(PRODUCTION), image_of(&sha));
    assert_eq!(shift.updated.lock().unwrap().len(), 2);
    assert_eq!(*shift.least.lock().unwrap(), 1, "one of the two is at work at any time");
}

#[tokio::test(start_paused = true)]
async fn production_goes_back_to_the_release_before_at_fly_vercel_and_neon() {
    let (mut team, first) = live().await;
    let staging = team.image(WORKER);
    team.world.pass_time(seconds(600)).await;
    let before = team.world.clock.now();
    team.world.pass_time(seconds(600)).await;
    let second = team.release().await;
    assert_eq!(team.image(PRODUCTION), image_of(&second));
    let builds = team.web().deployments().len();
    // The branch goes back, and the database to a moment before the second release.
    team.repo.move_branch("prod", &first).unwrap();
    let restore = format!("restore: {{to: \"{}\"", before.format("%Y-%m-%dT%H:%M:%SZ"));
    team.world.edit("production.yaml", "# restore: {to: \"2026-11-20T10:00:00Z\"", &restore);
    team.world.sim.clear_requests();
    team.pass().await;
    assert_eq!(team.image(PRODUCTION), image_of(&first));
    assert_eq!(team.image("atlaris-worker-regenerator-prod"), image_of(&first));
    assert_eq!(team.web().production(), team.deployment(&first).map(|one| one.id));
    assert_eq!(team.web().deployments().len(), builds, "nothing is built for it");
    assert!(team.world.writes().iter().any(|write| write.contains("/rollback/")));
    let restored = team.world.branch("production").unwrap();
    assert!(restored.last_reset_at > Some(before));
    assert!(team.world.branch("production-before-restore").is_some(), "what was there is kept");
    team.rests().await;
    assert_eq!(team.image(WORKER), staging, "staging is as it was");
}

#[tokio::test(start_paused = true)]
async fn each_pull_request_has_workers_a_vercel_preview_and_a_branch_from_staging_until_it_is_closed() {
    let (mut team, _) = live().await;
    let before = portrait(&team);
    let sha = team.repo.push("login").unwrap();
    let number = team.repo.open_pull(NewPull::from_branch("login")).unwrap();
    team.pass().await;
    let (worker, name) = (format!("atlaris-worker-pr-{number}"), format!("pr-{number}"));
    assert_eq!(team.image(&worker), image_of(&sha));
    assert_eq!(team.image(&format!("atlaris-worker-regenerator-pr-{number}")), image_of(&sha));
    let (branch, staging) = (team.world.branch(&name).unwrap(), team.world.branch("staging").unwrap());
    assert_eq!(branch.parent.as_ref(), Some(&staging.id));
    assert!(branch.expires_at.is_some());
    let host = team.host(&name);
    assert!(team.secret(&worker).contains(&format!("@{host}.")));
    assert!(team.variable("preview", Some("login")).contains(&format!("@{host}-pooler.")));
    assert_eq!(team.deployment(&sha).unwrap().state, "READY");
    assert_eq!(team.exits(&worker, "migrate"), [0]);
    assert_eq!(team.status(&sha, "preview").as_deref(), Some("success"));
    assert!(team.repo.comments(number)[0].body.contains(&team.deployment(&sha).unwrap().host));
    team.rests().await;
    team.repo.close(number).unwrap();
    team.pass().await;
    for _ in 0..2 {
        team.world.pass_time(GRACE).await;
        team.pass().await;
    }
    assert_eq!(portrait(&team), before, "nothing is left, and nothing else was touched");
}

/// Everything that is there anywhere, but for what deployments were.
fn portrait(team: &Atlaris) -> Vec<String> {
    let mut all: Vec<String> = team.world.sim.apps().into_iter().map(|app| app.name).collect();
    all.extend(team.world.sim.neon(PROJECT).branches().into_iter().map(|one| format!("branch {}", one.name)));
    let web = team.web();
    all.extend(web.variables().into_iter().map(|one| format!("{} {:?} {:?}", one.key, one.target, one.branch)));
    all.extend(web.domains().into_iter().map(|one| one.name));
    all.extend(web.deployments().into_iter().filter(|one| one.state != "DELETED").map(|one| one.id));
    all.extend(web.bypasses().into_keys());
    all
}

#[tokio::test(start_paused = true)]
async fn the_branch_that_ci_tests_against_is_as_staging_again_after_each_push() {
    let (mut team, _) = staged().await;
    let (test, staging) = (team.world.branch("test").unwrap(), team.world.branch("staging").unwrap());
    assert_eq!((test.parent.as_ref(), test.last_reset_at), (Some(&staging.id), None));
    team.repo.push("main").unwrap();
    team.pass().await;
    let first = team.world.branch("test").unwrap().last_reset_at;
    assert!(first.is_some());
    team.rests().await;
    team.world.lose_store();
    team.world.pass_time(QUARANTINE).await;
    team.rests().await;
    assert_eq!(team.world.branch("test").unwrap().last_reset_at, first, "once for each push");
    team.repo.push("main").unwrap();
    team.pass().await;
    assert!(team.world.branch("test").unwrap().last_reset_at > first);
    assert_eq!(team.world.branch("test").unwrap().id, test.id);
}

/// As with `--sim`: nothing has been made by hand, and everything is there once somebody asks for it.
#[tokio::test(start_paused = true)]
async fn the_specs_can_be_tried_in_a_world_that_has_what_is_asked_for() {
    let config = SimConfig { open_orgs: true, command: Some(Duration::from_secs(1)), ..SimConfig::default() };
    let variables = [("VERCEL_TOKEN", "sim_vercel_token"), ("NEON_API_KEY", "sim_neon_key")];
    let mut team = Atlaris(Team::about_to_begin(config, "specs/atlaris", &ORGS, REPO, &variables));
    let sha = team.repo.push("main").unwrap();
    team.pass().await;
    assert_eq!(team.deployment(&sha).unwrap().state, "READY");
    assert_eq!(team.exits("atlaris-smoke-staging", "smoke"), [0]);
}
