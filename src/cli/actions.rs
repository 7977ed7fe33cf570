//! What a run in GitHub Actions tells its runner besides what it prints: annotations, the job's summary, outputs, masks.
//!
//! Commands go to standard error, which the runner reads as well: standard output is often kept in a file.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::exit::CliError;
use super::output;
use crate::controller::{Planned, Variables};
use crate::cost::Cost;
use crate::desired::{Fleet, Wanted};
use crate::plan::{Plan, Reason, Standing};
use crate::report::workflow::{self, Spot};
use crate::report::{self, RequestCount};
use crate::resource::EnvName;
use crate::secret::SecretText;
use crate::spec::{Diagnostics, Severity};

/// Variables that are read the way of secrets and are none.
const NO_SECRETS: [&str; 2] = ["FLY_FLAPS_BASE_URL", "GITHUB_API_URL"];

/// Whether this process is a step of a workflow of GitHub Actions.
pub(super) fn are_here() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Shows each problem beside its line.
pub(super) fn annotate(problems: &Diagnostics) {
    if !are_here() {
        return;
    }
    for problem in problems {
        let message = match &problem.help {
            Some(help) => format!("{}\n{help}", problem.message),
            None => problem.message.clone(),
        };
        let file = in_repository(&problem.file);
        let spot = file.as_deref().map(|file| Spot { file, line: problem.line, column: problem.column });
        output::command(&workflow::annotation(problem.severity, "Hangar spec", spot, &message));
    }
}

/// Shows what the policy does not allow beside the spec that asks for it.
pub(super) fn annotate_policy(plan: &Plan, fleet: &Fleet) {
    if !are_here() {
        return;
    }
    for withheld in plan.withheld.iter().filter(|withheld| withheld.reason == Reason::PolicyViolation) {
        annotate_violations(withheld.env.as_str(), &[&withheld.message], fleet);
    }
}

/// Shows what the policy does not allow in one environment beside its spec.
pub(super) fn annotate_violations<V: AsRef<str>>(env: &str, violations: &[V], fleet: &Fleet) {
    if !are_here() {
        return;
    }
    let origin = match fleet.environments.get(&EnvName::new(env)) {
        Some(Wanted::Ready(env)) => env.origin.as_str(),
        Some(Wanted::Broken { .. }) | None => "",
    };
    let (file, line) = origin.rsplit_once(':').unwrap_or_default();
    let file = in_repository(Path::new(file));
    let spot = file.as_deref().map(|file| Spot { file, line: line.parse().unwrap_or_default(), column: 0 });
    for violation in violations {
        let message = format!("`{env}`: {}", violation.as_ref());
        output::command(&workflow::annotation(Severity::Error, "Hangar policy", spot, &message));
    }
}

/// Where a file is in the repository that is checked out; nothing for one that is not there.
fn in_repository(file: &Path) -> Option<PathBuf> {
    if file.as_os_str().is_empty() || !file.is_file() {
        return None;
    }
    let mut whole = PathBuf::new();
    for part in std::env::current_dir().ok()?.join(file).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            other => whole.push(other),
        }
    }
    let workspace = PathBuf::from(std::env::var_os("GITHUB_WORKSPACE")?);
    whole.strip_prefix(workspace).ok().map(Path::to_owned)
}

/// What a look has found, for the steps that come after it.
pub(super) struct Found {
    /// Whether anything differs, waits or is blocked: the exit code 2.
    pub(super) has_changes: bool,
    pub(super) totals: report::Totals,
    /// What changes about the monthly cost.
    pub(super) cost: Cost,
    /// The whole result as Markdown.
    pub(super) markdown: String,
}

impl Found {
    /// What is in a plan.
    pub(super) fn in_plan(planned: &Planned, requests: RequestCount) -> Self {
        let plan = &planned.plan;
        let cost = report::cost_delta(plan, &planned.observed);
        Self {
            cost,
            has_changes: plan.environments.keys().any(|env| plan.standing(env) != Standing::Converged),
            totals: report::totals(plan),
            markdown: report::diff_markdown(plan, cost, requests),
        }
    }
}

/// Writes the summary and the outputs, where this is a step of a workflow.
pub(super) fn tell(found: &Found) -> Result<(), CliError> {
    if !are_here() {
        return Ok(());
    }
    summarise(&found.markdown)?;
    let report::Totals { create, update, replace, delete, waiting, blocked } = found.totals;
    let mut entries = workflow::output("has-changes", if found.has_changes { "true" } else { "false" });
    for (name, count) in [
        ("creates", create),
        ("updates", update),
        ("replaces", replace),
        ("deletes", delete),
        ("waiting", waiting),
        ("blocked", blocked),
    ] {
        entries.push_str(&workflow::output(name, &count.to_string()));
    }
    // Nothing is better than a part that looks like the whole.
    let cost = if found.cost.is_whole { found.cost.to_number() } else { String::new() };
    entries.push_str(&workflow::output("cost-delta", &cost));
    entries.push_str(&workflow::output("markdown", &found.markdown));
    append("GITHUB_OUTPUT", &entries)
}

/// Adds to the page of the job, where this is a step of a workflow.
pub(super) fn summarise(markdown: &str) -> Result<(), CliError> {
    if are_here() { append("GITHUB_STEP_SUMMARY", &format!("{markdown}\n")) } else { Ok(()) }
}

/// Appends to the file that the runner has named in a variable, if it has.
fn append(variable: &str, text: &str) -> Result<(), CliError> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = PathBuf::from(path);
    let what = format!("could not write to `{}`, which the runner names in {variable}", path.display());
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(CliError::io(what))
}

/// Surroundings of which every value has been masked before anybody has it.
#[derive(Debug, Clone)]
pub(super) struct Masked<V> {
    real: V,
    known: Arc<Mutex<BTreeSet<String>>>,
}

impl<V: Variables> Masked<V> {
    pub(super) fn new(real: V) -> Self {
        Self { real, known: Arc::default() }
    }
}

impl<V: Variables> Variables for Masked<V> {
    fn variable(&self, name: &str) -> Option<SecretText> {
        let value = self.real.variable(name)?;
        let is_new = || self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        if are_here()
            && !NO_SECRETS.contains(&name)
            && is_new()
            && let Some(command) = workflow::mask(value.expose())
        {
            output::command(&command);
        }
        Some(value)
    }

    fn file(&self, path: &str) -> Result<SecretText, String> {
        self.real.file(path)
    }

    fn stand_in(&self, name: &str) -> Option<SecretText> {
        self.real.stand_in(name)
    }
}
