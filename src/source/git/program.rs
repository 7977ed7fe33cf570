//! Runs the program `git`.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::oneshot;

use crate::secret::SecretText;

/// Variables that point git at another repository than the one that is meant (`git rev-parse --local-env-vars`), which are set when
/// Hangar is run from a hook.
const FOREIGN_VARIABLES: [&str; 16] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Settings of every call: nothing of ours or of the user runs on the side, nobody is asked, no address starts a program.
const SETTINGS: [&str; 6] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.interactive=false",
    "gc.autoDetach=false",
    "protocol.ext.allow=never",
    "protocol.file.allow=user",
];

/// One call of `git`.
#[derive(Debug)]
pub(super) struct Git {
    command: Command,
    input: Vec<u8>,
    settings: usize,
}

/// What a call answered.
#[derive(Debug)]
pub(super) struct Output {
    /// Whether the exit code is 0.
    pub(super) success: bool,
    /// Standard output.
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum RunError {
    /// The program cannot be started or talked to.
    Io(std::io::Error),
    /// It took too long, and was ended.
    TimedOut,
    /// The caller, or the whole program, has gone away.
    Stopped,
}

impl Git {
    pub(super) fn new() -> Self {
        let mut command = Command::new("git");
        for variable in FOREIGN_VARIABLES {
            command.env_remove(variable);
        }
        // They make git print addresses and headers.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("GIT_TRACE") || name == "GIT_CURL_VERBOSE") {
                command.env_remove(name);
            }
        }
        command.envs([
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("LC_ALL", "C"),
        ]);
        command.arg("--no-optional-locks");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        // The user's own settings of this kind stay, and ours come after them.
        let settings = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
        Self { command, input: Vec::new(), settings }
    }

    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(super) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Gives git a setting through its environment, which other users of the machine cannot see.
    pub(super) fn secret_setting(mut self, setting: Option<(String, SecretText)>) -> Self {
        if let Some((key, value)) = setting {
            self.command.env(format!("GIT_CONFIG_KEY_{}", self.settings), key);
            self.command.env(format!("GIT_CONFIG_VALUE_{}", self.settings), value.expose());
            self.settings = self.settings.saturating_add(1);
            self.command.env("GIT_CONFIG_COUNT", self.settings.to_string());
        }
        self
    }

    /// What git reads from its standard input.
    pub(super) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    /// Runs it to its end, but no longer than `limit`. It is ended when the caller stops waiting.
    ///
    /// The limit is real time on a runtime of its own, because another process does not follow the clock of a test.
    pub(super) async fn run(self, limit: Duration) -> Result<Output, RunError> {
        let (caller, caller_gone) = oneshot::channel::<()>();
        let run = tokio::task::spawn_blocking(move || self.run_on_own_runtime(limit, caller_gone));
        let result = run.await.unwrap_or(Err(RunError::Stopped));
        drop(caller);
        result
    }

    /// Runs a call that only reads local objects, and blocks until it is done.
    pub(super) fn run_blocking(mut self) -> Result<Output, RunError> {
        let output = self.command.stdin(Stdio::null()).output().map_err(RunError::Io)?;
        Ok(Output { success: output.status.success(), stdout: output.stdout, stderr: output.stderr })
    }

    fn run_on_own_runtime(self, limit: Duration, caller_gone: oneshot::Receiver<()>) -> Result<Output, RunError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Io)?;
        runtime.block_on(async {
            let mut command = tokio::process::Command::from(self.command);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn().map_err(RunError::Io)?;
            let ended = tokio::select! {
                result = tokio::time::timeout(limit, talk(&mut child, &self.input)) => {
                    result.unwrap_or(Err(RunError::TimedOut))
                }
                _ = caller_gone => Err(RunError::Stopped),
            };
            if ended.is_err() {
                // It may have ended by itself just now.
                drop(child.kill().await);
            }
            ended
        })
    }
}

/// Gives the child its input and collects what it says until it ends.
async fn talk(child: &mut Child, input: &[u8]) -> Result<Output, RunError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // A child that ends before it has read everything says why by itself.
            drop(stdin.write_all(input).await);
        }
    };
    let mut output = Output { success: false, stdout: Vec::new(), stderr: Vec::new() };
    let hear_stdout = async {
        match stdout {
            Some(mut pipe) => pipe.read_to_end(&mut output.stdout).await,
            None => Ok(0),
        }
    };
    let hear_stderr = async {
        match stderr {
            Some(mut pipe) => pipe.read_to_end(&mut output.stderr).await,
            None => Ok(0),
        }
    };
    let ((), out, err) = tokio::join!(give, hear_stdout, hear_stderr);
    out.and(err).map_err(RunError::Io)?;
    output.success = child.wait().await.map_err(RunError::Io)?.success();
    Ok(output)
}

impl Output {
    /// Standard output as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What git complained about, in one line and without credentials.
    pub(super) fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let text: String = super::address::redact(&lines.join("; ")).chars().take(COMPLAINT_LIMIT).collect();
        if text.is_empty() { "git did not say why".to_owned() } else { text }
    }
}

/// The longest complaint that is shown, in characters.
const COMPLAINT_LIMIT: usize = 600;
