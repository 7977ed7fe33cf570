//! What stands in for a required field that is missing, so that everything around it can be read all the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Number;

use super::positions::child;
use super::problem::Absent;
use super::tree::{Entry, Node, Shape};

/// What may stand in, tried in this order until the type takes one: texts of the forms that required fields have, a number, a map.
fn candidate(attempt: usize) -> Option<Shape> {
    let text = |text: &str| Shape::Text(text.to_owned());
    match attempt {
        0 => Some(text("")),
        1 => Some(Shape::Number(Number::from(1), "1".to_owned())),
        2 => Some(Shape::Map(Vec::new())),
        3 => Some(text("http")),
        4 => Some(text("1GB")),
        5 => Some(text("1s")),
        _ => None,
    }
}

/// Which of the candidates stands in for which field.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    /// By pointer of the field: the map that lacks it, its name, and the candidate.
    attempts: BTreeMap<String, (String, &'static str, usize)>,
    /// Fields that no candidate fits.
    unfit: BTreeSet<String>,
    entries: BTreeMap<String, Vec<Entry>>,
}

impl StandIns {
    /// Lets something stand in for the field `field` of the map at `parent`. False where nothing can.
    pub(super) fn add(&mut self, parent: &str, field: &'static str) -> bool {
        let pointer = child(parent, field);
        if self.unfit.contains(&pointer) || self.attempts.contains_key(&pointer) {
            return false;
        }
        self.attempts.insert(pointer, (parent.to_owned(), field, 0));
        self.renew();
        true
    }

    /// Takes note of a problem at `pointer`, and puts the next candidate in the place of one that does not fit. Nothing where the
    /// problem is another one.
    pub(super) fn refuse(&mut self, pointer: &str, absent: Option<Absent>) -> Option<Refused> {
        let (parent, _, attempt) = self.attempts.get_mut(pointer)?;
        let is_map = matches!(candidate(*attempt), Some(Shape::Map(_)));
        if is_map && matches!(absent, Some(Absent::Field(_))) {
            return None; // An empty map is right, and has fields of its own to stand in for.
        }
        *attempt += 1;
        let refused = if candidate(*attempt).is_some() {
            Refused::NextTried
        } else {
            let parent = parent.clone();
            self.attempts.remove(pointer);
            self.unfit.insert(pointer.to_owned());
            Refused::NothingFits { parent }
        };
        self.renew();
        Some(refused)
    }

    /// Whether the value at `pointer` is made up.
    pub(super) fn covers(&self, pointer: &str) -> bool {
        let is_around = |outer: &String| {
            pointer.strip_prefix(outer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.attempts.keys().any(is_around)
    }

    /// The entries that stand in, by the pointer of the map that lacks them.
    pub(super) const fn entries(&self) -> &BTreeMap<String, Vec<Entry>> {
        &self.entries
    }

    fn renew(&mut self) {
        self.entries.clear();
        for (parent, field, attempt) in self.attempts.values() {
            if let Some(shape) = candidate(*attempt) {
                let value = Node { shape, span: 0..0 };
                let entry = Entry { key: (*field).to_owned(), key_span: 0..0, value };
                self.entries.entry(parent.clone()).or_default().push(entry);
            }
        }
    }
}

/// What follows from a stand-in that does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The next one is in its place.
    NextTried,
    /// There is no other.
    NothingFits {
        /// The map that lacks the field.
        parent: String,
    },
}
