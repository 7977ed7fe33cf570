//! What is asked of Vercel, and in which team.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::Call;
use crate::providers::vercel::wire::{ProjectDomain, VariableKind};
use crate::secret::SecretText;

/// The team that calls are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VercelScope {
    /// A team by its id, `team_…`.
    Id(String),
    /// A team by its slug.
    Slug(String),
    /// Whatever the token is for by itself.
    OfToken,
}

impl VercelScope {
    /// The team that people write as its id or its slug.
    pub fn of(team: &str) -> Self {
        if team.starts_with("team_") { Self::Id(team.to_owned()) } else { Self::Slug(team.to_owned()) }
    }

    /// The team as it is called here; nothing where the token says it.
    pub(super) fn account(&self) -> &str {
        match self {
            Self::Id(team) | Self::Slug(team) => team,
            Self::OfToken => "",
        }
    }

    /// The call, in this team, which Vercel counts it for.
    pub(super) fn on(&self, call: Call) -> Call {
        let call = call.account(self.account());
        match self {
            Self::Id(id) => call.query("teamId", id.as_str()),
            Self::Slug(slug) => call.query("slug", slug.as_str()),
            Self::OfToken => call,
        }
    }
}

/// An environment that variables are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Production.
    Production,
    /// Previews: the only one that can be for a single branch.
    Preview,
    /// People's own machines. Nothing sensitive can be for them.
    Development,
}

/// A variable to be made, or to be given another value.
#[derive(Debug, Clone)]
pub struct NewVariable {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: SecretText,
    /// How it is kept.
    pub kind: VariableKind,
    /// The environments that it is for.
    pub target: Vec<Target>,
    /// The branch that it is for. Only with [`Target::Preview`] alone; it has to be in the connected repository.
    pub git_branch: Option<String>,
    /// The ids of the custom environments that it is for.
    pub custom_environment_ids: Vec<String>,
    /// What stands beside it, at most 500 characters.
    pub comment: Option<String>,
}

impl NewVariable {
    /// The body; it holds the value.
    pub(super) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("key".to_owned(), json!(self.key));
        body.insert("value".to_owned(), json!(self.value.expose()));
        body.insert("type".to_owned(), json!(self.kind.as_str()));
        if !self.target.is_empty() {
            body.insert("target".to_owned(), json!(self.target));
        }
        if let Some(branch) = &self.git_branch {
            body.insert("gitBranch".to_owned(), json!(branch));
        }
        if !self.custom_environment_ids.is_empty() {
            body.insert("customEnvironmentIds".to_owned(), json!(self.custom_environment_ids));
        }
        if let Some(comment) = &self.comment {
            body.insert("comment".to_owned(), json!(comment));
        }
        Value::Object(body)
    }
}

/// What is to be different about a variable; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct VariableChange {
    /// Another value.
    pub value: Option<SecretText>,
    /// Kept in another way. What is sensitive stays so.
    pub kind: Option<VariableKind>,
    /// For other environments.
    pub target: Option<Vec<Target>>,
    /// Another text beside it.
    pub comment: Option<String>,
}

impl VariableChange {
    /// The body; it may hold the value.
    pub(super) fn body(&self) -> Value {
        let mut body = Map::new();
        if let Some(value) = &self.value {
            body.insert("value".to_owned(), json!(value.expose()));
        }
        if let Some(kind) = self.kind {
            body.insert("type".to_owned(), json!(kind.as_str()));
        }
        if let Some(target) = &self.target {
            body.insert("target".to_owned(), json!(target));
        }
        if let Some(comment) = &self.comment {
            body.insert("comment".to_owned(), json!(comment));
        }
        Value::Object(body)
    }
}

/// A domain to be added to a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDomain {
    /// The host name.
    pub name: String,
    /// The branch that it follows; `None` for production. It cannot be the branch of production.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_branch: Option<String>,
    /// The id of the custom environment that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_environment_id: Option<String>,
    /// Where it sends visitors. Not together with a branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
}

/// How a domain of a project is to be: all of it is sent, and `None` clears.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainChange {
    /// The branch that it follows.
    pub git_branch: Option<String>,
    /// Where it sends visitors.
    pub redirect: Option<String>,
    /// The status with which it does so.
    pub redirect_status_code: Option<u16>,
}

/// What came of adding a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New(ProjectDomain),
    /// The project had it already, as it is here.
    AlreadyHere(ProjectDomain),
}

/// A commit of a repository at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GitSource {
    /// The owner of the repository.
    pub org: String,
    /// Its name.
    pub repo: String,
    /// The branch.
    #[serde(rename = "ref")]
    pub branch: String,
    /// The commit; `None` for the newest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
}

/// Where a deployment is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeployedTo {
    /// A preview.
    #[default]
    Preview,
    /// Production.
    Production,
    /// A custom environment, by its id or slug.
    Custom(String),
}

impl DeployedTo {
    pub(super) fn write_to(&self, body: &mut Value) {
        let Some(body) = body.as_object_mut() else { return };
        match self {
            Self::Preview => {}
            Self::Production => drop(body.insert("target".to_owned(), json!("production"))),
            Self::Custom(name) => drop(body.insert("customEnvironmentSlugOrId".to_owned(), json!(name))),
        }
    }
}

/// A deployment to be made of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// The name of the project.
    pub name: String,
    /// The id or name of the project.
    pub project: String,
    /// Where it is for.
    pub place: DeployedTo,
    /// The commit.
    pub git: GitSource,
    /// What is noted beside it.
    pub meta: Vec<(String, String)>,
}

impl NewDeployment {
    pub(super) fn body(&self) -> Value {
        let mut source = serde_json::to_value(&self.git).unwrap_or_default();
        if let Some(source) = source.as_object_mut() {
            source.insert("type".to_owned(), json!("github"));
        }
        let meta: Map<String, Value> = self.meta.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        let mut body = json!({"name": self.name, "project": self.project, "gitSource": source, "meta": meta});
        self.place.write_to(&mut body);
        body
    }
}

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// Vercel did it.
    Done,
    /// It was not there (404); or the token does not see it.
    WasGone,
}
