//! The one comment on a pull request that is kept up to date.

use super::error::GithubError;
use super::problem::GithubProblem;
use super::writer::GithubWriter;
use crate::providers::github::wire::Comment;
use crate::resource::RepoName;

/// What became of the comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sticky {
    /// It was not there, and is now.
    Created(u64),
    /// It said something else.
    Edited(u64),
    /// It said this already.
    Unchanged(u64),
    /// It was there, and is gone.
    Removed,
    /// It was not there, and is not wanted.
    Absent,
}

/// Whose comments are a token's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The account of this login.
    Login(String),
    /// An app's, whose token may not ask who it is. Only apps have logins that end in `[bot]`, and nobody else can write as one.
    App,
}

impl Author {
    /// Whether this is the login of the account, as far as is known.
    pub fn is(&self, login: &str) -> bool {
        match self {
            Self::Login(own) => login == own,
            Self::App => login.ends_with("[bot]"),
        }
    }
}

impl GithubWriter {
    /// Whose comments the token writes.
    pub async fn author(&self) -> Result<Author, GithubError> {
        match self.reader().login().await {
            Ok(login) => Ok(Author::Login(login)),
            Err(error) if matches!(error.problem(), GithubProblem::Forbidden { .. }) => Ok(Author::App),
            Err(error) => Err(error),
        }
    }

    /// Lets the one comment of `author` that begins with `marker` (a hidden first line, `<!-- … -->`) say `body` below it, or removes it
    /// for `None`. Comments of others with the same marker are not looked at: anybody can copy it. Where two runs have commented at
    /// once, the older comment stays.
    pub async fn keep_comment(
        &self,
        repo: &RepoName,
        number: u64,
        author: &Author,
        marker: &str,
        body: Option<&str>,
    ) -> Result<Sticky, GithubError> {
        let mut own = self.own_comments(repo, number, author, marker).await?;
        let first = if own.is_empty() { None } else { Some(own.remove(0)) };
        self.delete_all(repo, &own).await?;
        let Some(body) = body else {
            let Some(comment) = first else { return Ok(Sticky::Absent) };
            self.delete_comment(repo, comment.id).await?;
            return Ok(Sticky::Removed);
        };
        let wanted = format!("{marker}\n{body}");
        if let Some(comment) = first {
            return self.let_say(repo, &comment, &wanted).await;
        }
        let created = self.create_comment(repo, number, &wanted).await?;
        let mut all = self.own_comments(repo, number, author, marker).await?;
        let first = if all.is_empty() { created.id } else { all.remove(0).id };
        self.delete_all(repo, &all).await?;
        Ok(Sticky::Created(first))
    }

    /// The same where there is a comment already: none is made.
    pub async fn change_comment(
        &self,
        repo: &RepoName,
        number: u64,
        author: &Author,
        marker: &str,
        body: &str,
    ) -> Result<Sticky, GithubError> {
        let own = self.own_comments(repo, number, author, marker).await?;
        match own.first() {
            Some(comment) => self.let_say(repo, comment, &format!("{marker}\n{body}")).await,
            None => Ok(Sticky::Absent),
        }
    }

    async fn let_say(&self, repo: &RepoName, comment: &Comment, body: &str) -> Result<Sticky, GithubError> {
        if normal(&comment.body) == normal(body) {
            return Ok(Sticky::Unchanged(comment.id));
        }
        self.edit_comment(repo, comment.id, body).await.map(|edited| Sticky::Edited(edited.id))
    }

    /// The comments of `author` with the marker, oldest first.
    async fn own_comments(
        &self,
        repo: &RepoName,
        number: u64,
        author: &Author,
        marker: &str,
    ) -> Result<Vec<Comment>, GithubError> {
        let mut comments = self.reader().comments(repo, number).await?;
        let is_own = |comment: &Comment| author.is(&comment.author) && comment.body.trim_start().starts_with(marker);
        comments.retain(is_own);
        comments.sort_by_key(|comment| comment.id);
        Ok(comments)
    }

    async fn delete_all(&self, repo: &RepoName, comments: &[Comment]) -> Result<(), GithubError> {
        for comment in comments {
            self.delete_comment(repo, comment.id).await?;
        }
        Ok(())
    }
}

/// GitHub gives bodies back with other line ends than they were sent with.
fn normal(body: &str) -> String {
    body.replace("\r\n", "\n").trim().to_owned()
}
