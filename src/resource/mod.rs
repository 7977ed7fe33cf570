//! The resource kinds: identity, markers, normal forms and field-level differences.
//!
//! Everything here is plain data and pure functions. A *resource* is one object at a provider; its [`ResourceKey`] is how specs,
//! plans, notes and conditions name it, whether or not it exists yet.

pub mod diff;
pub mod field;
pub mod image;
pub mod job;
pub mod key;
pub mod machine;
pub mod marker;
pub mod object;
pub mod output;
pub mod own_name;
mod repo;
pub mod secret_record;

pub use diff::{Change, ChangeKind, FieldChange};
pub use key::{
    AppName, ComponentName, EnvName, IpKind, MachineSlot, OrgSlug, OwnerId, ResourceKey, Subject, VolumeSlot,
};
pub use object::{ObjectKey, ObjectKind, ObjectMarker, Provider, ScopeKey};
pub use repo::{Commit, RepoName, RepoNameError};
