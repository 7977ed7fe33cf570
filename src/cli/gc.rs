//! `hangar gc`: collects what is ours and no spec asks for.

use std::time::Duration;

use super::args::{Gc, Global, Selection};
use super::exit::{CliError, Exit};
use super::surroundings::Surroundings;
use super::{diff, reconcile};
use crate::plan::{Purpose, Request};

/// The longest that is waited for the quarantine after a lost store.
const PATIENCE: Duration = Duration::from_mins(3);

pub(super) async fn run(global: &Global, args: &Gc) -> Result<Exit, CliError> {
    if args.dry_run {
        let everything = Selection { env: None, only: None };
        return diff::show(global, &args.target, &everything, Purpose::Collect, &diff::Shown::TEXT).await;
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
