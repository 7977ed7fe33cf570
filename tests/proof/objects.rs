//! What an environment has at other providers, killed at any request of its creation, its change and its end: the same end, nothing
//! doubled, and nothing touched that is not ours.
//!
//! Each provider is a [`Stage`]: what the specs say of it, at first and afterwards, and what is there of others.

use std::collections::BTreeMap;

use hangar::resource::OwnerId;
use hangar::resource::own_name::{last_word, own_name};
use hangar::sim::{SimConfig, SimNeonProject};

use crate::previews;
use crate::projects::mark_key;
use crate::scene::{Scene, killed, lost_and_late};
use crate::support::{CONTROLLER, QUARANTINE, environment, policy, small};
use crate::world::World;

/// One provider: how an environment uses it.
pub(crate) struct Stage {
    name: &'static str,
    /// What of the controller's settings says another thing here, and which.
    settings: (&'static str, &'static str),
    /// What of the provider the environment has at first, and after a change of every field.
    first: &'static str,
    changed: &'static str,
    /// The lines of an app that uses it.
    app: &'static str,
    /// The platform with the provider's project, and what holds its token.
    config: fn(SimConfig) -> SimConfig,
    token: (&'static str, &'static str),
    /// Puts there what others have: much of it looks like ours and is not. It is called until it says that nothing is to be waited for.
    others: fn(&World, u32) -> bool,
    /// What happens before the environment begins.
    begins: fn(&World),
}

pub(crate) const PROJECT: &str = "quiet-sun-123456";

pub(crate) const NEON: Stage = Stage {
    name: "neon",
    settings: ("  fly:", "  neon: {projects: {quiet-sun-123456: {}}}\n  fly:"),
    first: "neon: {project: quiet-sun-123456, branches: {main: {compute: {min: 0.25, max: 1}, database: neondb}}}",
    changed: "neon: {project: quiet-sun-123456, branches: {main: {compute: {min: 0.5, max: 2, suspend: 10m}, \
              database: app, role: app, protected: true, reset: 1}}}",
    app: "web:\n  image: registry.fly.io/demo:v1\n  secrets: {DATABASE_URL: {value: '${{ neon.main.pooledUri }}'}}\n  \
          env: {DB: '${{ neon.main.host }}'}",
    config: |config| config.with_neon(SimNeonProject::new(PROJECT), "sim_neon_key"),
    token: ("NEON_API_KEY", "sim_neon_key"),
    others: |world, _| {
        let neon = world.sim.neon(PROJECT);
        let noted = |owner: &str, env: &str, name: &str| -> BTreeMap<String, String> {
            let texts = [
                ("hangar_owner", owner),
                ("hangar_env", env),
                ("hangar_component", "neon.main"),
                ("hangar_name", name),
            ];
            texts.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
        };
        neon.create_branch("demo-main-copy", None).unwrap();
        let theirs = neon.create_branch("demo-main-2", None).unwrap();
        neon.annotate_branch(&theirs, &noted("them", "demo", "demo-main-2")).unwrap();
        for env in ["demo", "chat-1"] {
            let copied = neon.create_branch(&format!("{env} (copy)"), None).unwrap();
            neon.annotate_branch(&copied, &noted("hangar", env, &format!("{env}-main"))).unwrap();
        }
        false
    },
    begins: |_| (),
};

pub(crate) const REPO: &str = "acme/site";

pub(crate) const VERCEL: Stage = Stage {
    name: "vercel",
    settings: ("  fly:", "  vercel: {projects: {acme/web: {}}}\n  fly:"),
    first: "vercel: {team: acme, projects: {web: {project: web, branch: login, env: {API: 'https://one.example.com', \
            KEY: {generate: {length: 20}}, OLD: here}, domains: [demo.acme.dev, old.acme.dev], \
            aliases: [demo.acme.app, old.acme.app], deployment: {}, bypass: true}}}",
    changed: "vercel: {team: acme, projects: {web: {project: web, branch: logout, env: {API: 'https://two.example.com', \
              KEY: {generate: {length: 20, generation: 2}}, NEW: here}, domains: [demo.acme.dev, new.acme.dev], \
              aliases: [demo.acme.app, new.acme.app], deployment: {}, bypass: true}}}",
    app: "web:\n  image: registry.fly.io/demo:v1\n  secrets: {PASS: {value: '${{ vercel.web.bypassSecret }}'}}\n  \
          env: {SITE: '${{ vercel.web.url }}'}",
    config: |config| config.with_repo(REPO, "ghp_x").with_vercel("acme", "web", Some(REPO), "sim_vercel_token"),
    token: ("VERCEL_TOKEN", "sim_vercel_token"),
    others: |world, round| {
        let (web, repo) = (world.sim.vercel("acme", "web"), world.sim.repository(REPO));
        if round == 0 {
            world.sim.create_repository(REPO);
            // From here on, what is pushed is deployed.
            assert!(web.id().is_some());
            repo.push("main").unwrap();
            repo.push("other").unwrap();
            return true;
        }
        for branch in [None, Some("login"), Some("other")] {
            web.add_variable("HAND", "by hand", "encrypted", &["preview"], branch).unwrap();
        }
        web.add_variable("API", "of all", "encrypted", &["preview"], None).unwrap();
        let noted = web.add_variable("THEIRS", "theirs", "encrypted", &["preview"], Some("login")).unwrap();
        web.comment_variable(&noted, "hangar them/demo 0123456789abcdef").unwrap();
        for (domain, branch) in
            [("hand", Some("login")), ("theirs", Some("login")), ("copied", Some("login")), ("www", None)]
        {
            web.add_domain(&format!("{domain}.acme.dev"), branch).unwrap();
        }
        let mark = |owner: &str, env: &str, domain: &str| {
            format!(
                r#"{{"owner":"{owner}","env":"{env}","component":"vercel.web","target":"preview","branch":"login","deployment":true,"domains":["{domain}.acme.dev"],"aliases":["{domain}.acme.app"]}}"#
            )
        };
        let elsewhere = web.deployments().into_iter().find(|one| one.branch.as_deref() == Some("other")).unwrap();
        for alias in ["hand", "theirs", "copied"] {
            web.add_alias(&format!("{alias}.acme.app"), &elsewhere.id).unwrap();
        }
        // What another controller has; and copies of our own marks under another name.
        let theirs = mark("them", "demo", "theirs");
        web.add_variable(&mark_key("them", "demo"), &theirs, "plain", &["preview"], Some("other")).unwrap();
        for (number, env) in ["demo", "chat-1"].into_iter().enumerate() {
            let key = format!("HANGAR_ENVIRONMENT_00000000000{number}");
            web.add_variable(&key, &mark("hangar", env, "copied"), "plain", &["preview"], Some("login")).unwrap();
        }
        for note in ["by hand", "hangar them/demo", "hangar hangar-2/demo"] {
            web.add_bypass(note).unwrap();
        }
        false
    },
    begins: |world| {
        for branch in ["login", "logout"] {
            world.sim.repository(REPO).push(branch).unwrap();
        }
    },
};

pub(crate) const POSTGRES: Stage = Stage {
    name: "postgres",
    settings: ("FLY_API_TOKEN}}}", "FLY_API_TOKEN}, postgres: true}}"),
    first: "postgres: {databases: {main: {cluster: previews, rotate: 1}}, clusters: {own: {plan: basic, database: app, user: app}}}",
    changed: "postgres: {databases: {main: {cluster: previews, rotate: 2, role: reader, deletionPolicy: snapshot}}, \
              clusters: {own: {plan: basic, database: apps, user: apps, rotate: 1, deletionPolicy: retain}}}",
    app: "web:\n  image: registry.fly.io/demo:v1\n  secrets: {DATABASE_URL: {value: '${{ postgres.main.pooledUri }}'}, \
          OWN_URL: {value: '${{ postgres.own.uri }}'}}\n  env: {DB: '${{ postgres.main.host }}'}",
    config: |config| config,
    token: ("FLY_API_TOKEN", "sim_acme_token"),
    others: |world, round| {
        let named = |owner: &str, env: &str, component: &str, within: &str| {
            own_name(&OwnerId::new(owner), env, component, within)
        };
        if round == 0 {
            // The shared cluster; a copy of it, with all that was in it; and what looks like a cluster of ours.
            let theirs = named("them", "demo", "own", "acme");
            for name in ["previews", "previews-copy", "demo-own", "demo-own-0123456789", &theirs] {
                world.sim.create_cluster("acme", name, "iad").unwrap();
            }
            return true;
        }
        let clusters = world.sim.clusters("acme");
        let id = |name: &str| clusters.iter().find(|cluster| cluster.name == name).unwrap().id.clone();
        let theirs = named("them", "demo", "main", "previews");
        for name in ["demo-main", "demo-main-0123456789", "hangar_t6b49d200_0123456789", &theirs] {
            world.sim.create_cluster_database(&id("previews"), name).unwrap();
        }
        world.sim.create_app("acme", "theirs", "").unwrap();
        world.sim.attach_cluster(&id("previews"), "theirs").unwrap();
        for env in ["demo", "chat-1"] {
            let copied = named("hangar", env, "main", "previews");
            let mark = format!("hangar_t6b49d200_{}", last_word(&copied));
            for name in [&copied, &mark] {
                world.sim.create_cluster_database(&id("previews-copy"), name).unwrap();
            }
        }
        false
    },
    begins: |_| (),
};

const REFERENCE: &str = "abcdefghijklmnopqrst";

const SUPABASE: Stage = Stage {
    name: "supabase",
    settings: ("  fly:", "  supabase: {projects: {abcdefghijklmnopqrst: {}}}\n  fly:"),
    first: "supabase: {project: abcdefghijklmnopqrst, branches: {main: {gitBranch: change-4}}}",
    changed: "supabase: {project: abcdefghijklmnopqrst, branches: {main: {gitBranch: change-5, persistent: true}}}",
    app: "web:\n  image: registry.fly.io/demo:v1\n  secrets: {DATABASE_URL: {value: '${{ supabase.main.pooledUri }}'}}\n  \
          env: {DB: '${{ supabase.main.host }}'}",
    config: |config| config.with_supabase(REFERENCE, "sbp_0123456789abcdef"),
    token: ("SUPABASE_ACCESS_TOKEN", "sbp_0123456789abcdef"),
    others: |world, round| {
        if round > 0 {
            return false;
        }
        let theirs = own_name(&OwnerId::new("them"), "demo", "main", REFERENCE);
        let elsewhere = own_name(&OwnerId::new("hangar"), "demo", "main", "tsrqponmlkjihgfedcba");
        let all = [("demo-main", 1), ("demo-main-0123456789", 2), ("change-4", 3), (&theirs, 4), (&elsewhere, 5)];
        for (name, pull) in all {
            world.sim.create_supabase_branch(REFERENCE, name, pull).unwrap();
        }
        // They come up before anything else begins.
        true
    },
    begins: |_| (),
};

impl Stage {
    /// A platform on which others have something, with a spec of another environment.
    pub(crate) async fn world(&self) -> (World, SimConfig) {
        let config = (self.config)(SimConfig::default().with_org("acme", "sim_acme_token"));
        let controller = CONTROLLER.replace(self.settings.0, self.settings.1);
        assert_ne!(controller, CONTROLLER);
        let files =
            [("hangar.yaml", controller), ("policy.yaml", policy("{grace: 30s}")), ("other.yaml", small("other"))];
        let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
        let mut world = World::configured(&files, config.clone());
        world.set(self.token.0, self.token.1);
        let mut round = 0;
        while (self.others)(&world, round) {
            world.pass_time(QUARANTINE).await;
            round += 1;
        }
        (world, config)
    }

    /// What happens before the environment begins has happened, and whatever comes of it.
    async fn begin(&self, world: &World) {
        (self.begins)(world);
        world.pass_time(QUARANTINE).await;
    }

    fn demo(&self, has: &str) -> String {
        environment("demo", has, self.app)
    }

    /// The environment is about to be created.
    async fn creation(&self) -> Scene {
        let (mut world, config) = self.world().await;
        world.converge().await;
        self.begin(&world).await;
        world.put("demo.yaml", &self.demo(self.first));
        Scene::of(&world, &config).edited(|_| ())
    }

    async fn settled(&self) -> (World, SimConfig) {
        let (mut world, config) = self.world().await;
        self.begin(&world).await;
        world.put("demo.yaml", &self.demo(self.first));
        world.converge().await;
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
        (world, config)
    }

    /// It is there, and about to be changed.
    async fn update(&self) -> Scene {
        let (mut world, config) = self.settled().await;
        world.put("demo.yaml", &self.demo(self.changed));
        Scene::of(&world, &config).edited(|_| ())
    }

    /// Its spec has just been removed.
    async fn teardown(&self) -> Scene {
        let (mut world, config) = self.settled().await;
        world.remove("demo.yaml");
        Scene::of(&world, &config).edited(|_| ())
    }

    /// Its pull request has just been closed: it was a preview.
    async fn closed(&self) -> Scene {
        let (mut world, config) = self.world().await;
        self.begin(&world).await;
        let set = previews::set("chat", self.app);
        world.put("chat.yaml", &set.replace("      fly:\n", &format!("      {}\n      fly:\n", self.first)));
        previews::list(&mut world, "chat", vec![previews::pull(1, 0)]);
        world.converge().await;
        world.pass_time(QUARANTINE).await;
        world.reconcile_without_writes().await;
        let closed = previews::closed(&world, previews::pull(1, 0));
        previews::list(&mut world, "chat", vec![closed]);
        Scene::of(&world, &config).edited(|_| ())
    }

    async fn holds(&self, what: &str, scene: Scene, blows: Blows) {
        let (how, points) = match blows {
            Blows::EmptyStore => ("with an empty store", scene.every_point(&killed(false), false).await),
            Blows::Store => ("with its store", scene.every_point(&killed(true), false).await),
            Blows::Network => ("lost and late", scene.every_point(&lost_and_late(), true).await),
        };
        println!("shown: {}: {what}, {how}: {points} points", self.name);
    }
}

/// What happens at each request.
#[derive(Clone, Copy)]
enum Blows {
    EmptyStore,
    Store,
    Network,
}

/// A module for a provider, with a test for each thing that happens and each kind of blow.
macro_rules! proof_of {
    ($module:ident, $stage:expr) => {
        mod $module {
            use super::Blows::{EmptyStore, Network, Store};

            #[tokio::test(start_paused = true)]
            async fn undisturbed_everything_is_as_the_specs_have_it_and_nothing_else_is_touched() {
                super::undisturbed(&$stage).await;
            }

            #[tokio::test(start_paused = true)]
            async fn a_creation_that_is_killed_anywhere_ends_as_if_it_had_not_been() {
                for blows in [EmptyStore, Store] {
                    $stage.holds("creation", $stage.creation().await, blows).await;
                }
            }

            #[tokio::test(start_paused = true)]
            async fn a_creation_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
                $stage.holds("creation", $stage.creation().await, Network).await;
            }

            #[tokio::test(start_paused = true)]
            async fn a_creation_that_is_killed_anywhere_and_not_wanted_any_more_leaves_nothing() {
                let scene = $stage.creation().await.then_without("demo.yaml");
                $stage.holds("creation that is given up", scene, EmptyStore).await;
            }

            #[tokio::test(start_paused = true)]
            async fn an_update_that_is_killed_anywhere_ends_as_if_it_had_not_been() {
                for blows in [EmptyStore, Store] {
                    $stage.holds("update", $stage.update().await, blows).await;
                }
            }

            #[tokio::test(start_paused = true)]
            async fn an_update_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
                $stage.holds("update", $stage.update().await, Network).await;
            }

            #[tokio::test(start_paused = true)]
            async fn a_teardown_that_is_killed_anywhere_ends_as_if_it_had_not_been() {
                for blows in [EmptyStore, Store] {
                    $stage.holds("teardown", $stage.teardown().await, blows).await;
                }
            }

            #[tokio::test(start_paused = true)]
            async fn a_teardown_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
                $stage.holds("teardown", $stage.teardown().await, Network).await;
            }

            #[tokio::test(start_paused = true)]
            async fn the_end_of_a_preview_that_is_killed_anywhere_ends_as_if_it_had_not_been() {
                for blows in [EmptyStore, Store] {
                    $stage.holds("end of a preview", $stage.closed().await, blows).await;
                }
            }

            #[tokio::test(start_paused = true)]
            async fn the_end_of_a_preview_of_which_any_reply_is_lost_or_any_effect_comes_late_ends_as_if_it_had_not() {
                $stage.holds("end of a preview", $stage.closed().await, Network).await;
            }
        }
    };
}

proof_of!(neon, super::NEON);
proof_of!(vercel, super::VERCEL);
proof_of!(postgres, super::POSTGRES);
proof_of!(supabase, super::SUPABASE);

/// The ends with which all others are compared: what is new is there, what is gone is gone, and what others have is what it was.
async fn undisturbed(stage: &Stage) {
    let lines = |scene: Scene| async move { scene.undisturbed().await.0 };
    let before = crate::live::live(&stage.world().await.0.sim);
    let (created, changed) = (lines(stage.creation().await).await, lines(stage.update().await).await);
    for end in [&created, &changed, &lines(stage.teardown().await).await, &lines(stage.closed().await).await] {
        let missing: Vec<_> = before.iter().filter(|line| !end.contains(line)).collect();
        assert!(missing.is_empty(), "{missing:#?} are not in {end:#?}");
    }
    assert_ne!(created, changed);
    let apps = |end: &[String]| end.iter().filter(|line| line.starts_with("app ")).count();
    for (ended, scene) in [("removed", stage.teardown().await), ("closed", stage.closed().await)] {
        let end = lines(scene).await;
        // Only the other environment's app is left besides those of others.
        assert_eq!(apps(&end), apps(&before) + 1, "{ended}: {end:#?}");
        let beside = |line: &&String| !line.starts_with("other-web") && !line.starts_with("app other-web");
        // What a push has made is there since, and stays where others show it.
        let is_of_push = |line: &&String| line.contains(" deployment of ") && !before.contains(line);
        let left: Vec<_> = end.iter().filter(beside).filter(|line| !is_of_push(line)).collect();
        assert_eq!(left, before.iter().collect::<Vec<_>>(), "{ended}");
    }
}
