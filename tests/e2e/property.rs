//! Whatever a small fleet asks for and whatever people do to it by hand: plans repeat exactly, break no rule, and lead to where
//! nothing is left to do; and what is not ours stays as it is.

use std::collections::BTreeSet;

use hangar::check;
use hangar::controller::Verdict;
use hangar::plan::{Request, plan};
use proptest::prelude::*;

use crate::live::live;
use crate::support::{CONTROLLER, GRACE, environment, policy, seconds};
use crate::world::World;

/// One app of a random environment.
#[derive(Debug, Clone)]
struct App {
    image: u8,
    count: u8,
    volume: bool,
    secret: Option<u8>,
    v6: bool,
    certificate: bool,
}

/// One random environment.
#[derive(Debug, Clone)]
struct Env {
    web: Option<App>,
    api: Option<App>,
    more: &'static str,
}

/// What somebody does by hand.
#[derive(Debug, Clone, Copy)]
enum Hand {
    Delete,
    Stop,
    Edit,
    Clone,
    Strip,
    Damage,
    ReleaseIp,
    UnsetSecret,
    DeleteApp,
}

fn app() -> impl Strategy<Value = App> {
    (1_u8..4, 0_u8..3, any::<bool>(), prop::option::of(1_u8..3), any::<bool>(), any::<bool>()).prop_map(
        |(image, count, volume, secret, v6, certificate)| App { image, count, volume, secret, v6, certificate },
    )
}

fn env() -> impl Strategy<Value = Env> {
    let more = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "level: noDelete",
        "level: createOnly",
        "level: observe",
        "pause: true",
        "protect: true",
    ]);
    (prop::option::of(app()), prop::option::of(app()), more).prop_map(|(web, api, more)| Env { web, api, more })
}

fn fleet() -> impl Strategy<Value = Vec<Option<Env>>> {
    prop::collection::vec(prop::option::weighted(0.8, env()), 3)
}

fn hands() -> impl Strategy<Value = Vec<(usize, Hand)>> {
    use Hand::{Clone, Damage, Delete, DeleteApp, Edit, ReleaseIp, Stop, Strip, UnsetSecret};
    let hand = prop::sample::select(vec![Delete, Stop, Edit, Clone, Strip, Damage, ReleaseIp, UnsetSecret, DeleteApp]);
    prop::collection::vec((0_usize..6, hand), 0..4)
}

fn render(env: &str, component: &str, app: &App) -> String {
    let mut lines = vec![format!("{component}:"), format!("  image: registry.fly.io/demo:v{}", app.image)];
    lines.push(format!("  count: {}", app.count));
    if app.volume {
        lines.push("  volumes: {data: {mount: /data}}".to_owned());
    }
    if let Some(generation) = app.secret {
        lines.push(format!("  secrets: {{TOKEN: {{generate: {{generation: {generation}}}}}}}"));
    }
    lines.push(format!("  ips: {{v6: {}}}", app.v6));
    if app.certificate {
        lines.push(format!("  certificates: [{env}-{component}.example.com]"));
    }
    lines.join("\n")
}

fn put(world: &mut World, fleet: &[Option<Env>]) {
    for (index, env) in fleet.iter().enumerate() {
        let (name, path) = (format!("e{index}"), format!("e{index}.yaml"));
        world.files.remove(&path);
        let Some(env) = env else { continue };
        let apps: Vec<String> = [("web", &env.web), ("api", &env.api)]
            .into_iter()
            .filter_map(|(component, app)| Some(render(&name, component, app.as_ref()?)))
            .collect();
        if !apps.is_empty() {
            world.put(&path, &environment(&name, env.more, &apps.join("\n")));
        }
    }
}

/// Does something by hand to the app number `index` of those that are ours.
fn meddle(world: &World, index: usize, hand: Hand) {
    let apps: Vec<String> = world.app_names().into_iter().filter(|app| app != "theirs").collect();
    let Some(app) = apps.get(index % apps.len().max(1)) else { return };
    let machine = world.sim.machines(app).first().map(|machine| machine.id.clone());
    // What cannot be done is not done.
    let _done_or_not = match (hand, machine) {
        (Hand::DeleteApp, _) => world.sim.delete_app(app),
        (Hand::ReleaseIp, _) => world.sim.ips(app).first().map_or(Ok(()), |ip| world.sim.release_ip(app, &ip.ip)),
        (Hand::UnsetSecret, _) => {
            let secrets = world.sim.secret_names(app);
            secrets.first().map_or(Ok(()), |secret| world.sim.unset_secret(app, secret))
        }
        (_, None) => Ok(()),
        (Hand::Delete, Some(id)) => world.sim.delete_machine(app, &id),
        (Hand::Stop, Some(id)) => world.sim.stop_machine(app, &id),
        (Hand::Edit, Some(id)) => {
            world.sim.edit_machine_config(app, &id, |config| config["image"] = "registry.fly.io/demo:v9".into())
        }
        (Hand::Clone, Some(id)) => world.sim.clone_machine(app, &id).map(drop),
        (Hand::Strip, Some(id)) => world.sim.edit_machine_config(app, &id, |config| drop(config["metadata"].take())),
        (Hand::Damage, Some(id)) => {
            world.sim.edit_machine_config(app, &id, |config| config["metadata"]["hangar_slot"] = "nonsense".into())
        }
    };
}

/// Observes and plans twice: the same plan, and no rule broken.
async fn plans_repeat(world: &mut World) {
    world.pass_time(seconds(3)).await;
    let session = world.session();
    let loaded = &session.loaded;
    let all: BTreeSet<_> = loaded.fleet.environments.keys().cloned().collect();
    let observed = session.observe(&all).await.unwrap();
    let (memory, now) = (session.journal.memory(), world.clock.now());
    let make = || plan(&loaded.fleet, &observed, &memory, &loaded.policy, &Request::default(), now);
    let (one, other) = (make(), make());
    assert_eq!(format!("{one:#?}"), format!("{other:#?}"));
    assert_eq!(check::check(&one, &loaded.fleet, &observed, &memory, &loaded.policy), []);
}

/// Reconciles until there is nothing to do but to wait for people, and asserts that the next run has nothing to do either.
async fn comes_to_rest(world: &mut World) {
    for _ in 0..4 {
        let outcome = world.reconcile().await;
        assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
        let is_waiting = outcome.verdicts.values().any(|verdict| *verdict == Verdict::Waiting);
        if !is_waiting {
            break;
        }
        world.pass_time(GRACE).await;
    }
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.last.plan.steps.len(), 0, "{:#?}", outcome.last.plan.steps);
}

async fn lives(first: Vec<Option<Env>>, hands: Vec<(usize, Hand)>, second: Vec<Option<Env>>, lost: bool) {
    let mut world = World::with(&[("hangar.yaml", CONTROLLER), ("policy.yaml", &policy("{grace: 1m}"))]);
    world.sim.create_app("acme", "theirs", "").unwrap();
    let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
    world.sim.create_machine("theirs", &machine, "iad").unwrap();
    world.put("base.yaml", &environment("base", "", "web: {image: 'registry.fly.io/demo:v1'}"));
    world.pass_time(seconds(5)).await;
    let theirs = |world: &World| -> Vec<String> {
        live(&world.sim).into_iter().filter(|line| line.contains("theirs")).collect()
    };
    let before = theirs(&world);
    put(&mut world, &first);
    plans_repeat(&mut world).await;
    comes_to_rest(&mut world).await;
    for (index, hand) in hands {
        meddle(&world, index, hand);
    }
    world.pass_time(seconds(10)).await;
    put(&mut world, &second);
    if lost {
        world.lose_store();
    }
    plans_repeat(&mut world).await;
    comes_to_rest(&mut world).await;
    assert_eq!(theirs(&world), before);
}

#[test]
fn whatever_happens_plans_repeat_break_no_rule_and_come_to_rest() {
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(first in fleet(), hands in hands(), second in fleet(), lost in any::<bool>())| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(lives(first, hands, second, lost));
    });
}
