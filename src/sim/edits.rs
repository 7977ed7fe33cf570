//! What other people do: changes that no request of the caller made. They are not in the request log, and faults do not hit them.
//! What the platform does by itself is in [`super::accidents`].

use bytes::Bytes;
use serde_json::{Value, json};

use super::Simulator;
use super::auth::Caller;
use super::routes::{Call, Envelope, ListingFault, Outcome, dispatch};
use crate::http::transport::Method;

/// Why an edit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The platform refused it, as it would refuse the request of a person.
    #[error("the simulated platform refused with {status}: {text}")]
    Refused {
        /// The status code.
        status: u16,
        /// What it said.
        text: String,
    },
    /// There is no such thing.
    #[error("the simulated platform has no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
}

impl Simulator {
    /// A person creates an app. `network` is empty for the organization's default network.
    pub fn create_app(&self, org: &str, name: &str, network: &str) -> Result<(), EditError> {
        let body = json!({"name": name, "org_slug": org, "network": network});
        self.by_hand(Method::Post, &["apps"], &body)?;
        self.lock().by_hand.insert(name.to_owned());
        Ok(())
    }

    /// A person deletes an app. It is gone a moment later.
    pub fn delete_app(&self, app: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["apps", app], &Value::Null).map(drop)
    }

    /// A person creates a machine; returns its id.
    pub fn create_machine(&self, app: &str, config: &Value, region: &str) -> Result<String, EditError> {
        self.create_named_machine(app, "", config, region)
    }

    /// A person creates a machine of this name (empty for one that the platform makes up); returns its id.
    pub fn create_named_machine(
        &self,
        app: &str,
        name: &str,
        config: &Value,
        region: &str,
    ) -> Result<String, EditError> {
        let body = match name {
            "" => json!({"config": config, "region": region}),
            name => json!({"name": name, "config": config, "region": region}),
        };
        let id = id_of(&self.by_hand(Method::Post, &["apps", app, "machines"], &body)?);
        self.lock().by_hand.insert(id.clone());
        Ok(id)
    }

    /// Somebody else's deploy takes the lease of a machine for so many seconds.
    pub fn lease_machine(&self, app: &str, id: &str, seconds: u64) -> Result<(), EditError> {
        let body = json!({"ttl": seconds, "description": "somebody's deploy"});
        self.by_hand(Method::Post, &["apps", app, "machines", id, "lease"], &body).map(drop)
    }

    /// A person clones a machine, its metadata included; a mounted volume is replaced by a new one of the same name and size. Returns
    /// the id of the clone.
    pub fn clone_machine(&self, app: &str, id: &str) -> Result<String, EditError> {
        let machine = self.machine(app, id).ok_or_else(|| no_machine(app, id))?;
        let mut config = machine.config;
        let mount = config.pointer("/mounts/0/volume").and_then(Value::as_str).map(str::to_owned);
        if let Some(volume) = mount.and_then(|id| self.volumes(app).into_iter().find(|volume| volume.id == id)) {
            let body = json!({"name": volume.name, "region": volume.region, "size_gb": volume.size_gb});
            let copy = self.by_hand(Method::Post, &["apps", app, "volumes"], &body)?;
            if let Some(mount) = config.pointer_mut("/mounts/0/volume") {
                *mount = Value::from(id_of(&copy));
            }
        }
        self.create_machine(app, &config, &machine.region)
    }

    /// A person destroys a machine, running or not.
    pub fn delete_machine(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["apps", app, "machines", id, "?force=true"], &Value::Null).map(drop)
    }

    /// A person stops a machine. Its exit event says that this was requested.
    pub fn stop_machine(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.by_hand(Method::Post, &["apps", app, "machines", id, "stop"], &json!({})).map(drop)
    }

    /// A person starts a machine.
    pub fn start_machine(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.by_hand(Method::Post, &["apps", app, "machines", id, "start"], &json!({})).map(drop)
    }

    /// A person updates a machine's config: `change` gets it as the server shows it.
    pub fn edit_machine_config(&self, app: &str, id: &str, change: impl FnOnce(&mut Value)) -> Result<(), EditError> {
        let mut config = self.machine(app, id).ok_or_else(|| no_machine(app, id))?.config;
        change(&mut config);
        self.by_hand(Method::Post, &["apps", app, "machines", id], &json!({"config": config})).map(drop)
    }

    /// A person sets a secret; it is staged until machines are updated.
    pub fn set_secret(&self, app: &str, name: &str, value: &str) -> Result<(), EditError> {
        self.by_hand(Method::Post, &["apps", app, "secrets", name], &json!({"value": value})).map(drop)
    }

    /// A person removes a secret.
    pub fn unset_secret(&self, app: &str, name: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["apps", app, "secrets", name], &Value::Null).map(drop)
    }

    /// A person releases an address.
    pub fn release_ip(&self, app: &str, ip: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["apps", app, "ip_assignments", ip], &Value::Null).map(drop)
    }

    /// A person creates a volume; returns its id.
    pub fn create_volume(&self, app: &str, name: &str, region: &str, size_gb: u64) -> Result<String, EditError> {
        let body = json!({"name": name, "region": region, "size_gb": size_gb});
        self.by_hand(Method::Post, &["apps", app, "volumes"], &body).map(|volume| id_of(&volume))
    }

    /// Carries out a request of a person who may do everything. A last segment that begins with `?` is the query.
    pub(super) fn by_hand(&self, method: Method, segments: &[&str], body: &Value) -> Result<Value, EditError> {
        let now = self.now();
        let (query, path): (Vec<&str>, Vec<&str>) = segments.iter().partition(|segment| segment.starts_with('?'));
        let query = query.first().map_or("", |query| query.trim_start_matches('?'));
        let mut state = self.present();
        let call = Call {
            method,
            segments: std::iter::once("v1").chain(path.iter().copied()).map(str::to_owned).collect(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            nonce: None,
            // A person waits until the app is known everywhere.
            node: path.get(1).and_then(|app| state.world.apps.get(app)).map(|app| app.node.clone()),
            envelope: Envelope::default(),
            body: if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) },
            caller: Caller::everybody(),
            now,
            listing: ListingFault::default(),
        };
        let reply = match dispatch(&mut state.world, &call) {
            Outcome::Reply(reply) => reply,
            Outcome::Wait(_) => return Ok(Value::Null),
        };
        state.world.record(now);
        drop(state);
        self.inner.changed.notify_waiters();
        let body = reply.body.unwrap_or_default();
        if reply.status < 300 {
            return Ok(body);
        }
        let text =
            body.get("error").or_else(|| body.get("message")).and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(EditError::Refused { status: reply.status, text })
    }
}

fn id_of(object: &Value) -> String {
    object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn no_machine(app: &str, id: &str) -> EditError {
    EditError::NotFound { what: format!("machine `{id}` in the app `{app}`") }
}
