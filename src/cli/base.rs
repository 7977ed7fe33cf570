//! `hangar diff --base`: what the specs ask for, against what they asked for at another commit. No provider is asked.

use std::path::PathBuf;
use std::sync::Arc;

use super::actions::{self, Found, Masked};
use super::args::{Diff, Format, Global};
use super::comment::{self, PullTarget, Speaker};
use super::exit::{CliError, Exit};
use super::names;
use super::output;
use super::surroundings::{require_files, style};
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{LoadError, ProcessEnvironment, asked};
use crate::http::{ReqwestTransport, Shared};
use crate::random::Random;
use crate::report::{self, Compared};
use crate::review::{Comparison, Fate, Kind, compare};
use crate::source::{DirectorySource, Snapshot, Source as _, at_reference};
use crate::spec::Diagnostics;

/// Compares, prints, and tells the workflow.
pub(super) async fn run(global: &Global, args: &Diff, base: &str) -> Result<Exit, CliError> {
    let comment = args.comment.as_deref().map(PullTarget::find).transpose()?;
    let clock: SharedClock = Arc::new(SystemClock);
    let head = DirectorySource::new(args.target.paths.clone(), Arc::clone(&clock)).load().await?;
    require_files(&head, &args.target.paths)?;
    let (head, problems) = asked(&head)?;
    if !problems.is_empty() {
        output::diagnostics(global, &problems);
    }
    let snapshot = at_reference(&args.target.paths, base, &clock).await?;
    let commit = snapshot.commit.clone().unwrap_or_default();
    let before = asked_before(&snapshot, base)?;
    let mut comparison = compare(&before, &head);
    if let crate::desired::Completeness::Incomplete { reason } = &snapshot.completeness {
        comparison.notes.push(format!("not all specs of `{base}` could be read: {reason}"));
    }
    if head.specs.controller.as_ref().is_some_and(|controller| controller.spec.source.is_some()) {
        comparison.notes.push("the `source` of the controller was not followed".to_owned());
    }
    select(&mut comparison, args)?;
    let compared = Compared { base: base.to_owned(), commit };
    let markdown = report::review_markdown(&comparison, &compared);
    match args.format {
        Format::Text => output::result(&report::review_text(&comparison, &compared, &style(global))),
        Format::Markdown => output::result(&markdown),
        Format::Json => output::data(&report::review_json(&comparison, &compared)),
    }
    for subject in comparison.subjects.iter().filter(|subject| !subject.violations.is_empty()) {
        actions::annotate_violations(&subject.name, &subject.violations, &head.fleet);
    }
    let has_changes = comparison.has_changes();
    actions::tell(&Found {
        has_changes,
        totals: report::review_totals(&comparison),
        cost: comparison.cost,
        markdown: markdown.clone(),
    })?;
    if let Some(target) = comment {
        let shared = Shared::new(Arc::new(ReqwestTransport::new()?), clock, Random::from_system());
        let variables = Masked::new(ProcessEnvironment { root: PathBuf::new() });
        let settings = head.specs.controller.as_ref().map(|controller| &controller.spec);
        let owner = &head.fleet.owner;
        let speaker = Speaker { settings, variables: &variables, shared: &shared, owner };
        let kept = comment::keep(&speaker, &target, "specs", &args.selection, &markdown).await?;
        output::note(global, &comment::told(&target, kept));
    }
    if problems.has_errors() {
        output::error(global, &format!("{}, so this is not the whole picture", output::count_of(&problems)));
        return Ok(Exit::Failed);
    }
    Ok(if has_changes { Exit::Changes } else { Exit::Ok })
}

/// What was asked for at the base. Its mistakes are told as one: they are not those of the files that are here.
fn asked_before(snapshot: &Snapshot, base: &str) -> Result<crate::review::Asked, CliError> {
    let in_one = |problems: &Diagnostics| {
        let first = problems
            .iter()
            .next()
            .map(|first| format!(", the first in {}:{}: {}", first.file.display(), first.line, first.message));
        let count = output::count_of(problems);
        CliError::Usage(format!("at `{base}` the specs cannot be read: {count}{}", first.unwrap_or_default()))
    };
    match asked(snapshot) {
        Ok((asked, _)) => Ok(asked),
        Err(LoadError::Specs { problems, .. }) => Err(in_one(&problems)),
        Err(other) => Err(other.into()),
    }
}

/// Leaves out what was not asked about.
fn select(comparison: &mut Comparison, args: &Diff) -> Result<(), CliError> {
    if let Some(name) = &args.selection.env {
        let is_env = |subject: &&crate::review::Subject| subject.kind == Kind::Environment;
        let known: Vec<&str> = comparison.subjects.iter().filter(is_env).map(|subject| subject.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            return Err(names::unknown("environment", name, known));
        }
        comparison.subjects.retain(|subject| subject.kind == Kind::Environment && subject.name == *name);
    }
    if let Some(only) = &args.selection.only {
        for subject in &mut comparison.subjects {
            subject.objects.retain(|object| object.component.as_str() == only.as_str());
            subject.settings.clear();
            if subject.fate == Fate::Changed && subject.objects.is_empty() {
                subject.fate = Fate::Same;
            }
        }
    }
    comparison.warn();
    Ok(())
}
