//! A failed call to Fly: what, where, why, and how to go on.

use std::fmt::{Display, Formatter};
use std::time::Duration;

use super::problem::FlyProblem;
use crate::http::{HttpError, Outcome};

/// A failed call to Fly.
#[derive(Debug, Clone)]
pub struct FlyError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    problem: FlyProblem,
    place: Place,
    http: Option<HttpError>,
}

/// How to go on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The request is wrong and stays wrong until its input changes.
    Permanent,
    /// Something outside has to change first: a token, a quota, a name, room. Not to be retried in a loop.
    Blocked,
    /// It is likely to work later by itself. There was no effect.
    Transient,
    /// It may have had its effect: observe before deciding anything.
    Unknown,
}

/// What a call was about, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The organization's slug.
    pub org: Option<String>,
    /// The app's name.
    pub app: Option<String>,
    /// The machine's id.
    pub machine: Option<String>,
    /// The volume's id.
    pub volume: Option<String>,
    /// The Postgres cluster's id.
    pub cluster: Option<String>,
    /// The name of what was to be created, the host name of a certificate, or an address.
    pub name: Option<String>,
    /// The region.
    pub region: Option<String>,
}

impl Place {
    /// An organization.
    pub fn org(org: &str) -> Self {
        Self { org: Some(org.to_owned()), ..Self::default() }
    }

    /// An app.
    pub fn app(app: &str) -> Self {
        Self { app: Some(app.to_owned()), ..Self::default() }
    }

    /// A machine.
    pub fn machine(app: &str, id: &str) -> Self {
        Self { machine: Some(id.to_owned()), ..Self::app(app) }
    }

    /// A volume.
    pub fn volume(app: &str, id: &str) -> Self {
        Self { volume: Some(id.to_owned()), ..Self::app(app) }
    }

    /// A Postgres cluster.
    pub fn cluster(id: &str) -> Self {
        Self { cluster: Some(id.to_owned()), ..Self::default() }
    }

    /// A database, a user, a backup or an attached app of a Postgres cluster.
    pub fn in_cluster(id: &str, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::cluster(id) }
    }

    /// A certificate.
    pub fn certificate(app: &str, host: &str) -> Self {
        Self { name: Some(host.to_owned()), ..Self::app(app) }
    }

    /// The same in an organization.
    #[must_use]
    pub fn in_org(mut self, org: &str) -> Self {
        self.org = Some(org.to_owned());
        self
    }
}

impl FlyError {
    pub(super) fn new(problem: FlyProblem, place: Place) -> Self {
        Self(Box::new(Failure { problem, place, http: None }))
    }

    pub(super) fn from_http(http: HttpError, place: Place) -> Self {
        let problem = FlyProblem::of(&http, &place);
        Self(Box::new(Failure { problem, place, http: Some(http) }))
    }

    /// What went wrong.
    pub fn problem(&self) -> &FlyProblem {
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

    /// Whether Fly said 404. Not a proof of absence: the token may just not see it.
    pub fn is_not_found(&self) -> bool {
        self.http().is_some_and(HttpError::is_not_found)
    }

    /// How long Fly asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.http().and_then(HttpError::retry_after)
    }

    /// Fly's id of the request; its support asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.http().and_then(HttpError::request_id)
    }
}

impl std::error::Error for FlyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.http().and_then(std::error::Error::source)
    }
}

impl Display for FlyError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Failure { problem, place, http } = &*self.0;
        match http {
            Some(http) => write!(f, "could not {}", http.action())?,
            None => f.write_str("could not read from Fly")?,
        }
        write!(f, "{place}: {problem}")?;
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
        let parts = [
            ("", &self.name),
            ("machine ", &self.machine),
            ("volume ", &self.volume),
            ("cluster ", &self.cluster),
            ("app ", &self.app),
            ("organization ", &self.org),
            ("region ", &self.region),
        ];
        let known: Vec<String> =
            parts.iter().filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind}`{name}`"))).collect();
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}
