//! The typed client, one per token: [`SupabaseReader`] has only reads, [`SupabaseWriter`] adds the writes.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Place, SupabaseError};
use super::wire::{ApiKey, Branch, BranchConfig, Pooler};
use crate::http::transport::Method;
use crate::http::{Answer, Call, Connection, Rate, ReadClient, Shared, Token, WriteClient};

/// Where the API is, unless a setting says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://api.supabase.com";

/// Twenty at once and then one a second: below what an account was ever known to be allowed, which is not documented.
const RATE: Rate = Rate::new(Duration::from_secs(1), 20);

/// The lane in which all calls of a token wait: the limit counts them together.
const LANE: &str = "Supabase";

/// A connection to the API at `base_url` with one token.
pub fn connection(base_url: &str, token: Token, shared: Shared) -> Connection {
    Connection::new(base_url, token, shared)
}

/// Reads projects and their branches.
#[derive(Debug, Clone)]
pub struct SupabaseReader {
    http: ReadClient,
}

/// Reads and changes branches.
#[derive(Debug, Clone)]
pub struct SupabaseWriter {
    http: WriteClient,
    reader: SupabaseReader,
}

/// A new branch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CreateBranch {
    /// Its name.
    pub branch_name: String,
    /// The branch in git that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_branch: Option<String>,
    /// Whether it stays when its pull request is closed (Supabase's default: no).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Where (Supabase's default: where the project is).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The size of its compute, such as `micro`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_instance_size: Option<String>,
    /// Whether it gets the project's rows, and not only its schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_data: Option<bool>,
    /// Where its changes of status are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_url: Option<String>,
}

/// A change of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct UpdateBranch {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch_name: Option<String>,
    /// Another branch in git that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_branch: Option<String>,
    /// Whether it stays when its pull request is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

/// How a deletion went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// Supabase did it.
    Done,
    /// It was not there any more (404).
    WasGone,
}

impl SupabaseReader {
    /// Reads through `http`; see [`connection`].
    pub const fn new(http: ReadClient) -> Self {
        Self { http }
    }

    /// All branches of a project. What is not among them is not there; a 404 for a single one proves nothing.
    pub async fn branches(&self, project: &str) -> Result<Vec<Branch>, SupabaseError> {
        let call = call("list branches", project, &["projects", project, "branches"]);
        self.get(call, Place::project(project)).await
    }

    /// The branch of this name; `None` on a 404.
    pub async fn branch(&self, project: &str, name: &str) -> Result<Option<Branch>, SupabaseError> {
        let call = call("read branch", project, &["projects", project, "branches", name]);
        self.maybe(call, Place::branch(project, name)).await
    }

    /// How to reach the database of the branch whose own project goes by `project_ref`; `None` on a 404.
    pub async fn branch_config(&self, project_ref: &str) -> Result<Option<BranchConfig>, SupabaseError> {
        let call = call("read how to reach the branch", project_ref, &["branches", project_ref]);
        self.maybe(call, Place::project(project_ref)).await
    }

    /// The keys of the API of a project or branch.
    pub async fn api_keys(&self, project_ref: &str) -> Result<Vec<ApiKey>, SupabaseError> {
        let call = call("read API keys", project_ref, &["projects", project_ref, "api-keys"]).query("reveal", "true");
        self.get(call, Place::project(project_ref)).await
    }

    /// The poolers in front of the database of a project or branch.
    pub async fn poolers(&self, project_ref: &str) -> Result<Vec<Pooler>, SupabaseError> {
        let path = ["projects", project_ref, "config", "database", "pooler"];
        self.get(call("read poolers", project_ref, &path), Place::project(project_ref)).await
    }

    async fn get<T: DeserializeOwned>(&self, call: Call, place: Place) -> Result<T, SupabaseError> {
        self.http.get(call).await.map_err(|error| SupabaseError::from_http(error, place))
    }

    async fn maybe<T: DeserializeOwned>(&self, call: Call, place: Place) -> Result<Option<T>, SupabaseError> {
        match self.http.find(call.accepting(&[404])).await {
            Ok(Answer::Given(value)) => Ok(Some(value)),
            Ok(Answer::Refused { .. }) => Ok(None),
            Err(error) => Err(SupabaseError::from_http(error, place)),
        }
    }
}

impl SupabaseWriter {
    /// Reads and writes through `http`; see [`connection`].
    pub fn new(http: WriteClient) -> Self {
        let reader = SupabaseReader::new(http.reader().clone());
        Self { http, reader }
    }

    /// The same connection, for reading.
    pub const fn reader(&self) -> &SupabaseReader {
        &self.reader
    }

    /// Asks for a branch; it can be used after minutes. Supabase answers 500 to mistakes as well, a name that is taken included: after an
    /// unknown outcome, look for it before another attempt.
    pub async fn create_branch(&self, project: &str, branch: &CreateBranch) -> Result<Branch, SupabaseError> {
        let call = call("create branch", project, &["projects", project, "branches"]).json(branch);
        let place = Place::branch(project, &branch.branch_name);
        self.http.send(Method::Post, call).await.map_err(|error| SupabaseError::from_http(error, place))
    }

    /// Changes the branch whose own project goes by `project_ref`. Sent twice, it does the same.
    pub async fn update_branch(&self, project_ref: &str, change: &UpdateBranch) -> Result<Branch, SupabaseError> {
        let call = call("change branch", project_ref, &["branches", project_ref]).json(change).replay_safe();
        let place = Place::project(project_ref);
        self.http.send(Method::Patch, call).await.map_err(|error| SupabaseError::from_http(error, place))
    }

    /// Deletes the branch whose own project goes by `project_ref`, at once, with everything in it.
    pub async fn delete_branch(&self, project_ref: &str) -> Result<Deleted, SupabaseError> {
        let call = call("delete branch", project_ref, &["branches", project_ref]).query("force", "true");
        match self.http.tell(Method::Delete, call.replay_safe().accepting(&[404])).await {
            Ok(404) => Ok(Deleted::WasGone),
            Ok(_) => Ok(Deleted::Done),
            Err(error) => Err(SupabaseError::from_http(error, Place::project(project_ref))),
        }
    }
}

fn call(action: &'static str, object: &str, below: &[&str]) -> Call {
    let mut segments = vec!["v1"];
    segments.extend_from_slice(below);
    Call::new(action, object, &segments).rate(RATE).lane(LANE)
}
