//! What is asked of the Machines API, and the short answers.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::providers::fly::wire::{IpAssignment, MachineState, Volume};

/// A new machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateMachine {
    /// Its name, unique within the app; Fly makes one up if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where; near the caller if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its whole configuration.
    pub config: Value,
    /// Whether it stays down.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_launch: bool,
    /// Takes a lease on it at once, for so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_ttl: Option<u32>,
    /// The vault's version that it has to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_secrets_version: Option<u64>,
}

/// A new version of a machine. Whatever the configuration leaves out goes back to Fly's default.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UpdateMachine {
    /// Its whole configuration, metadata of others included.
    pub config: Value,
    /// The version that this was decided upon; another one refuses the update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
    /// The vault's version that it has to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_secrets_version: Option<u64>,
    /// Whether it stays down.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_launch: bool,
}

/// A new volume.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CreateVolume {
    /// Its name; need not be unique.
    pub name: String,
    /// Where.
    pub region: String,
    /// Its size in GB.
    pub size_gb: u64,
    /// Whether it is encrypted (Fly's default: yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// `ext4` (Fly's default) or `raw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fstype: Option<String>,
    /// For how many days snapshots are kept (Fly's default: 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_retention: Option<u32>,
    /// Whether a snapshot is taken every day (Fly's default: yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_backup_enabled: Option<bool>,
    /// Whether volumes of the same name go to different hosts (Fly's default: yes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_unique_zone: Option<bool>,
    /// The snapshot to fill it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// The volume to copy it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_volume_id: Option<String>,
    /// The `guest` of the machine that will use it, so that it lands on a host with room for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<Value>,
}

/// A change of a volume's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct UpdateVolume {
    /// For how many days snapshots are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_retention: Option<u32>,
    /// Whether a snapshot is taken every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_backup_enabled: Option<bool>,
}

/// A volume after it was extended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// The volume.
    pub volume: Volume,
    /// Whether its machine sees the new size only after a restart.
    pub needs_restart: bool,
}

/// A new address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreateIp {
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: IpKind,
    /// Where, if it is to be bound to a region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The organization whose network can reach it; only for Flycast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_slug: Option<String>,
    /// The private network that can reach it; only for Flycast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// The kinds of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IpKind {
    /// A dedicated IPv4 address; costs money.
    V4,
    /// A dedicated IPv6 address.
    V6,
    /// An IPv4 address shared with other apps.
    SharedV4,
    /// Flycast: an address inside the private network.
    PrivateV6,
    /// An IPv4 address for connections that the app makes.
    EgressV4,
    /// An IPv6 address for connections that the app makes.
    EgressV6,
    /// Both of these.
    EgressPair,
}

/// The address that was assigned.
pub type CreatedIp = IpAssignment;

/// How a deletion went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is on its way out.
    Accepted,
    /// It was not there any more (404).
    WasGone,
}

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitFor {
    /// The state; [`WaitFor::settled`] for any resting one.
    pub state: String,
    /// The version that has to reach it, so that an older one does not count.
    pub version: Option<String>,
    /// How long; Fly takes whole seconds from 1 to 60.
    pub timeout: Duration,
}

impl WaitFor {
    /// Waits for `state`.
    pub fn state(state: &MachineState, version: Option<String>, timeout: Duration) -> Self {
        Self { state: state.as_str().to_owned(), version, timeout }
    }

    /// Waits for any state that does not pass by itself.
    pub fn settled(version: Option<String>, timeout: Duration) -> Self {
        Self { state: "settled".to_owned(), version, timeout }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
