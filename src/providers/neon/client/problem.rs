//! What Neon's refusals mean: one variant per thing that is to be treated differently.

use super::error::Class;
use crate::http::{HttpError, Outcome, Problem};
use crate::providers::neon::wire::{Operation, OperationStatus};

/// What went wrong. Each variant has a reason code for conditions ([`reason`](Self::reason)) and says what to do
/// ([`advice`](Self::advice)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeonProblem {
    /// 401.
    #[error("Neon does not accept the key in `{token}`")]
    Unauthorized {
        /// Where the key was read from.
        token: String,
    },
    /// 403.
    #[error("the key in `{token}` lacks the permission {permission}: {message}")]
    Forbidden {
        /// Where the key was read from.
        token: String,
        /// The permission that is needed: `CAN_VIEW`, `CAN_EDIT` or `CAN_MANAGE`.
        permission: &'static str,
        /// What Neon said.
        message: String,
    },
    /// 423: operations of the project run.
    #[error("the project is at work: {message}")]
    Locked {
        /// What Neon said.
        message: String,
    },
    /// 409: something of this name is there.
    #[error("the name is taken: {message}")]
    NameTaken {
        /// What Neon said.
        message: String,
    },
    /// As much is there as the plan allows.
    #[error("a limit of the project is reached ({code}): {message}")]
    LimitReached {
        /// Neon's word for the limit, such as `BRANCHES_LIMIT_EXCEEDED`.
        code: String,
        /// What Neon said.
        message: String,
    },
    /// The branch is still being made or restored.
    #[error("the branch is not ready yet")]
    NotReady,
    /// The branch has branches of its own.
    #[error("the branch has children: {message}")]
    HasChildren {
        /// What Neon said; it names them.
        message: String,
    },
    /// The branch is protected, the default one, or the root.
    #[error("the branch is kept from this: {message}")]
    Protected {
        /// What Neon said.
        message: String,
    },
    /// A restore has to keep what the branch was under a name.
    #[error("what the branch is now has to be kept under a name: {message}")]
    NameToPreserveMissing {
        /// What Neon said.
        message: String,
    },
    /// 412: the project does not keep passwords.
    #[error("the project does not keep passwords: {message}")]
    PasswordsNotKept {
        /// What Neon said.
        message: String,
    },
    /// 404.
    #[error("it is not there: {message}")]
    NotFound {
        /// What Neon said.
        message: String,
    },
    /// Too many requests.
    #[error("Neon asks for fewer requests")]
    RateLimited,
    /// Neon began, and what it did then failed.
    #[error("Neon's operation {action} is {status}: {message}")]
    OperationFailed {
        /// What the operation was to do.
        action: String,
        /// How it ended: `error`, `cancelled` or `failed`.
        status: OperationStatus,
        /// What went wrong with it.
        message: String,
    },
    /// Neon began, and was not done in the time that was given to it.
    #[error("Neon's operation {action} is still {status}{}", because(message))]
    OperationUnfinished {
        /// What the operation does.
        action: String,
        /// How far it is.
        status: OperationStatus,
        /// What went wrong with its last attempt; empty if nothing did.
        message: String,
    },
    /// A connection string leads to another compute than the one that was asked for.
    #[error("Neon named a connection string to another host than `{expected}`")]
    WrongHost {
        /// Where it should lead.
        expected: String,
    },
    /// A list whose pages do not end.
    #[error("the pages of the list do not end")]
    EndlessList,
    /// A list without the word whether it goes on.
    #[error("the list does not say whether it is whole")]
    PartialList,
    /// Neon finds a mistake in what was asked.
    #[error("Neon refuses the request: {message}")]
    InvalidRequest {
        /// What Neon said.
        message: String,
    },
    /// 409 for another reason.
    #[error("it is not possible at this moment: {message}")]
    Conflict {
        /// What Neon said.
        message: String,
    },
    /// Any other refusal.
    #[error("Neon answered {status}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// What Neon said.
        message: String,
    },
    /// Neon has trouble of its own, and there was certainly no effect.
    #[error("Neon's API is in trouble: {message}")]
    Unavailable {
        /// What was seen of it.
        message: String,
    },
    /// Neon cannot be reached, and there was certainly no effect.
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

fn because(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl NeonProblem {
    /// What `error` means: the status and Neon's code first, then words of the message, since most refusals have no code.
    pub(super) fn of(error: &HttpError) -> Self {
        match error.problem() {
            Problem::Status { status, message, code } => Self::of_status(error, *status, message, code.as_deref()),
            problem if error.outcome() == Outcome::Unknown => Self::UnknownOutcome { message: problem.to_string() },
            problem @ Problem::Transport(_) => Self::NoConnection { message: problem.to_string() },
            problem @ Problem::NotJson { .. } => Self::Unavailable { message: problem.to_string() },
            problem @ Problem::Shape { .. } => Self::UnexpectedAnswer { message: problem.to_string() },
            problem @ Problem::Request { .. } => Self::CannotSend { message: problem.to_string() },
        }
    }

    fn of_status(error: &HttpError, status: u16, said: &str, code: Option<&str>) -> Self {
        let (token, message) = (error.token().to_owned(), said.to_owned());
        let lower = said.to_lowercase();
        let is_limit = |code: &&str| code.contains("LIMIT") || code.ends_with("_EXCEEDED");
        match (status, code.filter(is_limit)) {
            (401, _) => Self::Unauthorized { token },
            // Which status a limit has is not known of each of them.
            (400..=499, Some(code)) if status != 429 => Self::LimitReached { code: code.to_owned(), message },
            (403, _) => Self::Forbidden { token, permission: permission(error, said), message },
            (404, _) => Self::NotFound { message },
            (409, _) if lower.contains("already exists") => Self::NameTaken { message },
            (409, _) => Self::Conflict { message },
            (412, _) => Self::PasswordsNotKept { message },
            (423, _) => Self::Locked { message },
            (429, _) => Self::RateLimited,
            (422, _) if lower.contains("not ready") => Self::NotReady,
            (422, _) if lower.contains("preserve_under_name") => Self::NameToPreserveMissing { message },
            (422, _) if lower.contains("has children") => Self::HasChildren { message },
            (422, _) if ["protected", "default branch", "root branch"].iter().any(|word| lower.contains(word)) => {
                Self::Protected { message }
            }
            (400 | 422, _) => Self::InvalidRequest { message },
            (500.., _) if error.outcome() == Outcome::Unknown => {
                Self::UnknownOutcome { message: error.problem().to_string() }
            }
            (408 | 500.., _) => Self::Unavailable { message: error.problem().to_string() },
            _ => Self::Refused { status, message },
        }
    }

    /// What an operation that is not done means: for good, or until now.
    pub(super) fn of_operation(operation: &Operation) -> Self {
        let (action, status) = (operation.action.clone(), operation.status.clone());
        let message = operation.error.clone().unwrap_or_default();
        if operation.has_failed() {
            Self::OperationFailed { action, status, message }
        } else {
            Self::OperationUnfinished { action, status, message }
        }
    }

    /// A word for conditions, in CamelCase.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "Unauthorized",
            Self::Forbidden { .. } => "Forbidden",
            Self::Locked { .. } => "Locked",
            Self::NameTaken { .. } => "NameTaken",
            Self::LimitReached { .. } => "LimitReached",
            Self::NotReady => "NotReady",
            Self::HasChildren { .. } => "HasChildren",
            Self::Protected { .. } => "Protected",
            Self::NameToPreserveMissing { .. } => "NameToPreserveMissing",
            Self::PasswordsNotKept { .. } => "PasswordsNotKept",
            Self::NotFound { .. } => "NotFound",
            Self::RateLimited => "RateLimited",
            Self::OperationFailed { .. } => "OperationFailed",
            Self::OperationUnfinished { .. } => "OperationUnfinished",
            Self::WrongHost { .. } => "WrongHost",
            Self::EndlessList => "EndlessList",
            Self::PartialList => "PartialList",
            Self::InvalidRequest { .. } => "InvalidRequest",
            Self::Conflict { .. } => "Conflict",
            Self::Refused { .. } => "Refused",
            Self::Unavailable { .. } => "Unavailable",
            Self::NoConnection { .. } => "NoConnection",
            Self::UnknownOutcome { .. } => "UnknownOutcome",
            Self::UnexpectedAnswer { .. } => "UnexpectedAnswer",
            Self::CannotSend { .. } => "CannotSend",
        }
    }

    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => {
                "make a new API key in Neon's console, best one of the project or the organization, and put it there"
            }
            Self::Forbidden { .. } => {
                "use a key of somebody who has this permission in the project, or give it to them in Neon's console"
            }
            Self::Locked { .. } => "wait until Neon has finished what it does in the project; nothing was done yet",
            Self::NameTaken { .. } => "look at what has the name: it may be what was wanted; else choose another name",
            Self::LimitReached { .. } => {
                "delete what is not needed any more, or choose a plan that allows more; what waits goes on by itself then"
            }
            Self::NotReady => "wait until the branch is ready",
            Self::HasChildren { .. } => "delete the branches that were made of this one first",
            Self::Protected { .. } => {
                "this is never done by itself: change the branch in Neon's console if it is really meant"
            }
            Self::NameToPreserveMissing { .. } => {
                "say under which name what the branch is now goes on; it takes the place of a branch"
            }
            Self::PasswordsNotKept { .. } => {
                "reset the role's password, which tells the new one, or let the project keep passwords"
            }
            Self::NotFound { .. } => {
                "right after its creation, look again in some seconds; else it was removed, or the key does not see it"
            }
            Self::RateLimited => "wait; requests are spaced out",
            Self::OperationFailed { .. } => "see the message, and the operations of the project in Neon's console",
            Self::OperationUnfinished { .. } => "wait, and look again; see Neon's status page if it lasts",
            Self::WrongHost { .. } => "do not use it; report this with what was asked for",
            Self::InvalidRequest { .. } | Self::CannotSend { .. } => "correct what the message names",
            Self::Conflict { .. } => "look again and decide again",
            Self::Refused { .. } => "see the message",
            Self::Unavailable { .. } => "wait; see Neon's status page if it lasts",
            Self::NoConnection { .. } => {
                "check the network, a proxy if there is one (`HTTPS_PROXY`), and the address of the API if one is set"
            }
            Self::UnknownOutcome { .. } => "look at what is there before another attempt",
            Self::UnexpectedAnswer { .. } | Self::EndlessList | Self::PartialList => {
                "Neon's API may have changed: report this with the request id, and try a newer version of Hangar"
            }
        }
    }

    /// How to go on, if it is certain that there was no effect.
    pub const fn class(&self) -> Class {
        match self {
            Self::Locked { .. }
            | Self::NotReady
            | Self::RateLimited
            | Self::OperationUnfinished { .. }
            | Self::EndlessList
            | Self::PartialList
            | Self::Conflict { .. }
            | Self::Unavailable { .. }
            | Self::NoConnection { .. } => Class::Transient,
            Self::UnknownOutcome { .. } => Class::Unknown,
            _ => Class::Permanent,
        }
    }
}

/// The permission that a refused request needs: Neon names it, or it follows from what was asked.
fn permission(error: &HttpError, said: &str) -> &'static str {
    let named = ["CAN_MANAGE", "CAN_EDIT", "CAN_VIEW"].into_iter().find(|name| said.contains(name));
    named.unwrap_or(if error.method().is_read() { "CAN_VIEW" } else { "CAN_EDIT" })
}
