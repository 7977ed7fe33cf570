//! Whether this machine has every value that a run needs, asked before anything is sent.

use std::collections::BTreeSet;

use super::exit::CliError;
use super::surroundings::Surroundings;
use crate::desired::{SecretValue, Wanted};
use crate::plan::Request;

/// Refuses a run whose secrets are not all at hand: half of an environment helps nobody.
pub(super) fn require(around: &Surroundings, request: &Request) -> Result<(), CliError> {
    let selected =
        around.loaded.fleet.environments.iter().filter(|(name, _)| request.env.as_ref().is_none_or(|env| env == *name));
    let mut missing = BTreeSet::new();
    let mut has_secrets = false;
    for (_, wanted) in selected {
        let Wanted::Ready(env) = wanted else { continue };
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
    if missing.is_empty() { Ok(()) } else { Err(CliError::MissingValues(missing.into_iter().collect())) }
}
