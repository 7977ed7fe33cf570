//! Machines of an app: one per slot, as the spec has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sha2::Digest as _;

use super::app::AppView;
use super::parts::Progress;
use super::planner::Planner;
use super::proof::{Evidence, Obstacle};
use super::rollout::Rollout;
use super::secrets::SecretDecision;
use super::step::{Action, MachineWrite, StepId};
use super::trial::{Doubt, trial_of};
use super::volumes::Binding;
use super::withheld::Reason;
use crate::desired;
use crate::desired::{Environment, Level};
use crate::observed::Machine;
use crate::resource::field::FieldSet;
use crate::resource::marker::{MachineMarker, PREFIX};
use crate::resource::output::{self, Outputs, volume_id_path};
use crate::resource::{FieldChange, MachineSlot, ResourceKey, VolumeSlot};
use crate::rules::Rule;

/// What the machines of an app come after.
#[derive(Clone, Copy, Default)]
pub(super) struct Before<'b> {
    /// The steps that have to be done.
    pub(super) gates: &'b [StepId],
    /// Components that this app uses and that are not as wanted.
    pub(super) stuck: &'b [String],
    /// Jobs that have not ended well.
    pub(super) jobs: &'b [String],
}

/// What planning the machines of one app needs to know besides the machines.
pub(super) struct Rolling<'r> {
    pub(super) view: &'r AppView<'r>,
    pub(super) secrets: &'r SecretDecision,
    pub(super) before: Before<'r>,
    /// Outputs known now, the ids of live volumes among them.
    pub(super) outputs: Outputs,
    pub(super) producers: &'r BTreeMap<String, StepId>,
    pub(super) rollout: Rollout,
    /// Configurations that failed or have not proved themselves yet, by the slot that has them.
    pub(super) doubts: BTreeMap<MachineSlot, Doubt>,
}

impl Planner<'_> {
    pub(super) fn plan_machines(
        &mut self,
        view: &AppView<'_>,
        secrets: &SecretDecision,
        volumes: &BTreeMap<VolumeSlot, Binding>,
        before: Before<'_>,
        outputs: &Outputs,
        progress: &Progress<'_>,
    ) {
        let mut outputs = outputs.clone();
        for (slot, binding) in volumes {
            if let Binding::Live(id) = binding {
                outputs.insert(volume_id_path(view.app.component.as_str(), slot), id.as_str().into());
                outputs.insert(format!("fly.{}.volumes.{}.id", view.app.component, slot.name), id.as_str().into());
            }
        }
        let mut rolling = Rolling {
            view,
            secrets,
            before,
            outputs,
            producers: &progress.producers,
            rollout: Rollout::default(),
            doubts: BTreeMap::new(),
        };
        let adopted = self.adoption(view);
        rolling.doubts = self.doubts(&rolling, &self.holders(view));
        for machine in &view.app.machines {
            if machine.volume.as_ref().is_some_and(|slot| volumes.get(slot) == Some(&Binding::Withheld)) {
                continue;
            }
            let holders: Vec<&Machine> =
                view.owned.iter().filter(|seen| self.slot_of(seen) == Some(&machine.slot)).copied().collect();
            match (holders.first(), adopted.get(&machine.slot)) {
                (Some(live), _) => self.plan_existing(&mut rolling, machine, live),
                (None, Some(live)) => self.plan_existing(&mut rolling, machine, live),
                (None, None) => self.plan_missing(&rolling, machine),
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

    /// The machine in each slot: of several, the oldest.
    fn holders<'v>(&self, view: &AppView<'v>) -> BTreeMap<MachineSlot, &'v Machine> {
        let mut holders = BTreeMap::new();
        for machine in &view.owned {
            if let Some(slot) = self.slot_of(machine) {
                holders.entry(slot.clone()).or_insert(*machine);
            }
        }
        holders
    }

    fn slot_of<'m>(&self, machine: &'m Machine) -> Option<&'m MachineSlot> {
        self.marker_on(machine).map(|marker| &marker.slot)
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

    /// A second machine in one slot: the younger goes, after the same grace as an orphan.
    pub(super) fn plan_duplicate(&mut self, view: &AppView<'_>, double: &Machine, survivor: &Machine) {
        let Some(marker) = self.marker_on(double) else {
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
            .grace_is_over(since, Rule::GraceOfSurplus)
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
            let of_jobs = view.app.jobs.iter().map(|job| &job.machine);
            if view.app.machines.iter().chain(of_jobs).any(|machine| machine.slot == *slot) {
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
    pub(super) fn resolved(
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

    /// Waits until a machine is healthy: the one that a step before writes, or the live one with the id `live`.
    pub(super) fn wait_healthy(
        &mut self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        key: ResourceKey,
        live: Option<String>,
        after: &[StepId],
    ) -> StepId {
        let action = Action::WaitHealthy {
            live,
            timeout: rolling.view.app.health_timeout,
            has_checks: wanted.has_checks,
            may_end: may_end(wanted),
            may_sleep: !self.is_to_run(rolling.view.env, wanted),
            hash: trial_of(rolling, wanted),
        };
        let reason = if wanted.has_checks { "until it runs and its checks pass" } else { "until it runs" };
        self.step(&rolling.view.place, key, action, reason, Vec::new(), after)
    }

    pub(super) fn write(
        &self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        config: Value,
        live: Option<&Machine>,
        name: String,
        start: bool,
    ) -> MachineWrite {
        let (metadata, marker) = self.record(rolling, wanted, live, name);
        let owned = rolling.view.owned.iter();
        let min_secrets_version = owned.filter_map(|machine| self.marker_on(machine)?.secrets_version).max();
        let pending_digests = rolling.secrets.pending.clone();
        let trial = trial_of(rolling, wanted);
        MachineWrite { config, metadata, marker, trial, pending_digests, min_secrets_version, start }
    }

    /// What a machine is to carry besides its configuration: the metadata of the spec and of others, and our marker.
    pub(super) fn record(
        &self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        live: Option<&Machine>,
        name: String,
    ) -> (BTreeMap<String, String>, MachineMarker) {
        let view = rolling.view;
        let before = live.and_then(|machine| self.marker_on(machine));
        let set_before = before.and_then(|marker| marker.fields.below("metadata").cloned()).unwrap_or_default();
        let others = live.into_iter().flat_map(|machine| &machine.metadata);
        let others = others.filter(|(key, _)| !key.starts_with(PREFIX) && set_before.below(key).is_none());
        let mut metadata: BTreeMap<String, String> = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        metadata.extend(wanted.metadata.clone());
        let marker = MachineMarker {
            owner: self.fleet.owner.clone(),
            env: view.env.name.clone(),
            set: view.env.preview.as_ref().map(|preview| preview.set.clone()),
            app: view.app.name.clone(),
            component: view.app.component.clone(),
            slot: wanted.slot.clone(),
            name,
            launch: before.map(|marker| marker.launch.clone()).unwrap_or_default(),
            writer: before.and_then(|marker| marker.writer.clone()),
            hash: Hashed::of(wanted).short(),
            fields: fields_of(wanted),
            secrets: rolling.secrets.record.clone(),
            secrets_version: before.and_then(|marker| marker.secrets_version),
            ips: view.remembered_ips(),
            certificates: view.remembered_certificates(),
            protect: view.app.protect || self.policy.keeps(view.env),
            // A level that forbids deletion outlives the lines that set it.
            retain: view.is_retained() || view.env.level != Level::Full,
            finalizers: view.app.finalizers.clone(),
            keep_until: self.births.kept_until(view.env).filter(|until| *until > self.now),
            redeploy: before.and_then(|marker| marker.redeploy).max(asked_again(view.env)),
            generation: None,
            tombstone: None,
        };
        (metadata, marker)
    }

    /// The metadata that says since when nobody asks for a machine.
    pub(super) fn tombstone_patch(&self) -> BTreeMap<String, Option<String>> {
        BTreeMap::from([(format!("{PREFIX}tombstone"), Some(self.now.timestamp().to_string()))])
    }

    /// Whether grace has passed since `since`: asked in the name of `rule`.
    pub(super) fn grace_is_over(&self, since: chrono::DateTime<chrono::Utc>, rule: Rule) -> Result<(), Obstacle> {
        let grace = chrono::TimeDelta::from_std(self.policy.grace).unwrap_or(chrono::TimeDelta::MAX);
        let until = since.checked_add_signed(grace).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        if self.now >= until || !self.holds(rule) {
            return Ok(());
        }
        Err(Obstacle {
            reason: Reason::Grace,
            message: format!("grace lasts until {}", until.format("%H:%M:%S UTC")),
            until: Some(until),
        })
    }
}

/// The last comment that asks for the machines of `env` to be written again.
pub(super) fn asked_again(env: &Environment) -> Option<u64> {
    env.preview.as_ref()?.redeploy
}

/// What is wanted of a machine, as hashes of it are taken: as JSON, of which no tree is made first.
#[derive(Serialize)]
pub(super) struct Hashed<'w> {
    pub(super) config: &'w Value,
    pub(super) metadata: &'w BTreeMap<String, String>,
    /// The last comment that asks for it to be written again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redeploy: Option<u64>,
    /// Fingerprints by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secrets: Option<BTreeMap<&'w String, &'w String>>,
}

impl<'w> Hashed<'w> {
    pub(super) const fn of(wanted: &'w desired::Machine) -> Self {
        Self { config: &wanted.config, metadata: &wanted.metadata, redeploy: None, secrets: None }
    }

    /// 16 hexadecimal characters.
    pub(super) fn short(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(sha2::Sha256::digest(text).get(..8).unwrap_or_default())
    }
}

/// Whether a machine is made to rest until something starts it: at its time, or when another machine fails.
pub(super) fn rests(wanted: &desired::Machine) -> bool {
    wanted.config.get("schedule").is_some() || wanted.config.get("standbys").is_some()
}

/// Whether the end of its process, with code 0, is what a machine is for.
fn may_end(wanted: &desired::Machine) -> bool {
    wanted.config.get("auto_destroy") == Some(&Value::Bool(true))
        || wanted.config.pointer("/restart/policy").and_then(Value::as_str) == Some("no")
}

fn fields_of(wanted: &desired::Machine) -> FieldSet {
    let fields = FieldSet::of(&wanted.config);
    if wanted.metadata.is_empty() { fields } else { fields.with("metadata", wanted.metadata.keys()) }
}
