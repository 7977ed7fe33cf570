//! What can be wrong with an expression, and where in its string.

use std::ops::Range;

use thiserror::Error;

/// A problem of one expression, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct TemplateError {
    /// Byte offsets within the string value, so that a caret can point into it.
    pub span: Range<usize>,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

impl TemplateError {
    /// A problem at `span`.
    pub const fn new(span: Range<usize>, kind: TemplateErrorKind) -> Self {
        Self { span, kind }
    }

    /// What to do about it, where that is not plain from the message.
    pub fn help(&self) -> Option<String> {
        match &self.kind {
            TemplateErrorKind::UnknownPath { suggestion, known, .. } => match suggestion {
                Some(suggestion) => Some(format!("did you mean `{suggestion}`?")),
                None if known.is_empty() => None,
                None => Some(format!("known here: {}", known.join(", "))),
            },
            TemplateErrorKind::UnknownFilter { suggestion, .. } => Some(suggestion.as_ref().map_or_else(
                || format!("filters are {}", super::filter::names().collect::<Vec<_>>().join(", ")),
                |suggestion| format!("did you mean `{suggestion}`?"),
            )),
            TemplateErrorKind::Unclosed => {
                Some("close the expression with `}}`, or write `$${{` for a literal `${{`".to_owned())
            }
            TemplateErrorKind::Tainted { .. } => {
                Some("a secret may be used only in the `value` of a secret".to_owned())
            }
            TemplateErrorKind::FilterOnOutput { .. } => {
                Some("use the value as it is; it is filled in once its resource exists".to_owned())
            }
            TemplateErrorKind::PreviewOnly { .. } => {
                Some("in an Environment, use `env.name`, `params.<key>` or `labels.<key>`".to_owned())
            }
            _ => None,
        }
    }
}

/// The kinds of problems.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateErrorKind {
    /// The string holds a character that Hangar uses for its own placeholders.
    #[error("the characters U+E000 and U+E001 are not allowed in specs")]
    ReservedCharacter,
    /// `${{` without `}}`.
    #[error("this expression is not closed")]
    Unclosed,
    /// Something else was expected here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What may stand here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// The path names nothing.
    #[error("`{path}` is not known{}", .reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    UnknownPath {
        /// The path as written.
        path: String,
        /// Why, where there is more to say.
        reason: Option<String>,
        /// The nearest path that exists.
        suggestion: Option<String>,
        /// What exists at the place where the path goes wrong.
        known: Vec<String>,
    },
    /// The path needs a pull request or branch.
    #[error("`{root}` is known only in a PreviewSet")]
    PreviewOnly {
        /// The first word of the path.
        root: String,
    },
    /// No such filter.
    #[error("there is no filter `{name}`")]
    UnknownFilter {
        /// The name as written.
        name: String,
        /// The nearest filter that exists.
        suggestion: Option<String>,
    },
    /// The filter was given wrong arguments.
    #[error("wrong arguments for `{name}`: write `{usage}`")]
    FilterArguments {
        /// The filter.
        name: String,
        /// How it is used.
        usage: &'static str,
    },
    /// The filter cannot do anything sensible with this value.
    #[error("`{name}` cannot be applied: {problem}")]
    FilterFailed {
        /// The filter.
        name: String,
        /// Why.
        problem: String,
    },
    /// A filter on a value that is known only once its resource exists.
    #[error("`{path}` is known only after its resource is created, so `{filter}` cannot be applied to it")]
    FilterOnOutput {
        /// The output.
        path: String,
        /// The filter.
        filter: String,
    },
    /// A secret where no secret may go.
    #[error("`{path}` is a secret and may not be used here")]
    Tainted {
        /// The secret.
        path: String,
    },
    /// Values that refer to each other in a circle.
    #[error("these values refer to each other in a circle: {}", .cycle.join(" -> "))]
    Cycle {
        /// The circle, its first member repeated at the end.
        cycle: Vec<String>,
    },
    /// The path names a value whose own expression is wrong, which is reported there.
    #[error("`{path}` cannot be known: its own value has an error")]
    Elsewhere {
        /// The path.
        path: String,
    },
    /// More than is reasonable.
    #[error("{what} (at most {limit})")]
    TooMuch {
        /// What is too much.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// The candidate that a misspelt `word` most likely means.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // 0.8 is where a swapped, missing or doubled letter in a word of five or more letters still matches.
    candidates
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
