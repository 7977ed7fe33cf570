//! Case 2, whole: `specs/agents` against simulated Fly, Vercel and GitHub, from a pull request opened to nothing left.

use std::time::Duration;

use hangar::controller::Verdict;
use hangar::plan::{Purpose, Request};
use hangar::sim::{MachineView, NewPull, SimConfig, VercelBuild, VercelHand};
use serde_json::json;

use crate::preview_specs::Team;
use crate::support::{GRACE, small};
use crate::vercel_document::hold_to_vercel;

const REPO: &str = "acme/agents";
const DB: &str = "pr-1-agents";
const JOBS: &str = "pr-1-agents-jobs";
const SECRETS: [&str; 3] = ["DOLTGRES_PASSWORD", "POSTGRES_PASSWORD", "SPICEDB_GRPC_PRESHARED_KEY"];

async fn team() -> Team {
    let config = SimConfig { command: Some(Duration::from_secs(1)), ..SimConfig::default() };
    let config = config.with_vercel("acme", "agents-api", Some(REPO), "sim_vercel_token");
    let config = config.with_vercel("acme", "manage-ui", Some(REPO), "sim_vercel_token");
    let variables = [("VERCEL_TOKEN", "sim_vercel_token")];
    let team = Team::on(config, "specs/agents", &[("agents-previews", "FLY_API_TOKEN")], REPO, &variables).await;
    hold_to_vercel(&team.world.sim);
    assert!(team.api().id().is_some() && team.ui().id().is_some());
    team
}

/// The team with the preview of its first pull request, which is of branch `login`.
async fn opened() -> Team {
    let mut team = team().await;
    team.repo.push("login").unwrap();
    assert_eq!(team.repo.open_pull(NewPull::from_branch("login")).unwrap(), 1);
    team.pass().await;
    team
}

impl Team {
    fn api(&self) -> VercelHand {
        self.world.sim.vercel("acme", "agents-api")
    }

    fn ui(&self) -> VercelHand {
        self.world.sim.vercel("acme", "manage-ui")
    }

    fn job(&self, name: &str) -> MachineView {
        let slot = format!("job-{name}/iad/0");
        let machines = self.world.sim.machines(JOBS).into_iter();
        let mut machines = machines.filter(|machine| machine.metadata("hangar_slot") == Some(&slot));
        machines.next().unwrap_or_else(|| panic!("no job {name}: {:#?}", self.world.writes()))
    }

    fn secret(&self, app: &str, name: &str) -> String {
        self.world.sim.secret_value(app, name).unwrap_or_else(|| panic!("{app} has no {name}"))
    }

    /// What is left of the preview anywhere.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = self.world.sim.apps().into_iter().map(|app| app.name).collect();
        for project in [self.api(), self.ui()] {
            left.extend(project.variables().into_iter().map(|one| one.key));
            left.extend(project.domains().into_iter().map(|one| one.name));
            let live = project.deployments().into_iter().filter(|one| one.state != "DELETED");
            left.extend(live.map(|one| one.id));
        }
        left
    }
}

/// The value of a variable of branch `login`.
fn variable(project: &VercelHand, key: &str) -> String {
    let found = project.variables().into_iter().find(|one| one.key == key && one.branch.as_deref() == Some("login"));
    found.unwrap_or_else(|| panic!("no variable {key}")).value
}

#[tokio::test(start_paused = true)]
async fn one_machine_of_four_containers_with_health_checks_serves_what_vercel_uses() {
    let mut team = opened().await;
    let machine = team.world.only_machine(DB);
    let names: Vec<&str> = machine.containers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["sidecar", "doltgres", "postgres", "spicedb"]);
    let containers = machine.config["containers"].as_array().unwrap();
    assert!(containers.iter().all(|one| one["healthchecks"].as_array().is_some_and(|all| !all.is_empty())));
    assert!(machine.checks.iter().all(|(_, state)| state == "passing") && machine.checks.len() == 3, "{machine:#?}");
    let ports = |service: &serde_json::Value| {
        let all = service["ports"].as_array().unwrap().iter();
        all.map(|port| (port["port"].clone(), port.get("handlers").cloned().unwrap_or_default())).collect::<Vec<_>>()
    };
    let services: Vec<_> = machine.config["services"].as_array().unwrap().iter().map(ports).collect();
    assert_eq!(services[0], [(json!(5432), json!(["pg_tls"]))]);
    assert_eq!(services[1], [(json!(5433), json!(["pg_tls"]))]);
    assert_eq!(services[2], [(json!(50051), json!(null)), (json!(50052), json!(["tls"]))]);
    // From outside with TLS, from inside without: the connection strings differ.
    let password = team.secret(DB, "POSTGRES_PASSWORD");
    let outside = format!("postgres://agents:{password}@{DB}.fly.dev:5432/agents?sslmode=require");
    assert_eq!(variable(&team.api(), "DATABASE_URL"), outside);
    assert_eq!(team.secret(JOBS, "DATABASE_URL"), format!("postgres://agents:{password}@{DB}.internal:5432/agents"));
    assert_eq!(variable(&team.api(), "SPICEDB_ENDPOINT"), format!("{DB}.fly.dev:50052"));
    // Domains of one parent, each the other's in its variables.
    let domains = |project: VercelHand| project.domains().into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(domains(team.api()), ["pr-1-api.preview.example.com"]);
    assert_eq!(domains(team.ui()), ["pr-1-ui.preview.example.com"]);
    assert_eq!(variable(&team.ui(), "NEXT_PUBLIC_API_URL"), "https://pr-1-api.preview.example.com");
    assert_eq!(variable(&team.api(), "MANAGE_UI_URL"), "https://pr-1-ui.preview.example.com");
    team.rests().await;
}

#[tokio::test(start_paused = true)]
async fn migrations_auth_and_seed_run_once_each_in_this_order_when_the_databases_are_healthy() {
    let mut team = opened().await;
    let order = [team.world.only_machine(DB), team.job("migrate"), team.job("auth-init"), team.job("seed")];
    assert!(order.is_sorted_by_key(|machine| machine.created_at), "{order:#?}");
    let runs = |team: &Team| ["migrate", "auth-init", "seed"].map(|name| team.job(name).exits);
    assert_eq!(runs(&team), [vec![0], vec![0], vec![0]]);
    // A push is a new commit: it is migrated to, and nothing is seeded twice.
    team.repo.push("login").unwrap();
    team.pass().await;
    team.rests().await;
    assert_eq!(runs(&team), [vec![0, 0], vec![0], vec![0]]);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_the_same_on_every_later_pass_and_are_shown_nowhere() {
    let mut team = opened().await;
    let values = |team: &Team| SECRETS.map(|name| team.secret(DB, name));
    let before = values(&team);
    assert!(before.iter().all(|value| value.len() >= 40));
    for _ in 0..3 {
        team.repo.push("login").unwrap();
        team.pass().await;
    }
    team.world.lose_store();
    team.pass().await;
    assert_eq!(values(&team), before);
    let number = {
        team.repo.push("search").unwrap();
        team.repo.open_pull(NewPull::from_branch("search")).unwrap()
    };
    team.pass().await;
    assert_ne!(team.secret(&format!("pr-{number}-agents"), "POSTGRES_PASSWORD"), before[1], "each preview has its own");
    let seen = format!("{:?} {:?}", team.world.recorder.events(), team.world.diff().await);
    assert!(before.iter().all(|value| !seen.contains(value.as_str())));
}

#[tokio::test(start_paused = true)]
async fn a_second_machine_made_by_hand_is_reported_and_left_alone() {
    let mut team = opened().await;
    let machine = team.world.only_machine(DB);
    team.world.sim.clone_machine(DB, &machine.id).unwrap();
    let outcome = team.look().await;
    let notices = format!("{:?}", outcome.last.plan.notices);
    assert!(notices.contains("without our marker left alone"), "{notices}");
    assert_eq!(team.world.sim.machines(DB).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_is_shown_with_its_last_lines_and_a_machine_that_fails_ends_the_wait() {
    let mut team = team().await;
    team.repo.push("login").unwrap();
    team.api().builds_of("login", VercelBuild::failed()).unwrap();
    team.repo.open_pull(NewPull::from_branch("login")).unwrap();
    let outcome = team.look().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    let failures: Vec<_> = outcome.failures.values().flatten().collect();
    let [failure] = failures[..] else { panic!("{failures:#?}") };
    let build = team.api().deployments().pop().unwrap().id;
    let told =
        format!("the build of {build} failed in buildStep (BUILD_FAILED): Command \"npm run build\" exited with 1");
    assert!(failure.message.contains("agents-api") && failure.message.contains(&told), "{}", failure.message);
    let log = "its log ends with:\n  Cloning (Branch: login)\n  Running \"npm run build\"\n  > build\n  Error: Command \"npm run build\" exited with 1";
    assert!(failure.message.contains(log), "{}", failure.message);

    let mut team = self::team().await;
    team.world.edit("previews.yaml", "postgres:16", "postgres:16-crash");
    team.repo.push("login").unwrap();
    team.repo.open_pull(NewPull::from_branch("login")).unwrap();
    let began = team.world.clock.now();
    let outcome = team.look().await;
    assert_eq!(outcome.worst(), Verdict::Failed, "{:?}", outcome.failures);
    assert!((team.world.clock.now() - began).num_seconds() < 200);
    assert!(team.world.sim.machines(JOBS).is_empty(), "nothing is migrated in a database that is not there");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_pull_request_is_closed_also_when_nobody_has_seen_it_close() {
    let mut team = opened().await;
    team.repo.close(1).unwrap();
    team.pass().await;
    team.world.pass_time(GRACE).await;
    team.pass().await;
    assert_eq!((team.left(), team.left_of(DB), team.left_of(JOBS)), (Vec::new(), 0, 0));

    // The event is lost, and so is the store.
    let mut team = opened().await;
    team.repo.close(1).unwrap();
    team.world.lose_store();
    for _ in 0..3 {
        team.look().await;
        team.world.pass_time(GRACE).await;
    }
    assert_eq!(team.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_of_that_name_stays() {
    let mut team = opened().await;
    team.world.sim.create_app("agents-previews", "pr-9-agents", "").unwrap();
    team.api().add_domain("pr-9-api.preview.example.com", None).unwrap();
    team.repo.close(1).unwrap();
    team.pass().await;
    team.world.pass_time(GRACE).await;
    team.pass().await;
    assert_eq!(team.left(), ["pr-9-agents", "pr-9-api.preview.example.com"]);
    team.world.put("other.yaml", &small("other"));
    let destroy = Request { purpose: Purpose::Destroy("pr-9".into()), ..Request::default() };
    team.world.run(destroy).await;
    assert!(team.left().contains(&"pr-9-agents".to_owned()));
}
