//! Problems of specs as a summary of a run in GitHub Actions.

use super::diff_markdown::MOST_CHARACTERS;
use super::markdown::{code, inline};
use super::text::plural;
use crate::spec::{Diagnostics, Severity};

/// What is wrong in specs, a line for each problem, as Markdown of at most 65,000 characters; `fine` where nothing is.
pub fn problems_markdown(problems: &Diagnostics, fine: &str) -> String {
    let warnings = problems.iter().filter(|problem| problem.severity == Severity::Warning).count();
    let counts: Vec<String> = [(problems.error_count(), "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| plural(count, noun))
        .collect();
    if counts.is_empty() {
        return format!("### Hangar specs: valid\n\n{}\n", inline(fine));
    }
    let mut text = format!("### Hangar specs: {}\n\n", counts.join(", "));
    let mut left_out = 0_usize;
    for problem in problems {
        let mark = match problem.severity {
            Severity::Error => "**error**",
            Severity::Warning => "warning",
        };
        let place = match problem.line {
            0 => problem.file.display().to_string(),
            line => format!("{}:{line}:{}", problem.file.display(), problem.column),
        };
        let help = problem.help.as_ref().map(|help| format!(" ({})", inline(help))).unwrap_or_default();
        let line = format!("- {mark} {}: {}{help}\n", code(&place), inline(&problem.message));
        if text.len().saturating_add(line.len()) > MOST_CHARACTERS.saturating_sub(100) {
            left_out = left_out.saturating_add(1);
        } else {
            text.push_str(&line);
        }
    }
    if left_out > 0 {
        text.push_str(&format!("\n> [!NOTE]\n> {} left out; the log has all of them.\n", plural(left_out, "line")));
    }
    text
}
