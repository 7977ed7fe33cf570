//! The exit codes, one by one.

use crate::support::{CONTROLLER, Folder, empty, environment, policy, with_spec};

#[test]
fn zero_when_everything_is_as_desired() {
    let folder = Folder::with(&[("demo.yaml", &empty("demo"))]);
    folder.run("validate").ended(0).says(&["1 file with 1 environment: valid"]);
    folder.run("reconcile --once --sim").ended(0).says(&["✓ demo  as desired (1 change)", "Converged: 1 environment"]);
    folder.run("diff --sim").ended(0).says(&["Nothing to do: 1 environment is as desired"]);
    folder.run("status --sim").ended(0);
    folder.run("gc --sim --dry-run").ended(0).says(&["Nothing to collect"]);
}

#[test]
fn two_when_a_look_finds_changes() {
    let folder = Folder::with(&[("demo.yaml", &empty("demo"))]);
    for command in
        ["diff --sim", "diff --sim --format json", "diff --sim --format markdown", "reconcile --sim --dry-run"]
    {
        folder.run(command).ended(2);
    }
}

#[test]
fn three_when_a_person_has_to_consent_or_another_environment_comes_first() {
    let gated = with_spec("second", "requires: {environments: [first]}", "processes: {app: {count: 0}}");
    let folder = Folder::with(&[
        ("first.yaml", &empty("first")),
        ("second.yaml", &gated),
        ("policy.yaml", &policy("approval: [first]")),
    ]);
    folder.run("reconcile --once --sim").ended(3).says(&[
        "! first   blocked",
        "ApprovalRequired",
        "--approve first",
        "! second  waiting",
        "GateClosed",
        "until `first` is converged",
        "Not converged: 2 environments: 1 blocked, 1 waiting",
    ]);
    folder.run("reconcile --once --sim --approve frist").ended(1).says(&["did you mean `first`?"]);
    folder.run("reconcile --once --sim --approve first").ended(0).says(&["2 environments are as desired"]);
}

#[test]
fn three_while_what_nobody_wants_is_in_its_grace() {
    let folder =
        Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &empty("demo")), ("other.yaml", &empty("other"))]);
    folder.run("reconcile --once --sim").ended(0);
    folder.remove("other.yaml");
    folder.run("reconcile --once --sim").ended(3).says(&["! other-web  waiting", "Grace", "grace lasts until"]);
    folder.run("gc --sim").ended(3).says(&["Grace"]);
    folder.run("gc --sim --dry-run").ended(2).says(&["In grace"]);
}

#[test]
fn one_when_a_machine_does_not_stay_up() {
    let folder = Folder::with(&[("demo.yaml", &environment("demo", "").replace("demo:v1", "demo:crash"))]);
    folder.run("reconcile --once --sim").ended(1).says(&[
        "✗ demo  failed",
        "exited with code 1",
        "Look at `fly logs -a demo-web -i",
        "Failed: 1 environment: 1 failed",
    ]);
}

#[test]
fn one_when_the_input_is_wrong() {
    let folder = Folder::with(&[("demo.yaml", "kind: Nothing\n")]);
    for command in
        ["validate", "reconcile --once --sim", "diff --sim", "status --sim", "gc --sim", "destroy --sim --env x"]
    {
        folder.run(command).ended(1).says(&["demo.yaml:1"]);
    }
    folder.run("diff --sim nowhere").ended(1).says(&["error: there is no file or folder `nowhere`; check the path"]);
}

#[test]
fn two_when_the_command_line_is_wrong() {
    let folder = Folder::with(&[("demo.yaml", &empty("demo"))]);
    folder.run("").ended(2).says(&["Usage: hangar"]);
    folder.run("recncile").ended(2).says(&["a similar subcommand exists: 'reconcile'"]);
    folder.run("diff --formt json").ended(2).says(&["a similar argument exists: '--format'"]);
    folder.run("diff --format yaml").ended(2).says(&["[possible values: text, markdown, json]"]);
    folder.run("destroy --sim").ended(2).says(&["--env <NAME>"]);
}
