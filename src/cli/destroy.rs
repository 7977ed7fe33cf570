//! `hangar destroy`: deletes one environment because a person asks for it.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use super::args::{Deletions, Destroy, Global};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, output, reconcile};
use crate::plan::{Purpose, Request};
use crate::report;
use crate::resource::EnvName;

/// The longest that is waited for the quarantine after a lost store.
const PATIENCE: Duration = Duration::from_mins(3);

pub(super) async fn run(global: &Global, args: &Destroy) -> Result<Exit, CliError> {
    let around = Surroundings::open(&args.target).await?;
    reconcile::show_diagnostics(global, &around);
    let env = EnvName::new(args.env.as_str());
    let request = Request { purpose: Purpose::Destroy(env.clone()), ..Request::default() };
    if !args.yes {
        let planned = diff::look(&around, &Request { dry_run: true, ..request.clone() }).await?;
        output::result(&report::diff_text(&planned.plan, &style(global), around.requests()));
        if !std::io::stdin().is_terminal() {
            let message =
                format!("`hangar destroy --env {env}` deletes for good; add `--yes` where nobody can be asked");
            return Err(CliError::Usage(message));
        }
        output::note(&format!("Type the name of the environment to delete it: {env}\n> "));
        let mut typed = String::new();
        std::io::stdin().lock().read_line(&mut typed).map_err(CliError::io("the answer could not be read"))?;
        if typed.trim() != env.as_str() {
            output::note("nothing was deleted\n");
            return Ok(Exit::Failed);
        }
    }
    if around.loaded.fleet.environments.contains_key(&env) {
        output::note(&format!(
            "note: the specs still ask for `{env}`; the next reconcile creates it again unless they no longer do\n\n"
        ));
    }
    let deletions = Deletions { acknowledge: None, allow_mass_delete: false };
    reconcile::once(global, &around, request, &deletions, PATIENCE).await
}
