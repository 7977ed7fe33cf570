//! The resource graph of a fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::previews::{Audience, Ended, NamePattern, Preview, PreviewSet, Provenance};
use crate::resource::marker::Finalizer;
use crate::resource::object::{Fields, is_plain};
use crate::resource::{
    AppName, Commit, ComponentName, EnvName, IpKind, MachineSlot, ObjectKey, OrgSlug, OwnerId, ScopeKey, VolumeSlot,
};
use crate::secret::SecretText;
pub use crate::spec::preview::SleepMode;
use crate::template::Fingerprinter;

/// Whether an answer is all there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Completeness {
    /// Every part answered.
    Complete,
    /// Something is missing; nothing may be concluded from absence.
    Incomplete {
        /// What is missing and why.
        reason: String,
    },
}

impl Completeness {
    /// Whether absence means absence.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// What is missing and why, if anything is.
    pub fn gap(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Incomplete { reason } => Some(reason),
        }
    }
}

/// Everything that one controller is asked for.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The controller's identity.
    pub owner: OwnerId,
    /// The environments by name.
    pub environments: BTreeMap<EnvName, Wanted>,
    /// Whether all sources of specs answered completely. What previews are made from is in `sets`.
    pub source: Completeness,
    /// The sets of previews by name.
    pub sets: BTreeMap<String, PreviewSet>,
    /// Names of previews whose end a person has declared: their pull requests are closed, or a command says so.
    pub ended: BTreeMap<EnvName, Ended>,
    /// Whom to tell how previews are doing, those included that are no more.
    pub audiences: BTreeMap<EnvName, Audience>,
    /// Where previews come from, those included whose pull requests are known to be closed.
    pub provenances: BTreeMap<EnvName, Provenance>,
    /// The names that apps of each set's previews can have.
    pub app_names: BTreeMap<String, Vec<NamePattern>>,
    /// Scopes of other providers that sets of previews name, whether or not there is a preview.
    pub scopes: BTreeSet<ScopeKey>,
    /// The commit that the specs come from, where they come from git.
    pub commit: Option<String>,
    /// Makes keyed fingerprints of secret values; absent where no master key is at hand (then secrets cannot be compared).
    pub fingerprinter: Option<Fingerprinter>,
}

impl Fleet {
    /// What is not known of all that is asked for, and why: the specs, or what a set of previews is made from.
    pub fn gaps(&self) -> impl Iterator<Item = &str> {
        let parts = std::iter::once(&self.source).chain(self.sets.values().map(|set| &set.completeness));
        parts.filter_map(Completeness::gap)
    }
}

/// An environment that a spec asks for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Its graph is known.
    Ready(Box<Environment>),
    /// A spec names it, but its graph cannot be known now. It is nobody's orphan, and nothing of it is changed.
    Broken {
        /// Why, and what to do.
        reason: String,
    },
}

/// How much may go wrong in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Short-lived.
    Preview,
    /// Long-lived, not customers'.
    Staging,
    /// Customers'. Always protected.
    Production,
}

/// What Hangar may do in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Nothing but look.
    Observe,
    /// Create what is missing.
    CreateOnly,
    /// Create and update.
    NoDelete,
    /// Everything.
    Full,
}

impl std::fmt::Display for Level {
    /// As specs have it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Observe => "observe",
            Self::CreateOnly => "createOnly",
            Self::NoDelete => "noDelete",
            Self::Full => "full",
        })
    }
}

/// What must hold before an environment is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates {
    /// A person has to consent to each pass that changes something.
    pub approval: bool,
    /// These environments must be converged.
    pub environments: Vec<EnvName>,
    /// These checks must have succeeded.
    pub checks: Option<CheckGate>,
}

/// Checks that must have succeeded at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckGate {
    /// The commit.
    pub commit: Commit,
    /// Names of check runs, or contexts of commit statuses.
    pub names: Vec<String>,
}

/// The private network of an environment's apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// One of its own, from the owner's pool.
    Isolated,
    /// The organization's default network.
    Shared,
    /// A named network.
    Named(String),
}

/// One environment's graph.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name.
    pub name: EnvName,
    /// Where its spec stands, as `file:line`.
    pub origin: String,
    /// Its class.
    pub class: Class,
    /// What may be done in it.
    pub level: Level,
    /// Never collected.
    pub protect: bool,
    /// Kept when its spec goes.
    pub retain: bool,
    /// Left exactly as it is.
    pub paused: bool,
    /// What it is a preview of, if it is one of a set.
    pub preview: Option<Preview>,
    /// When it ends, if that is a fixed moment.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it ends unless somebody pushes before.
    pub idle_at: Option<DateTime<Utc>>,
    /// How long after its creation it ends.
    pub max_age: Option<Duration>,
    /// When it goes to sleep unless somebody pushes before.
    pub sleep: Option<Sleep>,
    /// What must hold before it is changed.
    pub requires: Gates,
    /// The Fly organization, if it has anything on Fly's machines.
    pub org: Option<OrgSlug>,
    /// The private network of its apps.
    pub network: Network,
    /// Its apps, in the order of the spec.
    pub apps: Vec<App>,
    /// What it has at other providers, in the order of the spec.
    pub objects: Vec<Object>,
}

impl Environment {
    /// Whether something has to hold before it is changed.
    pub fn is_gated(&self) -> bool {
        self.requires != Gates::default()
    }

    /// Whether nothing has happened in it for so long that its machines may sleep.
    pub fn is_asleep(&self, now: DateTime<Utc>) -> bool {
        self.sleep.is_some_and(|sleep| sleep.at <= now)
    }
}

/// When a preview goes to sleep, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sleep {
    /// From when on, by its last push.
    pub at: DateTime<Utc>,
    /// How long a machine runs since its last start before it goes to sleep.
    pub after: Duration,
    /// What becomes of its machines.
    pub mode: SleepMode,
}

/// One wanted object at a provider other than Fly's machines.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own, which a spec makes alone")]
pub struct Object {
    /// What it is.
    pub key: ObjectKey,
    /// The component it belongs to, as other values refer to it: `neon.main`.
    pub component: ComponentName,
    /// Its own name among all parts of the environment: several objects may make up one component.
    pub part: ComponentName,
    /// Take over one of this name that is not ours.
    pub adopt: bool,
    /// Never collected.
    pub protect: bool,
    /// Kept when its spec goes.
    pub retain: bool,
    /// What is in it is put aside before it is deleted.
    pub snapshot: bool,
    /// Its fields in normal form; may hold placeholders. A field that is not here is left as it is.
    pub fields: Fields,
    /// The fields that matter only when it is made.
    pub on_creation: BTreeSet<String>,
    /// Its secret fields.
    pub secrets: BTreeMap<String, SecretValue>,
    /// Parts of the environment that must be as wanted before it is changed: components of apps, and names of objects.
    pub after: BTreeSet<ComponentName>,
    /// How long it may take to be ready.
    pub timeout: Duration,
}

impl Object {
    /// Whether the value of a secret field is no secret: it is written in plain.
    pub fn is_plain(&self, name: &str) -> bool {
        is_plain(&self.fields, name)
    }
}

/// One Fly app with everything in it.
#[derive(Debug, Clone)]
pub struct App {
    /// The component it is.
    pub component: ComponentName,
    /// Its name at Fly.
    pub name: AppName,
    /// Take over an app of this name that is not ours.
    pub adopt: bool,
    /// Never collected.
    pub protect: bool,
    /// Kept when its spec goes.
    pub retain: bool,
    /// The image reference of its machines (the first group's), for people.
    pub image: String,
    /// Parts of the environment that must be as wanted before this app's machines are changed, because it uses their outputs.
    pub after: BTreeSet<ComponentName>,
    /// Its secrets by name.
    pub secrets: BTreeMap<String, SecretValue>,
    /// Its addresses.
    pub ips: BTreeMap<IpKind, IpRequest>,
    /// Host names it has certificates for.
    pub certificates: BTreeSet<String>,
    /// Its volumes, one per machine slot that mounts one.
    pub volumes: Vec<Volume>,
    /// Its machines, one per slot, in slot order.
    pub machines: Vec<Machine>,
    /// The commands that run to their end in it, each after those that it waits for.
    pub jobs: Vec<Job>,
    /// What is run in it before anything of its environment is deleted.
    pub finalizers: Vec<Finalizer>,
    /// How long a machine may take to start and pass its checks.
    pub health_timeout: Duration,
}

impl App {
    /// The jobs that come after its machines.
    pub fn jobs_after(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| !job.is_first)
    }
}

/// A command that runs to its end in an app.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Its name among all parts of the environment: `jobs.migrate`.
    pub part: ComponentName,
    /// The machine that it runs in.
    pub machine: Machine,
    /// Whether it runs again when what it runs has changed.
    pub again: bool,
    /// Another text lets it run again in any case.
    pub generation: Option<String>,
    /// Whether it comes before the machines of its own app; else it comes after them.
    pub is_first: bool,
    /// Parts of the environment that must be as wanted before it runs.
    pub after: BTreeSet<ComponentName>,
    /// How long a run may take.
    pub timeout: Duration,
}

/// The value of a secret, as far as it is known here.
#[derive(Debug, Clone)]
pub enum SecretValue {
    /// Known; may hold placeholders for outputs.
    Known(SecretText),
    /// Not known on this machine.
    Unavailable {
        /// Why, naming the variable or file.
        reason: String,
    },
}

/// Details of a wanted address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpRequest {
    /// For Flycast: the network whose machines may reach it; the organization's default where absent.
    pub network: Option<String>,
    /// For Flycast: the organization of that network.
    pub org: Option<OrgSlug>,
}

/// One wanted volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its slot.
    pub slot: VolumeSlot,
    /// Size in GB (Fly's unit).
    pub size_gb: u64,
    /// Days that snapshots are kept; left as it is where absent.
    pub snapshot_retention: Option<u64>,
    /// Whether Fly makes daily snapshots; left as it is where absent.
    pub auto_backup: Option<bool>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether volumes of one name are spread over hosts.
    pub unique_zone: bool,
    /// The snapshot it starts from.
    pub from_snapshot: Option<String>,
    /// Kept when the spec no longer has it.
    pub retain: bool,
}

/// One wanted machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its slot.
    pub slot: MachineSlot,
    /// Its configuration in normal form, without metadata. A mount's `volume` is the placeholder of the volume's id.
    pub config: Value,
    /// Metadata that the spec sets itself.
    pub metadata: BTreeMap<String, String>,
    /// The volume it mounts.
    pub volume: Option<VolumeSlot>,
    /// Whether it should be running at all times: no autostop, no schedule, no `autoDestroy`.
    pub always_on: bool,
    /// Whether it has checks that must pass before it counts as healthy.
    pub has_checks: bool,
}
