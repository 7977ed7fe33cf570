//! Whether this machine has every value that a run needs, asked before anything is sent.

use std::collections::BTreeSet;

use super::exit::CliError;
use super::surroundings::Surroundings;
use crate::desired::{Environment, SecretValue, Wanted};
use crate::plan::Request;

/// Refuses a run whose secrets are not all at hand: half of an environment helps nobody.
pub(super) fn require(around: &Surroundings, request: &Request) -> Result<(), CliError> {
    let mut missing = BTreeSet::new();
    let mut has_secrets = false;
    for env in selected(around, request) {
        let is_selected = |component| request.component.as_ref().is_none_or(|only| only == component);
        for app in env.apps.iter().filter(|app| !env.paused && is_selected(&app.component)) {
            has_secrets |= !app.secrets.is_empty();
            missing.extend(app.secrets.values().filter_map(|value| match value {
                SecretValue::Unavailable { reason } => Some(reason.clone()),
                SecretValue::Known(_) => None,
            }));
        }
    }
    if has_secrets && around.loaded.fleet.fingerprinter.is_none() && missing.is_empty() {
        missing
            .insert(format!("there is no master key of 32 characters or more: {}", around.loaded.master_key_advice()));
    }
    if missing.is_empty() {
        return Ok(());
    }
    // Whoever goes looking for values may as well look for the tokens.
    let orgs = selected(around, request).filter_map(|env| env.org.as_ref());
    missing.extend(orgs.filter_map(|org| Some(around.loaded.token(org, &*around.variables).err()?.to_string())));
    Err(CliError::MissingValues(missing.into_iter().collect()))
}

fn selected<'a>(around: &'a Surroundings, request: &'a Request) -> impl Iterator<Item = &'a Environment> {
    let all = around.loaded.fleet.environments.iter();
    all.filter_map(|(name, wanted)| match wanted {
        Wanted::Ready(env) if request.env.as_ref().is_none_or(|only| only == name) => Some(&**env),
        _ => None,
    })
}
