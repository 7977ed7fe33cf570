//! `hangar diff`: what would change, by reads alone.

use std::collections::BTreeSet;

use super::args::{Diff, Format, Global, Selection, Target};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{output, reconcile};
use crate::controller::{Planned, Readers, plan_checked};
use crate::desired::Wanted;
use crate::plan::{Purpose, Request, Standing};
use crate::report;
use crate::resource::{ComponentName, EnvName};
use crate::spec::finding::nearest_help;

pub(super) async fn run(global: &Global, args: &Diff) -> Result<Exit, CliError> {
    show(global, &args.target, &args.selection, Purpose::Reconcile, args.format).await
}

/// Looks, plans and prints. Only readers are connected, so that nothing can be written.
pub(super) async fn show(
    global: &Global,
    target: &Target,
    selection: &Selection,
    purpose: Purpose,
    format: Format,
) -> Result<Exit, CliError> {
    let around = Surroundings::open(target).await?;
    reconcile::show_diagnostics(global, &around);
    let request = Request { purpose, dry_run: true, ..request(selection, &around)? };
    let planned = look(&around, &request).await?;
    let (style, requests) = (style(global), around.requests());
    output::result(&match format {
        Format::Text if request.purpose == Purpose::Collect => report::gc_text(&planned.plan, &style, requests),
        Format::Text => report::diff_text(&planned.plan, &style, requests),
        Format::Markdown => report::diff_markdown(&planned.plan, requests),
        Format::Json => report::diff_json(&planned.plan, requests),
    });
    let has_changes = planned.plan.environments.keys().any(|env| planned.plan.standing(env) != Standing::Converged);
    Ok(if has_changes { Exit::Changes } else { Exit::Ok })
}

/// One observation and one plan.
pub(super) async fn look(around: &Surroundings, request: &Request) -> Result<Planned, CliError> {
    let readers = Readers::connect(&around.loaded, &*around.variables, &around.shared)?;
    let environments: BTreeSet<EnvName> = match (&request.env, &request.purpose) {
        (Some(env), _) | (None, Purpose::Destroy(env)) => BTreeSet::from([env.clone()]),
        (None, Purpose::Collect) => BTreeSet::new(),
        (None, Purpose::Reconcile) => around.loaded.fleet.environments.keys().cloned().collect(),
    };
    let mut observed = readers.list().await;
    readers.read_details(&mut observed, &around.loaded, &environments).await;
    let (mut memory, now) = (around.memory_for_looking(), around.shared.clock.now());
    memory.settle(&observed, now, around.loaded.policy.timing, around.loaded.policy.budget.window);
    Ok(plan_checked(&around.loaded, observed, &memory, request, now)?)
}

/// The request that a selection stands for; an environment or component that no spec has is an error.
pub(super) fn request(selection: &Selection, around: &Surroundings) -> Result<Request, CliError> {
    let environments = &around.loaded.fleet.environments;
    let env = selection.env.as_deref().map(|name| known_environment(name, around)).transpose()?;
    let component = selection.only.as_deref().map(ComponentName::new);
    if let Some(component) = &component {
        let chosen = environments.iter().filter(|(name, _)| env.as_ref().is_none_or(|env| env == *name));
        let (mut known, mut is_complete) = (BTreeSet::new(), true);
        for (_, wanted) in chosen {
            match wanted {
                Wanted::Ready(env) => known.extend(env.apps.iter().map(|app| app.component.as_str())),
                // Its components are not known, so it may have this one.
                Wanted::Broken { .. } => is_complete = false,
            }
        }
        if is_complete && !known.contains(component.as_str()) {
            return Err(unknown("component", component.as_str(), &known));
        }
    }
    Ok(Request { env, component, ..Request::default() })
}

/// The environment of this name, if a spec has it.
pub(super) fn known_environment(name: &str, around: &Surroundings) -> Result<EnvName, CliError> {
    let known: BTreeSet<&str> = around.loaded.fleet.environments.keys().map(EnvName::as_str).collect();
    if known.contains(name) { Ok(EnvName::new(name)) } else { Err(unknown("environment", name, &known)) }
}

fn unknown(what: &str, name: &str, known: &BTreeSet<&str>) -> CliError {
    let hint = match nearest_help(name, known.iter().copied()) {
        Some(question) => question,
        None if known.is_empty() => "the specs have none".to_owned(),
        None => format!("the specs have {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    CliError::Usage(format!("there is no {what} `{name}`: {hint}"))
}
