//! What an integration sees of a repository: its branches, and the pull requests of forks.

use super::state::{Commit, Github, Home, Repo};

/// A repository, as an integration sees it.
pub(crate) struct GitView<'g> {
    repo: &'g Repo,
    pub(crate) id: u64,
    pub(crate) owner: &'g str,
    pub(crate) name: &'g str,
    pub(crate) default_branch: &'g str,
}

/// The newest commit of a branch, here or in a fork.
pub(crate) struct GitHead {
    /// Tells it from all others.
    pub(crate) key: String,
    pub(crate) branch: String,
    pub(crate) sha: String,
    /// The open pull request that comes from it.
    pub(crate) pull: Option<u64>,
    pub(crate) is_fork: bool,
}

impl Github {
    /// The repository `owner/name`.
    pub(crate) fn git(&self, full_name: &str) -> Option<GitView<'_>> {
        let repo = self.find(full_name)?;
        let (owner, name, default_branch) = (&repo.owner, &repo.name, &repo.default_branch);
        Some(GitView { repo, id: repo.id, owner, name, default_branch })
    }

    /// The same, by its number.
    pub(crate) fn git_by_id(&self, id: u64) -> Option<GitView<'_>> {
        self.git(&self.by_id(id)?.full_name())
    }
}

impl GitView<'_> {
    /// The newest commit of a branch.
    pub(crate) fn branch(&self, name: &str) -> Option<&str> {
        self.repo.branches.get(name).map(String::as_str)
    }

    /// A commit.
    pub(crate) fn commit(&self, sha: &str) -> Option<&Commit> {
        self.repo.commits.get(sha)
    }

    /// Whether the commit `ancestor` comes before `sha`.
    pub(crate) fn is_ancestor(&self, ancestor: Option<&str>, sha: &str) -> bool {
        let mut next = Some(sha);
        while let Some(sha) = next {
            if ancestor == Some(sha) {
                return true;
            }
            next = self.commit(sha).and_then(|commit| commit.parent.as_deref());
        }
        false
    }

    /// The open pull request from a branch of the repository itself.
    pub(crate) fn pull_of(&self, branch: &str) -> Option<u64> {
        let from =
            |pull: &&super::state::Pull| pull.is_open() && pull.head.at == Home::Here && pull.head.branch == branch;
        self.repo.pulls.values().find(from).map(|pull| pull.number)
    }

    /// All branches, and those of forks that open pull requests come from.
    pub(crate) fn heads(&self) -> Vec<GitHead> {
        let own = self.repo.branches.iter().map(|(branch, sha)| GitHead {
            key: branch.clone(),
            branch: branch.clone(),
            sha: sha.clone(),
            pull: self.pull_of(branch),
            is_fork: false,
        });
        let forks = self.repo.pulls.values().filter(|pull| pull.is_open()).filter_map(|pull| match &pull.head.at {
            Home::Fork { owner, .. } => Some(GitHead {
                key: format!("{owner}:{}", pull.head.branch),
                branch: pull.head.branch.clone(),
                sha: pull.head.sha.clone(),
                pull: Some(pull.number),
                is_fork: true,
            }),
            Home::Here | Home::Gone { .. } => None,
        });
        own.chain(forks).collect()
    }
}
