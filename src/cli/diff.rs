//! `hangar diff`: what would change, by reads alone.

use std::collections::BTreeSet;

use super::args::{Diff, Format, Global, Selection, Target};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{names, output, reconcile};
use crate::controller::{Planned, Readers, plan_checked};
use crate::plan::{Purpose, Reason, Request, Standing};
use crate::report;
use crate::resource::EnvName;

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
    let request = Request { purpose, dry_run: true, ..names::request(selection, &around)? };
    let planned = look(&around, &request).await?;
    let (style, requests) = (style(global), around.requests());
    output::result(&match format {
        Format::Text if request.purpose == Purpose::Collect => report::gc_text(&planned.plan, &style, requests),
        Format::Text => report::diff_text(&planned.plan, &style, requests),
        Format::Markdown => report::diff_markdown(&planned.plan, requests),
        Format::Json => report::diff_json(&planned.plan, requests),
    });
    if tell_missing_specs(global, &around) | tell_gaps(global, &planned) {
        return Ok(Exit::Failed);
    }
    let has_changes = planned.plan.environments.keys().any(|env| planned.plan.standing(env) != Standing::Converged);
    Ok(if has_changes { Exit::Changes } else { Exit::Ok })
}

/// One observation and one plan.
pub(super) async fn look(around: &Surroundings, request: &Request) -> Result<Planned, CliError> {
    let mut memory = around.memory_for_looking();
    let readers = Readers::connect(&around.loaded, &memory, &*around.variables, &around.shared)?;
    let environments: BTreeSet<EnvName> = match (&request.env, &request.purpose) {
        (Some(env), _) | (None, Purpose::Destroy(env) | Purpose::Extend(env, _)) => BTreeSet::from([env.clone()]),
        (None, Purpose::Collect) => BTreeSet::new(),
        (None, Purpose::Reconcile) => around.loaded.fleet.environments.keys().cloned().collect(),
    };
    let mut observed = readers.list().await;
    readers.read_details(&mut observed, &around.loaded, &environments).await;
    let now = around.shared.clock.now();
    memory.settle(&observed, now, around.loaded.policy.timing, around.loaded.policy.budget.window);
    Ok(plan_checked(&around.loaded, observed, &memory, request, now)?)
}

/// Says whether all that is asked for is known, and what is not.
pub(super) fn tell_missing_specs(global: &Global, around: &Surroundings) -> bool {
    let fleet = &around.loaded.fleet;
    let collected = if fleet.source.is_complete() { "not everything is collected" } else { "nothing is collected" };
    for reason in fleet.gaps() {
        output::error(global, &format!("not all that is asked for is known, so {collected}: {reason}"));
    }
    fleet.gaps().next().is_some()
}

/// Says what could not be read or evaluated, and whether there is such a thing: then what is shown is not the whole truth.
pub(super) fn tell_gaps(global: &Global, planned: &Planned) -> bool {
    let out_of_reach: Vec<_> = planned.out_of_reach().collect();
    for (org, reason) in &out_of_reach {
        output::error(global, &format!("Fly organization `{org}` cannot be read: {reason}"));
    }
    let is_gap = |reason| matches!(reason, Reason::ObservationIncomplete | Reason::SpecBroken);
    let has_gaps = planned.plan.withheld.iter().any(|withheld| is_gap(withheld.reason));
    if has_gaps && out_of_reach.is_empty() {
        output::error(global, "not everything could be read or evaluated, so this is not the whole picture");
    }
    has_gaps || !out_of_reach.is_empty()
}
