//! One wanted app: whether it is there and ours, and then everything in it, in order.

use std::collections::{BTreeMap, BTreeSet};

use super::jobs::Prepared;
use super::machines::Before;
use super::parts::Progress;
use super::planner::{Place, Planner};
use super::secrets::{self, SecretDecision};
use super::step::{Action, StepId};
use super::volumes::Binding;
use super::withheld::Reason;
use crate::desired::{self, App, Environment, Network};
use crate::memory::NoteOutcome;
use crate::observed::ownership::{Ownership, ownership_by};
use crate::observed::{AppDetail, AppRow, Certificate, Ip, Machine, Presence, Reading, Secret, Volume};
use crate::resource::marker::{self, MachineMarker, PROTECTED_SECRET, RETAINED_SECRET};
use crate::resource::output::Outputs;
use crate::resource::secret_record::SecretRecord;
use crate::resource::{ComponentName, FieldChange, ResourceKey, VolumeSlot};
use crate::rules::Rule;

/// An app that is wanted and ours (or about to be), with what is live in it.
pub(super) struct AppView<'v> {
    pub(super) env: &'v Environment,
    pub(super) app: &'v App,
    pub(super) place: Place<'v>,
    /// The step that creates it.
    pub(super) creation: Option<StepId>,
    /// Whether this plan or this memory saw it being created, so that no earlier run can have requests under way in it.
    pub(super) born_here: bool,
    /// Whether we created it, so that everything in it is ours.
    pub(super) created_by_us: bool,
    /// Live machines with our marker for this environment, oldest first.
    pub(super) owned: Vec<&'v Machine>,
    /// Other live machines.
    pub(super) others: Vec<&'v Machine>,
    /// Machines that are being destroyed: they hold their names until they are gone.
    pub(super) leaving: Vec<&'v Machine>,
    pub(super) volumes: &'v [Volume],
    pub(super) secrets: &'v [Secret],
    pub(super) ips: &'v [Ip],
    /// Its certificates, where they were read.
    pub(super) certificates: Option<&'v [Certificate]>,
    /// What our machines' markers remember of it.
    pub(super) recorded: Recorded,
    /// Another instance that writes under our owner id.
    pub(super) another_writer: Option<String>,
}

impl<'a> Planner<'a> {
    pub(super) fn plan_app(
        &mut self,
        env: &'a Environment,
        app: &'a App,
        outputs: &Outputs,
        progress: &mut Progress<'a>,
    ) {
        let place = Place { env: &env.name, component: Some(&app.component), org: env.org.as_ref() };
        let key = ResourceKey::App { app: app.name.clone() };
        let Some(detail) = self.observed.detail(env.org.as_ref(), &app.name) else {
            let message = format!("app `{}` was not looked at in this pass", app.name);
            self.wait(&env.name, Some(&app.component), Some(&key), Reason::ObservationIncomplete, message, None);
            return;
        };
        let view = match &detail.presence {
            Presence::Unknown { reason } if self.holds(Rule::PresenceMustBeKnown) => {
                let message = format!("whether app `{}` exists cannot be told: {reason}", app.name);
                self.wait(&env.name, Some(&app.component), Some(&key), Reason::ObservationIncomplete, message, None);
                return;
            }
            Presence::Elsewhere => {
                let message = format!(
                    "the name `{}` is taken in another organization; app names are global at Fly: choose another `name` for `{}`",
                    app.name, app.component
                );
                self.block(&env.name, Some(&app.component), Some(&key), Reason::NameTaken, message);
                return;
            }
            Presence::Absent { .. } | Presence::Unknown { .. } => match self.plan_creation(env, app, place, &key) {
                Some(view) => view,
                None => return,
            },
            Presence::Here(row) => match self.view_of_existing(env, app, place, row, detail) {
                Some(view) => view,
                None => return,
            },
        };
        self.plan_inside(view, detail, outputs, progress);
    }

    fn plan_creation(
        &mut self,
        env: &'a Environment,
        app: &'a App,
        place: Place<'a>,
        key: &ResourceKey,
    ) -> Option<AppView<'a>> {
        if let Err(obstacle) = self.may_create(key, false) {
            self.withhold(&place, key, &format!("create app `{}`", app.name), obstacle);
            return None;
        }
        let network = match self.network_of(env) {
            Ok(network) => network,
            Err(message) => {
                self.wait(&env.name, Some(&app.component), Some(key), Reason::ObservationIncomplete, message, None);
                return None;
            }
        };
        let mut changes = vec![FieldChange::plain("org", None, env.org.as_ref().map(|org| org.as_str().into()))];
        changes.extend(network.as_ref().map(|name| FieldChange::plain("network", None, Some(name.as_str().into()))));
        let creation = self.step(&place, key.clone(), Action::CreateApp { network }, "it does not exist", changes, &[]);
        Some(AppView {
            env,
            app,
            place,
            creation: Some(creation),
            born_here: true,
            created_by_us: true,
            owned: Vec::new(),
            others: Vec::new(),
            leaving: Vec::new(),
            volumes: &[],
            secrets: &[],
            ips: &[],
            certificates: None,
            recorded: Recorded::default(),
            another_writer: None,
        })
    }

    /// Whether this memory has evidence that we made the app.
    fn has_created(&self, row: &AppRow) -> bool {
        let by_name = self.memory.born.contains_key(&row.name) && !self.holds(Rule::EvidenceNamesTheServersId);
        by_name || self.memory.has_created(&row.name, &row.id)
    }

    /// The app as it is, if it is ours and was read completely; otherwise says why it is left alone.
    fn view_of_existing(
        &mut self,
        env: &'a Environment,
        app: &'a App,
        place: Place<'a>,
        row: &'a AppRow,
        detail: &'a AppDetail,
    ) -> Option<AppView<'a>> {
        let key = ResourceKey::App { app: app.name.clone() };
        let parts = (
            self.read(&detail.machines),
            self.read(&detail.secrets),
            self.read(&detail.volumes),
            self.read(&detail.ips),
        );
        let (Some(machines), Some(secrets), Some(volumes), Some(ips)) = parts else {
            let message = format!("app `{}` was not read completely: {}", app.name, unread(detail));
            self.wait(&env.name, Some(&app.component), Some(&key), Reason::ObservationIncomplete, message, None);
            return None;
        };
        let created_by_us = match self.ownership(row, machines.iter(), secrets) {
            Ownership::Ours { env: Some(other), .. }
                if other != env.name && self.holds(Rule::MarkerNamesItsEnvironment) =>
            {
                let message = format!(
                    "app `{}` belongs to environment `{other}`; two environments cannot share an app: rename one, or destroy `{other}` first",
                    app.name
                );
                self.block(&env.name, Some(&app.component), Some(&key), Reason::NotOurs, message);
                return None;
            }
            Ownership::Ours { created_by_us, .. } => created_by_us,
            // Our own attempt, and nothing in it yet: what a crash between create and marker leaves behind.
            Ownership::NotOurs { .. }
                if machines.is_empty() && (self.has_created(row) || !self.holds(Rule::EvidenceOfOwnAttempt)) =>
            {
                true
            }
            Ownership::NotOurs { .. } if app.adopt || !self.holds(Rule::OwnedMeansMarked) => false,
            Ownership::NotOurs { reason } => {
                let message = format!(
                    "an app named `{}` exists and is not ours ({reason}); it is left alone: give `{}` another `name`, or set `adopt: true` to take it over",
                    app.name, app.component
                );
                self.block(&env.name, Some(&app.component), Some(&key), Reason::NotOurs, message);
                return None;
            }
        };
        self.notice_network(env, app, row);
        let mut owned: Vec<&Machine> = Vec::new();
        let mut others: Vec<&Machine> = Vec::new();
        for machine in machines.iter().filter(|machine| machine.is_live()) {
            match self.marker_on(machine) {
                Some(_) => owned.push(machine),
                None => others.push(machine),
            }
        }
        if self.holds(Rule::OldestSurvives) {
            owned.sort_by_key(|machine| machine.seniority());
        }
        others.sort_by_key(|machine| machine.seniority());
        let another_writer = self.another_writer(owned.iter().copied());
        let recorded = self.recorded(&owned);
        Some(AppView {
            env,
            app,
            place,
            creation: None,
            born_here: self.has_created(row),
            created_by_us,
            owned,
            others,
            leaving: machines.iter().filter(|machine| machine.state.as_str() == "destroying").collect(),
            volumes,
            secrets,
            ips,
            certificates: detail.certificates.known().map(Vec::as_slice),
            recorded,
            another_writer,
        })
    }

    fn notice_network(&mut self, env: &Environment, app: &App, row: &AppRow) {
        let wanted = match &env.network {
            Network::Isolated => None,
            Network::Shared => Some(""),
            Network::Named(name) => Some(name.as_str()),
        };
        let is_right = match wanted {
            Some(name) => row.network == name || (name.is_empty() && row.network == "default"),
            None => marker::network_slot(&self.fleet.owner, &row.network).is_some(),
        };
        if !is_right {
            let live = if row.network.is_empty() { "the default network" } else { row.network.as_str() };
            let message = format!(
                "app `{}` lives on {live}, and Fly cannot move an app to another network; to move it, destroy and create the environment",
                app.name
            );
            self.notice(&env.name, Some(&app.component), Reason::Immutable, message);
        }
    }

    fn plan_inside(&mut self, view: AppView<'a>, detail: &AppDetail, outputs: &Outputs, progress: &mut Progress<'a>) {
        self.plan_addresses(&view, progress);
        self.plan_certificates(&view, detail);
        let volumes = self.plan_volumes(&view, progress);
        let Some((secrets, secrets_step)) = self.plan_secrets(&view, &volumes, outputs, progress) else {
            return;
        };
        let app = view.app;
        progress.writes_secrets.extend(secrets_step.map(|step| (app, step)));
        let gates: Vec<StepId> = view.creation.into_iter().chain(secrets_step).collect();
        let prepared = Prepared { view, secrets, gates };
        for job in app.jobs.iter().filter(|job| job.is_first) {
            self.plan_job(&prepared, job, outputs, progress);
        }
        let mut gates = prepared.gates.clone();
        let is_stuck = |part: &&ComponentName| progress.is_stuck(part);
        let (jobs, stuck): (Vec<&ComponentName>, Vec<&ComponentName>) =
            app.after.iter().filter(is_stuck).partition(|part| desired::job_name(part).is_some());
        let jobs: Vec<String> =
            jobs.into_iter().filter_map(desired::job_name).map(|name| format!("`{name}`")).collect();
        let stuck: Vec<String> = stuck.into_iter().map(ToString::to_string).collect();
        gates.extend(app.after.iter().flat_map(|part| progress.steps_of(part)));
        let (view, secrets) = (&prepared.view, &prepared.secrets);
        let before = Before { gates: &gates, stuck: &stuck, jobs: &jobs };
        self.plan_machines(view, secrets, &volumes, before, outputs, progress);
        progress.prepared.insert(&app.component, prepared);
    }

    /// Takes back a write of secrets that no machine would record: without the record the next pass could not tell that it was done,
    /// and would do it again, and again. It waits until a machine can be written.
    pub(super) fn drop_unrecorded_secrets(&mut self, app: &App, step: StepId, first_step: usize) {
        let is_recorded = self.plan.steps.iter().skip(first_step).any(|other| {
            other.key.app() == Some(&app.name)
                && matches!(other.action, Action::CreateMachine(_) | Action::UpdateMachine { .. })
        });
        if is_recorded || (app.machines.is_empty() && app.jobs.is_empty()) {
            return;
        }
        let Some(Action::SetSecrets(write)) = self.plan.steps.get_mut(step.0).map(|step| &mut step.action) else {
            return;
        };
        write.set.clear();
        write.unset.retain(|name| marker::is_marker_secret(name));
        if write.unset.is_empty() && write.markers.is_empty() {
            self.remove_steps(&BTreeSet::from([step]));
        }
    }

    fn plan_secrets(
        &mut self,
        view: &AppView<'_>,
        volumes: &BTreeMap<VolumeSlot, Binding>,
        outputs: &Outputs,
        progress: &Progress<'_>,
    ) -> Option<(SecretDecision, Option<StepId>)> {
        let app = view.app;
        let key = ResourceKey::Secrets { app: app.name.clone() };
        let recorded = &view.recorded.secrets;
        let mut decision = secrets::decide(self.fleet, app, view.secrets, recorded, outputs, self.request.dry_run);
        for message in std::mem::take(&mut decision.unknown) {
            self.notice(&view.env.name, Some(&app.component), Reason::CannotCompare, message);
        }
        if !decision.missing.is_empty() {
            let message = decision.missing.join("; ");
            self.block(&view.env.name, Some(&app.component), Some(&key), Reason::SecretUnavailable, message);
            return None;
        }
        // What an interrupted run has begun to create is still being created.
        decision.write.is_first = view.creation.is_some() || (view.created_by_us && view.owned.is_empty());
        self.mark_by_secrets(view, &mut decision);
        if !decision.needs_write() {
            return Some((decision, None));
        }
        if decision.only_repeats(view.secrets) && self.makes_no_machine(view, volumes) {
            // Whether they are right is recorded on machines. Until there is one, each pass would write them once more.
            return Some((decision, None));
        }
        if let Some(note) = self.notes.open(&key, self.now, self.policy.timing)
            && note.outcome == NoteOutcome::Unknown
            && self.holds(Rule::OpenKeyStopsUpdate)
        {
            let until = Some(note.open_until(self.policy.timing));
            let message = "an earlier write of these secrets may still take effect".to_owned();
            self.wait(&view.env.name, Some(&app.component), Some(&key), Reason::OwnWritePending, message, until);
            return None;
        }
        let mut after: Vec<StepId> = view.creation.into_iter().collect();
        for value in decision.write.set.values() {
            for path in crate::resource::output::waits_for(value.expose()) {
                if let Some(step) = progress.producers.get(&path) {
                    after.push(*step);
                } else {
                    let message = format!("a secret uses `{path}`, which nothing in this plan produces");
                    self.wait(
                        &view.env.name,
                        Some(&app.component),
                        Some(&key),
                        Reason::DependencyBlocked,
                        message,
                        None,
                    );
                    return None;
                }
            }
        }
        let reason = secrets_reason(&decision, view);
        let (write, changes) = (decision.write.clone(), decision.changes.clone());
        let concerns_machines = write.is_first || !changes.is_empty();
        let step = self.step(&view.place, key, Action::SetSecrets(write), reason, changes, &after);
        // Machines have no use for our marks, and do not wait for them.
        Some((decision, concerns_machines.then_some(step)))
    }

    /// Adds what the names of secrets have to say of the app: whose it is, as long as no machine can say it, and that it is kept,
    /// for the time when no machine can say it any more.
    fn mark_by_secrets(&self, view: &AppView<'_>, decision: &mut SecretDecision) {
        let is_there = |name: &str| view.secrets.iter().any(|secret| secret.name == name);
        let ours = marker::app_marker_secret(&self.fleet.owner, &view.app.name);
        let is_unmarked = view.env.network != Network::Isolated && view.owned.is_empty();
        if view.created_by_us && !is_there(&ours) && is_unmarked && self.holds(Rule::MarkedFromBirth) {
            decision.write.markers.insert(ours);
        }
        let protect = view.app.protect || self.policy.keeps(view.env);
        for (wanted, name) in [(protect, PROTECTED_SECRET), (view.is_retained(), RETAINED_SECRET)] {
            match (wanted, is_there(name)) {
                (true, false) => drop(decision.write.markers.insert(name.to_owned())),
                (false, true) => drop(decision.write.unset.insert(name.to_owned())),
                _ => {}
            }
        }
    }

    /// Whether an app has no machine, and this plan cannot make one.
    fn makes_no_machine(&self, view: &AppView<'_>, volumes: &BTreeMap<VolumeSlot, Binding>) -> bool {
        let may_be_made = |machine: &desired::Machine| {
            let key = ResourceKey::Machine { app: view.app.name.clone(), slot: machine.slot.clone() };
            let has_volume = machine.volume.as_ref().is_none_or(|slot| volumes.get(slot) != Some(&Binding::Withheld));
            has_volume && self.may_create(&key, view.born_here).is_ok()
        };
        let of_jobs = view.app.jobs.iter().map(|job| &job.machine);
        view.owned.is_empty() && !view.app.machines.iter().chain(of_jobs).any(may_be_made)
    }

    /// What our machines' markers remember of the app: the newest stamp speaks.
    fn recorded(&self, owned: &[&Machine]) -> Recorded {
        let newest = owned
            .iter()
            .filter_map(|machine| self.marker_on(machine))
            .max_by_key(|marker| (marker.writer.as_ref().map(|writer| writer.at), marker.slot.clone()));
        newest.map(Recorded::of).unwrap_or_default()
    }

    /// Our marker on a machine, if it names that machine.
    pub(super) fn marker_on<'m>(&self, machine: &'m Machine) -> Option<&'m MachineMarker> {
        if self.holds(Rule::MarkerNamesItsObject) {
            return machine.owned_by(&self.fleet.owner);
        }
        machine.marker.as_ref()?.as_ref().ok().filter(|marker| marker.owner == self.fleet.owner)
    }

    /// Whose an app is, by the evidence on it.
    pub(super) fn ownership<'m>(
        &self,
        row: &AppRow,
        machines: impl Iterator<Item = &'m Machine>,
        secrets: &[Secret],
    ) -> Ownership {
        ownership_by(&self.fleet.owner, row, machines, secrets, |machine| self.marker_on(machine))
    }

    /// What was read of a part of an app, if it was read.
    fn read<'r, T>(&self, reading: &'r Reading<Vec<T>>) -> Option<&'r [T]> {
        match reading.known() {
            None if !self.holds(Rule::ReadingsMustBeComplete) => Some(&[]),
            known => known.map(Vec::as_slice),
        }
    }

    /// Another instance that has lately written under our owner id, after this run began.
    pub(super) fn another_writer<'m>(&self, machines: impl Iterator<Item = &'m Machine>) -> Option<String> {
        let newest =
            machines.filter_map(|machine| self.marker_on(machine)?.writer.as_ref()).max_by_key(|writer| writer.at)?;
        (newest.instance != self.memory.instance && newest.at > self.memory.started_at).then(|| newest.instance.clone())
    }
}

/// What our markers remember of an app.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) secrets: SecretRecord,
    pub(super) ips: BTreeSet<crate::resource::IpKind>,
    pub(super) certificates: BTreeSet<String>,
}

impl AppView<'_> {
    /// Whether it is kept when its environment goes, itself or for a volume's sake.
    pub(super) fn is_retained(&self) -> bool {
        self.app.retain || self.env.retain || self.app.volumes.iter().any(|volume| volume.retain)
    }

    /// The kinds of addresses that markers are to remember: the wanted ones, and those that were wanted and are still there. What is
    /// forgotten before it is released would never be released.
    pub(super) fn remembered_ips(&self) -> BTreeSet<crate::resource::IpKind> {
        let is_there = |kind: &&crate::resource::IpKind| self.ips.iter().any(|ip| ip.kind == Some(**kind));
        self.app.ips.keys().chain(self.recorded.ips.iter().filter(is_there)).copied().collect()
    }

    /// The same of certificates; where they were not read, none is forgotten.
    pub(super) fn remembered_certificates(&self) -> BTreeSet<String> {
        let is_there = |hostname: &&String| {
            self.certificates.is_none_or(|all| all.iter().any(|certificate| certificate.hostname == **hostname))
        };
        self.app.certificates.iter().chain(self.recorded.certificates.iter().filter(is_there)).cloned().collect()
    }
}

impl Recorded {
    fn of(marker: &MachineMarker) -> Self {
        Self { secrets: marker.secrets.clone(), ips: marker.ips.clone(), certificates: marker.certificates.clone() }
    }
}

fn secrets_reason(decision: &SecretDecision, view: &AppView<'_>) -> String {
    if !decision.changed_elsewhere.is_empty() {
        format!("{} changed outside of Hangar", decision.changed_elsewhere.join(", "))
    } else if view.creation.is_some() {
        "the app is new".to_owned()
    } else if decision.write.set.is_empty() && decision.write.markers.is_empty() && !decision.write.unset.is_empty() {
        "the spec no longer has them".to_owned()
    } else if decision.changes.is_empty() {
        "the app needs our marker".to_owned()
    } else {
        "they are not as the spec has them".to_owned()
    }
}

fn unread(detail: &AppDetail) -> String {
    fn problem<T>(name: &str, reading: &Reading<T>) -> Option<String> {
        match reading {
            Reading::Known { .. } => None,
            Reading::Unknown { reason } => Some(format!("{name} ({reason})")),
        }
    }
    let problems = [
        problem("machines", &detail.machines),
        problem("secrets", &detail.secrets),
        problem("volumes", &detail.volumes),
        problem("addresses", &detail.ips),
    ];
    problems.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
