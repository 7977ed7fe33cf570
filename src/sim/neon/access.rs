//! Who calls Neon, and what they may do in a project.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::problem;
use super::setup::{NeonAccess, NeonKey};
use crate::sim::config::SimConfig;
use crate::sim::routes::Refusal;
use crate::sim::world::tokens::Tokens;

/// The caller, as its key tells.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// By what its requests are counted: never the key itself.
    pub(super) key: String,
    pub(super) kind: NeonKey,
    /// `None` for all.
    projects: Option<Vec<String>>,
    access: NeonAccess,
}

impl Caller {
    /// Whether it sees the project with this id.
    pub(super) fn sees(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.iter().any(|id| id == project))
    }

    /// Refuses unless the caller may do as much as `wanted` in its projects.
    pub(super) fn require(&self, wanted: NeonAccess) -> Result<(), Refusal> {
        if self.access >= wanted {
            return Ok(());
        }
        Err(problem(403, "", &format!("the {} permission is required for this", wanted.name())).into())
    }

    /// What `GET /auth` tells of it.
    pub(super) fn account(&self) -> String {
        format!("user-{}", self.key.get(..12).unwrap_or_default())
    }
}

/// Who sends this `Authorization` header. `None` for a key that is not accepted.
pub(super) fn identify(config: &SimConfig, made: &Tokens, header: &str, now: DateTime<Utc>) -> Option<Caller> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || made.is_expired(token, now) {
        return None;
    }
    let key = hex::encode(Sha256::digest(token.as_bytes()));
    if let Some(known) = config.neon_tokens.iter().find(|known| known.token == token) {
        let (projects, access) = (Some(known.projects.clone()), known.access);
        return Some(Caller { key, kind: known.key, projects, access });
    }
    (config.open_orgs && token.starts_with("sim_")).then_some(Caller {
        key,
        kind: NeonKey::Personal,
        projects: None,
        access: NeonAccess::CanManage,
    })
}
