//! The writes of Neon's API, and the wait for what they have begun.

use std::time::Duration;

use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::{NeonError, Place};
use super::problem::NeonProblem;
use super::reader::NeonReader;
use super::{BranchRef, branch_call, call};
use crate::http::transport::Method;
use crate::http::{Answer, Call, WriteClient};
use crate::providers::neon::wire::{
    Branch, BranchAnswer, CreateBranch, CreateEndpoint, CreatedAnswer, Database, DatabaseAnswer, Endpoint,
    EndpointAnswer, Operation, Restore, RestorePoint, Role, RoleAnswer, UpdateBranch, UpdateEndpoint,
};
use crate::secret::SecretText;

/// How long a project that is at work is asked again before that is reported.
const PATIENCE: TimeDelta = TimeDelta::minutes(2);

/// How often it is asked meanwhile.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// The first and the longest pause between two looks at an operation.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Reads and changes what one key may at Neon. One project takes one write after the other: whoever writes waits for the operations of
/// one write ([`finished`](Self::finished)) before the next.
#[derive(Debug, Clone)]
pub struct NeonWriter {
    http: WriteClient,
    reader: NeonReader,
}

/// Something that Neon has begun: how it is going to be, and the operations until then.
#[derive(Debug, Clone)]
pub struct Begun<T> {
    /// How it is now.
    pub object: T,
    /// What Neon still does about it.
    pub operations: Vec<Operation>,
}

/// A new branch.
#[derive(Debug, Clone)]
pub struct CreatedBranch {
    /// The branch, which is not ready yet.
    pub branch: Branch,
    /// Its computes.
    pub endpoints: Vec<Endpoint>,
    /// The roles that it has from its parent.
    pub roles: Vec<Role>,
    /// The databases that it has from its parent.
    pub databases: Vec<Database>,
    /// How to connect. Neon tells it only where there is one role and one database.
    pub connection_uri: Option<SecretText>,
    /// What Neon still does about it.
    pub operations: Vec<Operation>,
}

/// How a deletion went.
#[derive(Debug, Clone)]
pub enum Deleted {
    /// It is on its way out, and gone once these operations are done.
    Begun(Vec<Operation>),
    /// It was not there any more.
    WasGone,
}

impl NeonWriter {
    /// Reads and writes through `http`; see [`connection`](super::connection).
    pub fn new(http: WriteClient) -> Self {
        let reader = NeonReader::new(http.reader().clone());
        Self { http, reader }
    }

    /// The same connection, for reading.
    pub const fn reader(&self) -> &NeonReader {
        &self.reader
    }

    /// Makes a branch. After an unknown outcome, look for its name before another attempt.
    pub async fn create_branch(&self, project: &str, branch: &CreateBranch) -> Result<CreatedBranch, NeonError> {
        let call = call("create branch", project, &["branches"]).json(branch);
        let place = Place { branch: Some(branch.name.clone()), ..Place::project(project) };
        let made: CreatedAnswer = self.send(Method::Post, call, place).await?;
        Ok(CreatedBranch {
            branch: made.branch,
            endpoints: made.endpoints,
            roles: made.roles,
            databases: made.databases,
            connection_uri: made.connection_uris.into_iter().next().map(|uri| uri.connection_uri),
            operations: made.operations,
        })
    }

    /// Changes a branch's name, protection or end.
    pub async fn update_branch(&self, at: BranchRef<'_>, change: &UpdateBranch) -> Result<Begun<Branch>, NeonError> {
        let call = branch_call("update branch", at, &[]).json(&json!({"branch": change})).replay_safe();
        self.branch(Method::Patch, call, at).await
    }

    /// Deletes a branch.
    pub async fn delete_branch(&self, at: BranchRef<'_>) -> Result<Deleted, NeonError> {
        let call = branch_call("delete branch", at, &[]).query("hard_delete", "true");
        self.delete(call, Place::branch(at)).await
    }

    /// Lets a branch become what another one is or was, or what it was itself. Its parent changes with it: see [`Restore`].
    pub async fn restore(&self, at: BranchRef<'_>, wanted: &Restore) -> Result<Begun<Branch>, NeonError> {
        let call = branch_call("restore branch", at, &["restore"]).json(wanted);
        self.branch(Method::Post, call, at).await
    }

    /// Lets a branch become what its parent is now. It keeps its id, computes and this parent; a time to live begins anew.
    pub async fn reset_to_parent(&self, at: BranchRef<'_>, parent_id: &str) -> Result<Begun<Branch>, NeonError> {
        let wanted = Restore { source_id: parent_id.to_owned(), point: RestorePoint::Now, preserve_under_name: None };
        let call = branch_call("reset branch to its parent", at, &["restore"]).json(&wanted);
        self.branch(Method::Post, call, at).await
    }

    /// Makes a compute for a branch.
    pub async fn create_endpoint(
        &self,
        at: BranchRef<'_>,
        wanted: &CreateEndpoint,
    ) -> Result<Begun<Endpoint>, NeonError> {
        const ACTION: &str = "create compute";
        let mut endpoint = serde_json::to_value(wanted).unwrap_or_default();
        if let Some(endpoint) = endpoint.as_object_mut() {
            endpoint.insert("branch_id".to_owned(), json!(at.branch));
        }
        let call = call(ACTION, at.project, &["endpoints"]).json(&json!({"endpoint": endpoint}));
        self.endpoint(Method::Post, call, Place::branch(at)).await
    }

    /// Changes a compute's sizes and when it is suspended.
    pub async fn update_endpoint(
        &self,
        project: &str,
        endpoint: &str,
        change: &UpdateEndpoint,
    ) -> Result<Begun<Endpoint>, NeonError> {
        let call = call("update compute", project, &["endpoints", endpoint]);
        let call = call.json(&json!({"endpoint": change})).replay_safe();
        self.endpoint(Method::Patch, call, Place::project(project).object(endpoint)).await
    }

    /// Gives a compute a name, which nothing else depends on: at most 64 characters.
    pub async fn name_endpoint(&self, project: &str, endpoint: &str, name: &str) -> Result<Begun<Endpoint>, NeonError> {
        let call = call("name compute", project, &["endpoints", endpoint]);
        let call = call.json(&json!({"endpoint": {"name": name}})).replay_safe();
        self.endpoint(Method::Patch, call, Place::project(project).object(endpoint)).await
    }

    /// Deletes a compute. Whoever was connected is disconnected.
    pub async fn delete_endpoint(&self, project: &str, endpoint: &str) -> Result<Deleted, NeonError> {
        let call = call("delete compute", project, &["endpoints", endpoint]);
        self.delete(call, Place::project(project).object(endpoint)).await
    }

    /// Makes a role, and tells its password.
    pub async fn create_role(&self, at: BranchRef<'_>, name: &str) -> Result<Begun<Role>, NeonError> {
        let call = branch_call("create role", at, &["roles"]).json(&json!({"role": {"name": name}}));
        self.role(call, Place::branch(at).object(name)).await
    }

    /// Gives a role another password, and tells it. It holds once the operations are done.
    pub async fn reset_password(&self, at: BranchRef<'_>, role: &str) -> Result<Begun<Role>, NeonError> {
        let call = branch_call("reset password of role", at, &["roles", role, "reset_password"]);
        self.role(call, Place::branch(at).object(role)).await
    }

    /// Deletes a role.
    pub async fn delete_role(&self, at: BranchRef<'_>, role: &str) -> Result<Deleted, NeonError> {
        self.delete(branch_call("delete role", at, &["roles", role]), Place::branch(at).object(role)).await
    }

    /// Makes a database that a role owns.
    pub async fn create_database(
        &self,
        at: BranchRef<'_>,
        name: &str,
        owner: &str,
    ) -> Result<Begun<Database>, NeonError> {
        let body = json!({"database": {"name": name, "owner_name": owner}});
        let call = branch_call("create database", at, &["databases"]).json(&body);
        let made: DatabaseAnswer = self.send(Method::Post, call, Place::branch(at).object(name)).await?;
        Ok(Begun { object: made.database, operations: made.operations })
    }

    /// Deletes a database.
    pub async fn delete_database(&self, at: BranchRef<'_>, name: &str) -> Result<Deleted, NeonError> {
        self.delete(branch_call("delete database", at, &["databases", name]), Place::branch(at).object(name)).await
    }

    /// Waits until operations are done, for `within` at most. One that Neon tries again by itself is waited for; one that has ended
    /// otherwise is [`NeonProblem::OperationFailed`], one that takes longer [`NeonProblem::OperationUnfinished`].
    pub async fn finished(&self, operations: &[Operation], project: &str, within: Duration) -> Result<(), NeonError> {
        let clock = &self.http.reader().connection().shared.clock;
        let until = clock.now() + TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX);
        let mut pause = FIRST_LOOK;
        for operation in operations {
            let mut operation = operation.clone();
            loop {
                let error = || {
                    let place = Place { branch: operation.branch_id.clone(), ..Place::project(project) };
                    let place = place.object(&operation.id);
                    NeonError::new("wait for Neon", NeonProblem::of_operation(&operation), place)
                };
                if operation.is_done() {
                    break;
                }
                if operation.has_failed() || clock.now() >= until {
                    return Err(error());
                }
                clock.sleep(pause).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                operation = self.reader.operation(project, &operation.id).await?;
            }
        }
        Ok(())
    }

    async fn branch(&self, method: Method, call: Call, at: BranchRef<'_>) -> Result<Begun<Branch>, NeonError> {
        let done: BranchAnswer = self.send(method, call, Place::branch(at)).await?;
        Ok(Begun { object: done.branch, operations: done.operations })
    }

    async fn endpoint(&self, method: Method, call: Call, place: Place) -> Result<Begun<Endpoint>, NeonError> {
        let done: EndpointAnswer = self.send(method, call, place).await?;
        Ok(Begun { object: done.endpoint, operations: done.operations })
    }

    async fn role(&self, call: Call, place: Place) -> Result<Begun<Role>, NeonError> {
        let done: RoleAnswer = self.send(Method::Post, call, place).await?;
        Ok(Begun { object: done.role, operations: done.operations })
    }

    /// What is absent is deleted already: 204 from Neon, and 404 for what is in a branch that is absent.
    async fn delete(&self, call: Call, place: Place) -> Result<Deleted, NeonError> {
        #[derive(serde::Deserialize)]
        struct Done {
            #[serde(default)]
            operations: Vec<Operation>,
        }
        let call = call.accepting(&[204]);
        match self.ask::<Done>(Method::Delete, call, place).await? {
            Answer::Given(done) => Ok(Deleted::Begun(done.operations)),
            Answer::Refused { .. } => Ok(Deleted::WasGone),
        }
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, call: Call, place: Place) -> Result<T, NeonError> {
        self.patiently(place, || self.http.send::<T>(method, call.clone())).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, call: Call, place: Place) -> Result<Answer<T>, NeonError> {
        self.patiently(place, || self.http.ask::<T>(method, call.clone())).await
    }

    /// Asks again for as long as the project is at work with something else. That it is has never had an effect.
    async fn patiently<T, F>(&self, place: Place, send: impl Fn() -> F) -> Result<T, NeonError>
    where
        F: Future<Output = Result<T, crate::http::HttpError>>,
    {
        let clock = &self.http.reader().connection().shared.clock;
        let until = clock.now() + PATIENCE;
        loop {
            let error = match send().await {
                Ok(done) => return Ok(done),
                Err(error) => NeonError::from_http(error, place.clone()),
            };
            let is_locked = matches!(error.problem(), NeonProblem::Locked { .. }) && !error.may_have_had_effect();
            if !is_locked || clock.now() >= until {
                return Err(error);
            }
            clock.sleep(ASKED_EVERY).await;
        }
    }
}
