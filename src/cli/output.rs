//! Writing for people: results to standard output, errors to standard error; there as JSON where logs are.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::actions;
use super::args::{ColorChoice, Global, LogFormat};
use super::exit::CliError;
use crate::clock::{Clock as _, SystemClock};
use crate::controller::LoadError;
use crate::report::{self, workflow};
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

/// Writes a result for people. A closed pipe (`hangar diff | head`) is no error.
pub(super) fn result(text: &str) {
    data(&harmless(text));
}

/// Writes a result for programs, as it is.
pub(super) fn data(text: &str) {
    let mut out = anstream::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "the output was closed");
    }
}

/// In a workflow, a line of what people wrote could be taken for a command of ours to the runner.
fn harmless(text: &str) -> Cow<'_, str> {
    if actions::are_here() { Cow::Owned(workflow::without_commands(text)) } else { Cow::Borrowed(text) }
}

/// Writes a command to the runner of a workflow.
pub(super) fn command(command: &str) {
    write_to_stderr(command);
}

/// Writes a note to standard error.
pub(super) fn note(global: &Global, text: &str) {
    match global.log_format {
        LogFormat::Json => json_line("INFO", &serde_json::json!({"message": text.trim()})),
        LogFormat::Text => to_stderr(text),
    }
}

/// Writes a line in the form of the logs, which nothing but JSON lines may come between.
pub(super) fn json_line(level: &str, fields: &serde_json::Value) {
    let timestamp = SystemClock.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let line = serde_json::json!({"timestamp": timestamp, "level": level, "fields": fields, "target": "hangar::cli"});
    to_stderr(&format!("{line}\n"));
}

fn to_stderr(text: &str) {
    write_to_stderr(&harmless(text));
}

fn write_to_stderr(text: &str) {
    let mut out = anstream::stderr();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "the output was closed");
    }
}

/// Writes a warning as one paragraph.
pub(super) fn warning(global: &Global, message: &str) {
    match global.log_format {
        LogFormat::Json => json_line("WARN", &serde_json::json!({"message": message})),
        LogFormat::Text => {
            let label = if colored(global) { "\u{1b}[1;33mwarning\u{1b}[0m" } else { "warning" };
            to_stderr(&format!("{label}: {message}\n"));
        }
    }
}

/// Writes an error as one paragraph.
pub(super) fn error(global: &Global, message: &str) {
    if global.log_format == LogFormat::Json {
        return json_line("ERROR", &serde_json::json!({"message": message}));
    }
    let label = if colored(global) { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    to_stderr(&format!("{label}: {message}\n"));
}

/// Writes diagnostics with their lines and carets.
pub(super) fn diagnostics(global: &Global, problems: &Diagnostics) {
    actions::annotate(problems);
    if global.log_format == LogFormat::Text {
        return to_stderr(&format!("{}\n", problems.render(colored(global))));
    }
    for problem in problems {
        let level = match problem.severity {
            crate::spec::Severity::Error => "ERROR",
            crate::spec::Severity::Warning => "WARN",
        };
        json_line(level, &serde_json::json!(problem));
    }
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
            if let Err(problem) = actions::summarise(&report::problems_markdown(problems, "")) {
                error(global, &problem.to_string());
            }
            for reason in unavailable {
                note(global, &format!("note: a run will need one more thing: {reason}\n"));
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
