//! What people do at GitHub: open and close pull requests, push, set labels. None of it is a request of the client.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::access::GithubAccess;
use super::hook::Before;
use super::state::{Head, Home, Pull, Repo};
use crate::sim::Simulator;
use crate::sim::edits::EditError;
use crate::sim::world::ids::Ids;

/// A pull request to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewPull {
    /// The branch that it comes from. Made from its base, with a commit of its own, unless it is there.
    pub branch: String,
    /// The branch that it goes to; `None` for the default branch.
    pub base: Option<String>,
    /// The title; `None` for the name of the branch.
    pub title: Option<String>,
    /// The login of whoever opens it.
    pub author: String,
    /// What the author is to the repository.
    pub association: Option<String>,
    /// The labels that it has from the beginning.
    pub labels: Vec<String>,
    /// Whether it is a draft.
    pub draft: bool,
    /// The owner of the fork that the branch is in; `None` for a branch of the repository itself.
    pub fork: Option<String>,
    /// The files that it changes.
    pub files: Vec<String>,
}

impl Default for NewPull {
    fn default() -> Self {
        Self {
            branch: String::new(),
            base: None,
            title: None,
            author: "ann".to_owned(),
            association: None,
            labels: Vec::new(),
            draft: false,
            fork: None,
            files: vec!["README.md".to_owned()],
        }
    }
}

impl NewPull {
    /// A pull request of `ann` from a branch of the repository to its default branch.
    pub fn from_branch(branch: &str) -> Self {
        Self { branch: branch.to_owned(), ..Self::default() }
    }

    /// A pull request from the fork of `owner`, who opens it.
    pub fn from_fork(owner: &str, branch: &str) -> Self {
        Self { fork: Some(owner.to_owned()), author: owner.to_owned(), ..Self::from_branch(branch) }
    }

    /// Opened by this account.
    #[must_use]
    pub fn by(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    /// With one more label.
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.labels.push(label.to_owned());
        self
    }

    /// To this branch.
    #[must_use]
    pub fn to(mut self, base: &str) -> Self {
        self.base = Some(base.to_owned());
        self
    }

    /// As a draft.
    #[must_use]
    pub const fn draft(mut self) -> Self {
        self.draft = true;
        self
    }

    /// Changing these files and no others.
    #[must_use]
    pub fn changing(mut self, files: &[&str]) -> Self {
        self.files = files.iter().map(|file| (*file).to_owned()).collect();
        self
    }
}

/// A pull request, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullView {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// The branch that it comes from.
    pub branch: String,
    /// Its newest commit.
    pub sha: String,
    /// The branch that it goes to.
    pub base: String,
    /// The owner of the fork that it comes from, if it does.
    pub fork: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When anything about it changed last.
    pub updated_at: DateTime<Utc>,
}

/// The hand of people in one repository; see [`Simulator::repository`].
#[derive(Debug, Clone)]
pub struct RepositoryHand {
    simulator: Simulator,
    name: String,
}

impl Simulator {
    /// What people do in the GitHub repository `owner/name`. It need not exist yet, but has to once something is done in it.
    pub fn repository(&self, full_name: &str) -> RepositoryHand {
        RepositoryHand { simulator: self.clone(), name: full_name.to_owned() }
    }

    /// Somebody makes a GitHub repository, private and with a branch `main`, unless it is there.
    pub fn create_repository(&self, full_name: &str) -> RepositoryHand {
        let now = self.now();
        self.present().world.github.ensure(full_name, now);
        self.repository(full_name)
    }

    /// The full names of all GitHub repositories.
    pub fn repositories(&self) -> Vec<String> {
        self.present().world.github.repos.iter().map(Repo::full_name).collect()
    }
}

impl RepositoryHand {
    /// Opens a pull request and returns its number.
    pub fn open_pull(&self, pull: NewPull) -> Result<u64, EditError> {
        self.change(|repo, ids, now| {
            let base = pull.base.unwrap_or_else(|| repo.default_branch.clone());
            let base_sha = repo.branches.get(&base).cloned().ok_or_else(|| no_branch(&base))?;
            let title = pull.title.unwrap_or_else(|| pull.branch.clone());
            let (at, sha) = if let Some(owner) = pull.fork {
                let sha = repo.commit(ids, &pull.author, &title, Some(base_sha.clone()), now);
                let id = fork_id(repo, &owner).unwrap_or_else(|| u64::from(ids.number()));
                (Home::Fork { id, owner }, sha)
            } else {
                if !repo.branches.contains_key(&pull.branch) {
                    let sha = repo.commit(ids, &pull.author, &title, Some(base_sha.clone()), now);
                    repo.branches.insert(pull.branch.clone(), sha);
                }
                let sha = repo.branches.get(&pull.branch).cloned().unwrap_or_default();
                (Home::Here, sha)
            };
            let (author, labels) = (pull.author.clone(), pull.labels.clone());
            let usual = if at == Home::Here { "MEMBER" } else { "NONE" };
            let number = repo.pulls.keys().next_back().copied().unwrap_or_default().saturating_add(1);
            repo.pulls.insert(
                number,
                Pull {
                    id: u64::from(ids.number()),
                    number,
                    title,
                    author: author.clone(),
                    association: pull.association.unwrap_or_else(|| usual.to_owned()),
                    draft: pull.draft,
                    labels: Vec::new(),
                    head: Head { branch: pull.branch, sha, at },
                    base,
                    base_sha,
                    files: pull.files,
                    created_at: now,
                    updated_at: now,
                    closed_at: None,
                    merged_at: None,
                    merge_commit: None,
                    events: Vec::new(),
                },
            );
            repo.set_labels(number, &author, &labels, now);
            Ok(number)
        })
    }

    /// Pushes a new commit to a branch, made from the default branch unless it is there. Returns the commit's hash.
    pub fn push(&self, branch: &str) -> Result<String, EditError> {
        self.change(|repo, ids, now| {
            let parent = repo.branches.get(branch).or_else(|| repo.branches.get(&repo.default_branch)).cloned();
            let owner = repo.owner.clone();
            let sha = repo.commit(ids, &owner, &format!("Change {branch}"), parent, now);
            repo.branches.insert(branch.to_owned(), sha.clone());
            for pull in repo.pulls_from(branch) {
                pull.head.sha.clone_from(&sha);
                pull.updated_at = now;
            }
            Ok(sha)
        })
    }

    /// Lets a branch be at a commit that is there, as a forced push does.
    pub fn move_branch(&self, branch: &str, sha: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            if !repo.commits.contains_key(sha) {
                return Err(EditError::NotFound { what: format!("commit {sha}") });
            }
            repo.branches.insert(branch.to_owned(), sha.to_owned());
            repo.pushed_at = now;
            for pull in repo.pulls_from(branch) {
                sha.clone_into(&mut pull.head.sha);
                pull.updated_at = now;
            }
            Ok(())
        })
    }

    /// Pushes a new commit to the branch that a pull request comes from, also in a fork. Returns the commit's hash.
    pub fn push_to_pull(&self, number: u64) -> Result<String, EditError> {
        let here = self.change(|repo, _, _| {
            let pull = find(repo, number)?;
            Ok((pull.head.at == Home::Here).then(|| pull.head.branch.clone()))
        })?;
        if let Some(branch) = here {
            return self.push(&branch);
        }
        self.change(|repo, ids, now| {
            let pull = find(repo, number)?;
            if matches!(pull.head.at, Home::Gone { .. }) {
                return Err(EditError::Refused { status: 422, text: "the fork was deleted".to_owned() });
            }
            let (author, parent) = (pull.author.clone(), pull.head.sha.clone());
            let sha = repo.commit(ids, &author, "Change the fork", Some(parent), now);
            let pull = find(repo, number)?;
            pull.head.sha.clone_from(&sha);
            pull.updated_at = now;
            Ok(sha)
        })
    }

    /// The owner of the repository sets a label, unless it is set already.
    pub fn label(&self, number: u64, label: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let owner = repo.owner.clone();
            find(repo, number)?;
            repo.set_labels(number, &owner, &[label.to_owned()], now);
            Ok(())
        })
    }

    /// Somebody sets a label, unless it is set already.
    pub fn label_as(&self, number: u64, label: &str, login: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            find(repo, number)?;
            repo.set_labels(number, login, &[label.to_owned()], now);
            Ok(())
        })
    }

    /// The owner of the repository takes a label away.
    pub fn unlabel(&self, number: u64, label: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let owner = repo.owner.clone();
            find(repo, number)?;
            repo.take_labels(number, &owner, |known| known == label, now);
            Ok(())
        })
    }

    /// The author of a pull request moves its head to a commit that is there, forward or in any other way.
    pub fn move_head(&self, number: u64, sha: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            if !repo.commits.contains_key(sha) {
                return Err(EditError::NotFound { what: format!("commit {sha}") });
            }
            let pull = find(repo, number)?;
            let (before, author, here) = (pull.head.sha.clone(), pull.author.clone(), pull.head.at == Home::Here);
            let branch = pull.head.branch.clone();
            sha.clone_into(&mut pull.head.sha);
            pull.updated_at = now;
            if here {
                repo.branches.insert(branch, sha.to_owned());
            }
            if !repo.is_ancestor(&before, sha) {
                repo.note(number, &author, "head_ref_force_pushed", None, now);
            }
            Ok(())
        })
    }

    /// Makes a pull request a draft, or ready for review.
    pub fn set_draft(&self, number: u64, draft: bool) -> Result<(), EditError> {
        self.change_pull(number, |pull| pull.draft = draft)
    }

    /// Gives a pull request another title.
    pub fn retitle(&self, number: u64, title: &str) -> Result<(), EditError> {
        self.change_pull(number, |pull| title.clone_into(&mut pull.title))
    }

    /// Lets a pull request go to another branch.
    pub fn retarget(&self, number: u64, base: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let base_sha = repo.branches.get(base).cloned().ok_or_else(|| no_branch(base))?;
            let pull = find(repo, number)?;
            (pull.base, pull.base_sha, pull.updated_at) = (base.to_owned(), base_sha, now);
            Ok(())
        })
    }

    /// Closes a pull request without merging it. Its branch stays.
    pub fn close(&self, number: u64) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let pull = find(repo, number)?;
            if pull.is_open() {
                (pull.closed_at, pull.updated_at) = (Some(now), now);
                let author = pull.author.clone();
                repo.note(number, &author, "closed", None, now);
            }
            Ok(())
        })
    }

    /// Merges an open pull request. Its branch stays.
    pub fn merge(&self, number: u64) -> Result<(), EditError> {
        self.change(|repo, ids, now| {
            let pull = find(repo, number)?;
            if !pull.is_open() {
                return Err(EditError::Refused { status: 405, text: format!("pull request {number} is closed") });
            }
            let (base, owner) = (pull.base.clone(), repo.owner.clone());
            let parent = repo.branches.get(&base).cloned();
            let sha = repo.commit(ids, &owner, &format!("Merge pull request #{number}"), parent, now);
            repo.branches.insert(base.clone(), sha.clone());
            for other in repo.pulls_from(&base) {
                (other.head.sha, other.updated_at) = (sha.clone(), now);
            }
            let pull = find(repo, number)?;
            (pull.closed_at, pull.merged_at, pull.updated_at) = (Some(now), Some(now), now);
            pull.merge_commit = Some(sha);
            Ok(())
        })
    }

    /// Opens a closed pull request again. One that was merged, or whose branch is gone, cannot be.
    pub fn reopen(&self, number: u64) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let branches = repo.branches.clone();
            let pull = find(repo, number)?;
            let tip = branches.get(&pull.head.branch);
            let is_there = match pull.head.at {
                Home::Here => tip.is_some(),
                Home::Fork { .. } => true,
                Home::Gone { .. } => false,
            };
            if pull.merged_at.is_some() || !is_there {
                return Err(EditError::Refused {
                    status: 422,
                    text: format!("pull request {number} cannot be reopened"),
                });
            }
            if let (Home::Here, Some(tip)) = (&pull.head.at, tip) {
                pull.head.sha.clone_from(tip);
            }
            (pull.closed_at, pull.updated_at) = (None, now);
            let author = pull.author.clone();
            repo.note(number, &author, "reopened", None, now);
            Ok(())
        })
    }

    /// Deletes a branch. Open pull requests from it or to it are closed.
    pub fn delete_branch(&self, branch: &str) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            repo.branches.remove(branch).ok_or_else(|| no_branch(branch))?;
            for pull in repo.pulls.values_mut().filter(|pull| pull.is_open()) {
                if pull.base == branch || (pull.head.at == Home::Here && pull.head.branch == branch) {
                    (pull.closed_at, pull.updated_at) = (Some(now), now);
                }
            }
            Ok(())
        })
    }

    /// The owner of a fork deletes it. Pull requests from it stay open, with their last commit.
    pub fn delete_fork(&self, owner: &str) -> Result<(), EditError> {
        self.change(|repo, _, _| {
            for pull in repo.pulls.values_mut() {
                if matches!(&pull.head.at, Home::Fork { owner: of, .. } if of == owner) {
                    pull.head.at = Home::Gone { owner: owner.to_owned() };
                }
            }
            Ok(())
        })
    }

    /// Lets somebody do as much as this in the repository; `None` for nothing.
    pub fn set_permission(&self, login: &str, access: Option<GithubAccess>) -> Result<(), EditError> {
        self.change(|repo, _, _| {
            match access {
                Some(access) => repo.people.insert(login.to_owned(), access),
                None => repo.people.remove(login),
            };
            Ok(())
        })
    }

    /// Gives the repository another name, `owner/name`. The old one leads to it, until another repository takes it.
    pub fn rename(&self, full_name: &str) -> Result<Self, EditError> {
        let (owner, name) = full_name.split_once('/').ok_or_else(|| no_repository(full_name))?;
        self.change(|repo, _, _| {
            repo.former.push(repo.full_name());
            (repo.owner, repo.name) = (owner.to_owned(), name.to_owned());
            Ok(())
        })?;
        Ok(self.simulator.repository(full_name))
    }

    /// All pull requests, in order of their numbers.
    pub fn pulls(&self) -> Vec<PullView> {
        self.look(|repo| repo.pulls.values().map(view).collect()).unwrap_or_default()
    }

    /// One pull request.
    pub fn pull(&self, number: u64) -> Option<PullView> {
        self.look(|repo| repo.pulls.get(&number).map(view)).flatten()
    }

    /// The branches and their newest commits.
    pub fn branches(&self) -> Vec<(String, String)> {
        let pair = |(name, sha): (&String, &String)| (name.clone(), sha.clone());
        self.look(|repo| repo.branches.iter().map(pair).collect()).unwrap_or_default()
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Repo) -> T) -> Option<T> {
        self.simulator.present().world.github.find(&self.name).map(look)
    }

    fn change_pull(&self, number: u64, change: impl FnOnce(&mut Pull)) -> Result<(), EditError> {
        self.change(|repo, _, now| {
            let pull = find(repo, number)?;
            change(pull);
            pull.updated_at = now;
            Ok(())
        })
    }

    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Repo, &mut Ids, DateTime<Utc>) -> Result<T, EditError>,
    ) -> Result<T, EditError> {
        let now = self.simulator.now();
        let mut state = self.simulator.present();
        let (repo, ids) = state.world.github.change(&self.name).ok_or_else(|| no_repository(&self.name))?;
        let before = repo.hook.is_some().then(|| Before::of(repo));
        let changed = change(repo, ids, now)?;
        if let Some(before) = before {
            before.tell_changes(repo, ids, now);
        }
        state.world.record(now);
        Ok(changed)
    }
}

fn view(pull: &Pull) -> PullView {
    PullView {
        number: pull.number,
        title: pull.title.clone(),
        author: pull.author.clone(),
        open: pull.is_open(),
        merged: pull.merged_at.is_some(),
        draft: pull.draft,
        labels: pull.labels.clone(),
        branch: pull.head.branch.clone(),
        sha: pull.head.sha.clone(),
        base: pull.base.clone(),
        fork: match &pull.head.at {
            Home::Here => None,
            Home::Fork { owner, .. } | Home::Gone { owner } => Some(owner.clone()),
        },
        created_at: pull.created_at,
        updated_at: pull.updated_at,
    }
}

fn find(repo: &mut Repo, number: u64) -> Result<&mut Pull, EditError> {
    let what = format!("pull request {number} of {}", repo.full_name());
    repo.pulls.get_mut(&number).ok_or(EditError::NotFound { what })
}

/// The id of the fork of `owner`, if pull requests came from it before.
fn fork_id(repo: &Repo, owner: &str) -> Option<u64> {
    repo.pulls.values().find_map(|pull| match &pull.head.at {
        Home::Fork { id, owner: of } if of == owner => Some(*id),
        _ => None,
    })
}

fn no_branch(branch: &str) -> EditError {
    EditError::NotFound { what: format!("branch `{branch}`") }
}

fn no_repository(name: &str) -> EditError {
    EditError::NotFound { what: format!("repository `{name}`") }
}
