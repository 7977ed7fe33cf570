//! Domains of a project.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::lenient::moment;
use crate::providers::lenient::or_default;

/// A domain of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectDomain {
    /// The host name.
    pub name: String,
    /// The registered domain that it is below.
    #[serde(default)]
    pub apex_name: String,
    /// The id of its project.
    #[serde(default)]
    pub project_id: String,
    /// The branch that it follows; `None` for production.
    #[serde(default)]
    pub git_branch: Option<String>,
    /// The id of the custom environment that it shows.
    #[serde(default)]
    pub custom_environment_id: Option<String>,
    /// Where it sends visitors.
    #[serde(default)]
    pub redirect: Option<String>,
    /// Whether it is proved to be the team's. Until then it leads nowhere.
    #[serde(default)]
    pub verified: bool,
    /// What proves it.
    #[serde(default, deserialize_with = "or_default")]
    pub verification: Vec<DomainProof>,
    /// When it was added.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
}

impl ProjectDomain {
    /// What is to be done where it is not proved to be the team's.
    pub fn how_to_prove(&self) -> String {
        let proofs = self.verification.iter();
        let proofs: Vec<String> =
            proofs.map(|proof| format!("{} {} {}", proof.kind, proof.domain, proof.value)).collect();
        format!("it is not proved to be the team's: add to DNS {}", proofs.join(" or "))
    }
}

/// A record in DNS that proves that a domain is the team's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DomainProof {
    /// Its type, such as `TXT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub domain: String,
    /// What it has to say.
    pub value: String,
}
