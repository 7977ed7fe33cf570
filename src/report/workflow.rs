//! What the runner of GitHub Actions reads: workflow commands on lines of the log, and entries of its files.
//!
//! A command is a line `::name key=value,…::data`. Percent signs and line breaks of what people wrote are written out, and in the
//! values of keys also `:` and `,`, so that no text can end a command or begin another one.

use std::path::Path;

use super::text::{clean, clean_lines};
use crate::spec::Severity;

/// The fewest characters of a value that is masked: the runner replaces a masked value wherever it stands in the log, and a short
/// one stands everywhere.
const LEAST_MASKED: usize = 4;

/// Where something is wrong, for [`annotation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot<'a> {
    /// The file, from the root of the repository.
    pub file: &'a Path,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// The column, from 1; 0 for the whole line.
    pub column: usize,
}

/// The command that shows `message` beside a line of a file in the pull request, or only with the run where no place is known.
pub fn annotation(severity: Severity, title: &str, spot: Option<Spot<'_>>, message: &str) -> String {
    let name = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut keys = Vec::new();
    if let Some(Spot { file, line, column }) = spot {
        let parts: Vec<_> = file.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        keys.push(format!("file={}", value_of_key(&parts.join("/"))));
        if line > 0 {
            keys.push(format!("line={line}"));
        }
        if line > 0 && column > 0 {
            keys.push(format!("col={column}"));
        }
    }
    keys.push(format!("title={}", value_of_key(title)));
    format!("::{name} {}::{}\n", keys.join(","), data(&clean_lines(message).join("\n")))
}

/// The command that has the runner hide `value`, and each line of it, in everything that is logged from here on. Nothing for a
/// value so short that hiding it would hide the log.
pub fn mask(value: &str) -> Option<String> {
    let value = value.trim();
    (value.chars().count() >= LEAST_MASKED).then(|| format!("::add-mask::{}\n", data(value)))
}

/// The entry of the file of outputs that sets the output `name`: of one line, or between delimiters that do not occur in the value.
pub fn output(name: &str, value: &str) -> String {
    if !value.contains(['\n', '\r']) {
        return format!("{name}={value}\n");
    }
    let mut delimiter = "HANGAR".to_owned();
    while value.contains(&delimiter) {
        delimiter.push('_');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// `text` with nothing in it that the runner would take for a command, whichever line of it is logged: an invisible character stands
/// before `::` at the beginning of a line, and in `##[`.
pub fn without_commands(text: &str) -> String {
    const JOINER: char = '\u{2060}';
    let mut harmless = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let rest = line.trim_start();
        let indent = line.len().saturating_sub(rest.len());
        harmless.push_str(line.get(..indent).unwrap_or_default());
        if rest.starts_with("::") {
            harmless.push(JOINER);
        }
        harmless.push_str(&rest.replace("##[", "##\u{2060}["));
    }
    harmless
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn value_of_key(text: &str) -> String {
    data(&clean(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_names_its_place_and_escapes_what_ends_a_command() {
        let spot = Spot { file: Path::new("./specs/a,b:c.yaml"), line: 3, column: 5 };
        assert_eq!(
            annotation(Severity::Error, "spec", Some(spot), "100% wrong::\n::stop-commands::x\r\nend"),
            "::error file=./specs/a%2Cb%3Ac.yaml,line=3,col=5,title=spec::100%25 wrong::%0A::stop-commands::x%0Aend\n"
        );
        let whole = Spot { file: Path::new("a.yaml"), line: 0, column: 0 };
        assert_eq!(annotation(Severity::Warning, "spec", Some(whole), "x"), "::warning file=a.yaml,title=spec::x\n");
        assert_eq!(annotation(Severity::Error, "a: b", None, "x\u{1b}[31m"), "::error title=a%3A b::x\\u{1b}[31m\n");
    }

    #[test]
    fn a_mask_covers_all_lines_of_a_value_and_nothing_so_short_that_the_log_would_vanish() {
        assert_eq!(mask("50%-off\nsecond").as_deref(), Some("::add-mask::50%25-off%0Asecond\n"));
        for short in ["", "  ", "abc", " 1\n"] {
            assert_eq!(mask(short), None);
        }
    }

    #[test]
    fn no_value_ends_its_output_early() {
        assert_eq!(output("creates", "3"), "creates=3\n");
        assert_eq!(output("a", "x\ny"), "a<<HANGAR\nx\ny\nHANGAR\n");
        assert_eq!(output("a", "x\nHANGAR\nb=c"), "a<<HANGAR_\nx\nHANGAR\nb=c\nHANGAR_\n");
        assert_eq!(output("a", "HANGAR_\rHANGAR"), "a<<HANGAR__\nHANGAR_\rHANGAR\nHANGAR__\n");
    }

    #[test]
    fn nothing_that_is_shown_is_a_command() {
        let shown = without_commands("a\n  ::add-mask::a\nb :: c\n::stop-commands::x\nd ##[error]e\n");
        assert_eq!(shown.replace('\u{2060}', "·"), "a\n  ·::add-mask::a\nb :: c\n·::stop-commands::x\nd ##·[error]e\n");
        assert_eq!(without_commands("plain\ntext"), "plain\ntext");
    }
}
