//! What GitHub holds: repositories with their branches, commits and pull requests.

use std::collections::BTreeMap;
use std::hash::Hash;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::access::GithubAccess;
use super::feedback::Feedback;
use super::hook::Hook;
use super::past::Past;
use super::usage::Usage;
use crate::sim::world::ids::Ids;

/// All repositories.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Github {
    pub(super) ids: Ids,
    pub(super) repos: Vec<Repo>,
    #[serde(skip)]
    pub(super) usage: Usage,
    #[serde(skip)]
    pub(super) past: Past,
}

/// A repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Repo {
    pub(super) id: u64,
    pub(super) owner: String,
    pub(super) name: String,
    /// Full names that it has had; they lead to it until another repository takes them.
    pub(super) former: Vec<String>,
    pub(super) private: bool,
    pub(super) default_branch: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) pushed_at: DateTime<Utc>,
    /// The newest commit of each.
    pub(super) branches: BTreeMap<String, String>,
    /// By hash. Those of forks that pull requests come from are among them, as at GitHub.
    pub(super) commits: BTreeMap<String, Commit>,
    pub(super) pulls: BTreeMap<u64, Pull>,
    /// What people other than its owner may do.
    pub(super) people: BTreeMap<String, GithubAccess>,
    #[serde(default)]
    pub(super) feedback: Feedback,
    /// What it tells by itself. A restored world has to be told again to whom.
    #[serde(skip)]
    pub(super) hook: Option<Hook>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Commit {
    pub(crate) author: String,
    pub(crate) message: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) parent: Option<String>,
}

/// A pull request.
#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) author: String,
    pub(super) association: String,
    pub(super) draft: bool,
    pub(super) labels: Vec<String>,
    pub(super) head: Head,
    pub(super) base: String,
    /// The commit of the base branch when it was last compared with.
    pub(super) base_sha: String,
    pub(super) files: Vec<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) closed_at: Option<DateTime<Utc>>,
    pub(super) merged_at: Option<DateTime<Utc>>,
    pub(super) merge_commit: Option<String>,
    /// What happened to it, oldest first.
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

/// Something that happened to a pull request.
#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(super) id: u64,
    /// What: `labeled`, `closed`, `head_ref_force_pushed` …
    pub(super) kind: String,
    pub(super) actor: String,
    pub(super) label: Option<String>,
    pub(super) at: DateTime<Utc>,
}

/// What a pull request would merge.
#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(super) branch: String,
    pub(super) sha: String,
    pub(super) at: Home,
}

/// Where the head of a pull request lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Home {
    /// In the repository itself.
    Here,
    /// In the fork of this owner.
    Fork { id: u64, owner: String },
    /// In a fork of this owner that was deleted.
    Gone { owner: String },
}

impl Default for Github {
    fn default() -> Self {
        Self::from_seed(1)
    }
}

impl Github {
    pub(crate) const fn from_seed(seed: u64) -> Self {
        // Other ids than those of the rest of the platform.
        Self { ids: Ids::from_seed(seed ^ 0x6769_7468_7562), repos: Vec::new(), usage: Usage::EMPTY, past: Past::EMPTY }
    }

    /// Makes the repository `owner/name` with a branch `main`, unless it is there.
    pub(crate) fn ensure(&mut self, full_name: &str, now: DateTime<Utc>) {
        let Some((owner, name)) = full_name.split_once('/') else { return };
        if self.repos.iter().any(|repo| repo.is_named(full_name)) {
            return;
        }
        let mut repo = Repo {
            id: u64::from(self.ids.number()),
            owner: owner.to_owned(),
            name: name.to_owned(),
            former: Vec::new(),
            private: true,
            default_branch: "main".to_owned(),
            created_at: now,
            pushed_at: now,
            branches: BTreeMap::new(),
            commits: BTreeMap::new(),
            pulls: BTreeMap::new(),
            people: BTreeMap::new(),
            feedback: Feedback::default(),
            hook: None,
        };
        let sha = repo.commit(&mut self.ids, owner, "Begin", None, now);
        repo.branches.insert("main".to_owned(), sha);
        self.past.began(&repo);
        self.repos.push(repo);
    }

    /// The repository of this name, or of this former name.
    pub(super) fn find(&self, full_name: &str) -> Option<&Repo> {
        let named = self.repos.iter().find(|repo| repo.is_named(full_name));
        named.or_else(|| {
            self.repos.iter().find(|repo| repo.former.iter().any(|name| name.eq_ignore_ascii_case(full_name)))
        })
    }

    /// The repository that a project of `owner` is of: that of its name, or the only one that the owner has.
    pub(crate) fn home_of(&self, owner: &str, name: &str) -> String {
        let own = format!("{owner}/{name}");
        let mut of_owner = self.repos.iter().filter(|repo| repo.owner.eq_ignore_ascii_case(owner));
        match (of_owner.next(), of_owner.next()) {
            (Some(only), None) if self.find(&own).is_none() => only.full_name(),
            _ => own,
        }
    }

    pub(super) fn by_id(&self, id: u64) -> Option<&Repo> {
        self.repos.iter().find(|repo| repo.id == id)
    }

    /// The repository to be changed, with what mints ids.
    pub(super) fn change(&mut self, full_name: &str) -> Option<(&mut Repo, &mut Ids)> {
        let repo = self.repos.iter_mut().find(|repo| repo.is_named(full_name))?;
        self.past.touch();
        Some((repo, &mut self.ids))
    }
}

impl Repo {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// What other objects show of it.
    pub(super) fn facts(&self) -> impl Hash {
        let open = self.pulls.values().filter(|pull| pull.is_open()).count();
        (self.full_name(), self.default_branch.clone(), self.private, self.pushed_at, open)
    }

    pub(super) fn is_named(&self, full_name: &str) -> bool {
        self.full_name().eq_ignore_ascii_case(full_name)
    }

    /// Adds a commit and returns its hash.
    pub(super) fn commit(
        &mut self,
        ids: &mut Ids,
        author: &str,
        message: &str,
        parent: Option<String>,
        now: DateTime<Utc>,
    ) -> String {
        let sha = ids.hex(32) + &ids.hex(8);
        let commit = Commit { author: author.to_owned(), message: message.to_owned(), at: now, parent };
        self.commits.insert(sha.clone(), commit);
        self.pushed_at = now;
        sha
    }

    /// Notes that `actor` did something to a pull request, with a label where it was about one.
    pub(super) fn note(&mut self, number: u64, actor: &str, kind: &str, label: Option<&str>, now: DateTime<Utc>) {
        let id = self.feedback.next_id();
        let (kind, actor, label) = (kind.to_owned(), actor.to_owned(), label.map(str::to_owned));
        if let Some(pull) = self.pulls.get_mut(&number) {
            pull.events.push(Event { id, kind, actor, label, at: now });
        }
    }

    /// Lets `actor` set labels that a pull request does not have yet.
    pub(super) fn set_labels(&mut self, number: u64, actor: &str, labels: &[String], now: DateTime<Utc>) {
        for label in labels {
            let Some(pull) = self.pulls.get_mut(&number) else { return };
            pull.updated_at = now;
            if !pull.labels.iter().any(|known| known.eq_ignore_ascii_case(label)) {
                pull.labels.push(label.clone());
                self.note(number, actor, "labeled", Some(label), now);
            }
        }
    }

    /// Lets `actor` take away the labels that `goes` says. Returns whether there was one.
    pub(super) fn take_labels(
        &mut self,
        number: u64,
        actor: &str,
        goes: impl Fn(&str) -> bool,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(pull) = self.pulls.get_mut(&number) else { return false };
        let gone: Vec<String> = pull.labels.iter().filter(|label| goes(label)).cloned().collect();
        pull.labels.retain(|label| !goes(label));
        pull.updated_at = now;
        for label in &gone {
            self.note(number, actor, "unlabeled", Some(label), now);
        }
        !gone.is_empty()
    }

    /// The open pull requests from this branch of this repository.
    pub(super) fn pulls_from<'r>(&'r mut self, branch: &'r str) -> impl Iterator<Item = &'r mut Pull> {
        self.pulls
            .values_mut()
            .filter(move |pull| pull.is_open() && pull.head.at == Home::Here && pull.head.branch == branch)
    }

    /// Whether the commit `older` is `newer`, or one that led to it.
    pub(super) fn is_ancestor(&self, older: &str, newer: &str) -> bool {
        let mut at = Some(newer);
        while let Some(sha) = at {
            if sha == older {
                return true;
            }
            at = self.commits.get(sha).and_then(|commit| commit.parent.as_deref());
        }
        false
    }

    /// Whether the default branch has commits that the branch `name` has not.
    pub(super) fn is_behind(&self, name: &str) -> bool {
        let (Some(tip), Some(wanted)) = (self.branches.get(name), self.branches.get(&self.default_branch)) else {
            return false;
        };
        let mut at = Some(tip);
        while let Some(sha) = at {
            if sha == wanted {
                return false;
            }
            at = self.commits.get(sha).and_then(|commit| commit.parent.as_ref());
        }
        true
    }

    /// The commit that a hash (or the beginning of one), a branch or a pull request's ref stands for.
    pub(super) fn resolve(&self, name: &str) -> Option<&str> {
        let name = name.strip_prefix("heads/").unwrap_or(name);
        if let Some(sha) = self.branches.get(name) {
            return Some(sha);
        }
        if let Some(number) = name.strip_prefix("pull/").and_then(|rest| rest.strip_suffix("/head")) {
            return Some(&self.pulls.get(&number.parse().ok()?)?.head.sha);
        }
        let is_hash = name.len() >= 7 && name.chars().all(|c| c.is_ascii_hexdigit());
        let name = name.to_ascii_lowercase();
        is_hash.then(|| self.commits.keys().find(|sha| sha.starts_with(&name))).flatten().map(String::as_str)
    }
}

impl Pull {
    pub(super) const fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// The owner of the repository that its head is in.
    pub(super) fn head_owner<'p>(&'p self, repo: &'p Repo) -> &'p str {
        match &self.head.at {
            Home::Here => &repo.owner,
            Home::Fork { owner, .. } | Home::Gone { owner } => owner,
        }
    }
}

/// The number of an account or a label, which follows from its name.
pub(super) fn number_of(kind: &str, name: &str) -> u32 {
    let hash: [u8; 32] = Sha256::digest(format!("{kind} {}", name.to_ascii_lowercase())).into();
    let [a, b, c, d, ..] = hash;
    u32::from_be_bytes([a & 0x7f, b, c, d])
}
