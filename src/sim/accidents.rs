//! What the platform does by itself, and what happens to it: the proxy, the hosts, the processes in machines, capacity.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::config::{CheckResult, Quotas, Shortage};
use super::edits::{EditError, no_machine};
use super::world::Command;
use super::world::checks::ForcedCheck;
use super::world::lifecycle::Exit;
use super::world::machine::{Event, Machine, State as MachineState};
use super::world::schedule::{Due, after};
use super::{Simulator, State};

/// What the proxy did because of traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// The machines that it has started.
    pub started: Vec<String>,
    /// The machines that it has stopped or suspended.
    pub stopped: Vec<String>,
}

impl Simulator {
    /// The proxy looks at an app that has `concurrent` requests (or connections) at this moment. It starts machines until their soft
    /// limits (20 if unset) are enough for them, and stops or suspends those that are too many, but no more than leaves
    /// `min_machines_running`. Machines without services, cordoned ones and those on silent hosts do not count. No traffic comes by
    /// itself.
    pub fn traffic(&self, app: &str, concurrent: u64) -> Result<Traffic, EditError> {
        let now = self.now();
        let mut state = self.present();
        let Some((found, mut actors)) = state.world.stage(app).filter(|(app, _)| !app.deleting) else {
            return Err(EditError::NotFound { what: format!("app `{app}`") });
        };
        let traffic = super::world::proxy::balance(found, concurrent, now, &mut actors);
        state.world.record(now);
        drop(state);
        self.inner.changed.notify_waiters();
        Ok(traffic)
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
                machine.exited(Exit { oom_killed, ..Exit::with(exit_code) }, now, &mut stage);
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
            let purge = after(now, Duration::from_hours(7 * 24));
            let prefix: Vec<&str> = machine.private_ip.split(':').take(4).collect();
            machine.private_ip = format!("{}:{host:x}:{:x}:2", prefix.join(":"), world.ids.number() & 0xffff);
            machine.record(Event {
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
            before.delete(now);
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

    /// An image that is still being built: it is missing until somebody pushes it.
    pub fn await_image(&self, image: &str) {
        self.present().world.images.await_push(image);
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

    /// A machine cannot be brought to run: its state is `failed` until somebody acts.
    pub fn fail_machine(&self, app: &str, id: &str) -> Result<(), EditError> {
        self.with_machine(app, id, |machine, state, now| {
            if let Some((_, mut stage)) = state.world.stage(app) {
                machine.fail(now, &mut stage);
            }
        })
    }

    /// Lets the check `name` of a machine say something while it runs, or (with `None`) what its images make of it. The empty name
    /// stands for all checks that have no result of their own.
    pub fn set_check(&self, app: &str, id: &str, name: &str, result: Option<CheckResult>) -> Result<(), EditError> {
        self.with_machine(app, id, |machine, _, now| {
            match result {
                Some(result) => machine.forced_checks.insert(name.to_owned(), ForcedCheck { result, since: now }),
                None => machine.forced_checks.remove(name),
            };
        })
    }

    /// The node that knew an app first goes away: affinity cookies no longer help.
    pub fn forget_affinity(&self, app: &str) -> Result<(), EditError> {
        let mut state = self.present();
        let node = state.world.ids.hex(12);
        let found = state.world.apps.get_mut(app);
        found.ok_or_else(|| EditError::NotFound { what: format!("app `{app}`") })?.node = node;
        Ok(())
    }

    /// Lets commands whose line contains `words` answer this in the machines of an app.
    pub fn set_command(&self, app: &str, words: &str, exit_code: i32, stdout: &str, stderr: &str) {
        self.present().world.commands.push(Command {
            app: app.to_owned(),
            words: words.to_owned(),
            exit_code,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        });
    }

    /// Lets a shortage in a region begin or end.
    pub fn set_shortage(&self, shortage: Shortage, region: &str, short: bool) {
        self.present().world.capacity.set(shortage, region, short);
    }

    /// Gives an organization other quotas than those of the configuration.
    pub fn set_quotas(&self, org: &str, quotas: Quotas) {
        self.present().world.capacity.set_quotas(org, quotas);
    }

    /// A token expires: from now on it is refused with 403.
    pub fn expire_token(&self, token: &str) {
        self.present().world.tokens.expire(token);
    }

    /// Changes a machine in ways that no request can.
    fn with_machine(
        &self,
        app: &str,
        id: &str,
        change: impl FnOnce(&mut Machine, &mut State, DateTime<Utc>),
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
