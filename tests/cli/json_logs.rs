//! `--log-format json`: whoever reads standard error gets JSON lines and nothing else.

use serde_json::Value;

use crate::support::{CONTROLLER, Folder, SILENCE, Server, empty, environment};

/// Every line as JSON.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\nin\n{text}"));
    text.lines().map(parse).collect()
}

fn messages(lines: &[Value]) -> String {
    let all: Vec<&str> = lines.iter().filter_map(|line| line.pointer("/fields/message")?.as_str()).collect();
    all.join("\n")
}

#[test]
fn notes_warnings_and_errors_are_lines_of_json() {
    let demo = environment("demo", "schedule: daily\nsecrets: {A: {generate: {}}}");
    let folder = Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &demo)]);
    let cases = [
        ("reconcile --once --sim", 0, "INFO", "note: the simulator has stand-ins for HANGAR_MASTER_KEY"),
        ("reconcile --once --sim --log nonsense=wrong", 0, "WARN", "`nonsense=wrong` is no filter for logs"),
        ("status --sim --env dmeo", 1, "ERROR", "there is no environment `dmeo`: did you mean `demo`?"),
        ("destroy --sim --env demo", 1, "ERROR", "add `--yes` where nobody can be asked"),
        ("destroy --sim --env demo --yes", 0, "INFO", "note: the specs still ask for `demo`"),
    ];
    for (command, code, level, text) in cases {
        let ran = folder.run(&format!("{command} --log-format json")).ended(code);
        let lines = lines(&ran.err);
        let said = lines.iter().find(|line| messages(std::slice::from_ref(line)).contains(text));
        let said = said.unwrap_or_else(|| panic!("{command}: no `{text}` in\n{}", ran.err));
        assert_eq!(said["level"], level, "{command}");
        assert!(said["timestamp"].as_str().unwrap().ends_with('Z'), "{said}");
    }
    folder.edit("demo.yaml", "image:", "imagge:");
    let ran = folder.run("diff --sim --log-format json").ended(1);
    let lines = lines(&ran.err);
    let place = lines.iter().map(|line| &line["fields"]).find(|fields| fields["file"] == "demo.yaml").unwrap();
    assert!(place["line"].as_u64().unwrap() > 1 && place["message"].as_str().unwrap().contains("imagge"), "{place}");
    assert!(messages(&lines).contains("in the specs; nothing was sent"));
}

#[test]
fn a_daemon_prints_nothing_but_lines_of_json_from_its_start_to_its_end() {
    let server = Server::start();
    let mut folder = Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &empty("demo"))]);
    folder.use_server(&server);
    let mut daemon = folder.start("reconcile --log info --log-format json");
    daemon.wait_for("converged");
    folder.write("demo.yaml", "kind: Nothing\n");
    daemon.wait_for("could not be read");
    daemon.signal("TERM");
    let (code, all) = daemon.end_within(SILENCE);
    assert_eq!(code, Some(0), "{all}");
    let lines = lines(&all);
    let said = messages(&lines);
    assert!(said.contains("stopping: steps under way are finished"), "{said}");
    assert!(lines.iter().any(|line| line["what"]["standing"] == "converged"), "{all}");
}
