//! Volumes and their snapshots.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::machine::HostStatus;
use crate::providers::lenient::{moment, or_default, words};

words! {
    /// What a volume is doing.
    VolumeState {
        /// Being made.
        Creating = "creating",
        /// There.
        Created = "created",
        /// Growing.
        Extending = "extending",
        /// Being filled from a snapshot.
        Restoring = "restoring",
        /// About to be copied from another volume.
        EnablingRemoteExport = "enabling_remote_export",
        /// Being copied from another volume; can be mounted already.
        Hydrating = "hydrating",
        /// Being repaired by Fly.
        Recovering = "recovering",
        /// Deleted; its removal is being arranged.
        SchedulingDestroy = "scheduling_destroy",
        /// Deleted; removed for good after a day.
        PendingDestroy = "pending_destroy",
        /// Deleted, and still mounted.
        WaitingForDetach = "waiting_for_detach",
        /// What is left of a copy.
        ForkCleanup = "fork_cleanup",
        /// Being removed for good.
        Destroying = "destroying",
        /// Removed for good.
        Destroyed = "destroyed",
    }
}

impl VolumeState {
    /// Whether the volume is deleted, although Fly may go on listing it for a day or a week.
    pub const fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::SchedulingDestroy
                | Self::PendingDestroy
                | Self::WaitingForDetach
                | Self::ForkCleanup
                | Self::Destroying
                | Self::Destroyed
        )
    }
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// Fly's id for it: `vol_…`. Changes when Fly moves the machine it is mounted in.
    pub id: String,
    /// Its name; several volumes of an app may have the same.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What it is doing.
    #[serde(default)]
    pub state: VolumeState,
    /// Its size in GB.
    #[serde(default, deserialize_with = "or_default")]
    pub size_gb: u64,
    /// Where it is.
    #[serde(default, deserialize_with = "or_default")]
    pub region: String,
    /// The physical host it is on.
    #[serde(default)]
    pub zone: Option<String>,
    /// Whether it is encrypted.
    #[serde(default)]
    pub encrypted: Option<bool>,
    /// `ext4` or `raw`.
    #[serde(default)]
    pub fstype: Option<String>,
    /// The machine it is mounted in; stays for up to a minute after that machine is destroyed.
    #[serde(default)]
    pub attached_machine_id: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// For how many days snapshots are kept.
    #[serde(default)]
    pub snapshot_retention: Option<u32>,
    /// Whether a snapshot is taken every day.
    #[serde(default)]
    pub auto_backup_enabled: Option<bool>,
    /// Whether its host answers.
    #[serde(default)]
    pub host_status: Option<HostStatus>,
}

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VolumeSnapshot {
    /// Fly's id for it: `vs_…`.
    pub id: String,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "or_default")]
    pub size: u64,
    /// `waiting`, `running` or `created`.
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    /// When it was taken.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// For how many days it is kept.
    #[serde(default)]
    pub retention_days: Option<u32>,
}

/// The answer to an extension.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::providers::fly) struct ExtendAnswer {
    pub(in crate::providers::fly) volume: Volume,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::fly) needs_restart: bool,
}
