//! When environments end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::desired::Environment;
use crate::observed::Observed;
use crate::resource::{EnvName, OrgSlug, OwnerId};

/// When the oldest listed machine of each environment was made: what the age of an environment is counted from.
#[derive(Debug)]
pub struct Births<'o>(BTreeMap<(&'o OrgSlug, &'o EnvName), DateTime<Utc>>);

impl<'o> Births<'o> {
    /// Reads the markers of `owner` on all listed machines.
    pub fn of(observed: &'o Observed, owner: &OwnerId) -> Self {
        let mut births = BTreeMap::new();
        for (org, scope) in &observed.scopes {
            for machine in &scope.machines.items {
                if let (Some(marker), Some(created)) = (machine.owned_by(owner), machine.created_at) {
                    let oldest = births.entry((org, &marker.env)).or_insert(created);
                    *oldest = created.min(*oldest);
                }
            }
        }
        Self(births)
    }

    /// Whether any machine of the environment is there.
    pub fn has(&self, name: &EnvName) -> bool {
        self.0.keys().any(|(_, env)| *env == name)
    }

    /// When `env` ends: at its fixed moment, `max_age` after its oldest machine was made, or after too long without a push.
    pub fn expiry(&self, env: &Environment) -> Option<DateTime<Utc>> {
        let aged = env.max_age.and_then(|age| {
            let created = self.0.get(&(&env.org, &env.name))?;
            created.checked_add_signed(chrono::TimeDelta::from_std(age).ok()?)
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
