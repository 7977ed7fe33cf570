//! Problems in specs, with the place they are at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::finding::Finding;
use super::positions::Positions;

/// Whether a problem stops Hangar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Nothing is sent until it is solved.
    Error,
    /// Probably not what was meant.
    Warning,
}

/// One document of one file: what a diagnostic needs in order to show the place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The file, as it was given.
    pub path: Arc<Path>,
    /// Its text, without secrets that were written into it by mistake.
    pub text: Arc<str>,
    /// Where every value of the document is.
    pub positions: Arc<Positions>,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && Arc::ptr_eq(&self.positions, &other.positions)
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Whether it stops Hangar.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 when the problem is with the whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 when the problem is with the whole file.
    pub column: usize,
    /// JSON pointer of the value inside its document, for example `/spec/fly/org`.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    pub(super) source: Option<(Arc<str>, Range<usize>)>,
}

/// Problems found in specs. [`parse`](super::parse()) hands them over in the order of files and lines.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    /// All problems, those that are not listed included: later stages look at the same values again, and say the same.
    #[serde(skip)]
    known: BTreeSet<Known>,
    /// How many problems each file has.
    #[serde(skip)]
    counts: BTreeMap<PathBuf, usize>,
    /// How many of them are not listed, once the list is finished.
    #[serde(skip)]
    left_out: usize,
}

/// What makes two problems the same: file, place and message.
type Known = (PathBuf, usize, String);

/// What is said of the problems that are not listed, after their number.
const LEFT_OUT: &str = " more problems of this file are left out";

/// More problems of one file are counted and not listed. Nobody reads them, and each costs a look through the file.
const MAX_PER_FILE: usize = 100;

impl Diagnostics {
    /// Adds an error at a value, named by its JSON pointer. A pointer to a value that is absent means the nearest one around it.
    pub fn push(&mut self, origin: &Origin, pointer: &str, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Error, origin, pointer, message.into(), help, false);
    }

    /// Adds an error at the key of a value instead of the value itself.
    pub fn push_key(&mut self, origin: &Origin, pointer: &str, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Error, origin, pointer, message.into(), help, true);
    }

    /// Adds a warning at a value.
    pub fn warn(&mut self, origin: &Origin, pointer: &str, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Warning, origin, pointer, message.into(), help, false);
    }

    /// Adds an error about a whole file.
    pub fn push_file(&mut self, path: &Path, message: impl Into<String>, help: Option<String>) {
        let message = message.into();
        if !self.known.insert((path.to_path_buf(), 0, message.clone())) {
            return;
        }
        *self.counts.entry(path.to_path_buf()).or_default() += 1;
        self.items.push(Diagnostic::of_file(path, message, help));
    }

    /// Adds an error at a byte range of a file.
    pub fn push_span(
        &mut self,
        path: &Path,
        text: &Arc<str>,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.place(Severity::Error, path, text, span, String::new(), message.into(), help);
    }

    /// Adds findings whose pointers begin at `base`, for example `/spec/fly/apps/server`.
    pub fn push_findings(&mut self, origin: &Origin, base: &str, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            let pointer = format!("{base}{}", finding.pointer);
            self.add(finding.severity, origin, &pointer, finding.message, finding.help, finding.at_key);
        }
    }

    /// Whether there is no problem at all.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether there is at least one error.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// How many errors there are, those that are not listed included.
    pub fn error_count(&self) -> usize {
        let is_counted = |item: &&Diagnostic| item.severity == Severity::Error && !item.is_of_left_out();
        self.items.iter().filter(is_counted).count() + self.left_out
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    /// Puts the problems in the order of files and lines, and says how many are left out.
    pub fn finish(&mut self) {
        for (file, count) in std::mem::take(&mut self.counts) {
            let left_out = count.saturating_sub(self.items.iter().filter(|item| item.file == file).count());
            if left_out > 0 {
                self.left_out += left_out;
                self.items.push(Diagnostic::of_file(&file, format!("{left_out}{LEFT_OUT}"), None));
            }
        }
        let at = |item: &Diagnostic| (item.file.clone(), item.is_of_left_out(), item.line, item.column);
        self.items.sort_by_cached_key(at);
    }

    /// Adds all problems of another list that are not in this one.
    pub fn extend(&mut self, other: Self) {
        let new: BTreeSet<Known> = other.known.difference(&self.known).cloned().collect();
        for (file, ..) in &new {
            *self.counts.entry(file.clone()).or_default() += 1;
        }
        self.items.extend(other.items.into_iter().filter(|item| new.contains(&item.known())));
        self.known.extend(new);
    }

    fn add(
        &mut self,
        severity: Severity,
        origin: &Origin,
        pointer: &str,
        message: String,
        help: Option<String>,
        at_key: bool,
    ) {
        let place = origin.positions.at(pointer);
        let span = if at_key { place.key.unwrap_or(place.value) } else { place.value };
        self.place(severity, &origin.path, &origin.text, span, pointer.to_owned(), message, help);
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a diagnostic is put together")]
    fn place(
        &mut self,
        severity: Severity,
        path: &Path,
        text: &Arc<str>,
        span: Range<usize>,
        pointer: String,
        message: String,
        help: Option<String>,
    ) {
        if !self.known.insert((path.to_path_buf(), span.start, message.clone())) {
            return;
        }
        let count = self.counts.entry(path.to_path_buf()).or_default();
        *count += 1;
        if *count > MAX_PER_FILE {
            return;
        }
        let span = first_line(text, span);
        let (line, column) = line_and_column(text, span.start);
        let source = Some((Arc::clone(text), span));
        self.items.push(Diagnostic {
            severity,
            file: path.to_path_buf(),
            line,
            column,
            pointer,
            message,
            help,
            source,
        });
    }
}

impl Diagnostic {
    fn of_file(path: &Path, message: String, help: Option<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: path.to_path_buf(),
            line: 0,
            column: 0,
            pointer: String::new(),
            message,
            help,
            source: None,
        }
    }

    fn is_of_left_out(&self) -> bool {
        self.source.is_none() && self.message.ends_with(LEFT_OUT)
    }

    fn known(&self) -> Known {
        let start = self.source.as_ref().map_or(0, |(_, span)| span.start);
        (self.file.clone(), start, self.message.clone())
    }
}

/// The part of a range on its first line, so that a block of text is not underlined whole.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    let length = text.get(span.clone()).and_then(|part| part.lines().next()).map_or(0, |line| line.trim_end().len());
    span.start..span.start + length
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Line and column, both from 1, of a byte offset; the column counts characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
