//! A slot without a machine: one is created.

use serde_json::Value;

use super::machines::{Rolling, rests};
use super::planner::Planner;
use super::step::Action;
use super::withheld::{Reason, Stance};
use crate::desired;
use crate::resource::{FieldChange, ResourceKey};

impl Planner<'_> {
    pub(super) fn plan_missing(&mut self, rolling: &Rolling<'_>, wanted: &desired::Machine) {
        let view = rolling.view;
        let key = ResourceKey::Machine { app: view.app.name.clone(), slot: wanted.slot.clone() };
        let name = wanted.slot.machine_name();
        if let Some(other) = view.others.iter().find(|machine| machine.name == name) {
            let message = format!(
                "a machine named `{name}` ({}) is in the app and is not ours; it is left alone: destroy or rename it",
                other.id
            );
            self.block(&view.env.name, Some(&view.app.component), Some(&key), Reason::NotOurs, message);
            return;
        }
        if let Some(leaving) = view.leaving.iter().find(|machine| machine.name == name) {
            let message = format!("create machine {}: its predecessor {} is being destroyed", wanted.slot, leaving.id);
            self.wait(&view.env.name, Some(&view.app.component), Some(&key), Reason::InTransition, message, None);
            return;
        }
        if let Err(obstacle) = self.may_create(&key, view.born_here) {
            self.withhold(&view.place, &key, &format!("create machine {}", wanted.slot), obstacle);
            return;
        }
        let Some((config, mut after)) = self.resolved(rolling, wanted, &key) else {
            return;
        };
        if !rolling.before.jobs.is_empty() {
            let message = format!(
                "create machine {}: it comes after job {}, which has not ended well",
                wanted.slot,
                rolling.before.jobs.join(" and ")
            );
            self.wait(&view.env.name, Some(&view.app.component), Some(&key), Reason::DependencyBlocked, message, None);
            return;
        }
        if self.is_doubted(rolling, &wanted.slot, &key, Stance::Blocked) {
            return;
        }
        after.extend_from_slice(rolling.before.gates);
        let start = !rests(wanted);
        let write = self.write(rolling, wanted, config, None, wanted.slot.machine_name(), start);
        let mut changes = vec![
            FieldChange::plain("region", None, Some(wanted.slot.region.as_str().into())),
            FieldChange::plain("image", None, wanted.config.get("image").cloned()),
        ];
        changes.extend(summary_of(&wanted.config));
        let reason =
            if view.creation.is_some() || view.owned.is_empty() { "it does not exist" } else { "its slot is empty" };
        let step = self.step(&view.place, key.clone(), Action::CreateMachine(Box::new(write)), reason, changes, &after);
        if start {
            self.wait_healthy(rolling, wanted, key, None, &[step]);
        }
    }
}

/// The few fields of a new machine that people look for first.
fn summary_of(config: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if let Some(guest) = config.get("guest") {
        changes.push(FieldChange::plain("guest", None, Some(guest.clone())));
    }
    if let Some(env) = config.get("env").and_then(Value::as_object) {
        changes
            .extend(env.iter().map(|(key, value)| FieldChange::plain(format!("env.{key}"), None, Some(value.clone()))));
    }
    if let Some(mount) = config.get("mounts").and_then(|mounts| mounts.as_array()?.first()) {
        changes.push(FieldChange::plain("mount", None, mount.get("path").cloned()));
    }
    changes
}
