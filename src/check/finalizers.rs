//! Rules of what is run before anything of an environment is deleted.

use std::collections::BTreeSet;

use super::{Checker, OnFly};
use crate::observed::Machine;
use crate::plan::{Action, Finalization, Step};
use crate::resource::marker::{FINALIZER_GROUP, MachineMarker};
use crate::resource::{AppName, ResourceKey};

impl Checker<'_> {
    /// Whether what is marked to be run before has ended in every app of the environment that this plan deletes.
    pub(super) fn is_finalized(&self, step: &OnFly<'_>) -> bool {
        let is_end = |other: &&Step| other.env == step.env && matches!(other.action, Action::DeleteApp { .. });
        !matches!(step.action, Action::DeleteApp { .. })
            || self.plan.steps.iter().filter(is_end).all(|other| other.key.app().is_none_or(|app| self.has_run(app)))
    }

    fn has_run(&self, app: &AppName) -> bool {
        let machines = self.owned_now(app);
        let newest = machines.iter().filter(|(_, marker)| !marker.slot.group.starts_with(FINALIZER_GROUP));
        let newest = newest.max_by_key(|(_, marker)| (marker.writer.as_ref().map(|writer| writer.at), &marker.slot));
        let Some((_, marker)) = newest else { return true };
        let noted =
            |key: &str| machines.iter().filter_map(|(machine, _)| machine.metadata.get(key)).collect::<Vec<_>>();
        let since: Option<i64> = noted("hangar_finalizing").iter().filter_map(|text| text.parse().ok()).min();
        let ended: BTreeSet<&str> = noted("hangar_finalized")
            .into_iter()
            .flat_map(|text| text.split(','))
            .filter_map(|text| Some(text.split_once('=')?.0))
            .collect();
        marker.finalizers.iter().all(|finalizer| {
            let over = since.and_then(|since| since.checked_add(i64::try_from(finalizer.within).ok()?));
            ended.contains(&*finalizer.name) || over.is_some_and(|over| over <= self.plan.made_at.timestamp())
        })
    }

    /// Whether a finalizer's machine is made where none is, nothing says that it has ended, and its time is counted.
    pub(super) fn runs_once(&self, step: &OnFly<'_>) -> bool {
        let (Action::Finalize { act: Finalization::Run(_), .. }, ResourceKey::Machine { app, slot }) =
            (&step.action, &step.key)
        else {
            return true;
        };
        let name = slot.group.strip_prefix(FINALIZER_GROUP);
        let machines = self.owned_now(app);
        let is_there = machines.iter().any(|(_, marker)| marker.slot.group == slot.group);
        let has_begun = machines.iter().any(|(machine, _)| machine.metadata.contains_key("hangar_finalizing"));
        let has_ended = |name: &str| {
            let mut notes = machines.iter().filter_map(|(machine, _)| machine.metadata.get("hangar_finalized"));
            notes.any(|text| text.split(',').any(|text| text.starts_with(&format!("{name}="))))
        };
        has_begun && !is_there && name.is_some_and(|name| !has_ended(name))
    }

    /// The live machines of ours in an app with their markers: those that were read directly, where they were.
    fn owned_now<'m>(&'m self, app: &'m AppName) -> Vec<(&'m Machine, &'m MachineMarker)> {
        let direct: Vec<_> = self.details_of(app).filter_map(|detail| detail.machines.known()).flatten().collect();
        let listed = || self.tables.listed.values().flat_map(|listed| listed.machines(app)).copied().collect();
        let machines: Vec<_> = if direct.is_empty() { listed() } else { direct };
        let machines = machines.into_iter().filter(|machine| machine.is_live());
        machines.filter_map(|machine| Some((machine, machine.owned_by(&self.fleet.owner)?))).collect()
    }
}
