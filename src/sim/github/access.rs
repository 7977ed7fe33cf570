//! Who calls GitHub, and what they may do in a repository.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::problem;
use super::state::Repo;
use crate::sim::config::SimConfig;
use crate::sim::routes::Refusal;
use crate::sim::world::tokens::Tokens;

/// How many requests an hour a person's token may send.
const PERSON_LIMIT: u32 = 5_000;

/// How many whoever has no token.
const ANONYMOUS_LIMIT: u32 = 60;

/// What someone may do in a repository. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GithubAccess {
    /// Read, and comment.
    Read,
    /// Set labels.
    Triage,
    /// Push, write commit statuses and deployments, and edit comments of others.
    Write,
    /// Delete environments.
    Admin,
}

/// A token that GitHub accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct SimGithubToken {
    /// The token string.
    pub token: String,
    /// The login of the account that acts: of a person, or of an app (`name[bot]`).
    pub login: String,
    /// The repositories (`owner/name`) that it sees; others answer 404 unless they are public.
    pub repos: Vec<String>,
    /// What it may do in them.
    pub access: GithubAccess,
    /// Whether it is an app's: what it may not do answers `Resource not accessible by integration`.
    pub is_app: bool,
    /// How many requests it may send in an hour.
    pub hourly: u32,
}

impl SimGithubToken {
    /// A person's token for one repository, with the usual limit of 5000 requests an hour.
    pub fn new(token: &str, login: &str, repo: &str, access: GithubAccess) -> Self {
        Self {
            token: token.to_owned(),
            login: login.to_owned(),
            repos: vec![repo.to_owned()],
            access,
            is_app: false,
            hourly: PERSON_LIMIT,
        }
    }
}

impl std::fmt::Debug for SimGithubToken {
    /// Leaves out the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimGithubToken")
            .field("login", &self.login)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// The caller, as its token tells.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// By what its requests are counted: never the token itself.
    pub(crate) key: String,
    /// `None` without a token.
    pub(crate) login: Option<String>,
    pub(crate) hourly: u32,
    is_app: bool,
    /// `None` for all.
    repos: Option<Vec<String>>,
    access: GithubAccess,
}

impl Caller {
    /// What the caller may do in `repo`; `None` if it does not see it.
    pub(crate) fn access_to(&self, repo: &Repo) -> Option<GithubAccess> {
        let is_granted = self.repos.as_ref().is_none_or(|repos| repos.iter().any(|name| repo.is_named(name)));
        if is_granted { Some(self.access) } else { (!repo.private).then_some(GithubAccess::Read) }
    }

    /// Refuses unless the caller may do as much as `wanted` in `repo`.
    pub(crate) fn require(&self, repo: &Repo, wanted: GithubAccess) -> Result<(), Refusal> {
        match self.access_to(repo) {
            None => Err(problem(404, "Not Found").into()),
            Some(access) if access >= wanted => Ok(()),
            Some(_) if self.is_app => Err(problem(403, "Resource not accessible by integration").into()),
            Some(_) if wanted == GithubAccess::Admin => {
                Err(problem(403, "Must have admin rights to Repository.").into())
            }
            Some(_) => Err(problem(403, "Resource not accessible by personal access token").into()),
        }
    }

    /// The same for comments: a person who may read may also comment, an app may not.
    pub(crate) fn require_to_comment(&self, repo: &Repo) -> Result<(), Refusal> {
        self.require(repo, if self.is_app { GithubAccess::Write } else { GithubAccess::Read })
    }

    /// The login of a person. An app's token may not ask for it.
    pub(crate) fn person(&self) -> Result<&str, Refusal> {
        if self.is_app { Err(problem(403, "Resource not accessible by integration").into()) } else { self.actor() }
    }

    /// The login, where somebody acts.
    pub(crate) fn actor(&self) -> Result<&str, Refusal> {
        self.login.as_deref().ok_or_else(|| problem(401, "Requires authentication").into())
    }
}

/// Who sends this `Authorization` header: `Bearer x` or `token x`. `None` for a token that is not accepted.
pub(crate) fn identify(config: &SimConfig, made: &Tokens, header: Option<&str>, now: DateTime<Utc>) -> Option<Caller> {
    let Some(header) = header else {
        return Some(Caller {
            key: "anonymous".to_owned(),
            login: None,
            hourly: ANONYMOUS_LIMIT,
            is_app: false,
            repos: Some(Vec::new()),
            access: GithubAccess::Read,
        });
    };
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    if !(scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")) || made.is_expired(token, now) {
        return None;
    }
    let key = hex::encode(Sha256::digest(token.as_bytes()));
    if let Some(known) = config.github_tokens.iter().find(|known| known.token == token) {
        return Some(Caller {
            key,
            login: Some(known.login.clone()),
            hourly: known.hourly,
            is_app: known.is_app,
            repos: Some(known.repos.clone()),
            access: known.access,
        });
    }
    if let Some(app) = config.github_apps.iter().find(|app| app.has_given(token, now)) {
        return Some(Caller {
            key,
            login: Some(format!("app-{}[bot]", app.id)),
            hourly: PERSON_LIMIT,
            is_app: true,
            repos: Some(app.repos.clone()),
            access: GithubAccess::Write,
        });
    }
    (config.open_orgs && token.starts_with("sim_")).then(|| Caller {
        key,
        login: Some("hangar-bot".to_owned()),
        hourly: PERSON_LIMIT,
        is_app: false,
        repos: None,
        access: GithubAccess::Admin,
    })
}
