//! The name of a repository, `owner/name`.

use std::cmp::Ordering;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// The longest login of an owner, in characters.
const OWNER_LIMIT: usize = 39;

/// The longest name of a repository, in characters.
const NAME_LIMIT: usize = 100;

/// The full name of a repository. It is shown as it was written, and compared as GitHub does: without regard to case.
#[derive(Debug, Clone)]
pub struct RepoName {
    owner: String,
    name: String,
}

impl PartialEq for RepoName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for RepoName {}

impl PartialOrd for RepoName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RepoName {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |repo: &Self| (repo.owner.to_ascii_lowercase(), repo.name.to_ascii_lowercase());
        key(self).cmp(&key(other))
    }
}

/// Why a text is not the name of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the name of a repository: write `owner/name`, as in its address on GitHub")]
pub struct RepoNameError {
    /// The text.
    pub text: String,
}

impl RepoName {
    /// The user or organization that owns it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its name without the owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Display for RepoName {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for RepoName {
    type Err = RepoNameError;

    fn from_str(text: &str) -> Result<Self, RepoNameError> {
        let refused = || RepoNameError { text: text.to_owned() };
        let (owner, name) = text.split_once('/').ok_or_else(refused)?;
        let is_owner = (1..=OWNER_LIMIT).contains(&owner.len())
            && owner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let is_name = (1..=NAME_LIMIT).contains(&name.len())
            && !matches!(name, "." | "..")
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_owner || !is_name {
            return Err(refused());
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
    }
}

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commit {
    /// The repository.
    pub repo: RepoName,
    /// The whole hash.
    pub sha: String,
}

impl Display for Commit {
    /// As GitHub writes it in texts: `acme/chat@0123456`.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let short = self.sha.get(..7).unwrap_or(&self.sha);
        write!(f, "{}@{short}", self.repo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_an_owner_and_nothing_that_changes_a_path() {
        assert_eq!("acme/Chat.js".parse::<RepoName>().unwrap().to_string(), "acme/Chat.js");
        assert_eq!("acme/Chat.js".parse::<RepoName>(), "Acme/chat.js".parse());
        for text in [
            "",
            "chat",
            "acme/",
            "/chat",
            "acme/chat/x",
            "acme/..",
            "a b/chat",
            "acme/chat?x",
            "https://github.com/acme/chat",
        ] {
            assert!(text.parse::<RepoName>().is_err(), "{text}");
        }
    }
}
