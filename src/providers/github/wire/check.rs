//! Check runs: what GitHub Actions and Apps say of a commit.

use serde::Deserialize;

/// A page of the check runs of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckRuns {
    /// How many there are on all pages.
    pub total_count: usize,
    /// Those of this page.
    pub check_runs: Vec<CheckRun>,
}

/// A check run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckRun {
    /// Its name: of a job of GitHub Actions that of the job.
    pub name: String,
    /// `completed` once it has ended; `queued`, `in_progress` and others before.
    pub status: String,
    /// How it has ended: `success`, `neutral`, `skipped`, `failure`, `cancelled`, `timed_out`, `action_required`, `stale` …
    #[serde(default)]
    pub conclusion: Option<String>,
}
