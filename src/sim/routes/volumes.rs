//! Volumes and their snapshots.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::config::Shortage;
use super::super::world::World;
use super::super::world::schedule::{Due, after};
use super::super::world::volume::{Origin, Volume, is_volume_name};
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

fn show(world: &World, call: &Call, volume: &Volume) -> Value {
    volume.render(call.now, world.config.volume_copy)
}

/// Volumes that are pending destruction are listed too.
pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    Ok(Reply::ok(app.volumes.values().map(|volume| show(world, call, volume)).collect()))
}

pub(super) fn get(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    Ok(Reply::ok(show(world, call, find(world, call, app, id)?)))
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
    let mut snapshots = app.volumes.values().flat_map(|volume| volume.snapshots(call.now));
    let snapshot = match &wanted.snapshot_id {
        Some(id) => {
            let snapshot = snapshots.find(|snapshot| snapshot.id == *id);
            Some(snapshot.ok_or_else(|| Refusal::from(Reply::error(404, "snapshot not found")))?)
        }
        None => None,
    };
    let source_gb =
        source.map(|source| source.size_gb).or_else(|| snapshot.as_ref().map(|snapshot| snapshot.volume_gb));
    let size_gb = wanted.size_gb.or(source_gb).unwrap_or(3);
    if source_gb.is_some_and(|least| size_gb < least) {
        return Err(invalid("size_gb: must not be less than the size of what the volume is made from"));
    }
    if !(1..=500).contains(&size_gb) {
        return Err(invalid("size_gb: must be from 1 to 500"));
    }
    let snapshot_retention = wanted.snapshot_retention.unwrap_or(5);
    check_retention(snapshot_retention)?;
    let fstype = wanted.fstype.unwrap_or_else(|| "ext4".to_owned());
    if !matches!(fstype.as_str(), "ext4" | "raw") {
        return Err(invalid("fstype: must be ext4 or raw"));
    }
    let region =
        wanted.region.filter(|region| !region.is_empty()).unwrap_or_else(|| world.config.default_region.clone());
    check_room(world, &app.org, &region)?;
    let origin = snapshot.map(|_| Origin::Snapshot).or(source.map(|_| Origin::Volume));
    let id = format!("vol_{}", world.ids.alphanumeric(16));
    let zone = world.ids.hex(4);
    let mut volume = Volume::new(id, name, size_gb, region, zone, snapshot_retention, origin, call.now);
    volume.encrypted = wanted.encrypted.unwrap_or(true);
    volume.fstype = fstype;
    volume.set_daily(wanted.auto_backup_enabled.unwrap_or(true), call.now);
    let shown = show(world, call, &volume);
    if let Some(app) = world.apps.get_mut(app_name) {
        app.volumes.insert(volume.id.clone(), volume);
    }
    Ok(Reply::ok(shown))
}

/// Whether the organization may have one more volume, and the region has a host for it.
fn check_room(world: &World, org: &str, region: &str) -> Result<(), Refusal> {
    if let Some(most) = world.quotas(org).volumes
        && world.count_volumes(org) >= most
    {
        let text = format!("organization \"{org}\" has reached its limit of {most} volumes");
        return Err(Refusal::from(Reply::error(422, &text)));
    }
    if world.capacity.lacks(Shortage::VolumePlacement, region) {
        let text = format!("resource_exhausted: no host in {region} can place the volume");
        return Err(Refusal::from(Reply::coded(422, &text, "volume_placement_capacity")));
    }
    Ok(())
}

fn check_retention(days: u64) -> Result<(), Refusal> {
    if (1..=60).contains(&days) { Ok(()) } else { Err(invalid("snapshot_retention: must be from 1 to 60 days")) }
}

pub(super) fn update(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let wanted: UpdateVolume = call.body()?;
    if let Some(days) = wanted.snapshot_retention {
        check_retention(days)?;
    }
    let copying = world.config.volume_copy;
    let volume = find_mut(world, call, app, id)?;
    volume.snapshot_retention = wanted.snapshot_retention.unwrap_or(volume.snapshot_retention);
    if let Some(daily) = wanted.auto_backup_enabled {
        volume.set_daily(daily, call.now);
    }
    volume.updated_at = call.now;
    Ok(Reply::ok(volume.render(call.now, copying)))
}

/// Volumes only grow.
pub(super) fn extend(world: &mut World, call: &Call, app_name: &str, id: &str) -> Answer {
    let ExtendVolume { size_gb } = call.body()?;
    let copying = world.config.volume_copy;
    let volume = find_mut(world, call, app_name, id)?;
    if size_gb < volume.size_gb || size_gb > 500 {
        return Err(invalid(&format!("size_gb: must be from {} to 500, volumes cannot shrink", volume.size_gb)));
    }
    volume.size_gb = size_gb;
    volume.updated_at = call.now;
    let machine = volume.attached_machine.clone();
    let shown = volume.render(call.now, copying);
    let machine = machine.and_then(|machine| world.apps.get_mut(app_name)?.machines.get_mut(&machine));
    if let Some(size) = machine.and_then(|machine| machine.config.pointer_mut("/mounts/0/size_gb")) {
        *size = Value::from(size_gb);
    }
    Ok(Reply::ok(json!({"volume": shown, "needs_restart": false})))
}

/// Soft: the volume is listed as pending destruction for a day. One that is bound cannot be deleted.
pub(super) fn delete(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let (purge, copying) = (world.config.volume_pending_destroy, world.config.volume_copy);
    let volume = find_mut(world, call, app, id)?;
    if let Some(machine) = &volume.attached_machine {
        let text = format!("failed_precondition: volume is currently bound to machine: {machine}");
        return Err(Refusal::from(Reply::error(412, &text)));
    }
    if volume.is_deleted() {
        return Ok(Reply::ok(volume.render(call.now, copying)));
    }
    volume.delete(call.now);
    let shown = volume.render(call.now, copying);
    world.schedule.push(after(call.now, purge), Due::PurgeVolume { app: app.to_owned(), id: id.to_owned() });
    Ok(Reply::ok(shown))
}

/// Newest first.
pub(super) fn snapshots(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let snapshots = find(world, call, app, id)?.snapshots(call.now);
    Ok(Reply::ok(snapshots.iter().rev().map(|one| one.render(call.now, world.config.settle)).collect()))
}

pub(super) fn snapshot(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    find(world, call, app, id)?;
    let (snapshot_id, taking) = (format!("vs_{}", world.ids.alphanumeric(16)), world.config.settle);
    let snapshot = find_mut(world, call, app, id)?.take_snapshot(snapshot_id, call.now);
    Ok(Reply::ok(snapshot.render(call.now, taking)))
}
