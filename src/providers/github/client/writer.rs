//! The writes of GitHub's API: what is said about commits and pull requests.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{GithubError, Place};
use super::pages::Pages;
use super::reader::{GithubReader, call};
use crate::http::transport::Method;
use crate::http::{Call, Rate, WriteClient};
use crate::providers::github::wire::{
    Comment, CommitStatus, Deployment, InstallationToken, NewDeployment, NewDeploymentStatus, Reaction,
};
use crate::resource::RepoName;

/// GitHub advises a second between writes, of whatever kind.
const WRITE_RATE: Rate = Rate::new(Duration::from_secs(1), 1);

/// The lane in which all writes of a token wait.
const LANE: &str = "write to GitHub";

/// The longest description that GitHub takes, in characters.
const LONGEST_DESCRIPTION: usize = 140;

/// Reads, and says things about commits and pull requests.
#[derive(Debug, Clone)]
pub struct GithubWriter {
    http: WriteClient,
    reader: GithubReader,
}

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// GitHub did it.
    Done,
    /// It was not there (404); or the token does not see it.
    WasGone,
}

/// Something to be written, with what GitHub would otherwise do by itself switched off.
#[derive(Serialize)]
struct Deploying<'a> {
    #[serde(flatten)]
    deployment: &'a NewDeployment,
    auto_merge: bool,
    required_contexts: [&'static str; 0],
    production_environment: bool,
}

/// The answer to a new deployment: without an id, GitHub has merged something instead.
#[derive(Deserialize)]
#[serde(untagged)]
enum Made {
    Deployment(Deployment),
    Instead { message: String },
}

impl GithubWriter {
    /// Reads and writes through `http`; see [`connection`](super::connection).
    pub fn new(http: WriteClient) -> Self {
        let reader = GithubReader::new(http.reader().clone());
        Self { http, reader }
    }

    /// The same connection, for reading.
    pub const fn reader(&self) -> &GithubReader {
        &self.reader
    }

    /// Comments on a pull request. After an unknown outcome, look for it before another attempt.
    pub async fn create_comment(&self, repo: &RepoName, number: u64, body: &str) -> Result<Comment, GithubError> {
        let call = call("comment on pull request", repo, &["issues", &number.to_string(), "comments"]);
        self.send(Method::Post, call.json(&json!({"body": body})), Place::pull(repo, number)).await
    }

    /// Gives a comment another text. Nobody is notified.
    pub async fn edit_comment(&self, repo: &RepoName, id: u64, body: &str) -> Result<Comment, GithubError> {
        let call = call("edit comment", repo, &["issues", "comments", &id.to_string()]);
        let call = call.json(&json!({"body": body})).replay_safe();
        self.send(Method::Patch, call, Place::object(repo, &id.to_string())).await
    }

    /// Deletes a comment.
    pub async fn delete_comment(&self, repo: &RepoName, id: u64) -> Result<Deleted, GithubError> {
        let call = call("delete comment", repo, &["issues", "comments", &id.to_string()]);
        self.delete(call, Place::object(repo, &id.to_string())).await
    }

    /// Reacts to a comment. A reaction that is there already stays the only one of its kind.
    pub async fn react(&self, repo: &RepoName, comment: u64, reaction: Reaction) -> Result<(), GithubError> {
        let id = comment.to_string();
        let call = call("react to comment", repo, &["issues", "comments", &id, "reactions"]);
        let call = call.json(&json!({"content": reaction})).replay_safe();
        self.tell(Method::Post, call, Place::object(repo, &id)).await.map(|_status| ())
    }

    /// Says something of a commit. GitHub keeps at most 1000 such statuses of a commit and context, so say only what is new.
    pub async fn set_status(&self, repo: &RepoName, sha: &str, status: &CommitStatus) -> Result<(), GithubError> {
        let status = CommitStatus { description: cut(&status.description), ..status.clone() };
        let call = call("set commit status", repo, &["statuses", sha]).json(&status).replay_safe();
        self.tell(Method::Post, call, Place::object(repo, sha)).await.map(|_status| ())
    }

    /// Makes a deployment of a commit. It merges nothing and waits for no status. After an unknown outcome, look for it before another
    /// attempt.
    pub async fn create_deployment(&self, repo: &RepoName, new: &NewDeployment) -> Result<Deployment, GithubError> {
        let deployment = &NewDeployment { description: cut(&new.description), ..new.clone() };
        let body = Deploying { deployment, auto_merge: false, required_contexts: [], production_environment: false };
        let place = Place::object(repo, &new.sha);
        let call = call("create deployment", repo, &["deployments"]).json(&body);
        match self.send(Method::Post, call, place.clone()).await? {
            Made::Deployment(deployment) => Ok(deployment),
            Made::Instead { message } => {
                let problem = super::GithubProblem::UnexpectedAnswer { message };
                Err(GithubError::new("create deployment", problem, place))
            }
        }
    }

    /// Says how a deployment is. Earlier ones of a transient environment do not become inactive by themselves.
    pub async fn set_deployment_status(
        &self,
        repo: &RepoName,
        id: u64,
        status: &NewDeploymentStatus,
    ) -> Result<(), GithubError> {
        let status = NewDeploymentStatus { description: cut(&status.description), ..status.clone() };
        let call = call("set deployment status", repo, &["deployments", &id.to_string(), "statuses"]);
        let told = self.tell(Method::Post, call.json(&status).replay_safe(), Place::object(repo, &id.to_string()));
        told.await.map(|_status| ())
    }

    /// Deletes a deployment; one that is not the only one of its environment has to be inactive.
    pub async fn delete_deployment(&self, repo: &RepoName, id: u64) -> Result<Deleted, GithubError> {
        let call = call("delete deployment", repo, &["deployments", &id.to_string()]);
        self.delete(call, Place::object(repo, &id.to_string())).await
    }

    /// Deletes an environment with everything that belongs to it. Needs the administration of the repository, which the token of a
    /// workflow never has.
    pub async fn delete_environment(&self, repo: &RepoName, name: &str) -> Result<Deleted, GithubError> {
        let call = call("delete environment", repo, &["environments", name]);
        self.delete(call, Place::object(repo, name)).await
    }

    /// A token for the repositories of one installation. The connection has to act as the App, with what [`AppKey`](super::AppKey)
    /// has signed. Another one takes nothing from the first, so it is safe to ask again.
    pub async fn installation_token(&self, installation: u64) -> Result<InstallationToken, GithubError> {
        let id = installation.to_string();
        let segments = ["app", "installations", &id, "access_tokens"];
        let call = Call::new("get a token of the App's installation", "", &segments).json(&json!({})).replay_safe();
        self.send(Method::Post, call, Place::default()).await
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, call: Call, place: Place) -> Result<T, GithubError> {
        let pages: &Pages = self.reader.pages();
        pages.check_limit(call.action(), &place)?;
        let sent = self.http.send(method, call.rate(WRITE_RATE).lane(LANE)).await;
        sent.map_err(|error| pages.note_limit(error, &place))
    }

    async fn tell(&self, method: Method, call: Call, place: Place) -> Result<u16, GithubError> {
        let pages: &Pages = self.reader.pages();
        pages.check_limit(call.action(), &place)?;
        let told = self.http.tell(method, call.rate(WRITE_RATE).lane(LANE)).await;
        told.map_err(|error| pages.note_limit(error, &place))
    }

    async fn delete(&self, call: Call, place: Place) -> Result<Deleted, GithubError> {
        match self.tell(Method::Delete, call.accepting(&[404]).replay_safe(), place).await? {
            404 => Ok(Deleted::WasGone),
            _ => Ok(Deleted::Done),
        }
    }
}

/// As much of a description as GitHub takes.
pub fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST_DESCRIPTION {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(LONGEST_DESCRIPTION.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
