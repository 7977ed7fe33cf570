//! Machines of an app: one per slot, as the spec has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::Digest as _;

use super::app::{AppView, Progress};
use super::planner::Planner;
use super::proof::{Evidence, Obstacle};
use super::rollout::Rollout;
use super::secrets::SecretDecision;
use super::step::{Action, MachineWrite, StepId};
use super::volumes::Binding;
use super::withheld::{Reason, Stance, Withheld};
use crate::desired;
use crate::desired::Level;
use crate::observed::{Machine, MachineState};
use crate::resource::field::FieldSet;
use crate::resource::machine::{ThreeWay, three_way};
use crate::resource::marker::{MachineMarker, PREFIX};
use crate::resource::output::{self, Outputs, volume_id_path};
use crate::resource::{Change, ChangeKind, FieldChange, MachineSlot, ResourceKey, VolumeSlot};

/// What planning the machines of one app needs to know besides the machines.
struct Rolling<'r> {
    view: &'r AppView<'r>,
    secrets: &'r SecretDecision,
    gates: &'r [StepId],
    /// Components that this app uses and that are not as wanted.
    stuck: &'r [String],
    /// Outputs known now, the ids of live volumes among them.
    outputs: Outputs,
    producers: &'r BTreeMap<String, StepId>,
    rollout: Rollout,
}

impl Planner<'_> {
    #[expect(clippy::too_many_arguments, reason = "each is a different part of what was planned for the app before")]
    pub(super) fn plan_machines(
        &mut self,
        view: &AppView<'_>,
        secrets: &SecretDecision,
        volumes: &BTreeMap<VolumeSlot, Binding>,
        gates: &[StepId],
        stuck: &[String],
        outputs: &Outputs,
        progress: &Progress,
    ) {
        let mut outputs = outputs.clone();
        for (slot, binding) in volumes {
            if let Binding::Live(id) = binding {
                outputs.insert(volume_id_path(view.app.component.as_str(), slot), id.clone());
                outputs.insert(format!("fly.{}.volumes.{}.id", view.app.component, slot.name), id.clone());
            }
        }
        let mut rolling = Rolling {
            view,
            secrets,
            gates,
            stuck,
            outputs,
            producers: &progress.producers,
            rollout: Rollout::default(),
        };
        let adopted = self.adoption(view);
        for machine in &view.app.machines {
            if machine.volume.as_ref().is_some_and(|slot| volumes.get(slot) == Some(&Binding::Withheld)) {
                continue;
            }
            let holders: Vec<&Machine> =
                view.owned.iter().filter(|seen| self.slot_of(seen) == Some(&machine.slot)).copied().collect();
            match (holders.first(), adopted.get(&machine.slot)) {
                (Some(live), _) => self.plan_existing(&mut rolling, machine, live),
                (None, Some(live)) => self.plan_existing(&mut rolling, machine, live),
                (None, None) => self.plan_missing(&mut rolling, machine),
            }
            if let Some((survivor, surplus)) = holders.split_first() {
                for double in surplus {
                    self.plan_duplicate(view, double, survivor);
                }
            }
        }
        self.plan_surplus(&mut rolling);
        self.notice_others(view, &adopted);
    }

    fn slot_of<'m>(&self, machine: &'m Machine) -> Option<&'m MachineSlot> {
        machine.owned_by(&self.fleet.owner).map(|marker| &marker.slot)
    }

    /// Which unmarked machines of an adopted app fill which empty slots: same process group and region, oldest first.
    fn adoption<'v>(&self, view: &AppView<'v>) -> BTreeMap<MachineSlot, &'v Machine> {
        let mut adopted = BTreeMap::new();
        if !view.app.adopt || view.created_by_us {
            return adopted;
        }
        let mut free: Vec<&Machine> = view.others.iter().filter(|machine| machine.marker.is_none()).copied().collect();
        for wanted in &view.app.machines {
            if view.owned.iter().any(|machine| self.slot_of(machine) == Some(&wanted.slot)) {
                continue;
            }
            let fits = |machine: &&Machine| {
                let group = machine.metadata.get("fly_process_group").map_or("app", String::as_str);
                group == wanted.slot.group && machine.region == wanted.slot.region
            };
            if let Some(index) = free.iter().position(fits) {
                adopted.insert(wanted.slot.clone(), free.remove(index));
            }
        }
        adopted
    }

    fn plan_missing(&mut self, rolling: &mut Rolling<'_>, wanted: &desired::Machine) {
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
        let hash = hash_of(wanted);
        if self.is_rejected(view, &key, &hash) {
            return;
        }
        after.extend_from_slice(rolling.gates);
        let start = wanted.config.get("schedule").is_none();
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
            self.wait_healthy(view, wanted, key, hash, step);
        }
    }

    fn plan_existing(&mut self, rolling: &mut Rolling<'_>, wanted: &desired::Machine, live: &Machine) {
        let view = rolling.view;
        let key = ResourceKey::Machine { app: view.app.name.clone(), slot: wanted.slot.clone() };
        let what = format!("machine {} ({})", wanted.slot, live.id);
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
        if let Err(obstacle) = self.is_settled(&key) {
            self.withhold(&view.place, &key, &format!("judge {what}"), obstacle);
            return;
        }
        let Some((config, mut after)) = self.resolved(rolling, wanted, &key) else {
            return;
        };
        let nothing = FieldSet::default();
        let marker = live.owned_by(&self.fleet.owner);
        let managed = marker.map_or(&nothing, |marker| &marker.fields);
        let found = three_way(&config, live_config, live.image_digest.as_deref(), managed);
        let stale_secrets = stale_secrets(rolling.secrets, marker);
        if found.changes.is_empty() && stale_secrets.is_empty() {
            self.plan_settled(rolling, wanted, live, marker, &key, found);
            return;
        }
        if !rolling.stuck.is_empty() {
            let message = format!("update {what}: it uses {}, which is not as wanted yet", rolling.stuck.join(" and "));
            self.wait(&view.env.name, Some(&view.app.component), Some(&key), Reason::DependencyBlocked, message, None);
            return;
        }
        let hash = hash_of(wanted);
        if self.is_rejected(view, &key, &hash) {
            return;
        }
        after.extend_from_slice(rolling.gates);
        after.extend(rolling.rollout.gate());
        let replaces = found.changes.iter().any(|change| change.kind == ChangeKind::Replace);
        let mut changes = found.changes;
        changes.extend(stale_secrets.iter().map(|name| FieldChange {
            path: format!("secrets.{name}"),
            old: marker.and_then(|marker| marker.secrets.0.get(name)).map(|_| Change::Secret),
            new: rolling.secrets.record.0.contains_key(name).then_some(Change::Secret),
            kind: ChangeKind::InPlace,
        }));
        let last = if replaces {
            self.plan_replacement(rolling, wanted, live, config, changes, &after)
        } else {
            let start = wanted.always_on || live.state == MachineState::Started;
            let write = self.write(rolling, wanted, found.config, Some(live), live.name.clone(), start);
            let reason = update_reason(&changes, marker.is_some());
            let action =
                Action::UpdateMachine { id: live.id.clone(), version: live.version.clone(), write: Box::new(write) };
            let step = self.step(&view.place, key.clone(), action, reason, changes, &after);
            if start { Some(self.wait_healthy(view, wanted, key, hash, step)) } else { Some(step) }
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
        found: ThreeWay,
    ) {
        let view = rolling.view;
        let hash = hash_of(wanted);
        let write = self.write(rolling, wanted, found.config, Some(live), live.name.clone(), true);
        let metadata = metadata_patch(marker, &write, live);
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
            self.step(&view.place, key.clone(), action, reason, changes, rolling.gates);
        }
        let is_resting = matches!(
            live.state,
            MachineState::Created | MachineState::Stopped | MachineState::Suspended | MachineState::Failed
        );
        if wanted.always_on && is_resting {
            if self.is_rejected(view, key, &hash) {
                return;
            }
            let reason = match &live.last_exit {
                Some(exit) if exit.oom_killed => "it ran out of memory and does not run".to_owned(),
                Some(exit) if !exit.requested => format!("it exited with code {} and does not run", exit.code),
                _ => format!("it is {} and nothing would start it", live.state.as_str()),
            };
            let change = FieldChange::plain("state", Some(live.state.as_str().into()), Some("started".into()));
            let after: Vec<StepId> = rolling.gates.iter().copied().chain(rolling.rollout.gate()).collect();
            let action = Action::StartMachine { id: live.id.clone() };
            let step = self.step(&view.place, key.clone(), action, reason, vec![change], &after);
            let healthy = self.wait_healthy(view, wanted, key.clone(), hash, step);
            rolling.rollout.advance(healthy);
            return;
        }
        let failing: Vec<&str> =
            live.checks.iter().filter(|check| !check.passing).map(|check| check.name.as_str()).collect();
        if live.state == MachineState::Started && !failing.is_empty() {
            let message = format!("machine {} runs, but {} does not pass", wanted.slot, failing.join(", "));
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
            let message =
                format!("machine {} must be replaced, which level {:?} does not allow", wanted.slot, view.env.level);
            self.block(&view.env.name, Some(&view.app.component), Some(&key), Reason::Level, message);
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
        let write = self.write(rolling, wanted, config, None, wanted.slot.machine_name(), true);
        let changes = vec![FieldChange::plain("image", None, wanted.config.get("image").cloned())];
        let mut after = after.to_vec();
        after.push(destroyed);
        let action = Action::CreateMachine(Box::new(write));
        let created =
            self.step(&view.place, key.clone(), action, "it takes the place of the destroyed one", changes, &after);
        Some(self.wait_healthy(view, wanted, key, hash_of(wanted), created))
    }

    /// A second machine in one slot: the younger goes, after the same grace as an orphan.
    fn plan_duplicate(&mut self, view: &AppView<'_>, double: &Machine, survivor: &Machine) {
        let Some(marker) = double.owned_by(&self.fleet.owner) else {
            return;
        };
        let key = ResourceKey::Machine { app: view.app.name.clone(), slot: marker.slot.clone() };
        let Some(since) = marker.tombstone else {
            let metadata = self.tombstone_patch();
            let action = Action::MarkMachine { id: double.id.clone(), metadata };
            let reason = format!("{} holds the same slot and is older; this one goes after grace", survivor.id);
            self.step(&view.place, key, action, reason, Vec::new(), &[]);
            return;
        };
        let evidence = Evidence::Duplicate { survivor: survivor.id.clone() };
        let proof = self
            .grace_is_over(since)
            .and_then(|()| self.prove(&key, evidence, view.created_by_us, view.another_writer.as_deref()));
        match proof {
            Ok(proof) => {
                let action = Action::DestroyMachine { id: double.id.clone(), proof };
                self.step(&view.place, key, action, format!("{} holds the same slot", survivor.id), Vec::new(), &[]);
            }
            Err(obstacle) => {
                self.withhold(&view.place, &key, &format!("destroy surplus machine {}", double.id), obstacle);
            }
        }
    }

    /// Machines of ours in slots that the spec does not have (any more).
    fn plan_surplus(&mut self, rolling: &mut Rolling<'_>) {
        let view = rolling.view;
        for live in &view.owned {
            let Some(slot) = self.slot_of(live) else { continue };
            if view.app.machines.iter().any(|machine| machine.slot == *slot) {
                continue;
            }
            let key = ResourceKey::Machine { app: view.app.name.clone(), slot: slot.clone() };
            match self.prove(&key, Evidence::NotWanted, view.created_by_us, view.another_writer.as_deref()) {
                Ok(proof) => {
                    let action = Action::DestroyMachine { id: live.id.clone(), proof };
                    let change = FieldChange::plain("state", Some(live.state.as_str().into()), None);
                    let after: Vec<StepId> = rolling.rollout.gate().into_iter().collect();
                    self.step(&view.place, key, action, "the spec no longer has its slot", vec![change], &after);
                }
                Err(obstacle) => self.withhold(&view.place, &key, &format!("destroy machine {slot}"), obstacle),
            }
        }
    }

    fn notice_others(&mut self, view: &AppView<'_>, adopted: &BTreeMap<MachineSlot, &Machine>) {
        let taken: BTreeSet<&str> = adopted.values().map(|machine| machine.id.as_str()).collect();
        let others: Vec<&&Machine> =
            view.others.iter().filter(|machine| !taken.contains(machine.id.as_str())).collect();
        if others.is_empty() {
            return;
        }
        let ids: Vec<&str> = others.iter().take(5).map(|machine| machine.id.as_str()).collect();
        let more = if others.len() > ids.len() { ", …" } else { "" };
        let message = format!(
            "{} of `{}` without our marker left alone: {}{more}",
            super::planner::plural(others.len(), "machine"),
            view.app.name,
            ids.join(", ")
        );
        self.notice(&view.env.name, Some(&view.app.component), Reason::Unmanaged, message);
    }

    /// The wanted configuration with all known outputs filled in, and the steps that produce the others.
    fn resolved(
        &mut self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        key: &ResourceKey,
    ) -> Option<(Value, Vec<StepId>)> {
        let config = output::resolve(&wanted.config, &rolling.outputs);
        let mut after = Vec::new();
        for path in output::waits_for_in(&config) {
            if let Some(step) = rolling.producers.get(&path) {
                after.push(*step);
            } else {
                let view = rolling.view;
                let message = format!("machine {} uses `{path}`, which is not known yet", wanted.slot);
                self.wait(
                    &view.env.name,
                    Some(&view.app.component),
                    Some(key),
                    Reason::DependencyBlocked,
                    message,
                    None,
                );
                return None;
            }
        }
        Some((config, after))
    }

    /// Withholds a change that was tried and failed, until its time to be tried again.
    fn is_rejected(&mut self, view: &AppView<'_>, key: &ResourceKey, hash: &str) -> bool {
        let rejection = self.memory.rejections.get(&key.to_string());
        let Some(rejection) = rejection.filter(|rejection| rejection.hash == hash && self.now < rejection.retry_at)
        else {
            return false;
        };
        self.plan.withheld.push(Withheld {
            env: view.env.name.clone(),
            component: Some(view.app.component.clone()),
            key: Some(key.clone()),
            stance: Stance::Blocked,
            reason: Reason::RolloutRejected,
            message: format!("{key} was tried and failed: {}", rejection.message),
            until: Some(rejection.retry_at),
        });
        true
    }

    fn wait_healthy(
        &mut self,
        view: &AppView<'_>,
        wanted: &desired::Machine,
        key: ResourceKey,
        hash: String,
        after: StepId,
    ) -> StepId {
        let action = Action::WaitHealthy { timeout: view.app.health_timeout, has_checks: wanted.has_checks, hash };
        let reason = if wanted.has_checks { "until it runs and its checks pass" } else { "until it runs" };
        self.step(&view.place, key, action, reason, Vec::new(), &[after])
    }

    fn write(
        &self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        config: Value,
        live: Option<&Machine>,
        name: String,
        start: bool,
    ) -> MachineWrite {
        let view = rolling.view;
        let before = live.and_then(|machine| machine.owned_by(&self.fleet.owner));
        let set_before = before.and_then(|marker| marker.fields.below("metadata").cloned()).unwrap_or_default();
        let mut metadata: BTreeMap<String, String> = live
            .map(|machine| machine.metadata.clone())
            .unwrap_or_default()
            .into_iter()
            .filter(|(key, _)| !key.starts_with(PREFIX) && set_before.below(key).is_none())
            .collect();
        metadata.extend(wanted.metadata.clone());
        let marker = MachineMarker {
            owner: self.fleet.owner.clone(),
            env: view.env.name.clone(),
            app: view.app.name.clone(),
            component: view.app.component.clone(),
            slot: wanted.slot.clone(),
            name,
            launch: before.map(|marker| marker.launch.clone()).unwrap_or_default(),
            writer: before.and_then(|marker| marker.writer.clone()),
            hash: hash_of(wanted),
            fields: fields_of(wanted),
            secrets: rolling.secrets.record.clone(),
            secrets_version: before.and_then(|marker| marker.secrets_version),
            ips: view.remembered_ips(),
            certificates: view.remembered_certificates(),
            protect: view.app.protect || self.policy.keeps(view.env),
            // A level that forbids deletion outlives the lines that set it.
            retain: view.is_retained() || view.env.level != Level::Full,
            tombstone: None,
        };
        let owned = view.owned.iter();
        let min_secrets_version =
            owned.filter_map(|machine| machine.owned_by(&self.fleet.owner)?.secrets_version).max();
        let pending_digests = rolling.secrets.pending.clone();
        MachineWrite { config, metadata, marker, pending_digests, min_secrets_version, start }
    }

    /// The metadata that says since when nobody asks for a machine.
    pub(super) fn tombstone_patch(&self) -> BTreeMap<String, Option<String>> {
        BTreeMap::from([(format!("{PREFIX}tombstone"), Some(self.now.timestamp().to_string()))])
    }

    /// Whether grace has passed since `since`.
    pub(super) fn grace_is_over(&self, since: chrono::DateTime<chrono::Utc>) -> Result<(), Obstacle> {
        let grace = chrono::TimeDelta::from_std(self.policy.grace).unwrap_or(chrono::TimeDelta::MAX);
        let until = since.checked_add_signed(grace).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        if self.now >= until {
            return Ok(());
        }
        Err(Obstacle {
            reason: Reason::Grace,
            message: format!("grace lasts until {}", until.format("%H:%M:%S UTC")),
            until: Some(until),
        })
    }
}

/// Hash of everything that is wanted of a machine, outputs left open: 16 hexadecimal characters.
fn hash_of(wanted: &desired::Machine) -> String {
    let text = serde_json::json!({"config": wanted.config, "metadata": wanted.metadata}).to_string();
    hex::encode(sha2::Sha256::digest(text.as_bytes()).get(..8).unwrap_or_default())
}

fn fields_of(wanted: &desired::Machine) -> FieldSet {
    let mut all = wanted.config.clone();
    if let Value::Object(map) = &mut all
        && !wanted.metadata.is_empty()
    {
        map.insert("metadata".to_owned(), serde_json::json!(wanted.metadata));
    }
    FieldSet::of(&all)
}

/// The secrets that a machine has not taken as they are wanted now.
fn stale_secrets(secrets: &SecretDecision, marker: Option<&MachineMarker>) -> Vec<String> {
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

/// The metadata keys that differ between what is live and what would be written; writer and launch alone are no difference.
fn metadata_patch(
    marker: Option<&MachineMarker>,
    write: &MachineWrite,
    live: &Machine,
) -> BTreeMap<String, Option<String>> {
    let mut wanted = write.metadata.clone();
    wanted.extend(write.marker.to_metadata());
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
    let only_secrets = changes.iter().all(|change| change.path.starts_with("secrets."));
    if only_secrets { "it has to take changed secrets".to_owned() } else { "it is not as the spec has it".to_owned() }
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
