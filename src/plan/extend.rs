//! A longer life for one environment, because a person asked for it: it is marked on the live machines, so that every run knows it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::EnvironmentKind;
use super::planner::{Place, Planner};
use super::step::Action;
use super::withheld::Reason;
use crate::desired::{App, Environment, Level, Wanted};
use crate::observed::Presence;
use crate::resource::marker::PREFIX;
use crate::resource::{EnvName, FieldChange, ResourceKey};
use crate::rules::Rule;
use crate::spec::Duration;

impl<'a> Planner<'a> {
    /// Plans the marks by which the environment `name` is kept until `until`. One that is kept longer anyway stays as it is.
    pub(super) fn extend(&mut self, name: &EnvName, until: DateTime<Utc>) {
        // As precisely as the mark says it.
        let until = DateTime::from_timestamp(until.timestamp(), 0).unwrap_or(until);
        self.plan.environments.insert(name.clone(), EnvironmentKind::Wanted);
        let env: &'a Environment = match self.fleet.environments.get(name) {
            Some(Wanted::Ready(env)) => env,
            Some(Wanted::Broken { reason }) => {
                self.block(name, None, None, Reason::SpecBroken, reason.clone());
                return;
            }
            None => {
                let message = format!("no spec asks for `{name}`, so that a longer life would not keep it");
                self.block(name, None, None, Reason::Expired, message);
                return;
            }
        };
        if env.paused || env.level != Level::Full {
            // Neither is ever torn down for its age.
            let message = if env.paused { "paused: nothing in it is changed" } else { "its level lets nothing end" };
            self.notice(name, None, Reason::Level, message.to_owned());
            return;
        }
        if let Some(most) = self.policy.max_preview_ttl.filter(|_| env.preview.is_some())
            && TimeDelta::from_std(most).is_ok_and(|most| until.signed_duration_since(self.now) > most)
        {
            let most = Duration::from_secs(most.as_secs());
            let message = format!("the policy lets nobody keep a preview for longer than `{most}` (`previews.maxTtl`)");
            self.block(name, None, None, Reason::PolicyViolation, message);
            return;
        }
        for app in &env.apps {
            self.extend_app(env, app, until);
        }
    }

    fn extend_app(&mut self, env: &'a Environment, app: &'a App, until: DateTime<Utc>) {
        let place = Place { env: &env.name, component: Some(&app.component), org: env.org.as_ref() };
        let detail = self.observed.detail(env.org.as_ref(), &app.name);
        let machines = match detail {
            Some(detail) if matches!(detail.presence, Presence::Absent { .. }) => return,
            Some(detail) => detail.machines.known(),
            None => None,
        };
        let Some(machines) = machines else {
            let key = ResourceKey::App { app: app.name.clone() };
            let message = format!("app `{}` was not read completely", app.name);
            self.wait(&env.name, Some(&app.component), Some(&key), Reason::ObservationIncomplete, message, None);
            return;
        };
        for machine in machines.iter().filter(|machine| machine.is_live()) {
            let Some(marker) = self.marker_on(machine).filter(|marker| marker.env == env.name) else { continue };
            if marker.keep_until >= Some(until) {
                continue;
            }
            let key = ResourceKey::Machine { app: app.name.clone(), slot: marker.slot.clone() };
            if let Err(obstacle) = self.is_settled(&key, Rule::OpenKeyStopsUpdate) {
                self.withhold(&place, &key, &format!("mark machine {}", marker.slot), obstacle);
                continue;
            }
            let text = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string().into();
            let change = FieldChange::plain("keepUntil", marker.keep_until.map(text), Some(text(until)));
            let metadata = BTreeMap::from([(format!("{PREFIX}keep_until"), Some(until.timestamp().to_string()))]);
            let action = Action::MarkMachine { id: machine.id.clone(), metadata };
            self.step(&place, key, action, "a person wants it kept longer", vec![change], &[]);
        }
    }
}
