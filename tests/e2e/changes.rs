//! Every class of field, changed in the spec: the exact steps, the exact live state, and then rest.

use serde_json::{Value, json};

use crate::given::{bare_config, web};
use crate::world::World;

/// A change of one app's fields that its machine takes in place.
struct Change {
    /// What is changed.
    of: &'static str,
    /// The app's fields before, beside [`IMAGE`].
    from: &'static str,
    /// The app's fields after.
    to: &'static str,
    /// The fields that the one step names, each with `+`, `-` or `~`.
    fields: &'static str,
    /// Places in the machine's config, and what is there afterwards; null for nothing.
    live: Vec<(&'static str, Value)>,
}

const fn change(
    of: &'static str,
    from: &'static str,
    to: &'static str,
    fields: &'static str,
    live: Vec<(&'static str, Value)>,
) -> Change {
    Change { of, from, to, fields, live }
}

const IMAGE: &str = "image: registry.fly.io/demo:v1";

/// A service on port 8080 with these further fields, and one public port with these.
macro_rules! service {
    ($fields:literal, $port:literal) => {
        concat!(
            "image: registry.fly.io/demo:v1\nips: {v6: true}\nservices: [{internalPort: 8080, ",
            $fields,
            "ports: [{",
            $port,
            "}]}]"
        )
    };
}

/// An app with the usual image and these further fields.
macro_rules! app {
    ($fields:literal) => {
        concat!("image: registry.fly.io/demo:v1\n", $fields)
    };
}

const HTTPS: &str = service!("", "port: 443, handlers: [http, tls]");

fn images_and_variables() -> Vec<Change> {
    const ONE: &str =
        "image: 'registry.fly.io/demo@sha256:1111111111111111111111111111111111111111111111111111111111111111'";
    const TWO: &str =
        "image: 'registry.fly.io/demo@sha256:2222222222222222222222222222222222222222222222222222222222222222'";
    vec![
        change(
            "the value of a variable",
            app!("env: {A: '1', B: x}"),
            app!("env: {A: '2', B: x}"),
            "~env.A",
            vec![("/env/A", json!("2")), ("/env/B", json!("x"))],
        ),
        change("a new variable", IMAGE, app!("env: {A: '1'}"), "+env.A", vec![("/env/A", json!("1"))]),
        change(
            "variables that go and come",
            app!("env: {A: '1', B: '2'}"),
            app!("env: {B: '2', C: '3'}"),
            "-env.A +env.C",
            vec![("/env/A", Value::Null), ("/env/C", json!("3"))],
        ),
        change(
            "the tag of the image",
            IMAGE,
            "image: registry.fly.io/demo:v2",
            "~image",
            vec![("/image", json!("registry.fly.io/demo:v2"))],
        ),
        change("the digest of the image", ONE, TWO, "~image", vec![]),
        change("from a tag to a digest", IMAGE, TWO, "~image", vec![]),
        change("the repository", IMAGE, "image: docker.io/library/nginx:v1", "~image", vec![]),
        change(
            "the size",
            app!("size: shared-cpu-1x"),
            app!("size: shared-cpu-2x"),
            "~guest.cpus ~guest.memory_mb",
            vec![("/guest", json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 512}))],
        ),
        change(
            "a size where there was none",
            IMAGE,
            app!("size: performance-1x"),
            "~guest.cpu_kind ~guest.memory_mb",
            vec![("/guest", json!({"cpu_kind": "performance", "cpus": 1, "memory_mb": 2048}))],
        ),
        change(
            "the memory",
            app!("memory: 512MB"),
            app!("memory: 1GB"),
            "~guest.memory_mb",
            vec![("/guest/memory_mb", json!(1024))],
        ),
        change(
            "the number of processors",
            app!("memory: 1GB"),
            app!("memory: 1GB\ncpu: {count: 2}"),
            "~guest.cpus",
            vec![("/guest/cpus", json!(2))],
        ),
        change(
            "kernel arguments",
            app!("size: shared-cpu-1x"),
            app!("size: shared-cpu-1x\nkernelArgs: [quiet]"),
            "+guest.kernel_args",
            vec![("/guest/kernel_args", json!(["quiet"]))],
        ),
    ]
}

fn services_and_checks() -> Vec<Change> {
    vec![
        change(
            "a public port",
            HTTPS,
            service!("", "port: 8443, handlers: [http, tls]"),
            "+services[tcp:8080].ports[8443] -services[tcp:8080].ports[443]",
            vec![("/services/0/ports/0/port", json!(8443))],
        ),
        change(
            "a range of ports",
            HTTPS,
            service!("", "startPort: 1000, endPort: 1010"),
            "+services[tcp:8080].ports[1000-1010] -services[tcp:8080].ports[443]",
            vec![("/services/0/ports/0/start_port", json!(1000))],
        ),
        change(
            "the handlers",
            HTTPS,
            service!("", "port: 443, handlers: [tls]"),
            "~services[tcp:8080].ports[443].handlers",
            vec![("/services/0/ports/0/handlers", json!(["tls"]))],
        ),
        change(
            "the handlers to none",
            HTTPS,
            service!("", "port: 443"),
            "-services[tcp:8080].ports[443].handlers",
            vec![("/services/0/ports/0/handlers", Value::Null)],
        ),
        change(
            "PostgreSQL's TLS",
            service!("", "port: 5432"),
            service!("", "port: 5432, handlers: [pg_tls]"),
            "+services[tcp:8080].ports[5432].handlers",
            vec![("/services/0/ports/0/handlers", json!(["pg_tls"]))],
        ),
        change(
            "force HTTPS",
            service!("", "port: 80, handlers: [http]"),
            service!("", "port: 80, handlers: [http], forceHttps: true"),
            "+services[tcp:8080].ports[80].force_https",
            vec![("/services/0/ports/0/force_https", json!(true))],
        ),
        change(
            "TLS options",
            HTTPS,
            service!("", "port: 443, handlers: [http, tls], tlsOptions: {alpn: [h2], versions: [TLSv1.3]}"),
            "+services[tcp:8080].ports[443].tls_options.alpn +services[tcp:8080].ports[443].tls_options.versions",
            vec![("/services/0/ports/0/tls_options", json!({"alpn": ["h2"], "versions": ["TLSv1.3"]}))],
        ),
        change(
            "HTTP options",
            HTTPS,
            service!(
                "",
                "port: 443, handlers: [http, tls], httpOptions: {compress: true, response: {headers: {X-A: b}}}"
            ),
            "+services[tcp:8080].ports[443].http_options.compress +services[tcp:8080].ports[443].http_options.response.headers.X-A",
            vec![("/services/0/ports/0/http_options/response/headers/X-A", json!("b"))],
        ),
        change(
            "the port inside",
            HTTPS,
            "image: registry.fly.io/demo:v1\nips: {v6: true}\nservices: [{internalPort: 9090, ports: [{port: 443, handlers: [http, tls]}]}]",
            "+services[tcp:9090] -services[tcp:8080]",
            vec![("/services/0/internal_port", json!(9090)), ("/services/1", Value::Null)],
        ),
        change(
            "another service",
            HTTPS,
            "image: registry.fly.io/demo:v1\nips: {v6: true}\nservices: [{internalPort: 8080, ports: [{port: 443, handlers: [http, tls]}]}, {internalPort: 9000, ports: [{port: 9000}]}]",
            "+services[tcp:9000]",
            vec![("/services/1/internal_port", json!(9000))],
        ),
        change(
            "the first service",
            "image: registry.fly.io/demo:v1\nips: {v6: true}",
            HTTPS,
            "+services[tcp:8080]",
            vec![("/services/0/internal_port", json!(8080))],
        ),
        change(
            "autostop",
            service!("autostop: 'off', ", "port: 443, handlers: [http, tls]"),
            service!("autostop: stop, ", "port: 443, handlers: [http, tls]"),
            "~services[tcp:8080].autostop",
            vec![("/services/0/autostop", json!(true))],
        ),
        change(
            "autostop by suspension",
            HTTPS,
            service!("autostop: suspend, ", "port: 443, handlers: [http, tls]"),
            "+services[tcp:8080].autostop",
            vec![("/services/0/autostop", json!("suspend"))],
        ),
        change(
            "autostart",
            HTTPS,
            service!("autostart: false, ", "port: 443, handlers: [http, tls]"),
            "+services[tcp:8080].autostart",
            vec![("/services/0/autostart", json!(false))],
        ),
        change(
            "machines that stay up",
            HTTPS,
            service!("minMachinesRunning: 2, ", "port: 443, handlers: [http, tls]"),
            "+services[tcp:8080].min_machines_running",
            vec![("/services/0/min_machines_running", json!(2))],
        ),
        change(
            "concurrency",
            service!("concurrency: {type: requests, softLimit: 10}, ", "port: 443, handlers: [http, tls]"),
            service!(
                "concurrency: {type: requests, softLimit: 20, hardLimit: 40}, ",
                "port: 443, handlers: [http, tls]"
            ),
            "+services[tcp:8080].concurrency.hard_limit ~services[tcp:8080].concurrency.soft_limit",
            vec![("/services/0/concurrency", json!({"type": "requests", "soft_limit": 20, "hard_limit": 40}))],
        ),
        change(
            "a service's check",
            service!(
                "checks: [{type: http, path: /, interval: 15s, timeout: 2s}], ",
                "port: 443, handlers: [http, tls]"
            ),
            service!(
                "checks: [{type: http, path: /, interval: 30s, timeout: 2s}], ",
                "port: 443, handlers: [http, tls]"
            ),
            "~services[tcp:8080].checks",
            vec![("/services/0/checks/0/interval", json!("30s"))],
        ),
        change(
            "a service's first check",
            HTTPS,
            service!("checks: [{type: tcp, interval: 90s, timeout: 2s}], ", "port: 443, handlers: [http, tls]"),
            "+services[tcp:8080].checks",
            vec![("/services/0/checks/0/timeout", json!("2s"))],
        ),
        change(
            "a check of the machine",
            app!("checks: {up: {type: tcp, port: 8080, interval: 15s, timeout: 2s}}"),
            app!("checks: {up: {type: tcp, port: 8081, interval: 15s, timeout: 2s}}"),
            "~checks.up.port",
            vec![("/checks/up/port", json!(8081))],
        ),
        change(
            "another check of the machine",
            app!("checks: {up: {type: tcp, port: 8080, interval: 15s, timeout: 2s}}"),
            app!(
                "checks: {up: {type: tcp, port: 8080, interval: 15s, timeout: 2s}, ready: {type: http, port: 8080, path: /r, kind: readiness, interval: 1m30s, timeout: 1500ms}}"
            ),
            "+checks.ready.interval +checks.ready.kind +checks.ready.path +checks.ready.port +checks.ready.timeout +checks.ready.type",
            vec![("/checks/ready/interval", json!("1m30s")), ("/checks/ready/timeout", json!("1.5s"))],
        ),
    ]
}

fn everything_else() -> Vec<Change> {
    vec![
        change(
            "the restart policy",
            app!("restart: {policy: on-failure, maxRetries: 3}"),
            app!("restart: {policy: always}"),
            "-restart.max_retries ~restart.policy",
            vec![("/restart", json!({"policy": "always"}))],
        ),
        change(
            "how it is stopped",
            app!("stop: {signal: SIGTERM, timeout: 30s}"),
            app!("stop: {signal: SIGTERM, timeout: 1m}"),
            "~stop_config.timeout",
            vec![("/stop_config", json!({"signal": "SIGTERM", "timeout": "1m0s"}))],
        ),
        change(
            "how it is stopped, for the first time",
            IMAGE,
            app!("stop: {signal: SIGTERM}"),
            "+stop_config.signal",
            vec![("/stop_config/signal", json!("SIGTERM"))],
        ),
        change(
            "the content of a file",
            app!("files: [{path: /etc/a, content: one}]"),
            app!("files: [{path: /etc/a, content: two}]"),
            "~files[/etc/a].raw_value",
            vec![("/files/0/raw_value", json!("dHdv"))],
        ),
        change(
            "another file",
            app!("files: [{path: /etc/a, content: one}]"),
            app!("files: [{path: /etc/a, content: one}, {path: /etc/b, content: two, mode: 0o600}]"),
            "+files[/etc/b]",
            vec![("/files/1/mode", json!(0o600))],
        ),
        change(
            "metrics",
            app!("metrics: {port: 9091, path: /metrics}"),
            app!("metrics: {port: 9092, path: /metrics}"),
            "~metrics.port",
            vec![("/metrics/port", json!(9092))],
        ),
        change(
            "statics",
            app!("statics: [{path: /app/a, urlPrefix: /a}]"),
            app!("statics: [{path: /app/a, urlPrefix: /b}]"),
            "~statics[/app/a].url_prefix",
            vec![("/statics/0/url_prefix", json!("/b"))],
        ),
        change(
            "name resolution",
            IMAGE,
            app!("dns: {nameservers: ['fdaa::3'], skipRegistration: true}"),
            "+dns.nameservers +dns.skip_registration",
            vec![("/dns/nameservers/0", json!("fdaa::3"))],
        ),
        change(
            "the command",
            app!("command: serve --port 80"),
            app!("command: [serve, --port, '81']"),
            "~init.cmd",
            vec![("/init/cmd", json!(["serve", "--port", "81"]))],
        ),
        change(
            "the entrypoint",
            IMAGE,
            app!("entrypoint: [bin/entry]"),
            "+init.entrypoint",
            vec![("/init/entrypoint", json!(["bin/entry"]))],
        ),
        change("swap", IMAGE, app!("swap: 512MB"), "+init.swap_size_mb", vec![("/init/swap_size_mb", json!(512))]),
        change(
            "a container's image",
            app!("containers: [{name: main, image: 'a:1'}, {name: db, image: 'pg:1'}]"),
            app!("containers: [{name: main, image: 'a:2'}, {name: db, image: 'pg:1'}]"),
            "~containers[main].image",
            vec![("/containers/0/image", json!("a:2"))],
        ),
        change(
            "another container",
            app!("containers: [{name: main, image: 'a:1'}]"),
            app!("containers: [{name: main, image: 'a:1'}, {name: db, image: 'pg:1', env: {A: b}}]"),
            "+containers[db]",
            vec![("/containers/1/env/A", json!("b"))],
        ),
        change(
            "a container's health check",
            app!(
                "containers: [{name: main, image: 'a:1', healthchecks: [{name: up, tcp: {port: 80}, interval: 10s}]}]"
            ),
            app!(
                "containers: [{name: main, image: 'a:1', healthchecks: [{name: up, tcp: {port: 81}, interval: 10s}]}]"
            ),
            "~containers[main].healthchecks[up].tcp.port",
            vec![("/containers/0/healthchecks/0/tcp/port", json!(81))],
        ),
        change(
            "a process in the machine",
            app!("processesInVm: [{command: a}]"),
            app!("processesInVm: [{command: b}]"),
            "~processes",
            vec![("/processes/0/cmd", json!(["b"]))],
        ),
        change(
            "the root file system",
            IMAGE,
            app!("rootfs: {persist: restart, size: 20GB}"),
            "+rootfs.persist +rootfs.size_gb",
            vec![("/rootfs", json!({"persist": "restart", "size_gb": 20}))],
        ),
        change(
            "the cache drive",
            app!("cacheDrive: {size: 1GB}"),
            app!("cacheDrive: {size: 2GB}"),
            "~cache_drive.size_mb",
            vec![("/cache_drive/size_mb", json!(2048))],
        ),
        change(
            "spare capacity",
            IMAGE,
            app!("spot: {maxPriceFraction: 0.5}"),
            "+spot.max_price_fraction",
            vec![("/spot/max_price_fraction", json!(0.5))],
        ),
        change(
            "a raw field",
            IMAGE,
            app!("machine: {new_feature: {level: 3, on: true}}"),
            "+new_feature.level +new_feature.on",
            vec![("/new_feature", json!({"level": 3, "on": true}))],
        ),
        change(
            "a raw field over a typed one",
            app!("env: {A: '1'}"),
            app!("env: {A: '1'}\nmachine: {env: {A: '2'}}"),
            "~env.A",
            vec![("/env/A", json!("2"))],
        ),
        change(
            "where the volume is mounted",
            app!("volumes: {data: {size: 1GB, mount: /data}}"),
            app!("volumes: {data: {size: 1GB, mount: /var/data}}"),
            "~mounts[/data].path",
            vec![("/mounts/0/path", json!("/var/data"))],
        ),
        change(
            "when the volume grows by itself",
            app!("volumes: {data: {size: 1GB, mount: /data}}"),
            app!(
                "volumes: {data: {size: 1GB, mount: /data, autoExtend: {threshold: 80, increment: 1GB, limit: 10GB}}}"
            ),
            "+mounts[/data].add_size_gb +mounts[/data].extend_threshold_percent +mounts[/data].size_gb_limit",
            vec![("/mounts/0/size_gb_limit", json!(10))],
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn images_variables_and_sizes_change_in_place() {
    for change in images_and_variables() {
        there_and_back(change).await;
    }
}

#[tokio::test(start_paused = true)]
async fn services_and_checks_change_in_place() {
    for change in services_and_checks() {
        there_and_back(change).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_other_field_of_a_machine_changes_in_place() {
    for change in everything_else() {
        there_and_back(change).await;
    }
}

/// One step, one update under a lease, the machine as if it had been made like this, and rest; then the same way back.
async fn there_and_back(Change { of, from, to, fields, live }: Change) {
    let (from, to) = (web(from), web(to));
    let mut world = World::running(&from).await;
    let before = world.only_machine("demo-web");

    world.respec(&to);

    assert_eq!(world.planned_steps().await, [format!("update machine app/iad/0 of demo-web [{fields}]")], "{of}");
    let path = format!("/v1/apps/demo-web/machines/{}", before.id);
    assert_eq!(
        world.written_by_reconcile().await,
        [format!("POST {path}/lease"), format!("POST {path}"), format!("DELETE {path}/lease")],
        "{of}"
    );
    let after = world.only_machine("demo-web");
    let lived_on = (&after.id, after.versions, after.state.as_str());
    assert_eq!(lived_on, (&before.id, before.versions + 1, "started"), "{of}");
    for (place, expected) in live {
        assert_eq!(after.config.pointer(place).unwrap_or(&Value::Null), &expected, "{of}: {place}");
    }
    assert_eq!(bare_config(&after), fresh(&to).await, "{of}: as if it had been made like this");
    world.must_rest().await;

    world.respec(&from);
    world.converge().await;
    assert_eq!(bare_config(&world.only_machine("demo-web")), bare_config(&before), "{of}: and back");
    world.must_rest().await;
}

/// The config of the machine in a world that was created with this spec.
async fn fresh(text: &str) -> Value {
    let world = World::running(text).await;
    bare_config(&world.only_machine("demo-web"))
}
