//! Writing for people: results to standard output, errors to standard error.

use std::io::Write as _;

use super::args::{ColorChoice, Global};
use super::exit::CliError;
use crate::controller::LoadError;
use crate::spec::Diagnostics;

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
    note(&problems.render(colored(global)));
}

/// Writes why a command could not do its work.
pub(super) fn cli_error(global: &Global, problem: &CliError) {
    match problem {
        CliError::Load(LoadError::Specs(problems)) => {
            diagnostics(global, problems);
            let count = problems.iter().filter(|problem| problem.severity == crate::spec::Severity::Error).count();
            error(
                global,
                &format!("{count} problem{} in the specs; nothing was sent", if count == 1 { "" } else { "s" }),
            );
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
