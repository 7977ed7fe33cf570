//! Where every value of a document stands in its file.

use std::collections::BTreeMap;
use std::ops::Range;

/// Byte ranges of one value and of its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The key, where the value is an entry of a map.
    pub key: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
}

/// Where every value of a document stands, by JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Positions {
    places: BTreeMap<String, Place>,
}

impl Positions {
    /// The place of a value; for one that is absent, that of the nearest value around it.
    pub fn at(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return place.clone();
            }
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => return Place::default(),
            }
        }
    }

    /// Whether the document has a value there.
    pub fn contains(&self, pointer: &str) -> bool {
        self.places.contains_key(pointer)
    }

    /// Notes the place of a value.
    pub(super) fn insert(&mut self, pointer: String, place: Place) {
        self.places.insert(pointer, place);
    }
}

/// The JSON pointer of an entry, with `~` and `/` escaped as RFC 6901 says.
pub fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
