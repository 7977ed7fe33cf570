//! When environments end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::desired::Environment;
use crate::observed::Observed;
use crate::resource::{EnvName, OrgSlug, OwnerId};

/// How long before its end an environment is said to end soon.
pub const SOON: TimeDelta = TimeDelta::hours(1);

/// What the listed machines of each environment say of its life.
#[derive(Debug)]
pub struct Births<'o>(BTreeMap<(&'o OrgSlug, &'o EnvName), Life>);

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
        Self(births)
    }

    /// Whether any machine of the environment is there.
    pub fn has(&self, name: &EnvName) -> bool {
        self.0.iter().any(|((_, env), life)| *env == name && life.born.is_some())
    }

    /// Until when a person wants `env` kept, as marked on its machines.
    pub fn kept_until(&self, env: &Environment) -> Option<DateTime<Utc>> {
        self.0.get(&(&env.org, &env.name))?.kept_until
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
        let aged = env.max_age.and_then(|age| {
            let created = self.0.get(&(&env.org, &env.name))?.born?;
            created.checked_add_signed(TimeDelta::from_std(age).ok()?)
        });
        env.expires_at.into_iter().chain(env.idle_at).chain(aged).min()
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
