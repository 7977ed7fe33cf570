//! Who calls Vercel, and which teams, projects and tokens there are.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::problem;
use crate::sim::config::{Access, SimConfig};
use crate::sim::routes::{Call, Refusal, Reply};

/// What a team pays for; it decides how many deployments it may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VercelPlan {
    /// 100 deployments a day.
    Hobby,
    /// 6000 deployments a day.
    Pro,
    /// 24000 deployments a day.
    Enterprise,
}

impl VercelPlan {
    /// As the API writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hobby => "hobby",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}

/// A team at Vercel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimVercelTeam {
    /// Its slug.
    pub slug: String,
    /// What it pays for.
    pub plan: VercelPlan,
    /// Whether its policy makes every new variable of previews and production sensitive.
    pub sensitive_policy: bool,
}

impl SimVercelTeam {
    /// A team that pays for Pro, without policies.
    pub fn new(slug: &str) -> Self {
        Self { slug: slug.to_owned(), plan: VercelPlan::Pro, sensitive_policy: false }
    }

    /// Its id, which follows from its slug.
    pub fn id(&self) -> String {
        team_id(&self.slug)
    }
}

/// A token that Vercel accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct SimVercelToken {
    /// The token string.
    pub token: String,
    /// The name of the user whose token it is.
    pub login: String,
    /// The slug of the one team that it sees. Every call has to name it; without that, it is about the user's own account.
    pub team: String,
    /// What it may do there.
    pub access: Access,
    /// What it may not write all the same: `env`, `domains`, `deployments`, `aliases`, `protection`, `production`, `projects`.
    pub denied: Vec<String>,
}

impl SimVercelToken {
    /// The token of `hangar-bot`, which may do everything in the team.
    pub fn new(token: &str, team: &str) -> Self {
        Self {
            token: token.to_owned(),
            login: "hangar-bot".to_owned(),
            team: team.to_owned(),
            access: Access::Full,
            denied: Vec::new(),
        }
    }
}

impl std::fmt::Debug for SimVercelToken {
    /// Leaves out the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimVercelToken").field("login", &self.login).field("team", &self.team).finish_non_exhaustive()
    }
}

/// A project at Vercel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimVercelProject {
    /// Its name.
    pub name: String,
    /// The slug of its team.
    pub team: String,
    /// The GitHub repository (`owner/name`) that it is connected with.
    pub repo: Option<String>,
    /// The branch of production; without, the repository's default branch.
    pub production_branch: Option<String>,
}

/// How long things take at Vercel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VercelTimes {
    /// From a push to the deployment (observed: seconds).
    pub appear: Duration,
    /// From the deployment to `INITIALIZING`.
    pub queue: Duration,
    /// From there to `BUILDING`.
    pub initialize: Duration,
    /// From there to `READY` or `ERROR`.
    pub build: Duration,
    /// From `READY` until the aliases lead there.
    pub alias: Duration,
    /// How long a promotion or rollback takes.
    pub promote: Duration,
}

impl Default for VercelTimes {
    fn default() -> Self {
        Self {
            appear: Duration::from_secs(2),
            queue: Duration::from_secs(2),
            initialize: Duration::from_secs(2),
            build: Duration::from_secs(20),
            alias: Duration::from_secs(2),
            promote: Duration::from_secs(4),
        }
    }
}

/// The caller, as its token tells.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) login: String,
    /// The slug of the team that it sees; `None` for a token that sees all.
    pub(super) team: Option<String>,
    access: Access,
    denied: Vec<String>,
}

/// Who sends the token in this header.
pub(super) fn identify(config: &SimConfig, header: Option<&str>) -> Option<Caller> {
    let token = token_in(header)?;
    if let Some(known) = config.vercel_tokens.iter().find(|known| known.token == token) {
        return Some(Caller {
            login: known.login.clone(),
            team: Some(known.team.clone()),
            access: known.access,
            denied: known.denied.clone(),
        });
    }
    let open = Caller { login: "hangar-bot".to_owned(), team: None, access: Access::Full, denied: Vec::new() };
    (config.open_orgs && token.starts_with("sim_")).then_some(open)
}

/// Whether the token in this header was made for Vercel.
pub(super) fn is_ours(config: &SimConfig, header: Option<&str>) -> bool {
    token_in(header).is_some_and(|token| config.vercel_tokens.iter().any(|known| known.token == token))
}

fn token_in(header: Option<&str>) -> Option<&str> {
    let (scheme, token) = header?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Caller {
    pub(super) fn user_id(&self) -> String {
        user_id(&self.login)
    }

    /// Refuses a write of this kind to whoever may not do it.
    pub(super) fn may_write(&self, kind: &str) -> Result<(), Refusal> {
        let allowed = self.access == Access::Full && !self.denied.iter().any(|denied| denied == kind);
        if allowed {
            return Ok(());
        }
        let text = format!("Not authorized: You don't have permission to change the {kind} of this project.");
        Err(problem(403, "forbidden", &text).into())
    }

    /// The slug of the team that a call is about: `None` is the user's own account, which has nothing.
    pub(super) fn scope(&self, config: &SimConfig, call: &Call) -> Result<Option<String>, Refusal> {
        let slug = call.query("slug").filter(|slug| !slug.is_empty());
        let id = call.query("teamId").filter(|id| !id.is_empty());
        let Some(own) = &self.team else {
            let named = id.and_then(|id| config.vercel_teams.iter().find(|team| team.id() == id || team.slug == id));
            let first = || config.vercel_teams.first().map_or_else(|| "acme".to_owned(), |team| team.slug.clone());
            return Ok(Some(named.map(|team| team.slug.clone()).or(slug.map(str::to_owned)).unwrap_or_else(first)));
        };
        match (id, slug) {
            (None, None) => Ok(None),
            (Some(id), _) if id == team_id(own) || id == own => Ok(Some(own.clone())),
            (None, Some(slug)) if slug == own => Ok(Some(own.clone())),
            _ => Err(problem(403, "forbidden", "Not authorized").into()),
        }
    }
}

/// The answer to a missing or unknown token. It is 403, and not 401.
pub(super) fn bad_token() -> Reply {
    let error = serde_json::json!({"code": "forbidden", "message": "Not authorized", "invalidToken": true});
    Reply::with(403, serde_json::json!({ "error": error }))
}

/// The id of the team of this slug.
pub(super) fn team_id(slug: &str) -> String {
    format!("team_{}", derived("team", slug))
}

/// The id of the user of this name.
pub(super) fn user_id(login: &str) -> String {
    derived("user", login)
}

/// 24 characters that follow from a name.
fn derived(kind: &str, name: &str) -> String {
    hex::encode(Sha256::digest(format!("{kind} {name}"))).chars().take(24).collect()
}
