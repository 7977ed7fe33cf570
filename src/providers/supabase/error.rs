//! A failed call to Supabase: what, where, why, and how to go on.

use std::fmt::{Display, Formatter};
use std::time::Duration;

use crate::http::{HttpError, Outcome, Problem};

/// A failed call to Supabase.
#[derive(Debug, Clone)]
pub struct SupabaseError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    problem: SupabaseProblem,
    place: Place,
    http: HttpError,
}

/// How to go on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It stays wrong until something is changed: what was asked, or a token.
    Permanent,
    /// It is likely to work later by itself. There was no effect.
    Transient,
    /// It may have had its effect: observe before deciding anything.
    Unknown,
}

/// What a call was about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// What the project goes by.
    pub project: String,
    /// The name of the branch.
    pub branch: Option<String>,
}

impl Place {
    /// A project, or a branch by what its own project goes by.
    pub fn project(reference: &str) -> Self {
        Self { project: reference.to_owned(), branch: None }
    }

    /// A branch of a project.
    pub fn branch(reference: &str, name: &str) -> Self {
        Self { branch: Some(name.to_owned()), ..Self::project(reference) }
    }
}

/// What went wrong. Each variant has a reason code for conditions ([`reason`](Self::reason)) and says what to do
/// ([`advice`](Self::advice)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupabaseProblem {
    /// 401.
    #[error("Supabase does not accept the token in `{token}`")]
    TokenRejected {
        /// Where the token was read from.
        token: String,
    },
    /// 403.
    #[error("the token in `{token}` may not do this: {message}")]
    Forbidden {
        /// Where the token was read from.
        token: String,
        /// What Supabase said.
        message: String,
    },
    /// 404.
    #[error("it is not there: {message}")]
    NotFound {
        /// What Supabase said.
        message: String,
    },
    /// Too many requests.
    #[error("Supabase asks for fewer requests")]
    RateLimited,
    /// Supabase finds a mistake in what was asked.
    #[error("Supabase refuses the request: {message}")]
    InvalidRequest {
        /// What Supabase said.
        message: String,
    },
    /// Any other refusal.
    #[error("Supabase answered {status}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// What Supabase said.
        message: String,
    },
    /// Supabase has trouble of its own, or answers so to a mistake; there was certainly no effect.
    #[error("Supabase's API is in trouble: {message}")]
    Unavailable {
        /// What was seen of it.
        message: String,
    },
    /// Supabase cannot be reached, and there was certainly no effect.
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

impl SupabaseProblem {
    /// What `error` means.
    fn of(error: &HttpError) -> Self {
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
        match status {
            401 => Self::TokenRejected { token },
            403 => Self::Forbidden { token, message },
            404 => Self::NotFound { message },
            429 => Self::RateLimited,
            400 | 409 | 422 => Self::InvalidRequest { message },
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
            Self::NotFound { .. } => "NotFound",
            Self::RateLimited => "RateLimited",
            Self::InvalidRequest { .. } => "InvalidRequest",
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
            Self::TokenRejected { .. } => {
                "make a new access token (`sbp_…`) in the account's settings and put it there"
            }
            Self::Forbidden { .. } => {
                "check that the token's account is a member of the project's organization, and that it may change branches (`environment:write`)"
            }
            Self::NotFound { .. } => "check the project's reference (20 lower-case letters)",
            Self::RateLimited => "wait; requests are spaced out",
            Self::InvalidRequest { .. } => "correct what the message names",
            Self::Refused { .. } => "see the message",
            Self::Unavailable { .. } => {
                "wait; see Supabase's status page if it lasts, and check what was asked: Supabase answers so to some mistakes too"
            }
            Self::NoConnection { .. } => {
                "check the network, a proxy if there is one (`HTTPS_PROXY`), and the address of the API if one is set"
            }
            Self::UnknownOutcome { .. } => "look at what is there before another attempt",
            Self::UnexpectedAnswer { .. } => {
                "Supabase's API may have changed: report this with the request id, and try a newer version of Hangar"
            }
            Self::CannotSend { .. } => "correct the value that the message names",
        }
    }

    /// How to go on, if it is certain that there was no effect.
    pub const fn class(&self) -> Class {
        match self {
            Self::RateLimited | Self::Unavailable { .. } | Self::NoConnection { .. } => Class::Transient,
            Self::UnknownOutcome { .. } => Class::Unknown,
            Self::TokenRejected { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::InvalidRequest { .. }
            | Self::Refused { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::CannotSend { .. } => Class::Permanent,
        }
    }
}

impl SupabaseError {
    pub(super) fn from_http(http: HttpError, place: Place) -> Self {
        Self(Box::new(Failure { problem: SupabaseProblem::of(&http), place, http }))
    }

    /// What went wrong.
    pub fn problem(&self) -> &SupabaseProblem {
        &self.0.problem
    }

    /// What the call was about.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// The failed exchange behind it.
    pub fn http(&self) -> &HttpError {
        &self.0.http
    }

    /// A word for conditions, in CamelCase.
    pub fn reason(&self) -> &'static str {
        self.0.problem.reason()
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        self.0.problem.advice()
    }

    /// How to go on. Whatever the problem is called, an outcome that is not known stays that.
    pub fn class(&self) -> Class {
        if self.may_have_had_effect() { Class::Unknown } else { self.0.problem.class() }
    }

    /// Whether the write may have had its effect all the same.
    pub fn may_have_had_effect(&self) -> bool {
        self.0.http.outcome() == Outcome::Unknown
    }

    /// How long Supabase asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.http.retry_after()
    }
}

impl std::error::Error for SupabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.http)
    }
}

impl Display for SupabaseError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Failure { problem, place, http } = &*self.0;
        write!(f, "could not {}{place}: {problem}", http.action())?;
        if self.may_have_had_effect() {
            f.write_str("; it may have had its effect all the same")?;
        }
        match http.request_id() {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match &self.branch {
            Some(branch) => write!(f, " `{branch}` of project `{}`", self.project),
            None => write!(f, " of project `{}`", self.project),
        }
    }
}
