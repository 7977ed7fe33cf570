//! Objects at providers other than Fly's machines, as they were seen.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Listing;
use crate::desired::Completeness;
use crate::resource::object::{Fields, Marks, ObjectMarker};
use crate::resource::{EnvName, ObjectKey, OwnerId, ScopeKey};
use crate::secret::SecretText;

/// One scope of a provider as a listing covers it.
#[derive(Debug, Clone)]
pub struct ObjectScope {
    /// All objects in it.
    pub objects: Listing<Object>,
    /// Why the scope cannot be read at all where asking again soon does not help, and what to do.
    pub out_of_reach: Option<String>,
    /// How many more objects fit into it; nothing where that is not known, or nothing is to be made.
    pub room: Option<Room>,
}

/// The room that a provider's plan leaves in a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// How many objects may be made.
    pub left: usize,
    /// What the limit is, for people: `10 branches`.
    pub limit: String,
}

impl ObjectScope {
    /// A scope of which everything was listed.
    pub const fn complete(items: Vec<Object>, started_at: DateTime<Utc>) -> Self {
        let objects = Listing { items, completeness: Completeness::Complete, started_at };
        Self { objects, out_of_reach: None, room: None }
    }

    /// A scope that could not be listed. `advice` is for where asking again soon does not help.
    pub fn unreadable(scope: &ScopeKey, started_at: DateTime<Utc>, reason: String, advice: Option<String>) -> Self {
        let out_of_reach = advice.map(|advice| format!("{scope}: {reason}; {advice}"));
        let completeness = Completeness::Incomplete { reason };
        Self { objects: Listing { items: Vec::new(), completeness, started_at }, out_of_reach, room: None }
    }
}

/// One object.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is.
    pub key: ObjectKey,
    /// The server's id, by which it is changed and deleted.
    pub id: String,
    /// Whose it says that it is; nothing where it says nothing.
    pub marker: Option<ObjectMarker>,
    /// Who seems to have made it, where it is not marked and the provider says so, for people.
    pub made_by: Option<String>,
    /// What is noted on it.
    pub marks: Marks,
    /// How it is.
    pub state: ObjectState,
    /// Its fields in normal form.
    pub fields: Fields,
    /// What a listing alone shows of it, as a text that changes whenever that does.
    pub bulk: String,
    /// The recorded fingerprints of its secret fields.
    pub fingerprints: BTreeMap<String, String>,
    /// What others may use of it, by the last word of the output's path. Only of what was looked at closely.
    pub outputs: BTreeMap<String, SecretText>,
    /// Whether it was looked at closely: only then are all fields and outputs known.
    pub is_close: bool,
    /// Why the provider would refuse to delete it, if that is known.
    pub held_by: Option<String>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
}

/// How an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectState {
    /// It can be used.
    Ready,
    /// It is on its way from one state to another.
    Changing {
        /// What happens, in the provider's words.
        what: String,
    },
    /// It does not work, and time will not help.
    Failed {
        /// What happened, with what the provider says of it.
        message: String,
    },
}

/// The field that holds what is written in plain in place of a secret, by name.
pub const PLAIN_VALUES: &str = "values";

/// The field that holds which of the secret fields somebody else wrote last, by name.
pub const BY_OTHERS: &str = "byOthers";

/// The field that says that something is there, and is not proved to be its owner's: to ask for it again may help.
pub const UNPROVED: &str = "unproved";

/// The field that says that of the object only what holds no data is left. It is no field of specs.
pub const REMNANT: &str = "remnant";

impl Object {
    /// The value of a field that the spec has among the secret ones, where the provider shows it because it is kept in plain.
    pub fn plain_value(&self, name: &str) -> Option<&str> {
        self.fields.get(PLAIN_VALUES)?.get(name)?.as_str()
    }

    /// Whether somebody else wrote a secret field last: its value may be another one than its record says.
    pub fn is_by_others(&self, name: &str) -> bool {
        self.fields.get(BY_OTHERS).is_some_and(|fields| fields.get(name).is_some())
    }

    /// Whether it does not work because it is not proved to be its owner's.
    pub fn is_unproved(&self) -> bool {
        self.fields.contains_key(UNPROVED)
    }

    /// Whether only what holds no data is left of it, as a deletion leaves it that did not come to its end: there is nothing to have grace for.
    pub fn is_remnant(&self) -> bool {
        self.fields.contains_key(REMNANT)
    }

    /// Our marker, if it is ours and names this object.
    pub fn owned_by(&self, owner: &OwnerId) -> Option<&ObjectMarker> {
        self.marker.as_ref().filter(|marker| marker.owner == *owner && marker.name == self.key.name)
    }

    /// Whether it is ours and of `env`.
    pub fn is_of(&self, owner: &OwnerId, env: &EnvName) -> bool {
        self.owned_by(owner).is_some_and(|marker| marker.env == *env)
    }
}
