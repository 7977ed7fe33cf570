//! `hangar gc`: collects what is ours and no spec asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::actions::{self, Found};
use super::args::{Format, Gc, Global};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, output, reconcile, strangers};
use crate::controller::{CheckAsker, Planned, Readers, forecast, plan_checked};
use crate::desired::{Fleet, Wanted};
use crate::memory::Memory;
use crate::observed::Observed;
use crate::plan::{Births, Collected, Purpose, Request};
use crate::report::{self, Collection};
use crate::resource::{AppName, EnvName, OrgSlug};

/// The longest that is waited for the quarantine after a lost store.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

pub(super) async fn run(global: &Global, args: &Gc) -> Result<Exit, CliError> {
    if args.unowned {
        return strangers::unowned(global, args).await;
    }
    if let Some(pattern) = &args.adopt {
        return strangers::adopt(global, args, pattern).await;
    }
    if args.dry_run || args.at.is_some() {
        return show(global, args).await;
    }
    if args.format != Format::Text {
        return Err(CliError::Usage("`--format` is for dry runs".to_owned()));
    }
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    reconcile::warn_of_unnamed_orgs(global, &around);
    let request = Request {
        purpose: Purpose::Collect,
        allow_mass_delete: args.deletions.allow_mass_delete,
        ..Request::default()
    };
    reconcile::once(global, &around, request, &args.deletions, PATIENCE).await
}

/// Shows what is collected now, or by a later moment. Only readers are connected.
async fn show(global: &Global, args: &Gc) -> Result<Exit, CliError> {
    let around = Surroundings::open(&args.target).await?;
    let (loaded, now) = (&around.loaded, around.shared.clock.now());
    let until = args.at.as_deref().map(|at| later(at, now)).transpose()?;
    reconcile::show_diagnostics(global, &around);
    let (observed, memory) = look(&around, until.unwrap_or(now)).await?;
    let now = around.shared.clock.now();
    let request = Request { purpose: Purpose::Collect, dry_run: true, ..Request::default() };
    let (planned, gone): (Planned, Vec<Collected>) = match until {
        None => (plan_checked(loaded, observed.clone(), &memory, &request, now)?, Vec::new()),
        Some(until) => {
            let forecast = forecast(loaded, observed.clone(), &memory, &request, now, until)?;
            (forecast.last, forecast.collected)
        }
    };
    let collection = Collection::of(&planned.plan, gone, &loaded.fleet, &observed, now, loaded.policy.grace);
    let requests = around.requests();
    let markdown = report::gc_markdown(&collection, requests);
    match args.format {
        Format::Text => output::result(&report::gc_text(&collection, &style(global), requests)),
        Format::Markdown => output::result(&markdown),
        Format::Json => output::data(&report::gc_json(&collection, requests)),
    }
    let in_plan = Found::in_plan(&planned, requests);
    let found = Found { has_changes: in_plan.has_changes || !collection.gone.is_empty(), markdown, ..in_plan };
    actions::tell(&found)?;
    if diff::tell_missing_specs(global, &around) | diff::tell_gaps(global, &planned) {
        return Ok(Exit::Failed);
    }
    Ok(if found.has_changes { Exit::Changes } else { Exit::Ok })
}

/// The moment that `+48h` names.
fn later(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    let wrong = |problem: String| CliError::Usage(format!("`--at {text}`: {problem}"));
    let length = text.strip_prefix('+').ok_or_else(|| wrong("write how long from now, as in `+48h`".to_owned()))?;
    let length = crate::spec::Duration::parse(length).map_err(wrong)?;
    let until = TimeDelta::from_std(length.to_std()).ok().and_then(|length| now.checked_add_signed(length));
    until.ok_or_else(|| wrong("it is too long".to_owned()))
}

/// What is live, with the details of everything that may be collected by `until`.
async fn look(around: &Surroundings, until: DateTime<Utc>) -> Result<(Observed, Memory), CliError> {
    let (loaded, mut memory) = (&around.loaded, around.memory_for_looking());
    let readers = Readers::connect(loaded, &memory, &*around.variables, &around.shared)?;
    let readers = readers.asking(CheckAsker::new(Arc::clone(&around.variables)));
    let mut observed = readers.list().await;
    let (expiring, apps) = (expiring(&observed, &loaded.fleet, until), unwanted(&observed, &loaded.fleet));
    readers.read_apps(&mut observed, loaded, &expiring, &apps).await;
    memory.settle(&observed, around.shared.clock.now(), loaded.policy.timing, loaded.policy.budget.window);
    Ok((observed, memory))
}

/// The environments that a spec asks for and that end by `until`.
fn expiring(observed: &Observed, fleet: &Fleet, until: DateTime<Utc>) -> BTreeSet<EnvName> {
    let births = Births::of(observed, &fleet.owner);
    let ends = |wanted: &Wanted| match wanted {
        Wanted::Ready(env) => births.expiry(env).is_some_and(|at| at <= until),
        Wanted::Broken { .. } => false,
    };
    fleet.environments.iter().filter(|(_, wanted)| ends(wanted)).map(|(name, _)| name.clone()).collect()
}

/// The apps that are marked as ours, and that no environment of the specs asks for.
fn unwanted(observed: &Observed, fleet: &Fleet) -> BTreeMap<OrgSlug, BTreeSet<AppName>> {
    let ready = fleet.environments.values().filter_map(|wanted| match wanted {
        Wanted::Ready(env) => Some(env),
        Wanted::Broken { .. } => None,
    });
    let wanted: BTreeSet<&AppName> = ready.flat_map(|env| &env.apps).map(|app| &app.name).collect();
    let mut unwanted: BTreeMap<OrgSlug, BTreeSet<AppName>> = BTreeMap::new();
    for (org, scope) in &observed.scopes {
        let ours = scope.machines.items.iter().filter(|machine| machine.owned_by(&fleet.owner).is_some());
        let apps = ours.map(|machine| machine.app.clone()).filter(|app| !wanted.contains(app));
        unwanted.insert(org.clone(), apps.collect());
    }
    unwanted
}
