//! `--comment`: a result as the one comment on a pull request that is kept up to date.
//!
//! This is the only place where a look gets a client that can write, and what that can write is words at GitHub.

use std::path::Path;

use super::args::Selection;
use super::exit::CliError;
use crate::controller::{AppTokens, GithubAccess, Variables};
use crate::http::{Shared, WriteClient};
use crate::providers::github::client::{GithubError, GithubWriter, Sticky};
use crate::resource::{OwnerId, RepoName};
use crate::spec::ControllerSpec;

/// The pull request that is commented on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PullTarget {
    repo: RepoName,
    number: u64,
}

impl PullTarget {
    /// The pull request that `--comment=TARGET` names, or without a target the one that this workflow runs for.
    pub(super) fn find(target: &str) -> Result<Self, CliError> {
        if !target.is_empty() {
            return Self::parse(target);
        }
        let unknown = |what: &str| {
            CliError::Usage(format!(
                "`--comment` cannot tell the pull request: {what}; run it in a workflow for pull requests, or name it: `--comment=owner/repo#42`"
            ))
        };
        let repo = variable("GITHUB_REPOSITORY").ok_or_else(|| unknown("`GITHUB_REPOSITORY` is not set"))?;
        let repo = repo.parse().map_err(|error| unknown(&format!("GITHUB_REPOSITORY: {error}")))?;
        let number = number_in_event().or_else(number_in_ref);
        let number = number.ok_or_else(|| unknown("neither the event nor `GITHUB_REF` is of a pull request"))?;
        Ok(Self { repo, number })
    }

    fn parse(text: &str) -> Result<Self, CliError> {
        let wrong = || CliError::Usage(format!("`--comment={text}` names no pull request: write `owner/repo#42`"));
        let (repo, number) = text.rsplit_once('#').ok_or_else(wrong)?;
        let repo = repo.parse().map_err(|_no_name| wrong())?;
        let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        Ok(Self { repo, number })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The number in the event that the runner has written to a file: of a pull request, or of a comment on one.
fn number_in_event() -> Option<u64> {
    let text = std::fs::read(Path::new(&variable("GITHUB_EVENT_PATH")?)).ok()?;
    let event: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let of_comment = event.pointer("/issue").filter(|issue| issue.get("pull_request").is_some());
    event.pointer("/pull_request/number").or_else(|| of_comment?.get("number"))?.as_u64()
}

/// The number in `refs/pull/42/merge`.
fn number_in_ref() -> Option<u64> {
    variable("GITHUB_REF")?.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok()
}

/// What a comment is written with.
pub(super) struct Speaker<'a> {
    /// The controller's settings.
    pub(super) settings: Option<&'a ControllerSpec>,
    /// Where the token is.
    pub(super) variables: &'a dyn Variables,
    /// Transport and clock.
    pub(super) shared: &'a Shared,
    /// The controller's identity.
    pub(super) owner: &'a OwnerId,
}

/// Lets the comment of this controller on `target` say `body`. `kind` tells apart what is kept in comments of their own.
pub(super) async fn keep(
    speaker: &Speaker<'_>,
    target: &PullTarget,
    kind: &str,
    selection: &Selection,
    body: &str,
) -> Result<Sticky, CliError> {
    let settings = speaker.settings.and_then(|settings| settings.github.clone()).unwrap_or_default();
    let tokens = AppTokens::default();
    let access = GithubAccess::find(&settings, speaker.variables, speaker.shared, &tokens).await;
    let access = access.map_err(CliError::Comment)?;
    let writer = GithubWriter::new(WriteClient::new(access.connect(speaker.shared.clone())));
    let explained = |error: GithubError| CliError::Comment(format!("{error}; {}", error.advice()));
    let author = writer.author().await.map_err(explained)?;
    let marker = marker(kind, speaker.owner, selection);
    let kept = writer.keep_comment(&target.repo, target.number, &author, &marker, Some(body)).await;
    kept.map_err(explained)
}

/// The hidden first line: another one for each controller and each part of its specs, so that they do not take turns in one comment.
fn marker(kind: &str, owner: &OwnerId, selection: &Selection) -> String {
    let mut marker = format!("<!-- hangar {kind} {owner}");
    for (name, value) in [("env", &selection.env), ("only", &selection.only)] {
        if let Some(value) = value {
            // These are names in the specs by now, so nothing in them ends a comment.
            marker.push_str(&format!(" {name}={value}"));
        }
    }
    marker.push_str(" -->");
    marker
}

/// What became of the comment, for people.
pub(super) fn told(target: &PullTarget, sticky: Sticky) -> String {
    let PullTarget { repo, number } = target;
    let what = match sticky {
        Sticky::Created(_) => "written",
        Sticky::Edited(_) => "brought up to date",
        Sticky::Unchanged(_) => "left as it is: it says this already",
        Sticky::Removed | Sticky::Absent => "removed",
    };
    format!("comment on {repo}#{number}: {what}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_is_named_by_repository_and_number() {
        let found = PullTarget::find("acme/chat#42").unwrap();
        assert_eq!(found, PullTarget { repo: "acme/chat".parse().unwrap(), number: 42 });
        for wrong in ["42", "acme#42", "acme/chat", "acme/chat#", "acme/chat#0", "acme/chat#x", "acme/chat#-1", "#4"] {
            let problem = PullTarget::find(wrong).unwrap_err().to_string();
            assert!(problem.contains("write `owner/repo#42`"), "{problem}");
        }
    }
}
