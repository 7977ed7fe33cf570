//! A failed call to GitHub: what, where, why, and how to go on.

use std::fmt::{Display, Formatter};

use chrono::{DateTime, Utc};

use super::problem::GithubProblem;
use crate::http::{HttpError, Outcome};
use crate::resource::RepoName;

/// A failed call to GitHub.
#[derive(Debug, Clone)]
pub struct GithubError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    action: &'static str,
    place: Place,
    problem: GithubProblem,
    http: Option<HttpError>,
}

/// What a call was about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The repository.
    pub repo: Option<RepoName>,
    /// The number of the pull request.
    pub pull: Option<u64>,
    /// The commit, branch or user.
    pub object: Option<String>,
}

impl Place {
    /// A repository.
    pub fn repo(repo: &RepoName) -> Self {
        Self { repo: Some(repo.clone()), ..Self::default() }
    }

    /// A pull request.
    pub fn pull(repo: &RepoName, number: u64) -> Self {
        Self { pull: Some(number), ..Self::repo(repo) }
    }

    /// A commit, a branch or a user, as seen from a repository.
    pub fn object(repo: &RepoName, object: &str) -> Self {
        Self { object: Some(object.to_owned()), ..Self::repo(repo) }
    }
}

impl GithubError {
    pub(super) fn new(action: &'static str, problem: GithubProblem, place: Place) -> Self {
        Self(Box::new(Failure { action, place, problem, http: None }))
    }

    pub(super) fn from_http(http: HttpError, place: Place) -> Self {
        let problem = GithubProblem::of(&http);
        Self(Box::new(Failure { action: http.action(), place, problem, http: Some(http) }))
    }

    /// What went wrong.
    pub fn problem(&self) -> &GithubProblem {
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

    /// Whether it is likely to work later by itself.
    pub fn is_transient(&self) -> bool {
        self.0.problem.is_transient()
    }

    /// Whether a write may have had its effect all the same.
    pub fn may_have_had_effect(&self) -> bool {
        self.http().is_some_and(|http| http.outcome() == Outcome::Unknown)
    }

    /// When GitHub lets this token ask again, if it has refused because of a limit.
    pub fn resets_at(&self) -> Option<DateTime<Utc>> {
        match &self.0.problem {
            GithubProblem::LimitReached { resets_at, .. } => Some(*resets_at),
            _ => None,
        }
    }

    /// GitHub's id of the request; its support asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.http().and_then(HttpError::request_id)
    }
}

impl std::error::Error for GithubError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.http().and_then(std::error::Error::source)
    }
}

impl Display for GithubError {
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
        match (&self.repo, self.pull, &self.object) {
            (Some(repo), Some(number), _) => write!(f, " of {repo}#{number}"),
            (Some(repo), None, Some(object)) => write!(f, " `{object}` of {repo}"),
            (Some(repo), None, None) => write!(f, " of {repo}"),
            (None, ..) => Ok(()),
        }
    }
}
