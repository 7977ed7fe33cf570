//! Tables that give each distinct value a number, so that states are small and equal values are compared once.

use std::hash::Hash;

use indexmap::{IndexMap, IndexSet};

/// A number for each distinct value.
#[derive(Debug)]
pub(crate) struct Table<T>(IndexSet<T>);

impl<T: Hash + Eq> Table<T> {
    pub(crate) fn new() -> Self {
        Self(IndexSet::new())
    }

    pub(crate) fn id(&mut self, value: T) -> u32 {
        u32::try_from(self.0.insert_full(value).0).unwrap()
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.0[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The same for values that cannot be hashed themselves, by a text that says all of them.
#[derive(Debug)]
pub(crate) struct Keyed<T>(IndexMap<String, T>);

impl<T> Keyed<T> {
    pub(crate) fn new() -> Self {
        Self(IndexMap::new())
    }

    pub(crate) fn id(&mut self, key: String, value: T) -> u32 {
        let entry = self.0.entry(key);
        let index = entry.index();
        entry.or_insert(value);
        u32::try_from(index).unwrap()
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.0[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
