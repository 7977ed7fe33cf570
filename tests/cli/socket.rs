//! The program with its real HTTP client, against a simulator on a socket.

use crate::support::{CONTROLLER, Folder, SILENCE, Server, TOKEN, empty, environment};
use hangar::sim::SimConfig;

/// What may only read in `acme`.
const READ_ONLY: &str = "sim_acme_read_only";

#[test]
fn the_simulator_prints_its_address_and_serves_a_whole_run() {
    let server = Folder::with(&[]);
    let mut sim = server.start("sim --listen 127.0.0.1:0 --state world.json");
    let line = sim.wait_for("The Fly Machines API is simulated at http://127.0.0.1:");
    let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap().trim_end_matches('.');
    assert!(!url.ends_with(":0"), "{line}");

    let mut folder = Folder::with(&[("demo.yaml", &environment("demo", "schedule: daily"))]);
    folder.set("FLY_FLAPS_BASE_URL", &format!("http://{url}"));
    folder.set("FLY_API_TOKEN", "sim_anything");
    folder.run("reconcile --once").ended(0).says(&["✓ demo  as desired (2 changes)"]);
    folder
        .run("reconcile --once")
        .ended(0)
        .says(&["Nothing changed: 1 environment is as desired (", "requests, all reads"]);
    folder.run("status").ended(0).says(&["demo-web", "registry.fly.io/demo:v1"]);

    sim.signal("TERM");
    let (code, _) = sim.end_within(SILENCE);
    assert_eq!(code, Some(0));
    assert!(server.read("world.json").contains("demo-web"), "the state was saved at the end");
    server.run("sim --listen 0.0.0.0:0").ended(1).says(&["listens only on this machine"]);
}

#[test]
fn the_simulator_lets_things_go_wrong_as_it_is_told_and_logs_it() {
    let faults =
        "faults:\n- matches: {method: POST, path: /v1/apps}\n  times: 1\n  kind: {status_after: {status: 500}}\n";
    let server = Folder::with(&[("faults.yaml", faults)]);
    let mut sim =
        server.start("sim --listen 127.0.0.1:0 --faults faults.yaml --profile calm --request-log requests.jsonl");
    let line = sim.wait_for("The Fly Machines API is simulated at http://127.0.0.1:");
    let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap().trim_end_matches('.');

    let mut folder = Folder::with(&[("demo.yaml", &empty("demo"))]);
    folder.set("FLY_FLAPS_BASE_URL", &format!("http://{url}"));
    folder.set("FLY_API_TOKEN", "sim_anything");
    folder.run("reconcile --once").ended(0).says(&["✓ demo  as desired"]);
    sim.signal("TERM");
    assert_eq!(sim.end_within(SILENCE).0, Some(0));

    let log = server.read("requests.jsonl");
    let requests: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let creations: Vec<_> = requests.iter().filter(|request| request["method"] == "POST").collect();
    assert_eq!(creations.len(), 1, "{log}");
    let (status, effect) = (&creations[0]["status"], &creations[0]["effect"]);
    assert_eq!((status.as_u64(), effect.as_bool()), (Some(500), Some(true)));
    assert_eq!(creations[0]["faults"], serde_json::json!(["status_after 500", "latency"]));
    assert!(requests.iter().all(|request| request["faults"].as_array().unwrap().contains(&"latency".into())), "{log}");
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    let folder = Folder::with(&[("demo.yaml", &empty("demo")), ("bad.yaml", "faults:\n- {kind: sunny}\n")]);
    folder.run("sim --faults bad.yaml").ended(1).says(&["bad.yaml: line 2", "sunny", "docs/simulator.md"]);
    folder.run("sim --faults none.yaml").ended(1).says(&["none.yaml"]);
    folder.run("sim --profile sunny").ended(2).says(&["sunny", "calm, flaky, storm, outage, split, hostile"]);
    folder.run("diff --sim-faults calm").ended(2).says(&["--sim"]);
    folder.run("diff --sim --sim-faults sunny").ended(1).says(&["no such profile", "calm, flaky, storm"]);
    folder.run("diff --sim --sim-faults bad.yaml").ended(1).says(&["bad.yaml: line 2"]);
    folder.run("reconcile --once --sim --sim-faults calm demo.yaml").ended(0).says(&["✓ demo  as desired"]);
}

#[test]
fn a_second_run_only_reads() {
    let server = Server::start();
    let mut folder =
        Folder::with(&[("demo.yaml", &environment("demo", "schedule: daily\nsecrets: {A: {generate: {}}}"))]);
    folder.use_server(&server);
    folder.run("reconcile --once").ended(0).says(&["✓ demo  as desired (3 changes)"]);
    assert_eq!(server.sim.machines("demo-web").len(), 1);
    server.sim.clear_requests();
    let again = folder.run("reconcile --once").ended(0).says(&["Nothing changed"]);
    assert_eq!(server.writes(), Vec::<String>::new());
    let told = format!("({} requests, all reads,", server.sim.reads());
    assert!(again.out.contains(&told), "no `{told}` in\n{}", again.out);
}

#[test]
fn a_token_that_may_only_read_is_enough_to_look() {
    let server = Server::configured(SimConfig::default().with_read_only_token("acme", READ_ONLY));
    let mut folder = Folder::with(&[("demo.yaml", &empty("demo"))]);
    folder.use_server(&server);
    folder.set("FLY_API_TOKEN", READ_ONLY);
    folder.run("diff").ended(2).says(&["+ create   app demo-web", "requests, all reads"]);
    folder.run("reconcile --once").ended(1).says(&[
        "✗ demo  failed",
        "the token in `FLY_API_TOKEN` may not do this",
        "check that the token belongs to this organization",
        "Failed: 1 environment: 1 failed",
    ]);
    assert_eq!(server.sim.apps(), []);
    folder.set("FLY_API_TOKEN", TOKEN);
    folder.run("reconcile --once").ended(0);
    folder.set("FLY_API_TOKEN", READ_ONLY);
    folder.run("diff").ended(0);
    folder.run("status").ended(0).says(&["demo-web"]);
}

#[test]
fn a_wrong_token_is_told_at_once_by_every_command() {
    let server = Server::start();
    let mut folder = Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &empty("demo"))]);
    folder.use_server(&server);
    folder.set("FLY_API_TOKEN", "planted-wrong-token");
    for command in ["diff", "status", "reconcile --once", "gc", "gc --dry-run", "destroy --env demo --yes"] {
        folder
            .run(command)
            .ended(1)
            .says(&[
                "Fly does not accept the token in `FLY_API_TOKEN`",
                "make a new organization token with `fly tokens create org`",
            ])
            .never_says(&["planted-wrong-token", "panicked"]);
    }
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[test]
fn without_a_server_nothing_happens_and_it_says_so() {
    let server = Server::start();
    let mut folder =
        Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &empty("demo")), ("other.yaml", &empty("other"))]);
    folder.use_server(&server);
    folder.run("reconcile --once").ended(0);
    folder.remove("other.yaml");
    // Nobody listens at the port any more; the platform itself is still there.
    let sim = server.sim.clone();
    drop(server);
    folder
        .run("reconcile --once --patience 1s")
        .ended(1)
        .says(&["✗ demo  failed", "no connection to `127.0.0.1:", "check the network", "the address of the API"])
        .never_says(&["panicked"]);
    assert_eq!(sim.apps().len(), 2);
}
