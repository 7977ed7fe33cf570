//! `hangar reconcile`: the main job, once or for as long as it is left running.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use super::args::{Deletions, Format, Global, LogFormat, Reconcile};
use super::exit::{CliError, Exit};
use super::surroundings::{Surroundings, style};
use super::{diff, output};
use crate::controller::{Daemon, Once, Outcome, Session, Verdict};
use crate::execute::event::{Event, Observer};
use crate::execute::{Journal, Stop, StopReason};
use crate::plan::{Purpose, Request, Standing};
use crate::report::{self, EnvironmentSummary, PassSummary, Style, live};

pub(super) async fn run(global: &Global, args: &Reconcile) -> Result<Exit, CliError> {
    if args.dry_run {
        return diff::show(global, &args.target, &args.selection, Purpose::Reconcile, Format::Text).await;
    }
    let around = Surroundings::open(&args.target).await?;
    show_diagnostics(global, &around);
    let request = Request {
        approved: args.approve.iter().map(|env| diff::known_environment(env, &around)).collect::<Result<_, _>>()?,
        allow_mass_delete: args.deletions.allow_mass_delete,
        ..diff::request(&args.selection, &around)?
    };
    if args.once {
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
    let stop = stop_on_signal();
    let loaded = Arc::clone(&around.loaded);
    let session = Session::open(loaded, &*around.variables, around.shared.clone(), journal.clone(), observer, stop)?;
    let outcome = Once::new(&session, request, patience)
        .run(|first| {
            let has_news = first.plan.environments.keys().any(|env| first.plan.standing(env) != Standing::Converged);
            if has_news {
                output::result(&format!("{}\n", report::diff_text(&first.plan, &style, around.requests())));
            }
        })
        .await?;
    remember_statuses(around, &journal, &outcome);
    let at = around.shared.clock.now();
    let summary = PassSummary {
        at,
        environments: summaries(around, &outcome),
        requests: around.requests(),
        took: (at - began).to_std().unwrap_or_default(),
        try_next: try_next(around, &outcome),
    };
    let gap = if outcome.done > 0 { "\n" } else { "" };
    output::result(&format!("{gap}{}", report::summary_text(&summary, &style)));
    Ok(match outcome.worst() {
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
    let daemon = Daemon {
        source: Arc::clone(&around.source),
        variables: Arc::clone(&around.variables),
        shared: around.shared.clone(),
        journal,
        observer,
        stop: stop_on_signal(),
        request,
    };
    daemon.run().await?;
    Ok(Exit::Ok)
}

/// Shows what is probably not meant in the specs, and what stands in for missing values.
pub(super) fn show_diagnostics(global: &Global, around: &Surroundings) {
    if !around.loaded.diagnostics.is_empty() {
        output::diagnostics(global, &around.loaded.diagnostics);
    }
    if !around.loaded.stand_ins.is_empty() {
        let names: Vec<&str> = around.loaded.stand_ins.iter().map(String::as_str).collect();
        output::note(&format!("note: {} not set here; the simulator works with stand-ins\n\n", join(&names)));
    }
}

fn join(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        [all @ .., last] => format!("{} and {last} are", all.join(", ")),
        [] => String::new(),
    }
}

fn acknowledge(journal: &Journal, deletions: &Deletions) -> Result<(), CliError> {
    if let Some(hash) = &deletions.acknowledge {
        journal.change(|memory| memory.acknowledged.insert(hash.clone()))?;
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

/// A stop that is requested by SIGINT or SIGTERM. A second signal ends the process at once.
fn stop_on_signal() -> Stop {
    let stop = Stop::default();
    let told = stop.clone();
    let _listener = tokio::spawn(async move {
        wait_for_signal().await;
        told.request(StopReason::Stopping);
        output::note("\nstopping: steps under way are finished, no new one begins (once more to end at once)\n");
        wait_for_signal().await;
        #[expect(clippy::exit, reason = "a second signal asks for exactly this")]
        std::process::exit(130);
    });
    stop
}

async fn wait_for_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    if interrupted.await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn summaries(around: &Surroundings, outcome: &Outcome) -> Vec<EnvironmentSummary> {
    let mut summaries = EnvironmentSummary::all(&around.loaded.fleet, &outcome.last.plan);
    for summary in &mut summaries {
        let failures = outcome.failures.get(&summary.name).into_iter().flatten();
        summary.failures = failures.map(|failure| failure.message.clone()).collect();
        summary.changes = outcome.done_in.get(&summary.name).copied().unwrap_or_default();
    }
    summaries
}

/// Keeps the last status of each environment, for `hangar status` and for whoever asks the store.
fn remember_statuses(around: &Surroundings, journal: &Journal, outcome: &Outcome) {
    let now = around.shared.clock.now();
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
    let path = std::env::args().skip(1).find(|argument| std::path::Path::new(argument).exists()).unwrap_or_default();
    let path = if path.is_empty() { path } else { format!(" {path}") };
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
