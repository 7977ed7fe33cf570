//! Every class of field, changed in the spec: the exact steps, the exact live state, and then rest.

use serde_json::{Value, json};

use crate::given::{bare_config, web};
use crate::world::World;

/// A change of one app's fields that machines take in place.
struct Change {
    /// What is changed.
    of: &'static str,
    /// The app's fields before, beside [`BASE`].
    from: &'static str,
    /// The app's fields after.
    to: &'static str,
    /// The fields that the one step names, each with `+`, `-` or `~`.
    fields: &'static str,
    /// Places in the machine's config, and what is there afterwards; null for nothing.
    live: Vec<(&'static str, Value)>,
}

const BASE: &str = "size: shared-cpu-1x\n";

const IMAGE: &str = "image: registry.fly.io/demo:v1\n";
const NONE: &str = IMAGE;

const SERVICE: &str = "image: registry.fly.io/demo:v1
ips: {v6: true}
services:
  - internalPort: 8080
    ports: [{port: 443, handlers: [http, tls]}]
";

fn changes() -> Vec<Change> {
    vec![
        Change {
            of: "the value of a variable",
            from: "image: registry.fly.io/demo:v1\nenv: {A: '1', B: x}",
            to: "image: registry.fly.io/demo:v1\nenv: {A: '2', B: x}",
            fields: "~env.A",
            live: vec![("/env/A", json!("2")), ("/env/B", json!("x"))],
        },
        Change {
            of: "a variable",
            from: NONE,
            to: "image: registry.fly.io/demo:v1\nenv: {A: '1'}",
            fields: "+env.A",
            live: vec![("/env/A", json!("1"))],
        },
        Change {
            of: "the tag of the image",
            from: NONE,
            to: "image: registry.fly.io/demo:v2",
            fields: "~image",
            live: vec![("/image", json!("registry.fly.io/demo:v2"))],
        },
        Change {
            of: "the digest of the image",
            from: "image: registry.fly.io/demo@sha256:1111111111111111111111111111111111111111111111111111111111111111",
            to: "image: registry.fly.io/demo@sha256:2222222222222222222222222222222222222222222222222222222222222222",
            fields: "~image",
            live: vec![],
        },
        Change {
            of: "a tag to a digest",
            from: NONE,
            to: "image: registry.fly.io/demo@sha256:2222222222222222222222222222222222222222222222222222222222222222",
            fields: "~image",
            live: vec![],
        },
        Change {
            of: "the size",
            from: NONE,
            to: "image: registry.fly.io/demo:v1\ncpu: {count: 2}\nmemory: 1GB",
            fields: "~guest.cpus ~guest.memory_mb",
            live: vec![("/guest", json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 1024}))],
        },
        Change {
            of: "the memory",
            from: NONE,
            to: "image: registry.fly.io/demo:v1\nmemory: 512MB",
            fields: "~guest.memory_mb",
            live: vec![("/guest/memory_mb", json!(512))],
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn a_changed_field_is_updated_in_place_and_its_way_back_too() {
    for Change { of, from, to, fields, live } in changes() {
        let (from, to) = (web(&format!("{BASE}{from}")), web(&format!("{BASE}{to}")));
        let mut world = World::running(&from).await;
        let before = world.machine_of("demo-web");

        world.respec(&to);

        assert_eq!(world.planned_steps().await, [format!("update machine app/iad/0 of demo-web [{fields}]")], "{of}");
        let path = format!("/v1/apps/demo-web/machines/{}", before.id);
        assert_eq!(
            world.written_by_reconcile().await,
            [format!("POST {path}/lease"), format!("POST {path}"), format!("DELETE {path}/lease")],
            "{of}"
        );
        let after = world.machine_of("demo-web");
        assert_eq!(
            (&after.id, after.versions, after.state.as_str()),
            (&before.id, before.versions + 1, "started"),
            "{of}"
        );
        for (place, expected) in live {
            assert_eq!(after.config.pointer(place).unwrap_or(&Value::Null), &expected, "{of}: {place}");
        }
        assert_eq!(bare_config(&after), fresh(&to).await, "{of}: as if it had been made like this");
        world.must_rest().await;

        world.respec(&from);
        world.must_converge().await;
        assert_eq!(bare_config(&world.machine_of("demo-web")), bare_config(&before), "{of}: and back");
        world.must_rest().await;
    }
}

/// The config of the machine in a world that was created with this spec.
async fn fresh(text: &str) -> Value {
    let world = World::running(text).await;
    bare_config(&world.machine_of("demo-web"))
}
