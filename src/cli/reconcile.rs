//! `hangar reconcile`: the main job, once or for as long as it is left running.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::args::{Deletions, Global, LogFormat, Reconcile};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, names, output, signals, values};
use crate::controller::{CheckAsker, Daemon, Feedback, Once, Outcome, Session, Verdict, Whereabouts};
use crate::desired::{Environment, Wanted};
use crate::event::{Event, Observer};
use crate::execute::{Journal, Stop, StopReason};
use crate::plan::{Purpose, Reason, Request, Withheld};
use crate::report::{self, EnvironmentSummary, PassSummary, Style, live};
use crate::resource::EnvName;
use crate::secret::SecretText;
use crate::server::{self, WebhookReceiver};
use crate::spec::controller::CredentialSource;

pub(super) async fn run(global: &Global, args: &Reconcile) -> Result<Exit, CliError> {
    if args.dry_run {
        return diff::show(global, &args.target, &args.selection, Purpose::Reconcile, &diff::Shown::TEXT).await;
    }
    let around = Surroundings::open(&args.target).await?;
    show_diagnostics(global, &around);
    warn_of_unnamed_orgs(global, &around);
    let request = Request {
        approved: args.approve.iter().map(|env| names::environment(env, &around)).collect::<Result<_, _>>()?,
        allow_mass_delete: args.deletions.allow_mass_delete,
        ..names::request(&args.selection, &around)?
    };
    if args.once {
        values::require(&around, &request)?;
        let patience = crate::spec::Duration::parse(&args.patience)
            .map_err(|problem| CliError::Usage(format!("`--patience {}`: {problem}", args.patience)))?;
        once(global, &around, request, &args.deletions, patience.to_std()).await
    } else {
        forever(global, around, request, &args.deletions).await
    }
}

/// Runs until everything is converged or stuck, showing the plan, progress and result.
pub(super) async fn once(
    global: &Global,
    around: &Surroundings,
    request: Request,
    deletions: &Deletions,
    patience: Duration,
) -> Result<Exit, CliError> {
    let (style, began) = (style(global), around.shared.clock.now());
    let journal = around.journal()?;
    acknowledge(&journal, deletions)?;
    let observer = observer(global, around, style, &journal);
    let stop = signals::stop_on_signal(global);
    let loaded = Arc::clone(&around.loaded);
    let feedback = Feedback::new(around.shared.clone(), Arc::clone(&around.variables));
    let session = Session::open(loaded, &*around.variables, around.shared.clone(), journal.clone(), observer, stop)?;
    let session = session.reporting_to(feedback.clone()).asking(CheckAsker::new(Arc::clone(&around.variables)));
    let purpose = request.purpose.clone();
    let run = Once::new(&session, request, patience).run(|first| {
        // Whoever destroys has seen the plan when they were asked; and what is only held is told at the end.
        let has_news = !matches!(purpose, Purpose::Destroy(_)) && !first.plan.steps.is_empty();
        if has_news {
            output::result(&format!("{}\n", report::diff_text(&first.plan, &style, around.requests())));
        }
    });
    let outcome = feedback.beside(run).await?;
    remember_statuses(around, &journal, &outcome);
    let at = around.shared.clock.now();
    let summary = PassSummary {
        at,
        purpose: purpose.clone(),
        environments: summaries(around, &outcome),
        requests: around.requests(),
        took: (at - began).to_std().unwrap_or_default(),
        try_next: if purpose == Purpose::Reconcile { try_next(around, &outcome) } else { Vec::new() },
    };
    let gap = if outcome.done > 0 { "\n" } else { "" };
    output::result(&format!("{gap}{}", report::summary_text(&summary, &style)));
    let has_gaps = (!matches!(purpose, Purpose::Destroy(_)) && diff::tell_missing_specs(global, around))
        | tell_untold(global, around, &outcome);
    Ok(match outcome.worst() {
        _ if has_gaps => Exit::Failed,
        Verdict::Converged => Exit::Ok,
        Verdict::Waiting | Verdict::Blocked => Exit::Stuck,
        Verdict::Failed => Exit::Failed,
    })
}

async fn forever(
    global: &Global,
    around: Surroundings,
    request: Request,
    deletions: &Deletions,
) -> Result<Exit, CliError> {
    let journal = around.journal()?;
    acknowledge(&journal, deletions)?;
    let observer = observer(global, &around, Style::PLAIN, &journal);
    let count = around.loaded.fleet.environments.len();
    let (plural, source) = (if count == 1 { "" } else { "s" }, around.source.describe());
    output::note(global, &format!("{count} environment{plural} from {source}; changes are followed until Ctrl-C\n\n"));
    let feedback = Feedback::new(around.shared.clone(), Arc::clone(&around.variables));
    let daemon = Daemon {
        source: Arc::clone(&around.source),
        variables: Arc::clone(&around.variables),
        shared: around.shared.clone(),
        journal,
        observer,
        feedback: feedback.clone(),
        stop: signals::stop_on_signal(global),
        request,
    };
    let over = daemon.stop.clone();
    let served = serve(global, &around, over.clone()).await?;
    let ended = feedback.beside(daemon.run()).await;
    over.request(StopReason::Stopping);
    if let Some(served) = served {
        match served.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the server ended early"),
            Err(error) => tracing::warn!(%error, "the server ended early"),
        }
    }
    ended?;
    Ok(Exit::Ok)
}

/// Serves what the settings ask for, until the run is to end.
async fn serve(
    global: &Global,
    around: &Surroundings,
    stop: Stop,
) -> Result<Option<JoinHandle<std::io::Result<()>>>, CliError> {
    let Some(settings) = around.loaded.settings.as_ref() else { return Ok(None) };
    let Some(server) = &settings.server else { return Ok(None) };
    let webhook = settings.github.as_ref().and_then(|github| github.webhook.as_ref());
    let receiver = match webhook {
        Some(webhook) => {
            let secret = webhook_secret(around, &webhook.secret).map_err(CliError::Usage)?;
            Some(WebhookReceiver::new(secret, around.hints.clone()))
        }
        None => None,
    };
    let listener = TcpListener::bind(&server.listen).await.map_err(|error| {
        CliError::Usage(format!(
            "cannot listen on `{}` (`Controller`, `spec.server.listen`): {error}; is another program there?",
            server.listen
        ))
    })?;
    let address = listener.local_addr().map_or_else(|_unknown| server.listen.clone(), |address| address.to_string());
    output::note(global, &format!("listening on {address}\n\n"));
    let stopped = async move {
        stop.asked().await;
    };
    Ok(Some(tokio::spawn(server::serve(listener, server::router(receiver), stopped))))
}

/// The secret that webhooks are signed with. The error says what to do.
fn webhook_secret(around: &Surroundings, source: &CredentialSource) -> Result<SecretText, String> {
    let (label, value) = match source {
        CredentialSource::FromFile(path) => (path, Some(around.variables.file(path)?)),
        CredentialSource::FromEnv(name) => (name, around.variables.variable(name)),
    };
    let value = value.filter(|value| !value.expose().trim().is_empty());
    value.ok_or_else(|| {
        format!("there is no secret for webhooks in `{label}` (`Controller`, `spec.github.webhook.secret`): make a long random one, and give it to GitHub too")
    })
}

/// Shows what is probably not meant in the specs, and what stands in for missing values.
pub(super) fn show_diagnostics(global: &Global, around: &Surroundings) {
    if !around.loaded.diagnostics.is_empty() {
        output::diagnostics(global, &around.loaded.diagnostics);
    }
    let mut notes = Vec::new();
    if !around.loaded.stand_ins.is_empty() {
        let names: Vec<&str> = around.loaded.stand_ins.iter().map(String::as_str).collect();
        notes.push(stand_ins_note(&names));
    }
    let pulls = around.pulls.iter();
    notes.extend(pulls.map(|pull| format!("note: in the simulator {pull} stands in for people's pull requests")));
    if !notes.is_empty() {
        output::note(global, &format!("{}\n\n", notes.join("\n")));
    }
}

/// Says which organizations only the store will remember once no environment is in them any more.
pub(super) fn warn_of_unnamed_orgs(global: &Global, around: &Surroundings) {
    let orgs: Vec<String> = around.unnamed_orgs().iter().map(|org| format!("`{org}`")).collect();
    if !orgs.is_empty() {
        let message = format!(
            "no `Controller` names {} under `spec.fly.organizations`: without the store, what is left there of removed environments is not found",
            orgs.join(", ")
        );
        output::warning(global, &message);
    }
}

/// One line of at most 80 columns, which fits on every terminal: as many names as there is room for.
fn stand_ins_note(names: &[&str]) -> String {
    let note = |listed: usize| {
        let mut all: Vec<String> = names.iter().take(listed).map(|name| (*name).to_owned()).collect();
        match names.len().saturating_sub(listed) {
            0 => {}
            others if listed == 0 => all.push(format!("{others} values that are not set")),
            others => all.push(format!("{others} more")),
        }
        let last = all.pop().unwrap_or_default();
        let all = if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) };
        format!("note: the simulator has stand-ins for {all}")
    };
    let listed = (0..=names.len()).rev().find(|listed| note(*listed).len() <= 80).unwrap_or(0);
    note(listed)
}

fn acknowledge(journal: &Journal, deletions: &Deletions) -> Result<(), CliError> {
    if let Some(hash) = &deletions.acknowledge {
        journal.change(|memory| memory.acknowledge(hash))?;
    }
    Ok(())
}

/// Shows progress, and keeps history.
fn observer(global: &Global, around: &Surroundings, style: Style, journal: &Journal) -> Arc<dyn Observer> {
    let columns = live::Columns::of(&around.loaded.fleet);
    let shown: Box<dyn Observer> = match global.log_format {
        LogFormat::Json => Box::new(live::JsonLines::new(Box::new(std::io::stderr()))),
        LogFormat::Text if std::io::stderr().is_terminal() => {
            Box::new(live::Bars::new(indicatif::ProgressDrawTarget::stderr(), style, columns))
        }
        LogFormat::Text => Box::new(live::PlainLines::new(Box::new(std::io::stderr()), style, columns)),
    };
    Arc::new(Recording { shown, journal: journal.clone() })
}

#[derive(Debug)]
struct Recording {
    shown: Box<dyn Observer>,
    journal: Journal,
}

impl Observer for Recording {
    fn observe(&self, event: &Event) {
        self.shown.observe(event);
        if let Err(error) = self.journal.store().append(event) {
            tracing::warn!(%error, "an event was not kept");
        }
    }
}

fn summaries(around: &Surroundings, outcome: &Outcome) -> Vec<EnvironmentSummary> {
    let mut summaries = EnvironmentSummary::all(&around.loaded.fleet, &outcome.last.plan);
    for summary in &mut summaries {
        let failures = outcome.failures.get(&summary.name).into_iter().flatten();
        summary.failures = failures.map(|failure| failure.message.clone()).collect();
        if summary.failures.is_empty() && outcome.verdicts.get(&summary.name) == Some(&Verdict::Failed) {
            let why = wanted(around, &summary.name).and_then(|env| outcome.last.why_out_of_reach(env));
            fail(summary, why.as_deref());
        }
        summary.changes = outcome.done_in.get(&summary.name).copied().unwrap_or_default();
    }
    // What is gone is in no plan any more.
    let gone = outcome.done_in.iter().filter(|(env, _)| !outcome.last.plan.environments.contains_key(*env));
    summaries.extend(gone.map(|(env, changes)| EnvironmentSummary::gone(env.clone(), *changes)));
    for summary in &mut summaries {
        summary.deleted = outcome.deleted.get(&summary.name).into_iter().flatten().cloned().collect();
    }
    summaries
}

/// What no step of this run failed at: the environment could not be read or evaluated.
fn fail(summary: &mut EnvironmentSummary, out_of_reach: Option<&str>) {
    let (failed, other): (Vec<Withheld>, Vec<Withheld>) =
        std::mem::take(&mut summary.withheld).into_iter().partition(|withheld| match withheld.reason {
            Reason::ObservationIncomplete => out_of_reach.is_some(),
            reason => matches!(reason, Reason::SpecBroken | Reason::RolloutRejected | Reason::ObjectFailed),
        });
    summary.withheld = other;
    summary.failures = match out_of_reach {
        Some(reason) => vec![reason.to_owned()],
        None => failed.into_iter().map(|withheld| format!("{}: {}", withheld.reason, withheld.message)).collect(),
    };
}

fn wanted<'a>(around: &'a Surroundings, env: &EnvName) -> Option<&'a Environment> {
    match around.loaded.fleet.environments.get(env) {
        Some(Wanted::Ready(env)) => Some(env),
        _ => None,
    }
}

/// Says what could not be read where no environment's failure says so, and whether there are any.
fn tell_untold(global: &Global, around: &Surroundings, outcome: &Outcome) -> bool {
    let told: BTreeSet<Whereabouts<'_>> =
        outcome.verdicts.keys().filter_map(|env| wanted(around, env)).flat_map(Whereabouts::of).collect();
    let mut untold = outcome.last.out_of_reach().filter(|(place, _)| !told.contains(place)).peekable();
    let is_of_one = outcome.last.plan.environments.len() == 1 && !told.is_empty();
    if is_of_one || untold.peek().is_none() {
        return false;
    }
    for (place, reason) in untold {
        output::error(global, &format!("{place} cannot be read: {reason}"));
    }
    true
}

/// Keeps the last status of each environment, for `hangar status` and for whoever asks the store.
fn remember_statuses(around: &Surroundings, journal: &Journal, outcome: &Outcome) {
    let now = around.shared.clock.now();
    for env in outcome.done_in.keys().filter(|env| !outcome.last.plan.environments.contains_key(*env)) {
        if let Err(error) = journal.store().remove_status(env) {
            tracing::warn!(%env, %error, "the status of what is gone was not removed");
        }
    }
    for status in report::status_of(&around.loaded.fleet, &outcome.last.plan, &outcome.last.observed, now) {
        let kept = serde_json::to_value(&status).map(|json| journal.store().put_status(&status.name, &json));
        if let Ok(Err(error)) = kept {
            tracing::warn!(env = %status.name, %error, "the status was not kept");
        }
    }
}

/// What a person may want to do next.
fn try_next(around: &Surroundings, outcome: &Outcome) -> Vec<String> {
    let Some(_) = &around.simulator else { return Vec::new() };
    if outcome.worst() != Verdict::Converged {
        return Vec::new();
    }
    let path: String =
        around.paths.iter().map(|path| format!(" {}", path.display())).filter(|path| path != " .").collect();
    // Whoever has started this through cargo may not have the program on their path.
    let program = if std::env::var_os("CARGO").is_some() { "cargo run --" } else { "hangar" };
    let mut lines = Vec::new();
    if outcome.done > 0 {
        lines.push(format!("{program} reconcile --once --sim{path}  # the same again: nothing to do"));
    }
    lines.push(format!("{program} status --sim{path}  # machines, secrets, addresses"));
    lines.push(format!("{program} diff --sim{path}  # after editing a spec: what would change"));
    lines
}

#[cfg(test)]
mod tests {
    use super::stand_ins_note;

    #[test]
    fn the_note_about_stand_ins_is_one_line_of_at_most_80_columns() {
        let one = ["FLY_API_TOKEN"];
        let many =
            ["ANTHROPIC_API_KEY", "DATABASE_URL", "FLY_API_TOKEN", "GITHUB_APP_PRIVATE_KEY", "HANGAR_MASTER_KEY"];
        let long = ["A_NAME_THAT_FILLS_MUCH_OF_A_LINE_AND_THEN_SOME_MORE_OF_IT_UNTIL_THERE_IS_NO_ROOM", "B"];
        let cases = [
            (&one[..], "note: the simulator has stand-ins for FLY_API_TOKEN"),
            (&many[..2], "note: the simulator has stand-ins for ANTHROPIC_API_KEY and DATABASE_URL"),
            (&many, "note: the simulator has stand-ins for ANTHROPIC_API_KEY, DATABASE_URL and 3 more"),
            (&long, "note: the simulator has stand-ins for 2 values that are not set"),
        ];
        for (names, expected) in cases {
            let note = stand_ins_note(names);
            assert_eq!(note, expected);
            assert!(note.len() <= 80, "{}", note.len());
        }
    }
}
