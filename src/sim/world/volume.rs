//! A volume and its snapshots.

use std::time::Duration;

use chrono::{DateTime, Days, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::rfc3339;
use super::schedule::after;

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
    /// Since when a snapshot is taken every day, if it is.
    pub(crate) daily_since: Option<DateTime<Utc>>,
    pub(crate) unreachable: bool,
    /// The snapshot or volume that it was made from.
    pub(crate) origin: Option<Origin>,
    /// Those that were asked for, and those that were taken daily until that ended.
    snapshots: Vec<Snapshot>,
}

/// What a volume was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Snapshot,
    Volume,
}

/// Whether a volume is there, or soft-deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VolumeState {
    Created,
    PendingDestroy,
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
    /// A new volume.
    #[expect(clippy::too_many_arguments, reason = "they are what every volume has from birth")]
    pub(crate) fn new(
        id: String,
        name: String,
        size_gb: u64,
        region: String,
        zone: String,
        snapshot_retention: u64,
        origin: Option<Origin>,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            name,
            state: VolumeState::Created,
            size_gb,
            region,
            zone,
            encrypted: true,
            fstype: "ext4".to_owned(),
            attached_machine: None,
            created_at: at,
            updated_at: at,
            snapshot_retention,
            daily_since: Some(at),
            unreachable: false,
            origin,
            snapshots: Vec::new(),
        }
    }

    /// Its state at `now`, as the API names it; `copying` is how long it is filled from where it came.
    pub(crate) fn state(&self, now: DateTime<Utc>, copying: Duration) -> &'static str {
        match (self.state, self.origin) {
            (VolumeState::PendingDestroy, _) => "pending_destroy",
            (VolumeState::Created, Some(origin)) if after(self.created_at, copying) > now => match origin {
                Origin::Snapshot => "restoring",
                Origin::Volume => "hydrating",
            },
            (VolumeState::Created, _) => "created",
        }
    }

    /// Its snapshots that are not yet too old, oldest first.
    pub(crate) fn snapshots(&self, now: DateTime<Utc>) -> Vec<Snapshot> {
        let kept = |snapshot: &Snapshot| {
            let end = snapshot.created_at.checked_add_days(Days::new(snapshot.retention_days));
            end.is_none_or(|end| end > now)
        };
        let mut all: Vec<Snapshot> = self.snapshots.iter().filter(|one| kept(one)).cloned().collect();
        all.extend(self.daily_snapshots(now).into_iter().filter(kept));
        all.sort_by_key(|snapshot| snapshot.created_at);
        all
    }

    /// The daily ones: they follow from the time that has passed, so that nobody has to take them.
    fn daily_snapshots(&self, now: DateTime<Utc>) -> Vec<Snapshot> {
        let Some(since) = self.daily_since else { return Vec::new() };
        let days = u64::try_from(now.signed_duration_since(since).num_days()).unwrap_or(0);
        let first = days.saturating_sub(self.snapshot_retention).saturating_add(1);
        let taken = (first..=days).filter_map(|day| {
            let created_at = since.checked_add_days(Days::new(day))?;
            let hash = hex::encode(Sha256::digest(format!("{} {}", self.id, created_at.timestamp_millis())));
            Some(self.snapshot(format!("vs_{}", hash.chars().take(16).collect::<String>()), created_at))
        });
        taken.collect()
    }

    fn snapshot(&self, id: String, created_at: DateTime<Utc>) -> Snapshot {
        Snapshot { id, created_at, volume_gb: self.size_gb, retention_days: self.snapshot_retention }
    }

    /// Takes a snapshot.
    pub(crate) fn take_snapshot(&mut self, id: String, at: DateTime<Utc>) -> Snapshot {
        let snapshot = self.snapshot(id, at);
        self.snapshots.retain(|old| old.created_at.checked_add_signed(TimeDelta::days(60)).is_none_or(|end| end > at));
        self.snapshots.push(snapshot.clone());
        snapshot
    }

    /// Lets daily snapshots begin or end; those that were taken stay.
    pub(crate) fn set_daily(&mut self, daily: bool, at: DateTime<Utc>) {
        if daily != self.daily_since.is_some() {
            let taken = self.daily_snapshots(at);
            self.snapshots.extend(taken);
            self.daily_since = daily.then_some(at);
        }
    }

    /// Soft-deletes it.
    pub(crate) fn delete(&mut self, at: DateTime<Utc>) {
        self.set_daily(false, at);
        self.state = VolumeState::PendingDestroy;
        self.updated_at = at;
    }

    /// Whether its deletion was asked for.
    pub(crate) fn is_deleted(&self) -> bool {
        self.state == VolumeState::PendingDestroy
    }

    /// The volume as the API shows it.
    pub(crate) fn render(&self, now: DateTime<Utc>, copying: Duration) -> Value {
        let bytes = self.size_gb.saturating_mul(1_000_000_000);
        let blocks = bytes / 4096;
        json!({
            "id": self.id,
            "name": self.name,
            "state": self.state(now, copying),
            "size_gb": self.size_gb,
            "region": self.region,
            "zone": self.zone,
            "encrypted": self.encrypted,
            "fstype": self.fstype,
            "attached_machine_id": self.attached_machine,
            "attached_alloc_id": null,
            "created_at": rfc3339(self.created_at),
            "snapshot_retention": self.snapshot_retention,
            "auto_backup_enabled": self.daily_since.is_some(),
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
    pub(crate) fn render_overview(&self, app: &str, now: DateTime<Utc>, copying: Duration) -> Value {
        let mut shown = self.render(now, copying);
        if let Some(map) = shown.as_object_mut() {
            map.insert("app_name".to_owned(), Value::from(app));
            map.insert("updated_at".to_owned(), Value::from(rfc3339(self.updated_at)));
        }
        shown
    }
}

impl Snapshot {
    /// The snapshot as the API shows it; it is `taking` this long to be made.
    pub(crate) fn render(&self, now: DateTime<Utc>, taking: Duration) -> Value {
        let status = if after(self.created_at, taking / 2) > now {
            "waiting"
        } else if after(self.created_at, taking) > now {
            "running"
        } else {
            "created"
        };
        json!({
            "id": self.id,
            "created_at": rfc3339(self.created_at),
            "size": 0,
            "volume_size": self.volume_gb.saturating_mul(1_000_000_000),
            "digest": self.id,
            "status": status,
            "retention_days": self.retention_days,
        })
    }
}

/// Whether `name` may be the name of a volume: 1 to 30 lower-case letters, digits and underscores.
pub(crate) fn is_volume_name(name: &str) -> bool {
    (1..=30).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
