//! Machines, their events and checks.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::lease::LeaseHolder;
use crate::providers::lenient::{moment, or_default, words};
use crate::secret::SecretText;

words! {
    /// What a machine is doing.
    MachineState {
        /// Made, and not started yet, or kept down from the start.
        Created = "created",
        /// Running.
        Started = "started",
        /// Down.
        Stopped = "stopped",
        /// Down, with its memory kept.
        Suspended = "suspended",
        /// Could not be started.
        Failed = "failed",
        /// Being made.
        Creating = "creating",
        /// On its way up.
        Starting = "starting",
        /// On its way down.
        Stopping = "stopping",
        /// Down and up again.
        Restarting = "restarting",
        /// Keeping its memory on the way down.
        Suspending = "suspending",
        /// Getting a new version.
        Updating = "updating",
        /// Getting a new version: refuses to be started or updated meanwhile.
        Replacing = "replacing",
        /// Going away.
        Destroying = "destroying",
        /// Could not be launched; will be destroyed by Fly.
        LaunchFailed = "launch_failed",
        /// Gone; still listed for a while.
        Destroyed = "destroyed",
        /// An old version of a machine that has a newer one.
        Replaced = "replaced",
        /// What is left behind on the old host after a move.
        Migrated = "migrated",
    }
}

impl MachineState {
    /// Whether the machine stays in this state until something happens to it.
    pub const fn is_resting(&self) -> bool {
        matches!(self, Self::Created | Self::Started | Self::Stopped | Self::Suspended | Self::Failed)
    }

    /// Whether the machine is gone, or a remnant that is no machine any more.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Destroyed | Self::Replaced | Self::Migrated)
    }

    /// Whether the machine is between two states. An unknown state is neither resting, gone nor in passing.
    pub const fn is_passing(&self) -> bool {
        !self.is_resting() && !self.is_gone() && !matches!(self, Self::Other(_))
    }
}

words! {
    /// Whether the physical host of a machine or volume answers.
    HostStatus {
        /// It does.
        Ok = "ok",
        /// It is not known; what is shown may be old.
        Unknown = "unknown",
        /// It does not; what is shown is incomplete.
        Unreachable = "unreachable",
    }
}

words! {
    /// What a health check says.
    CheckState {
        /// Healthy.
        Passing = "passing",
        /// Not quite.
        Warning = "warning",
        /// Unhealthy, or not checked yet.
        Critical = "critical",
    }
}

/// A machine.
#[derive(Debug, Clone, Deserialize)]
pub struct Machine {
    /// Fly's id for it, 14 hexadecimal characters.
    pub id: String,
    /// Its name, unique within the app.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What it is doing.
    #[serde(default)]
    pub state: MachineState,
    /// Where it runs.
    #[serde(default, deserialize_with = "or_default")]
    pub region: String,
    /// The image it runs, resolved.
    #[serde(default)]
    pub image_ref: Option<ImageRef>,
    /// Its version: changes with every update.
    #[serde(default, deserialize_with = "or_default")]
    pub instance_id: String,
    /// Its address in the private network; may change when Fly moves it.
    #[serde(default)]
    pub private_ip: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Its configuration; `None` in summaries and when the host does not answer.
    #[serde(default)]
    pub config: Option<Value>,
    /// What is known of its configuration when the host does not answer. Never build a machine from it.
    #[serde(default)]
    pub incomplete_config: Option<Value>,
    /// The five newest events, newest first.
    #[serde(default, deserialize_with = "or_default")]
    pub events: Vec<MachineEvent>,
    /// Its health checks.
    #[serde(default, deserialize_with = "or_default")]
    pub checks: Vec<CheckStatus>,
    /// Whether its host answers; `None` in summaries.
    #[serde(default)]
    pub host_status: Option<HostStatus>,
    /// Whether the proxy keeps traffic away from it.
    #[serde(default, deserialize_with = "or_default")]
    pub cordoned: bool,
    /// Who holds its lease, where that was asked for.
    #[serde(default)]
    pub lease: Option<LeaseHolder>,
    /// The nonce of the lease that came with its creation.
    #[serde(default, deserialize_with = "hidden")]
    pub nonce: Option<SecretText>,
}

impl Machine {
    /// The value of the metadata key, if the configuration is known and has it.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.get("metadata")?.get(key)?.as_str()
    }
}

/// The image a machine runs, as Fly resolved it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ImageRef {
    /// `registry.fly.io`, `docker.io` …
    #[serde(default, deserialize_with = "or_default")]
    pub registry: String,
    /// The repository in it.
    #[serde(default, deserialize_with = "or_default")]
    pub repository: String,
    /// The tag that was asked for; empty for a digest.
    #[serde(default, deserialize_with = "or_default")]
    pub tag: String,
    /// What the tag meant at that time: `sha256:…`.
    #[serde(default, deserialize_with = "or_default")]
    pub digest: String,
}

/// Something that happened to a machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MachineEvent {
    /// Its id.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// `launch`, `start`, `exit`, `stop`, `restart`, `update`, `destroy` …
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// `created`, `started`, `stopped` …
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    /// Who caused it: `user` or `flyd`.
    #[serde(default, deserialize_with = "or_default")]
    pub source: String,
    /// When.
    #[serde(default, rename = "timestamp", deserialize_with = "moment")]
    pub at: Option<DateTime<Utc>>,
    /// What belongs to it, in a form that depends on the type; see [`MachineEvent::exit`].
    #[serde(default, deserialize_with = "or_default")]
    pub request: Value,
}

impl MachineEvent {
    /// How the main process ended, if this event says so.
    pub fn exit(&self) -> Option<ExitEvent> {
        let monitor = self.request.get("MonitorEvent").and_then(|event| event.get("exit_event"));
        let event = monitor.filter(|event| !event.is_null()).or_else(|| self.request.get("exit_event"))?;
        if event.is_null() {
            return None;
        }
        ExitEvent::deserialize(event).ok()
    }
}

/// How a machine's main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct ExitEvent {
    /// The exit code as the host saw it (137 when the kernel killed it for memory).
    #[serde(default, deserialize_with = "or_default")]
    pub exit_code: i64,
    /// The signal that ended it, 0 if none.
    #[serde(default, deserialize_with = "or_default")]
    pub signal: i64,
    /// Whether it was ended for using too much memory.
    #[serde(default, deserialize_with = "or_default")]
    pub oom_killed: bool,
    /// Whether someone had asked for it.
    #[serde(default, deserialize_with = "or_default")]
    pub requested_stop: bool,
    /// Whether Fly starts it again.
    #[serde(default, deserialize_with = "or_default")]
    pub restarting: bool,
}

/// A health check and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckStatus {
    /// The check's name: its key in `checks`, or `servicecheck-<NN>-<type>-<port>`.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What it says.
    #[serde(default)]
    pub status: CheckState,
    /// What the checked program answered. May hold anything.
    #[serde(default, deserialize_with = "or_default")]
    pub output: String,
    /// Since when.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<DateTime<Utc>>,
}

impl CheckStatus {
    /// Whether Fly put it there for its own deployments; such checks are no concern of ours.
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("bg_deployments_compat")
    }
}

/// The answer of a wait that got what it waited for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WaitResponse {
    /// The state that was reached; older servers do not say.
    #[serde(default)]
    pub state: Option<MachineState>,
    /// The version that reached it.
    #[serde(default)]
    pub version: Option<String>,
    /// The event that ended the wait.
    #[serde(default)]
    pub event_id: Option<String>,
}

fn hidden<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<SecretText>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    Ok(text.filter(|text| !text.is_empty()).map(SecretText::new))
}
