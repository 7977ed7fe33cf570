//! A machine: what is known about it and how the API shows it. How it moves is in [`super::lifecycle`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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
    pub(crate) fn render(&self, detail: Detail, now: DateTime<Utc>, settle: std::time::Duration) -> Value {
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
        let (config, incomplete) =
            if self.unreachable { (Value::Null, self.config.clone()) } else { (self.config.clone(), Value::Null) };
        map.insert("config".to_owned(), config);
        if !incomplete.is_null() {
            map.insert("incomplete_config".to_owned(), incomplete);
        }
        // Only the five newest: whoever needs more asks for the events.
        map.insert("events".to_owned(), self.events.iter().rev().take(5).map(Event::render).collect());
        let checks = self.checks(now, settle);
        if !checks.is_empty() {
            map.insert("checks".to_owned(), Value::Array(checks));
        }
        shown
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

    /// The results of all checks: top-level ones by their key, those of services by number, kind and port.
    fn checks(&self, now: DateTime<Utc>, settle: std::time::Duration) -> Vec<Value> {
        let started = self.started_at.filter(|_| self.state == State::Started);
        let healthy = self.behaviour != Behaviour::Unhealthy;
        let passing = healthy && started.is_some_and(|at| super::schedule::after(at, settle) <= now);
        let (status, output) =
            if passing { ("passing", "200 OK") } else { ("critical", "connect: connection refused") };
        let updated_at = rfc3339(
            started.map_or(self.updated_at, |at| if passing { super::schedule::after(at, settle) } else { at }),
        );
        let mut names: Vec<String> = self
            .config
            .get("checks")
            .and_then(Value::as_object)
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default();
        let services = self.config.get("services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut number = 0_u32;
        for service in services {
            for check in service.get("checks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
                let kind = check.get("type").and_then(Value::as_str).unwrap_or("tcp");
                let port =
                    check.get("port").or_else(|| service.get("internal_port")).and_then(Value::as_u64).unwrap_or(0);
                names.push(format!("servicecheck-{number:02}-{kind}-{port}"));
                number = number.saturating_add(1);
            }
        }
        names
            .into_iter()
            .map(|name| json!({"name": name, "status": status, "output": output, "updated_at": updated_at}))
            .collect()
    }
}
