//! Problems of one environment on its way to a graph.

use std::ops::Range;

use crate::spec::{Diagnostics, Finding, Origin, Severity};
use crate::template::{TemplateError, TemplateErrorKind};

/// Problems with their places, and whether the environment can still be built.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub diagnostics: Diagnostics,
    /// The errors as single lines.
    pub errors: Vec<String>,
    /// Why values are not known on this machine.
    pub unavailable: Vec<String>,
}

impl Problems {
    /// Notes an error.
    pub(super) fn error(&mut self, origin: &Origin, pointer: &str, message: impl Into<String>, help: Option<String>) {
        let message = message.into();
        self.errors.push(one_line(&message, help.as_deref()));
        self.diagnostics.push(origin, pointer, message, help);
    }

    /// Notes a finding whose pointer is the document's own.
    pub(super) fn finding(&mut self, origin: &Origin, finding: Finding) {
        if finding.severity == Severity::Error {
            self.errors.push(one_line(&finding.message, finding.help.as_deref()));
        }
        self.diagnostics.push_findings(origin, "", [finding]);
    }

    /// Notes an error of an expression in `text`. One that only follows from another is left out.
    pub(super) fn template(&mut self, origin: &Origin, pointer: &str, text: &str, error: &TemplateError) {
        if matches!(error.kind, TemplateErrorKind::Elsewhere { .. }) {
            return;
        }
        let Some(span) = span_in_file(origin, pointer, text, &error.span) else {
            self.error(origin, pointer, error.to_string(), error.help());
            return;
        };
        self.errors.push(one_line(&error.to_string(), error.help().as_deref()));
        self.diagnostics.push_span(&origin.path, &origin.text, span, error.to_string(), error.help());
    }

    /// The reason why the environment is broken.
    pub(super) fn reason(&self) -> String {
        self.errors.join("; ")
    }
}

fn one_line(message: &str, help: Option<&str>) -> String {
    help.map_or_else(|| message.to_owned(), |help| format!("{message} ({help})"))
}

/// Where the part `span` of the value `text` at `pointer` stands in the file. Nothing where the file writes the value in another
/// way, for example with escapes: then the whole value is pointed at.
fn span_in_file(origin: &Origin, pointer: &str, text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    if !origin.positions.contains(pointer) {
        return None;
    }
    let value = origin.positions.at(pointer).value;
    let written = origin.text.get(value.clone())?;
    let start = value.start.checked_add(written.find(text)?)?;
    Some(start.checked_add(span.start)?..start.checked_add(span.end)?)
}
