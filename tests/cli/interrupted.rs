//! Runs that are ended from outside, and the daemon.

use std::time::Duration;

use hangar::sim::SimConfig;

use crate::support::{CONTROLLER, Folder, SILENCE, Server, empty, environment};

/// Much less than a slow image takes to boot, and much more than a busy machine needs to end a program.
const AT_ONCE: Duration = Duration::from_secs(12);

#[test]
fn a_run_that_is_told_to_stop_ends_at_once_and_the_next_one_goes_on() {
    let server = Server::configured(SimConfig { slow_boot: Duration::from_secs(40), ..SimConfig::default() });
    let mut folder = Folder::with(&[("demo.yaml", &environment("demo", "").replace("demo:v1", "demo:slow"))]);
    folder.use_server(&server);
    let mut run = folder.start("reconcile --once");
    run.wait_for("wait for machine app/iad/0");
    run.signal("TERM");
    let (code, all) = run.end_within(AT_ONCE);
    assert_eq!(code, Some(3), "{all}");
    for text in [
        "stopping: steps under way are finished, no new one begins",
        "the run is stopping",
        "Not converged: 1 environment",
    ] {
        assert!(all.contains(text), "no `{text}` in\n{all}");
    }
    // What was under way is taken up: no second machine.
    let machine = server.sim.machines("demo-web").remove(0);
    folder.edit("demo.yaml", "demo:slow", "demo:v2");
    let mut next = folder.start("reconcile --once");
    next.wait_for("demo");
    let (code, all) = next.end_within(SILENCE);
    assert_eq!(code, Some(0), "{all}");
    let machines = server.sim.machines("demo-web");
    assert_eq!(machines.iter().map(|machine| &machine.id).collect::<Vec<_>>(), [&machine.id]);
}

#[test]
fn a_run_that_only_waits_is_left_at_once() {
    let server = Server::start();
    let volume = "volumes: {data: {size: 1GB, mount: /data}}";
    let mut folder = Folder::with(&[("demo.yaml", &environment("demo", volume))]);
    folder.use_server(&server);
    // Somebody else's run has begun: with an empty store nothing that could be there twice is made for a while.
    folder.run("reconcile --once --patience 0s");
    std::fs::remove_dir_all(folder.path(".hangar")).unwrap();
    server.sim.apps().iter().for_each(|app| assert_eq!(app.name, "demo-web"));
    let mut run = folder.start("reconcile --once");
    run.wait_for("waiting");
    run.signal("INT");
    let (code, all) = run.end_within(AT_ONCE);
    assert_eq!(code, Some(3), "{all}");
    assert!(all.contains("Quarantine"), "{all}");
}

#[test]
fn killed_before_anything_was_remembered_it_makes_nothing_twice() {
    let server = Server::configured(SimConfig { boot: Duration::from_secs(2), ..SimConfig::default() });
    let mut folder = Folder::with(&[("demo.yaml", &environment("demo", "count: 2\nsecrets: {A: {generate: {}}}"))]);
    folder.use_server(&server);
    let mut run = folder.start("reconcile --once");
    run.wait_for("create machine app/iad/0 … done");
    run.signal("KILL");
    let (code, _) = run.end_within(SILENCE);
    assert_eq!(code, None, "ended by the signal");
    std::fs::remove_dir_all(folder.path(".hangar")).unwrap();

    folder.run("reconcile --once").ended(0);
    let machines = server.sim.machines("demo-web");
    let mut slots: Vec<_> = machines.iter().map(|machine| machine.name.clone()).collect();
    slots.sort();
    slots.dedup();
    assert_eq!((machines.len(), slots.len()), (2, 2), "{machines:#?}");
    server.sim.clear_requests();
    folder.run("reconcile --once").ended(0).says(&["Nothing changed"]);
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[test]
fn the_daemon_converges_follows_its_files_and_ends_when_it_is_told() {
    let server = Server::start();
    let mut folder =
        Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", "schedule: daily"))]);
    folder.use_server(&server);
    let mut daemon = folder.start("reconcile");
    daemon.wait_for("as desired");
    assert_eq!(server.sim.machines("demo-web").len(), 1);

    folder.edit("demo.yaml", "demo:v1", "demo:v2");
    daemon.wait_for("update machine app/iad/0 … done");
    daemon.wait_for("as desired");
    let image = server.sim.machines("demo-web")[0].config["image"].clone();
    assert_eq!(image, "registry.fly.io/demo:v2");

    folder.write("other.yaml", empty("other"));
    daemon.wait_for("create app other-web … done");

    // A mistake is told, and nothing of what is there is touched.
    folder.write("demo.yaml", "kind: Nothing\n");
    daemon.wait_for("could not be read");
    assert_eq!(server.sim.apps().len(), 2);

    daemon.signal("TERM");
    let (code, all) = daemon.end_within(AT_ONCE);
    assert_eq!(code, Some(0), "{all}");
    assert!(all.contains("stopping: steps under way are finished"), "{all}");
}
