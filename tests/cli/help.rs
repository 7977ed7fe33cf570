//! The whole help text: the reference of the command line, so that every change of it is seen.

use std::fmt::Write as _;

use crate::support::Folder;

#[test]
fn every_command_explains_itself() {
    let folder = Folder::with(&[]);
    let mut reference = String::new();
    let subcommands = hangar::cli::command();
    let names = subcommands.get_subcommands().map(|command| command.get_name().to_owned());
    for name in std::iter::once(String::new()).chain(names.filter(|name| name != "help")) {
        let command = format!("{name} --help").trim().to_owned();
        let help = folder.run(&command).ended(0).out;
        let widest = help.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= 100, "{command}: {widest} columns");
        write!(reference, "$ hangar {command}\n\n{help}\n\n").unwrap();
    }
    insta::assert_snapshot!("cli_reference", reference);
}

#[test]
fn the_help_says_what_the_exit_codes_mean() {
    Folder::with(&[]).run("--help").ended(0).says(&[
        "Exit codes:
  0  converged, in sync, valid
  1  something failed, or the input is wrong
  2  `hangar diff`, dry runs: there are changes, or something waits; any command: wrong usage
  3  waiting for something, or blocked until a person acts",
        "hangar reconcile --once --sim specs/chat-dev",
    ]);
}

#[test]
fn the_version_is_the_packages() {
    Folder::with(&[]).run("--version").ended(0).says(&[concat!("hangar ", env!("CARGO_PKG_VERSION"))]);
}
