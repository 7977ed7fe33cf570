//! The reads of GitHub's API.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::error::{GithubError, Place};
use super::list::{PER_PAGE, walk, whole};
use super::pages::{Pages, Route};
use super::problem::GithubProblem;
use crate::http::{Call, ReadClient};
use crate::providers::github::wire::{
    Account, App, Branch, ChangedFile, CheckRun, CheckRuns, Comment, Commit, Deployment, IssueEvent,
    KnownDeploymentStatus, KnownReaction, KnownStatus, PullRequest, Repository, Rights,
};
use crate::resource::RepoName;

/// Reads what one token sees of GitHub. Clones share what they remember.
#[derive(Debug, Clone)]
pub struct GithubReader {
    pages: Pages,
}

impl GithubReader {
    /// Reads through `http`; see [`connection`](super::connection).
    pub fn new(http: ReadClient) -> Self {
        Self { pages: Pages::new(http) }
    }

    pub(super) const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// What it reads through.
    pub const fn http(&self) -> &ReadClient {
        self.pages.http()
    }

    /// The repository. One that was renamed is found under its old name as well.
    pub async fn repository(&self, repo: &RepoName) -> Result<Repository, GithubError> {
        self.one("read repository", Place::repo(repo), call("read repository", repo, &[])).await
    }

    /// All open pull requests, oldest first: every page of them, or an error.
    pub async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<PullRequest>, GithubError> {
        const ACTION: &str = "list open pull requests";
        let first = list(call(ACTION, repo, &["pulls"])).query("state", "open");
        let first = first.query("sort", "created").query("direction", "asc");
        let route = Route { action: ACTION, place: Place::repo(repo) };
        whole(&self.pages, &route, &first, |pull: &PullRequest| pull.number).await
    }

    /// The pull requests that are closed and about which anything has changed since the moment `since`, latest change first.
    pub async fn closed_pulls(&self, repo: &RepoName, since: DateTime<Utc>) -> Result<Vec<PullRequest>, GithubError> {
        const ACTION: &str = "list closed pull requests";
        let first = list(call(ACTION, repo, &["pulls"])).query("state", "closed");
        let first = first.query("sort", "updated").query("direction", "desc");
        let route = Route { action: ACTION, place: Place::repo(repo) };
        // GitHub tells whole seconds.
        let is_new = |pull: &PullRequest| pull.updated_at.timestamp() >= since.timestamp();
        // What changes meanwhile moves to the front and pushes other rows onto the next page: some come twice, none is lost.
        let mut pulls = walk(&self.pages, &route, &first, |page| page.last().is_none_or(is_new)).await?.rows;
        pulls.retain(is_new);
        let mut seen = std::collections::BTreeSet::new();
        pulls.retain(|pull| seen.insert(pull.number));
        Ok(pulls)
    }

    /// One pull request, open or closed.
    pub async fn pull(&self, repo: &RepoName, number: u64) -> Result<PullRequest, GithubError> {
        const ACTION: &str = "read pull request";
        self.one(ACTION, Place::pull(repo, number), call(ACTION, repo, &["pulls", &number.to_string()])).await
    }

    /// The names of the files that a pull request changes, old names of renamed ones included. GitHub lists at most 3000.
    pub async fn changed_files(&self, repo: &RepoName, number: u64) -> Result<Vec<String>, GithubError> {
        const ACTION: &str = "list changed files";
        let first = list(call(ACTION, repo, &["pulls", &number.to_string(), "files"]));
        let route = Route { action: ACTION, place: Place::pull(repo, number) };
        let files = whole(&self.pages, &route, &first, |file: &ChangedFile| file.filename.clone()).await?;
        Ok(files.into_iter().flat_map(|file| std::iter::once(file.filename).chain(file.previous_filename)).collect())
    }

    /// All branches: every page of them, or an error.
    pub async fn branches(&self, repo: &RepoName) -> Result<Vec<Branch>, GithubError> {
        const ACTION: &str = "list branches";
        let route = Route { action: ACTION, place: Place::repo(repo) };
        whole(&self.pages, &route, &list(call(ACTION, repo, &["branches"])), |branch: &Branch| branch.name.clone())
            .await
    }

    /// A commit, by its hash or the name of a branch or tag.
    pub async fn commit(&self, repo: &RepoName, sha: &str) -> Result<Commit, GithubError> {
        const ACTION: &str = "read commit";
        // Without this, up to 300 changed files come with it.
        let call = call(ACTION, repo, &["commits", sha]).query("per_page", "1");
        self.one(ACTION, Place::object(repo, sha), call).await
    }

    /// All comments on a pull request, oldest first: every page of them, or an error.
    pub async fn comments(&self, repo: &RepoName, number: u64) -> Result<Vec<Comment>, GithubError> {
        const ACTION: &str = "list comments";
        let first = list(call(ACTION, repo, &["issues", &number.to_string(), "comments"]));
        let route = Route { action: ACTION, place: Place::pull(repo, number) };
        whole(&self.pages, &route, &first, |comment: &Comment| comment.id).await
    }

    /// The reactions to a comment: every page of them, or an error.
    pub async fn reactions(&self, repo: &RepoName, comment: u64) -> Result<Vec<KnownReaction>, GithubError> {
        const ACTION: &str = "list reactions";
        let id = comment.to_string();
        let first = list(call(ACTION, repo, &["issues", "comments", &id, "reactions"]));
        let route = Route { action: ACTION, place: Place::object(repo, &id) };
        whole(&self.pages, &route, &first, |reaction: &KnownReaction| reaction.id).await
    }

    /// What somebody may do in a repository. An account that is gone, or that is no person's, may do nothing.
    pub async fn rights(&self, repo: &RepoName, login: &str) -> Result<Rights, GithubError> {
        const ACTION: &str = "read permission of user";
        let call = call(ACTION, repo, &["collaborators", login, "permission"]);
        match self.one(ACTION, Place::object(repo, login), call).await {
            Err(error) if matches!(error.problem(), GithubProblem::NotVisible { .. }) => Ok(Rights::default()),
            result => result,
        }
    }

    /// The deployments that went to an environment, newest first: every page of them, or an error.
    pub async fn deployments(&self, repo: &RepoName, environment: &str) -> Result<Vec<Deployment>, GithubError> {
        const ACTION: &str = "list deployments";
        let first = list(call(ACTION, repo, &["deployments"])).query("environment", environment);
        let route = Route { action: ACTION, place: Place::object(repo, environment) };
        whole(&self.pages, &route, &first, |one: &Deployment| one.id).await
    }

    /// Everything that happened to a pull request, oldest first: every page of it, or an error.
    pub async fn events(&self, repo: &RepoName, number: u64) -> Result<Vec<IssueEvent>, GithubError> {
        const ACTION: &str = "list events";
        let first = list(call(ACTION, repo, &["issues", &number.to_string(), "events"]));
        let route = Route { action: ACTION, place: Place::pull(repo, number) };
        whole(&self.pages, &route, &first, |event: &IssueEvent| event.id).await
    }

    /// Everything that was ever said of a commit: every page of it, or an error.
    pub async fn all_statuses(&self, repo: &RepoName, sha: &str) -> Result<Vec<KnownStatus>, GithubError> {
        const ACTION: &str = "list commit statuses";
        let route = Route { action: ACTION, place: Place::object(repo, sha) };
        let first = list(call(ACTION, repo, &["commits", sha, "statuses"]));
        whole(&self.pages, &route, &first, |status: &KnownStatus| status.id).await
    }

    /// What is said of a commit, the latest of each context: every page of them, or an error.
    pub async fn statuses(&self, repo: &RepoName, sha: &str) -> Result<Vec<KnownStatus>, GithubError> {
        let mut statuses = self.all_statuses(repo, sha).await?;
        // Newest first; contexts are compared without regard to case.
        statuses.sort_by_key(|status| std::cmp::Reverse(status.id));
        let mut seen = std::collections::BTreeSet::new();
        statuses.retain(|status| seen.insert(status.context.to_lowercase()));
        Ok(statuses)
    }

    /// The latest check runs of this name at a commit: one of each App that has any, and those of its jobs of one name.
    pub async fn check_runs(&self, repo: &RepoName, sha: &str, name: &str) -> Result<Vec<CheckRun>, GithubError> {
        const ACTION: &str = "list check runs";
        let first = list(call(ACTION, repo, &["commits", sha, "check-runs"]));
        let first = first.query("check_name", name).query("filter", "latest");
        let route = Route { action: ACTION, place: Place::object(repo, &format!("{sha} {name}")) };
        let page = self.pages.read::<CheckRuns>(&route, first, |page| page.check_runs.len() < PER_PAGE).await?;
        if page.content.check_runs.len() < page.content.total_count {
            // Nobody has a hundred checks of one name; not all of them is not all that count.
            return Err(route.error(GithubProblem::EndlessList));
        }
        Ok(page.content.check_runs.clone())
    }

    /// What was said of a deployment last; nothing if nothing was.
    pub async fn deployment_status(
        &self,
        repo: &RepoName,
        id: u64,
    ) -> Result<Option<KnownDeploymentStatus>, GithubError> {
        const ACTION: &str = "read deployment status";
        let route = Route { action: ACTION, place: Place::object(repo, &id.to_string()) };
        // Newest first.
        let call = call(ACTION, repo, &["deployments", &id.to_string(), "statuses"]).query("per_page", "1");
        let page = self.pages.read::<Vec<KnownDeploymentStatus>>(&route, call, |_| true).await?;
        Ok(page.content.first().cloned())
    }

    /// Whether deployments have an environment of this name.
    pub async fn has_environment(&self, repo: &RepoName, name: &str) -> Result<bool, GithubError> {
        const ACTION: &str = "read environment";
        let call = call(ACTION, repo, &["environments", name]);
        match self.one::<serde::de::IgnoredAny>(ACTION, Place::object(repo, name), call).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.problem(), GithubProblem::NotVisible { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The login of the account that a person's token acts for. An app's token, and that of a workflow, may not ask (`Forbidden`).
    pub async fn login(&self) -> Result<String, GithubError> {
        const ACTION: &str = "read who the token acts for";
        let call = Call::new(ACTION, "", &["user"]);
        self.one::<Account>(ACTION, Place::default(), call).await.map(|account| account.login)
    }

    /// The App that the connection acts as, with what its key has signed.
    pub async fn app(&self) -> Result<App, GithubError> {
        const ACTION: &str = "read which App this is";
        self.one(ACTION, Place::default(), Call::new(ACTION, "", &["app"])).await
    }

    async fn one<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        action: &'static str,
        place: Place,
        call: Call,
    ) -> Result<T, GithubError> {
        let page = self.pages.read::<T>(&Route { action, place }, call, |_| true).await?;
        Ok(T::clone(&page.content))
    }
}

/// A call below a repository.
pub(super) fn call(action: &'static str, repo: &RepoName, below: &[&str]) -> Call {
    let mut segments = vec!["repos", repo.owner(), repo.name()];
    segments.extend(below);
    Call::new(action, &repo.to_string(), &segments)
}

fn list(call: Call) -> Call {
    call.query("per_page", PER_PAGE.to_string())
}
