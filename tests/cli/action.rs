//! `action.yml` and the workflows in the documentation: well formed, and true to the program.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{CONTROLLER, Folder, environment};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn action() -> Value {
    yaml(&std::fs::read_to_string(root().join("action.yml")).unwrap())
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// The names after `prefix` in the expressions of a text.
fn named(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split(prefix).skip(1).map(|rest| rest.chars().take_while(|c| is_part(*c)).collect()).collect()
}

/// Runs the step at `index` of the action as its runner does, with these variables.
fn step(folder: &Folder, index: usize, inputs: &[(&str, &str)]) -> Output {
    let action = action();
    let step = action.pointer(&format!("/runs/steps/{index}")).unwrap();
    assert_eq!(step.get("shell").unwrap(), "bash");
    folder.write("step.sh", step.get("run").and_then(Value::as_str).unwrap());
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "step.sh"]).current_dir(folder.path("")).env_clear();
    let path = format!("{}:/usr/bin:/bin", folder.path("bin").display());
    bash.env("PATH", path).env("HOME", folder.path("")).env("GITHUB_ACTIONS", "true");
    for (name, file) in [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary.md")] {
        bash.env(name, folder.path(file));
    }
    bash.env("GITHUB_ACTION_PATH", "/of the action");
    for (name, expression) in step.get("env").and_then(Value::as_object).unwrap() {
        let input = named(expression.as_str().unwrap(), "inputs.").pop_first().unwrap();
        let default = action.pointer(&format!("/inputs/{input}/default")).and_then(Value::as_str).unwrap();
        let given = inputs.iter().find(|(name, _)| *name == input).map_or(default, |(_, value)| value);
        bash.env(name, if given.contains("${{") { "" } else { given });
    }
    bash.output().unwrap()
}

/// A folder with the program, or what stands in for it, on its path.
fn folder_with(programs: &[(&str, &str)]) -> Folder {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with(&[("output", ""), ("summary.md", "")]);
    for (name, script) in programs {
        folder.write(&format!("bin/{name}"), script);
        std::fs::set_permissions(folder.path(&format!("bin/{name}")), PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

fn folder_with_hangar() -> Folder {
    let folder = folder_with(&[("unused", "")]);
    std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin!("hangar"), folder.path("bin/hangar")).unwrap();
    folder.write("specs/hangar.yaml", CONTROLLER);
    folder.write("specs/demo.yaml", environment("demo", "processes: {app: {count: 0}}"));
    folder
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_input_is_used_and_nothing_that_people_write_is_put_into_a_script() {
    let action = action();
    let steps = action["runs"]["steps"].as_array().unwrap();
    assert_eq!(action["runs"]["using"], "composite");
    let used: BTreeSet<String> = steps.iter().flat_map(|step| named(&step["env"].to_string(), "inputs.")).collect();
    assert_eq!(used, keys(&action["inputs"]));
    for step in steps {
        let script = step["run"].as_str().unwrap();
        assert!(!script.contains("${{"), "{script}");
        for variable in keys(&step["env"]) {
            assert!(script.contains(&format!("${variable}")) || variable == "GITHUB_TOKEN", "{variable} in {script}");
        }
    }
    for input in action["inputs"].as_object().unwrap().values() {
        assert!(input["description"].is_string() && input["default"].is_string(), "{input}");
    }
}

#[test]
fn every_command_is_one_and_every_output_is_written() {
    let (action, folder) = (action(), folder_with_hangar());
    let script = action["runs"]["steps"][1]["run"].as_str().unwrap();
    let commands: BTreeSet<String> =
        named(script, "arguments+=(").into_iter().filter(|name| !name.starts_with('-')).collect();
    let program = hangar::cli::command();
    let known: BTreeSet<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(
        commands.iter().map(String::as_str).filter(|name| !name.is_empty()).collect::<Vec<_>>(),
        ["diff", "gc", "reconcile", "validate"]
    );
    assert!(commands.iter().filter(|name| !name.is_empty()).all(|name| known.contains(name.as_str())));

    let ran = step(&folder, 1, &[("specs", "specs"), ("args", "--sim --env demo")]);
    assert!(ran.status.success(), "changes are no error: {}", said(&ran));
    let written = folder.read("output");
    for (name, output) in action["outputs"].as_object().unwrap() {
        assert_eq!(output["value"], format!("${{{{ steps.run.outputs.{name} }}}}"));
        assert!(
            written.lines().any(|line| line.starts_with(&format!("{name}=")) || line.starts_with(&format!("{name}<<"))),
            "{name} in {written}"
        );
    }
    assert!(written.contains("has-changes=true\n") && written.ends_with("exit-code=2\n"), "{written}");
}

#[test]
fn the_commands_do_what_they_are_called() {
    let folder = folder_with_hangar();
    let run = |inputs: &[(&str, &str)]| {
        folder.write("output", "");
        step(&folder, 1, &[&[("specs", "specs")], inputs].concat())
    };
    let ran = run(&[("command", "reconcile"), ("args", "--sim")]);
    assert!(ran.status.success() && said(&ran).contains("Converged: 1 environment"), "{}", said(&ran));
    let ran = run(&[("args", "--sim")]);
    assert!(ran.status.success() && folder.read("output").contains("has-changes=false\n"), "{}", said(&ran));
    let ran = run(&[("command", "gc"), ("args", "--sim --dry-run")]);
    assert!(ran.status.success() && said(&ran).contains("Nothing to collect"), "{}", said(&ran));
    let ran = run(&[("command", "validate")]);
    assert!(ran.status.success() && said(&ran).contains("valid"), "{}", said(&ran));

    // What is wrong is an error.
    folder.edit("specs/demo.yaml", "region: iad", "regoin: iad");
    for command in ["validate", "diff"] {
        let ran = run(&[("command", command)]);
        assert_eq!(ran.status.code(), Some(1), "{}", said(&ran));
        assert!(folder.read("output").ends_with("exit-code=1\n"));
    }
    let ran = run(&[("command", "x; touch pwned")]);
    assert!(!ran.status.success() && said(&ran).contains("there is no command of this name"), "{}", said(&ran));
    run(&[("specs", "$(touch pwned) ; touch pwned *")]);
    assert!(!folder.path("pwned").exists());
}

#[test]
fn options_of_a_look_are_passed_on() {
    let folder = folder_with(&[("hangar", "#!/bin/sh\nprintf '%s|' \"$@\" >told\n")]);
    for (inputs, told) in [
        (&[][..], "diff|--|.|"),
        (&[("base", "origin/main"), ("comment", "true")], "diff|--base=origin/main|--comment|--|.|"),
        (&[("comment", "acme/chat#4"), ("specs", "a b")], "diff|--comment=acme/chat#4|--|a|b|"),
        (&[("command", "reconcile"), ("comment", "true")], "reconcile|--once|--|.|"),
    ] {
        let ran = step(&folder, 1, inputs);
        assert!(ran.status.success(), "{}", said(&ran));
        assert_eq!(folder.read("told"), told);
    }
}

#[test]
fn a_program_on_the_path_is_used_and_another_one_is_built_from_the_source() {
    const CARGO: &str = "#!/bin/sh\nprintf '%s|' \"$@\" >built\nprintf '#!/bin/sh\\necho hangar 9.9.9\\n' >bin/hangar\nchmod +x bin/hangar\n";
    let built = |folder: &Folder| std::fs::read_to_string(folder.path("built")).unwrap_or_default();
    let folder = folder_with(&[("hangar", "#!/bin/sh\necho hangar 1.2.3\n"), ("cargo", CARGO)]);
    for wanted in ["", "1.2.3"] {
        assert!(step(&folder, 0, &[("version", wanted)]).status.success());
        assert_eq!(built(&folder), "");
    }
    assert!(step(&folder, 0, &[("version", "9.9.9")]).status.success());
    assert_eq!(built(&folder), "install|--locked|--path|/of the action|");
    let ran = step(&folder, 0, &[("version", "2.0.0")]);
    assert!(!ran.status.success() && said(&ran).contains("is not of version 2.0.0"), "{}", said(&ran));
    let folder = folder_with(&[("cargo", CARGO)]);
    assert!(step(&folder, 0, &[]).status.success());
    assert_eq!(built(&folder), "install|--locked|--path|/of the action|");
}

/// The workflows that the documentation shows, with the page that has them.
fn workflows() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for page in ["README.md", "docs/ci.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if block.contains("\njobs:") {
                found.push((page.to_owned(), yaml(block)));
            }
        }
    }
    found
}

#[test]
fn the_workflows_in_the_documentation_are_well_formed_and_ask_for_what_there_is() {
    let inputs = keys(&action()["inputs"]);
    let workflows = workflows();
    assert!(workflows.len() >= 5, "{}", workflows.len());
    for (page, workflow) in &workflows {
        assert!(workflow["on"].is_object() || workflow["on"].is_string(), "{page}: {workflow:#}");
        assert!(workflow["permissions"].is_object(), "{page}: what the token may do is said: {workflow:#}");
        for job in workflow["jobs"].as_object().unwrap().values() {
            assert!(job["runs-on"].is_string(), "{page}: {job:#}");
            let mut comments = false;
            for step in job["steps"].as_array().unwrap() {
                assert!(step["uses"].is_string() != step["run"].is_string(), "{page}: {step:#}");
                if step["uses"].as_str().is_some_and(|uses| uses.contains("/hangar@")) {
                    let with = &step["with"];
                    assert!(with.is_null() || keys(with).is_subset(&inputs), "{page}: {step:#}");
                    comments |= !with["comment"].is_null();
                }
            }
            let may_write = workflow["permissions"]["pull-requests"] == "write";
            assert_eq!(may_write, comments, "{page}: no more than is needed: {workflow:#}");
            let is_fork_safe = workflow["on"].get("pull_request_target").is_none();
            assert!(is_fork_safe, "{page}: code of a pull request would run with secrets");
        }
    }
}
