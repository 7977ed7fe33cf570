//! Secrets: derived, shared, written in one call, taken by machines, noticed when somebody else changes them.

use std::collections::BTreeSet;
use std::time::Duration;

use hangar::controller::Verdict;
use hangar::plan::Reason;
use hangar::sim::SimConfig;

use crate::given::{component, demo, held, noticed, steps, web};
use crate::world::World;

const IMAGE: &str = "image: registry.fly.io/demo:v1";

fn with_secrets(secrets: &str) -> String {
    web(&format!("{IMAGE}\nsecrets: {{{secrets}}}"))
}

/// Running, late enough that things may be removed, the log of requests empty.
async fn running(world: World) -> World {
    let mut world = world;
    world.converge().await;
    world.past_quarantine().await;
    world.sim.clear_requests();
    world
}

impl World {
    /// The value that the app's only machine runs with.
    fn live(&self, app: &str, name: &str) -> Option<String> {
        self.sim.live_secret_value(app, &self.only_machine(app).id, name)
    }
}

#[tokio::test(start_paused = true)]
async fn a_generated_secret_is_the_same_on_every_pass_and_on_every_machine() {
    let text = with_secrets("KEY: {generate: {length: 40}}");
    let mut world = running(World::of(&text)).await;
    let value = world.sim.secret_value("demo-web", "KEY").unwrap();
    assert_eq!(value.len(), 40);
    assert!(value.chars().all(|c| c.is_ascii_alphanumeric()), "{value}");

    world.lose_store();
    world.must_rest().await;
    assert_eq!(world.sim.secret_value("demo-web", "KEY").unwrap(), value);

    // Another world is another platform and another store, with the same key and the same spec.
    let elsewhere = running(World::of(&text)).await;
    assert_eq!(elsewhere.sim.secret_value("demo-web", "KEY").unwrap(), value);
    // Another master key makes another value.
    let mut other = World::of(&text);
    other.set("HANGAR_MASTER_KEY", "another-master-key-0123456789abcdef0123456789");
    let other = running(other).await;
    assert_ne!(other.sim.secret_value("demo-web", "KEY").unwrap(), value);
}

#[tokio::test(start_paused = true)]
async fn generated_secrets_differ_by_environment_component_name_and_generation() {
    let apps = "a: {image: 'r/i:1', secrets: {K: {generate: {}}, L: {generate: {}}, M: {generate: {charset: hex}}}}\nb: {image: 'r/i:1', secrets: {K: {generate: {}}}}";
    let one = demo(apps);
    let mut world = World::with(&[("demo.yaml", &one), ("other.yaml", &one.replace("name: demo", "name: other"))]);
    world.converge().await;
    let all = |world: &World| {
        let places = [
            ("demo-a", "K"),
            ("demo-a", "L"),
            ("demo-a", "M"),
            ("demo-b", "K"),
            ("other-a", "K"),
            ("other-a", "L"),
            ("other-b", "K"),
        ];
        places.map(|(app, name)| world.sim.secret_value(app, name).unwrap())
    };
    let first = all(&world);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), first.len());
    assert!(first[2].chars().all(|c| c.is_ascii_hexdigit()));

    world.edit("demo.yaml", "{K: {generate: {}}, L:", "{K: {generate: {generation: 2}}, L:");
    assert_eq!(
        world.planned_steps().await,
        ["set secrets of demo-a [~secrets.K]", "update machine app/iad/0 of demo-a [~secrets.K]"]
    );
    world.converge().await;
    let second = all(&world);
    assert_ne!(second[0], first[0]);
    assert_eq!(second[1..], first[1..], "nothing else is rotated");
    assert_eq!(world.live("demo-a", "K").as_ref(), Some(&second[0]));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_shared_by_reference_and_follows_its_source() {
    let apps = |generation: u32| {
        demo(&format!(
            "worker: {{image: 'r/w:1', secrets: {{S: {{generate: {{generation: {generation}}}}}}}}}\nserver: {{image: 'r/s:1', secrets: {{WORKER: {{value: 'token-${{{{ fly.worker.secrets.S }}}}'}}}}}}"
        ))
    };
    let mut world = running(World::of(&apps(1))).await;
    let value = world.live("demo-worker", "S").unwrap();
    assert_eq!(world.live("demo-server", "WORKER"), Some(format!("token-{value}")));

    world.respec(&apps(2));
    world.converge().await;

    let rotated = world.live("demo-worker", "S").unwrap();
    assert_ne!(rotated, value);
    assert_eq!(world.live("demo-server", "WORKER"), Some(format!("token-{rotated}")));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn all_changed_secrets_of_an_app_go_in_one_call_and_every_machine_takes_them() {
    // Machines may be given secrets that are a minute old, unless the update names the vault's version.
    let config = SimConfig { vault_lag: Duration::from_mins(1), ..SimConfig::default() };
    let mut world = World::configured(&[], config.with_org("acme", "sim_acme_token"));
    let text = format!(
        "{IMAGE}\ncount: 2\nsecrets: {{A: {{fromEnv: VALUE_A}}, B: {{fromEnv: VALUE_B}}, C: {{fromEnv: VALUE_C}}, D: {{generate: {{}}}}}}"
    );
    world.respec(&web(&text));
    for name in ["VALUE_A", "VALUE_B", "VALUE_C"] {
        world.set(name, &format!("first {name}"));
    }
    let mut world = running(world).await;

    world.set("VALUE_A", "second a");
    world.set("VALUE_B", "second b");

    assert_eq!(
        world.planned_steps().await,
        [
            "set secrets of demo-web [~secrets.A ~secrets.B]",
            "update machine app/iad/0 of demo-web [~secrets.A ~secrets.B]",
            "update machine app/iad/1 of demo-web [~secrets.A ~secrets.B]",
        ]
    );
    let written = world.written_by_reconcile().await;
    assert_eq!(written.iter().filter(|line| line.ends_with("/secrets")).count(), 1, "{written:#?}");
    assert_eq!(written[0], "POST /v1/apps/demo-web/secrets");
    for machine in world.sim.machines("demo-web") {
        let live = |name: &str| world.sim.live_secret_value("demo-web", &machine.id, name);
        assert_eq!(live("A").as_deref(), Some("second a"));
        assert_eq!(live("B").as_deref(), Some("second b"));
        assert_eq!(live("C").as_deref(), Some("first VALUE_C"));
    }
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_are_added_and_removed_and_those_of_others_stay() {
    let mut world = running(World::of(&with_secrets("A: {generate: {}}"))).await;
    world.sim.set_secret("demo-web", "BY_HAND", "kept").unwrap();

    world.respec(&with_secrets("A: {generate: {}}, B: {generate: {}}"));
    assert_eq!(
        world.planned_steps().await,
        ["set secrets of demo-web [+secrets.B]", "update machine app/iad/0 of demo-web [+secrets.B]"]
    );
    world.converge().await;
    assert_eq!(
        world.sim.secret_names("demo-web"),
        ["A", "BY_HAND", "B"].map(String::from).into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    assert!(world.live("demo-web", "B").is_some());
    world.must_rest().await;

    world.respec(&with_secrets("B: {generate: {}}"));
    assert_eq!(
        world.planned_steps().await,
        ["set secrets of demo-web [-secrets.A]", "update machine app/iad/0 of demo-web [-secrets.A]"]
    );
    world.converge().await;
    assert_eq!(world.sim.secret_names("demo-web"), ["B", "BY_HAND"]);
    assert_eq!(world.live("demo-web", "A"), None, "and the machine does not have it any more");
    world.must_rest().await;

    world.respec(&web(IMAGE));
    world.converge().await;
    assert_eq!(world.sim.secret_names("demo-web"), ["BY_HAND"]);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_somebody_changed_or_removed_is_put_right() {
    for removed in [false, true] {
        let mut world = running(World::of(&with_secrets("A: {generate: {}}, B: {generate: {}}"))).await;
        let value = world.sim.secret_value("demo-web", "A").unwrap();
        if removed {
            world.sim.unset_secret("demo-web", "A").unwrap();
        } else {
            world.sim.set_secret("demo-web", "A", "by hand").unwrap();
        }
        // It takes effect when somebody updates the machine.
        let id = world.only_machine("demo-web").id;
        world.sim.edit_machine_config("demo-web", &id, |_| ()).unwrap();
        world.pass_time(Duration::from_secs(5)).await;
        assert_ne!(world.live("demo-web", "A").as_ref(), Some(&value));
        // Also a run on another machine, with a store of its own, sees it.
        world.lose_store();

        let planned = world.diff().await;

        let sign = if removed { '+' } else { '~' };
        assert_eq!(
            steps(&planned),
            [
                format!("set secrets of demo-web [{sign}secrets.A]"),
                "update machine app/iad/0 of demo-web [~secrets.A]".to_owned()
            ]
        );
        if !removed {
            assert_eq!(planned.plan.steps[0].reason, "A changed outside of Hangar");
        }
        world.converge().await;
        assert_eq!(world.sim.secret_value("demo-web", "A").as_ref(), Some(&value));
        assert_eq!(world.live("demo-web", "A").as_ref(), Some(&value));
        world.must_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_whose_value_is_not_at_hand_blocks_its_app_and_nothing_else() {
    let apps = format!(
        "{}{}",
        component("api", &format!("{IMAGE}\nsecrets: {{TOKEN: {{fromEnv: NOT_SET}}}}")),
        component("web", IMAGE)
    );
    let mut world = World::of(&demo(&apps));

    let outcome = world.reconcile().await;

    assert_eq!(outcome.worst(), Verdict::Blocked);
    let held = held(&outcome.last);
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0].0, Reason::SecretUnavailable);
    assert!(held[0].1.contains("`NOT_SET` is not set") && held[0].1.contains("demo.yaml:"), "{}", held[0].1);
    assert_eq!(world.sim.machines("demo-api").len(), 0, "no machine starts without its secret");
    assert_eq!(world.only_machine("demo-web").state, "started");

    world.set("NOT_SET", "now it is");
    world.converge().await;
    assert_eq!(world.live("demo-api", "TOKEN").as_deref(), Some("now it is"));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_values_at_hand_a_running_app_stays_as_it_is() {
    let mut world = World::of(&with_secrets("TOKEN: {fromEnv: TOKEN}, KEY: {generate: {}}"));
    world.set("TOKEN", "t-1");
    let mut world = running(world).await;
    world.variables.variables.remove("TOKEN");
    world.variables.variables.remove("HANGAR_MASTER_KEY");

    world.must_rest().await;
    assert_eq!(noticed(&world.diff().await), [Reason::CannotCompare, Reason::CannotCompare]);
    assert_eq!(world.live("demo-web", "TOKEN").as_deref(), Some("t-1"));

    // Another change of the app goes through, and takes nothing from it.
    world.edit("demo.yaml", "demo:v1", "demo:v2");
    world.converge().await;
    assert_eq!(world.live("demo-web", "TOKEN").as_deref(), Some("t-1"));
    world.set("TOKEN", "t-1");
    world.set("HANGAR_MASTER_KEY", crate::world::MASTER_KEY);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_holds_an_address_is_written_once_the_address_is_known() {
    let apps = "db: {image: 'r/db:1', ips: {flycast: true}}\nweb: {image: 'r/web:1', secrets: {URL: {value: 'pg://app:${{ fly.web.secrets.PASSWORD }}@[${{ fly.db.ips.flycast }}]/app'}, PASSWORD: {generate: {}}}}";
    let mut world = World::of(&demo(apps));
    world.converge().await;

    let password = world.live("demo-web", "PASSWORD").unwrap();
    let address = world.sim.ips("demo-db").remove(0).ip;
    assert_eq!(world.live("demo-web", "URL"), Some(format!("pg://app:{password}@[{address}]/app")));
    world.must_rest().await;

    world.past_quarantine().await;
    world.sim.release_ip("demo-db", &address).unwrap();
    world.converge().await;
    let moved = world.sim.ips("demo-db").remove(0).ip;
    assert_ne!(moved, address);
    assert_eq!(world.live("demo-web", "URL"), Some(format!("pg://app:{password}@[{moved}]/app")));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_without_machines_keeps_its_secrets_for_later() {
    let text = |count: u32| web(&format!("{IMAGE}\ncount: {count}\nsecrets: {{A: {{generate: {{}}}}}}"));
    let mut world = running(World::of(&text(0))).await;
    assert_eq!(world.sim.secret_names("demo-web"), ["A"]);
    world.must_rest().await;

    world.respec(&text(1));
    world.converge().await;
    assert_eq!(world.live("demo-web", "A"), world.sim.secret_value("demo-web", "A"));
    world.must_rest().await;
}
