//! The loop, and a single run of it: observe → plan → execute → record, again and again until both sides agree.
//!
//! ```text
//! source ─> load ─> Loaded ─┐
//!                           ├─> plan_checked ─> Executor ─> statuses, events
//! Readers ─────> Observed ──┘        (pass)
//! ```

mod approvals;
mod checks;
mod comments;
mod credentials;
mod daemon;
mod feedback;
mod forecast;
mod github;
mod hints;
mod load;
mod once;
mod pass;
mod queue;
mod registries;
mod repos;
mod round;
mod scopes;
mod session;
mod variables;

pub use checks::CheckAsker;
pub use credentials::AppTokens;
pub use daemon::{Daemon, DaemonError};
pub use feedback::Feedback;
pub use forecast::{Forecast, forecast};
pub use github::GithubAccess;
pub use hints::Hints;
pub use load::{LoadError, Loaded, asked, load};
pub use once::{Once, Outcome, Verdict};
pub use pass::{BrokenPlan, Planned, Readers, Whereabouts, apps_that_fit, bulk_fingerprint, plan_checked, writers};
pub use queue::{Backoff, Priority, Queue};
pub use registries::Registries;
pub use repos::WithRepositories;
pub use session::{Session, SessionError};
pub use variables::{FixedVariables, ProcessEnvironment, Variables, WithStandIns};
