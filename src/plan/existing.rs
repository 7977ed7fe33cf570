//! A slot with a machine: it is updated, started, replaced, marked, or left as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::machines::{Rolling, asked_again, rests};
use super::planner::Planner;
use super::proof::Evidence;
use super::secrets::SecretDecision;
use super::step::{Action, StepId};
use super::trial::ailment;
use super::withheld::{Effect, HeldChange, Reason, Stance};
use crate::desired;
use crate::desired::{Environment, Level};
use crate::observed::{Machine, MachineState};
use crate::resource::field::FieldSet;
use crate::resource::machine::{ThreeWay, three_way};
use crate::resource::marker::{MachineMarker, PREFIX};
use crate::resource::output;
use crate::resource::{Change, ChangeKind, FieldChange, ResourceKey};
use crate::rules::Rule;

impl Planner<'_> {
    pub(super) fn plan_existing(&mut self, rolling: &mut Rolling<'_>, wanted: &desired::Machine, live: &Machine) {
        let view = rolling.view;
        let key = ResourceKey::Machine { app: view.app.name.clone(), slot: wanted.slot.clone() };
        let what = format!("machine {} ({})", wanted.slot, live.id);
        if matches!(live.state, MachineState::Passing(_)) && self.has_just_failed(rolling, &wanted.slot, &key) {
            return;
        }
        let live_config = match (&live.state, &live.config) {
            (MachineState::Passing(state), _) => {
                let message = format!("{what} is {state}");
                self.wait(&view.env.name, Some(&view.app.component), Some(&key), Reason::InTransition, message, None);
                return;
            }
            (MachineState::Other(state), _) => {
                let message =
                    format!("{what} is in state `{state}`, which this version does not know; it is left alone");
                self.block(&view.env.name, Some(&view.app.component), Some(&key), Reason::InTransition, message);
                return;
            }
            (_, Some(config)) if live.host_ok => config,
            _ => {
                let message = format!("the host of {what} does not answer; nothing is done to it until it does");
                self.wait(
                    &view.env.name,
                    Some(&view.app.component),
                    Some(&key),
                    Reason::HostUnreachable,
                    message,
                    None,
                );
                return;
            }
        };
        if let Err(obstacle) = self.is_settled(&key, Rule::OpenKeyStopsUpdate) {
            self.withhold(&view.place, &key, &format!("judge {what}"), obstacle);
            return;
        }
        let Some((config, mut after)) = self.resolved(rolling, wanted, &key) else {
            return;
        };
        let marker = self.marker_on(live);
        let found = self.difference(&config, live_config, live, marker);
        let stale_secrets = stale_secrets(rolling.secrets, marker);
        let redeploy = redeployment(view.env, marker);
        if found.changes.is_empty() && stale_secrets.is_empty() && redeploy.is_none() {
            self.plan_settled(rolling, wanted, live, marker, &key);
            return;
        }
        if !rolling.before.stuck.is_empty() || !rolling.before.jobs.is_empty() {
            let message =
                format!("update {what}: it uses {}, which is not as wanted yet", rolling.before.stuck.join(" and "));
            let message = if rolling.before.jobs.is_empty() {
                message
            } else {
                format!(
                    "update {what}: it comes after job {}, which has not ended well",
                    rolling.before.jobs.join(" and ")
                )
            };
            self.wait(&view.env.name, Some(&view.app.component), Some(&key), Reason::DependencyBlocked, message, None);
            return;
        }
        if self.is_doubted(rolling, &wanted.slot, &key, Stance::Waiting) {
            return;
        }
        after.extend_from_slice(rolling.before.gates);
        after.extend(rolling.rollout.gate());
        let replaces = found.changes.iter().any(|change| change.kind == ChangeKind::Replace);
        let mut changes = found.changes;
        changes.extend(stale_secrets.iter().map(|name| FieldChange {
            path: format!("secrets.{name}"),
            old: marker.and_then(|marker| marker.secrets.0.get(name)).map(|_| Change::Secret),
            new: rolling.secrets.record.0.contains_key(name).then_some(Change::Secret),
            kind: ChangeKind::InPlace,
        }));
        // Whoever asks for it anew wants to see it.
        let is_asked = redeploy.is_some() && wanted.always_on;
        changes.extend(redeploy);
        let last = if replaces {
            let config = in_a_new_machine(found.config, &config);
            self.plan_replacement(rolling, wanted, live, config, changes, &after)
        } else {
            let start = is_asked || self.is_to_run(view.env, wanted) || live.state == MachineState::Started;
            let write = self.write(rolling, wanted, found.config, Some(live), live.name.clone(), start);
            let reason = update_reason(&changes, marker.is_some());
            let action =
                Action::UpdateMachine { id: live.id.clone(), version: live.version.clone(), write: Box::new(write) };
            let step = self.step(&view.place, key.clone(), action, reason, changes, &after);
            if start { Some(self.wait_healthy(rolling, wanted, key, None, &[step])) } else { Some(step) }
        };
        if let Some(last) = last {
            rolling.rollout.advance(last);
        }
    }

    /// A machine whose configuration and secrets are right: its state and its marker may still not be.
    fn plan_settled(
        &mut self,
        rolling: &mut Rolling<'_>,
        wanted: &desired::Machine,
        live: &Machine,
        marker: Option<&MachineMarker>,
        key: &ResourceKey,
    ) {
        let view = rolling.view;
        let (carried, new_marker) = self.record(rolling, wanted, Some(live), live.name.clone());
        let metadata = metadata_patch(marker, carried, &new_marker, live);
        if !metadata.is_empty() {
            let reason = if marker.is_some() { "our record of it changes" } else { "it is taken over" };
            let changes = metadata
                .iter()
                .filter(|(name, _)| !name.starts_with(PREFIX))
                .map(|(name, value)| {
                    let old = live.metadata.get(name).map(|old| Value::from(old.as_str()));
                    FieldChange::plain(format!("metadata.{name}"), old, value.as_deref().map(Value::from))
                })
                .collect();
            let action = Action::MarkMachine { id: live.id.clone(), metadata };
            self.step(&view.place, key.clone(), action, reason, changes, rolling.before.gates);
        }
        if self.has_just_failed(rolling, &wanted.slot, key) {
            return;
        }
        let is_resting = matches!(
            live.state,
            MachineState::Created | MachineState::Stopped | MachineState::Suspended | MachineState::Failed
        );
        let after: Vec<StepId> = rolling.before.gates.iter().copied().chain(rolling.rollout.gate()).collect();
        if self.plan_sleep(rolling, wanted, live, key) {
            return;
        }
        if (self.is_to_run(view.env, wanted) || !self.holds(Rule::RestingMachinesRest)) && is_resting {
            let reason = match &live.last_exit {
                Some(exit) if exit.oom_killed => "it ran out of memory and does not run".to_owned(),
                Some(exit) if !exit.requested => format!("it exited with code {} and does not run", exit.code),
                _ => format!("it is {} and nothing would start it", live.state.as_str()),
            };
            let change = FieldChange::plain("state", Some(live.state.as_str().into()), Some("started".into()));
            let action = Action::StartMachine { id: live.id.clone() };
            let step = self.step(&view.place, key.clone(), action, reason, vec![change], &after);
            let healthy = self.wait_healthy(rolling, wanted, key.clone(), None, &[step]);
            rolling.rollout.advance(healthy);
        } else if live.state == MachineState::Started && self.has_failed_before(rolling, wanted, key) {
            // Nothing is left to be done but to see whether it is well now.
            let healthy = self.wait_healthy(rolling, wanted, key.clone(), Some(live.id.clone()), &after);
            rolling.rollout.advance(healthy);
        } else if let Some(ailment) = ailment(live, self.now) {
            let message = format!("machine {} ({}) {ailment}", wanted.slot, live.id);
            self.wait(&view.env.name, Some(&view.app.component), Some(key), Reason::Unhealthy, message, None);
        }
    }

    /// A change that no update can make: destroy, then create in the same slot.
    fn plan_replacement(
        &mut self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        live: &Machine,
        config: Value,
        changes: Vec<FieldChange>,
        after: &[StepId],
    ) -> Option<StepId> {
        let view = rolling.view;
        let key = ResourceKey::Machine { app: view.app.name.clone(), slot: wanted.slot.clone() };
        if view.env.level != Level::Full {
            let (level, reason) = (view.env.level, "a change needs a new machine".to_owned());
            let change = HeldChange { level, action: "replace", effect: Effect::Replace, reason, changes };
            self.hold_change(view.env, Some(&view.app.component), &key, change);
            return None;
        }
        let proof = match self.prove(&key, Evidence::Replaced, view.created_by_us, view.another_writer.as_deref()) {
            Ok(proof) => proof,
            Err(obstacle) => {
                self.withhold(&view.place, &key, &format!("replace machine {}", wanted.slot), obstacle);
                return None;
            }
        };
        let action = Action::DestroyMachine { id: live.id.clone(), proof };
        let destroyed = self.step(&view.place, key.clone(), action, "a change needs a new machine", changes, after);
        let start = !rests(wanted);
        let write = self.write(rolling, wanted, config, Some(live), wanted.slot.machine_name(), start);
        let changes = vec![FieldChange::plain("image", None, wanted.config.get("image").cloned())];
        let mut after = after.to_vec();
        after.push(destroyed);
        let action = Action::CreateMachine(Box::new(write));
        let created =
            self.step(&view.place, key.clone(), action, "it takes the place of the destroyed one", changes, &after);
        if start { Some(self.wait_healthy(rolling, wanted, key, None, &[created])) } else { Some(created) }
    }

    /// Whether nothing of the configuration or the secrets of a machine is to be changed.
    pub(super) fn is_as_wanted(&self, rolling: &Rolling<'_>, wanted: &desired::Machine, live: &Machine) -> bool {
        let Some(live_config) = &live.config else { return false };
        let marker = self.marker_on(live);
        let config = output::resolve(&wanted.config, &rolling.outputs);
        self.difference(&config, live_config, live, marker).changes.is_empty()
            && stale_secrets(rolling.secrets, marker).is_empty()
            && redeployment(rolling.view.env, marker).is_none()
    }

    pub(super) fn difference(
        &self,
        config: &Value,
        live_config: &Value,
        live: &Machine,
        marker: Option<&MachineMarker>,
    ) -> ThreeWay {
        let managed = match marker {
            _ if !self.holds(Rule::UnsetFieldsStay) => FieldSet::of(live_config),
            Some(marker) => marker.fields.clone(),
            None => FieldSet::default(),
        };
        three_way(config, live_config, live.image_digest.as_deref(), &managed)
    }
}

/// The configuration of a machine that takes another's place: what others set goes with it, and the mounts are the spec's alone.
fn in_a_new_machine(mut merged: Value, wanted: &Value) -> Value {
    if let Value::Object(map) = &mut merged {
        map.remove("mounts");
        map.extend(wanted.get("mounts").map(|mounts| ("mounts".to_owned(), mounts.clone())));
    }
    merged
}

/// The secrets that a machine has not taken as they are wanted now.
pub(super) fn stale_secrets(secrets: &SecretDecision, marker: Option<&MachineMarker>) -> Vec<String> {
    let Some(marker) = marker else {
        return secrets.pending.iter().cloned().collect();
    };
    let names: BTreeSet<&String> = secrets.record.0.keys().chain(marker.secrets.0.keys()).collect();
    names
        .into_iter()
        .filter(|name| {
            let wanted = secrets.record.0.get(*name).map(|secret| &secret.fingerprint);
            let taken = marker.secrets.0.get(*name).map(|secret| &secret.fingerprint);
            wanted != taken || secrets.pending.contains(*name)
        })
        .cloned()
        .collect()
}

/// That a person has asked, by a later comment than the machine was written for, for it to be written again. Fly starts a machine anew
/// when it is updated, also to the configuration that it has.
pub(super) fn redeployment(env: &Environment, marker: Option<&MachineMarker>) -> Option<FieldChange> {
    let (marker, asked) = (marker?, asked_again(env)?);
    let is_done = marker.redeploy >= Some(asked);
    (!is_done).then(|| FieldChange::plain("redeploy", marker.redeploy.map(Value::from), Some(asked.into())))
}

/// The metadata keys that differ between what is live and what would be written; writer and launch alone are no difference.
pub(super) fn metadata_patch(
    marker: Option<&MachineMarker>,
    mut wanted: BTreeMap<String, String>,
    new_marker: &MachineMarker,
    live: &Machine,
) -> BTreeMap<String, Option<String>> {
    wanted.extend(new_marker.to_metadata());
    let mut patch = BTreeMap::new();
    for (key, value) in &wanted {
        if live.metadata.get(key) != Some(value) {
            patch.insert(key.clone(), Some(value.clone()));
        }
    }
    if marker.is_some() || !patch.is_empty() {
        for key in live.metadata.keys().filter(|key| !wanted.contains_key(*key)) {
            patch.insert(key.clone(), None);
        }
    }
    patch
}

fn update_reason(changes: &[FieldChange], is_ours: bool) -> String {
    if !is_ours {
        return "it is taken over, and is not as the spec has it".to_owned();
    }
    if changes.iter().all(|change| change.path == "redeploy") {
        return "a person has asked for it in a comment".to_owned();
    }
    let only_secrets = changes.iter().all(|change| change.path.starts_with("secrets."));
    if only_secrets { "it has to take changed secrets".to_owned() } else { "it is not as the spec has it".to_owned() }
}
