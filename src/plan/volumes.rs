//! Volumes of an app: which live volume belongs to which slot, and what is missing, too small or left over.

use std::collections::{BTreeMap, BTreeSet};

use super::app::AppView;
use super::parts::Progress;
use super::planner::Planner;
use super::proof::{Evidence, Obstacle};
use super::step::{Action, StepId};
use super::withheld::Reason;
use crate::desired;
use crate::observed::{Machine, Volume};
use crate::resource::output::volume_id_path;
use crate::resource::{FieldChange, ResourceKey, VolumeSlot};
use crate::rules::Rule;

/// Where the volume of a slot comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// It is there, under this id.
    Live(String),
    /// A step of this plan makes it.
    Made(StepId),
    /// It is missing and cannot be made now.
    Withheld,
}

impl Planner<'_> {
    pub(super) fn plan_volumes(
        &mut self,
        view: &AppView<'_>,
        progress: &mut Progress<'_>,
    ) -> BTreeMap<VolumeSlot, Binding> {
        let mut claimed = BTreeSet::new();
        let mut live: BTreeMap<VolumeSlot, &Volume> = BTreeMap::new();
        for volume in &view.app.volumes {
            if let Some(mounted) = self.mounted_in(view, volume) {
                claimed.insert(mounted.id.as_str());
                live.insert(volume.slot.clone(), mounted);
            }
        }
        for volume in &view.app.volumes {
            if live.contains_key(&volume.slot) || self.unlisted_mount(view, volume).is_some() {
                continue;
            }
            // A volume that nothing mounts and that has our name and region is what an interrupted run left: it is used, not doubled.
            let free = view
                .volumes
                .iter()
                .filter(|seen| seen.is_live() && seen.host_ok && seen.attached_machine.is_none())
                .filter(|seen| seen.name == volume.slot.name && seen.region == volume.slot.machine.region)
                .filter(|seen| !claimed.contains(seen.id.as_str()))
                .min_by_key(|seen| (seen.created_at, seen.id.as_str()));
            if let Some(free) = free {
                claimed.insert(free.id.as_str());
                live.insert(volume.slot.clone(), free);
            }
        }
        let mut bindings = BTreeMap::new();
        for volume in &view.app.volumes {
            let binding = match live.get(&volume.slot) {
                Some(seen) => {
                    self.plan_volume_update(view, volume, seen);
                    Binding::Live(seen.id.clone())
                }
                None => match self.unlisted_mount(view, volume) {
                    Some(id) => Binding::Live(id),
                    None => self.plan_volume_creation(view, volume, progress),
                },
            };
            bindings.insert(volume.slot.clone(), binding);
        }
        self.plan_leftover_volumes(view, &claimed);
        bindings
    }

    /// The volume that the machine in the slot mounts now. A host migration changes its id, and that is not drift.
    fn mounted_in<'v>(&self, view: &AppView<'v>, volume: &desired::Volume) -> Option<&'v Volume> {
        let holder = self.holder(view, volume).filter(|_| self.holds(Rule::MountedVolumeIsTheSlots))?;
        let mut named = view.volumes.iter().filter(|seen| seen.name == volume.slot.name && seen.is_live());
        let Some(config) = &holder.config else {
            // Its host does not answer, so only the volume knows that it is mounted.
            return named.find(|seen| seen.attached_machine.as_deref() == Some(&holder.id));
        };
        let id = config.get("mounts")?.as_array()?.first()?.get("volume")?.as_str()?;
        named.find(|seen| seen.id == id)
    }

    /// The id of a volume that the machine in the slot mounts and the volume list does not have (yet): then none is made.
    fn unlisted_mount(&self, view: &AppView<'_>, volume: &desired::Volume) -> Option<String> {
        let holder = self.holder(view, volume)?;
        let mount = holder.config.as_ref()?.get("mounts")?.as_array()?.first()?;
        let id = mount.get("volume")?.as_str()?;
        let has_our_name = mount.get("name").is_none_or(|name| *name == *volume.slot.name);
        (has_our_name && !view.volumes.iter().any(|seen| seen.id == id)).then(|| id.to_owned())
    }

    fn holder<'v>(&self, view: &AppView<'v>, volume: &desired::Volume) -> Option<&'v Machine> {
        view.owned
            .iter()
            .find(|machine| self.marker_on(machine).is_some_and(|marker| marker.slot == volume.slot.machine))
            .copied()
    }

    fn plan_volume_creation(
        &mut self,
        view: &AppView<'_>,
        volume: &desired::Volume,
        progress: &mut Progress<'_>,
    ) -> Binding {
        let key = ResourceKey::Volume { app: view.app.name.clone(), slot: volume.slot.clone() };
        let may_create = match self.holder(view, volume).filter(|holder| holder.config.is_none()) {
            Some(holder) => Err(Obstacle {
                reason: Reason::HostUnreachable,
                message: format!("the host of machine {} does not answer, so what it mounts is not known", holder.id),
                until: None,
            }),
            None => match taken_by_unseen(view, volume).filter(|_| self.holds(Rule::UnseenMachineKeepsItsVolume)) {
                Some(obstacle) => Err(obstacle),
                None => self.may_create(&key, view.born_here),
            },
        };
        if let Err(obstacle) = may_create {
            self.withhold(&view.place, &key, &format!("create volume `{}`", volume.slot.name), obstacle);
            return Binding::Withheld;
        }
        let machine = view.app.machines.iter().find(|machine| machine.slot == volume.slot.machine);
        let guest = machine.and_then(|machine| machine.config.get("guest").cloned());
        let mut changes = vec![
            FieldChange::plain("region", None, Some(volume.slot.machine.region.as_str().into())),
            FieldChange::plain("size", None, Some(format!("{}GB", volume.size_gb).into())),
        ];
        changes.extend(
            volume.from_snapshot.as_ref().map(|id| FieldChange::plain("fromSnapshot", None, Some(id.as_str().into()))),
        );
        let after: Vec<StepId> = view.creation.into_iter().collect();
        let action = Action::CreateVolume { volume: volume.clone(), guest };
        let step = self.step(&view.place, key, action, "it does not exist", changes, &after);
        let component = view.app.component.as_str();
        progress.producers.insert(volume_id_path(component, &volume.slot), step);
        progress.producers.entry(format!("fly.{component}.volumes.{}.id", volume.slot.name)).or_insert(step);
        Binding::Made(step)
    }

    fn plan_volume_update(&mut self, view: &AppView<'_>, wanted: &desired::Volume, seen: &Volume) {
        let key = ResourceKey::Volume { app: view.app.name.clone(), slot: wanted.slot.clone() };
        if wanted.size_gb > seen.size_gb {
            let change = FieldChange::plain(
                "size",
                Some(format!("{}GB", seen.size_gb).into()),
                Some(format!("{}GB", wanted.size_gb).into()),
            );
            let action = Action::ExtendVolume { id: seen.id.clone(), size_gb: wanted.size_gb };
            self.step(&view.place, key.clone(), action, "the spec asks for a larger one", vec![change], &[]);
        } else if wanted.size_gb < seen.size_gb {
            let message = format!(
                "volume `{}` has {} GB and the spec asks for {}; Fly cannot shrink a volume: raise `size`, or make a new volume",
                wanted.slot.name, seen.size_gb, wanted.size_gb
            );
            self.notice(&view.env.name, Some(&view.app.component), Reason::Immutable, message);
        }
        let retention =
            wanted.snapshot_retention.filter(|days| seen.snapshot_retention.is_some_and(|live| live != *days));
        let backup = wanted.auto_backup.filter(|on| seen.auto_backup.is_some_and(|live| live != *on));
        if retention.is_some() || backup.is_some() {
            let mut changes = Vec::new();
            if let Some(days) = retention {
                changes.push(FieldChange::plain(
                    "snapshotRetention",
                    seen.snapshot_retention.map(Into::into),
                    Some(days.into()),
                ));
            }
            if let Some(on) = backup {
                changes.push(FieldChange::plain("autoBackup", seen.auto_backup.map(Into::into), Some(on.into())));
            }
            let action =
                Action::UpdateVolume { id: seen.id.clone(), snapshot_retention: retention, auto_backup: backup };
            self.step(&view.place, key, action, "its snapshot settings differ", changes, &[]);
        }
    }

    /// Volumes that no slot uses. One that this memory knows we made is deleted, unless data is kept here; any other is shown.
    fn plan_leftover_volumes(&mut self, view: &AppView<'_>, claimed: &BTreeSet<&str>) {
        let names: BTreeSet<&str> = view.app.volumes.iter().map(|volume| volume.slot.name.as_str()).collect();
        let retains = view.app.retain || view.app.volumes.iter().any(|volume| volume.retain);
        let keeps_data = self.holds(Rule::ProtectedStays) && self.policy.keeps(view.env)
            || self.holds(Rule::RetainedStays) && retains;
        let left_over = view
            .volumes
            .iter()
            .filter(|seen| seen.is_live() && seen.attached_machine.is_none() && !claimed.contains(seen.id.as_str()));
        for seen in left_over {
            let is_ours =
                self.memory.volumes.get(&seen.id) == Some(&view.app.name) || !self.holds(Rule::UnknownVolumesStay);
            if !is_ours || keeps_data {
                let wanted =
                    if names.contains(seen.name.as_str()) { "no machine uses it" } else { "no spec asks for it" };
                let message = format!(
                    "volume {} (`{}`, {} GB, {}) is left alone: {wanted}; delete it with `fly volumes destroy {}` if its data is not needed",
                    seen.id, seen.name, seen.size_gb, seen.region, seen.id
                );
                self.notice(&view.env.name, Some(&view.app.component), Reason::Unmanaged, message);
                continue;
            }
            let slot = VolumeSlot {
                name: seen.name.clone(),
                machine: crate::resource::MachineSlot {
                    group: seen.id.clone(),
                    region: seen.region.clone(),
                    ordinal: 0,
                },
            };
            let key = ResourceKey::Volume { app: view.app.name.clone(), slot };
            match self.prove(&key, Evidence::NotWanted, view.created_by_us, view.another_writer.as_deref()) {
                Ok(proof) => {
                    let action = Action::DeleteVolume { id: seen.id.clone(), proof };
                    self.step(&view.place, key, action, "no slot uses it any more", Vec::new(), &[]);
                }
                Err(obstacle) => self.withhold(&view.place, &key, &format!("delete volume {}", seen.id), obstacle),
            }
        }
    }
}

/// Why none is made for now: a volume that would do is bound to a machine that was not seen. Either the machine came to be between the
/// two readings, or it is going and the volume will be free; in both cases a second volume would be one without the data.
fn taken_by_unseen(view: &AppView<'_>, wanted: &desired::Volume) -> Option<Obstacle> {
    let is_seen = |id: &str| view.owned.iter().chain(&view.others).any(|machine| machine.id == id);
    let mut bound = view
        .volumes
        .iter()
        .filter(|seen| seen.is_live() && seen.host_ok)
        .filter(|seen| seen.name == wanted.slot.name && seen.region == wanted.slot.machine.region)
        .filter_map(|seen| Some((seen, seen.attached_machine.as_deref()?)));
    let (volume, machine) = bound.find(|(_, machine)| !is_seen(machine))?;
    let message = format!("volume {} is bound to machine {machine}, which is not there (yet, or any more)", volume.id);
    Some(Obstacle { reason: Reason::InTransition, message, until: None })
}
