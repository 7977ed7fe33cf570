//! One step, carried out: noted, sent, repeated where that is certainly harmless, and concluded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::journal::{Intent, NOT_KEPT};
use super::run::{Executor, Shared, Vault, Written, step_ref};
use crate::event::What;
use crate::memory::{Conclusion, Verb};
use crate::observed::deletable::Deletable;
use crate::plan::{Action, Evidence, Finalization, MachineWrite, SecretWrite, Step};
use crate::providers::fly::apply::{self, ApplyError};
use crate::providers::fly::client::{
    Class, CreateIp, CreateMachine, CreateVolume, FlyError, FlyProblem, FlyWriter, IpKind, UpdateMachine, UpdateVolume,
};
use crate::resource::field::FieldSet;
use crate::resource::machine::{normalise, three_way};
use crate::resource::marker::{PREFIX, WriterStamp};
use crate::resource::output::{self, volume_id_path};
use crate::resource::secret_record::short_digest;
use crate::resource::{AppName, Change, MachineSlot, OrgSlug, ResourceKey, key};
use crate::secret::SecretText;

/// How long something that certainly had no effect is tried again within one step. It covers a machine being replaced, another
/// deployment's lease (at most 13 s with flyctl), and an app that is not seen yet (5 s).
const PATIENCE: Duration = Duration::from_secs(45);
/// How long an image that the registry does not have is asked for again: one that was just pushed appears within about 10 s. After
/// that its name is wrong, and only a person can help.
const PATIENCE_WITH_IMAGE: Duration = Duration::from_secs(14);

/// How a step ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Done {
        produced: Option<String>,
    },
    Failed {
        reason: String,
        message: String,
        transient: bool,
    },
    Unknown {
        message: String,
    },
    /// Waiting that was left because the run ends. It has no outcome of its own.
    Left {
        message: String,
    },
}

/// A step in an app of Fly's machines.
pub(super) struct StepRun<'s> {
    pub(super) executor: &'s Executor,
    pub(super) step: &'s Step,
    pub(super) shared: &'s Shared,
    /// The app.
    pub(super) app: &'s AppName,
    /// Its organization.
    pub(super) org: &'s OrgSlug,
}

/// What a successful call tells: the server's id of what it made, and something for people.
#[derive(Debug, Default)]
struct Produced {
    id: Option<String>,
    shown: Option<String>,
    /// The fields of a machine that the provider took and keeps otherwise, for people.
    not_kept: Option<String>,
}

impl Produced {
    const fn of(id: Option<String>, shown: Option<String>) -> Self {
        Self { id, shown, not_kept: None }
    }
}

impl StepRun<'_> {
    pub(super) async fn run(&self) -> Ended {
        let Some(writer) = self.executor.writers.get(self.org) else {
            return Ended::Failed {
                reason: "NoToken".to_owned(),
                message: format!("there is no token for organization `{}`", self.org),
                transient: false,
            };
        };
        match self.step.action {
            Action::WaitHealthy { .. } => return self.wait_healthy(writer).await,
            Action::WaitEnded { .. } => return self.wait_ended(writer).await,
            _ => {}
        }
        let Some(verb) = self.step.action.verb() else { return Ended::Done { produced: None } };
        let detail = self.detail();
        let intent = Intent { key: &self.step.key, env: &self.step.env, verb, detail: &detail };
        // Without the note a crash would leave nothing that tells of this write: so no note, no write.
        if let Err(error) = self.executor.journal.note(intent, self.executor.clock.now()) {
            return Ended::Failed { reason: "StoreFailed".to_owned(), message: error.to_string(), transient: true };
        }
        let result = self.send_with_patience(writer, &detail).await;
        self.conclude(verb, result)
    }

    /// Sends, and sends again while it is certain that nothing happened and likely that it works soon.
    async fn send_with_patience(&self, writer: &FlyWriter, detail: &str) -> Result<Produced, ApplyError> {
        let clock = &self.executor.clock;
        let began = clock.now();
        let mut wait = Duration::from_secs(1);
        let mut told = None;
        loop {
            let error = match self.send(writer, detail).await {
                Ok(produced) => return Ok(produced),
                Err(error) => error,
            };
            let elapsed = (clock.now() - began).to_std().unwrap_or_default();
            let patience = if is_about_image(&error) { PATIENCE_WITH_IMAGE } else { PATIENCE };
            if !self.is_worth_another_try(&error) || elapsed >= patience || self.executor.stop.requested().is_some() {
                return Err(error);
            }
            // Once is enough for each kind of trouble.
            if told != Some(error.reason()) {
                told = Some(error.reason());
                let message = format!("{error}; trying again for up to {} s", patience.as_secs());
                self.executor.tell(&self.step.env, What::StepProgress { step: step_ref(self.step), message });
            }
            clock.sleep(wait).await;
            wait = wait.saturating_mul(2).min(Duration::from_secs(8));
        }
    }

    fn is_worth_another_try(&self, error: &ApplyError) -> bool {
        let ApplyError::Fly(error) = error else { return false };
        if self.is_name_just_freed(error) {
            return true;
        }
        if error.class() != Class::Transient {
            return false;
        }
        match error.problem() {
            // Only a new plan can take a changed version into account.
            FlyProblem::VersionConflict { .. } => false,
            FlyProblem::NotFound { .. } => lock(&self.shared.created).contains(self.app),
            _ => true,
        }
    }

    /// Whether a name is refused that we ourselves have given up a moment ago: it is free soon.
    fn is_name_just_freed(&self, error: &FlyError) -> bool {
        matches!(error.problem(), FlyProblem::NameTaken { .. })
            && self.executor.journal.read(|memory| memory.freed.contains_key(self.app))
    }

    fn conclude(&self, verb: Verb, result: Result<Produced, ApplyError>) -> Ended {
        let (key, journal) = (&self.step.key, &self.executor.journal);
        let (conclusion, ended) = match result {
            Ok(produced) => {
                let conclusion = Conclusion::Done { at: self.executor.clock.now(), id: produced.id };
                let ended = match produced.not_kept {
                    Some(message) => self.reject_not_kept(message),
                    None => Ended::Done { produced: produced.shown },
                };
                (Some(conclusion), ended)
            }
            Err(error) => match error.class() {
                Class::Unknown => (None, Ended::Unknown { message: error.to_string() }),
                class => {
                    // A machine of that name is there after all: the next look tells whether it is the one that is wanted.
                    let is_there = matches!(&error, ApplyError::Fly(error) if matches!(error.problem(), FlyProblem::MachineNameTaken { .. }));
                    let is_freed = matches!(&error, ApplyError::Fly(error) if self.is_name_just_freed(error));
                    let is_final = is_about_image(&error);
                    let transient = (class == Class::Transient && !is_final) || is_there || is_freed;
                    let (reason, message) = (error.reason().to_owned(), error.to_string());
                    let transient = transient || self.remember_unstarted(&reason, &message);
                    (Some(Conclusion::NoEffect), Ended::Failed { reason, message, transient })
                }
            },
        };
        let saved = conclusion.map_or(Ok(()), |conclusion| journal.conclude(key, verb, conclusion));
        match saved {
            Ok(()) => ended,
            Err(error) => {
                Ended::Failed { reason: "StoreFailed".to_owned(), message: error.to_string(), transient: true }
            }
        }
    }

    /// Remembers that a finalizer's machine could not be created, so that it is tried again only after a while. Whether this step was
    /// about one: its deletion goes on by itself, at the latest when the time of the finalizer is over.
    fn remember_unstarted(&self, reason: &str, message: &str) -> bool {
        let Action::Finalize { act: Finalization::Run(write), .. } = &self.step.action else { return false };
        let (key, now) = (&self.step.key, self.executor.clock.now());
        if let Err(error) = self.executor.journal.reject(key, &write.trial, reason, message, now) {
            tracing::warn!(%error, "the rejection was not remembered");
        }
        true
    }

    /// What the provider does not keep would differ again on every pass, and every pass would restart the machine.
    fn reject_not_kept(&self, message: String) -> Ended {
        let (key, journal, now) = (&self.step.key, &self.executor.journal, self.executor.clock.now());
        if let Action::CreateMachine(write) | Action::UpdateMachine { write, .. } = &self.step.action
            && let Err(error) = journal.reject(key, &write.trial, NOT_KEPT, &message, now)
        {
            tracing::warn!(%error, "the rejection was not remembered");
        }
        failed(NOT_KEPT, message, false)
    }

    /// What helps to recognise the effect of the write.
    fn detail(&self) -> String {
        match &self.step.action {
            Action::CreateApp { network } => network.clone().unwrap_or_default(),
            Action::CreateMachine(_) | Action::Finalize { act: Finalization::Run(_), .. } => {
                self.executor.random.hex(12)
            }
            Action::UpdateMachine { id, .. }
            | Action::MarkMachine { id, .. }
            | Action::Finalize { act: Finalization::Note { id, .. }, .. }
            | Action::StartMachine { id }
            | Action::StopMachine { id, .. }
            | Action::DestroyMachine { id, .. }
            | Action::ExtendVolume { id, .. }
            | Action::UpdateVolume { id, .. }
            | Action::AdoptApp { id, .. }
            | Action::DeleteVolume { id, .. } => id.clone(),
            Action::ReleaseIp { address, .. } => address.clone(),
            _ => String::new(),
        }
    }

    async fn send(&self, writer: &FlyWriter, detail: &str) -> Result<Produced, ApplyError> {
        let app = self.app;
        match (&self.step.action, &self.step.key) {
            (Action::CreateApp { network }, _) => {
                let created = writer.create_app(app.as_str(), self.org.as_str(), network.as_deref()).await?;
                lock(&self.shared.created).insert(app.clone());
                Ok(Produced::of((!created.id.is_empty()).then_some(created.id), None))
            }
            (Action::SetSecrets(write), _) => self.set_secrets(writer, write).await,
            (Action::CreateVolume { volume, guest }, ResourceKey::Volume { slot, .. }) => {
                let request = CreateVolume {
                    name: volume.slot.name.clone(),
                    region: volume.slot.machine.region.clone(),
                    size_gb: volume.size_gb,
                    encrypted: Some(volume.encrypted),
                    snapshot_retention: volume.snapshot_retention.and_then(|days| u32::try_from(days).ok()),
                    auto_backup_enabled: volume.auto_backup,
                    require_unique_zone: Some(volume.unique_zone),
                    snapshot_id: volume.from_snapshot.clone(),
                    compute: guest.clone(),
                    ..CreateVolume::default()
                };
                let created = writer.create_volume(app.as_str(), &request).await?;
                self.know_volume(slot, &created.id);
                Ok(Produced::of(Some(created.id.clone()), Some(created.id)))
            }
            (Action::ExtendVolume { id, size_gb }, _) => {
                let extended = writer.extend_volume(app.as_str(), id, *size_gb).await?;
                let shown = extended.needs_restart.then(|| "its machine sees the new size after a restart".to_owned());
                Ok(Produced::of(None, shown))
            }
            (Action::UpdateVolume { id, snapshot_retention, auto_backup }, _) => {
                let update = UpdateVolume {
                    snapshot_retention: snapshot_retention.and_then(|days| u32::try_from(days).ok()),
                    auto_backup_enabled: *auto_backup,
                };
                writer.update_volume(app.as_str(), id, &update).await?;
                Ok(Produced::default())
            }
            (Action::DeleteVolume { id, .. }, _) => {
                apply::delete_volume(writer, app, id).await?;
                Ok(Produced::default())
            }
            (Action::AllocateIp(request), ResourceKey::Ip { ip, .. }) => {
                let wanted = CreateIp {
                    kind: ip_kind(*ip),
                    region: None,
                    org_slug: request.org.as_ref().map(ToString::to_string),
                    network: request.network.clone(),
                };
                let created = writer.create_ip(app.as_str(), &wanted).await?;
                let address = created.ip.unwrap_or_default();
                self.know(&format!("fly.{}.ips.{}", self.component(), ip.expression_name()), &address);
                Ok(Produced::of(Some(address.clone()), Some(address)))
            }
            (Action::ReleaseIp { address, .. }, _) => {
                let _accepted_or_gone = writer.delete_ip(app.as_str(), address).await?;
                Ok(Produced::default())
            }
            (Action::AddCertificate, ResourceKey::Certificate { hostname, .. }) => {
                let certificate = writer.add_certificate(app.as_str(), hostname).await?;
                Ok(Produced::of(None, Some(certificate.status)))
            }
            (Action::RemoveCertificate { .. }, ResourceKey::Certificate { hostname, .. }) => {
                let _accepted_or_gone = writer.delete_certificate(app.as_str(), hostname).await?;
                Ok(Produced::default())
            }
            (
                Action::CreateMachine(write) | Action::Finalize { act: Finalization::Run(write), .. },
                ResourceKey::Machine { slot, .. },
            ) => self.create_machine(writer, write, slot, detail).await,
            (Action::UpdateMachine { id, version, write }, _) => self.update_machine(writer, id, version, write).await,
            (
                Action::MarkMachine { id, metadata }
                | Action::Finalize { act: Finalization::Note { id, metadata }, .. },
                _,
            ) => {
                let mut patch = metadata.clone();
                patch.insert(format!("{PREFIX}writer"), Some(self.stamp().to_string()));
                writer.patch_metadata(app.as_str(), id, &patch, None).await?;
                Ok(Produced::default())
            }
            (Action::AdoptApp { id, marks, secret, .. }, _) => {
                let stamp = (format!("{PREFIX}writer"), Some(self.stamp().to_string()));
                let marks: apply::Marks = marks
                    .iter()
                    .map(|(machine, marks)| {
                        let marks = marks.clone().into_iter().chain([stamp.clone()]);
                        (machine.clone(), marks.collect())
                    })
                    .collect();
                let (owner, env) = (&self.executor.owner, &self.step.env);
                apply::adopt_app(writer, app, apply::Left { id, owner, env }, &marks, secret.as_deref()).await?;
                Ok(Produced::default())
            }
            (Action::StartMachine { id }, key) => {
                let since = self.executor.clock.now();
                writer.start_machine(app.as_str(), id, None).await?;
                lock(&self.shared.machines).insert(key.clone(), Written { id: id.clone(), version: None, since });
                Ok(Produced::default())
            }
            (Action::StopMachine { id, version, suspend }, ResourceKey::Machine { slot, .. }) => {
                let purpose = format!("hangar {}", self.executor.instance);
                let bed = apply::Bed { owner: &self.executor.owner, app, slot, id, version, suspend: *suspend };
                apply::put_to_sleep(writer, bed, &purpose).await?;
                Ok(Produced::default())
            }
            (Action::DestroyMachine { id, .. }, ResourceKey::Machine { slot, .. }) => {
                let (clock, owner) = (&self.executor.clock, &self.executor.owner);
                apply::destroy_machine(writer, clock, owner, app, slot, id).await?;
                Ok(Produced::default())
            }
            (Action::DeleteApp { proof }, _) => {
                let expected = Deletable {
                    owner: &self.executor.owner,
                    needs_tombstone: matches!(proof.evidence(), Evidence::Orphan { .. }),
                    created_by_us: proof.created_by_us(),
                    env: &self.step.env,
                    now: self.executor.clock.now(),
                };
                apply::delete_app(writer, &self.executor.clock, app, expected).await?;
                if let Some(unit) = proof.unit() {
                    let (unit, at) = (unit.to_owned(), self.executor.clock.now());
                    let counted = self.executor.journal.change(|memory| {
                        memory.deletions.retain(|(counted, _)| *counted != unit);
                        memory.deletions.push((unit, at));
                    });
                    if let Err(error) = counted {
                        tracing::warn!(%error, "the deletion was not counted");
                    }
                }
                Ok(Produced::default())
            }
            // The planner pairs each action with the kind of key that it acts on.
            _ => Ok(Produced::default()),
        }
    }

    async fn set_secrets(&self, writer: &FlyWriter, write: &SecretWrite) -> Result<Produced, ApplyError> {
        let app = self.app;
        let outputs = lock(&self.shared.outputs).clone();
        let mut values: BTreeMap<String, Option<SecretText>> = BTreeMap::new();
        let mut vault = Vault::default();
        for (name, value) in &write.set {
            let value = SecretText::new(output::resolve_text(value.expose(), &outputs));
            if let Some(fingerprinter) = &self.executor.fingerprinter {
                vault.fingerprints.insert(name.clone(), fingerprinter.fingerprint(app, name, &value));
            }
            values.insert(name.clone(), Some(value));
        }
        values.extend(write.unset.iter().map(|name| (name.clone(), None)));
        values.extend(write.markers.iter().map(|name| (name.clone(), Some(SecretText::new("1")))));
        let answer = writer.set_secrets(app.as_str(), &values).await?;
        let mut listed = answer.secrets;
        if !write.set.keys().all(|name| listed.iter().any(|secret| secret.name == *name)) {
            listed = writer.reader().secrets(app.as_str(), answer.version).await?;
        }
        vault.version = answer.version;
        vault.digests = listed.into_iter().map(|secret| (secret.name, short_digest(&secret.digest))).collect();
        let shown = vault.version.map(|version| format!("version {version}"));
        lock(&self.shared.vaults).insert(app.clone(), vault);
        Ok(Produced::of(None, shown))
    }

    async fn create_machine(
        &self,
        writer: &FlyWriter,
        write: &MachineWrite,
        slot: &MachineSlot,
        launch: &str,
    ) -> Result<Produced, ApplyError> {
        let app = self.app;
        let since = self.executor.clock.now();
        let (config, min_secrets_version) = self.config(write, Some(launch));
        let request = CreateMachine {
            name: Some(write.marker.name.clone()),
            region: Some(slot.region.clone()),
            config,
            skip_launch: !write.start,
            lease_ttl: None,
            min_secrets_version,
        };
        let created = writer.create_machine(app.as_str(), &request).await?;
        self.know_machine(&created.id, &created.instance_id, since);
        let not_kept = not_kept(&request.config, &write.marker.fields, &created);
        Ok(Produced { id: Some(created.id.clone()), shown: Some(shown_machine(&created)), not_kept })
    }

    async fn update_machine(
        &self,
        writer: &FlyWriter,
        id: &str,
        version: &str,
        write: &MachineWrite,
    ) -> Result<Produced, ApplyError> {
        let since = self.executor.clock.now();
        let (config, min_secrets_version) = self.config(write, None);
        let update = UpdateMachine {
            config,
            current_version: Some(version.to_owned()),
            min_secrets_version,
            skip_launch: !write.start,
        };
        let purpose = format!("hangar {}", self.executor.instance);
        let updated = apply::update_machine(writer, self.app, id, &update, &purpose).await?;
        self.know_machine(id, &updated.instance_id, since);
        Ok(Produced {
            id: None,
            shown: Some(shown_machine(&updated)),
            not_kept: not_kept(&update.config, &write.marker.fields, &updated),
        })
    }

    /// The whole configuration to send, marker and all, and the vault version that the machine must see.
    fn config(&self, write: &MachineWrite, launch: Option<&str>) -> (serde_json::Value, Option<u64>) {
        let config = output::resolve(&write.config, &lock(&self.shared.outputs));
        let vault = lock(&self.shared.vaults).get(self.app).cloned();
        let version = vault.as_ref().and_then(|vault| vault.version).or(write.min_secrets_version);
        let mut marker = write.marker.clone();
        if let Some(launch) = launch {
            launch.clone_into(&mut marker.launch);
        }
        marker.writer = Some(self.stamp());
        marker.secrets_version = version.or(marker.secrets_version);
        for name in &write.pending_digests {
            let Some(secret) = marker.secrets.0.get_mut(name) else { continue };
            let Some(vault) = &vault else { continue };
            if let Some(digest) = vault.digests.get(name) {
                secret.digest.clone_from(digest);
            }
            if let Some(fingerprint) = vault.fingerprints.get(name) {
                secret.fingerprint.clone_from(fingerprint);
            }
        }
        let mut metadata = write.metadata.clone();
        metadata.extend(marker.to_metadata());
        (apply::with_metadata(&config, &metadata), version)
    }

    fn stamp(&self) -> WriterStamp {
        WriterStamp { instance: self.executor.instance.clone(), at: self.executor.clock.now() }
    }

    fn know(&self, path: &str, value: &str) {
        lock(&self.shared.outputs).insert(path.to_owned(), value.into());
    }

    fn know_volume(&self, slot: &key::VolumeSlot, id: &str) {
        self.know(&volume_id_path(self.component(), slot), id);
        let first = format!("fly.{}.volumes.{}.id", self.component(), slot.name);
        lock(&self.shared.outputs).entry(first).or_insert_with(|| id.into());
        let (app, id) = (self.app.clone(), id.to_owned());
        if let Err(error) = self.executor.journal.change(|memory| memory.volumes.insert(id, app)) {
            tracing::warn!(%error, "the volume was not remembered as ours");
        }
    }

    fn know_machine(&self, id: &str, version: &str, since: chrono::DateTime<chrono::Utc>) {
        let version = (!version.is_empty()).then(|| version.to_owned());
        lock(&self.shared.machines).insert(self.step.key.clone(), Written { id: id.to_owned(), version, since });
    }

    fn component(&self) -> &str {
        self.step.component.as_ref().map_or("", |component| component.as_str())
    }
}

/// Whether the registry does not have the image: likely to be there soon at first, and hardly ever later.
fn is_about_image(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Fly(error) if matches!(error.problem(), FlyProblem::ManifestUnknown { .. }))
}

pub(super) fn failed(reason: &str, message: String, transient: bool) -> Ended {
    Ended::Failed { reason: reason.to_owned(), message, transient }
}

/// The fields of the spec in `sent` that Fly has taken and keeps as something else, or not at all.
fn not_kept(
    sent: &serde_json::Value,
    of_spec: &FieldSet,
    machine: &crate::providers::fly::wire::Machine,
) -> Option<String> {
    let kept = normalise(machine.config.as_ref().filter(|config| config.is_object())?);
    let digest = machine.image_ref.as_ref().map(|image| image.digest.as_str());
    let found = three_way(&of_spec.part_of(&normalise(sent)), &kept, digest, &FieldSet::default());
    let fields: Vec<String> = found
        .changes
        .iter()
        .map(|change| {
            let line = |side: &Option<Change>| {
                side.as_ref().map_or_else(|| "nothing".to_owned(), |side| side.to_line().chars().take(80).collect())
            };
            format!("`{}` is {}, not {}", change.path, line(&change.old), line(&change.new))
        })
        .collect();
    (!fields.is_empty()).then(|| {
        format!(
            "Fly took the configuration of machine {} and keeps it otherwise: {}; state in the spec what Fly keeps, or leave the field out",
            machine.id,
            fields.join(", ")
        )
    })
}

fn shown_machine(machine: &crate::providers::fly::wire::Machine) -> String {
    let digest = machine.image_ref.as_ref().map(|image| image.digest.as_str()).unwrap_or_default();
    let short: String = digest.chars().take("sha256:".len().saturating_add(12)).collect();
    if short.is_empty() { machine.id.clone() } else { format!("{} {short}", machine.id) }
}

const fn ip_kind(kind: crate::resource::IpKind) -> IpKind {
    match kind {
        crate::resource::IpKind::V4 => IpKind::V4,
        crate::resource::IpKind::V6 => IpKind::V6,
        crate::resource::IpKind::SharedV4 => IpKind::SharedV4,
        crate::resource::IpKind::PrivateV6 => IpKind::PrivateV6,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
