//! The command line: arguments in, exit code out. One file per subcommand.

mod actions;
mod args;
mod base;
mod comment;
mod destroy;
mod diff;
mod exit;
mod extend;
mod faults;
mod gc;
mod names;
mod output;
mod reconcile;
mod schema;
mod signals;
mod sim;
mod simulator;
mod standins;
mod status;
mod strangers;
mod surroundings;
mod validate;
mod values;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command, Global, LogFormat};
use exit::Exit;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    output::choose_color(&cli.global);
    start_logs(&cli.global);
    report_panics(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&cli.global, &format!("the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let global = cli.global.clone();
    let result = runtime.block_on(Box::pin(dispatch(cli)));
    // A blocking read of the terminal must not keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::cli_error(&global, &error);
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> Result<Exit, exit::CliError> {
    let global = &cli.global;
    match cli.command {
        Command::Diff(args) => diff::run(global, &args).await,
        Command::Reconcile(args) => reconcile::run(global, &args).await,
        Command::Status(args) => status::run(global, &args).await,
        Command::Destroy(args) => destroy::run(global, &args).await,
        Command::Extend(args) => extend::run(global, &args).await,
        Command::Gc(args) => gc::run(global, &args).await,
        Command::Validate(args) => validate::run(global, &args).await,
        Command::Schema(args) => schema::run(&args),
        Command::Sim(args) => sim::run(&args).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "hangar", &mut std::io::stdout());
            Ok(Exit::Ok)
        }
    }
}

/// Logs go to standard error; results to standard output.
fn start_logs(global: &Global) {
    use tracing_subscriber::EnvFilter;
    let filter = global.log.clone().unwrap_or_else(|| "warn".to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        let message = format!("`{filter}` is no filter for logs ({error}); `warn` is used instead");
        output::warning(global, &message);
        EnvFilter::new("warn")
    });
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::colored(global));
    let started = match global.log_format {
        LogFormat::Json => logs.json().try_init(),
        LogFormat::Text => logs.try_init(),
    };
    debug_assert!(started.is_ok(), "logs are started once");
}

/// A panic is told on standard error too, so it has to be a line like the others.
fn report_panics(global: &Global) {
    if global.log_format == LogFormat::Json {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let message = format!("a panic, which is a defect of Hangar: {}", panic.payload_as_str().unwrap_or("?"));
            output::json_line("ERROR", &serde_json::json!({"message": message, "place": place}));
        }));
    }
}

/// The command line as clap knows it, for checks of the documentation.
pub fn command() -> clap::Command {
    Cli::command()
}
