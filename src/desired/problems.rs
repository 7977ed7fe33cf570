//! Problems of one environment on its way to a graph.

use crate::spec::{Diagnostics, Origin};
use crate::template::{TemplateError, TemplateErrorKind};

/// Problems with their places, and whether the environment can still be built.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub diagnostics: Diagnostics,
    /// The errors as single lines.
    pub errors: Vec<String>,
}

impl Problems {
    /// Notes an error.
    pub(super) fn error(&mut self, origin: &Origin, pointer: &str, message: impl Into<String>, help: Option<String>) {
        let message = message.into();
        let advice = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        self.errors.push(format!("{message}{advice}"));
        self.diagnostics.push(origin, pointer, message, help);
    }

    /// Notes an error of an expression. One that only follows from another is left out.
    pub(super) fn template(&mut self, origin: &Origin, pointer: &str, error: &TemplateError) {
        if !matches!(error.kind, TemplateErrorKind::Elsewhere { .. }) {
            self.error(origin, pointer, error.to_string(), error.help());
        }
    }

    /// The reason why the environment is broken.
    pub(super) fn reason(&self) -> String {
        self.errors.join("; ")
    }
}
