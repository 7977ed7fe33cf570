//! `hangar status`: where each environment stands.

use super::args::{Format, Global, Status};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, names, output, reconcile};
use crate::plan::Request;
use crate::report;
use crate::resource::EnvName;

pub(super) async fn run(global: &Global, args: &Status) -> Result<Exit, CliError> {
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    let asked = args.env.as_deref().map(EnvName::new);
    // One that no spec asks for (any more) is found only by looking at everything.
    let env = asked.clone().filter(|env| around.loaded.fleet.environments.contains_key(env));
    let planned = diff::look(&around, &Request { env, dry_run: true, ..Request::default() }).await?;
    let (now, requests) = (around.shared.clock.now(), around.requests());
    let mut statuses = report::status_of(&around.loaded.fleet, &planned.plan, &planned.observed, now);
    if let Some(asked) = &asked {
        if !statuses.iter().any(|status| status.name == *asked) {
            let known = statuses.iter().map(|status| status.name.as_str());
            return Err(names::unknown("environment", asked.as_str(), known));
        }
        statuses.retain(|status| status.name == *asked);
    }
    match args.format {
        Format::Text => output::result(&report::status_text(&statuses, now, &style(global), requests)),
        Format::Markdown => output::result(&report::status_markdown(&statuses, now, requests)),
        Format::Json => output::data(&report::status_json(&statuses, requests)),
    }
    Ok(if diff::tell_missing_specs(global, &around) | diff::tell_gaps(global, &planned) {
        Exit::Failed
    } else {
        Exit::Ok
    })
}
