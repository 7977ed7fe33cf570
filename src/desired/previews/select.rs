//! Which pull requests, branches and list items become previews.

use std::collections::BTreeSet;
use std::time::Duration as StdDuration;

use chrono::{DateTime, Utc};
use globset::GlobBuilder;
use indexmap::IndexMap;

use super::facts::Facts;
use super::listing::{PullRequest, RepoListing};
use super::orders::{Weighed, weigh};
use crate::spec::Text;
use crate::spec::preview::{Forks, GithubSource, PullRequestFilter};

/// Something that gets a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// What it is, for people: `pull request acme/chat#42`.
    pub(super) title: String,
    /// Its page.
    pub(super) url: Option<String>,
    /// Its branch, by its full name.
    pub(super) branch: Option<String>,
    pub(super) sha: Option<String>,
    pub(super) facts: Facts,
    /// The labels of its pull request.
    pub(super) labels: Vec<String>,
    /// When it began, where that is known: what is older comes first.
    pub(super) since: Option<DateTime<Utc>>,
    /// The newest sign of life.
    pub(super) active_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub(super) closed_at: Option<DateTime<Utc>>,
    /// Whether it may have no secret.
    pub(super) is_secretless: bool,
    /// What people have asked of it in comments.
    pub(super) orders: Weighed,
}

/// The subjects of a GitHub source: first pull requests by number, then the branches that none of them is made from, by name.
/// `longest` is how long a command may keep one.
pub(super) fn of_github(source: &GithubSource, listing: &RepoListing, longest: Option<StdDuration>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    let mut branches_in_use = BTreeSet::new();
    if let Some(filter) = &source.pull_requests {
        let mut pulls: Vec<&PullRequest> = listing.pulls.iter().filter(|pull| is_selected(filter, pull)).collect();
        pulls.sort_by_key(|pull| pull.number);
        for pull in pulls {
            if pull.closed_at.is_none() && !pull.is_fork {
                branches_in_use.insert(pull.branch.as_str());
            }
            let orders = if filter.commands { weigh(&pull.orders, pull.head_at, longest) } else { Weighed::default() };
            subjects.push(Subject { orders, ..of_pull(source, pull) });
        }
    }
    let mut branches: Vec<_> = listing.branches.iter().filter(|branch| fits(&source.branches, &branch.name)).collect();
    branches.sort_by(|one, other| one.name.cmp(&other.name));
    for branch in branches.into_iter().filter(|branch| !branches_in_use.contains(branch.name.as_str())) {
        let mut facts = of_repo(source);
        of_commit(&mut facts, &branch.name, &branch.sha);
        subjects.push(Subject {
            title: format!("branch `{}` of {}", branch.name, source.repo),
            url: None,
            branch: Some(branch.name.clone()),
            sha: Some(branch.sha.clone()),
            facts,
            labels: Vec::new(),
            since: None,
            active_at: branch.active_at,
            closed_at: None,
            is_secretless: false,
            orders: Weighed::default(),
        });
    }
    subjects
}

/// Open pull requests of the repository's own that are not selected.
pub(super) fn unselected(source: &GithubSource, listing: &RepoListing) -> Vec<Subject> {
    let Some(filter) = &source.pull_requests else { return Vec::new() };
    let is_one = |pull: &&PullRequest| pull.closed_at.is_none() && !pull.is_fork && !is_selected(filter, pull);
    listing.pulls.iter().filter(is_one).map(|pull| of_pull(source, pull)).collect()
}

/// The subjects of a list, in its order.
pub(super) fn of_list(items: &[IndexMap<String, Text>]) -> Vec<Subject> {
    let subject = |(index, item): (usize, &IndexMap<String, Text>)| {
        let mut facts = Facts::new();
        for (name, value) in item {
            facts.set(&format!("params.{name}"), value.as_str());
        }
        Subject {
            title: format!("item {} of the list", index.saturating_add(1)),
            url: None,
            branch: None,
            sha: None,
            facts,
            labels: Vec::new(),
            since: None,
            active_at: None,
            closed_at: None,
            is_secretless: false,
            orders: Weighed::default(),
        }
    };
    items.iter().enumerate().map(subject).collect()
}

fn of_pull(source: &GithubSource, pull: &PullRequest) -> Subject {
    let mut facts = of_repo(source);
    of_commit(&mut facts, &pull.branch, &pull.sha);
    facts.set("pr.number", pull.number.to_string());
    facts.set("pr.title", &*pull.title);
    facts.set("pr.author", &*pull.author);
    facts.set("pr.labels", pull.labels.join(","));
    facts.set("pr.url", &*pull.url);
    facts.set("base.ref", &*pull.base);
    // A fork's branch may have the name of one of ours, and is another branch all the same.
    let branch = if pull.is_fork { format!("{}:{}", pull.author, pull.branch) } else { pull.branch.clone() };
    Subject {
        title: format!("pull request {}#{}", source.repo, pull.number),
        url: Some(pull.url.clone()),
        branch: Some(branch),
        sha: Some(pull.sha.clone()),
        facts,
        labels: pull.labels.clone(),
        since: Some(pull.created_at),
        active_at: Some(pull.active_at),
        closed_at: pull.closed_at,
        is_secretless: pull.is_fork,
        orders: Weighed::default(),
    }
}

fn of_repo(source: &GithubSource) -> Facts {
    let mut facts = Facts::new();
    let (owner, name) = source.repo.split_once('/').unwrap_or_default();
    facts.set("repo.owner", owner);
    facts.set("repo.name", name);
    facts.set("repo.fullName", &*source.repo);
    facts
}

fn of_commit(facts: &mut Facts, branch: &str, sha: &str) {
    facts.set("branch.name", branch);
    facts.set("head.sha", sha);
    facts.set("head.shortSha", sha.chars().take(7).collect::<String>());
}

/// As many files as GitHub lists of one pull request (REST API, "List pull requests files"): there may be more.
const MOST_FILES: usize = 3000;

/// Whether a pull request gets a preview, or had one until it was closed. Files that are not all known speak for it.
fn is_selected(filter: &PullRequestFilter, pull: &PullRequest) -> bool {
    let changes_one = |files: &Vec<String>| files.iter().any(|file| fits(&filter.paths, file));
    is_candidate(filter, pull)
        && (filter.paths.is_empty()
            || pull.files.as_ref().is_none_or(|files| files.len() >= MOST_FILES || changes_one(files)))
}

/// Whether everything but the files that it changes speaks for a pull request.
pub(super) fn is_candidate(filter: &PullRequestFilter, pull: &PullRequest) -> bool {
    let has = |label: &String| pull.labels.iter().any(|own| own.eq_ignore_ascii_case(label));
    filter.labels.iter().all(has)
        && !filter.exclude_labels.iter().any(has)
        && (filter.drafts.unwrap_or(true) || !pull.is_draft)
        && (filter.authors.is_empty() || fits_any_case(&filter.authors, &pull.author))
        && (filter.base.is_empty() || fits(&filter.base, &pull.base))
        && (!pull.is_fork || filter.forks == Forks::NoSecrets)
}

fn fits(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| is_match(pattern, text, false))
}

fn fits_any_case(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| is_match(pattern, text, true))
}

/// `*` stands for any text without `/`, `**` for any text. A pattern that is none, which the reader of specs refuses, fits nothing.
fn is_match(pattern: &str, text: &str, any_case: bool) -> bool {
    let glob = GlobBuilder::new(pattern).literal_separator(true).case_insensitive(any_case).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(text))
}
