//! What a repository has at this moment, as far as previews are made from it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::command::Order;
use super::select::is_candidate;
use crate::desired::Completeness;
use crate::resource::RepoName;
use crate::spec::ParsedSpecs;
use crate::spec::preview::{PreviewSource, PullRequestFilter};

/// One pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its title, as its author wrote it.
    pub title: String,
    /// The login of its author.
    pub author: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Whether its head is in another repository, or in one that is gone.
    pub is_fork: bool,
    /// The branch that is to be merged.
    pub branch: String,
    /// The commit at the head of that branch.
    pub sha: String,
    /// The branch that it is to be merged into.
    pub base: String,
    /// Its page.
    pub url: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// The newest sign of life: when its newest commit was made, or it was opened, whichever is later. What is said in it does not
    /// count, because we do that ourselves.
    pub active_at: DateTime<Utc>,
    /// When its newest commit was made, where that was asked for.
    pub head_at: Option<DateTime<Utc>>,
    /// When it was closed or merged, if it was.
    pub closed_at: Option<DateTime<Utc>>,
    /// The paths of the files that it changes, where they were asked for.
    pub files: Option<Vec<String>>,
    /// What is asked of Hangar in its comments, where they were asked for.
    pub orders: Vec<Order>,
}

/// One branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// The commit at its head.
    pub sha: String,
    /// When that commit was made, where it was asked for.
    pub active_at: Option<DateTime<Utc>>,
}

/// What one repository has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoListing {
    /// Open pull requests, and those that were closed lately.
    pub pulls: Vec<PullRequest>,
    /// Branches, where they were asked for.
    pub branches: Vec<Branch>,
    /// Whether all open pull requests and branches are in here.
    pub completeness: Completeness,
}

impl RepoListing {
    /// A repository of which nothing is known, and why.
    pub const fn unknown(reason: String) -> Self {
        Self { pulls: Vec::new(), branches: Vec::new(), completeness: Completeness::Incomplete { reason } }
    }
}

/// What has to be listed of one repository.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NeededListing {
    /// Pull requests.
    pub pulls: bool,
    /// Branches.
    pub branches: bool,
    /// When the commits at the heads of branches were made.
    pub activity: bool,
    /// The filters that ask which files a pull request changes.
    by_files: Vec<PullRequestFilter>,
    /// The filters whose previews people may command by comments.
    commanded: Vec<PullRequestFilter>,
}

impl NeededListing {
    /// Whether it has to be known which files a pull request changes: nothing else speaks against its preview.
    pub fn needs_files(&self, pull: &PullRequest) -> bool {
        self.by_files.iter().any(|filter| is_candidate(filter, pull))
    }

    /// Whether it has to be known what is asked of Hangar in the comments of a pull request.
    pub fn needs_comments(&self, pull: &PullRequest) -> bool {
        pull.closed_at.is_none() && self.commanded.iter().any(|filter| is_candidate(filter, pull))
    }
}

/// What the sets of previews ask for, so that nothing else has to be listed.
pub fn needed_listings(specs: &ParsedSpecs) -> BTreeMap<RepoName, NeededListing> {
    let mut needed: BTreeMap<RepoName, NeededListing> = BTreeMap::new();
    for set in &specs.preview_sets {
        for (_, source) in set.spec.all_sources() {
            let PreviewSource::Github(github) = source else { continue };
            // One that is none is an error of the spec.
            let Ok(repo) = github.repo.parse() else { continue };
            let entry = needed.entry(repo).or_default();
            entry.pulls |= github.pull_requests.is_some();
            entry.branches |= !github.branches.is_empty();
            entry.by_files.extend(github.pull_requests.iter().filter(|filter| !filter.paths.is_empty()).cloned());
            entry.commanded.extend(github.pull_requests.iter().filter(|filter| filter.commands).cloned());
            entry.activity |= set.spec.ttl.as_ref().is_some_and(|ttl| ttl.idle.is_some());
        }
    }
    needed
}
