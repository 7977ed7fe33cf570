//! Garbage collection for people and programs: what goes now, what goes later, what is held, what is kept, and what all of that is.

mod json;
mod markdown;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::plan_cost::cost_of_app;
use crate::cost::{self, Cost};
use crate::desired::Fleet;
use crate::observed::Observed;
use crate::plan::{Action, Births, Collected, Plan, Reason, Step};
use crate::resource::{AppName, EnvName, ObjectKey, ResourceKey, Subject};

pub use json::gc_json;
pub use markdown::gc_markdown;
pub use text::gc_text;
pub(super) use text::monthly;

/// What is collected.
#[derive(Debug, Clone)]
pub struct Collection<'p> {
    /// When it was looked.
    pub seen_at: DateTime<Utc>,
    /// The plan for then, or for the later moment that was asked for.
    pub plan: &'p Plan,
    /// What has gone when that plan is made.
    pub gone: Vec<Collected>,
    /// The environments that go, by name.
    pub departures: Vec<Departure>,
}

/// An environment that goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Departure {
    /// Its name.
    pub env: EnvName,
    /// When.
    pub goes: Goes,
    /// Why.
    pub reason: String,
    /// Its apps that go.
    pub apps: Vec<AppName>,
    /// What goes of it at other providers.
    pub objects: Vec<ObjectKey>,
    /// When its oldest machine was made.
    pub born_at: Option<DateTime<Utc>>,
    /// Whose it is: the author of its pull request, or the set that it is of.
    pub owner: Option<String>,
    /// The newest push, where that is known.
    pub pushed_at: Option<DateTime<Utc>>,
    /// What it costs a month until then.
    pub cost: Cost,
}

/// When an environment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", tag = "goes", content = "at")]
pub enum Goes {
    /// In the next pass.
    Now,
    /// At this moment, if nothing changes before.
    At(DateTime<Utc>),
    /// Something keeps it until a person acts, or until more is known.
    Held,
}

impl<'p> Collection<'p> {
    /// What `plan` collects, made from `observed` (or after `gone` had gone from it), where orphans have this grace.
    pub fn of(
        plan: &'p Plan,
        gone: Vec<Collected>,
        fleet: &Fleet,
        observed: &Observed,
        seen_at: DateTime<Utc>,
        grace: Duration,
    ) -> Self {
        let mut found: BTreeMap<&EnvName, Found> = BTreeMap::new();
        for app in &gone {
            found.entry(&app.env).or_default().add_subject(&app.subject, Goes::At(app.at), &app.reason);
        }
        let after_grace = TimeDelta::from_std(grace).ok().and_then(|grace| plan.made_at.checked_add_signed(grace));
        for step in &plan.steps {
            let goes = if matches!(
                step.action,
                Action::DeleteApp { .. } | Action::DeleteObject { .. } | Action::Finalize { .. }
            ) {
                Goes::Now
            } else if is_tombstone(step) {
                Goes::At(after_grace.unwrap_or(DateTime::<Utc>::MAX_UTC))
            } else {
                Goes::Held
            };
            found.entry(&step.env).or_default().add(&step.key, goes, &step.reason);
        }
        for withheld in &plan.withheld {
            let goes = match (withheld.reason, withheld.until) {
                (Reason::Grace, Some(until)) => Goes::At(until),
                _ => Goes::Held,
            };
            let entry = found.entry(&withheld.env).or_default();
            match &withheld.key {
                Some(key) => entry.add(key, goes, &withheld.message),
                None => entry.add_all(marked(observed, fleet, &withheld.env), goes, &withheld.message),
            }
        }
        let births = Births::of(observed, &fleet.owner);
        let departures = found.into_iter().map(|(env, found)| found.into_departure(env, fleet, observed, &births));
        Self { seen_at, plan, departures: departures.collect(), gone }
    }

    /// What all of it costs a month.
    pub fn cost(&self) -> Cost {
        self.departures.iter().map(|departure| departure.cost).fold(Cost::ZERO, Cost::plus)
    }

    /// Whether the plan is for a moment to come.
    fn is_forecast(&self) -> bool {
        self.plan.made_at > self.seen_at
    }
}

/// What was found of one environment.
#[derive(Default)]
struct Found {
    apps: BTreeSet<AppName>,
    objects: BTreeSet<ObjectKey>,
    /// When its last part goes.
    goes: Option<Goes>,
    reason: String,
}

impl Found {
    fn add(&mut self, key: &ResourceKey, goes: Goes, reason: &str) {
        self.add_subject(&key.subject(), goes, reason);
    }

    fn add_subject(&mut self, subject: &Subject, goes: Goes, reason: &str) {
        let app = match subject {
            Subject::App(app) => Some(app.clone()),
            Subject::Object(object) => {
                self.objects.insert(object.clone());
                None
            }
        };
        self.add_all(app, goes, reason);
    }

    fn add_all(&mut self, apps: impl IntoIterator<Item = AppName>, goes: Goes, reason: &str) {
        self.apps.extend(apps);
        if self.goes.is_none_or(|before| before < goes) {
            (self.goes, self.reason) = (Some(goes), reason.to_owned());
        }
    }

    fn into_departure(self, env: &EnvName, fleet: &Fleet, observed: &Observed, births: &Births<'_>) -> Departure {
        let provenance = fleet.provenances.get(env);
        let author = provenance.and_then(|provenance| provenance.author.clone());
        let born_at = observed.scopes.keys().filter_map(|org| births.born(org, env)).min();
        let apps = self.apps.iter().map(|app| cost_of_app(observed, app));
        let objects = self.objects.iter().map(|key| cost::object(key.object));
        let cost = apps.chain(objects).fold(Cost::ZERO, Cost::plus);
        Departure {
            env: env.clone(),
            goes: self.goes.unwrap_or(Goes::Held),
            reason: self.reason,
            apps: self.apps.into_iter().collect(),
            objects: self.objects.into_iter().collect(),
            born_at,
            owner: author.or_else(|| set_of(observed, fleet, env).map(|set| format!("set {set}"))),
            pushed_at: provenance.and_then(|provenance| provenance.pushed_at),
            cost,
        }
    }
}

/// Whether a step marks an orphan as one, so that its grace begins.
fn is_tombstone(step: &Step) -> bool {
    match &step.action {
        Action::MarkMachine { metadata: marks, .. } | Action::MarkObject { marks, .. } => {
            marks.get("hangar_tombstone").is_some_and(Option::is_some)
        }
        Action::SetSecrets(_) => true,
        _ => false,
    }
}

/// The apps whose machines are marked as this environment's.
fn marked(observed: &Observed, fleet: &Fleet, env: &EnvName) -> Vec<AppName> {
    let machines = observed.scopes.values().flat_map(|scope| &scope.machines.items);
    let of_env = machines.filter(|machine| machine.owned_by(&fleet.owner).is_some_and(|marker| marker.env == *env));
    of_env.map(|machine| machine.app.clone()).collect()
}

/// The set of previews that an environment is marked as one of.
fn set_of(observed: &Observed, fleet: &Fleet, env: &EnvName) -> Option<String> {
    let machines = observed.scopes.values().flat_map(|scope| &scope.machines.items);
    let markers = machines.filter_map(|machine| machine.owned_by(&fleet.owner));
    markers.filter(|marker| marker.env == *env).find_map(|marker| marker.set.clone())
}
