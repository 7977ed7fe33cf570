//! One machine as it was seen.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::resource::marker::{MachineMarker, UnreadableMarker};
use crate::resource::{AppName, OwnerId};

/// The states of a machine, every one named. In an unknown state nothing is done to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// Made, not started yet.
    Created,
    /// Running.
    Started,
    /// Not running.
    Stopped,
    /// Suspended to a snapshot.
    Suspended,
    /// Could not start.
    Failed,
    /// On its way from one state to another (`starting`, `replacing`, …).
    Passing(String),
    /// Going or gone (`destroying`, `destroyed`, `launch_failed`, `replaced`, `migrated`).
    Gone(String),
    /// A state this version does not know.
    Other(String),
}

impl MachineState {
    /// Reads the API's word for a state (list: fly-go `machine_types.go`, docs `machines/machine-states`).
    pub fn parse(text: &str) -> Self {
        match text {
            "created" => Self::Created,
            "started" => Self::Started,
            "stopped" => Self::Stopped,
            "suspended" => Self::Suspended,
            "failed" => Self::Failed,
            "creating" | "starting" | "stopping" | "restarting" | "suspending" | "updating" | "replacing" => {
                Self::Passing(text.to_owned())
            }
            "destroying" | "destroyed" | "launch_failed" | "replaced" | "migrated" => Self::Gone(text.to_owned()),
            _ => Self::Other(text.to_owned()),
        }
    }

    /// The API's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::Passing(text) | Self::Gone(text) | Self::Other(text) => text,
        }
    }
}

/// The newest exit of a machine's main process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// The exit code (137 with `oom_killed` where the kernel killed it for memory).
    pub code: i64,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// Whether somebody asked for it (a stop, a deploy).
    pub requested: bool,
    /// When.
    pub at: DateTime<Utc>,
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether it passes.
    pub passing: bool,
    /// What it said.
    pub output: String,
}

/// One machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The app it runs in.
    pub app: AppName,
    /// The server's id.
    pub id: String,
    /// Its name, unique in the app.
    pub name: String,
    /// The region.
    pub region: String,
    /// The state.
    pub state: MachineState,
    /// The version, which guards updates.
    pub version: String,
    /// The whole configuration in normal form; absent in bulk listings and while its host does not answer.
    pub config: Option<Value>,
    /// All metadata.
    pub metadata: BTreeMap<String, String>,
    /// Our marker on it: absent, readable, or damaged.
    pub marker: Option<Result<MachineMarker, UnreadableMarker>>,
    /// The image reference as configured.
    pub image: String,
    /// The digest that Fly resolved it to.
    pub image_digest: Option<String>,
    /// Whether its host answers.
    pub host_ok: bool,
    /// The results of its checks.
    pub checks: Vec<Check>,
    /// The newest exit.
    pub last_exit: Option<Exit>,
    /// When it has started last, as far as its newest events tell.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was made, by Fly's clock.
    pub created_at: Option<DateTime<Utc>>,
}

impl Machine {
    /// Our marker, if it is readable, names `owner`, and names this very machine in this very app (a clone's does not).
    pub fn owned_by(&self, owner: &OwnerId) -> Option<&MachineMarker> {
        match &self.marker {
            Some(Ok(marker)) if marker.owner == *owner && marker.app == self.app && marker.name == self.name => {
                Some(marker)
            }
            _ => None,
        }
    }

    /// Whether it is still there for practical purposes.
    pub const fn is_live(&self) -> bool {
        !matches!(self.state, MachineState::Gone(_))
    }

    /// The key by which one survivor is chosen among several: oldest by server time, then smallest id.
    pub fn seniority(&self) -> (DateTime<Utc>, &str) {
        (self.created_at.unwrap_or(DateTime::<Utc>::MAX_UTC), &self.id)
    }
}
