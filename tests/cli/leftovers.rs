//! What is not ours and looks like it, and what older tooling has left, from the command line.

use serde_json::json;

use crate::support::{CONTROLLER, Folder, Server, empty, policy};

/// A server on which another tool has left two previews and a third app.
fn server() -> Server {
    let server = Server::start();
    for app in ["pr-1-server", "pr-2-server", "data"] {
        server.sim.create_app("acme", app, "").unwrap();
    }
    let config =
        json!({"image": "registry.fly.io/old:v1", "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}});
    server.sim.create_machine("pr-1-server", &config, "iad").unwrap();
    server.sim.create_volume("pr-2-server", "old", "iad", 10).unwrap();
    server
}

fn folder(server: &Server) -> Folder {
    let mut folder = Folder::with(&[
        ("hangar.yaml", CONTROLLER),
        ("demo.yaml", &empty("demo")),
        ("policy.yaml", &policy("grace: 1s")),
    ]);
    folder.use_server(server);
    folder
}

#[test]
fn what_looks_like_ours_is_listed_and_never_touched() {
    let server = server();
    let folder = folder(&server);
    folder.run("gc --unowned").ended(0).says(&["No app that is not ours looks like one of ours"]);
    server.sim.create_app("acme", "demo-web", "").unwrap();
    folder.run("gc --unowned").ended(0).says(&["demo-web", "it carries no marker of ours", "never deleted"]);
    let listed = folder.run("gc --unowned --pattern pr-*-server").ended(0);
    listed.says(&[
        "pr-1-server",
        "pr-2-server",
        "1 (10GB)",
        "$1.94",
        "2 apps with 1 machine and 1 volume, $3.44 a month",
    ]);
    let listed = folder.run("gc --unowned --pattern pr-*-server --format json").ended(0).json();
    assert_eq!((&listed["apps"][1]["name"], &listed["apps"][1]["volumesGb"]), (&json!("pr-2-server"), &json!(10)));
    assert_eq!(listed["apps"][0]["costPerMonth"], "1.94");
    folder.run("gc --unowned --pattern pr-*-server --format markdown").ended(0).says(&["| `pr-1-server` | acme |"]);
    folder.run("gc --unowned --pattern *").ended(1).says(&["it fits every app"]);
    folder.run("gc --pattern pr-*").ended(2).says(&["--unowned"]);
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[test]
fn what_older_tooling_has_left_is_adopted_by_the_code_of_its_list_only() {
    let server = server();
    let folder = folder(&server);
    let seen = folder.run("gc --adopt pr-*-server").ended(2);
    let seen = seen.says(&["pr-1-server", "pr-2-server", "To adopt: 2 apps", "marks exactly these 2 apps"]);
    let code = seen.out.split("--acknowledge ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    assert_eq!(folder.run("gc --adopt pr-*-server --format json").ended(2).json()["code"], code.as_str());
    // A dry run stays one, whatever is acknowledged.
    folder.run(&format!("gc --adopt pr-*-server --acknowledge {code} --dry-run")).ended(2);
    for wrong in ["--adopt *", "--adopt pr-?", "--adopt pr-* --at +1h", "--adopt pr-* --allow-mass-delete"] {
        assert!([Some(1), Some(2)].contains(&folder.run(&format!("gc {wrong}")).code), "{wrong}");
    }
    folder.run("gc --adopt pr-*-server --acknowledge 0123456789ab").ended(3).says(&["ApprovalRequired", "look at"]);
    assert_eq!(server.writes(), Vec::<String>::new());
    let done = folder.run(&format!("gc --adopt pr-*-server --acknowledge {code}")).ended(0);
    done.says(&["app pr-1-server", "it is collected after its grace"]);
    assert_eq!(server.writes().len(), 2, "{:?}", server.writes());
    assert_eq!(server.sim.machines("pr-1-server")[0].metadata("hangar_env"), Some("pr-1-server"));
    folder.run("gc --adopt data-*").ended(0).says(&["Nothing to adopt"]);
    folder.run("gc --dry-run").ended(2).says(&["pr-1-server"]).never_says(&["app data"]);
}
