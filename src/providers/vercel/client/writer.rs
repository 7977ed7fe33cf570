//! The writes of Vercel's API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use super::error::{Place, VercelError};
use super::problem::{Said, VercelProblem};
use super::reader::VercelReader;
use super::request::{
    Added, Deleted, DeployedTo, DomainChange, NewDeployment, NewDomain, NewVariable, VariableChange, VercelScope,
};
use crate::http::transport::Method;
use crate::http::{Call, Quota, Rate, WriteClient};
use crate::providers::vercel::wire::{
    AssignedAlias, AssignedAnswer, BypassAnswer, BypassSecret, Deployment, FailedVariable, OneOrMany, ProjectDomain,
    UpsertAnswer, Upserted, Variable,
};
use crate::secret::SecretText;

/// Vercel's limits, over all projects of a team, with room for the first burst: 120 a minute, 100 a minute, 60 a minute; 120 and 200
/// in ten minutes; 120 deployments in five minutes.
const VARIABLE_RATE: Rate = Rate::new(Duration::from_millis(600), 20);
const PROJECT_RATE: Rate = Rate::new(Duration::from_millis(750), 20);
const DELETE_VARIABLE_RATE: Rate = Rate::new(Duration::from_millis(1_250), 12);
const ALIAS_RATE: Rate = Rate::new(Duration::from_secs(6), 20);
const DELETE_DEPLOYMENT_RATE: Rate = Rate::new(Duration::from_secs(4), 50);
/// Vercel counts them for the whole team, whatever they are of.
const DEPLOYMENTS: &str = "make deployments";
const DEPLOYMENT_RATE: Rate = Rate::new(Duration::from_secs(3), 20);

/// Reads and changes one team's part of Vercel.
#[derive(Debug, Clone)]
pub struct VercelWriter {
    http: WriteClient,
    reader: VercelReader,
    lanes: Lanes,
}

/// Who is writing which project.
#[derive(Debug, Clone, Default)]
struct Lanes(Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Lanes {
    /// Waits until nobody else writes the project.
    async fn enter(&self, project: &str) -> OwnedMutexGuard<()> {
        let lane = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lanes.entry(project.to_owned()).or_default())
        };
        lane.lock_owned().await
    }
}

impl VercelWriter {
    /// Reads and writes through `http` in one team; see [`connection`](super::connection). Clones let their writes of a project wait for
    /// each other, so there should be one of it for each token and team. A project should be named in one way, by its id or its name.
    pub fn new(http: WriteClient, scope: VercelScope) -> Self {
        let reader = VercelReader::new(http.reader().clone(), scope);
        Self { http, reader, lanes: Lanes::default() }
    }

    /// The same connection, for reading.
    pub const fn reader(&self) -> &VercelReader {
        &self.reader
    }

    /// Makes variables, or gives those that are there (same name, environment and branch) another value, all in one request. Each can
    /// be refused for itself, also when others are written.
    pub async fn upsert_variables(&self, project: &str, variables: &[NewVariable]) -> Result<Upserted, VercelError> {
        if variables.is_empty() {
            return Ok(Upserted::default());
        }
        let call = Call::new("write variables", "", &["v10", "projects", project, "env"]).query("upsert", "true");
        self.send_variables(project, variables, call).await
    }

    /// Makes a variable where there is none. Of several attempts only one can have its effect, however late: it is a conflict for the
    /// others, so a conflict may also mean that the variable is there from an attempt that had no answer.
    pub async fn add_variable(&self, project: &str, variable: &NewVariable) -> Result<Upserted, VercelError> {
        let call = Call::new("write variables", "", &["v10", "projects", project, "env"]);
        self.send_variables(project, std::slice::from_ref(variable), call).await
    }

    async fn send_variables(
        &self,
        project: &str,
        variables: &[NewVariable],
        mut call: Call,
    ) -> Result<Upserted, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let bodies: Vec<Value> = variables.iter().map(NewVariable::body).collect();
        for variable in variables {
            call = call.hiding(variable.value.clone());
        }
        let call = call.json(&bodies).rate(VARIABLE_RATE).replay_safe().accepting(&[400]);
        let call = self.reader.scope().on(call);
        let place = Place::project(project);
        let http = |error| VercelError::from_http(error, place.clone());
        let response = self.http.exchange(Method::Post, &call).await.map_err(http)?;
        let has_list = serde_json::from_slice::<Value>(&response.body).is_ok_and(|body| body.get("failed").is_some());
        if response.status == 400 && !has_list {
            return Err(http(self.http.refusal(Method::Post, &call, &response)));
        }
        let answer: UpsertAnswer = self.http.decode(Method::Post, &call, &response).map_err(http)?;
        let hide = |text: String| variables.iter().fold(text, |text, one| hidden(&text, &one.value));
        let failed = answer.failed.into_iter().map(|failed| {
            let error = failed.error;
            let key = error.env_var_key.or(error.key).unwrap_or_default();
            let message = hide(error.message);
            let said = Said {
                code: &error.code,
                message: message.clone(),
                key: Some(&key),
                target: error.target.join(", "),
                branch: error.git_branch.as_deref(),
                project: None,
            };
            let problem = VercelProblem::of_word(&said)
                .unwrap_or_else(|| VercelProblem::InvalidRequest { code: error.code.clone(), message });
            FailedVariable { git_branch: error.git_branch.clone(), code: error.code.clone(), key, problem }
        });
        let failed = failed.collect();
        Ok(Upserted { created: answer.created.map(OneOrMany::into_list).unwrap_or_default(), failed })
    }

    /// Changes a variable.
    pub async fn update_variable(
        &self,
        project: &str,
        id: &str,
        change: &VariableChange,
    ) -> Result<Variable, VercelError> {
        let _lane = self.lanes.enter(project).await;
        self.send(Method::Patch, change_of(project, id, change).replay_safe(), Place::within(project, id)).await
    }

    /// Gives a variable another value, in one attempt: where what is written was read before, an attempt that comes late takes back what
    /// was written after it. After an unknown outcome, wait until that cannot be any more.
    pub async fn rewrite_variable(&self, project: &str, id: &str, value: SecretText) -> Result<Variable, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let change = VariableChange { value: Some(value), ..VariableChange::default() };
        self.send(Method::Patch, change_of(project, id, &change), Place::within(project, id)).await
    }

    /// Deletes a variable.
    pub async fn delete_variable(&self, project: &str, id: &str) -> Result<Deleted, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let call = Call::new("delete variable", "", &["v9", "projects", project, "env", id]);
        self.delete(call.rate(DELETE_VARIABLE_RATE), Place::within(project, id)).await
    }

    /// Adds a domain to a project. One that it has already comes back as it is: whether it is as wanted is for the caller to see. It is
    /// not sent again by itself, so that what is there already was not added by this call.
    pub async fn add_domain(&self, project: &str, domain: &NewDomain) -> Result<Added, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let call = Call::new("add domain", "", &["v10", "projects", project, "domains"]).json(domain);
        let call = call.rate(PROJECT_RATE);
        let error = match self.send(Method::Post, call, Place::within(project, &domain.name)).await {
            Ok(added) => return Ok(Added::New(added)),
            Err(error) => error,
        };
        let may_be_here = matches!(
            error.problem(),
            VercelProblem::DomainTaken { .. } | VercelProblem::DomainAlreadyHere | VercelProblem::Conflict { .. }
        );
        if may_be_here && let Some(known) = self.reader.domain(project, &domain.name).await? {
            return Ok(Added::AlreadyHere(known));
        }
        Err(error)
    }

    /// Sets branch and redirect of a domain.
    pub async fn update_domain(
        &self,
        project: &str,
        name: &str,
        change: &DomainChange,
    ) -> Result<ProjectDomain, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let call = Call::new("change domain", "", &["v9", "projects", project, "domains", name]).json(change);
        self.send(Method::Patch, call.rate(PROJECT_RATE).replay_safe(), Place::within(project, name)).await
    }

    /// Lets Vercel look whether a domain is proved by now.
    pub async fn verify_domain(&self, project: &str, name: &str) -> Result<ProjectDomain, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let call = Call::new("verify domain", "", &["v9", "projects", project, "domains", name, "verify"]);
        self.send(Method::Post, call.rate(PROJECT_RATE).replay_safe(), Place::within(project, name)).await
    }

    /// Removes a domain from a project.
    pub async fn remove_domain(&self, project: &str, name: &str) -> Result<Deleted, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let call = Call::new("remove domain", "", &["v9", "projects", project, "domains", name]);
        self.delete(call.rate(PROJECT_RATE), Place::within(project, name)).await
    }

    /// How many deployments the team may still make, as far as Vercel has told this run.
    pub fn deployments_left(&self) -> Option<Quota> {
        let connection = self.http.reader().connection();
        let (shared, account) = (&connection.shared, self.reader.scope().account());
        shared.quotas.of(connection.token.label(), account, DEPLOYMENTS, shared.clock.now())
    }

    /// Makes a deployment of a commit. After an unknown outcome, look for it by branch and commit before another attempt.
    pub async fn create_deployment(&self, new: &NewDeployment) -> Result<Deployment, VercelError> {
        let call = Call::new("create deployment", "", &["v13", "deployments"]).query("forceNew", "1");
        let call =
            call.query("skipAutoDetectionConfirmation", "1").json(&new.body()).rate(DEPLOYMENT_RATE).lane(DEPLOYMENTS);
        self.send(Method::Post, call, Place::within(&new.project, &new.git.branch)).await
    }

    /// Builds a deployment again, with the variables as they are now. After an unknown outcome, look for it before another attempt.
    pub async fn redeploy(
        &self,
        project: &str,
        deployment: &str,
        place: &DeployedTo,
        meta: &[(String, String)],
    ) -> Result<Deployment, VercelError> {
        let mut noted = json!({"action": "redeploy"});
        if let Some(noted) = noted.as_object_mut() {
            noted.extend(meta.iter().map(|(name, text)| (name.clone(), json!(text))));
        }
        let mut body = json!({"name": project, "deploymentId": deployment, "meta": noted});
        place.write_to(&mut body);
        let call = Call::new("redeploy", "", &["v13", "deployments"]).query("forceNew", "1").json(&body);
        let call = call.rate(DEPLOYMENT_RATE).lane(DEPLOYMENTS);
        self.send(Method::Post, call, Place::within(project, deployment)).await
    }

    /// Cancels a deployment that is being built.
    pub async fn cancel_deployment(&self, id: &str) -> Result<Deployment, VercelError> {
        let call = Call::new("cancel deployment", "", &["v12", "deployments", id, "cancel"]);
        self.send(Method::Patch, call.rate(PROJECT_RATE), Place::object(id)).await
    }

    /// Deletes a deployment, and with it the aliases that lead to it.
    pub async fn delete_deployment(&self, id: &str) -> Result<Deleted, VercelError> {
        let call = Call::new("delete deployment", "", &["v13", "deployments", id]);
        self.delete(call.rate(DELETE_DEPLOYMENT_RATE), Place::object(id)).await
    }

    /// Lets a host lead to a deployment, also one that leads to another. It does not follow later deployments.
    pub async fn assign_alias(&self, deployment: &str, alias: &str) -> Result<AssignedAlias, VercelError> {
        let call = Call::new("assign alias", "", &["v2", "deployments", deployment, "aliases"]);
        let call = call.json(&json!({"alias": alias})).rate(ALIAS_RATE).replay_safe().accepting(&[409]);
        let call = self.reader.scope().on(call);
        let http = |error| VercelError::from_http(error, Place::object(alias));
        let response = self.http.exchange(Method::Post, &call).await.map_err(http)?;
        // 409 says that it leads there already.
        let was_there = response.status == 409;
        let mut moved_from = None;
        if !was_there {
            let answer: AssignedAnswer = self.http.decode(Method::Post, &call, &response).map_err(http)?;
            moved_from = answer.old_deployment_id;
        }
        Ok(AssignedAlias { alias: alias.to_owned(), moved_from, was_there })
    }

    /// Takes an alias away, by its id or its host.
    pub async fn remove_alias(&self, id_or_host: &str) -> Result<Deleted, VercelError> {
        let call = Call::new("remove alias", "", &["v2", "aliases", id_or_host]).rate(PROJECT_RATE);
        self.delete(call, Place::object(id_or_host)).await
    }

    /// Makes a secret that goes past the protection of a project's deployments, with a note. With a `secret` of one's own (32
    /// characters) a lost answer does no harm. Returns all secrets of the project.
    pub async fn generate_bypass(
        &self,
        project: &str,
        secret: Option<&SecretText>,
        note: &str,
    ) -> Result<Vec<BypassSecret>, VercelError> {
        let mut body = json!({"note": note});
        if let (Some(secret), Some(body)) = (secret, body.as_object_mut()) {
            body.insert("secret".to_owned(), json!(secret.expose()));
        }
        self.change_bypass("generate bypass secret", project, &json!({"generate": body}), secret).await
    }

    /// Revokes such a secret. The one that builds get as a variable can only be the last one that goes. Returns those that are left.
    pub async fn revoke_bypass(&self, project: &str, secret: &SecretText) -> Result<Vec<BypassSecret>, VercelError> {
        let body = json!({"revoke": {"secret": secret.expose(), "regenerate": false}});
        self.change_bypass("revoke bypass secret", project, &body, Some(secret)).await
    }

    /// Lets builds get this secret as a variable, in place of the one that they got so far.
    pub async fn prefer_bypass(&self, project: &str, secret: &SecretText) -> Result<Vec<BypassSecret>, VercelError> {
        let body = json!({"update": {"secret": secret.expose(), "isEnvVar": true}});
        self.change_bypass("prefer bypass secret", project, &body, Some(secret)).await
    }

    /// Sends production to a deployment that was built for it. It takes a while:
    /// [`last_alias_request`](VercelReader::last_alias_request) says how far it is.
    pub async fn promote(&self, project_id: &str, deployment: &str) -> Result<(), VercelError> {
        let _lane = self.lanes.enter(project_id).await;
        let call = Call::new("promote", "", &["v10", "projects", project_id, "promote", deployment]).json(&json!({}));
        self.tell(Method::Post, call.rate(PROJECT_RATE), Place::within(project_id, deployment)).await.map(|_status| ())
    }

    /// Sends production back to a deployment. From then on nothing goes to production by itself, until the next promotion.
    pub async fn roll_back(&self, project_id: &str, deployment: &str) -> Result<(), VercelError> {
        let _lane = self.lanes.enter(project_id).await;
        let call = Call::new("roll back", "", &["v1", "projects", project_id, "rollback", deployment]);
        self.tell(Method::Post, call.rate(PROJECT_RATE), Place::within(project_id, deployment)).await.map(|_status| ())
    }

    async fn change_bypass(
        &self,
        action: &'static str,
        project: &str,
        body: &Value,
        secret: Option<&SecretText>,
    ) -> Result<Vec<BypassSecret>, VercelError> {
        let _lane = self.lanes.enter(project).await;
        let mut call = Call::new(action, "", &["v1", "projects", project, "protection-bypass"]).json(body);
        if let Some(secret) = secret {
            call = call.hiding(secret.clone());
        }
        let answer: BypassAnswer = self.send(Method::Patch, call.rate(PROJECT_RATE), Place::project(project)).await?;
        Ok(answer.into_secrets())
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, call: Call, place: Place) -> Result<T, VercelError> {
        let sent = self.http.send(method, self.reader.scope().on(call)).await;
        sent.map_err(|error| VercelError::from_http(error, place))
    }

    async fn tell(&self, method: Method, call: Call, place: Place) -> Result<u16, VercelError> {
        let told = self.http.tell(method, self.reader.scope().on(call)).await;
        told.map_err(|error| VercelError::from_http(error, place))
    }

    async fn delete(&self, call: Call, place: Place) -> Result<Deleted, VercelError> {
        match self.tell(Method::Delete, call.accepting(&[404]).replay_safe(), place).await? {
            404 => Ok(Deleted::WasGone),
            _ => Ok(Deleted::Done),
        }
    }
}

/// The call that changes a variable.
fn change_of(project: &str, id: &str, change: &VariableChange) -> Call {
    let call = Call::new("change variable", "", &["v9", "projects", project, "env", id]).json(&change.body());
    let call = call.rate(VARIABLE_RATE);
    match &change.value {
        Some(value) => call.hiding(value.clone()),
        None => call,
    }
}

/// A text without a value that must not be seen. One of up to three characters would cut up words that have nothing to do with it.
fn hidden(text: &str, value: &SecretText) -> String {
    if value.expose().len() < 4 {
        return text.to_owned();
    }
    text.replace(value.expose(), crate::secret::REDACTED)
}
