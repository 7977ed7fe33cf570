//! Asks repositories what they have that previews are made from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::approvals::approvals;
use super::comments::Comments;
use super::github::{GithubAccess, GithubReaders};
use super::hints::Hints;
use super::variables::Variables;
use crate::desired::{Approval, Branch, Completeness, NeededListing, PullRequest, RepoListing, needed_listings};
use crate::http::Shared;
use crate::providers::github::client::{GithubError, GithubProblem, GithubReader};
use crate::providers::github::wire;
use crate::resource::RepoName;
use crate::source::{SharedSource, Snapshot, Source, SourceError};
use crate::spec::ParsedSpecs;
use crate::spec::controller::ControllerGithub;

/// How often the daemon asks unless `Controller` says otherwise.
const INTERVAL: Duration = Duration::from_mins(1);
/// How soon it looks again at what was approved and has to stand for a while.
const CONFIRMED: Duration = Duration::from_secs(125);
/// How long further hints are waited for after one.
const TOGETHER: Duration = Duration::from_secs(1);
/// How many dates of commits are kept at most.
const COMMITS_KEPT: usize = 10_000;
/// How many logins are kept at most; an App has a new token each hour.
const LOGINS_KEPT: usize = 100;
/// How far back closed pull requests are listed. What was closed before and is still there is an orphan like any other.
const CLOSED_WITHIN: TimeDelta = TimeDelta::days(7);

/// Specs, and what the repositories have that their sets of previews are made from.
#[derive(Debug)]
pub struct WithRepositories {
    specs: SharedSource,
    shared: Shared,
    variables: Arc<dyn Variables>,
    /// Lets it look before it is time.
    hints: Hints,
    readers: GithubReaders,
    /// The files that pull requests have changed which are closed: nothing changes them any more.
    closed_files: Mutex<BTreeMap<(RepoName, u64), Vec<String>>>,
    comments: Comments,
    /// Whose account each token acts by, where that can be told; by address and token.
    logins: Mutex<BTreeMap<(String, String), Option<String>>>,
    /// When commits were made.
    commits: Mutex<BTreeMap<String, Option<DateTime<Utc>>>>,
    /// How often to ask; nothing as long as no spec needs it.
    interval: Mutex<Option<Duration>>,
}

impl WithRepositories {
    /// The specs of `specs`, whose repositories are reached through `shared` with the tokens in `variables`.
    pub fn new(specs: SharedSource, shared: Shared, variables: Arc<dyn Variables>) -> Self {
        Self {
            specs,
            shared,
            variables,
            hints: Hints::default(),
            readers: GithubReaders::default(),
            closed_files: Mutex::default(),
            comments: Comments::default(),
            logins: Mutex::default(),
            commits: Mutex::default(),
            interval: Mutex::default(),
        }
    }

    /// Where to tell it that something may have changed.
    pub fn hints(&self) -> Hints {
        self.hints.clone()
    }

    /// Adds to `snapshot` what the repositories have. One that does not answer is in it as incomplete.
    pub async fn complete(&self, mut snapshot: Snapshot) -> Snapshot {
        let (specs, _) = crate::spec::parse_all(&snapshot.files);
        let needed = needed_listings(&specs);
        let settings = settings(&specs);
        let interval = settings.interval.map_or(INTERVAL, crate::spec::Duration::to_std);
        *lock(&self.interval) = (!needed.is_empty()).then_some(interval);
        if needed.is_empty() {
            return snapshot;
        }
        let grace = specs.preview_sets.iter().filter_map(|set| set.spec.grace).max();
        let grace = grace.and_then(|grace| TimeDelta::from_std(grace.to_std()).ok()).unwrap_or_default();
        let since =
            self.shared.clock.now().checked_sub_signed(CLOSED_WITHIN.checked_add(&grace).unwrap_or(CLOSED_WITHIN));
        let since = since.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let reader = &self.readers.reader(&settings, &*self.variables, &self.shared).await;
        let settings = &settings;
        let listings = needed.into_iter().map(|(repo, needed)| async move {
            let listing = match reader {
                Ok(reader) => self.list((reader, settings), &repo, &needed, since).await,
                Err(reason) => Err(reason.clone()),
            };
            (repo, listing.unwrap_or_else(RepoListing::unknown))
        });
        snapshot.repos = futures::future::join_all(listings).await.into_iter().collect();
        let pulls = snapshot.repos.values().flat_map(|listing| &listing.pulls);
        if pulls.flat_map(|pull| pull.approvals.values()).any(is_about_to_be_given) {
            *lock(&self.interval) = Some(interval.min(CONFIRMED));
        }
        snapshot
    }

    /// The login that what is written with the token is written by; nothing where GitHub does not tell.
    async fn own_login(&self, reader: &GithubReader, settings: &ControllerGithub) -> Result<Option<String>, String> {
        let access = GithubAccess::find(settings, &*self.variables, &self.shared, &self.readers.tokens).await?;
        // The token of an App is another one each hour, and acts by the same account.
        let known = lock(&self.logins).get(&access.key()).cloned();
        if let Some(login) = known {
            return Ok(login);
        }
        let of_app = self.readers.tokens.app_login(settings, &access.base_url, &*self.variables, &self.shared).await?;
        let login = match of_app {
            Some(login) => Some(login),
            None => match reader.login().await {
                Ok(login) => Some(login),
                Err(error) if matches!(error.problem(), GithubProblem::Forbidden { .. }) => None,
                Err(error) => return Err(explained(&error)),
            },
        };
        let mut logins = lock(&self.logins);
        if logins.len() >= LOGINS_KEPT {
            logins.clear();
        }
        logins.insert(access.key(), login.clone());
        Ok(login)
    }

    /// What `repo` has. The error says why that is not known, and what to do.
    async fn list(
        &self,
        (reader, settings): (&GithubReader, &ControllerGithub),
        repo: &RepoName,
        needed: &NeededListing,
        since: DateTime<Utc>,
    ) -> Result<RepoListing, String> {
        let mut pulls = Vec::new();
        if needed.pulls {
            // The open ones first: one that is closed between the two requests is in both lists, and counts as open until the next look.
            let open = reader.open_pulls(repo).await.map_err(|error| explained(&error))?;
            let closed = reader.closed_pulls(repo, since).await.map_err(|error| explained(&error))?;
            let numbers: std::collections::BTreeSet<u64> = open.iter().map(|pull| pull.number).collect();
            // They are listed by their last change, and anybody may comment on one that was closed long ago.
            let is_recent = |pull: &wire::PullRequest| pull.closed_at.is_none_or(|at| at >= since);
            let closed = closed.into_iter().filter(|pull| !numbers.contains(&pull.number) && is_recent(pull));
            let all: Vec<wire::PullRequest> = closed.chain(open).collect();
            let updates: BTreeMap<u64, DateTime<Utc>> = all.iter().map(|pull| (pull.number, pull.updated_at)).collect();
            pulls = all.into_iter().map(pull).collect();
            let is_open = |number| pulls.iter().any(|pull| pull.number == number && pull.closed_at.is_none());
            self.comments.keep_only(repo, is_open);
            lock(&self.closed_files)
                .retain(|(of, number), _| of != repo || pulls.iter().any(|pull| pull.number == *number));
            for pull in &mut pulls {
                if needed.needs_files(pull) {
                    pull.files = Some(self.files(reader, repo, pull).await.map_err(|error| explained(&error))?);
                }
                let labels = needed.approval_labels(pull);
                if !labels.is_empty() {
                    let own_login = self.own_login(reader, settings).await?;
                    let asked = (repo, &*pull, labels);
                    let known =
                        approvals(reader, &self.shared.clock, &self.comments, own_login.as_deref(), asked).await;
                    pull.approvals = known.map_err(|error| explained(&error))?;
                }
                if needed.needs_comments(pull) {
                    let change = (pull.number, updates.get(&pull.number).copied().unwrap_or(pull.created_at));
                    let orders = self.comments.orders(reader, &self.shared.clock, repo, change).await;
                    pull.orders = orders.map_err(|error| explained(&error))?;
                }
                // Some commands hold until there is a newer commit.
                if pull.closed_at.is_none() && (needed.activity || !pull.orders.is_empty()) {
                    pull.head_at =
                        self.committed_at(reader, repo, &pull.sha).await.map_err(|error| explained(&error))?;
                }
                if needed.activity && pull.closed_at.is_none() {
                    // When anything changed about it last does not count: what we say in it ourselves would keep it alive.
                    pull.active_at = pull.head_at.map_or(pull.created_at, |at| at.max(pull.created_at));
                }
            }
        }
        let mut branches = Vec::new();
        if needed.branches {
            for branch in reader.branches(repo).await.map_err(|error| explained(&error))? {
                let active_at = if needed.activity {
                    self.committed_at(reader, repo, &branch.sha).await.map_err(|error| explained(&error))?
                } else {
                    None
                };
                branches.push(Branch { name: branch.name, sha: branch.sha, active_at });
            }
        }
        Ok(RepoListing { pulls, branches, completeness: Completeness::Complete })
    }

    /// When a commit was made. That never changes, so it is asked once.
    async fn committed_at(
        &self,
        reader: &GithubReader,
        repo: &RepoName,
        sha: &str,
    ) -> Result<Option<DateTime<Utc>>, GithubError> {
        let known = lock(&self.commits).get(sha).copied();
        if let Some(at) = known {
            return Ok(at);
        }
        let at = reader.commit(repo, sha).await?.committed_at;
        let mut commits = lock(&self.commits);
        if commits.len() >= COMMITS_KEPT {
            commits.clear();
        }
        commits.insert(sha.to_owned(), at);
        Ok(at)
    }

    /// The files that a pull request changes.
    async fn files(
        &self,
        reader: &GithubReader,
        repo: &RepoName,
        pull: &PullRequest,
    ) -> Result<Vec<String>, GithubError> {
        let key = (repo.clone(), pull.number);
        if pull.closed_at.is_none() {
            lock(&self.closed_files).remove(&key);
            return reader.changed_files(repo, pull.number).await;
        }
        let known = lock(&self.closed_files).get(&key).cloned();
        if let Some(files) = known {
            return Ok(files);
        }
        let files = reader.changed_files(repo, pull.number).await?;
        lock(&self.closed_files).insert(key, files.clone());
        Ok(files)
    }
}

#[async_trait::async_trait]
impl Source for WithRepositories {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        let snapshot = self.complete(self.specs.load().await?).await;
        for (repo, listing) in &snapshot.repos {
            if let Completeness::Incomplete { reason } = &listing.completeness {
                tracing::warn!(
                    %repo, reason,
                    "pull requests and branches could not be listed: no preview is made of them, and none is collected"
                );
            }
        }
        Ok(snapshot)
    }

    async fn changed(&self) {
        let interval = *lock(&self.interval);
        let look_again = async {
            match interval {
                Some(interval) => self.shared.clock.sleep(interval).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.specs.changed() => {}
            () = look_again => {}
            // Others often follow: what people do comes in several events.
            () = self.hints.given() => self.shared.clock.sleep(TOGETHER).await,
        }
    }

    fn describe(&self) -> String {
        self.specs.describe()
    }
}

const fn is_about_to_be_given(approval: &Approval) -> bool {
    matches!(approval, Approval::Awaited { vouch: Some(vouch), .. } if vouch.is_approved)
}

fn settings(specs: &ParsedSpecs) -> ControllerGithub {
    specs.controller.as_ref().and_then(|controller| controller.spec.github.clone()).unwrap_or_default()
}

/// What went wrong, and what to do.
fn explained(error: &GithubError) -> String {
    format!("{error}; {}", error.advice())
}

fn pull(pull: wire::PullRequest) -> PullRequest {
    PullRequest {
        number: pull.number,
        is_fork: pull.is_fork(),
        title: pull.title,
        author: pull.author,
        labels: pull.labels,
        is_draft: pull.draft,
        branch: pull.head.branch,
        sha: pull.head.sha,
        base: pull.base.branch,
        url: pull.url,
        created_at: pull.created_at,
        active_at: pull.updated_at,
        closed_at: if pull.open { None } else { pull.closed_at.or(Some(pull.updated_at)) },
        head_at: None,
        files: None,
        approvals: BTreeMap::new(),
        orders: Vec::new(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
