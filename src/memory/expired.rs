//! Environments whose age has ended them: what is gone says no more how old it was.

use std::collections::{BTreeMap, BTreeSet};

use super::Memory;
use crate::resource::EnvName;

impl Memory {
    /// Takes in the environments that have reached the end of their age, by what each of them was then, and forgets those that are not
    /// among `wanted`.
    pub fn note_expired(&mut self, expired: BTreeMap<EnvName, String>, wanted: &BTreeSet<&EnvName>) {
        self.expired.extend(expired);
        self.expired.retain(|name, _| wanted.contains(name));
    }
}
