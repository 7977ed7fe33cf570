//! What GitHub's refusals mean: one variant per thing that is to be treated differently.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::http::{HttpError, Outcome, Problem};

/// What went wrong. Each variant has a reason code for conditions ([`reason`](Self::reason)) and says what to do
/// ([`advice`](Self::advice)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GithubProblem {
    /// 401.
    #[error("GitHub does not accept the token in `{token}`")]
    TokenRejected {
        /// Where the token was read from.
        token: String,
    },
    /// The token lacks a permission.
    #[error("the token in `{token}` may not do this: {message}")]
    Forbidden {
        /// Where the token was read from.
        token: String,
        /// What GitHub said.
        message: String,
    },
    /// 404. GitHub says the same whether something is absent or hidden from the token.
    #[error("it is not there, or the token in `{token}` may not see it")]
    NotVisible {
        /// Where the token was read from.
        token: String,
    },
    /// The token has used up its requests of the hour.
    #[error("the token in `{token}` has used up its requests of this hour; GitHub counts anew at {}", at(*resets_at))]
    LimitReached {
        /// Where the token was read from.
        token: String,
        /// When GitHub counts anew.
        resets_at: DateTime<Utc>,
    },
    /// Too many requests at once, or too many comments in a short time.
    #[error("GitHub asks for fewer requests{}", after(*retry_after))]
    SecondaryLimit {
        /// How long GitHub asked to wait.
        retry_after: Option<Duration>,
    },
    /// A redirect, or the next page of a list, leads to another host than the one that the token is for.
    #[error("GitHub sends the request on to `{to}`, which is not below the address of its API")]
    LeadsElsewhere {
        /// Where to: scheme and host.
        to: String,
    },
    /// One redirect after the other.
    #[error("GitHub sends the request on again and again")]
    EndlessRedirect,
    /// A list whose pages do not end.
    #[error("the pages of the list do not end")]
    EndlessList,
    /// The list changed each time that its pages were read.
    #[error("the list changed each time that its {pages} pages were read")]
    Unsettled {
        /// How many pages it has.
        pages: usize,
    },
    /// GitHub finds a mistake in what was asked.
    #[error("GitHub refuses the request: {message}")]
    InvalidRequest {
        /// What GitHub said.
        message: String,
    },
    /// 409: not possible in the present state.
    #[error("it is not possible at this moment: {message}")]
    Conflict {
        /// What GitHub said.
        message: String,
    },
    /// Any other refusal.
    #[error("GitHub answered {status}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// What GitHub said.
        message: String,
    },
    /// GitHub has trouble of its own, and there was certainly no effect.
    #[error("GitHub's API is in trouble: {message}")]
    Unavailable {
        /// What was seen of it.
        message: String,
    },
    /// GitHub cannot be reached, and there was certainly no effect.
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

impl GithubProblem {
    /// What `error` means: the headers of a limit first, then status and words.
    pub(super) fn of(error: &HttpError) -> Self {
        let token = error.token().to_owned();
        if let Some(resets_at) = error.exhausted_until() {
            return Self::LimitReached { token, resets_at };
        }
        match error.problem() {
            Problem::Status { status, message, .. } => Self::of_status(error, *status, message.clone(), token),
            problem if error.outcome() == Outcome::Unknown => Self::UnknownOutcome { message: problem.to_string() },
            problem @ Problem::Transport(_) => Self::NoConnection { message: problem.to_string() },
            problem @ Problem::NotJson { .. } => Self::Unavailable { message: problem.to_string() },
            problem @ Problem::Shape { .. } => Self::UnexpectedAnswer { message: problem.to_string() },
            problem @ Problem::Request { .. } => Self::CannotSend { message: problem.to_string() },
        }
    }

    fn of_status(error: &HttpError, status: u16, message: String, token: String) -> Self {
        let is_limit = error.retry_after().is_some() || message.to_lowercase().contains("rate limit");
        match status {
            401 => Self::TokenRejected { token },
            429 => Self::SecondaryLimit { retry_after: error.retry_after() },
            403 if is_limit => Self::SecondaryLimit { retry_after: error.retry_after() },
            403 => Self::Forbidden { token, message },
            404 => Self::NotVisible { token },
            409 => Self::Conflict { message },
            400 | 422 => Self::InvalidRequest { message },
            408 | 425 | 500..=599 if error.outcome() == Outcome::Unknown => {
                Self::UnknownOutcome { message: error.problem().to_string() }
            }
            408 | 425 | 500..=599 => Self::Unavailable { message: error.problem().to_string() },
            _ => Self::Refused { status, message },
        }
    }

    /// A word for conditions, in CamelCase.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TokenRejected { .. } => "TokenRejected",
            Self::Forbidden { .. } => "Forbidden",
            Self::NotVisible { .. } => "NotVisible",
            Self::LimitReached { .. } => "LimitReached",
            Self::SecondaryLimit { .. } => "SecondaryLimit",
            Self::LeadsElsewhere { .. } => "LeadsElsewhere",
            Self::EndlessRedirect => "EndlessRedirect",
            Self::EndlessList => "EndlessList",
            Self::Unsettled { .. } => "Unsettled",
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
            Self::TokenRejected { .. } => "make a new token (it may have expired or been revoked) and put it there",
            Self::Forbidden { .. } => {
                "give the token the permission that is missing: reading needs `contents` and `pull requests` (read), and `checks` and `commit statuses` (read) where an environment requires checks; comments and labels `pull \
                 requests` (write), and each of `commit statuses`, `deployments` and `administration` (write) what its name says"
            }
            Self::NotVisible { .. } => {
                "check the spelling, that the token was given this repository, and that an organization with single sign-on has authorized it"
            }
            Self::LimitReached { .. } => {
                "wait until then; a GitHub App has a higher limit than a person's token, and nothing else should use the same token"
            }
            Self::SecondaryLimit { .. } => "wait; requests are spaced out",
            Self::LeadsElsewhere { .. } => {
                "check the address of the API (an Enterprise server has it at `https://HOST/api/v3`); the token is sent nowhere else"
            }
            Self::EndlessRedirect => "check the name of the repository",
            Self::Unsettled { .. } => "wait; it is read again later",
            Self::InvalidRequest { .. } => "correct what the message names",
            Self::Conflict { .. } => "look again and decide again",
            Self::Refused { .. } => "see the message",
            Self::Unavailable { .. } => "wait; see GitHub's status page if it lasts",
            Self::NoConnection { .. } => {
                "check the network, a proxy if there is one (`HTTPS_PROXY`), and the address of the API if one is set"
            }
            Self::UnknownOutcome { .. } => "look at what is there before another attempt",
            Self::UnexpectedAnswer { .. } | Self::EndlessList => {
                "check the address of the API; GitHub's API may also have changed: report this with the request id, and try a newer version of \
                 Hangar"
            }
            Self::CannotSend { .. } => "correct the value that the message names",
        }
    }

    /// Whether it is likely to work later by itself. There was no effect.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::LimitReached { .. }
                | Self::SecondaryLimit { .. }
                | Self::Unsettled { .. }
                | Self::Unavailable { .. }
                | Self::NoConnection { .. }
        )
    }
}

fn at(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn after(duration: Option<Duration>) -> String {
    duration.map_or_else(String::new, |duration| format!(", and to come back after {} s", duration.as_secs()))
}
