//! A volume and its snapshots.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rfc3339;

/// A volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: VolumeState,
    pub(crate) size_gb: u64,
    pub(crate) region: String,
    pub(crate) zone: String,
    pub(crate) encrypted: bool,
    pub(crate) fstype: String,
    pub(crate) attached_machine: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) snapshot_retention: u64,
    pub(crate) auto_backup_enabled: bool,
    pub(crate) unreachable: bool,
    /// The snapshot or volume that it was made from.
    pub(crate) origin: Option<String>,
    pub(crate) snapshots: Vec<Snapshot>,
}

/// The states of a volume that the simulator uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VolumeState {
    Created,
    PendingDestroy,
}

impl VolumeState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::PendingDestroy => "pending_destroy",
        }
    }
}

/// A snapshot of a volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) volume_gb: u64,
    pub(crate) retention_days: u64,
}

impl Volume {
    /// Whether its deletion was asked for.
    pub(crate) fn is_deleted(&self) -> bool {
        self.state == VolumeState::PendingDestroy
    }

    /// The volume as the API shows it.
    pub(crate) fn render(&self) -> Value {
        let bytes = self.size_gb.saturating_mul(1_000_000_000);
        let blocks = bytes / 4096;
        json!({
            "id": self.id,
            "name": self.name,
            "state": self.state.as_str(),
            "size_gb": self.size_gb,
            "region": self.region,
            "zone": self.zone,
            "encrypted": self.encrypted,
            "fstype": self.fstype,
            "attached_machine_id": self.attached_machine,
            "attached_alloc_id": null,
            "created_at": rfc3339(self.created_at),
            "snapshot_retention": self.snapshot_retention,
            "auto_backup_enabled": self.auto_backup_enabled,
            "host_status": if self.unreachable { "unreachable" } else { "ok" },
            "type": "local",
            "block_size": 4096,
            "blocks": blocks,
            "blocks_free": blocks,
            "blocks_avail": blocks,
            "bytes_used": 0,
            "bytes_total": bytes,
        })
    }

    /// The volume as the organization-wide listing shows it.
    pub(crate) fn render_overview(&self, app: &str) -> Value {
        let mut shown = self.render();
        if let Some(map) = shown.as_object_mut() {
            map.insert("app_name".to_owned(), Value::from(app));
            map.insert("updated_at".to_owned(), Value::from(rfc3339(self.updated_at)));
        }
        shown
    }
}

impl Snapshot {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "created_at": rfc3339(self.created_at),
            "size": 0,
            "volume_size": self.volume_gb.saturating_mul(1_000_000_000),
            "digest": self.id,
            "status": "created",
            "retention_days": self.retention_days,
        })
    }
}

/// Whether `name` may be the name of a volume: 1 to 30 lower-case letters, digits and underscores.
pub(crate) fn is_volume_name(name: &str) -> bool {
    (1..=30).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
