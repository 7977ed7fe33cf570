//! When environments end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use sha2::Digest as _;

use super::planner::Planner;
use crate::desired::{App, Environment, Fleet, Wanted};
use crate::observed::Observed;
use crate::resource::{EnvName, OrgSlug, OwnerId};

/// How long before its end an environment is said to end soon.
pub const SOON: TimeDelta = TimeDelta::hours(1);

/// What the listed machines of each environment say of its life.
#[derive(Debug)]
pub struct Births<'o> {
    lives: BTreeMap<(&'o OrgSlug, &'o EnvName), Life>,
    /// Environments of which a machine or an object is there, wherever.
    born: BTreeSet<&'o EnvName>,
    /// When the oldest object at another provider of each environment was made.
    objects: BTreeMap<&'o EnvName, DateTime<Utc>>,
}

/// The life of one environment.
#[derive(Debug, Default)]
struct Life {
    /// When its oldest machine was made: what its age is counted from.
    born: Option<DateTime<Utc>>,
    /// Until when a person wants it kept.
    kept_until: Option<DateTime<Utc>>,
}

impl<'o> Births<'o> {
    /// Reads the markers of `owner` on all listed machines.
    pub fn of(observed: &'o Observed, owner: &OwnerId) -> Self {
        let mut births: BTreeMap<_, Life> = BTreeMap::new();
        for (org, scope) in &observed.scopes {
            for machine in &scope.machines.items {
                if let (Some(marker), Some(created)) = (machine.owned_by(owner), machine.created_at) {
                    let life = births.entry((org, &marker.env)).or_default();
                    life.born = Some(life.born.map_or(created, |born| born.min(created)));
                }
            }
            let details = scope.details.values().filter_map(|detail| detail.machines.known()).flatten();
            for machine in scope.machines.items.iter().chain(details).filter(|machine| machine.is_live()) {
                if let Some(marker) = machine.owned_by(owner)
                    && marker.keep_until.is_some()
                {
                    let life = births.entry((org, &marker.env)).or_default();
                    life.kept_until = life.kept_until.max(marker.keep_until);
                }
            }
        }
        let mut objects: BTreeMap<&EnvName, DateTime<Utc>> = BTreeMap::new();
        for object in observed.all_objects() {
            if let (Some(marker), Some(created)) = (object.owned_by(owner), object.created_at) {
                let born = objects.entry(&marker.env).or_insert(created);
                *born = created.min(*born);
            }
        }
        let born = births.iter().filter(|(_, life)| life.born.is_some()).map(|((_, env), _)| *env);
        let born = born.chain(objects.keys().copied()).collect();
        Self { lives: births, born, objects }
    }

    /// Whether any machine or object of the environment is there.
    pub fn has(&self, name: &EnvName) -> bool {
        self.born.contains(name)
    }

    /// When the oldest machine of an environment in `org` was made, whether or not a spec asks for it.
    pub fn born(&self, org: &OrgSlug, env: &EnvName) -> Option<DateTime<Utc>> {
        self.lives.get(&(org, env))?.born
    }

    /// Until when a person wants `env` kept, as marked on its machines.
    pub fn kept_until(&self, env: &Environment) -> Option<DateTime<Utc>> {
        self.lives.get(&(env.org.as_ref()?, &env.name))?.kept_until
    }

    /// When `env` ends: at its fixed moment, `max_age` after its oldest machine was made, or after too long without a push; and not
    /// before the moment until which a person wants it kept.
    pub fn expiry(&self, env: &Environment) -> Option<DateTime<Utc>> {
        let end = self.end(env)?;
        let by_comment = env.preview.as_ref().and_then(|preview| preview.kept_until);
        self.kept_until(env).into_iter().chain(by_comment).chain([end]).max()
    }

    /// The same, whatever a person wants.
    fn end(&self, env: &Environment) -> Option<DateTime<Utc>> {
        env.expires_at.into_iter().chain(env.idle_at).chain(self.end_by_age(env)).min()
    }

    /// When its age ends it.
    fn end_by_age(&self, env: &Environment) -> Option<DateTime<Utc>> {
        let of_machines = env.org.as_ref().and_then(|org| self.lives.get(&(org, &env.name))?.born);
        let created = of_machines.into_iter().chain(self.objects.get(&env.name).copied()).min()?;
        created.checked_add_signed(TimeDelta::from_std(env.max_age?).ok()?)
    }
}

/// The environments whose age has ended them by `now`, each with what it is now: what is gone says no more how old it was.
pub fn ended_by_age(fleet: &Fleet, observed: &Observed, now: DateTime<Utc>) -> BTreeMap<EnvName, String> {
    let aging = fleet.environments.values().filter_map(|wanted| match wanted {
        Wanted::Ready(env) if env.max_age.is_some() => Some(env.as_ref()),
        _ => None,
    });
    let aging: Vec<&Environment> = aging.collect();
    if aging.is_empty() {
        return BTreeMap::new();
    }
    let births = Births::of(observed, &fleet.owner);
    let is_past = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= now);
    let ended = aging.into_iter().filter(|env| is_past(births.end_by_age(env)) && is_past(births.expiry(env)));
    ended.map(|env| (env.name.clone(), stamp(env))).collect()
}

/// What an environment is: of a preview its commit, else what its spec asks for. Something else begins its life anew.
fn stamp(env: &Environment) -> String {
    let preview = env.preview.as_ref().and_then(|preview| Some((preview.sha.as_ref()?, preview.redeploy)));
    let what = if let Some(of_commit) = preview {
        serde_json::json!([env.max_age, of_commit])
    } else {
        let configs = |app: &App| app.machines.iter().map(|machine| machine.config.clone()).collect::<Vec<_>>();
        let apps: Vec<_> = env.apps.iter().map(|app| (app.name.as_str().to_owned(), configs(app))).collect();
        serde_json::json!([env.max_age, apps])
    };
    hex::encode(sha2::Sha256::digest(what.to_string()).get(..8).unwrap_or_default())
}

impl Planner<'_> {
    /// Whether `env` has come to its end by its age before, is gone, and is still the same: then it does not begin anew.
    pub(super) fn has_had_its_time(&self, env: &Environment) -> bool {
        let is_kept = env.preview.as_ref().and_then(|preview| preview.kept_until).is_some_and(|until| until > self.now);
        env.max_age.is_some()
            && !is_kept
            && !self.births.has(&env.name)
            && self.memory.expired.get(&env.name).is_some_and(|before| *before == stamp(env))
    }
}

/// What is said of an environment that does not begin anew.
pub(super) fn had_its_time(env: &Environment) -> String {
    match &env.preview {
        Some(preview) => format!("it was as old as it may be; a push to {} brings it back", preview.subject),
        None => "it was as old as its `ttl` lets it be; a change of its spec brings it back".to_owned(),
    }
}

/// That `env` has expired at `at`, for people, and what brings it back.
pub(super) fn expired(env: &Environment, at: DateTime<Utc>) -> String {
    let at_text = at.format("%Y-%m-%d %H:%M UTC");
    match &env.preview {
        Some(preview) if env.idle_at == Some(at) => {
            format!(
                "expired at {at_text}, because nothing had happened in {} for long; a push brings it back",
                preview.subject
            )
        }
        _ => format!("expired at {at_text}"),
    }
}

/// That `env` is about to expire at `at`, for people, and what keeps it.
pub(super) fn expires_soon(env: &Environment, at: DateTime<Utc>) -> String {
    let at_text = at.format("%Y-%m-%d %H:%M UTC");
    let command = format!("`hangar extend {} 48h`", env.name);
    match &env.preview {
        Some(preview) if preview.url.is_some() => {
            format!("expires at {at_text}; {command}, or the label `preview:keep` on {}, keeps it", preview.subject)
        }
        _ => format!("expires at {at_text}; {command} keeps it"),
    }
}
