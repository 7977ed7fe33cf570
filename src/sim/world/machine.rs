//! A machine: what is known about it and how the API shows it. How it moves is in [`super::lifecycle`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::config::SimConfig;
use super::checks::{Checked, ForcedCheck};
use super::container::{containers_of, render_containers};
use super::image::Behaviour;
use super::rfc3339;

/// The states of a machine that the simulator uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Created,
    Starting,
    Started,
    Stopping,
    Stopped,
    Suspending,
    Suspended,
    Restarting,
    Replacing,
    Failed,
    Destroying,
    Destroyed,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Suspending => "suspending",
            Self::Suspended => "suspended",
            Self::Restarting => "restarting",
            Self::Replacing => "replacing",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }
}

/// Something that happened to a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) source: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) request: Option<Value>,
}

impl Event {
    /// The code with which the process ended, if that is what happened.
    pub(crate) fn exit_code(&self) -> Option<i64> {
        self.request.as_ref()?.pointer("/exit_event/exit_code")?.as_i64()
    }

    pub(crate) fn render(&self) -> Value {
        let mut event = json!({
            "id": self.id, "type": self.kind, "status": self.status, "source": self.source,
            "timestamp": self.at.timestamp_millis(),
        });
        if let (Some(request), Some(map)) = (&self.request, event.as_object_mut()) {
            map.insert("request".to_owned(), request.clone());
        }
        event
    }
}

/// An exclusive lock on a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) nonce: String,
    pub(crate) owner: String,
    pub(crate) description: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) version: String,
}

/// A machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) state: State,
    /// The version, also called instance id: a ULID, new with each update.
    pub(crate) version: String,
    pub(crate) config: Value,
    pub(crate) image_ref: Value,
    pub(crate) private_ip: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// Every version and the config as the user sent it, oldest first.
    pub(crate) versions: Vec<(String, Value)>,
    pub(crate) lease: Option<Lease>,
    pub(crate) cordoned: bool,
    pub(crate) unreachable: bool,
    /// Counts the changes of course; what was scheduled before the latest one is void.
    pub(crate) generation: u64,
    /// Whether the first preparation is over (a machine cannot be started before).
    pub(crate) prepared: bool,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) restarts: u32,
    /// The version of the app's vault that it was given, if any.
    pub(crate) vault_version: Option<u64>,
    /// How its images behave.
    pub(crate) behaviour: Behaviour,
    /// How the images of its containers behave, by the containers' names.
    pub(crate) container_behaviours: BTreeMap<String, Behaviour>,
    /// What its checks say by hand, by name; under the empty name what all others say.
    pub(crate) forced_checks: BTreeMap<String, ForcedCheck>,
    /// When its schedule lets it run next.
    pub(crate) next_run: Option<DateTime<Utc>>,
    /// To what its memory was limited, in MiB.
    pub(crate) memory_limit_mb: Option<u64>,
    /// Until then only the node that knows its app knows it.
    pub(crate) visible_from: DateTime<Utc>,
}

/// How much of a machine is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Detail {
    /// Without config, checks, events, host status.
    pub(crate) summary: bool,
    /// With the lease.
    pub(crate) leases: bool,
}

impl Machine {
    pub(crate) const fn is_destroyed(&self) -> bool {
        matches!(self.state, State::Destroyed)
    }

    /// Whether it stays in its state until somebody acts.
    pub(crate) const fn is_settled(&self) -> bool {
        match self.state {
            State::Created => self.prepared,
            State::Started | State::Stopped | State::Suspended | State::Failed | State::Destroyed => true,
            _ => false,
        }
    }

    /// The lease, unless it has expired.
    pub(crate) fn lease(&self, now: DateTime<Utc>) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.expires_at > now)
    }

    /// The value of a metadata key.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.config.get("metadata")?.get(key)?.as_str()
    }

    /// The memory of its guest in MiB.
    pub(crate) fn memory_mb(&self) -> u64 {
        self.config.pointer("/guest/memory_mb").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether it can be suspended: at most 2 GB of memory, no swap, no schedule.
    pub(crate) fn is_suspendable(&self) -> bool {
        let swap = self.config.pointer("/init/swap_size_mb").and_then(Value::as_u64).unwrap_or(0);
        self.memory_mb() <= 2048 && swap == 0 && self.config.get("schedule").is_none()
    }

    /// The volume that it mounts.
    pub(crate) fn volume(&self) -> Option<&str> {
        self.config.get("mounts")?.get(0)?.get("volume")?.as_str()
    }

    pub(crate) fn record(&mut self, event: Event) {
        self.updated_at = event.at;
        self.events.push(event);
        if self.events.len() > 50 {
            self.events.remove(0);
        }
    }

    /// The machine as the API shows it.
    pub(crate) fn render(&self, detail: Detail, now: DateTime<Utc>, config: &SimConfig) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "state": self.state.as_str(),
            "region": self.region,
            "image_ref": self.image_ref,
            "instance_id": self.version,
            "version": self.version,
            "private_ip": self.private_ip,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "cordoned": self.cordoned,
        });
        let Some(map) = shown.as_object_mut() else { return shown };
        if let (true, Some(lease)) = (detail.leases, self.lease(now)) {
            let lease = json!({
                "owner": lease.owner, "description": lease.description, "expires_at": lease.expires_at.timestamp(),
            });
            map.insert("lease".to_owned(), lease);
        }
        if detail.summary {
            return shown;
        }
        map.insert("host_status".to_owned(), Value::from(if self.unreachable { "unreachable" } else { "ok" }));
        if self.unreachable {
            map.insert("config".to_owned(), Value::Null);
            map.insert("incomplete_config".to_owned(), self.config.clone());
        } else {
            map.insert("config".to_owned(), self.config.clone());
        }
        // Only the five newest: whoever needs more asks for the events.
        map.insert("events".to_owned(), self.events.iter().rev().take(5).map(Event::render).collect());
        let checks = self.checks(now, config);
        if !checks.is_empty() {
            map.insert("checks".to_owned(), checks.iter().map(Checked::render).collect());
        }
        if !containers_of(&self.config).is_empty() {
            map.insert("containers".to_owned(), Value::Array(self.containers(now, config)));
        }
        shown
    }

    /// Its containers with their states.
    pub(crate) fn containers(&self, now: DateTime<Utc>, config: &SimConfig) -> Vec<Value> {
        let started = self.started_at.filter(|_| self.state == State::Started);
        let running = started.map(|at| now.signed_duration_since(at).to_std().unwrap_or_default());
        render_containers(&self.config, &self.container_behaviours, running, config.settle)
    }

    /// The machine as the organization-wide listing shows it.
    pub(crate) fn render_overview(&self) -> Value {
        let mut config = Map::new();
        for key in ["image", "guest", "metadata"] {
            if let Some(value) = self.config.get(key) {
                config.insert(key.to_owned(), value.clone());
            }
        }
        json!({
            "id": self.id,
            "app_name": self.app,
            "name": self.name,
            "region": self.region,
            "state": self.state.as_str(),
            "version": self.version,
            "private_ip": self.private_ip,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "config": config,
        })
    }
}
