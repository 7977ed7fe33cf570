//! What could not be read in a document, so that nothing is concluded from its absence.
//!
//! The values that are wrong are left out, and everything else is checked all the same: that is how all problems come at once. A
//! rule must then not complain that something is missing which is there, but wrong or misspelt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::finding::Finding;
use super::positions::{Positions, child};
use super::typed::Typed;

/// What could not be read in one document, by JSON pointer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Broken {
    values: BTreeSet<String>,
    /// Keys that no type knows, with the key that was probably meant.
    unknown: BTreeMap<String, Option<String>>,
    /// Items that were left out of lists, so that the ones behind them have moved up.
    left_out: BTreeSet<String>,
    /// Which keys the document has.
    written: Arc<Positions>,
}

impl Broken {
    /// Nothing is broken in a document that has these values.
    pub(super) const fn none(written: Arc<Positions>) -> Self {
        Self { values: BTreeSet::new(), unknown: BTreeMap::new(), left_out: BTreeSet::new(), written }
    }

    /// Notes what a typed reading of the value at `base` has found.
    pub(super) fn note<T>(&mut self, base: &str, typed: &Typed<T>) {
        let here = |pointer: &String| format!("{base}{pointer}");
        for unknown in typed.findings.iter().filter(|finding| finding.at_key) {
            self.unknown.insert(here(&unknown.pointer), unknown.meant().map(str::to_owned));
        }
        self.values.extend(typed.broken.iter().map(here));
        self.left_out.extend(typed.left_out.iter().map(here));
    }

    /// Notes values that could not be read.
    pub(crate) fn note_values(&mut self, pointers: impl IntoIterator<Item = String>) {
        self.values.extend(pointers);
    }

    /// Whether everything could be read.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.unknown.is_empty()
    }

    /// The broken values at and below `base`, by their pointers within it.
    pub(crate) fn values_below(&self, base: &str) -> BTreeSet<String> {
        let within = self.values.iter().filter_map(|value| value.strip_prefix(base));
        within.filter(|rest| rest.is_empty() || rest.starts_with('/')).map(str::to_owned).collect()
    }

    /// Whether something at `pointer`, below it or around it could not be read.
    pub fn touches(&self, pointer: &str) -> bool {
        let all = || self.values.iter().chain(self.unknown.keys());
        all().any(|broken| is_within(broken, pointer) || is_within(pointer, broken))
    }

    /// Whether a value may be meant at `pointer` that could not be read: it is wrong, or its key is misspelt.
    pub fn hides(&self, pointer: &str) -> bool {
        self.touches(pointer)
            || self.unknown.iter().any(|(key, meant)| self.may_be_meant(key, meant.as_deref(), pointer))
    }

    fn may_be_meant(&self, unknown: &str, meant: Option<&str>, pointer: &str) -> bool {
        let Some((parent, _)) = unknown.rsplit_once('/') else { return false };
        let Some(rest) = pointer.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/')) else { return false };
        let sibling = rest.split('/').next().unwrap_or_default();
        match meant {
            Some(meant) => meant == sibling,
            None => !self.written.contains(&format!("{parent}/{sibling}")),
        }
    }

    /// Whether an unknown key was noted before.
    pub(super) fn knows(&self, finding: &Finding) -> bool {
        finding.at_key && self.unknown.contains_key(&finding.pointer)
    }

    /// Whether a finding may be only the consequence of what is broken.
    pub(crate) fn explains(&self, finding: &Finding) -> bool {
        if finding.relies_on.is_empty() && !finding.at_key {
            return self.touches(&finding.pointer);
        }
        finding.relies_on.iter().any(|pointer| self.hides(pointer))
    }

    /// The findings that stand on their own, with the pointers of the document as it is written.
    pub(crate) fn sound(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let written = findings.into_iter().map(|finding| Finding {
            relies_on: finding.relies_on.iter().map(|pointer| self.as_written(pointer)).collect(),
            pointer: self.as_written(&finding.pointer),
            ..finding
        });
        written.filter(|finding| !self.explains(finding)).collect()
    }

    /// The pointer of a value in the document, where the list that it is in has lost items before it.
    pub(super) fn as_written(&self, pointer: &str) -> String {
        if self.left_out.is_empty() {
            return pointer.to_owned();
        }
        pointer.split('/').skip(1).fold(String::new(), |parent, segment| {
            let is_left_out = |index: usize| self.left_out.contains(&format!("{parent}/{index}"));
            let is_shortened =
                || self.left_out.iter().any(|item| item.rsplit_once('/').is_some_and(|(of, _)| of == parent));
            match segment.parse::<usize>() {
                Ok(position) if is_shortened() => {
                    let index = (0..).filter(|index| !is_left_out(*index)).nth(position).unwrap_or(position);
                    child(&parent, &index.to_string())
                }
                _ => format!("{parent}/{segment}"),
            }
        })
    }
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
