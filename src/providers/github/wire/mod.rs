//! What GitHub answers, as far as it is read. Fields that are not named here are passed over.

mod app;
mod check;
mod event;
mod feedback;
mod people;
mod pull;
mod repository;

pub use app::{App, InstallationToken};
pub use check::{CheckRun, CheckRuns};
pub use event::IssueEvent;
pub use feedback::{
    Account, Comment, CommitStatus, Deployment, DeploymentState, KnownDeploymentStatus, KnownStatus, NewDeployment,
    NewDeploymentStatus, StatusState,
};
pub use people::{KnownReaction, Reaction, Rights};
pub(super) use pull::ChangedFile;
pub use pull::{Base, Head, PullRequest};
pub use repository::{Branch, Commit, Repository};
