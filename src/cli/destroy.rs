//! `hangar destroy`: deletes one environment because a person asks for it.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use super::args::{Deletions, Destroy, Global, LogFormat};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, output, reconcile};
use crate::controller::Planned;
use crate::plan::{Purpose, Request};
use crate::report;
use crate::resource::{EnvName, OrgSlug};

/// The longest that is waited for the quarantine after a lost store.
const PATIENCE: Duration = Duration::from_mins(3);

pub(super) async fn run(global: &Global, args: &Destroy) -> Result<Exit, CliError> {
    let around = Surroundings::open(&args.target).await?;
    let env = EnvName::new(args.env.as_str());
    let request = Request { purpose: Purpose::Destroy(env.clone()), ..Request::default() };
    let planned = diff::look(&around, &Request { dry_run: true, ..request.clone() }).await?;
    if diff::tell_gaps(global, &planned) {
        output::note(global, "nothing was deleted\n");
        return Ok(Exit::Failed);
    }
    if is_absent(&planned) {
        output::result(&nothing_there(&around, &env));
        return Ok(Exit::Ok);
    }
    output::result(&format!("{}\n", report::diff_text(&planned.plan, &style(global), around.requests())));
    if !args.yes && !consents(global, &env)? {
        output::note(global, "nothing was deleted\n");
        return Ok(Exit::Failed);
    }
    if around.loaded.fleet.environments.contains_key(&env) {
        let message = "the next reconcile creates it again unless they no longer do";
        output::note(global, &format!("note: the specs still ask for `{env}`; {message}\n\n"));
    }
    let deletions = Deletions { acknowledge: None, allow_mass_delete: false };
    reconcile::once(global, &around, request, &deletions, PATIENCE).await
}

fn is_absent(planned: &Planned) -> bool {
    planned.plan.steps.is_empty() && planned.plan.withheld.is_empty() && planned.plan.notices.is_empty()
}

fn nothing_there(around: &Surroundings, env: &EnvName) -> String {
    let orgs: Vec<String> = around.loaded.orgs().iter().map(OrgSlug::to_string).collect();
    let known = around.loaded.fleet.environments.keys().map(EnvName::as_str).filter(|known| *known != env.as_str());
    let hint = crate::spec::finding::nearest_help(env.as_str(), known).map(|hint| format!("; {hint}"));
    format!(
        "Nothing to delete: there is nothing of environment `{env}` in {}{} ({})\n",
        orgs.join(", "),
        hint.unwrap_or_default(),
        around.requests().to_line()
    )
}

/// Whether the person at the terminal types the name of the environment.
fn consents(global: &Global, env: &EnvName) -> Result<bool, CliError> {
    // A question is for people, and what writes JSON is read by programs.
    if !std::io::stdin().is_terminal() || global.log_format == LogFormat::Json {
        let message = format!(
            "`hangar destroy --env {env}` deletes for good; add `--yes` where nobody can be asked; nothing was deleted"
        );
        return Err(CliError::Usage(message));
    }
    output::note(global, &format!("Type the name of the environment to delete it: {env}\n> "));
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).map_err(CliError::io("the answer could not be read"))?;
    Ok(typed.trim() == env.as_str())
}
