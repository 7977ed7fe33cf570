//! Changes that take more than one call: what is read again before, and what is waited for after.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::client::{AppLookup, Class, Deleted, FlyError, FlyWriter, UpdateMachine, WaitFor, WaitOutcome};
use super::convert;
use super::wire;
use crate::clock::SharedClock;
use crate::observed::adoptable::problem_with_adopting;
use crate::observed::deletable::{Deletable, problem_with_deleting};
use crate::observed::{Machine, Secret};
use crate::resource::marker::TOMBSTONE_SECRET;
use crate::resource::{AppName, EnvName, MachineSlot, OwnerId};
use crate::secret::SecretText;

/// How long a lease lasts if nobody gives it back: a killed run blocks others for no longer.
const LEASE: Duration = Duration::from_secs(30);

/// How long a machine may take to go away, or an app to be gone.
const REMOVAL: Duration = Duration::from_secs(90);

/// Why a change was not made, or not finished.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A call failed.
    #[error("{0}; {advice}", advice = .0.advice())]
    Fly(#[from] FlyError),
    /// What was read again just before a delete no longer proves that it may go.
    #[error("{object} was not deleted: {problem}")]
    NoLongerProven {
        /// The object.
        object: String,
        /// What has changed since the plan was made.
        problem: String,
    },
    /// It is another version than the plan was made for, or no longer ours.
    #[error("{object} has changed since the plan was made, and was left as it is")]
    Changed {
        /// The object.
        object: String,
    },
    /// What was read again just before it was to be marked as ours is not what the plan was made for.
    #[error("{object} was not adopted: {problem}")]
    NotTheSame {
        /// The object.
        object: String,
        /// What has changed since the plan was made.
        problem: String,
    },
    /// It is on its way and has not arrived in time.
    #[error("{object} {problem} after {} s", .after.as_secs())]
    Slow {
        /// The object.
        object: String,
        /// What has not happened.
        problem: &'static str,
        /// How long was waited.
        after: Duration,
    },
}

impl ApplyError {
    /// A condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Fly(error) => error.reason(),
            Self::NoLongerProven { .. } => "NoLongerProven",
            Self::Changed { .. } => "VersionConflict",
            Self::NotTheSame { .. } => "NotTheSame",
            Self::Slow { .. } => "Slow",
        }
    }

    /// How to go on.
    pub fn class(&self) -> Class {
        match self {
            Self::Fly(error) => error.class(),
            Self::NoLongerProven { .. } | Self::Changed { .. } => Class::Transient,
            Self::NotTheSame { .. } => Class::Permanent,
            Self::Slow { .. } => Class::Unknown,
        }
    }
}

/// Updates a machine under a lease, guarded by the version that the plan was made for, and starts it if it should run and does not.
pub async fn update_machine(
    writer: &FlyWriter,
    app: &AppName,
    id: &str,
    update: &UpdateMachine,
    purpose: &str,
) -> Result<wire::Machine, ApplyError> {
    let lease = writer.acquire_lease(app.as_str(), id, LEASE, purpose).await?;
    let nonce = lease.nonce.as_ref();
    let result = update_under_lease(writer, app, id, update, nonce).await;
    if let Some(nonce) = nonce {
        // A lease that cannot be given back ends by itself.
        if let Err(error) = writer.release_lease(app.as_str(), id, nonce).await {
            tracing::debug!(%app, id, %error, "the lease was not given back");
        }
    }
    result
}

async fn update_under_lease(
    writer: &FlyWriter,
    app: &AppName,
    id: &str,
    update: &UpdateMachine,
    nonce: Option<&SecretText>,
) -> Result<wire::Machine, ApplyError> {
    let machine = writer.update_machine(app.as_str(), id, update, nonce).await?;
    if !update.skip_launch {
        let wait = WaitFor::settled(Some(machine.instance_id.clone()), Duration::from_mins(1));
        let settled = writer.reader().wait(app.as_str(), id, &wait).await?;
        // A machine that rested before the update rests after it.
        if let WaitOutcome::Reached(answer) = settled
            && answer.state.is_some_and(|state| state != wire::MachineState::Started)
        {
            writer.start_machine(app.as_str(), id, nonce).await?;
        }
    }
    Ok(machine)
}

/// A machine that is to sleep, as the plan saw it.
#[derive(Debug, Clone, Copy)]
pub struct Bed<'b> {
    /// The owner that it must still belong to.
    pub owner: &'b OwnerId,
    /// The app it runs in.
    pub app: &'b AppName,
    /// Its slot.
    pub slot: &'b MachineSlot,
    /// The server's id.
    pub id: &'b str,
    /// The version that the plan was made for.
    pub version: &'b str,
    /// Whether its memory is kept.
    pub suspend: bool,
}

/// Stops or suspends a machine under a lease, if it is still the one that the plan saw and still runs, and waits until it rests.
pub async fn put_to_sleep(writer: &FlyWriter, bed: Bed<'_>, purpose: &str) -> Result<(), ApplyError> {
    let lease = writer.acquire_lease(bed.app.as_str(), bed.id, LEASE, purpose).await?;
    let nonce = lease.nonce.as_ref();
    let result = put_to_sleep_under_lease(writer, bed, nonce).await;
    if let Some(nonce) = nonce {
        // A lease that cannot be given back ends by itself.
        if let Err(error) = writer.release_lease(bed.app.as_str(), bed.id, nonce).await {
            tracing::debug!(app = %bed.app, id = bed.id, %error, "the lease was not given back");
        }
    }
    result
}

async fn put_to_sleep_under_lease(
    writer: &FlyWriter,
    bed: Bed<'_>,
    nonce: Option<&SecretText>,
) -> Result<(), ApplyError> {
    let app = bed.app.as_str();
    let Some(seen) = writer.reader().machine(app, bed.id).await? else { return Ok(()) };
    let seen = convert::machine(bed.app, seen);
    if seen.state != crate::observed::MachineState::Started {
        return Ok(());
    }
    let is_ours = seen.owned_by(bed.owner).is_some_and(|marker| marker.slot == *bed.slot);
    if !is_ours || seen.version != bed.version {
        return Err(ApplyError::Changed { object: format!("machine {} of app {app}", bed.id) });
    }
    let state = if bed.suspend {
        writer.suspend_machine(app, bed.id, nonce).await?;
        "suspended"
    } else {
        writer.stop_machine(app, bed.id, nonce).await?;
        "stopped"
    };
    let wait = WaitFor { state: state.to_owned(), version: None, timeout: Duration::from_secs(30) };
    let _rests_or_not: WaitOutcome = writer.reader().wait(app, bed.id, &wait).await?;
    Ok(())
}

/// Destroys a machine of ours: reads its marker again, stops it in its own way, destroys it, and waits until it is gone.
pub async fn destroy_machine(
    writer: &FlyWriter,
    clock: &SharedClock,
    owner: &OwnerId,
    app: &AppName,
    slot: &MachineSlot,
    id: &str,
) -> Result<(), ApplyError> {
    let Some(seen) = writer.reader().machine(app.as_str(), id).await? else { return Ok(()) };
    let seen = convert::machine(app, seen);
    if !seen.is_live() {
        return wait_until_destroyed(writer, clock, app, id).await;
    }
    let is_ours = seen.owned_by(owner).is_some_and(|marker| marker.slot == *slot);
    if !is_ours {
        return Err(ApplyError::NoLongerProven {
            object: format!("machine {id} of app {app}"),
            problem: "it no longer carries our marker for this slot".to_owned(),
        });
    }
    if seen.state == crate::observed::MachineState::Started {
        writer.stop_machine(app.as_str(), id, None).await?;
        let wait = WaitFor { state: "stopped".to_owned(), version: None, timeout: Duration::from_secs(30) };
        let _stopped_or_not: WaitOutcome = writer.reader().wait(app.as_str(), id, &wait).await?;
    }
    writer.delete_machine(app.as_str(), id, true, None).await?;
    wait_until_destroyed(writer, clock, app, id).await
}

async fn wait_until_destroyed(
    writer: &FlyWriter,
    clock: &SharedClock,
    app: &AppName,
    id: &str,
) -> Result<(), ApplyError> {
    let began = clock.now();
    while within(clock, began, REMOVAL) {
        match writer.reader().machine(app.as_str(), id).await? {
            None => return Ok(()),
            Some(machine) if machine.state == wire::MachineState::Destroyed => return Ok(()),
            Some(_) => clock.sleep(Duration::from_secs(1)).await,
        }
    }
    Err(ApplyError::Slow { object: format!("machine {id} of app {app}"), problem: "is still there", after: REMOVAL })
}

/// Deletes an app of ours: reads its evidence again, deletes it, and waits until Fly says that it is gone.
pub async fn delete_app(
    writer: &FlyWriter,
    clock: &SharedClock,
    app: &AppName,
    expected: Deletable<'_>,
) -> Result<(), ApplyError> {
    let AppLookup::Ours(found) = writer.reader().app(app.as_str()).await? else { return Ok(()) };
    let machines: Vec<Machine> = writer
        .reader()
        .machines(app.as_str())
        .await?
        .into_iter()
        .map(|machine| convert::machine(app, machine))
        .filter(Machine::is_live)
        .collect();
    let has_ours = machines.iter().any(|machine| machine.owned_by(expected.owner).is_some());
    let secrets = if has_ours { Vec::new() } else { writer.reader().secrets(app.as_str(), None).await? };
    let secrets: Vec<Secret> = secrets.into_iter().map(convert::secret).collect();
    if let Some(problem) = problem_with_deleting(&convert::app(found), &machines, &secrets, expected) {
        return Err(ApplyError::NoLongerProven { object: format!("app {app}"), problem });
    }
    let _accepted_or_gone: Deleted = writer.delete_app(app.as_str()).await?;
    let began = clock.now();
    while within(clock, began, REMOVAL) {
        match writer.reader().app(app.as_str()).await? {
            AppLookup::Free | AppLookup::Elsewhere => return Ok(()),
            AppLookup::Ours(_) => clock.sleep(Duration::from_secs(1)).await,
        }
    }
    Err(ApplyError::Slow { object: format!("app {app}"), problem: "is still there", after: REMOVAL })
}

/// What changes in the metadata of machines, by their ids.
pub type Marks = BTreeMap<String, BTreeMap<String, Option<String>>>;

/// An app that somebody else has left, as the plan has it.
#[derive(Debug, Clone, Copy)]
pub struct Left<'l> {
    /// The server's id.
    pub id: &'l str,
    /// Whose it is to be.
    pub owner: &'l OwnerId,
    /// The environment that it is to be of.
    pub env: &'l EnvName,
}

/// Marks an app as ours that somebody else has left: reads it again, because it must be the one that a person has seen, and nobody's.
pub async fn adopt_app(
    writer: &FlyWriter,
    app: &AppName,
    left: Left<'_>,
    marks: &Marks,
    secret: Option<&str>,
) -> Result<(), ApplyError> {
    let changed = |problem: &str| ApplyError::NotTheSame { object: format!("app {app}"), problem: problem.to_owned() };
    let found = match writer.reader().app(app.as_str()).await? {
        AppLookup::Ours(found) if found.id == left.id => convert::app(found),
        _ => return Err(changed("it is gone, or another app has its name")),
    };
    let machines = writer.reader().machines(app.as_str()).await?;
    let machines = machines.into_iter().map(|machine| convert::machine(app, machine)).filter(Machine::is_live);
    let machines: Vec<Machine> = machines.collect();
    let secrets = writer.reader().secrets(app.as_str(), None).await?.into_iter().map(convert::secret);
    let secrets: Vec<Secret> = secrets.collect();
    let ids: Vec<&String> = machines.iter().map(|machine| &machine.id).collect();
    if ids.len() != marks.len() || !ids.iter().all(|id| marks.contains_key(*id)) {
        return Err(changed("its machines are not those that were seen"));
    }
    if let Some(problem) = problem_with_adopting(&found, &machines, &secrets, left.owner, left.env) {
        return Err(changed(&problem));
    }
    for (id, patch) in marks {
        writer.patch_metadata(app.as_str(), id, patch, None).await?;
    }
    if let Some(name) = secret {
        let mark = (name.to_owned(), Some(SecretText::new("1")));
        // The tombstone of an earlier life says nothing about this one.
        let stale = secrets.iter().filter(|secret| secret.name == TOMBSTONE_SECRET);
        let secrets = stale.map(|secret| (secret.name.clone(), None)).chain([mark]).collect();
        let _version = writer.set_secrets(app.as_str(), &secrets).await?;
    }
    Ok(())
}

/// Deletes a volume of ours: reads it again, because it must be attached to nothing.
pub async fn delete_volume(writer: &FlyWriter, app: &AppName, id: &str) -> Result<(), ApplyError> {
    let Some(seen) = writer.reader().volume(app.as_str(), id).await? else { return Ok(()) };
    if seen.state.is_gone() {
        return Ok(());
    }
    if let Some(machine) = seen.attached_machine_id.filter(|machine| !machine.is_empty()) {
        return Err(ApplyError::NoLongerProven {
            object: format!("volume {id} of app {app}"),
            problem: format!("machine {machine} uses it"),
        });
    }
    let _accepted_or_gone: Deleted = writer.delete_volume(app.as_str(), id).await?;
    Ok(())
}

/// `config` with `metadata` in it, as the API wants it.
pub fn with_metadata(config: &Value, metadata: &BTreeMap<String, String>) -> Value {
    let mut config = config.clone();
    if let Value::Object(map) = &mut config {
        map.insert("metadata".to_owned(), serde_json::json!(metadata));
    }
    config
}

pub(super) fn within(clock: &SharedClock, began: DateTime<Utc>, limit: Duration) -> bool {
    (clock.now() - began).to_std().unwrap_or_default() < limit
}
