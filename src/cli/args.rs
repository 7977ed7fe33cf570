//! The command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// A reconciling controller for environments on Fly.io, Vercel, Neon and Supabase.
///
/// Commit declarative YAML specs of your environments; Hangar compares them with what is live and creates, updates and collects
/// until both agree: as a daemon, in a cron job (`hangar reconcile --once`), or as a dry run in review (`hangar diff`).
#[derive(Debug, Parser)]
#[command(name = "hangar", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  converged, in sync, valid
  1  something failed, or the input is wrong
  2  `hangar diff`, dry runs: there are changes, or something waits; any command: wrong usage
  3  waiting for something, or blocked until a person acts

Environment variables:
  FLY_API_TOKEN          the token of the Fly organization, unless a `Controller` names others
  NEON_API_KEY           the same for Neon
  VERCEL_TOKEN           the same for Vercel
  SUPABASE_ACCESS_TOKEN  the same for Supabase
  GITHUB_TOKEN           the same for GitHub, where sets of previews and comments need it
  HANGAR_MASTER_KEY      what generated secrets come from, unless a `Controller` names another
  FLY_FLAPS_BASE_URL     where the Machines API is, such as the address of `hangar sim`
  NO_COLOR               no colours, if set

Try it without any account: hangar reconcile --once --sim specs/chat-dev";

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// When to write colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorChoice,
    /// How logs are written (to standard error).
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", env = "HANGAR_LOG_FORMAT")]
    pub(super) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or filters such as `hangar::http=debug`. Secrets are in no log.
    #[arg(long, global = true, value_name = "LEVEL", env = "HANGAR_LOG")]
    pub(super) log: Option<String>,
}

/// When to write colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows what would change, and sends nothing but reads.
    Diff(Diff),
    /// Brings what is live to what the specs ask for; without `--once`, keeps doing so.
    Reconcile(Reconcile),
    /// Shows where each environment stands: conditions, machines, secrets, addresses.
    Status(Status),
    /// Deletes one environment, whether or not a spec asks for it.
    Destroy(Destroy),
    /// Keeps one environment for a while, whatever its time to live.
    Extend(Extend),
    /// Collects what is ours and no spec asks for, after its grace.
    Gc(Gc),
    /// Checks specs; sends nothing.
    Validate(Validate),
    /// Prints or writes the JSON Schemas of the spec kinds.
    Schema(Schema),
    /// Serves the simulator of Fly, GitHub, Neon, Supabase and Vercel on a socket.
    Sim(Sim),
    /// Prints shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where specs come from, and what they are compared with.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// Files and folders with specs.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(super) paths: Vec<PathBuf>,
    /// Use the built-in simulator instead of the providers: no account, no network. Its state is kept in `.hangar/sim`.
    #[arg(long)]
    pub(super) sim: bool,
    /// With `--sim`: let things go wrong, as a fault file or a profile says (calm, flaky, storm, outage, split, hostile).
    #[arg(long, value_name = "FILE|PROFILE", requires = "sim")]
    pub(super) sim_faults: Option<String>,
}

/// What part of the specs a command is about.
#[derive(Debug, Clone, Args)]
pub(super) struct Selection {
    /// Only this environment.
    #[arg(long, value_name = "NAME")]
    pub(super) env: Option<String>,
    /// Only this component of each environment, such as `web` or `neon.main`. What comes after something else that would change waits.
    #[arg(long, value_name = "COMPONENT")]
    pub(super) only: Option<String>,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal.
    Text,
    /// For a pull request.
    Markdown,
    /// For programs: versioned and ordered.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Keep the result in one comment on the pull request: the one that this workflow runs for, or `--comment=owner/repo#42`.
    #[arg(long, value_name = "PULL REQUEST", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(super) comment: Option<String>,
    /// Compare with what the specs asked for at this commit, branch or tag instead of what is live: no provider is asked.
    #[arg(long, value_name = "REF", conflicts_with_all = ["sim", "sim_faults"])]
    pub(super) base: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Run until everything is converged or stuck, and end.
    #[arg(long)]
    pub(super) once: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Consent to changes of this environment, where its gate or the policy asks for a person's consent.
    #[arg(long, value_name = "ENV")]
    pub(super) approve: Vec<String>,
    #[command(flatten)]
    pub(super) deletions: Deletions,
    /// The longest that `--once` waits for something that goes on by itself, such as the quarantine after a lost store.
    #[arg(long, value_name = "DURATION", default_value = "3m")]
    pub(super) patience: String,
}

/// What may be deleted beyond the budget.
#[derive(Debug, Clone, Args)]
pub(super) struct Deletions {
    /// Let exactly the held set of deletions with this hash go.
    #[arg(long, value_name = "HASH")]
    pub(super) acknowledge: Option<String>,
    /// Let any number of deletions go in this run.
    #[arg(long)]
    pub(super) allow_mass_delete: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) target: Target,
    /// Only this environment.
    #[arg(long, value_name = "NAME")]
    pub(super) env: Option<String>,
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    pub(super) target: Target,
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub(super) env: String,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Extend {
    /// The environment.
    #[arg(value_name = "ENV")]
    pub(super) env: String,
    /// How long it is kept from now on, such as `48h`.
    #[arg(value_name = "DURATION")]
    pub(super) length: String,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Gc {
    #[command(flatten)]
    pub(super) target: Target,
    /// Show what would be collected, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show what will have been collected by then, such as `+48h`, if nothing changes; a dry run.
    #[arg(long, value_name = "+DURATION", conflicts_with_all = ["acknowledge", "allow_mass_delete"])]
    pub(super) at: Option<String>,
    /// List apps that look like ours and carry no mark of ours. They are never deleted.
    #[arg(long, conflicts_with_all = ["at", "adopt", "acknowledge", "allow_mass_delete"])]
    pub(super) unowned: bool,
    /// With `--unowned`: names to look for, such as `pr-*-server`, instead of those of the specs.
    #[arg(long, value_name = "PATTERN", requires = "unowned")]
    pub(super) pattern: Vec<String>,
    /// List apps of these names, such as `pr-*-server`, that older tooling has left; with `--acknowledge` and the code of that
    /// list, mark exactly these as ours, so that they are collected.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["at", "allow_mass_delete"])]
    pub(super) adopt: Option<String>,
    /// How the result of a dry run is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) deletions: Deletions,
}

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Files and folders with specs.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(super) paths: Vec<PathBuf>,
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ValidateFormat,
}

/// How diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ValidateFormat {
    /// For people, with the line and a caret.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// The kind: Environment, PreviewSet, Policy or Controller.
    #[arg(value_name = "KIND", required_unless_present = "write")]
    pub(super) kind: Option<String>,
    /// Write all schemas into this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) write: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Sim {
    /// The address to listen on. Only addresses of this machine are accepted.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4280")]
    pub(super) listen: std::net::SocketAddr,
    /// Keep the state in this file.
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// The seed of ids and of everything else that is random.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(super) seed: u64,
    /// Let things go wrong as this file says.
    #[arg(long, value_name = "FILE")]
    pub(super) faults: Option<PathBuf>,
    /// Let things go wrong as this profile does; with `--faults`, beside what the file says.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(super::faults::profile_names()))]
    pub(super) profile: Option<String>,
    /// Write every request to this file as a line of JSON, as it ends.
    #[arg(long, value_name = "FILE")]
    pub(super) request_log: Option<PathBuf>,
}
