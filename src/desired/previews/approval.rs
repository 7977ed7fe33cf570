//! Whether a pull request from a fork is approved: by a label, set by somebody who may, on exactly this commit.
//!
//! The label's event does not say which commit it was set on, and neither does anything else that GitHub tells. What does is a commit
//! status of our own: it is written only while the commit is the head of the pull request, so GitHub's own clock says since when it has
//! been. If it was before the label was set, and the head was not moved in any other way than forward since, then the head was this very
//! commit when the label was set.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

/// How long before a status of ours the head may have been another one: what is read can be as old as a minute, and what is written is
/// tried again for a minute, may take half a minute to be answered, and take effect late.
const VOUCHED_LATE: TimeDelta = TimeDelta::minutes(3);
/// How long an approval has to stand before it counts: a list of events may lag behind the pull request by a minute, and our clock may
/// differ from GitHub's.
const SETTLES: TimeDelta = TimeDelta::minutes(2);
/// The events after which the head may be one that it was before.
const MOVES: [&str; 5] = ["head_ref_force_pushed", "reopened", "closed", "head_ref_deleted", "head_ref_restored"];

/// Whether a pull request from a fork is approved by a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// This commit is.
    Given,
    /// It is not, or not yet.
    Awaited {
        /// Why, for people.
        why: String,
        /// Whether somebody has tried, so that a person should know why it is of no use.
        is_refused: bool,
        /// What is to be said of the commit.
        vouch: Option<Vouch>,
    },
}

/// A commit status by which Hangar says that a commit is the head of a pull request, and whether it is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouch {
    /// The number of the pull request.
    pub pull: u64,
    /// The commit.
    pub sha: String,
    /// The context: of this pull request alone, for another one may have the same commit.
    pub context: String,
    /// Whether it says that the commit is approved.
    pub is_approved: bool,
    /// In which words.
    pub description: String,
    /// The login of whoever has to have said it.
    pub by: String,
    /// One that was said before this moment says nothing any more.
    pub since: Option<DateTime<Utc>>,
}

/// What is known of a pull request from a fork.
#[derive(Debug, Clone)]
pub struct ApprovalEvidence<'e> {
    /// Its number.
    pub pull: u64,
    /// The commit at its head.
    pub sha: &'e str,
    /// The label that approves.
    pub label: &'e str,
    /// Whether it has the label.
    pub is_labelled: bool,
    /// The login that our own statuses are written by; nothing where that cannot be told.
    pub own_login: Option<&'e str>,
    /// Everything that happened to it.
    pub events: &'e [PullEvent],
    /// Everything that was said of the commit.
    pub statuses: &'e [SaidOfCommit],
    /// Who may set the label with effect, by login, as far as anybody has set it.
    pub may_approve: &'e BTreeMap<String, bool>,
    /// The moment of looking.
    pub now: DateTime<Utc>,
}

/// Something that happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    /// What: `labeled`, `head_ref_force_pushed` …
    pub event: String,
    /// The login of whoever did it.
    pub actor: String,
    /// The label that it was about.
    pub label: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl PullEvent {
    /// Whether it sets `label`.
    pub fn sets(&self, label: &str) -> bool {
        self.event == "labeled" && self.is_about(label)
    }

    fn is_about(&self, label: &str) -> bool {
        self.label.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(label))
    }
}

/// A commit status that somebody has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidOfCommit {
    /// Its context.
    pub context: String,
    /// The login of whoever wrote it.
    pub by: String,
    /// Whether it says that all is well.
    pub is_success: bool,
    /// When, by GitHub's clock.
    pub at: DateTime<Utc>,
}

/// Judges whether a pull request from a fork is approved.
pub fn judge(evidence: &ApprovalEvidence<'_>) -> Approval {
    let Some(own_login) = evidence.own_login else {
        let why = "GitHub does not tell whose token Hangar has, so that its own words cannot be told from those of others; use a token of an account, or a GitHub App".to_owned();
        return Approval::Awaited { why, is_refused: evidence.is_labelled, vouch: None };
    };
    let label = evidence.label;
    let context = format!("{label} #{}", evidence.pull);
    let own =
        || evidence.statuses.iter().filter(|said| said.by == own_login && said.context.eq_ignore_ascii_case(&context));
    let moved_at =
        evidence.events.iter().filter(|event| MOVES.contains(&event.event.as_str())).map(|event| event.at).max();
    // From this moment on a status of ours shows what the head is.
    let shows_from = moved_at.and_then(|at| at.checked_add_signed(VOUCHED_LATE));
    let shows = |said: &&SaidOfCommit| shows_from.is_none_or(|from| said.at > from);
    let vouch = |is_approved: bool, description: &str, since: Option<DateTime<Utc>>| Vouch {
        pull: evidence.pull,
        sha: evidence.sha.to_owned(),
        context: context.clone(),
        is_approved,
        description: description.to_owned(),
        by: own_login.to_owned(),
        since,
    };
    // As long as no status would show anything, one is said for people; then once more.
    let since =
        shows_from.filter(|from| evidence.now > *from).and_then(|from| from.checked_add_signed(TimeDelta::seconds(1)));
    let awaits = |why: String, description: &str| Approval::Awaited {
        why,
        is_refused: evidence.is_labelled,
        vouch: Some(vouch(false, description, since)),
    };

    let last = |is_it: &dyn Fn(&PullEvent) -> bool| {
        evidence.events.iter().filter(|event| is_it(event)).max_by_key(|event| event.at)
    };
    let set = last(&|event| event.sets(label)).filter(|_| evidence.is_labelled);
    let taken = last(&|event| event.event == "unlabeled" && event.is_about(label));
    let set = set.filter(|set| taken.is_none_or(|taken| taken.at < set.at));
    let Some(set) = set else {
        if own().filter(shows).count() == 0 && shows_from.is_some() {
            let why = format!("its head was moved; in some minutes the label `{label}` can approve this commit");
            return awaits(why, "moved: wait some minutes before the label");
        }
        let why = format!("nobody has approved this commit by the label `{label}`");
        return awaits(why, &format!("waiting for the label {label}"));
    };
    if !evidence.may_approve.get(&set.actor).copied().unwrap_or_default() {
        let why = format!(
            "{} has set the label `{label}` and may not approve: that takes the triage role or more",
            set.actor
        );
        return awaits(why, "whoever set the label may not approve");
    }
    if !own().filter(shows).any(|said| said.at < set.at) {
        let why = format!(
            "the label `{label}` was set before Hangar had said a commit status (`{context}`) of this commit; take it off, wait for the status, and set it again (if none appears, the token may not write commit statuses)"
        );
        return awaits(why, "set before this commit was seen: take the label off and set it again");
    }
    // What was said long enough ago, after the label was set, has had its time to be refuted.
    let confirmed = own().filter(|said| said.is_success && said.at >= set.at).map(|said| said.at).min();
    if confirmed.is_some_and(|at| evidence.now.signed_duration_since(at) >= SETTLES) {
        return Approval::Given;
    }
    let why = format!("{} has approved this commit; it is deployed in two minutes", set.actor);
    let description = format!("approved by {}", set.actor);
    Approval::Awaited { why, is_refused: false, vouch: Some(vouch(true, &description, Some(set.at))) }
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
