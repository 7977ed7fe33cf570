//! Exit codes and how errors end a command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Converged, in sync, valid.
    Ok,
    /// Something failed, or the input is wrong.
    Failed,
    /// A look: there are changes.
    Changes,
    /// Waiting or blocked.
    Stuck,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::Stuck => 3,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// Specs or tokens.
    #[error(transparent)]
    Load(#[from] crate::controller::LoadError),
    /// The run itself.
    #[error(transparent)]
    Session(#[from] crate::controller::SessionError),
    /// The daemon.
    #[error(transparent)]
    Daemon(#[from] crate::controller::DaemonError),
    /// The source.
    #[error(transparent)]
    Source(#[from] crate::source::SourceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] crate::controller::BrokenPlan),
    /// The simulator's saved state.
    #[error("{path}: {source}")]
    Snapshot {
        /// The file.
        path: String,
        /// What is wrong.
        source: crate::sim::SnapshotError,
    },
    /// The document that the simulator is held against.
    #[error(transparent)]
    Contract(#[from] crate::sim::contract::ContractError),
    /// A fault file of the simulator.
    #[error("{path}: {source}")]
    Faults {
        /// The file.
        path: String,
        /// What is wrong.
        source: crate::sim::FaultFileError,
    },
    /// The HTTP client.
    #[error(transparent)]
    Http(#[from] crate::http::StartError),
    /// A file or socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Secrets whose values this machine does not have.
    #[error("secrets need values that this machine does not have, so nothing was sent:\n  - {}", .0.join("\n  - "))]
    MissingValues(Vec<String>),
    /// The comment on a pull request.
    #[error("the comment was not written: {0}")]
    Comment(String),
    /// Arguments that do not go together, or name nothing.
    #[error("{0}")]
    Usage(String),
}

impl CliError {
    /// An input or output that failed.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
