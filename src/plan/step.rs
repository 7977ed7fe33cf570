//! Steps: one change to one resource each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::proof::Proof;
use super::secrets::SecretWrite;
use crate::desired::{IpRequest, Volume};
use crate::memory::Verb;
use crate::resource::marker::{JOB_GROUP, MachineMarker};
use crate::resource::object::{Fields, Marks, ObjectMarker};
use crate::resource::{ComponentName, EnvName, FieldChange, OrgSlug, ResourceKey};
use crate::secret::SecretText;

/// Names a step inside its plan: its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepId(pub usize);

/// One change to one resource.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its place in the plan.
    pub id: StepId,
    /// The environment it belongs to.
    pub env: EnvName,
    /// The component it belongs to, where that is known.
    pub component: Option<ComponentName>,
    /// The Fly organization it is carried out in, if it is about Fly's machines.
    pub org: Option<OrgSlug>,
    /// The resource.
    pub key: ResourceKey,
    /// What is done.
    pub action: Action,
    /// Why, as a sentence without a full stop.
    pub reason: String,
    /// The fields that change.
    pub changes: Vec<FieldChange>,
    /// The steps that must be done before.
    pub after: Vec<StepId>,
}

impl Step {
    /// Whether it only stops the run of a job whose time is over, which would go on for ever.
    pub fn ends_a_run(&self) -> bool {
        matches!(self.action, Action::StopMachine { .. }) && self.is_of_a_job()
    }

    /// Whether it only waits for the end of a run that is under way, or stops it because its time is over.
    pub fn minds_a_run(&self) -> bool {
        self.ends_a_run() || (matches!(self.action, Action::WaitEnded { live: Some(_), .. }) && self.is_of_a_job())
    }

    fn is_of_a_job(&self) -> bool {
        matches!(&self.key, ResourceKey::Machine { slot, .. } if slot.group.starts_with(JOB_GROUP))
    }
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Creates the app.
    CreateApp {
        /// The private network, which for an isolated app is also its marker; the organization's default where absent.
        network: Option<String>,
    },
    /// Writes all changed secrets of an app in one call.
    SetSecrets(SecretWrite),
    /// Creates a volume.
    CreateVolume {
        /// What is wanted.
        volume: Volume,
        /// The guest of the machine that will mount it, so that Fly places it on a host with room.
        guest: Option<Value>,
    },
    /// Makes a volume larger.
    ExtendVolume {
        /// The server's id.
        id: String,
        /// The new size in GB.
        size_gb: u64,
    },
    /// Changes a volume's snapshot settings.
    UpdateVolume {
        /// The server's id.
        id: String,
        /// Days that snapshots are kept.
        snapshot_retention: Option<u64>,
        /// Whether Fly makes daily snapshots.
        auto_backup: Option<bool>,
    },
    /// Deletes a volume.
    DeleteVolume {
        /// The server's id.
        id: String,
        /// Why it may go.
        proof: Proof,
    },
    /// Allocates an address.
    AllocateIp(IpRequest),
    /// Releases an address.
    ReleaseIp {
        /// The address.
        address: String,
        /// Why it may go.
        proof: Proof,
    },
    /// Asks for a certificate.
    AddCertificate,
    /// Removes a certificate.
    RemoveCertificate {
        /// Why it may go.
        proof: Proof,
    },
    /// Creates a machine.
    CreateMachine(Box<MachineWrite>),
    /// Updates a machine in place, under a lease and guarded by its version.
    UpdateMachine {
        /// The server's id.
        id: String,
        /// The version the plan was made for.
        version: String,
        /// What is written.
        write: Box<MachineWrite>,
    },
    /// Changes our metadata on a machine, which neither makes a version nor restarts it.
    MarkMachine {
        /// The server's id.
        id: String,
        /// Keys to set, and keys to remove.
        metadata: BTreeMap<String, Option<String>>,
    },
    /// Starts a machine that should be running.
    StartMachine {
        /// The server's id.
        id: String,
    },
    /// Puts a machine to sleep, under a lease and guarded by its version.
    StopMachine {
        /// The server's id.
        id: String,
        /// The version the plan was made for.
        version: String,
        /// Whether its memory is kept.
        suspend: bool,
    },
    /// Destroys a machine.
    DestroyMachine {
        /// The server's id.
        id: String,
        /// Why it may go.
        proof: Proof,
    },
    /// Waits until a machine has started, settled and passes its checks.
    WaitHealthy {
        /// The server's id, where no step before writes the machine.
        live: Option<String>,
        /// How long that may take.
        timeout: Duration,
        /// Whether it has checks.
        has_checks: bool,
        /// Whether its process may end, with code 0.
        may_end: bool,
        /// Whether it may be stopped for want of traffic meanwhile.
        may_sleep: bool,
        /// Hash of the wanted configuration and secrets, to remember a failure by.
        hash: String,
    },
    /// Waits until the run of a machine that is there for one run has ended well.
    WaitEnded {
        /// The server's id, where no step before writes the machine.
        live: Option<String>,
        /// How long that may take.
        timeout: Duration,
    },
    /// Creates an object at another provider.
    CreateObject(Box<ObjectChange>),
    /// Changes one.
    UpdateObject {
        /// The server's id.
        id: String,
        /// What is written.
        change: Box<ObjectChange>,
    },
    /// Changes what is noted on one.
    MarkObject {
        /// The server's id.
        id: String,
        /// Marks to set, and marks to remove.
        marks: BTreeMap<String, Option<String>>,
    },
    /// Waits until one can be used.
    WaitObject {
        /// How long that may take.
        timeout: Duration,
        /// What is wanted of it.
        fields: Fields,
    },
    /// Deletes one.
    DeleteObject {
        /// The server's id.
        id: String,
        /// Why it may go.
        proof: Proof,
    },
    /// What is done before an app is deleted, and only when its deletion could be planned itself.
    Finalize {
        /// What.
        act: Finalization,
        /// Why the app may go.
        proof: Proof,
    },
    /// Marks an app that somebody else has left as ours.
    AdoptApp {
        /// The server's id of the app.
        id: String,
        /// What changes in the metadata of each of its machines, by the server's id.
        marks: BTreeMap<String, BTreeMap<String, Option<String>>>,
        /// The secret whose name marks it, where it has no machine.
        secret: Option<String>,
        /// The code of the set that a person has consented to.
        consent: String,
    },
    /// Deletes an app with everything in it.
    DeleteApp {
        /// Why it may go.
        proof: Proof,
    },
}

/// What is done before an app is deleted.
#[derive(Debug, Clone)]
pub enum Finalization {
    /// Notes on a live machine how far it is: metadata, which neither makes a version nor restarts it.
    Note {
        /// The server's id.
        id: String,
        /// Keys to set, and keys to remove.
        metadata: BTreeMap<String, Option<String>>,
    },
    /// Creates the machine that a finalizer runs in.
    Run(Box<MachineWrite>),
}

impl Action {
    /// What the action is called in plans, logs and events.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreateApp { .. } | Self::CreateVolume { .. } | Self::CreateMachine(_) | Self::CreateObject(_) => {
                "create"
            }
            Self::AllocateIp(_) => "allocate",
            Self::AddCertificate => "add",
            Self::SetSecrets(_) => "set",
            Self::ExtendVolume { .. } => "extend",
            Self::UpdateVolume { .. } | Self::UpdateMachine { .. } | Self::UpdateObject { .. } => "update",
            Self::MarkMachine { .. }
            | Self::MarkObject { .. }
            | Self::Finalize { act: Finalization::Note { .. }, .. } => "mark",
            Self::Finalize { act: Finalization::Run(_), .. } => "run",
            Self::AdoptApp { .. } => "adopt",
            Self::StartMachine { .. } => "start",
            Self::StopMachine { suspend: false, .. } => "stop",
            Self::StopMachine { suspend: true, .. } => "suspend",
            Self::WaitHealthy { .. } | Self::WaitEnded { .. } | Self::WaitObject { .. } => "wait",
            Self::ReleaseIp { .. } => "release",
            Self::RemoveCertificate { .. } => "remove",
            Self::DeleteVolume { .. } | Self::DeleteApp { .. } | Self::DeleteObject { .. } => "delete",
            Self::DestroyMachine { .. } => "destroy",
        }
    }

    /// What the action does to its key; nothing for a wait.
    pub const fn verb(&self) -> Option<Verb> {
        match self {
            Self::CreateApp { .. }
            | Self::CreateVolume { .. }
            | Self::CreateMachine(_)
            | Self::CreateObject(_)
            | Self::AllocateIp(_)
            | Self::AddCertificate
            | Self::Finalize { act: Finalization::Run(_), .. } => Some(Verb::Create),
            Self::SetSecrets(_)
            | Self::ExtendVolume { .. }
            | Self::UpdateVolume { .. }
            | Self::UpdateMachine { .. }
            | Self::MarkMachine { .. }
            | Self::UpdateObject { .. }
            | Self::MarkObject { .. }
            | Self::AdoptApp { .. }
            | Self::StartMachine { .. }
            | Self::StopMachine { .. }
            | Self::Finalize { act: Finalization::Note { .. }, .. } => Some(Verb::Update),
            Self::DeleteVolume { .. }
            | Self::ReleaseIp { .. }
            | Self::RemoveCertificate { .. }
            | Self::DestroyMachine { .. }
            | Self::DeleteApp { .. }
            | Self::DeleteObject { .. } => Some(Verb::Delete),
            Self::WaitHealthy { .. } | Self::WaitEnded { .. } | Self::WaitObject { .. } => None,
        }
    }

    /// The proof that a delete carries, and what comes before one.
    pub const fn proof(&self) -> Option<&Proof> {
        match self {
            Self::DeleteVolume { proof, .. }
            | Self::ReleaseIp { proof, .. }
            | Self::RemoveCertificate { proof }
            | Self::DestroyMachine { proof, .. }
            | Self::Finalize { proof, .. }
            | Self::DeleteObject { proof, .. }
            | Self::DeleteApp { proof } => Some(proof),
            _ => None,
        }
    }
}

/// What an object at another provider is created or changed with. Fields and secrets may hold placeholders for outputs of steps before
/// this one.
#[derive(Debug, Clone)]
pub struct ObjectChange {
    /// Whose it is to be.
    pub marker: ObjectMarker,
    /// What is noted on it from birth.
    pub marks: Marks,
    /// All wanted fields.
    pub fields: Fields,
    /// The secret fields that are written: all of a new object, else those that are not known to be right.
    pub secrets: BTreeMap<String, SecretText>,
    /// The secret fields that go.
    pub gone: BTreeSet<String>,
    /// The fields that change, for people.
    pub changes: Vec<FieldChange>,
    /// Hash of what is wanted, to remember a failure by.
    pub hash: String,
}

/// Everything that a machine is created or updated with.
#[derive(Debug, Clone)]
pub struct MachineWrite {
    /// The configuration without metadata; may hold placeholders for outputs of steps before this one.
    pub config: Value,
    /// Metadata that the spec sets, or that others set and that is carried over.
    pub metadata: BTreeMap<String, String>,
    /// Our marker. The executor adds launch id, writer and the digests of secrets that are written in the same run.
    pub marker: MachineMarker,
    /// Hash of the wanted configuration and secrets, to remember a failure by.
    pub trial: String,
    /// Names of secrets whose digests come from a write in the same run.
    pub pending_digests: BTreeSet<String>,
    /// The newest vault version that a machine of the app is known to have taken; a write in the same run gives a newer one.
    pub min_secrets_version: Option<u64>,
    /// Whether the machine is started.
    pub start: bool,
}
