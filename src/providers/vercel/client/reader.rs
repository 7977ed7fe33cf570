//! The reads of Vercel's API.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Place, VercelError};
use super::list::{PER_PAGE, Page, rows};
use super::problem::VercelProblem;
use super::request::VercelScope;
use crate::http::{Answer, Call, Rate, ReadClient};
use crate::providers::vercel::wire::{
    Alias, AliasRequest, Deployment, DeploymentRow, LogLine, Pagination, Project, ProjectDomain, User, Variable,
    VariablesAnswer,
};

/// Vercel allows 500 reads of most kinds a minute, over all projects of a team.
const READ_RATE: Rate = Rate::new(Duration::from_millis(150), 60);

/// Vercel allows 300 reads of aliases in ten minutes.
const ALIAS_RATE: Rate = Rate::new(Duration::from_millis(2_500), 50);

/// Reads what one token sees of one team.
#[derive(Debug, Clone)]
pub struct VercelReader {
    http: ReadClient,
    scope: VercelScope,
}

/// Which deployments are looked for; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Those of a branch.
    pub branch: Option<String>,
    /// Those of a commit.
    pub sha: Option<String>,
    /// Those for `production` or `preview`.
    pub target: Option<String>,
    /// The newest so many, at most.
    pub most: usize,
}

impl VercelReader {
    /// Reads through `http` in one team; see [`connection`](super::connection).
    pub fn new(http: ReadClient, scope: VercelScope) -> Self {
        Self { http, scope }
    }

    /// What it reads through.
    pub const fn http(&self) -> &ReadClient {
        &self.http
    }

    /// The team that it reads in.
    pub const fn scope(&self) -> &VercelScope {
        &self.scope
    }

    /// The user whose token it is.
    pub async fn user(&self) -> Result<User, VercelError> {
        #[derive(Deserialize)]
        struct Enveloped {
            user: User,
        }
        let call = Call::new("read user", "", &["v2", "user"]).rate(READ_RATE);
        let answer: Enveloped =
            self.http.get(call).await.map_err(|error| VercelError::from_http(error, Place::default()))?;
        Ok(answer.user)
    }

    /// A project, with its repository, its production and its bypass secrets. That it is not there cannot be told from a wrong team.
    pub async fn project(&self, project: &str) -> Result<Project, VercelError> {
        self.get(call("read project", &["v9", "projects", project]), Place::project(project)).await
    }

    /// A project with its last promotion or rollback.
    pub async fn project_with_moves(&self, project: &str) -> Result<Project, VercelError> {
        let call = call("read project", &["v9", "projects", project]).query("rollbackInfo", "true");
        self.get(call, Place::project(project)).await
    }

    /// The last promotion or rollback of a project.
    pub async fn last_alias_request(&self, project: &str) -> Result<Option<AliasRequest>, VercelError> {
        Ok(self.project_with_moves(project).await?.last_alias_request)
    }

    /// The hosts that the last promotion or rollback of a project could not move; the first of them, if they are many.
    pub async fn unmoved_aliases(&self, project_id: &str) -> Result<Vec<String>, VercelError> {
        #[derive(Deserialize)]
        struct Moved {
            alias: String,
        }
        #[derive(Deserialize)]
        struct Answered {
            #[serde(default)]
            aliases: Vec<Moved>,
        }
        let call = call("list aliases of promotion", &["v1", "projects", project_id, "promote", "aliases"]);
        let answer: Answered = self.get(call.query("failedOnly", "true"), Place::project(project_id)).await?;
        Ok(answer.aliases.into_iter().map(|moved| moved.alias).collect())
    }

    /// All variables of a project, those for branches included: the whole list, or an error.
    pub async fn variables(&self, project: &str) -> Result<Vec<Variable>, VercelError> {
        let first = self.scope.on(call("list variables", &["v10", "projects", project, "env"]));
        let place = Place::project(project);
        rows::<VariablesAnswer>(&self.http, &first, &place, usize::MAX, |one| one.id.clone()).await
    }

    /// One variable, with its value unless that is sensitive; `None` if it is not there.
    pub async fn variable(&self, project: &str, id: &str) -> Result<Option<Variable>, VercelError> {
        let call = call("read variable", &["v1", "projects", project, "env", id]);
        self.find(call, Place::within(project, id)).await
    }

    /// All domains of a project: the whole list, or an error.
    pub async fn domains(&self, project: &str) -> Result<Vec<ProjectDomain>, VercelError> {
        let first = call("list domains", &["v9", "projects", project, "domains"]);
        let first = self.scope.on(first.query("limit", PER_PAGE.to_string()));
        rows::<Domains>(&self.http, &first, &Place::project(project), usize::MAX, |one| one.name.clone()).await
    }

    /// One domain of a project; `None` if it is not there.
    pub async fn domain(&self, project: &str, name: &str) -> Result<Option<ProjectDomain>, VercelError> {
        let call = call("read domain", &["v9", "projects", project, "domains", name]);
        self.find(call, Place::within(project, name)).await
    }

    /// The newest deployments of a project that fit, newest first. Deleted ones are not among them.
    pub async fn deployments(
        &self,
        project_id: &str,
        filter: &DeploymentFilter,
    ) -> Result<Vec<DeploymentRow>, VercelError> {
        let limit = filter.most.clamp(1, PER_PAGE).to_string();
        let mut first = call("list deployments", &["v7", "deployments"]).query("projectId", project_id);
        for (name, value) in [("branch", &filter.branch), ("sha", &filter.sha), ("target", &filter.target)] {
            if let Some(value) = value {
                first = first.query(name, value.as_str());
            }
        }
        let first = self.scope.on(first.query("limit", limit));
        rows::<Deployments>(&self.http, &first, &Place::project(project_id), filter.most, |one| one.uid.clone()).await
    }

    /// A deployment by its id or a host; `None` if it is not there.
    pub async fn deployment(&self, id_or_host: &str) -> Result<Option<Deployment>, VercelError> {
        let call = call("read deployment", &["v13", "deployments", id_or_host]);
        self.find(call, Place::object(id_or_host)).await
    }

    /// The hosts that lead to a deployment.
    pub async fn aliases_of(&self, deployment: &str) -> Result<Vec<Alias>, VercelError> {
        #[derive(Deserialize)]
        struct Answered {
            aliases: Vec<Alias>,
        }
        let call = call("list aliases of deployment", &["v2", "deployments", deployment, "aliases"]);
        let answer: Answered = self.get(call, Place::object(deployment)).await?;
        Ok(answer.aliases)
    }

    /// All hosts that lead to a deployment of a project: the whole list, or an error.
    pub async fn aliases(&self, project_id: &str) -> Result<Vec<Alias>, VercelError> {
        let first = call("list aliases", &["v4", "aliases"]).query("projectId", project_id);
        let first = self.scope.on(first.query("limit", PER_PAGE.to_string()));
        rows::<Aliases>(&self.http, &first, &Place::project(project_id), usize::MAX, |one| one.uid.clone()).await
    }

    /// One alias, by its id or its host; `None` if it leads nowhere.
    pub async fn alias(&self, id_or_host: &str) -> Result<Option<Alias>, VercelError> {
        let call = call("read alias", &["v4", "aliases", id_or_host]).rate(ALIAS_RATE);
        self.find(call, Place::object(id_or_host)).await
    }

    /// The last lines of a deployment's build log, at most so many, oldest first.
    pub async fn build_log(&self, deployment: &str, most: usize) -> Result<Vec<LogLine>, VercelError> {
        let call = call("read build log", &["v3", "deployments", deployment, "events"])
            .query("builds", "1")
            .query("direction", "backward")
            .query("follow", "0")
            .query("limit", most.max(1).to_string());
        let events: Vec<Value> = self.get(call, Place::object(deployment)).await?;
        let mut lines: Vec<LogLine> = events.iter().filter_map(LogLine::of).take(most).collect();
        lines.reverse();
        Ok(lines)
    }

    async fn get<T: DeserializeOwned>(&self, call: Call, place: Place) -> Result<T, VercelError> {
        self.http.get(self.scope.on(call)).await.map_err(|error| VercelError::from_http(error, place))
    }

    /// What a call asks for; `None` for 404.
    async fn find<T: DeserializeOwned>(&self, call: Call, place: Place) -> Result<Option<T>, VercelError> {
        let (action, call) = (call.action(), self.scope.on(call.accepting(&[404])));
        match self.http.find(call).await {
            Ok(Answer::Given(found)) => Ok(Some(found)),
            Ok(Answer::Refused { status: 404, .. }) => Ok(None),
            Ok(Answer::Refused { status, message }) => {
                Err(VercelError::new(action, VercelProblem::Refused { status, message }, place))
            }
            Err(error) => Err(VercelError::from_http(error, place)),
        }
    }
}

/// A read. All calls of a kind wait for each other, whatever project they are about: Vercel counts so.
fn call(action: &'static str, segments: &[&str]) -> Call {
    Call::new(action, "", segments).rate(READ_RATE)
}

#[derive(Deserialize)]
struct Domains {
    domains: Vec<ProjectDomain>,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Deployments {
    deployments: Vec<DeploymentRow>,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Aliases {
    aliases: Vec<Alias>,
    #[serde(default)]
    pagination: Pagination,
}

impl Page for Domains {
    type Row = ProjectDomain;
    fn into_parts(self) -> (Vec<ProjectDomain>, Pagination) {
        (self.domains, self.pagination)
    }
}

impl Page for Deployments {
    type Row = DeploymentRow;
    fn into_parts(self) -> (Vec<DeploymentRow>, Pagination) {
        (self.deployments, self.pagination)
    }
}

impl Page for Aliases {
    type Row = Alias;
    fn into_parts(self) -> (Vec<Alias>, Pagination) {
        (self.aliases, self.pagination)
    }
}

impl Page for VariablesAnswer {
    type Row = Variable;
    fn into_parts(self) -> (Vec<Variable>, Pagination) {
        match self {
            Self::Many { envs, pagination } => (envs, pagination),
            Self::One(one) => (vec![*one], Pagination::default()),
        }
    }
}
