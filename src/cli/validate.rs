//! `hangar validate`: checks specs, and sends nothing.

use std::sync::Arc;

use super::actions::{self, Masked};
use super::args::{Global, Validate, ValidateFormat};
use super::exit::{CliError, Exit};
use super::output;
use super::surroundings::require_files;
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{LoadError, Loaded, ProcessEnvironment, load};
use crate::desired::Wanted;
use crate::report;
use crate::resource::EnvName;
use crate::source::{DirectorySource, Snapshot, Source as _};
use crate::spec::Diagnostics;

pub(super) async fn run(global: &Global, args: &Validate) -> Result<Exit, CliError> {
    let clock: SharedClock = Arc::new(SystemClock);
    let snapshot = DirectorySource::new(args.paths.clone(), clock).load().await?;
    require_files(&snapshot, &args.paths)?;
    let (problems, environments) = match load(&snapshot, &Masked::new(ProcessEnvironment::default())) {
        Ok(loaded) => (with_policy(&loaded, &snapshot), loaded.fleet.environments.len()),
        Err(LoadError::Specs { problems, .. }) => (*problems, 0),
        Err(other) => return Err(other.into()),
    };
    show(global, args.format, &problems);
    let what = what_there_is(&snapshot, environments);
    actions::summarise(&report::problems_markdown(&problems, &what))?;
    if problems.has_errors() {
        if args.format == ValidateFormat::Text {
            output::error(global, &output::count_of(&problems));
        }
        return Ok(Exit::Failed);
    }
    if args.format == ValidateFormat::Text {
        output::result(&format!("{what}: valid\n"));
    }
    Ok(Exit::Ok)
}

/// The problems of the specs, and what they ask for although their policies do not allow it.
fn with_policy(loaded: &Loaded, snapshot: &Snapshot) -> Diagnostics {
    let mut problems = loaded.diagnostics.clone();
    for parsed in &crate::spec::parse_all(&snapshot.files).0.environments {
        if let Some(Wanted::Ready(env)) = loaded.fleet.environments.get(&EnvName::new(&parsed.metadata.name)) {
            for violation in loaded.policy.violations(env) {
                let message = format!("the policy does not allow this: {violation}");
                problems.push(&parsed.origin, "/metadata/name", message, None);
            }
        }
    }
    problems.finish();
    problems
}

/// `3 files with 2 environments and 1 preview set`.
fn what_there_is(snapshot: &Snapshot, environments: usize) -> String {
    let sets = crate::spec::parse_all(&snapshot.files).0.preview_sets.len();
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let sets = if sets == 0 { String::new() } else { format!(" and {}", plural(sets, "preview set")) };
    let files = plural(snapshot.files.len(), "file");
    format!("{files} with {}{sets}", plural(environments, "environment"))
}

fn show(global: &Global, format: ValidateFormat, problems: &Diagnostics) {
    match format {
        ValidateFormat::Text if problems.is_empty() => {}
        ValidateFormat::Text => output::diagnostics(global, problems),
        ValidateFormat::Json => {
            actions::annotate(problems);
            output::data(&format!("{:#}\n", serde_json::json!({"version": 1, "diagnostics": problems})));
        }
    }
}
