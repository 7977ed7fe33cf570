//! What the YAML library says about a text that it cannot read, in better words and with its place.

use std::ops::Range;

use serde_saphyr::Error;

use super::tree::{MAX_DEPTH, MAX_NODES};

/// Why a text is not YAML that Hangar reads.
#[derive(Debug, PartialEq)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) span: Range<usize>,
}

/// What is wrong where a tab indents a line.
const TAB: &str = "a tab is used for indentation";

pub(super) fn syntax_error(error: &Error, text: &str) -> SyntaxError {
    let start = error.location().map_or(0, |location| {
        bytes(location.span()).map_or_else(|| offset(text, location.line(), location.column()), |span| span.start)
    });
    let (message, help) = explain(error);
    // The library points to the begin of the value that the tab ends.
    let start = if message == TAB { indenting_tab(text, start).unwrap_or(start) } else { start };
    SyntaxError { message, help, span: start..start }
}

/// What is wrong, without the position that the library appends, and what to do.
fn explain(error: &Error) -> (String, Option<String>) {
    let text = error.without_snippet().to_string();
    let text = text.split(" at line ").next().unwrap_or_default().to_owned();
    let help = |help: &str| Some(help.to_owned());
    if text.contains("tabs disallowed")
        || text.contains("found a tab")
        || text.contains("tab") && text.contains("indentation")
    {
        return (TAB.to_owned(), help("indent with spaces, two per level"));
    }
    if text.contains("budget breached") || text.contains("limit exceeded") || text.contains("recursion limit") {
        return (
            "the document is nested too deeply, or its aliases expand to too much".to_owned(),
            Some(format!("at most {MAX_DEPTH} levels and {MAX_NODES} values, with aliases expanded, are read")),
        );
    }
    match error {
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("an alias refers to the value that contains it".to_owned(), help("remove the alias"))
        }
        Error::UnknownAnchor { .. } => (
            "the alias refers to an anchor that does not exist".to_owned(),
            help("put a text that begins with `*` in quotes"),
        ),
        Error::NonFiniteFloat { value, .. } => (format!("`{value}` is not a finite number"), None),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("the key `{key}` stands twice in this map"), help("remove all but one"))
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            ("a key of a map must be a string".to_owned(), help("put `{` or `[` at the begin of a text in quotes"))
        }
        _ => in_plain_words(&text).map_or((text, None), |(message, help)| (message, Some(help.to_owned()))),
    }
}

/// What the library's message means to somebody who does not know YAML's own words, and what to do.
fn in_plain_words(text: &str) -> Option<(String, &'static str)> {
    let fixed = [
        (
            "did not find expected key",
            "this line does not fit the map that it stands in",
            "the keys of one map begin in the same column, each followed by `: `",
        ),
        (
            "did not find expected '-' indicator",
            "this line does not fit the list that it stands in",
            "the items of one list begin with `- `, in the same column",
        ),
        (
            "mapping values are not allowed",
            "a `:` cannot stand here",
            "put a text that contains `: ` in quotes; or a `: ` is missing in the line above",
        ),
        ("illegal placement of ':' indicator", "a `:` cannot stand here", "is a `[` or `{` before it not closed?"),
        (
            "unknown escape character",
            "this text has an escape that is not known",
            "write `\\\\` for a backslash, or put the text in single quotes",
        ),
        (
            "invalid indentation in multiline quoted scalar",
            "a text in quotes that begins before this line is not closed",
            "close it with the same quote in the line where it begins",
        ),
        (
            "invalid trailing content after",
            "nothing may follow a text in quotes",
            "put all of it in one pair of quotes",
        ),
        ("misplaced bracket", "this bracket closes nothing", "remove it, or open it before"),
    ];
    let known = fixed.into_iter().find(|(words, ..)| text.contains(words));
    if let Some((_, message, help)) = known {
        return Some((message.to_owned(), help));
    }
    let mut quoted = text.split('\'').skip(1).step_by(2);
    if text.starts_with("unclosed bracket") {
        return Some((
            format!("this `{}` is not closed", quoted.next()?),
            "close it, or put a text that begins with it in quotes",
        ));
    }
    if text.starts_with("mismatched bracket") {
        return Some((
            format!("this `{}` is closed by `{}`", quoted.next()?, quoted.next()?),
            "close it with its own bracket",
        ));
    }
    let character = text.strip_prefix("unexpected character: `")?.chars().next()?;
    Some((format!("a text cannot begin with {character}"), "put it in quotes"))
}

/// The place behind the first tab that indents a line: the byte `from` if its line has one, or else in a later line.
fn indenting_tab(text: &str, from: usize) -> Option<usize> {
    let mut start = text.get(..from)?.rfind('\n').map_or(0, |end| end.saturating_add(1));
    for line in text.get(start..)?.split_inclusive('\n') {
        let indent = line.len().saturating_sub(line.trim_start_matches([' ', '\t']).len());
        if let Some(tab) = line.get(..indent)?.find('\t') {
            return Some(from.max(start.saturating_add(tab).saturating_add(1)));
        }
        start = start.saturating_add(line.len());
    }
    None
}

/// The byte offset of a line and column, both from 1; the column counts characters.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    start + rest.chars().take_while(|c| *c != '\n').take(column).map(char::len_utf8).sum::<usize>()
}

/// The bytes that a span of the YAML library covers.
pub(super) fn bytes(span: serde_saphyr::Span) -> Option<Range<usize>> {
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start.checked_add(length)?)
}
