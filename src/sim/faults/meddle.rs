//! Edits are carried out: what other people and the platform do between two requests.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::edit::{Edit, EditAction, EditRecord};
use crate::sim::edits::EditError;
use crate::sim::inspect::MachineView;
use crate::sim::world::app::App;
use crate::sim::world::schedule::{Due, after};
use crate::sim::{Simulator, State};

/// The request before which an edit takes place.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Before<'a> {
    /// Its number in the log.
    pub(in crate::sim) number: u64,
    /// Its path.
    pub(in crate::sim) path: &'a str,
    /// Its body.
    pub(in crate::sim) body: &'a Bytes,
}

/// What an edit struck or made.
struct Mark {
    app: String,
    machine: Option<String>,
    made: bool,
}

impl Mark {
    fn struck(machine: MachineView) -> Self {
        Self { app: machine.app, machine: Some(machine.id), made: false }
    }
}

impl Simulator {
    /// Carries out an edit now, and says what it struck or made; `None` if there was nothing to strike.
    ///
    /// # Errors
    ///
    /// [`EditError`] if the platform refuses it.
    pub fn meddle(&self, edit: &Edit) -> Result<Option<EditRecord>, EditError> {
        let draw = u64::from(self.lock().world.ids.number());
        self.meddle_before(edit, draw, None)
    }

    /// The edits that took place, oldest first.
    pub fn edits(&self) -> Vec<EditRecord> {
        self.lock().faults.edits.clone()
    }

    /// Sets the platform's clock forward, or back if negative. It stays so. Waiting and the request log go on by the true clock.
    pub fn jump_clock(&self, seconds: i64) {
        let mut state = self.lock();
        let jump = TimeDelta::try_seconds(seconds).unwrap_or_default();
        state.skew = state.skew.checked_add(&jump).unwrap_or(state.skew);
        drop(state);
        self.inner.changed.notify_waiters();
    }

    /// The moment by the platform's clock.
    pub(in crate::sim) fn now(&self) -> DateTime<Utc> {
        let now = self.inner.clock.now();
        self.lock().platform_time(now)
    }

    /// Carries out an edit that `draw` decides where to strike.
    pub(in crate::sim) fn meddle_before(
        &self,
        edit: &Edit,
        draw: u64,
        before: Option<&Before<'_>>,
    ) -> Result<Option<EditRecord>, EditError> {
        let at = self.inner.clock.now();
        let Some(mark) = self.act(edit, draw, before)? else { return Ok(None) };
        let mut state = self.lock();
        let record = EditRecord {
            at,
            request: before.map(|before| before.number),
            action: edit.action.name(),
            app: mark.app,
            machine: mark.machine,
            made: mark.made,
        };
        state.faults.edits.push(record.clone());
        Ok(Some(record))
    }

    fn act(&self, edit: &Edit, draw: u64, before: Option<&Before<'_>>) -> Result<Option<Mark>, EditError> {
        match &edit.action {
            EditAction::DeleteApp => self.on_app(edit, draw, |app| self.delete_app(app)),
            EditAction::SetSecret { name, value } => self.on_app(edit, draw, |app| self.set_secret(app, name, value)),
            EditAction::UnsetSecret => self.unset_any_secret(edit, draw),
            EditAction::LookAlikeApp => self.look_alike_app(edit, draw),
            EditAction::SquatApp { org } => Ok(before.and_then(|before| self.squat_app(edit, org.as_deref(), before))),
            EditAction::LookAlikeBranch => self.look_alike_branch(edit, draw),
            EditAction::SquatBranch => Ok(before.and_then(|before| self.squat_branch(edit, before))),
            EditAction::SquatMachine => before.map_or(Ok(None), |before| self.squat_machine(edit, before)),
            on_machine => {
                let Some(machine) = self.pick_machine(edit, draw) else { return Ok(None) };
                self.act_on(on_machine, machine, draw).map(Some)
            }
        }
    }

    /// Actions that strike a machine.
    fn act_on(&self, action: &EditAction, machine: MachineView, draw: u64) -> Result<Mark, EditError> {
        let (app, id) = (machine.app.as_str(), machine.id.as_str());
        match action {
            EditAction::DeleteMachine => self.delete_machine(app, id)?,
            EditAction::StopMachine => self.stop_machine(app, id)?,
            EditAction::CrashMachine => self.crash_machine(app, id, 1, false)?,
            EditAction::MigrateHost => self.migrate_host(app, id)?,
            EditAction::HostUnreachable { seconds } => {
                self.set_host_unreachable(app, id, true)?;
                let mut state = self.present();
                let now = state.platform_time(self.inner.clock.now());
                let due = Due::HostAnswers { app: app.to_owned(), id: id.to_owned() };
                state.world.schedule.push(after(now, Duration::from_secs(*seconds)), due);
            }
            EditAction::LeaseMachine { seconds } => self.lease_machine(app, id, *seconds)?,
            EditAction::ScaleMemory => self.edit_machine_config(app, id, |config| {
                let memory = config.pointer("/guest/memory_mb").and_then(Value::as_u64).unwrap_or(256);
                if let Some(guest) = config.pointer_mut("/guest").and_then(Value::as_object_mut) {
                    guest.insert("memory_mb".to_owned(), json!(memory.saturating_mul(2)));
                }
            })?,
            EditAction::ScaleCount => {
                let copy = self.clone_machine(app, id)?;
                return Ok(Mark { app: machine.app, machine: Some(copy), made: true });
            }
            EditAction::LookAlikeMachine => {
                let mut config = machine.config.clone();
                if let Some(config) = config.as_object_mut() {
                    config.remove("mounts");
                }
                let name = next_name(&machine.name, draw);
                let copy = self.create_named_machine(app, &name, &config, &machine.region)?;
                return Ok(Mark { app: machine.app, machine: Some(copy), made: true });
            }
            _ => self.edit_machine_config(app, id, |config| {
                if let Some(config) = config.as_object_mut()
                    && let Some(env) = config.entry("env").or_insert_with(|| json!({})).as_object_mut()
                {
                    let name = pick(env.keys().cloned().collect(), draw);
                    let name = name.unwrap_or_else(|| "EDITED_BY_HAND".to_owned());
                    env.insert(name, json!(format!("edited by hand: {draw:x}")));
                }
            })?,
        }
        Ok(Mark::struck(machine))
    }

    fn on_app(
        &self,
        edit: &Edit,
        draw: u64,
        act: impl FnOnce(&str) -> Result<(), EditError>,
    ) -> Result<Option<Mark>, EditError> {
        let Some(app) = self.pick_app(edit, draw) else { return Ok(None) };
        act(&app)?;
        Ok(Some(Mark { app, machine: None, made: false }))
    }

    fn unset_any_secret(&self, edit: &Edit, draw: u64) -> Result<Option<Mark>, EditError> {
        let named = |app: String| self.secret_names(&app).into_iter().map(move |name| (app.clone(), name)).collect();
        let secrets: Vec<(String, String)> =
            self.strikable_apps(edit).into_iter().flat_map::<Vec<_>, _>(named).collect();
        let Some((app, name)) = pick(secrets, draw) else { return Ok(None) };
        self.unset_secret(&app, &name)?;
        Ok(Some(Mark { app, machine: None, made: false }))
    }

    fn look_alike_app(&self, edit: &Edit, draw: u64) -> Result<Option<Mark>, EditError> {
        let Some(model) = self.pick_app(edit, draw).and_then(|name| self.app(&name)) else { return Ok(None) };
        let name = format!("{}-{:04x}", model.name, draw & 0xffff);
        self.create_app(&model.org, &name, "")?;
        for secret in self.secret_names(&model.name) {
            self.set_secret(&name, &secret, "look-alike")?;
        }
        for machine in self.machines(&model.name) {
            let mut config = machine.config;
            if let Some(config) = config.as_object_mut() {
                config.remove("mounts");
            }
            self.create_named_machine(&name, &machine.name, &config, &machine.region)?;
        }
        Ok(Some(Mark { app: name, machine: None, made: true }))
    }

    /// Takes the name that the request is about to give to an app.
    fn squat_app(&self, edit: &Edit, org: Option<&str>, before: &Before<'_>) -> Option<Mark> {
        let asked: Value = serde_json::from_slice(before.body).ok()?;
        let text = |key: &str| asked.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("app_name").or_else(|| text("name"))?;
        let org = org.or_else(|| text("org_slug"))?;
        let mut state = self.present();
        if !edit.is_about(name) || state.world.apps.contains_key(name) {
            return None;
        }
        let now = state.platform_time(self.inner.clock.now());
        let network = state.world.network_number(org, "");
        let app = App::new(name, org, "", network, now, &mut state.world.ids);
        state.world.apps.insert(app);
        state.by_hand.insert(name.to_owned());
        state.world.record(now);
        Some(Mark { app: name.to_owned(), machine: None, made: true })
    }

    /// Takes the name that the request is about to give to a machine.
    fn squat_machine(&self, edit: &Edit, before: &Before<'_>) -> Result<Option<Mark>, EditError> {
        let Ok(asked) = serde_json::from_slice::<Value>(before.body) else { return Ok(None) };
        let text = |key: &str| asked.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let app = before.path.trim_matches('/').split('/').nth(2).unwrap_or_default();
        let Some(name) = text("name").filter(|_| edit.is_about(app)) else { return Ok(None) };
        let config = json!({"image": "registry.fly.io/squatter:v1"});
        let id = self.create_named_machine(app, name, &config, text("region").unwrap_or_default())?;
        Ok(Some(Mark { app: app.to_owned(), machine: Some(id), made: true }))
    }

    /// Makes a branch beside one that a request has made and noted something of.
    fn look_alike_branch(&self, edit: &Edit, draw: u64) -> Result<Option<Mark>, EditError> {
        let by_hand = self.lock().by_hand.clone();
        let branches = self.neon_projects().into_iter().flat_map(|project| {
            let neon = self.neon(&project);
            neon.branches().into_iter().map(move |branch| (neon.clone(), branch))
        });
        let is_model = |name: &str| edit.is_about(name) && !by_hand.contains(name);
        let models = branches.filter(|(_, branch)| !branch.annotation.is_empty() && is_model(&branch.name)).collect();
        let Some((neon, model)) = pick(models, draw) else { return Ok(None) };
        let name = next_name(&model.name, draw);
        if neon.branch(&name).is_some() {
            return Ok(None);
        }
        let id = neon.create_branch(&name, model.parent.as_deref())?;
        neon.annotate_branch(&id, &model.annotation)?;
        self.lock().by_hand.insert(name.clone());
        Ok(Some(Mark { app: name, machine: None, made: true }))
    }

    /// Takes the name that the request is about to give to a branch.
    fn squat_branch(&self, edit: &Edit, before: &Before<'_>) -> Option<Mark> {
        let asked: Value = serde_json::from_slice(before.body).ok()?;
        let name = asked.pointer("/branch/name").and_then(Value::as_str).filter(|name| edit.is_about(name))?;
        let project = before.path.trim_matches('/').split('/').nth(3)?;
        self.neon(project).create_branch(name, None).ok()?;
        self.lock().by_hand.insert(name.to_owned());
        Some(Mark { app: name.to_owned(), machine: None, made: true })
    }

    fn pick_machine(&self, edit: &Edit, draw: u64) -> Option<MachineView> {
        let by_hand = self.lock().by_hand.clone();
        let machines = self.strikable_apps(edit).into_iter().flat_map(|app| self.machines(&app));
        pick(machines.filter(|machine| !by_hand.contains(&machine.id)).collect(), draw)
    }

    fn pick_app(&self, edit: &Edit, draw: u64) -> Option<String> {
        pick(self.strikable_apps(edit), draw)
    }

    /// The apps that the edit may strike, in order of their names.
    fn strikable_apps(&self, edit: &Edit) -> Vec<String> {
        let state = self.present();
        let apps = state.world.apps.values().filter(|app| !app.deleting && edit.is_about(&app.name));
        apps.map(|app| app.name.clone()).filter(|name| !state.by_hand.contains(name)).collect()
    }
}

impl State {
    /// What the platform's clock shows when it is truly `at`.
    pub(in crate::sim) fn platform_time(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.checked_add_signed(self.skew).unwrap_or(at)
    }
}

/// One of them, the same for the same draw.
fn pick<T>(mut choices: Vec<T>, draw: u64) -> Option<T> {
    let count = u64::try_from(choices.len()).ok()?;
    let index = usize::try_from(draw.checked_rem(count)?).ok()?;
    (index < choices.len()).then(|| choices.swap_remove(index))
}

/// A name that goes on from `name`: its last number is raised.
fn next_name(name: &str, draw: u64) -> String {
    let step = draw.checked_rem(7).unwrap_or_default().saturating_add(1);
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.strip_prefix(base).and_then(|digits| digits.parse::<u64>().ok());
    match number {
        Some(number) => format!("{base}{}", number.saturating_add(step)),
        None => format!("{name}-{step}"),
    }
}
