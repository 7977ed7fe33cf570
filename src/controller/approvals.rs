//! Reads what is known of the approval of pull requests from forks.

use std::collections::{BTreeMap, BTreeSet};

use super::comments::Comments;
use crate::clock::SharedClock;
use crate::desired::{Approval, ApprovalEvidence, PullEvent, PullRequest, SaidOfCommit, judge};
use crate::providers::github::client::{GithubError, GithubReader};
use crate::providers::github::wire::{IssueEvent, KnownStatus, StatusState};
use crate::resource::RepoName;

/// Whether `pull` is approved, by each of `labels`. The pull request was listed before: whatever moved its head until then is among its
/// events, unless these lag behind.
pub(super) async fn approvals(
    reader: &GithubReader,
    clock: &SharedClock,
    comments: &Comments,
    own_login: Option<&str>,
    (repo, pull, labels): (&RepoName, &PullRequest, BTreeSet<String>),
) -> Result<BTreeMap<String, Approval>, GithubError> {
    let events: Vec<PullEvent> = reader.events(repo, pull.number).await?.into_iter().map(event).collect();
    let statuses: Vec<SaidOfCommit> = reader.all_statuses(repo, &pull.sha).await?.into_iter().map(said).collect();
    let mut approvals = BTreeMap::new();
    for label in labels {
        let mut may_approve = BTreeMap::new();
        // Bots set labels at the word of anybody.
        let last = events.iter().filter(|event| event.sets(&label)).max_by_key(|event| event.at);
        if let Some(event) = last.filter(|event| !event.actor.ends_with("[bot]")) {
            let rights = comments.rights(reader, clock, repo, &event.actor).await?;
            may_approve.insert(event.actor.clone(), rights.triage);
        }
        let approval = judge(&ApprovalEvidence {
            pull: pull.number,
            sha: &pull.sha,
            label: &label,
            is_labelled: pull.labels.iter().any(|own| own.eq_ignore_ascii_case(&label)),
            own_login,
            events: &events,
            statuses: &statuses,
            may_approve: &may_approve,
            now: clock.now(),
        });
        approvals.insert(label, approval);
    }
    Ok(approvals)
}

fn event(event: IssueEvent) -> PullEvent {
    PullEvent { event: event.event, actor: event.actor, label: event.label, at: event.created_at }
}

fn said(status: KnownStatus) -> SaidOfCommit {
    SaidOfCommit {
        context: status.context,
        // Nobody has this login.
        by: status.creator.map(|creator| creator.login).unwrap_or_default(),
        is_success: status.state == StatusState::Success,
        at: status.created_at,
    }
}
