//! A failed call to Neon: what, where, why, and how to go on.

use std::fmt::{Display, Formatter};
use std::time::Duration;

use super::BranchRef;
use super::problem::NeonProblem;
use crate::http::{HttpError, Outcome};

/// A failed call to Neon.
#[derive(Debug, Clone)]
pub struct NeonError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    action: &'static str,
    problem: NeonProblem,
    place: Place,
    http: Option<HttpError>,
}

/// How to go on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It stays so until something changes: what is asked for, a key, a limit, a name.
    Permanent,
    /// It is likely to work later by itself. There was no effect.
    Transient,
    /// It may have had its effect: look before deciding anything.
    Unknown,
}

/// What a call was about, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The project's id.
    pub project: Option<String>,
    /// The branch's id, or the name of the one that was to be made.
    pub branch: Option<String>,
    /// The role, database, compute or operation.
    pub object: Option<String>,
}

impl Place {
    /// A project.
    pub fn project(project: &str) -> Self {
        Self { project: Some(project.to_owned()), ..Self::default() }
    }

    /// A branch.
    pub fn branch(at: BranchRef<'_>) -> Self {
        Self { branch: Some(at.branch.to_owned()), ..Self::project(at.project) }
    }

    /// Something in it.
    #[must_use]
    pub fn object(mut self, object: &str) -> Self {
        self.object = Some(object.to_owned());
        self
    }
}

impl NeonError {
    pub(super) fn new(action: &'static str, problem: NeonProblem, place: Place) -> Self {
        Self(Box::new(Failure { action, problem, place, http: None }))
    }

    pub(super) fn from_http(http: HttpError, place: Place) -> Self {
        let problem = NeonProblem::of(&http);
        Self(Box::new(Failure { action: http.action(), problem, place, http: Some(http) }))
    }

    /// What went wrong.
    pub fn problem(&self) -> &NeonProblem {
        &self.0.problem
    }

    /// What the call was about.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// The failed exchange behind it, if there was one.
    pub fn http(&self) -> Option<&HttpError> {
        self.0.http.as_ref()
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
        self.http().is_some_and(|http| http.outcome() == Outcome::Unknown)
    }

    /// Whether Neon said 404. Not a proof of absence: the key may just not see it, and what is new is not seen at once.
    pub fn is_not_found(&self) -> bool {
        self.http().is_some_and(HttpError::is_not_found)
    }

    /// How long Neon asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.http().and_then(HttpError::retry_after)
    }

    /// Neon's id of the request; its support asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.http().and_then(HttpError::request_id)
    }
}

impl std::error::Error for NeonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.http().and_then(std::error::Error::source)
    }
}

impl Display for NeonError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Failure { action, problem, place, .. } = &*self.0;
        write!(f, "could not {action}{place}: {problem}")?;
        if self.may_have_had_effect() {
            f.write_str("; it may have had its effect all the same")?;
        }
        match self.request_id() {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let parts = [("", &self.object), ("branch ", &self.branch), ("project ", &self.project)];
        let known: Vec<String> =
            parts.iter().filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind}`{name}`"))).collect();
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}
