//! `hangar schema` and `hangar completions`.

use std::path::Path;

use crate::support::Folder;

const KINDS: [&str; 4] = ["Environment", "PreviewSet", "Policy", "Controller"];

fn checked_in(kind: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    std::fs::read_to_string(folder.join(file(kind))).unwrap()
}

fn file(kind: &str) -> String {
    format!("{}.schema.json", kind.to_lowercase())
}

#[test]
fn the_schemas_are_those_that_are_checked_in() {
    let folder = Folder::with(&[]);
    for kind in KINDS {
        assert_eq!(folder.run(&format!("schema {kind}")).ended(0).out, checked_in(kind), "{kind}");
    }
    folder.run("schema --write here/schemas").ended(0);
    for kind in KINDS {
        assert_eq!(folder.read(&format!("here/schemas/{}", file(kind))), checked_in(kind), "{kind}");
    }
    assert_eq!(std::fs::read_dir(folder.path("here/schemas")).unwrap().count(), KINDS.len());
}

#[test]
fn an_unknown_kind_is_refused() {
    let folder = Folder::with(&[]);
    folder.run("schema Enviroment").ended(1).says(&["there is no kind `Enviroment`", "Environment"]);
    folder.run("schema").ended(2);
}

#[test]
fn completions_are_a_program_for_the_shell() {
    let folder = Folder::with(&[]);
    let script = folder.run("completions bash").ended(0).out;
    folder.write("hangar.bash", &script);
    // The completion is asked what may follow `hangar rec`.
    let asked =
        "source hangar.bash; COMP_WORDS=(hangar rec); COMP_CWORD=1; _hangar hangar rec hangar; echo ${COMPREPLY[*]}";
    let answer =
        std::process::Command::new("bash").args(["--norc", "-c", asked]).current_dir(folder.path("")).output().unwrap();
    assert_eq!(String::from_utf8(answer.stdout).unwrap().trim(), "reconcile");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(!folder.run(&format!("completions {shell}")).ended(0).out.is_empty());
    }
}
