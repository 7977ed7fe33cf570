//! `hangar extend`: keeps one environment for a while, whatever its time to live.

use std::time::Duration;

use chrono::TimeDelta;

use super::args::{Deletions, Extend, Global};
use super::exit::{CliError, Exit};
use super::surroundings::Surroundings;
use super::{names, output, reconcile};
use crate::desired::{Wanted, too_long};
use crate::plan::{Purpose, Request};
use crate::spec::validate::TTL_BOUNDS;

/// The longest that is waited for a write of our own to show.
const PATIENCE: Duration = Duration::from_mins(3);

pub(super) async fn run(global: &Global, args: &Extend) -> Result<Exit, CliError> {
    let wrong = |problem: String| CliError::Usage(format!("`{}`: {problem}", args.length));
    let length = crate::spec::Duration::parse(&args.length).map_err(wrong)?;
    if length.to_std() < TTL_BOUNDS.0 || length.to_std() > TTL_BOUNDS.1 {
        return Err(wrong("it is not between `1m` and `3650d`".to_owned()));
    }
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    let env = names::environment(&args.env, &around)?;
    let is_preview =
        matches!(around.loaded.fleet.environments.get(&env), Some(Wanted::Ready(env)) if env.preview.is_some());
    let longest = around.loaded.policy.max_preview_ttl.filter(|longest| is_preview && length.to_std() > *longest);
    if let Some(longest) = longest {
        return Err(CliError::Usage(too_long(length, longest)));
    }
    let length = TimeDelta::from_std(length.to_std()).unwrap_or(TimeDelta::MAX);
    let until = around.shared.clock.now().checked_add_signed(length);
    let until = until.ok_or_else(|| wrong("it is too long".to_owned()))?;
    output::note(global, &format!("{env} is to be kept until {}\n\n", until.format("%Y-%m-%d %H:%M UTC")));
    let request = Request { purpose: Purpose::Extend(env, until), ..Request::default() };
    let deletions = Deletions { acknowledge: None, allow_mass_delete: false };
    reconcile::once(global, &around, request, &deletions, PATIENCE).await
}
