//! Whose an app is, by the evidence on it.

use std::collections::BTreeSet;

use super::{AppRow, Machine, Secret};
use crate::resource::marker::{self, network_slot};
use crate::resource::{ComponentName, EnvName, OwnerId};

/// What the markers on an app say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// It is ours.
    Ours {
        /// The environment its machines name; absent while it has no marked machine.
        env: Option<EnvName>,
        /// The component its machines name.
        component: Option<ComponentName>,
        /// Whether we created it, so that everything in it goes with it. An adopted app may hold what is not ours.
        created_by_us: bool,
    },
    /// It is not, or cannot be shown to be.
    NotOurs {
        /// What the evidence says.
        reason: String,
    },
}

/// Reads the evidence on an app: its network's name, the markers on its machines, and the names of its secrets.
pub fn ownership<'a>(
    owner: &OwnerId,
    app: &AppRow,
    machines: impl Iterator<Item = &'a Machine>,
    secrets: &[Secret],
) -> Ownership {
    let born_ours = network_slot(owner, &app.network).is_some();
    let mut environments = BTreeSet::new();
    let mut component = None;
    let mut others = BTreeSet::new();
    let mut unreadable = None;
    for machine in machines.filter(|machine| machine.is_live()) {
        match machine.owned_by(owner) {
            Some(marker) => {
                environments.insert(marker.env.clone());
                component.get_or_insert_with(|| marker.component.clone());
            }
            None => match &machine.marker {
                Some(Ok(marker)) if marker.owner != *owner => drop(others.insert(marker.owner.clone())),
                Some(Err(error)) => unreadable = Some(format!("machine {}: {error}", machine.id)),
                _ => {}
            },
        }
    }
    let marker_secret = marker::app_marker_secret(owner, &app.name);
    let marked_by_secret = secrets.iter().any(|secret| secret.name == marker_secret);
    if environments.len() > 1 {
        let names: Vec<&str> = environments.iter().map(EnvName::as_str).collect();
        return Ownership::NotOurs {
            reason: format!("its machines carry markers of several environments: {}", names.join(", ")),
        };
    }
    if let Some(env) = environments.pop_first() {
        return Ownership::Ours { env: Some(env), component, created_by_us: born_ours || marked_by_secret };
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(OwnerId::as_str).collect();
        return Ownership::NotOurs { reason: format!("its machines carry the marker of owner {}", names.join(", ")) };
    }
    if let Some(reason) = unreadable {
        return Ownership::NotOurs { reason };
    }
    if born_ours || marked_by_secret {
        return Ownership::Ours { env: None, component: None, created_by_us: true };
    }
    Ownership::NotOurs { reason: "it carries no marker of ours".to_owned() }
}
