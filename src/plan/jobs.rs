//! Jobs: commands that run to their end before something else is changed, or after it.
//!
//! A job is a machine in a slot of its own that stays when its run is over. What it ran, and how that has ended, is read from it: so
//! neither a restart nor a lost store runs anything twice. A run under way is never interrupted by another.
//!
//! ```text
//! no machine ──> created ──┐
//! something changed ──> updated ──> runs ──> has ended ──> noted; well: what comes after it goes on
//! ```

use chrono::{DateTime, TimeDelta, Utc};

use super::app::AppView;
use super::ending::{WELL, ending, said};
use super::existing::{metadata_patch, redeployment, stale_secrets};
use super::machines::{Before, Rolling};
use super::parts::Progress;
use super::planner::Planner;
use super::rollout::Rollout;
use super::secrets::SecretDecision;
use super::step::{Action, MachineWrite, StepId};
use super::withheld::Reason;
use crate::desired::Job;
use crate::observed::{Machine, MachineState};
use crate::resource::machine::ThreeWay;
use crate::resource::marker::{ENDED, MachineMarker};
use crate::resource::output::Outputs;
use crate::resource::{Change, ChangeKind, FieldChange, ResourceKey};
use crate::rules::Rule;

/// An app whose secrets were planned, so that something can run in it.
pub(super) struct Prepared<'v> {
    pub(super) view: AppView<'v>,
    pub(super) secrets: SecretDecision,
    /// The steps after which machines have what they need.
    pub(super) gates: Vec<StepId>,
}

/// A job, and what planning its machine needs to know.
struct Running<'r> {
    job: &'r Job,
    rolling: Rolling<'r>,
    key: ResourceKey,
    /// The steps that it comes after.
    gates: Vec<StepId>,
    /// What it comes after and what is not as wanted.
    stuck: Vec<String>,
}

impl Planner<'_> {
    /// Plans the run of a job, and notes what comes after it has to wait for.
    pub(super) fn plan_job(
        &mut self,
        prepared: &Prepared<'_>,
        job: &Job,
        outputs: &Outputs,
        progress: &mut Progress<'_>,
    ) {
        let (steps, withheld) = (self.plan.steps.len(), self.plan.withheld.len());
        let stuck = job.after.iter().filter(|used| progress.is_stuck(used)).map(|used| format!("`{used}`"));
        let earlier = job.after.iter().flat_map(|used| progress.steps_of(used));
        let running = Running {
            job,
            key: ResourceKey::Machine { app: prepared.view.app.name.clone(), slot: job.machine.slot.clone() },
            gates: prepared.gates.iter().chain(earlier).copied().collect(),
            stuck: stuck.collect(),
            rolling: Rolling {
                view: &prepared.view,
                secrets: &prepared.secrets,
                before: Before { gates: &prepared.gates, ..Before::default() },
                outputs: outputs.clone(),
                producers: &progress.producers,
                rollout: Rollout::default(),
                doubts: std::collections::BTreeMap::new(),
            },
        };
        let in_slot =
            |machine: &&&Machine| self.marker_on(machine).is_some_and(|marker| marker.slot == job.machine.slot);
        let holders: Vec<&Machine> = prepared.view.owned.iter().filter(in_slot).copied().collect();
        match holders.split_first() {
            None => self.plan_first_run(&running),
            Some((live, surplus)) => {
                self.plan_another_run(&running, live);
                for double in surplus {
                    self.plan_duplicate(&prepared.view, double, live);
                }
            }
        }
        drop(running);
        let is_stuck = self.plan.withheld.len() > withheld;
        let steps = self.plan.steps.get(steps..).unwrap_or_default().iter().map(|step| step.id).collect();
        progress.has_planned(&job.part, steps, is_stuck);
    }

    fn plan_first_run(&mut self, running: &Running<'_>) {
        let (view, slot) = (running.rolling.view, &running.job.machine.slot);
        let name = slot.machine_name();
        if let Some(other) = view.others.iter().find(|machine| machine.name == name) {
            let message = format!(
                "a machine named `{name}` ({}) is in the app and is not ours; it is left alone: destroy or rename it",
                other.id
            );
            self.block_job(running, Reason::NotOurs, message);
            return;
        }
        if let Some(leaving) = view.leaving.iter().find(|machine| machine.name == name) {
            let message = format!("run {}: its last machine {} is being destroyed", running.what(), leaving.id);
            self.wait_with_job(running, Reason::InTransition, message, None);
            return;
        }
        if let Err(obstacle) = self.may_create(&running.key, view.born_here) {
            self.withhold(&view.place, &running.key, &format!("run {}", running.what()), obstacle);
            return;
        }
        let Some((config, mut after)) = self.resolved(&running.rolling, &running.job.machine, &running.key) else {
            return;
        };
        let mut write = self.write(&running.rolling, &running.job.machine, config, None, name, true);
        if !self.may_run(running, &write) {
            return;
        }
        after.extend_from_slice(&running.gates);
        write.marker.generation.clone_from(&running.job.generation);
        let wanted = &running.job.machine.config;
        let changes = vec![
            FieldChange::plain("region", None, Some(running.job.machine.slot.region.as_str().into())),
            FieldChange::plain("image", None, wanted.get("image").cloned()),
            FieldChange::plain("command", None, wanted.pointer("/init/cmd").cloned()),
        ];
        let action = Action::CreateMachine(Box::new(write));
        let reason = format!("{} has not run yet", running.what());
        let step = self.step(&view.place, running.key.clone(), action, reason, changes, &after);
        self.wait_ended(running, None, running.job.timeout, &[step]);
    }

    fn plan_another_run(&mut self, running: &Running<'_>, live: &Machine) {
        let view = running.rolling.view;
        let what = running.what();
        let live_config = match (&live.state, &live.config) {
            (MachineState::Other(state), _) => {
                let message = format!(
                    "machine {} of {what} is in state `{state}`, which this version does not know; it is left alone",
                    live.id
                );
                self.block_job(running, Reason::InTransition, message);
                return;
            }
            (_, Some(config)) if live.host_ok => config,
            _ => {
                let message = format!(
                    "the host of machine {} of {what} does not answer; how its run ends is not known until it does",
                    live.id
                );
                self.wait_with_job(running, Reason::HostUnreachable, message, None);
                return;
            }
        };
        if let Err(obstacle) = self.is_settled(&running.key, Rule::OpenKeyStopsUpdate) {
            self.withhold(&view.place, &running.key, &format!("judge {what}"), obstacle);
            return;
        }
        let Some((config, after)) = self.resolved(&running.rolling, &running.job.machine, &running.key) else {
            return;
        };
        let marker = self.marker_on(live);
        let found = self.difference(&config, live_config, live, marker);
        let ended = ending(live);
        let changes = changes_that_run(running, marker, &found, ended.as_deref());
        match (ended, changes.is_empty()) {
            (None, true) => self.plan_rest_of_run(running, live, None),
            (None, false) => self.plan_rest_of_run(running, live, Some(&changes)),
            (Some(_), false) => self.plan_update(running, live, found, changes, after),
            (Some(word), true) => self.plan_end_of_run(running, live, &word),
        }
    }

    /// A run that is under way: its end is waited for, and brought about when its time is over.
    fn plan_rest_of_run(&mut self, running: &Running<'_>, live: &Machine, changes: Option<&[FieldChange]>) {
        let (view, job) = (running.rolling.view, running.job);
        let since = live.started_at.or(live.created_at).unwrap_or(self.now);
        let over = over_at(since, job.timeout);
        if self.now >= over {
            if live.state != MachineState::Started {
                let message = format!(
                    "{} has not started within {}: machine {} is {}",
                    running.what(),
                    humantime::format_duration(job.timeout),
                    live.id,
                    live.state.as_str()
                );
                self.block_job(running, Reason::JobFailed, message);
                return;
            }
            let reason = format!("{} did not end within {}", running.what(), humantime::format_duration(job.timeout));
            let change = FieldChange::plain("state", Some("started".into()), Some("stopped".into()));
            let action = Action::StopMachine { id: live.id.clone(), version: live.version.clone(), suspend: false };
            self.step(&view.place, running.key.clone(), action, reason.clone(), vec![change], &[]);
            self.block_job(running, Reason::JobFailed, format!("{reason}; it is stopped"));
            return;
        }
        if changes.is_some() {
            let message =
                format!("{} runs as it was before its change; it runs again when that has ended", running.what());
            // What has taken long may take longer: it is looked at less and less often.
            let spent = self.now.signed_duration_since(since);
            let pause = TimeDelta::seconds((spent.num_seconds() / 4).clamp(3, 60));
            let next = self.now.checked_add_signed(pause).map_or(over, |next| next.min(over));
            self.wait_with_job(running, Reason::JobRunning, message, Some(next));
            return;
        }
        let left = over.signed_duration_since(self.now).to_std().unwrap_or_default();
        self.wait_ended(running, Some(live.id.clone()), left, &[]);
    }

    fn plan_update(
        &mut self,
        running: &Running<'_>,
        live: &Machine,
        found: ThreeWay,
        changes: Vec<FieldChange>,
        mut after: Vec<StepId>,
    ) {
        let view = running.rolling.view;
        let mut write =
            self.write(&running.rolling, &running.job.machine, found.config, Some(live), live.name.clone(), true);
        if !self.may_run(running, &write) {
            return;
        }
        write.marker.generation.clone_from(&running.job.generation);
        after.extend_from_slice(&running.gates);
        let reason = format!("{} runs again", running.what());
        let action =
            Action::UpdateMachine { id: live.id.clone(), version: live.version.clone(), write: Box::new(write) };
        let step = self.step(&view.place, running.key.clone(), action, reason, changes, &after);
        self.wait_ended(running, None, running.job.timeout, &[step]);
    }

    /// A run that is over: how it has ended is noted, and told if it was not well.
    fn plan_end_of_run(&mut self, running: &Running<'_>, live: &Machine, word: &str) {
        let view = running.rolling.view;
        let marker = self.marker_on(live);
        let (mut carried, mut new_marker) =
            self.record(&running.rolling, &running.job.machine, Some(live), live.name.clone());
        carried.insert(ENDED.to_owned(), word.to_owned());
        new_marker.generation.clone_from(&running.job.generation);
        if let Some(marker) = marker {
            // It says what the run had, and not what another would have.
            new_marker.hash.clone_from(&marker.hash);
            new_marker.fields = marker.fields.clone();
            new_marker.secrets = marker.secrets.clone();
            new_marker.redeploy = marker.redeploy;
        }
        let metadata = metadata_patch(marker, carried, &new_marker, live);
        if !metadata.is_empty() {
            let reason = format!("{} {}", running.what(), said(word, Some(live)));
            let action = Action::MarkMachine { id: live.id.clone(), metadata };
            self.step(&view.place, running.key.clone(), action, reason, Vec::new(), &[]);
        }
        if word != WELL {
            let message = format!(
                "{} {}; what comes after it is not changed. Look at `fly logs -a {} -i {}`; it runs again when what it runs is changed, or its `generation`",
                running.what(),
                said(word, Some(live)),
                view.app.name,
                live.id
            );
            self.block_job(running, Reason::JobFailed, message);
        }
    }

    /// Whether a run may begin now; if not, that is said.
    fn may_run(&mut self, running: &Running<'_>, write: &MachineWrite) -> bool {
        if !running.stuck.is_empty() {
            let message =
                format!("{} waits for {}, which is not as wanted yet", running.what(), running.stuck.join(" and "));
            self.wait_with_job(running, Reason::DependencyBlocked, message, None);
            return false;
        }
        let rejection = self.memory.rejections.get(&running.key.to_string());
        if let Some(rejection) =
            rejection.filter(|rejection| rejection.hash == write.trial && self.now < rejection.retry_at)
        {
            let message = format!(
                "{} could not be started: {}; it is tried again at {}, or when what it runs is changed",
                running.what(),
                rejection.message,
                rejection.retry_at.format("%H:%M:%S UTC")
            );
            self.block_job(running, Reason::RolloutRejected, message);
            return false;
        }
        true
    }

    /// Waits until a run has ended: of the machine that a step before writes, or of the live one with the id `live`.
    fn wait_ended(
        &mut self,
        running: &Running<'_>,
        live: Option<String>,
        timeout: std::time::Duration,
        after: &[StepId],
    ) {
        let action = Action::WaitEnded { live, timeout };
        let (place, key) = (&running.rolling.view.place, running.key.clone());
        self.step(place, key, action, "until it has ended", Vec::new(), after);
    }

    fn block_job(&mut self, running: &Running<'_>, reason: Reason, message: String) {
        let view = running.rolling.view;
        self.block(&view.env.name, Some(&view.app.component), Some(&running.key), reason, message);
    }

    fn wait_with_job(&mut self, running: &Running<'_>, reason: Reason, message: String, until: Option<DateTime<Utc>>) {
        let view = running.rolling.view;
        self.wait(&view.env.name, Some(&view.app.component), Some(&running.key), reason, message, until);
    }
}

impl Running<'_> {
    fn what(&self) -> String {
        format!("job `{}`", self.job.name)
    }
}

/// What has changed since a job has run that makes it run again.
fn changes_that_run(
    running: &Running<'_>,
    marker: Option<&MachineMarker>,
    found: &ThreeWay,
    ended: Option<&str>,
) -> Vec<FieldChange> {
    let job = running.job;
    let old = marker.and_then(|marker| marker.generation.clone());
    let mut changes = Vec::new();
    if old != job.generation {
        changes.push(FieldChange::plain("generation", old.map(Into::into), job.generation.clone().map(Into::into)));
    }
    let has_failed = ended.is_some_and(|word| word != WELL);
    if job.again || has_failed {
        changes.extend(redeployment(running.rolling.view.env, marker));
    }
    if job.again {
        changes.extend(found.changes.iter().cloned());
        changes.extend(stale_secrets(running.rolling.secrets, marker).into_iter().map(|name| FieldChange {
            path: format!("secrets.{name}"),
            old: marker.and_then(|marker| marker.secrets.0.get(&name)).map(|_| Change::Secret),
            new: running.rolling.secrets.record.0.contains_key(&name).then_some(Change::Secret),
            kind: ChangeKind::InPlace,
        }));
    }
    changes
}

fn over_at(since: DateTime<Utc>, timeout: std::time::Duration) -> DateTime<Utc> {
    let timeout = TimeDelta::from_std(timeout).unwrap_or(TimeDelta::MAX);
    since.checked_add_signed(timeout).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
