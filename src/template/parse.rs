//! Reads expressions out of a string value.
//!
//! ```text
//! text       = ( literal | "$${{" | "${{" path ( "|" filter )* "}}" )*
//! path       = word ( "." word | "[" string "]" )*
//! filter     = word ( "(" ( argument ( "," argument )* )? ")" )?
//! argument   = string | digits
//! ```

use std::fmt;
use std::ops::Range;

use super::error::{TemplateError, TemplateErrorKind};
use crate::resource::output;

/// How many expressions one string may hold.
const MAX_EXPRESSIONS: usize = 100;
/// How many filters one expression may have.
const MAX_FILTERS: usize = 16;
/// How long a string with expressions may be, in bytes.
const MAX_LENGTH: usize = 65_536;

/// A string value, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its parts in order.
    pub segments: Vec<Segment>,
}

/// One part of a string value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text that stands for itself.
    Literal(String),
    /// An expression.
    Expression(Expression),
}

/// One `${{ … }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// What it names.
    pub path: Path,
    /// What is done to the value, in order.
    pub filters: Vec<Filter>,
    /// Byte offsets of the whole expression within the string.
    pub span: Range<usize>,
}

/// A dotted path, such as `fly.server.url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Its words.
    pub words: Vec<String>,
    /// Byte offsets within the string.
    pub span: Range<usize>,
}

impl Path {
    /// The words as slices, for matching.
    pub fn as_words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join("."))
    }
}

/// One filter with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its name as written.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Byte offsets within the string.
    pub span: Range<usize>,
}

/// An argument of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A quoted string.
    Text(String),
    /// A whole number.
    Number(usize),
}

impl Template {
    /// The expressions in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Expression(expression) => Some(expression),
            Segment::Literal(_) => None,
        })
    }
}

/// Whether `text` has to be evaluated at all.
pub fn has_expression(text: &str) -> bool {
    text.contains("${{")
}

/// Takes a string value apart.
pub fn parse(text: &str) -> Result<Template, TemplateError> {
    if let Some((at, character)) =
        text.char_indices().find(|(_, character)| matches!(*character, output::OPEN | output::CLOSE))
    {
        let span = at..at.saturating_add(character.len_utf8());
        return Err(TemplateError::new(span, TemplateErrorKind::ReservedCharacter));
    }
    if !has_expression(text) {
        return Ok(Template { segments: vec![Segment::Literal(text.to_owned())] });
    }
    if text.len() > MAX_LENGTH {
        return Err(too_much("this text with expressions is too long, in bytes", MAX_LENGTH, 0..3));
    }
    Parser { text, at: 0 }.template()
}

fn too_much(what: &'static str, limit: usize, span: Range<usize>) -> TemplateError {
    TemplateError::new(span, TemplateErrorKind::TooMuch { what, limit })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn template(mut self) -> Result<Template, TemplateError> {
        let mut segments = Vec::new();
        let mut count = 0_usize;
        while let Some((literal, _)) = self.rest().split_once("${{") {
            let start = self.at.saturating_add(literal.len());
            if let Some(before) = literal.strip_suffix('$') {
                segments.push(Segment::Literal(format!("{before}${{{{")));
                self.at = start.saturating_add(3);
                continue;
            }
            if !literal.is_empty() {
                segments.push(Segment::Literal(literal.to_owned()));
            }
            self.at = start.saturating_add(3);
            count = count.saturating_add(1);
            if count > MAX_EXPRESSIONS {
                let span = start..self.at;
                return Err(too_much("this text has too many expressions", MAX_EXPRESSIONS, span));
            }
            segments.push(Segment::Expression(self.expression(start)?));
        }
        if !self.rest().is_empty() {
            segments.push(Segment::Literal(self.rest().to_owned()));
        }
        Ok(Template { segments })
    }

    fn expression(&mut self, start: usize) -> Result<Expression, TemplateError> {
        self.skip_space();
        let path = self.path(start)?;
        let mut filters = Vec::new();
        loop {
            self.skip_space();
            if self.eat("}}") {
                return Ok(Expression { path, filters, span: start..self.at });
            }
            if !self.eat("|") {
                return Err(self.unexpected("`|` or `}}`", start));
            }
            self.skip_space();
            filters.push(self.filter(start)?);
            if filters.len() > MAX_FILTERS {
                let span = start..self.at;
                return Err(too_much("this expression has too many filters", MAX_FILTERS, span));
            }
        }
    }

    fn path(&mut self, start: usize) -> Result<Path, TemplateError> {
        let from = self.at;
        let mut words = vec![self.word("a path such as `env.name`", start)?];
        loop {
            if self.eat(".") {
                words.push(self.word("a name after the dot", start)?);
            } else if self.eat("[") {
                words.push(self.quoted(start)?);
                if !self.eat("]") {
                    return Err(self.unexpected("`]`", start));
                }
            } else {
                return Ok(Path { words, span: from..self.at });
            }
        }
    }

    fn filter(&mut self, start: usize) -> Result<Filter, TemplateError> {
        let from = self.at;
        let name = self.word("the name of a filter", start)?;
        let mut arguments = Vec::new();
        if self.eat("(") {
            self.skip_space();
            while !self.eat(")") {
                if !arguments.is_empty() {
                    if !self.eat(",") {
                        return Err(self.unexpected("`,` or `)`", start));
                    }
                    self.skip_space();
                }
                arguments.push(self.argument(start)?);
                self.skip_space();
            }
        }
        Ok(Filter { name, arguments, span: from..self.at })
    }

    fn argument(&mut self, start: usize) -> Result<Argument, TemplateError> {
        if matches!(self.peek(), Some('"' | '\'')) {
            return Ok(Argument::Text(self.quoted(start)?));
        }
        let digits = self.take_while(|character| character.is_ascii_digit());
        match digits.parse() {
            Ok(number) => Ok(Argument::Number(number)),
            Err(_) => Err(self.unexpected("a quoted text or a whole number", start)),
        }
    }

    fn word(&mut self, expected: &'static str, start: usize) -> Result<String, TemplateError> {
        let word = self.take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
        if word.is_empty() {
            return Err(self.unexpected(expected, start));
        }
        Ok(word.to_owned())
    }

    /// A string in single or double quotes; a backslash takes the next character as it is, `\n` and `\t` as usual.
    fn quoted(&mut self, start: usize) -> Result<String, TemplateError> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            return Err(self.unexpected("a quoted text", start));
        };
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return Err(TemplateError::new(start..self.at, TemplateErrorKind::Unclosed)),
                Some(end) if end == quote => return Ok(text),
                Some('\\') => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(other) => text.push(other),
                    None => return Err(TemplateError::new(start..self.at, TemplateErrorKind::Unclosed)),
                },
                Some(other) => text.push(other),
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at = self.at.saturating_add(next.len_utf8());
        Some(next)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at = self.at.saturating_add(wanted.len());
        }
        found
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !keep(character)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end);
        rest.get(..end).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn unexpected(&self, expected: &'static str, start: usize) -> TemplateError {
        match self.peek() {
            None => TemplateError::new(start..self.at, TemplateErrorKind::Unclosed),
            Some(found) => TemplateError::new(
                self.at..self.at.saturating_add(found.len_utf8()),
                TemplateErrorKind::Unexpected { expected, found: format!("`{found}`") },
            ),
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
