//! What GitHub says of commits that gates ask about.

use std::collections::BTreeMap;

use crate::resource::Commit;

/// What is said of a commit, by the names of checks that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitChecks {
    /// All of it, as far as it was asked for. A name that nothing was said under is not in it.
    Known(BTreeMap<String, CheckState>),
    /// It could not be read.
    Unknown {
        /// Why, and what to do.
        reason: String,
        /// Whether that may pass by itself; where not, it is a person's turn.
        may_pass: bool,
    },
}

/// How a check stands. Of several of one name the worst counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckState {
    /// It was successful, or found nothing to do.
    Passed,
    /// It has not ended.
    Pending,
    /// It has ended otherwise.
    Failed {
        /// How, in GitHub's words: `failure`, `timed_out` …
        how: String,
    },
}

/// Answers by commit.
pub type Checks = BTreeMap<Commit, CommitChecks>;
