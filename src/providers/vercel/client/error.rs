//! A failed call to Vercel: what, where, why, and how to go on.

use std::fmt::{Display, Formatter};

use chrono::{DateTime, Utc};

use super::problem::VercelProblem;
use crate::http::{HttpError, Outcome};

/// A failed call to Vercel.
#[derive(Debug, Clone)]
pub struct VercelError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    action: &'static str,
    place: Place,
    problem: VercelProblem,
    http: Option<HttpError>,
}

/// How to go on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It is refused until something changes: what was asked for, a token, a plan, a branch that is not there.
    Permanent,
    /// It is likely to work later by itself. There was no effect.
    Transient,
    /// It may have had its effect: observe before deciding anything.
    Unknown,
}

/// What a call was about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The id or name of the project.
    pub project: Option<String>,
    /// The name of the variable, the domain, the deployment, the alias.
    pub object: Option<String>,
}

impl Place {
    /// A project.
    pub fn project(project: &str) -> Self {
        Self { project: Some(project.to_owned()), object: None }
    }

    /// Something in a project.
    pub fn within(project: &str, object: &str) -> Self {
        Self { project: Some(project.to_owned()), object: Some(object.to_owned()) }
    }

    /// Something that is known by its own name.
    pub fn object(object: &str) -> Self {
        Self { project: None, object: Some(object.to_owned()) }
    }
}

impl VercelError {
    pub(super) fn new(action: &'static str, problem: VercelProblem, place: Place) -> Self {
        Self(Box::new(Failure { action, place, problem, http: None }))
    }

    pub(super) fn from_http(http: HttpError, place: Place) -> Self {
        let problem = VercelProblem::of(&http);
        Self(Box::new(Failure { action: http.action(), place, problem, http: Some(http) }))
    }

    /// What went wrong.
    pub fn problem(&self) -> &VercelProblem {
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

    /// How to go on.
    pub fn class(&self) -> Class {
        if self.http().is_some_and(|http| http.outcome() == Outcome::Unknown) {
            return Class::Unknown;
        }
        self.0.problem.class()
    }

    /// Whether it is likely to work later by itself.
    pub fn is_transient(&self) -> bool {
        self.class() == Class::Transient
    }

    /// Whether a write may have had its effect all the same.
    pub fn may_have_had_effect(&self) -> bool {
        self.class() == Class::Unknown
    }

    /// When Vercel counts anew, if it has refused because of a limit and says so.
    pub fn resets_at(&self) -> Option<DateTime<Utc>> {
        match &self.0.problem {
            VercelProblem::RateLimited { until } | VercelProblem::DeploymentLimit { until } => *until,
            _ => None,
        }
    }

    /// Vercel's id of the request; its support asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.http().and_then(HttpError::request_id)
    }
}

impl std::error::Error for VercelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.http().and_then(std::error::Error::source)
    }
}

impl Display for VercelError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Failure { action, place, problem, .. } = &*self.0;
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
        if let Some(object) = &self.object {
            write!(f, " `{object}`")?;
        }
        match &self.project {
            Some(project) => write!(f, " of the Vercel project `{project}`"),
            None => Ok(()),
        }
    }
}
