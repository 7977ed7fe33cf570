//! Volumes and their snapshots.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::schedule::{Due, after};
use super::super::world::volume::{Snapshot, Volume, VolumeState, is_volume_name};
use super::{Answer, Call, Refusal, Reply};

#[derive(Deserialize)]
struct CreateVolume {
    name: Option<String>,
    region: Option<String>,
    size_gb: Option<u64>,
    encrypted: Option<bool>,
    fstype: Option<String>,
    snapshot_retention: Option<u64>,
    auto_backup_enabled: Option<bool>,
    snapshot_id: Option<String>,
    source_volume_id: Option<String>,
}

#[derive(Deserialize)]
struct UpdateVolume {
    snapshot_retention: Option<u64>,
    auto_backup_enabled: Option<bool>,
}

#[derive(Deserialize)]
struct ExtendVolume {
    size_gb: u64,
}

fn invalid(text: &str) -> Refusal {
    Refusal::from(Reply::error(400, &format!("invalid_argument: {text}")))
}

fn not_found() -> Refusal {
    Refusal::from(Reply::error(404, "volume not found"))
}

fn find<'w>(world: &'w World, call: &Call, app: &str, id: &str) -> Result<&'w Volume, Refusal> {
    call.app(world, app)?.volumes.get(id).ok_or_else(not_found)
}

fn find_mut<'w>(world: &'w mut World, call: &Call, app: &str, id: &str) -> Result<&'w mut Volume, Refusal> {
    call.app(world, app)?;
    world.apps.get_mut(app).and_then(|app| app.volumes.get_mut(id)).ok_or_else(not_found)
}

/// Volumes that are pending destruction are listed too.
pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    Ok(Reply::ok(app.volumes.values().map(Volume::render).collect()))
}

pub(super) fn get(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    Ok(Reply::ok(find(world, call, app, id)?.render()))
}

/// Names are not unique, and a create that is sent twice makes two volumes.
pub(super) fn create(world: &mut World, call: &Call, app_name: &str) -> Answer {
    let app = call.app(world, app_name)?;
    let wanted: CreateVolume = call.body()?;
    let name = wanted.name.unwrap_or_default();
    if !is_volume_name(&name) {
        return Err(invalid("name: must be 1 to 30 lower-case letters, digits and underscores"));
    }
    let source = wanted.source_volume_id.as_ref().map(|id| app.volumes.get(id).ok_or_else(not_found)).transpose()?;
    let known =
        |id: &String| app.volumes.values().any(|volume| volume.snapshots.iter().any(|snapshot| snapshot.id == *id));
    if wanted.snapshot_id.as_ref().is_some_and(|id| !known(id)) {
        return Err(Refusal::from(Reply::error(404, "snapshot not found")));
    }
    let size_gb = wanted.size_gb.or_else(|| source.map(|source| source.size_gb)).unwrap_or(3);
    if !(1..=500).contains(&size_gb) {
        return Err(invalid("size_gb: must be from 1 to 500"));
    }
    let snapshot_retention = wanted.snapshot_retention.unwrap_or(5);
    check_retention(snapshot_retention)?;
    let fstype = wanted.fstype.unwrap_or_else(|| "ext4".to_owned());
    if !matches!(fstype.as_str(), "ext4" | "raw") {
        return Err(invalid("fstype: must be ext4 or raw"));
    }
    let volume = Volume {
        id: format!("vol_{}", world.ids.alphanumeric(16)),
        name,
        state: VolumeState::Created,
        size_gb,
        region: wanted
            .region
            .filter(|region| !region.is_empty())
            .unwrap_or_else(|| world.config.default_region.clone()),
        zone: world.ids.hex(4),
        encrypted: wanted.encrypted.unwrap_or(true),
        fstype,
        attached_machine: None,
        created_at: call.now,
        updated_at: call.now,
        snapshot_retention,
        auto_backup_enabled: wanted.auto_backup_enabled.unwrap_or(true),
        unreachable: false,
        origin: wanted.snapshot_id.or(wanted.source_volume_id),
        snapshots: Vec::new(),
    };
    let shown = volume.render();
    if let Some(app) = world.apps.get_mut(app_name) {
        app.volumes.insert(volume.id.clone(), volume);
    }
    Ok(Reply::ok(shown))
}

fn check_retention(days: u64) -> Result<(), Refusal> {
    if (1..=60).contains(&days) { Ok(()) } else { Err(invalid("snapshot_retention: must be from 1 to 60 days")) }
}

pub(super) fn update(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let wanted: UpdateVolume = call.body()?;
    if let Some(days) = wanted.snapshot_retention {
        check_retention(days)?;
    }
    let volume = find_mut(world, call, app, id)?;
    volume.snapshot_retention = wanted.snapshot_retention.unwrap_or(volume.snapshot_retention);
    volume.auto_backup_enabled = wanted.auto_backup_enabled.unwrap_or(volume.auto_backup_enabled);
    volume.updated_at = call.now;
    Ok(Reply::ok(volume.render()))
}

/// Volumes only grow.
pub(super) fn extend(world: &mut World, call: &Call, app_name: &str, id: &str) -> Answer {
    let ExtendVolume { size_gb } = call.body()?;
    let volume = find_mut(world, call, app_name, id)?;
    if size_gb < volume.size_gb || size_gb > 500 {
        return Err(invalid(&format!("size_gb: must be from {} to 500, volumes cannot shrink", volume.size_gb)));
    }
    volume.size_gb = size_gb;
    volume.updated_at = call.now;
    let machine = volume.attached_machine.clone();
    let shown = volume.render();
    let machine = machine.and_then(|machine| world.apps.get_mut(app_name)?.machines.get_mut(&machine));
    if let Some(size) = machine.and_then(|machine| machine.config.pointer_mut("/mounts/0/size_gb")) {
        *size = Value::from(size_gb);
    }
    Ok(Reply::ok(json!({"volume": shown, "needs_restart": false})))
}

/// Soft: the volume is listed as pending destruction for a day. One that is bound cannot be deleted.
pub(super) fn delete(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let purge = world.config.volume_pending_destroy;
    let volume = find_mut(world, call, app, id)?;
    if let Some(machine) = &volume.attached_machine {
        let text = format!("failed_precondition: volume is currently bound to machine: {machine}");
        return Err(Refusal::from(Reply::error(412, &text)));
    }
    if volume.is_deleted() {
        return Ok(Reply::ok(volume.render()));
    }
    volume.state = VolumeState::PendingDestroy;
    volume.updated_at = call.now;
    let shown = volume.render();
    world.schedule.push(after(call.now, purge), Due::PurgeVolume { app: app.to_owned(), id: id.to_owned() });
    Ok(Reply::ok(shown))
}

pub(super) fn snapshots(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let volume = find(world, call, app, id)?;
    Ok(Reply::ok(volume.snapshots.iter().rev().map(Snapshot::render).collect()))
}

pub(super) fn snapshot(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let snapshot_id = format!("vs_{}", world.ids.alphanumeric(16));
    let volume = find_mut(world, call, app, id)?;
    let snapshot = Snapshot {
        id: snapshot_id,
        created_at: call.now,
        volume_gb: volume.size_gb,
        retention_days: volume.snapshot_retention,
    };
    let shown = snapshot.render();
    volume.snapshots.push(snapshot);
    Ok(Reply::ok(shown))
}
