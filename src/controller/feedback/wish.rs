//! What is to be said of a preview, by what a pass has found: decided here, without asking anybody.

use chrono::{DateTime, Utc};

use crate::cost::{self, Cost};
use crate::desired::{Asks, Audience, Fleet, Wanted};
use crate::execute::Failure;
use crate::observed::Observed;
use crate::plan::{Plan, Reason, Standing};
use crate::providers::github::client::cut;
use crate::providers::github::wire::{DeploymentState, StatusState};
use crate::report::{PreviewNews, PreviewPhase, PreviewProblem, Status, preview_comment, status_of_one};
use crate::resource::EnvName;
use crate::spec::report::CommentOn;

/// How a preview that somebody has ended by a command comes back.
const BROUGHT_BACK: &str = "A push of a newer commit, or `/hangar redeploy`, brings the preview back.";

/// What is to be said of one preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) env: EnvName,
    pub(super) audience: Audience,
    pub(super) phase: PreviewPhase,
    /// Whether something did not work.
    pub(super) has_problems: bool,
    /// What the comment is to say.
    pub(super) comment: Saying,
    /// What is to be said of the commit: how it is, in which words, and where it can be looked at.
    pub(super) status: Option<(StatusState, String, Option<String>)>,
    pub(super) deployment: Option<Deploying>,
}

/// What is to become of the comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saying {
    /// None is wanted, and one that is there is not touched.
    Nothing,
    /// There is to be one that says this.
    This(String),
    /// If there is one, it is to say this.
    ThisIfThere(String),
    /// There is to be none.
    Gone,
}

/// What is to be said of deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deploying {
    /// The commit is deployed, or on its way.
    Is { state: DeploymentState, description: String, url: Option<String> },
    /// Nothing is deployed any more.
    Over,
}

/// What a pass knows of one environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) plan: &'a Plan,
    pub(super) observed: &'a Observed,
    /// What did not work.
    pub(super) failures: &'a [Failure],
    pub(super) now: DateTime<Utc>,
}

impl Wish {
    /// Whether this says only that what did not work is tried again, which is nothing new to whoever reads `last`.
    pub(super) fn is_another_try_after(&self, last: &Self) -> bool {
        self.phase == PreviewPhase::Deploying && last.has_problems && self.audience == last.audience
    }
}

impl Pass<'_> {
    /// What is to be said of `env` after this pass. Nothing if nobody wants to know, or there is nothing to say.
    pub(super) fn wish(&self, env: &EnvName) -> Option<Wish> {
        let audience = self.fleet.audiences.get(env)?;
        let status = status_of_one(self.fleet, self.plan, self.observed, env, self.now);
        let phase = match (&audience.asks, &status) {
            (Asks::Preview, status) => phase(status.as_ref()?, self.failures),
            (_, None) => ended(audience),
            (_, Some(status)) if status.standing == Standing::Converged => PreviewPhase::Kept,
            (_, Some(_)) => PreviewPhase::Deleting,
        };
        let problems: Vec<PreviewProblem> = self.failures.iter().map(problem).collect();
        let cost = match self.fleet.environments.get(env) {
            Some(Wanted::Ready(wanted)) => Some(cost::environment(wanted)),
            _ => None,
        };
        Some(wish(env, audience, phase, (status.as_ref(), cost), &problems))
    }
}

/// What is to be said of `env`, of which nothing is left.
pub(super) fn deleted(env: &EnvName, audience: &Audience) -> Wish {
    wish(env, audience, ended(audience), (None, None), &[])
}

/// How it is with a preview of which nothing is left.
const fn ended(audience: &Audience) -> PreviewPhase {
    if audience.vouch.is_some() { PreviewPhase::Unapproved } else { PreviewPhase::Deleted }
}

fn wish(
    env: &EnvName,
    audience: &Audience,
    phase: PreviewPhase,
    (status, cost): (Option<&Status>, Option<Cost>),
    problems: &[PreviewProblem],
) -> Wish {
    let notes: Vec<String> = audience.note.iter().cloned().collect();
    let news = PreviewNews {
        name: env,
        sha: &audience.sha,
        cost,
        phase,
        status,
        problems,
        notes: &notes,
        advice: matches!(audience.asks, Asks::Destroyed(_)).then_some(BROUGHT_BACK),
    };
    let text = || preview_comment(&news);
    let comment = match (audience.how.comment, phase) {
        (CommentOn::Never, _) => Saying::Nothing,
        (CommentOn::Failure, PreviewPhase::Failed) => Saying::This(text()),
        (CommentOn::Failure, PreviewPhase::Ready | PreviewPhase::Deleted | PreviewPhase::Unapproved) => Saying::Gone,
        (CommentOn::Failure, _) | (_, PreviewPhase::Deleting | PreviewPhase::Deleted) => Saying::ThisIfThere(text()),
        (CommentOn::Always, _) => Saying::This(text()),
    };
    let url = status.and_then(Status::main_url).cloned();
    let description = description(phase, status, problems);
    let state = match phase {
        PreviewPhase::Queued | PreviewPhase::Deploying | PreviewPhase::Waiting => Some(StatusState::Pending),
        PreviewPhase::Ready => Some(StatusState::Success),
        PreviewPhase::Failed => Some(StatusState::Failure),
        PreviewPhase::Deleting | PreviewPhase::Deleted | PreviewPhase::Unapproved | PreviewPhase::Kept => None,
    };
    let is = |state| Some(Deploying::Is { state, description: description.clone(), url: url.clone() });
    let deployment = match phase {
        PreviewPhase::Queued => is(DeploymentState::Queued),
        PreviewPhase::Deploying => is(DeploymentState::InProgress),
        PreviewPhase::Waiting => is(DeploymentState::Pending),
        PreviewPhase::Ready => is(DeploymentState::Success),
        PreviewPhase::Failed => is(DeploymentState::Failure),
        PreviewPhase::Deleting | PreviewPhase::Kept => None,
        PreviewPhase::Deleted | PreviewPhase::Unapproved => Some(Deploying::Over),
    };
    Wish {
        env: env.clone(),
        audience: audience.clone(),
        phase,
        has_problems: !problems.is_empty(),
        comment,
        status: audience.how.status.as_ref().and(state).map(|state| (state, description.clone(), url.clone())),
        deployment: deployment.filter(|_| audience.how.deployment),
    }
}

/// How far a preview is that there is to be.
fn phase(status: &Status, failures: &[Failure]) -> PreviewPhase {
    if !failures.is_empty() {
        let is_final = failures.iter().any(|failure| !failure.transient);
        return if is_final { PreviewPhase::Failed } else { PreviewPhase::Waiting };
    }
    match status.standing {
        Standing::Converged => PreviewPhase::Ready,
        Standing::Changes => PreviewPhase::Deploying,
        Standing::Blocked => PreviewPhase::Failed,
        Standing::Waiting if status.withheld.iter().all(|withheld| withheld.reason == Reason::Queued) => {
            PreviewPhase::Queued
        }
        Standing::Waiting => PreviewPhase::Waiting,
    }
}

fn problem(failure: &Failure) -> PreviewProblem {
    PreviewProblem {
        step: format!("{} {}", failure.step.action, failure.step.key),
        reason: failure.reason.clone(),
        message: failure.message.clone(),
    }
}

/// One line that says the same as the comment.
fn description(phase: PreviewPhase, status: Option<&Status>, problems: &[PreviewProblem]) -> String {
    let why = match (problems.first(), status.and_then(|status| status.withheld.first())) {
        (Some(problem), _) => Some(format!("{}: {}", problem.reason, problem.step)),
        (None, Some(withheld)) => Some(withheld.reason.to_string()),
        (None, None) => None,
    };
    // As GitHub will give it back.
    cut(&why.map_or_else(|| phase.word().to_owned(), |why| format!("{} ({why})", phase.word())))
}
