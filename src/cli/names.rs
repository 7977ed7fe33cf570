//! The names that a command line gives, looked up among those that there are.

use std::collections::BTreeSet;

use super::args::Selection;
use super::exit::CliError;
use super::surroundings::Surroundings;
use crate::desired::Wanted;
use crate::plan::Request;
use crate::resource::{ComponentName, EnvName};
use crate::spec::finding::did_you_mean;

/// The request that a selection stands for; an environment or component that no spec has is an error.
pub(super) fn request(selection: &Selection, around: &Surroundings) -> Result<Request, CliError> {
    let env = selection.env.as_deref().map(|name| environment(name, around)).transpose()?;
    let component = selection.only.as_deref().map(|name| component(name, env.as_ref(), around)).transpose()?;
    Ok(Request { env, component, ..Request::default() })
}

/// The environment `name` of the specs.
pub(super) fn environment(name: &str, around: &Surroundings) -> Result<EnvName, CliError> {
    let env = EnvName::new(name);
    let environments = &around.loaded.fleet.environments;
    if environments.contains_key(&env) {
        return Ok(env);
    }
    Err(unknown("environment", name, environments.keys().map(EnvName::as_str)))
}

/// The component `name` of `env`, or of any environment.
fn component(name: &str, env: Option<&EnvName>, around: &Surroundings) -> Result<ComponentName, CliError> {
    let selected = around.loaded.fleet.environments.iter().filter(|(other, _)| env.is_none_or(|env| env == *other));
    let mut known = BTreeSet::new();
    for (_, wanted) in selected {
        match wanted {
            Wanted::Ready(env) => {
                known.extend(env.apps.iter().map(|app| app.component.as_str()));
                known.extend(env.objects.iter().map(|object| object.component.as_str()));
            }
            // Which components it has cannot be told; that it is broken is said elsewhere.
            Wanted::Broken { .. } => return Ok(ComponentName::new(name)),
        }
    }
    if known.contains(name) { Ok(ComponentName::new(name)) } else { Err(unknown("component", name, known)) }
}

/// There is no `what` called `name`, but perhaps one that was meant.
pub(super) fn unknown<'k>(what: &str, name: &str, known: impl IntoIterator<Item = &'k str>) -> CliError {
    let hint = did_you_mean(name, known).map(|hint| format!(": {hint}")).unwrap_or_default();
    CliError::Usage(format!("there is no {what} `{name}`{hint}"))
}
