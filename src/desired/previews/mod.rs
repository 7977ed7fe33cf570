//! From sets of previews, and what a repository has at this moment, to the environments that are wanted.
//!
//! ```text
//! listings ──select──> subjects ──slugs──> facts ──expand──> environments (name, facts, life)
//! ```
//!
//! Nothing that a pull request controls is ever read as a template: its values are filled in as they are.

mod approval;
mod command;
mod expand;
mod facts;
mod life;
mod listing;
mod name_pattern;
mod orders;
mod provenance;
mod report;
mod select;
mod slug;

pub use approval::{Approval, ApprovalEvidence, PullEvent, SaidOfCommit, Vouch, judge};
pub use command::{Command, Order, commands};
pub use expand::{Ended, Preview, PreviewSet};
pub(super) use expand::{Expanded, expand, probes};
pub(super) use facts::Facts;
pub use listing::{Branch, NeededListing, PullRequest, RepoListing, needed_listings};
pub use name_pattern::NamePattern;
pub use orders::too_long;
pub use orders::{Answer, AnswerKind, Destroyed};
pub use provenance::Provenance;
pub use report::{Asks, Audience};

#[cfg(test)]
mod tests;
