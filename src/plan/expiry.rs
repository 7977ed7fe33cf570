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

    /// When `env` ends: at its fixed moment, or `max_age` after its oldest machine was made.
    pub fn expiry(&self, env: &Environment) -> Option<DateTime<Utc>> {
        let aged = env.max_age.and_then(|age| {
            let created = self.0.get(&(&env.org, &env.name))?;
            created.checked_add_signed(chrono::TimeDelta::from_std(age).ok()?)
        });
        env.expires_at.into_iter().chain(aged).min()
    }
}
