//! Diagnostics as people read them: the line, a caret, and what to do.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Severity};

impl Diagnostics {
    /// All problems as text, each with its line and a caret.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        self.iter().map(|diagnostic| render_one(diagnostic, &renderer)).collect::<Vec<_>>().join("\n")
    }
}

fn render_one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = diagnostic.file.display().to_string();
    let title = level.primary_title(diagnostic.message.as_str());
    let mut report = match &diagnostic.source {
        Some((text, span)) => title.element(
            Snippet::source(text.as_ref()).path(path.as_str()).annotation(AnnotationKind::Primary.span(span.clone())),
        ),
        None => title.element(annotate_snippets::Origin::path(path.as_str())),
    };
    if let Some(help) = &diagnostic.help {
        report = report.element(Level::HELP.message(help.as_str()));
    }
    format!("{}\n", renderer.render(&[report]))
}
