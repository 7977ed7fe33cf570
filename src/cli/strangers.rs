//! `hangar gc --unowned` and `--adopt`: apps that look like ours and are not, and what older tooling has left.

use super::args::{Deletions, Format, Gc, Global};
use super::exit::{CliError, Exit};
use super::gc::PATIENCE;
use super::surroundings::{Surroundings, style};
use super::{diff, output, reconcile};
use crate::controller::{Planned, Readers, apps_that_fit, plan_checked};
use crate::desired::{Completeness, Fleet, NamePattern, Wanted};
use crate::memory::Memory;
use crate::observed::Observed;
use crate::plan::{Adoption, Plan, Purpose, Request};
use crate::report;

/// Lists live apps that look like ours.
pub(super) async fn unowned(global: &Global, args: &Gc) -> Result<Exit, CliError> {
    let written: Vec<NamePattern> =
        args.pattern.iter().map(|pattern| read("--pattern", pattern)).collect::<Result<_, _>>()?;
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    let fleet = &around.loaded.fleet;
    let patterns = if written.is_empty() { patterns_of(fleet) } else { written };
    let (observed, _) = look(&around, &patterns).await?;
    let now = around.shared.clock.now();
    let (all, requests) = (report::strangers(fleet, &observed, &patterns), around.requests());
    match args.format {
        Format::Text => output::result(&report::unowned_text(&all, now, &style(global), requests)),
        Format::Markdown => output::result(&report::unowned_markdown(&all, now, requests)),
        Format::Json => output::data(&report::unowned_json(&all, requests)),
    }
    Ok(if tell_unread(global, &observed) { Exit::Failed } else { Exit::Ok })
}

/// Says what could not be listed, and whether there is such a thing.
fn tell_unread(global: &Global, observed: &Observed) -> bool {
    let mut is_unread = false;
    for (org, scope) in &observed.scopes {
        let listings = [&scope.apps.completeness, &scope.machines.completeness, &scope.volumes.completeness];
        let gap = listings.into_iter().find_map(Completeness::gap);
        if let Some(reason) = scope.out_of_reach.as_deref().or(gap) {
            output::error(global, &format!("Fly organization `{org}` cannot be read: {reason}"));
            is_unread = true;
        }
    }
    for (scope, seen) in &observed.objects {
        if let Some(reason) = seen.out_of_reach.as_deref().or(seen.objects.completeness.gap()) {
            output::error(global, &format!("{scope} cannot be read: {reason}"));
            is_unread = true;
        }
    }
    is_unread
}

/// Lists what older tooling has left, or, with a person's consent to exactly that list, marks it as ours.
pub(super) async fn adopt(global: &Global, args: &Gc, pattern: &str) -> Result<Exit, CliError> {
    let names = read("--adopt", pattern)?;
    let consent = args.deletions.acknowledge.clone().filter(|_| !args.dry_run);
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    let request =
        Request { purpose: Purpose::Adopt(Adoption { pattern: names.clone(), consent }), ..Request::default() };
    let is_consented = matches!(&request.purpose, Purpose::Adopt(Adoption { consent: Some(_), .. }));
    if is_consented {
        if args.format != Format::Text {
            return Err(CliError::Usage("`--format` is for dry runs".to_owned()));
        }
        let deletions = Deletions { acknowledge: None, allow_mass_delete: false };
        return reconcile::once(global, &around, request, &deletions, PATIENCE).await;
    }
    let (observed, memory) = look(&around, std::slice::from_ref(&names)).await?;
    let now = around.shared.clock.now();
    let request = Request { dry_run: true, ..request };
    let planned = plan_checked(&around.loaded, observed, &memory, &request, now)?;
    let Planned { plan, observed } = &planned;
    let requests = around.requests();
    match args.format {
        Format::Text => {
            output::result(&report::adoption_text(plan, observed, pattern, now, &style(global), requests));
        }
        Format::Markdown => return Err(CliError::Usage("`--adopt` has no form in Markdown".to_owned())),
        Format::Json => output::data(&report::adoption_json(plan, observed, requests)),
    }
    if diff::tell_missing_specs(global, &around) | diff::tell_gaps(global, &planned) {
        return Ok(Exit::Failed);
    }
    Ok(if is_empty(plan) { Exit::Ok } else { Exit::Changes })
}

fn is_empty(plan: &Plan) -> bool {
    plan.steps.is_empty() && plan.withheld.is_empty()
}

fn read(option: &str, pattern: &str) -> Result<NamePattern, CliError> {
    NamePattern::written(pattern).map_err(|problem| CliError::Usage(format!("`{option} {pattern}`: {problem}")))
}

/// The names that the specs give to apps: those of environments, and the patterns of sets of previews.
fn patterns_of(fleet: &Fleet) -> Vec<NamePattern> {
    let ready = fleet.environments.values().filter_map(|wanted| match wanted {
        Wanted::Ready(env) => Some(env),
        Wanted::Broken { .. } => None,
    });
    let exact = ready.flat_map(|env| &env.apps).map(|app| NamePattern::of(app.name.as_str()));
    // One that fits everything says nothing.
    let of_sets = fleet.app_names.values().flatten().filter(|pattern| pattern.has_literal()).cloned();
    of_sets.chain(exact).collect()
}

/// What is live, with the details of all apps whose names fit.
async fn look(around: &Surroundings, patterns: &[NamePattern]) -> Result<(Observed, Memory), CliError> {
    let (loaded, mut memory) = (&around.loaded, around.memory_for_looking());
    let readers = Readers::connect(loaded, &memory, &*around.variables, &around.shared)?;
    let mut observed = readers.list().await;
    let apps = apps_that_fit(&observed, patterns);
    readers.read_apps(&mut observed, loaded, &std::collections::BTreeSet::new(), &apps).await;
    memory.settle(&observed, around.shared.clock.now(), loaded.policy.timing, loaded.policy.budget.window);
    Ok((observed, memory))
}
