//! Fills the expressions of a string value in.

use super::error::{TemplateError, TemplateErrorKind};
use super::filter;
use super::parse::{Expression, Path, Segment, parse};
use crate::resource::output;
use crate::secret::SecretText;

/// How long a filled-in text may become, in bytes: no chain of `replace` grows without end.
const MAX_RESULT: usize = 262_144;

/// Where a text goes: secrets may go only where secrets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A value that is shown in plans and readable at the provider.
    Plain,
    /// The value of a secret.
    Secret,
}

/// What a path stands for.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A value that is known now.
    Known(String),
    /// A key that the spec's author could have set and did not: `default` may stand in, otherwise it is the error given.
    Missing(TemplateErrorKind),
    /// An output that is known once its resource exists, by its path.
    Output(String),
    /// A secret output that is known once its resource exists, by its path.
    SecretOutput(String),
    /// A secret.
    Secret(SecretText),
    /// A secret that is not known on this machine, and why.
    Unavailable(String),
}

/// What the paths of expressions mean.
pub trait Scope {
    /// What `path` stands for in a text that goes to `destination`.
    fn look_up(&mut self, path: &Path, destination: Destination) -> Result<Lookup, TemplateErrorKind>;
}

/// A text with its expressions filled in.
#[derive(Debug, Clone)]
pub enum Text {
    /// May be shown. May hold placeholders for outputs.
    Plain(String),
    /// Came from a secret, wholly or in part. May hold placeholders for outputs.
    Secret(SecretText),
    /// Needs a secret that is not known on this machine, and why.
    Unavailable(String),
}

/// Fills in the expressions of `text`, which goes to `destination`.
pub fn evaluate(text: &str, destination: Destination, scope: &mut impl Scope) -> Result<Text, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    let mut tainted = false;
    let mut unavailable = None;
    for segment in parse(text)?.segments {
        match segment {
            Segment::Literal(literal) => filled.push_str(&literal),
            Segment::Expression(expression) => match value(&expression, destination, scope)? {
                Text::Plain(value) => filled.push_str(&value),
                Text::Secret(value) => {
                    tainted = true;
                    filled.push_str(value.expose());
                }
                Text::Unavailable(reason) => unavailable = unavailable.or(Some(reason)),
            },
        }
        if filled.len() > MAX_RESULT {
            let kind = TemplateErrorKind::TooMuch {
                what: "this text becomes too long when it is filled in, in bytes",
                limit: MAX_RESULT,
            };
            return Err(TemplateError::new(0..text.len(), kind));
        }
    }
    Ok(match (unavailable, tainted) {
        (Some(reason), _) => Text::Unavailable(reason),
        (None, true) => Text::Secret(filled.into()),
        (None, false) => Text::Plain(filled),
    })
}

fn value(expression: &Expression, destination: Destination, scope: &mut impl Scope) -> Result<Text, TemplateError> {
    let path = &expression.path;
    let at_path = |kind| TemplateError::new(path.span.clone(), kind);
    let found = scope.look_up(path, destination).map_err(at_path)?;
    if destination == Destination::Plain
        && matches!(found, Lookup::Secret(_) | Lookup::SecretOutput(_) | Lookup::Unavailable(_))
    {
        return Err(at_path(TemplateErrorKind::Tainted { path: path.to_string() }));
    }
    let (start, tainted) = match found {
        Lookup::Known(value) => (SecretText::from(value), false),
        Lookup::Secret(value) => (value, true),
        Lookup::Output(output_path) => (output::placeholder(&output_path).into(), false),
        Lookup::SecretOutput(output_path) => (output::placeholder(&output_path).into(), true),
        Lookup::Missing(kind) => match expression.filters.first() {
            Some(first) if first.name == "default" => (SecretText::default(), false),
            _ => return Err(at_path(kind)),
        },
        Lookup::Unavailable(reason) => {
            // The filters are checked all the same, so that a mistake shows on every machine.
            for each in &expression.filters {
                filter::check(each)?;
            }
            return Ok(Text::Unavailable(reason));
        }
    };
    let mut value = start;
    for each in &expression.filters {
        filter::check(each)?;
        if !output::waits_for(value.expose()).is_empty() {
            let kind = TemplateErrorKind::FilterOnOutput { path: path.to_string(), filter: each.name.clone() };
            return Err(TemplateError::new(each.span.clone(), kind));
        }
        value = SecretText::new(filter::apply(each, value.expose())?);
        if value.expose().len() > MAX_RESULT {
            let kind = TemplateErrorKind::TooMuch { what: "this value becomes too long, in bytes", limit: MAX_RESULT };
            return Err(TemplateError::new(each.span.clone(), kind));
        }
    }
    Ok(if tainted { Text::Secret(value) } else { Text::Plain(value.expose().to_owned()) })
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
