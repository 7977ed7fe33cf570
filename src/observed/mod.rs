//! What was seen at the providers, with how complete it is as a type.
//!
//! Absence can be asked only of a complete answer: [`Listing::absent`] and [`Reading::known`] are the only ways to learn that
//! something is not there.

pub mod adoptable;
mod by_app;
mod checks;
pub mod deletable;
#[cfg(test)]
pub(crate) mod fixture;
mod images;
pub mod machine;
pub mod objects;
pub mod ownership;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use by_app::ByApp;
pub use checks::{CheckState, Checks, CommitChecks};
pub use images::{ImageAnswer, Images};
pub use machine::{Check, Exit, Machine, MachineState};
pub use objects::{BY_OTHERS, Object, ObjectScope, ObjectState, PLAIN_VALUES, REMNANT, Room, UNPROVED};

pub use crate::desired::Completeness;
use crate::resource::{AppName, IpKind, ObjectKey, OrgSlug, ScopeKey};

/// Everything that one pass has seen.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// One view per Fly organization.
    pub scopes: BTreeMap<OrgSlug, Scope>,
    /// One view per scope of another provider.
    pub objects: BTreeMap<ScopeKey, ObjectScope>,
    /// What registries said of images that nothing of ours runs yet.
    pub images: Images,
    /// What GitHub said of commits that gates ask about.
    pub checks: Checks,
}

impl Observed {
    /// An object, if its scope was listed and has it.
    pub fn object(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(&key.scope)?.objects.items.iter().find(|object| object.key == *key)
    }

    /// Every object that was seen.
    pub fn all_objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().flat_map(|scope| &scope.objects.items)
    }

    /// The details of an app, if they were read.
    pub fn detail(&self, org: Option<&OrgSlug>, app: &AppName) -> Option<&AppDetail> {
        self.scopes.get(org?)?.details.get(app)
    }
}

/// One Fly organization as a bulk listing covers it.
#[derive(Debug, Clone)]
pub struct Scope {
    /// All apps.
    pub apps: Listing<AppRow>,
    /// All machines.
    pub machines: Listing<Machine>,
    /// All volumes.
    pub volumes: Listing<Volume>,
    /// What was read app by app.
    pub details: BTreeMap<AppName, AppDetail>,
    /// Why the organization cannot be read at all where asking again soon does not help (the token is refused, nobody answers), and
    /// what to do.
    pub out_of_reach: Option<String>,
}

/// A listing, and whether it is all there is.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// What was listed.
    pub items: Vec<T>,
    /// Whether every page and region answered.
    pub completeness: Completeness,
    /// When the listing began: what was written later may be missing from it.
    pub started_at: DateTime<Utc>,
}

impl<T> Listing<T> {
    /// Whether nothing in the listing satisfies `is_it` **and** the listing is complete, so that absence means absence.
    pub fn absent(&self, is_it: impl FnMut(&T) -> bool) -> bool {
        self.completeness.is_complete() && !self.items.iter().any(is_it)
    }
}

/// A part of an app's details: read, or not.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T> {
    /// Read completely, beginning at `started_at`.
    Known {
        /// What was read.
        value: T,
        /// When the reading began.
        started_at: DateTime<Utc>,
    },
    /// Not read, or not completely.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl<T> Reading<T> {
    /// What was read, if it was.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }
}

/// What is known of an app's name.
#[derive(Debug, Clone, PartialEq)]
pub enum Presence {
    /// It exists in this organization.
    Here(AppRow),
    /// It exists, and not where our token sees it.
    Elsewhere,
    /// A direct request said that the name is free, and the token still sees the organization.
    Absent {
        /// When the request began.
        started_at: DateTime<Utc>,
    },
    /// It cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// An app as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRow {
    /// The server's id: an app made anew under the same name has another.
    pub id: String,
    /// The name.
    pub name: AppName,
    /// The private network; empty for the organization's default.
    pub network: String,
    /// `pending`, `deployed` or `suspended`.
    pub status: String,
}

/// One app, read in detail.
#[derive(Debug, Clone, PartialEq)]
pub struct AppDetail {
    /// Whether it exists.
    pub presence: Presence,
    /// Its machines with their whole configuration.
    pub machines: Reading<Vec<Machine>>,
    /// Its volumes.
    pub volumes: Reading<Vec<Volume>>,
    /// Its secrets (names and digests).
    pub secrets: Reading<Vec<Secret>>,
    /// Its addresses.
    pub ips: Reading<Vec<Ip>>,
    /// Its certificates.
    pub certificates: Reading<Vec<Certificate>>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The app it belongs to.
    pub app: AppName,
    /// The server's id.
    pub id: String,
    /// The name (not unique).
    pub name: String,
    /// The region.
    pub region: String,
    /// The state, in the API's words.
    pub state: String,
    /// Size in GB.
    pub size_gb: u64,
    /// The machine it is attached to.
    pub attached_machine: Option<String>,
    /// Days that snapshots are kept.
    pub snapshot_retention: Option<u64>,
    /// Whether Fly makes daily snapshots.
    pub auto_backup: Option<bool>,
    /// Whether its host answers.
    pub host_ok: bool,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
}

impl Volume {
    /// Whether the volume exists for practical purposes: not being destroyed (soft-deleted volumes stay listed for a day).
    pub fn is_live(&self) -> bool {
        const GOING: [&str; 6] =
            ["scheduling_destroy", "fork_cleanup", "waiting_for_detach", "pending_destroy", "destroying", "destroyed"];
        !GOING.contains(&self.state.as_str())
    }
}

/// A secret, as far as Fly tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The name.
    pub name: String,
    /// An opaque digest: another digest means another value was written.
    pub digest: String,
    /// When it was first set.
    pub created_at: Option<DateTime<Utc>>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ip {
    /// The address.
    pub address: String,
    /// Its kind; absent for kinds that no spec manages (egress).
    pub kind: Option<IpKind>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The host name.
    pub hostname: String,
    /// Whether it is issued and its DNS is right.
    pub configured: bool,
    /// The state, in the API's words.
    pub status: String,
}
