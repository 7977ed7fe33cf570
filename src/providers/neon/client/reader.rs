//! The reads of Neon's API.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::error::{NeonError, Place};
use super::problem::NeonProblem;
use super::{BranchRef, branch_call, call};
use crate::http::{Answer, Call, ReadClient};
use crate::providers::neon::wire::{
    Annotated, Branch, BranchAnswer, BranchesPage, CountAnswer, Database, DatabasesAnswer, Endpoint, EndpointsAnswer,
    Operation, OperationAnswer, OperationsPage, PasswordAnswer, Project, ProjectAnswer, Role, RolesAnswer, UriAnswer,
};
use crate::secret::SecretText;

/// Branches on a page.
const PER_PAGE: &str = "1000";

/// Operations on a page, and the most that Neon gives.
const OPERATIONS_PER_PAGE: &str = "1000";

/// The most pages of one list that are read. More means that the cursor does not end.
const MOST_PAGES: usize = 1000;

/// Reads what one key sees of Neon.
#[derive(Debug, Clone)]
pub struct NeonReader {
    http: ReadClient,
}

impl NeonReader {
    /// Reads through `http`; see [`connection`](super::connection).
    pub const fn new(http: ReadClient) -> Self {
        Self { http }
    }

    /// What it reads through.
    pub const fn http(&self) -> &ReadClient {
        &self.http
    }

    /// The project.
    pub async fn project(&self, project: &str) -> Result<Project, NeonError> {
        let answer: ProjectAnswer = self.get(call("read project", project, &[]), Place::project(project)).await?;
        Ok(answer.project)
    }

    /// All branches of a project, oldest first, with what was noted of them: every page of them, or an error.
    pub async fn branches(&self, project: &str) -> Result<Vec<Annotated>, NeonError> {
        self.searched(project, None).await
    }

    /// The branch of exactly this name. Neon's search finds parts of names and ids, so what it finds is looked through.
    pub async fn branch_named(&self, project: &str, name: &str) -> Result<Option<Annotated>, NeonError> {
        let found = self.searched(project, Some(name)).await?;
        Ok(found.into_iter().find(|one| one.branch.name == name))
    }

    /// How many branches a project has: what its plan's limit counts.
    pub async fn branch_count(&self, project: &str) -> Result<u64, NeonError> {
        let call = call("count branches", project, &["branches", "count"]);
        let answer: CountAnswer = self.get(call, Place::project(project)).await?;
        Ok(answer.count)
    }

    /// One branch; `None` on a 404, which also answers for some seconds after it was made.
    pub async fn branch(&self, at: BranchRef<'_>) -> Result<Option<Annotated>, NeonError> {
        let call = branch_call("read branch", at, &[]).accepting(&[404]);
        let answer = self.http.find::<BranchAnswer>(call).await;
        Ok(match answer.map_err(|error| NeonError::from_http(error, Place::branch(at)))? {
            Answer::Given(found) => Some(Annotated { branch: found.branch, annotation: found.annotation.value }),
            Answer::Refused { .. } => None,
        })
    }

    /// The computes of a branch.
    pub async fn endpoints(&self, at: BranchRef<'_>) -> Result<Vec<Endpoint>, NeonError> {
        let call = branch_call("list computes", at, &["endpoints"]);
        let answer: EndpointsAnswer = self.get(call, Place::branch(at)).await?;
        Ok(answer.endpoints)
    }

    /// The computes of all branches of a project.
    pub async fn project_endpoints(&self, project: &str) -> Result<Vec<Endpoint>, NeonError> {
        let call = call("list computes", project, &["endpoints"]);
        let answer: EndpointsAnswer = self.get(call, Place::project(project)).await?;
        Ok(answer.endpoints)
    }

    /// The roles of a branch.
    pub async fn roles(&self, at: BranchRef<'_>) -> Result<Vec<Role>, NeonError> {
        let answer: RolesAnswer = self.get(branch_call("list roles", at, &["roles"]), Place::branch(at)).await?;
        Ok(answer.roles)
    }

    /// The databases of a branch.
    pub async fn databases(&self, at: BranchRef<'_>) -> Result<Vec<Database>, NeonError> {
        let call = branch_call("list databases", at, &["databases"]);
        let answer: DatabasesAnswer = self.get(call, Place::branch(at)).await?;
        Ok(answer.databases)
    }

    /// The password of a role. A branch has those of its parent, unless that is protected.
    pub async fn password(&self, at: BranchRef<'_>, role: &str) -> Result<SecretText, NeonError> {
        let call = branch_call("read password of role", at, &["roles", role, "reveal_password"]);
        let answer: PasswordAnswer = self.get(call, Place::branch(at).object(role)).await?;
        Ok(answer.password)
    }

    /// The connection string of a role and a database through one compute, behind its pooler with `pooled`. It always names the branch,
    /// without which Neon would tell the one of production, and is refused if it leads to any other host.
    pub async fn connection_uri(
        &self,
        endpoint: &Endpoint,
        database: &str,
        role: &str,
        pooled: bool,
    ) -> Result<SecretText, NeonError> {
        const ACTION: &str = "read connection string";
        let at = BranchRef { project: &endpoint.project_id, branch: &endpoint.branch_id };
        let place = Place::branch(at).object(&endpoint.id);
        let call = call(ACTION, at.project, &["connection_uri"])
            .query("branch_id", at.branch)
            .query("endpoint_id", endpoint.id.as_str())
            .query("database_name", database)
            .query("role_name", role)
            .query("pooled", if pooled { "true" } else { "false" });
        let answer: UriAnswer = self.get(call, place.clone()).await?;
        let expected = if pooled { endpoint.pooler_host() } else { endpoint.host.clone() };
        let uri = url::Url::parse(answer.uri.expose()).ok();
        if uri.as_ref().and_then(url::Url::host_str) != Some(expected.as_str()) {
            return Err(NeonError::new(ACTION, NeonProblem::WrongHost { expected }, place));
        }
        Ok(answer.uri)
    }

    /// One operation.
    pub async fn operation(&self, project: &str, id: &str) -> Result<Operation, NeonError> {
        let call = call("read operation", project, &["operations", id]);
        let answer: OperationAnswer = self.get(call, Place::project(project).object(id)).await?;
        Ok(answer.operation)
    }

    /// All operations of a project that Neon remembers, newest first: every page of them, or an error.
    pub async fn operations(&self, project: &str) -> Result<Vec<Operation>, NeonError> {
        const ACTION: &str = "list operations";
        let place = Place::project(project);
        let mut operations: Vec<Operation> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let call = call(ACTION, project, &["operations"]).query("limit", OPERATIONS_PER_PAGE);
            let page: OperationsPage = self.get(with_cursor(call, cursor.as_deref()), place.clone()).await?;
            // The cursor is there on the last page too: only an empty page ends the list.
            if page.operations.is_empty() {
                return Ok(operations);
            }
            operations.extend(page.operations.into_iter().filter(|operation| seen.insert(operation.id.clone())));
            let Some(next) = page.pagination.map(|pagination| pagination.cursor) else {
                return Err(NeonError::new(ACTION, NeonProblem::PartialList, place));
            };
            cursor = Some(next);
        }
        Err(NeonError::new(ACTION, NeonProblem::EndlessList, place))
    }

    /// The operations of a project that are not over: as long as there is one, it takes no write.
    pub async fn running_operations(&self, project: &str) -> Result<Vec<Operation>, NeonError> {
        let operations = self.operations(project).await?;
        Ok(operations.into_iter().filter(|operation| !operation.is_done() && !operation.has_failed()).collect())
    }

    /// Every branch that the search finds. By age, so that what changes or is made meanwhile moves nothing.
    async fn searched(&self, project: &str, search: Option<&str>) -> Result<Vec<Annotated>, NeonError> {
        const ACTION: &str = "list branches";
        let place = Place::project(project);
        let mut found: BTreeMap<String, Annotated> = BTreeMap::new();
        let mut order = Vec::new();
        let mut cursors = BTreeSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut call = call(ACTION, project, &["branches"])
                .query("limit", PER_PAGE)
                .query("sort_by", "created_at")
                .query("sort_order", "asc");
            if let Some(search) = search {
                call = call.query("search", search);
            }
            let page: BranchesPage = self.get(with_cursor(call, cursor.as_deref()), place.clone()).await?;
            let mut annotations = page.annotations;
            for branch in page.branches {
                let branch: Branch = branch;
                let annotation = annotations.remove(&branch.id).unwrap_or_default().value;
                let id = branch.id.clone();
                if found.insert(id.clone(), Annotated { branch, annotation }).is_none() {
                    order.push(id);
                }
            }
            let Some(pagination) = page.pagination else {
                return Err(NeonError::new(ACTION, NeonProblem::PartialList, place));
            };
            let Some(next) = pagination.next.filter(|next| !next.is_empty()) else {
                return Ok(order.iter().filter_map(|id| found.remove(id)).collect());
            };
            if !cursors.insert(next.clone()) {
                break;
            }
            cursor = Some(next);
        }
        Err(NeonError::new(ACTION, NeonProblem::EndlessList, place))
    }

    async fn get<T: DeserializeOwned>(&self, call: Call, place: Place) -> Result<T, NeonError> {
        self.http.get(call).await.map_err(|error| NeonError::from_http(error, place))
    }
}

fn with_cursor(call: Call, cursor: Option<&str>) -> Call {
    match cursor {
        Some(cursor) => call.query("cursor", cursor),
        None => call,
    }
}
