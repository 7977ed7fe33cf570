//! What Vercel's refusals mean: one variant per thing that is to be treated differently.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::Class;
use crate::http::{HttpError, Outcome, Problem};

/// What went wrong. Each variant has a reason code for conditions ([`reason`](Self::reason)) and says what to do
/// ([`advice`](Self::advice)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VercelProblem {
    /// The token is not one. Vercel answers 403 and not 401.
    #[error("Vercel does not accept the token in `{token}`")]
    BadToken {
        /// Where the token was read from.
        token: String,
    },
    /// The token may not do this.
    #[error("the token in `{token}` may not {permission}, as {role} may: {message}")]
    Forbidden {
        /// Where the token was read from.
        token: String,
        /// What it would have to be allowed.
        permission: String,
        /// Who may do that, by the roles that Vercel knows.
        role: &'static str,
        /// What Vercel said.
        message: String,
    },
    /// Vercel wants a person to confirm who they are.
    #[error("Vercel wants a person to confirm this: {message}")]
    StepUp {
        /// What Vercel said.
        message: String,
    },
    /// The team's plan does not include it, or it has not paid.
    #[error("the plan of the team does not allow it: {message}")]
    PaymentRequired {
        /// What Vercel said.
        message: String,
    },
    /// 404. Vercel says the same of what is in another team.
    #[error("it is not there, or the token in `{token}` may not see it in this team")]
    NotFound {
        /// Where the token was read from.
        token: String,
    },
    /// The team has used up its requests of this kind.
    #[error("Vercel asks for fewer requests{}", until_text(*until))]
    RateLimited {
        /// When Vercel counts anew.
        until: Option<DateTime<Utc>>,
    },
    /// The team has made as many deployments as it may.
    #[error("the team has made as many deployments as it may{}", until_text(*until))]
    DeploymentLimit {
        /// When Vercel counts anew.
        until: Option<DateTime<Utc>>,
    },
    /// A variable of this name is there already, for the same place.
    #[error("the variable `{key}` is there already for {target}{}", branch_text(branch.as_deref()))]
    EnvConflict {
        /// Its name.
        key: String,
        /// The environments that it is for.
        target: String,
        /// The branch that it is for.
        branch: Option<String>,
    },
    /// The branch is not in the repository that the project is connected with.
    #[error("the branch `{branch}` is not in the repository of the project")]
    GitBranchNotFound {
        /// The branch.
        branch: String,
    },
    /// Somebody else writes the project at this moment.
    #[error("the project is being changed by somebody else: {message}")]
    BusyProject {
        /// What Vercel said.
        message: String,
    },
    /// The project has as many variables as it can have.
    #[error("the project has no room for more variables: {message}")]
    ProjectFull {
        /// What Vercel said.
        message: String,
    },
    /// The domain is in use in another project, or in somebody else's account.
    #[error("the domain is in use{}", project_text(project.as_deref()))]
    DomainTaken {
        /// The id of the project, where it is one that the token may know.
        project: Option<String>,
    },
    /// The domain is one of this project already.
    #[error("the domain is one of this project already")]
    DomainAlreadyHere,
    /// The alias is in use in another project.
    #[error("the alias is in use elsewhere: {message}")]
    AliasInUse {
        /// What Vercel said.
        message: String,
    },
    /// The deployment is not ready for this.
    #[error("the deployment is not ready: {message}")]
    DeploymentNotReady {
        /// What Vercel said.
        message: String,
    },
    /// The latest deployment of production failed, which keeps domains from being added.
    #[error("the latest deployment of production failed: {message}")]
    DeploymentFailed {
        /// What Vercel said.
        message: String,
    },
    /// Vercel finds a mistake in what was asked.
    #[error("Vercel refuses the request: {message}")]
    InvalidRequest {
        /// Vercel's word for it.
        code: String,
        /// What Vercel said.
        message: String,
    },
    /// Not possible in the present state.
    #[error("it is not possible at this moment: {message}")]
    Conflict {
        /// What Vercel said.
        message: String,
    },
    /// Any other refusal.
    #[error("Vercel answered {status}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// What Vercel said.
        message: String,
    },
    /// Vercel has trouble of its own, and there was certainly no effect.
    #[error("Vercel's API is in trouble: {message}")]
    Unavailable {
        /// What was seen of it.
        message: String,
    },
    /// Vercel cannot be reached, and there was certainly no effect.
    #[error("{message}")]
    NoConnection {
        /// What the network said.
        message: String,
    },
    /// A write that may or may not have had its effect.
    #[error("{message}")]
    UnknownOutcome {
        /// What was seen of it.
        message: String,
    },
    /// A list whose pages do not end.
    #[error("the pages of the list do not end")]
    EndlessList,
    /// An answer that cannot be understood.
    #[error("{message}")]
    UnexpectedAnswer {
        /// What does not fit.
        message: String,
    },
    /// The request cannot be sent as it is.
    #[error("{message}")]
    CannotSend {
        /// Why not.
        message: String,
    },
}

/// What a refusal says, however it came.
pub(super) struct Said<'a> {
    pub(super) code: &'a str,
    pub(super) message: String,
    pub(super) key: Option<&'a str>,
    pub(super) target: String,
    pub(super) branch: Option<&'a str>,
    pub(super) project: Option<&'a str>,
}

/// The calls that count towards a team's deployments.
const MAKES_DEPLOYMENTS: [&str; 2] = ["create deployment", "redeploy"];
/// What is over after that is waited for; after what takes longer, deployments are asked for again later.
const SOON_OVER: Duration = Duration::from_mins(5);

impl VercelProblem {
    /// What `error` means: Vercel's own word first, then the status.
    pub(super) fn of(error: &HttpError) -> Self {
        match error.problem() {
            Problem::Status { status, message, .. } => Self::of_status(error, *status, message.clone()),
            problem if error.outcome() == Outcome::Unknown => Self::UnknownOutcome { message: problem.to_string() },
            problem @ Problem::Transport(_) => Self::NoConnection { message: problem.to_string() },
            problem @ Problem::NotJson { .. } => Self::Unavailable { message: problem.to_string() },
            problem @ Problem::Shape { .. } => Self::UnexpectedAnswer { message: problem.to_string() },
            problem @ Problem::Request { .. } => Self::CannotSend { message: problem.to_string() },
        }
    }

    fn of_status(error: &HttpError, status: u16, message: String) -> Self {
        let token = error.token().to_owned();
        let code = error.code().unwrap_or_default();
        let until = error.exhausted_until();
        let said = Said {
            code,
            message: message.clone(),
            key: error.detail("envVarKey"),
            target: error.detail("target").unwrap_or_default().to_owned(),
            branch: error.detail("gitBranch"),
            project: error.detail("projectId"),
        };
        if let Some(problem) = Self::of_word(&said) {
            return problem;
        }
        match status {
            401 | 403 if error.detail("invalidToken") == Some("true") => Self::BadToken { token },
            401 | 403 if code.starts_with("challenge") || code == "user_auth_required" => Self::StepUp { message },
            401 | 403 => {
                let action = error.action();
                Self::Forbidden { token, permission: action.to_owned(), role: role(action), message }
            }
            402 => Self::PaymentRequired { message },
            404 => Self::NotFound { token },
            429 if code.starts_with("api-deployments")
                || code == "builds_rate_limited"
                || (MAKES_DEPLOYMENTS.contains(&error.action()) && error.retry_after() > Some(SOON_OVER)) =>
            {
                Self::DeploymentLimit { until }
            }
            429 => Self::RateLimited { until },
            409 | 422 | 428 => Self::Conflict { message },
            400 => Self::InvalidRequest { code: code.to_owned(), message },
            408 | 425 | 500..=599 if error.outcome() == Outcome::Unknown => {
                Self::UnknownOutcome { message: error.problem().to_string() }
            }
            408 | 425 | 500..=599 => Self::Unavailable { message: error.problem().to_string() },
            _ => Self::Refused { status, message },
        }
    }

    /// What Vercel's own word means, whatever the status: the same conflict comes with 400, 403 or 409.
    pub(super) fn of_word(said: &Said<'_>) -> Option<Self> {
        let message = said.message.clone();
        let lower = message.to_lowercase();
        Some(match said.code {
            "ENV_CONFLICT" | "existing_key_and_target" => Self::EnvConflict {
                key: said.key.unwrap_or_default().to_owned(),
                target: said.target.clone(),
                branch: said.branch.map(str::to_owned),
            },
            "git_branch_not_found" => {
                let branch = said.branch.map(str::to_owned).or_else(|| quoted(&message)).unwrap_or_default();
                Self::GitBranchNotFound { branch }
            }
            "domain_already_in_use" | "domain_already_in_use_by_project" | "domain_already_exists" => {
                Self::DomainTaken { project: said.project.map(str::to_owned) }
            }
            "alias_in_use" => Self::AliasInUse { message },
            "deployment_not_ready" => Self::DeploymentNotReady { message },
            _ if lower.contains("already happening") => Self::BusyProject { message },
            _ if lower.contains("document is too large") || lower.contains("can have at most") => {
                Self::ProjectFull { message }
            }
            _ if lower.contains("latest production deployment failed") => Self::DeploymentFailed { message },
            _ => return None,
        })
    }

    /// A word for conditions, in CamelCase.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::BadToken { .. } => "TokenRejected",
            Self::Forbidden { .. } => "Forbidden",
            Self::StepUp { .. } => "StepUp",
            Self::PaymentRequired { .. } => "PaymentRequired",
            Self::NotFound { .. } => "NotFound",
            Self::RateLimited { .. } => "RateLimited",
            Self::DeploymentLimit { .. } => "DeploymentLimit",
            Self::EnvConflict { .. } => "EnvConflict",
            Self::GitBranchNotFound { .. } => "GitBranchNotFound",
            Self::BusyProject { .. } => "BusyProject",
            Self::ProjectFull { .. } => "ProjectFull",
            Self::DomainTaken { .. } => "DomainTaken",
            Self::DomainAlreadyHere => "DomainAlreadyHere",
            Self::AliasInUse { .. } => "AliasInUse",
            Self::DeploymentNotReady { .. } => "DeploymentNotReady",
            Self::DeploymentFailed { .. } => "DeploymentFailed",
            Self::InvalidRequest { .. } => "InvalidRequest",
            Self::Conflict { .. } => "Conflict",
            Self::Refused { .. } => "Refused",
            Self::Unavailable { .. } => "Unavailable",
            Self::NoConnection { .. } => "NoConnection",
            Self::UnknownOutcome { .. } => "UnknownOutcome",
            Self::EndlessList | Self::UnexpectedAnswer { .. } => "UnexpectedAnswer",
            Self::CannotSend { .. } => "CannotSend",
        }
    }

    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::BadToken { .. } => "make a new token (it may have expired or been revoked) and put it there",
            Self::Forbidden { .. } => {
                "give the user of the token such a role, and check that the team is the right one and the token is for it"
            }
            Self::StepUp { .. } => "use a token of a machine account for which the team asks for no confirmation",
            Self::PaymentRequired { .. } => "change the plan of the team, or do without",
            Self::NotFound { .. } => {
                "check the spelling and the team: Vercel says the same of what belongs to another team"
            }
            Self::RateLimited { .. } => "wait; requests are spaced out",
            Self::DeploymentLimit { .. } => "wait until then, or change the plan of the team",
            Self::EnvConflict { .. } => "remove the variable that is there, or take it out of the spec",
            Self::GitBranchNotFound { .. } => {
                "push the branch; it is tried again when it is there. If it is there, connect the project with its repository again"
            }
            Self::BusyProject { .. } | Self::Unavailable { .. } => "wait; it is tried again",
            Self::ProjectFull { .. } => "remove variables that nobody needs, such as those of branches that are gone",
            Self::DomainTaken { .. } => "remove the domain from the other project, or choose another one",
            Self::DomainAlreadyHere => "nothing: it is there",
            Self::AliasInUse { .. } => "remove the alias from the other project, or choose another one",
            Self::DeploymentNotReady { .. } => "wait until it is ready",
            Self::DeploymentFailed { .. } => "mend production first: deploy it again",
            Self::InvalidRequest { .. } => "correct what the message names",
            Self::Conflict { .. } => "look again and decide again",
            Self::Refused { .. } => "see the message",
            Self::NoConnection { .. } => {
                "check the network, a proxy if there is one (`HTTPS_PROXY`), and the address of the API if one is set"
            }
            Self::UnknownOutcome { .. } => "look at what is there before another attempt",
            Self::EndlessList | Self::UnexpectedAnswer { .. } => {
                "check the address of the API; Vercel's API may also have changed: report this with the request id, and try a newer version of Hangar"
            }
            Self::CannotSend { .. } => "correct the value that the message names",
        }
    }

    /// How to go on.
    pub const fn class(&self) -> Class {
        match self {
            Self::UnknownOutcome { .. } => Class::Unknown,
            Self::RateLimited { .. }
            | Self::DeploymentLimit { .. }
            | Self::GitBranchNotFound { .. }
            | Self::BusyProject { .. }
            | Self::DeploymentNotReady { .. }
            | Self::Conflict { .. }
            | Self::Unavailable { .. }
            | Self::NoConnection { .. } => Class::Transient,
            _ => Class::Permanent,
        }
    }
}

/// Who may do what a call is about, by the roles of teams and projects at Vercel. Owners may do everything.
fn role(action: &str) -> &'static str {
    let is_about = |words: &[&str]| words.iter().any(|word| action.contains(word));
    if is_about(&["read", "list"]) {
        "a Viewer of the team or of the project"
    } else if is_about(&["promote", "roll back"]) {
        "a Member of the team, an Admin of the project, or who has the permission Full Production Deployment"
    } else if is_about(&["variable"]) {
        "a Member or Developer of the team or a Developer of the project (for production an Admin of it, or who has the permission Environment Variable Manager)"
    } else if is_about(&["create deployment", "redeploy", "cancel deployment"]) {
        "a Member or Developer of the team or a Developer of the project (for production an Admin of it, or who has the permission Full Production Deployment)"
    } else {
        "a Member of the team or an Admin of the project"
    }
}

/// The first part of a text that stands in quotation marks.
fn quoted(text: &str) -> Option<String> {
    text.split('"').nth(1).map(str::to_owned)
}

fn until_text(until: Option<DateTime<Utc>>) -> String {
    until.map(|until| format!("; it counts anew at {}", until.format("%H:%M:%S UTC"))).unwrap_or_default()
}

fn branch_text(branch: Option<&str>) -> String {
    branch.map(|branch| format!(" of the branch `{branch}`")).unwrap_or_default()
}

fn project_text(project: Option<&str>) -> String {
    project.map_or_else(|| " in another account".to_owned(), |id| format!(" in the project `{id}`"))
}
