//! Writing for people: results to standard output, errors to standard error.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::args::{ColorChoice, Global};
use super::exit::CliError;
use crate::controller::LoadError;
use crate::spec::Diagnostics;

/// Lets colours through, or not, whatever is written from here on.
pub(super) fn choose_color(global: &Global) {
    let choice = match global.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Writes a result. A closed pipe (`hangar diff | head`) is no error.
pub(super) fn result(text: &str) {
    let mut out = anstream::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "the output was closed");
    }
}

/// Writes to standard error.
pub(super) fn note(text: &str) {
    let mut out = anstream::stderr();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "the output was closed");
    }
}

/// Writes an error as one paragraph.
pub(super) fn error(global: &Global, message: &str) {
    let label = if colored(global) { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    note(&format!("{label}: {message}\n"));
}

/// Writes diagnostics with their lines and carets.
pub(super) fn diagnostics(global: &Global, problems: &Diagnostics) {
    note(&format!("{}\n", problems.render(colored(global))));
}

/// How many errors there are, and in how many files.
pub(super) fn count_of(problems: &Diagnostics) -> String {
    let errors = problems.error_count();
    let is_error = |problem: &&crate::spec::Diagnostic| problem.severity == crate::spec::Severity::Error;
    let files: BTreeSet<&Path> = problems.iter().filter(is_error).map(|problem| problem.file.as_path()).collect();
    let problems = if errors == 1 { "1 problem".to_owned() } else { format!("{errors} problems") };
    match files.len() {
        0 | 1 => format!("{problems} in the specs"),
        files => format!("{problems} in {files} spec files"),
    }
}

/// Writes why a command could not do its work.
pub(super) fn cli_error(global: &Global, problem: &CliError) {
    match problem {
        CliError::Load(LoadError::Specs { problems, unavailable }) => {
            diagnostics(global, problems);
            for reason in unavailable {
                note(&format!("note: a run will need one more thing: {reason}\n"));
            }
            error(global, &format!("{}; nothing was sent", count_of(problems)));
        }
        other => error(global, &other.to_string()),
    }
}

/// Whether the standard error is written in colour.
pub(super) fn colored(global: &Global) -> bool {
    use std::io::IsTerminal as _;
    match global.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    }
}
