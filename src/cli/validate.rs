//! `hangar validate`: checks specs, and sends nothing.

use std::sync::Arc;

use super::args::{Global, Validate, ValidateFormat};
use super::exit::{CliError, Exit};
use super::output;
use super::surroundings::require_files;
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{LoadError, ProcessEnvironment, load};
use crate::source::{DirectorySource, Source as _};
use crate::spec::Diagnostics;

pub(super) async fn run(global: &Global, args: &Validate) -> Result<Exit, CliError> {
    let clock: SharedClock = Arc::new(SystemClock);
    let snapshot = DirectorySource::new(args.paths.clone(), clock).load().await?;
    require_files(&snapshot, &args.paths)?;
    let (problems, environments) = match load(&snapshot, &ProcessEnvironment::default()) {
        Ok(loaded) => (loaded.diagnostics, loaded.fleet.environments.len()),
        Err(LoadError::Specs { problems, .. }) => (*problems, 0),
        Err(other) => return Err(other.into()),
    };
    show(global, args.format, &problems);
    if problems.has_errors() {
        if args.format == ValidateFormat::Text {
            output::error(global, &output::count_of(&problems));
        }
        return Ok(Exit::Failed);
    }
    if args.format == ValidateFormat::Text {
        let sets = crate::spec::parse_all(&snapshot.files).0.preview_sets.len();
        let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let sets = if sets == 0 { String::new() } else { format!(" and {}", plural(sets, "preview set")) };
        let files = plural(snapshot.files.len(), "file");
        output::result(&format!("{files} with {}{sets}: valid\n", plural(environments, "environment")));
    }
    Ok(Exit::Ok)
}

fn show(global: &Global, format: ValidateFormat, problems: &Diagnostics) {
    match format {
        ValidateFormat::Text if problems.is_empty() => {}
        ValidateFormat::Text => output::diagnostics(global, problems),
        ValidateFormat::Json => {
            output::result(&format!("{:#}\n", serde_json::json!({"version": 1, "diagnostics": problems})));
        }
    }
}
