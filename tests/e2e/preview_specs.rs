//! Cases 1 and 3 as sets of previews: `specs/chat-dev-previews` and `specs/reify`, from the files that the repository ships, with a
//! simulated GitHub: opened, pushed, closed, and nothing left.
//!
//! Left out, because Hangar builds no images: what CI does before a commit has its image.

use std::collections::BTreeSet;
use std::sync::Arc;

use hangar::controller::{Outcome, Verdict, WithRepositories};
use hangar::http::Shared;
use hangar::random::Random;
use hangar::sim::{NewPull, RepositoryHand, SimConfig};

use crate::github::NoSource;
use crate::support::{GRACE, deletes, seconds};
use crate::world::World;

const TOKEN: &str = "ghp_planted_0123456789abcdef";

/// A team's specs at work.
pub(crate) struct Team {
    pub(crate) world: World,
    eyes: WithRepositories,
    pub(crate) repo: RepositoryHand,
}

impl Team {
    /// The files of `folder`, in these organizations (with the variables of their tokens), of this repository.
    async fn of(folder: &str, orgs: &[(&str, &str)], repo: &str, variables: &[(&str, &str)]) -> Self {
        Self::on(SimConfig::default(), folder, orgs, repo, variables).await
    }

    /// The same on a platform set up like this.
    pub(crate) async fn on(
        config: SimConfig,
        folder: &str,
        orgs: &[(&str, &str)],
        repo: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut team = Self::about_to_begin(config, folder, orgs, repo, variables);
        team.pass().await;
        team
    }

    /// The same, before anybody has reconciled.
    pub(crate) fn about_to_begin(
        config: SimConfig,
        folder: &str,
        orgs: &[(&str, &str)],
        repo: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut config = config.with_repo(repo, TOKEN);
        for (org, _) in orgs {
            config = config.with_org(org, &format!("sim_{org}_token"));
        }
        let mut world = World::configured(&[], config);
        world.files = crate::given::folder(folder);
        world.variables.variables.remove("FLY_API_TOKEN");
        for (org, variable) in orgs {
            world.set(variable, &format!("sim_{org}_token"));
        }
        for (name, value) in [("GITHUB_TOKEN", TOKEN)].iter().chain(variables) {
            world.set(name, value);
        }
        let repo = world.sim.create_repository(repo);
        let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(7));
        let eyes = WithRepositories::new(Arc::new(NoSource), shared, Arc::new(world.variables.clone()));
        Self { world, eyes, repo }
    }

    /// Looks at the repository, reconciles, and expects everything to be as desired.
    pub(crate) async fn pass(&mut self) {
        let outcome = self.look().await;
        let problems = (&outcome.failures, &outcome.last.plan.withheld);
        assert_eq!(outcome.worst(), Verdict::Converged, "{problems:#?}");
    }

    /// Looks at the repository, and reconciles.
    pub(crate) async fn look(&mut self) -> Outcome {
        self.world.pass_time(seconds(61)).await;
        self.world.repos = self.eyes.complete(self.world.snapshot()).await.repos;
        self.world.reconcile().await
    }

    pub(crate) async fn rests(&mut self) {
        self.world.reconcile_without_writes().await;
    }

    fn apps(&self, org: &str) -> BTreeSet<String> {
        self.world.sim.apps().into_iter().filter(|app| app.org == org).map(|app| app.name).collect()
    }

    fn image(&self, app: &str) -> String {
        self.world.only_machine(app).config["image"].as_str().unwrap().to_owned()
    }

    /// Of whatever is left of apps that are gone.
    pub(crate) fn left_of(&self, app: &str) -> usize {
        self.world.sim.machines(app).len() + self.world.sim.volumes(app).len() + self.world.sim.ips(app).len()
    }
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

async fn chat_dev() -> Team {
    let variables = [
        ("HANGAR_MASTER_KEY_PREVIEWS", "planted-key-of-previews-0123456789abcdef"),
        ("CHAT_DEV_WORKER_TOKEN_PREVIEWS", "planted-worker-token-previews"),
    ];
    let orgs = [("chat-dev-previews", "FLY_API_TOKEN_PREVIEWS")];
    Team::of("specs/chat-dev-previews", &orgs, "chat-dev/chat-dev", &variables).await
}

const LOGIN: [&str; 3] = ["login-chat-dev-server-dev", "login-chat-dev-web-dev", "login-chat-dev-worker-dev"];

#[tokio::test(start_paused = true)]
async fn each_push_to_a_feature_branch_of_chat_dev_makes_or_updates_its_three_apps() {
    let mut team = chat_dev().await;
    team.repo.push("elsewhere").unwrap();
    let sha = team.repo.push("feature/login").unwrap();
    team.repo.push("features/search").unwrap();
    team.pass().await;
    let search = ["search-chat-dev-server-dev", "search-chat-dev-web-dev", "search-chat-dev-worker-dev"];
    assert_eq!(team.apps("chat-dev-previews"), set(LOGIN.into_iter().chain(search)));

    // Web and API have public addresses, the worker has none; the server has a volume of its own.
    for [server, web, worker] in [LOGIN, search] {
        let kinds = |app: &str| team.world.sim.ips(app).into_iter().map(|ip| ip.kind).collect::<BTreeSet<_>>();
        assert_eq!((kinds(web), kinds(server)), (set(["shared_v4", "v6"]), set(["shared_v4", "v6"])));
        assert_eq!(kinds(worker), set([]));
        let [volume] = &team.world.sim.volumes(server)[..] else { panic!("one volume") };
        assert_eq!(volume.name, "chat_dev_data_dev");
        // Wired to its own worker, and to nobody else's.
        let machine = team.world.only_machine(server);
        assert_eq!(machine.env("FLY_WORKER_APP"), Some(worker));
        assert_eq!(machine.env("FLY_WORKER_IMAGE"), Some(team.image(worker).as_str()));
        let callback = format!("https://{server}.fly.dev/internal/worker-callback");
        assert_eq!(machine.env("WORKER_CALLBACK_URL"), Some(callback.as_str()));
        let secret = |app: &str, name: &str| team.world.sim.secret_value(app, name);
        assert_eq!(secret(server, "WORKER_SECRET"), secret(worker, "WORKER_SECRET"));
        assert_eq!(secret(server, "FLY_API_TOKEN").as_deref(), Some("planted-worker-token-previews"));
        assert_eq!(secret(server, "CHAT_DEV_ENCRYPTION_KEY").map(|key| key.len()), Some(64));
        assert_eq!(team.world.only_machine(web).env("NEXT_PUBLIC_ENABLE_MIXPANEL"), Some("0"));
    }
    let secrets = [LOGIN[0], search[0]].map(|app| team.world.sim.secret_value(app, "WORKER_SECRET"));
    assert_ne!(secrets[0], secrets[1]);
    assert_eq!(team.image(LOGIN[2]), format!("registry.fly.io/chat-dev-worker-dev:{}", short(&sha)));
    team.rests().await;

    // A push updates in place, the worker before the server that starts machines of its image.
    let before = LOGIN.map(|app| team.world.only_machine(app).id);
    let sha = team.repo.push("feature/login").unwrap();
    team.world.sim.clear_requests();
    team.pass().await;
    let updates = team.world.writes().into_iter().filter(|write| {
        write.starts_with("POST") && before.iter().any(|id| write.ends_with(&format!("/machines/{id}")))
    });
    let order: Vec<usize> = updates.map(|write| LOGIN.iter().position(|app| write.contains(app)).unwrap()).collect();
    let place = |app: usize| order.iter().position(|each| *each == app).unwrap();
    assert!(order.len() == 3 && place(2) < place(0), "{order:?}");
    assert_eq!(LOGIN.map(|app| team.world.only_machine(app).id), before);
    let worker = format!("registry.fly.io/chat-dev-worker-dev:{}", short(&sha));
    assert_eq!(team.world.only_machine(LOGIN[0]).env("FLY_WORKER_IMAGE"), Some(worker.as_str()));

    // A branch that is gone is an orphan: marked, and deleted after its grace.
    team.repo.delete_branch("feature/login").unwrap();
    team.world.repos = team.eyes.complete(team.world.snapshot()).await.repos;
    team.world.pass_time(seconds(61)).await;
    team.world.repos = team.eyes.complete(team.world.snapshot()).await.repos;
    team.world.sim.clear_requests();
    team.world.reconcile().await;
    assert_eq!(deletes(&team.world), Vec::<String>::new());
    team.world.pass_time(GRACE).await;
    team.pass().await;
    assert_eq!(team.apps("chat-dev-previews"), set(search));
    assert_eq!(LOGIN.map(|app| team.left_of(app)), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_of_chat_dev_shares_the_preview_of_its_branch_and_leaves_nothing() {
    let mut team = chat_dev().await;
    team.repo.push("feature/login").unwrap();
    team.pass().await;
    let login = team.repo.open_pull(NewPull::from_branch("feature/login")).unwrap();
    let typo = team.repo.open_pull(NewPull::from_branch("fix/typo")).unwrap();
    team.repo.open_pull(NewPull::from_branch("fix/silent").labelled("no-preview")).unwrap();
    team.repo.open_pull(NewPull::from_fork("eve", "feature/evil")).unwrap();
    team.pass().await;
    let fix = ["fix-typo-chat-dev-server-dev", "fix-typo-chat-dev-web-dev", "fix-typo-chat-dev-worker-dev"];
    assert_eq!(team.apps("chat-dev-previews"), set(LOGIN.into_iter().chain(fix)));
    let sha = team.repo.push_to_pull(typo).unwrap();
    team.pass().await;
    assert_eq!(team.image(fix[1]), format!("registry.fly.io/chat-dev-web-dev:{}", short(&sha)));
    // Closed: its preview goes at once. The other one's branch is still there, and so its preview stays.
    team.repo.close(typo).unwrap();
    team.repo.close(login).unwrap();
    team.pass().await;
    assert_eq!(team.apps("chat-dev-previews"), set(LOGIN));
    assert_eq!(fix.map(|app| team.left_of(app)), [0, 0, 0]);
    team.repo.delete_branch("feature/login").unwrap();
    team.pass().await;
    assert_eq!(team.apps("chat-dev-previews"), set([]));
}

const REIFY_ORGS: [(&str, &str); 3] = [
    ("reify-production", "FLY_API_TOKEN_PRODUCTION"),
    ("reify-staging", "FLY_API_TOKEN_STAGING"),
    ("personal", "FLY_API_TOKEN_PERSONAL"),
];

#[tokio::test(start_paused = true)]
async fn reify_follows_main_releases_and_pull_requests_each_in_its_own_organization() {
    let mut team = Team::of("specs/reify", &REIFY_ORGS, "reify/reify", &[]).await;
    assert_eq!(team.apps("reify-production"), set(["reify", "reify-db"]));
    assert_eq!(team.apps("reify-staging"), set(["reify-staging", "reify-staging-db"]));
    assert_eq!(team.apps("personal"), set([]));

    let number = team.repo.open_pull(NewPull::from_branch("login")).unwrap();
    team.pass().await;
    let (review, review_db) = (format!("reify-pr-{number}"), format!("reify-pr-{number}-db"));
    assert_eq!(team.apps("personal"), set([review.as_str(), review_db.as_str()]));

    // One size everywhere; production is always on in two regions, the others sleep.
    for app in team.world.sim.apps() {
        for machine in team.world.sim.machines(&app.name) {
            let guest = &machine.config["guest"];
            assert_eq!(
                (&guest["cpu_kind"], &guest["cpus"], &guest["memory_mb"]),
                (&"shared".into(), &1.into(), &1024.into())
            );
        }
    }
    let regions: BTreeSet<String> =
        team.world.sim.machines("reify").into_iter().map(|machine| machine.region).collect();
    assert_eq!(regions, set(["iad", "sjc"]));
    for machine in team.world.sim.machines("reify") {
        assert_eq!(machine.config["services"][0]["autostop"], false);
    }
    for app in ["reify-staging", "reify-staging-db", &review, &review_db] {
        let service = team.world.only_machine(app).config["services"][0].clone();
        assert_eq!((&service["autostop"], &service["min_machines_running"]), (&true.into(), &0.into()), "{app}");
    }
    // Nothing stops production's database, and nothing from outside reaches any.
    assert!(team.world.only_machine("reify-db").config.get("services").is_none());
    for app in ["reify-db", "reify-staging-db", &review_db] {
        let kinds: Vec<String> = team.world.sim.ips(app).into_iter().map(|ip| ip.kind).collect();
        assert!(kinds.iter().all(|kind| kind == "private_v6"), "{app}: {kinds:?}");
        assert_eq!(team.world.sim.volumes(app).len(), 1);
    }
    // Each application has the address and the password of its own database, and no two databases share one.
    let secret = |app: &str, name: &str| team.world.sim.secret_value(app, name).unwrap();
    let mut passwords = BTreeSet::new();
    for (app, database, host) in [
        ("reify", "reify-db", "reify-db.internal".to_owned()),
        ("reify-staging", "reify-staging-db", "reify-staging-db.flycast".to_owned()),
        (&review, &review_db, format!("{review_db}.flycast")),
    ] {
        let password = secret(database, "POSTGRES_PASSWORD");
        assert_eq!(secret(app, "DATABASE_URL"), format!("postgres://reify:{password}@{host}:5432/reify"));
        passwords.insert(password);
    }
    assert_eq!(passwords.len(), 3);

    // Each push to main is staging's, each push to the pull request its own, and production waits for a release.
    let main = team.repo.push("main").unwrap();
    let pushed = team.repo.push_to_pull(number).unwrap();
    team.pass().await;
    assert_eq!(team.image("reify-staging"), format!("registry.fly.io/reify:{}", short(&main)));
    assert_eq!(team.image(&review), format!("registry.fly.io/reify:{}", short(&pushed)));
    let released = |team: &Team| {
        let images = team.world.sim.machines("reify").into_iter().map(|machine| machine.config["image"].clone());
        images.map(|image| image.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(released(&team), set(["registry.fly.io/reify:v1.0.0"]));
    team.world.edit("production.yaml", "release: v1.0.0", "release: v1.1.0");
    team.pass().await;
    assert_eq!(released(&team), set(["registry.fly.io/reify:v1.1.0"]));

    // Closed: the application, its database and the data in it are gone, and nothing else.
    team.repo.close(number).unwrap();
    team.pass().await;
    assert_eq!(team.apps("personal"), set([]));
    assert_eq!((team.left_of(&review), team.left_of(&review_db)), (0, 0));
    assert_eq!(team.world.sim.apps().len(), 4);
    team.rests().await;

    // A token is never used outside of its organization.
    let orgs = |app: &str| match app {
        "reify" | "reify-db" => "reify-production",
        "reify-staging" | "reify-staging-db" => "reify-staging",
        _ => "personal",
    };
    for request in team.world.sim.requests() {
        if let Some(app) = request.path.strip_prefix("/v1/apps/").and_then(|rest| rest.split('/').next()) {
            assert_eq!(request.org, orgs(app), "{} {}", request.method, request.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_reify_must_keep_stays_when_it_is_asked_for_no_longer() {
    let mut team = Team::of("specs/reify", &REIFY_ORGS, "reify/reify", &[]).await;
    for file in ["production.yaml", "staging.yaml"] {
        team.world.remove(file);
    }
    let before = team.world.app_names();
    for _ in 0..3 {
        team.world.reconcile().await;
        team.world.pass_time(GRACE).await;
    }
    assert_eq!(team.world.app_names(), before);
}
