//! `hangar status`: where each environment stands.

use super::args::{Format, Global, Selection, Status};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, output, reconcile};
use crate::plan::Request;
use crate::report;

pub(super) async fn run(global: &Global, args: &Status) -> Result<Exit, CliError> {
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    let selection = Selection { env: args.env.clone(), only: None };
    let request = Request { dry_run: true, ..diff::request(&selection, &around)? };
    let planned = diff::look(&around, &request).await?;
    let (now, requests) = (around.shared.clock.now(), around.requests());
    let statuses = report::status_of(&around.loaded.fleet, &planned.plan, &planned.observed, now);
    output::result(&match args.format {
        Format::Text => report::status_text(&statuses, now, &style(global), requests),
        Format::Markdown => report::status_markdown(&statuses, now, requests),
        Format::Json => report::status_json(&statuses, requests),
    });
    Ok(Exit::Ok)
}
