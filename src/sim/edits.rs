//! What other people do, and what happens to hosts: changes that no request of the caller made. They are not in the request log, and
//! faults do not hit them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::auth::Caller;
use super::config::Access;
use super::routes::{Call, ListingFault, Outcome, dispatch};
use super::world::lifecycle::Exit;
use super::world::machine::{Machine, State as MachineState};
use super::world::schedule::{Due, after};
use super::world::volume::VolumeState;
use super::{Simulator, State};
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

    /// The proxy stops a machine for want of traffic.
    pub fn autostop_machine(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.with_machine(app, id, |machine, state, now| {
            if let Some((_, mut stage)) = state.world.stage(app)
                && machine.state == MachineState::Started
            {
                machine.stop("proxy", now, &mut stage);
            }
        })
    }

    /// The proxy starts a machine because of traffic.
    pub fn autostart_machine(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.with_machine(app, id, |machine, state, now| {
            let down = matches!(machine.state, MachineState::Stopped | MachineState::Suspended);
            if let Some((_, mut stage)) = state.world.stage(app)
                && down
            {
                machine.start("proxy", now, &mut stage);
            }
        })
    }

    /// The main process of a machine ends by itself; its restart policy decides what follows.
    pub fn crash_machine(&self, app: &str, id: &str, exit_code: i32, oom_killed: bool) -> Result<(), EditError> {
        self.with_machine(app, id, |machine, state, now| {
            let running = matches!(machine.state, MachineState::Started | MachineState::Starting);
            if let Some((_, mut stage)) = state.world.stage(app)
                && running
            {
                machine.exited(Exit { code: exit_code, oom_killed }, now, &mut stage);
            }
        })
    }

    /// The platform moves a machine to another host: its private address changes, and its volume becomes another one.
    pub fn migrate_host(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.with_machine(app, id, |machine, state, now| {
            let world = &mut state.world;
            let volume_id = format!("vol_{}", world.ids.alphanumeric(16));
            let zone = world.ids.hex(4);
            let host = world.ids.number() & 0xffff;
            let event = world.ids.ulid(now);
            // Migrated volumes are kept for a week.
            let purge = after(now, std::time::Duration::from_hours(7 * 24));
            let prefix: Vec<&str> = machine.private_ip.split(':').take(4).collect();
            machine.private_ip = format!("{}:{host:x}:{:x}:2", prefix.join(":"), world.ids.number() & 0xffff);
            machine.record(super::world::machine::Event {
                id: event,
                kind: "migrate".to_owned(),
                status: "migrated".to_owned(),
                source: "flyd".to_owned(),
                at: now,
                request: None,
            });
            let Some(old) = machine.volume().map(str::to_owned) else {
                return;
            };
            let Some(found) = world.apps.get_mut(app) else { return };
            let Some(before) = found.volumes.get_mut(&old) else {
                return;
            };
            let mut moved = before.clone();
            moved.id.clone_from(&volume_id);
            moved.zone = zone;
            moved.updated_at = now;
            before.attached_machine = None;
            before.state = VolumeState::PendingDestroy;
            before.updated_at = now;
            found.volumes.insert(volume_id.clone(), moved);
            world.schedule.push(purge, Due::PurgeVolume { app: app.to_owned(), id: old });
            if let Some(mount) = machine.config.pointer_mut("/mounts/0/volume") {
                *mount = Value::from(volume_id);
            }
        })
    }

    /// A machine's host stops (or starts) to answer: the machine shows no config, and nothing can be done to it.
    pub fn set_host_unreachable(&self, app: &str, id: &str, unreachable: bool) -> Result<(), EditError> {
        if self.machine(app, id).is_none() {
            return Err(no_machine(app, id));
        }
        let now = self.now();
        let mut state = self.present();
        state.world.set_reachable(app, id, !unreachable);
        state.world.record(now);
        Ok(())
    }

    /// Somebody pushes other content under a tag: from now on the tag stands for another digest.
    pub fn push_image(&self, image: &str, content: &str) {
        self.present().world.images.push(image, content);
    }

    /// The DNS of a hostname is pointed to where its certificate wants it (or away from it).
    pub fn set_dns(&self, hostname: &str, points_here: bool) {
        let hostnames = &mut self.present().world.ready_hostnames;
        if points_here {
            hostnames.insert(hostname.to_owned());
        } else {
            hostnames.remove(hostname);
        }
    }

    /// Carries out a request of a person who may do everything. A last segment that begins with `?` is the query.
    fn by_hand(&self, method: Method, segments: &[&str], body: &Value) -> Result<Value, EditError> {
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
            node: path.get(1).and_then(|app| state.world.apps.get(*app)).map(|app| app.node.clone()),
            body: if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) },
            caller: Caller { org: None, access: Access::Full },
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

    /// Changes a machine in ways that no request can.
    fn with_machine(
        &self,
        app: &str,
        id: &str,
        change: impl FnOnce(&mut Machine, &mut State, chrono::DateTime<chrono::Utc>),
    ) -> Result<(), EditError> {
        let now = self.now();
        let mut state = self.present();
        let found = state.world.apps.get_mut(app).and_then(|app| app.machines.remove(id));
        let mut machine = found.ok_or_else(|| no_machine(app, id))?;
        if !machine.is_destroyed() {
            change(&mut machine, &mut state, now);
        }
        if let Some(app) = state.world.apps.get_mut(app) {
            app.machines.insert(id.to_owned(), machine);
        }
        state.world.record(now);
        drop(state);
        self.inner.changed.notify_waiters();
        Ok(())
    }
}

fn id_of(object: &Value) -> String {
    object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn no_machine(app: &str, id: &str) -> EditError {
    EditError::NotFound { what: format!("machine `{id}` in the app `{app}`") }
}
