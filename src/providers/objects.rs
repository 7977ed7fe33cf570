//! What every provider other than Fly's machines can do with its objects, in one form: list a scope, look closely, create, change, mark,
//! delete. What differs is behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::observed::{Object, ObjectScope};
use crate::resource::object::{Fields, ObjectMarker, ObjectWrite};
use crate::resource::{EnvName, ObjectKey, OwnerId};

/// What may be done when a call has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing happened, and nothing will until its input changes or a person acts.
    Permanent,
    /// Nothing happened, and it is likely to work later by itself.
    Transient,
    /// There is no room: a queue, and no failure.
    NoRoom,
    /// It may have had its effect: observe before deciding anything.
    Unknown,
}

/// Why something could not be done with an object.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ObjectError {
    /// A condition's reason, in one word.
    pub reason: String,
    /// What failed, where, why, and what to do.
    pub message: String,
    /// What may be done.
    pub class: Class,
}

impl ObjectError {
    /// That something is not as it was when the plan was made: only a new plan can take that into account.
    pub fn overtaken(message: impl Into<String>) -> Self {
        Self { reason: "Overtaken".to_owned(), message: message.into(), class: Class::Transient }
    }
}

/// What a call has made or changed.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The server's id.
    pub id: Option<String>,
    /// Something for people.
    pub shown: Option<String>,
}

/// What must still hold of an object when it is deleted.
#[derive(Debug, Clone)]
pub struct Expected<'e> {
    /// Whose it has to be.
    pub owner: &'e OwnerId,
    /// Of which environment.
    pub env: &'e EnvName,
    /// Whether a tombstone has to stand on it.
    pub needs_tombstone: bool,
}

impl Expected<'_> {
    /// Whether `object`, read just now, may be deleted.
    pub fn check(&self, object: &Object) -> Result<(), ObjectError> {
        let Some(marker) = object.owned_by(self.owner) else {
            return Err(ObjectError::overtaken(format!(
                "{} is not marked as ours any more; it is left alone",
                object.key
            )));
        };
        if marker.env != *self.env {
            let message = format!("{} is marked as environment `{}` now; it is left alone", object.key, marker.env);
            return Err(ObjectError::overtaken(message));
        }
        if object.marks.contains_key("hangar_protect") {
            return Err(ObjectError::overtaken(format!("{} is marked as protected now; it is left alone", object.key)));
        }
        if self.needs_tombstone && !object.marks.contains_key("hangar_tombstone") && !object.is_remnant() {
            return Err(ObjectError::overtaken(format!(
                "no tombstone stands on {} any more; it is left alone",
                object.key
            )));
        }
        Ok(())
    }
}

/// Which fields an update is about.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// The names of fields and secret fields that differ.
    pub names: BTreeSet<String>,
    /// The secret fields that go.
    pub gone: BTreeSet<String>,
}

/// Reads one scope. Nothing in it can write.
#[async_trait]
pub trait ReadObjects: fmt::Debug + Send + Sync {
    /// Lists the scope in bulk.
    async fn list(&self) -> ObjectScope;

    /// Looks closely at these objects of `scope`, each with the fields that are wanted of it.
    async fn look_closely(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>);
}

/// Changes the objects of one scope.
#[async_trait]
pub trait WriteObjects: fmt::Debug + Send + Sync {
    /// Makes an object. Its marker is part of it from birth.
    async fn create(&self, write: &ObjectWrite) -> Result<Written, ObjectError>;

    /// Changes one.
    async fn update(&self, id: &str, write: &ObjectWrite, changed: &Changed) -> Result<Written, ObjectError>;

    /// Changes what is noted on one: marks to set, and marks to remove.
    async fn mark(
        &self,
        key: &ObjectKey,
        id: &str,
        change: &BTreeMap<String, Option<String>>,
    ) -> Result<Written, ObjectError>;

    /// Deletes one, after its marker was read again. One that is gone already counts as deleted.
    async fn delete(&self, key: &ObjectKey, id: &str, expected: Expected<'_>) -> Result<Written, ObjectError>;

    /// Looks at one closely, with the fields that are wanted of it; nothing where it is not there.
    async fn look(
        &self,
        key: &ObjectKey,
        wanted: &Fields,
        marker: Option<&ObjectMarker>,
    ) -> Result<Option<Object>, ObjectError>;
}

/// A reader of one scope.
pub type ObjectReader = Arc<dyn ReadObjects>;

/// A writer of one scope.
pub type ObjectWriter = Arc<dyn WriteObjects>;
