//! `hangar diff`: what would change, by reads alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::actions::{self, Found};
use super::args::{Diff, Format, Global, Selection, Target};
use super::comment::{PullTarget, Speaker};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{base, comment, names, output, reconcile};
use crate::controller::{CheckAsker, Planned, Readers, plan_checked};
use crate::plan::{Purpose, Reason, Request};
use crate::report;
use crate::resource::EnvName;

pub(super) async fn run(global: &Global, args: &Diff) -> Result<Exit, CliError> {
    if let Some(reference) = &args.base {
        return base::run(global, args, reference).await;
    }
    let comment = args.comment.as_deref().map(PullTarget::find).transpose()?;
    show(global, &args.target, &args.selection, Purpose::Reconcile, &Shown { format: args.format, comment }).await
}

/// Where a look goes.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// How it is printed.
    pub(super) format: Format,
    /// The pull request that it is kept on.
    pub(super) comment: Option<PullTarget>,
}

impl Shown {
    /// Only to the terminal.
    pub(super) const TEXT: Self = Self { format: Format::Text, comment: None };
}

/// Looks, plans and prints. Only readers are connected, so that nothing can be written.
pub(super) async fn show(
    global: &Global,
    target: &Target,
    selection: &Selection,
    purpose: Purpose,
    shown: &Shown,
) -> Result<Exit, CliError> {
    let around = Surroundings::open(target).await?;
    reconcile::show_diagnostics(global, &around);
    let request = Request { purpose, dry_run: true, ..names::request(selection, &around)? };
    let planned = look(&around, &request).await?;
    let (style, requests) = (style(global), around.requests());
    let plan = &planned.plan;
    let found = Found::in_plan(&planned, requests);
    match shown.format {
        Format::Text => output::result(&report::diff_text(plan, &style, requests)),
        Format::Markdown => output::result(&found.markdown),
        Format::Json => output::data(&report::diff_json(plan, requests)),
    }
    actions::annotate_policy(plan, &around.loaded.fleet);
    actions::tell(&found)?;
    if let Some(target) = &shown.comment {
        let (settings, owner) = (around.loaded.settings.as_ref(), &around.loaded.fleet.owner);
        let speaker = Speaker { settings, variables: &*around.variables, shared: &around.shared, owner };
        let kept = comment::keep(&speaker, target, "diff", selection, &report::diff_comment(plan, found.cost)).await?;
        output::note(global, &comment::told(target, kept));
    }
    if tell_missing_specs(global, &around) | tell_gaps(global, &planned) {
        return Ok(Exit::Failed);
    }
    Ok(if found.has_changes { Exit::Changes } else { Exit::Ok })
}

/// One observation and one plan.
pub(super) async fn look(around: &Surroundings, request: &Request) -> Result<Planned, CliError> {
    let mut memory = around.memory_for_looking();
    let readers = Readers::connect(&around.loaded, &memory, &*around.variables, &around.shared)?;
    let readers = readers.asking(CheckAsker::new(Arc::clone(&around.variables)));
    let environments: BTreeSet<EnvName> = match (&request.env, &request.purpose) {
        (Some(env), _) | (None, Purpose::Destroy(env) | Purpose::Extend(env, _)) => BTreeSet::from([env.clone()]),
        (None, Purpose::Collect) => around.loaded.with_end_and_finalizers(),
        (None, Purpose::Adopt(_)) => BTreeSet::new(),
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
    for (place, reason) in &out_of_reach {
        output::error(global, &format!("{place} cannot be read: {reason}"));
    }
    let is_gap = |reason| matches!(reason, Reason::ObservationIncomplete | Reason::SpecBroken);
    let has_gaps = planned.plan.withheld.iter().any(|withheld| is_gap(withheld.reason));
    if has_gaps && out_of_reach.is_empty() {
        output::error(global, "not everything could be read or evaluated, so this is not the whole picture");
    }
    has_gaps || !out_of_reach.is_empty()
}
