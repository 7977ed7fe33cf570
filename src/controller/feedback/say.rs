//! Says it: what is there is looked at, and only what differs is written.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::wish::{Deploying, Saying, Wish};
use crate::desired::{Answer, AnswerKind};
use crate::providers::github::client::{Author, Deleted, GithubError, GithubProblem, GithubWriter};
use crate::providers::github::wire::{
    CommitStatus, Deployment, DeploymentState, KnownReaction, KnownStatus, NewDeployment, NewDeploymentStatus, Reaction,
};
use crate::resource::{OwnerId, RepoName};

/// Says what `wish` has, as far as it is not said already. What comes first is what others wait for.
pub(super) async fn say(voice: &Voice, owner: &OwnerId, wish: &Wish) -> Result<(), GithubError> {
    set_status(&voice.writer, wish).await?;
    let kept = deploy(&voice.writer, wish).await?;
    comment(voice, owner, wish, kept.as_deref()).await?;
    answer(voice, wish).await
}

/// Who speaks: one for each address and token.
#[derive(Debug)]
pub(super) struct Voice {
    writer: GithubWriter,
    /// Whose comments it writes, once that was asked.
    author: OnceCell<Author>,
    /// The comments that have their answers, as far as this process knows.
    answered: Mutex<BTreeSet<(RepoName, u64)>>,
}

impl Voice {
    pub(super) fn new(writer: GithubWriter) -> Self {
        Self { writer, author: OnceCell::new(), answered: Mutex::default() }
    }

    async fn author(&self) -> Result<&Author, GithubError> {
        self.author.get_or_try_init(|| self.writer.author()).await
    }
}

async fn set_status(writer: &GithubWriter, wish: &Wish) -> Result<(), GithubError> {
    let (Some((state, description, url)), Some(context)) = (&wish.status, &wish.audience.how.status) else {
        return Ok(());
    };
    let (repo, sha) = (&wish.audience.repo, &wish.audience.sha);
    let wanted = CommitStatus {
        state: *state,
        context: context.clone(),
        description: description.clone(),
        target_url: url.clone(),
    };
    let is_said = |known: &KnownStatus| {
        known.context.eq_ignore_ascii_case(context)
            && known.state == wanted.state
            && known.target_url == wanted.target_url
            && known.description.as_deref().unwrap_or_default() == wanted.description
    };
    if writer.reader().statuses(repo, sha).await?.iter().any(is_said) {
        return Ok(());
    }
    writer.set_status(repo, sha, &wanted).await
}

/// Keeps the deployments of the preview as they are to be. Returns what could not be removed, for people.
async fn deploy(writer: &GithubWriter, wish: &Wish) -> Result<Option<String>, GithubError> {
    let Some(deploying) = &wish.deployment else { return Ok(None) };
    let (repo, environment) = (&wish.audience.repo, wish.env.as_str());
    let all = writer.reader().deployments(repo, environment).await?;
    let Deploying::Is { state, description, url } = deploying else { return wind_up(writer, wish, &all).await };
    let is_current = |deployment: &&Deployment| deployment.sha == wish.audience.sha;
    let current = if let Some(deployment) = all.iter().find(is_current) {
        deployment.clone()
    } else {
        let new = NewDeployment {
            sha: wish.audience.sha.clone(),
            environment: environment.to_owned(),
            description: "preview".to_owned(),
            transient: true,
        };
        writer.create_deployment(repo, &new).await?
    };
    let wanted = NewDeploymentStatus {
        state: *state,
        description: description.clone(),
        environment_url: url.clone(),
        log_url: None,
    };
    let known = writer.reader().deployment_status(repo, current.id).await?;
    let is_said = known.is_some_and(|known| {
        known.state == wanted.state
            && known.environment_url.unwrap_or_default() == wanted.environment_url.clone().unwrap_or_default()
            && known.description == wanted.description
    });
    if !is_said {
        writer.set_deployment_status(repo, current.id, &wanted).await?;
    }
    if *state == DeploymentState::Success {
        // Those of earlier commits do not become inactive by themselves.
        let earlier: Vec<&Deployment> = all.iter().filter(|deployment| deployment.id != current.id).collect();
        retire_all(writer, wish, &earlier).await?;
    }
    Ok(None)
}

/// Ends what is deployed of a preview that is gone, and removes its environment. Returns what could not be removed, for people.
async fn wind_up(writer: &GithubWriter, wish: &Wish, all: &[Deployment]) -> Result<Option<String>, GithubError> {
    let (repo, environment) = (&wish.audience.repo, wish.env.as_str());
    if all.is_empty() || !writer.reader().has_environment(repo, environment).await? {
        return Ok(None);
    }
    let Some(newest) = all.first() else { return Ok(None) };
    let stays = Some(format!(
        "GitHub still lists the environment `{environment}`: deleting it needs a token that may administer the repository"
    ));
    if is_over(writer, wish, newest.id).await? {
        // Whoever said so was not allowed to delete it.
        return Ok(stays);
    }
    // With the environment, its deployments end too.
    match writer.delete_environment(repo, environment).await {
        Ok(Deleted::Done | Deleted::WasGone) => Ok(None),
        Err(error) if matches!(error.problem(), GithubProblem::Forbidden { .. }) => {
            tracing::warn!(env = %wish.env, %error, advice = error.advice(), "the environment at GitHub stays");
            // The newest last: as long as it is not said to be over, this is not done.
            let mut all: Vec<&Deployment> = all.iter().collect();
            let newest = all.remove(0);
            retire_all(writer, wish, &all).await?;
            retire_all(writer, wish, &[newest]).await?;
            Ok(stays)
        }
        Err(error) => Err(error),
    }
}

/// Says of these deployments, newest first, that they are over. Before the first of which it is said, all are.
async fn retire_all(writer: &GithubWriter, wish: &Wish, newest_first: &[&Deployment]) -> Result<(), GithubError> {
    for deployment in newest_first {
        if is_over(writer, wish, deployment.id).await? {
            break;
        }
        let over = NewDeploymentStatus {
            state: DeploymentState::Inactive,
            description: "replaced or deleted".to_owned(),
            environment_url: None,
            log_url: None,
        };
        writer.set_deployment_status(&wish.audience.repo, deployment.id, &over).await?;
    }
    Ok(())
}

async fn is_over(writer: &GithubWriter, wish: &Wish, id: u64) -> Result<bool, GithubError> {
    let known = writer.reader().deployment_status(&wish.audience.repo, id).await?;
    Ok(known.is_some_and(|known| known.state == DeploymentState::Inactive))
}

async fn comment(voice: &Voice, owner: &OwnerId, wish: &Wish, note: Option<&str>) -> Result<(), GithubError> {
    let Some(number) = wish.audience.pull else { return Ok(()) };
    if wish.comment == Saying::Nothing {
        return Ok(());
    }
    let (repo, marker) = (&wish.audience.repo, marker(owner, wish));
    let (writer, author) = (&voice.writer, voice.author().await?);
    let noted = |body: &str| note.map_or_else(|| body.to_owned(), |note| format!("{body}\n\n<sub>{note}.</sub>"));
    let said = match &wish.comment {
        Saying::Nothing => return Ok(()),
        Saying::This(body) => writer.keep_comment(repo, number, author, &marker, Some(body)).await?,
        Saying::ThisIfThere(body) => writer.change_comment(repo, number, author, &marker, &noted(body)).await?,
        Saying::Gone => writer.keep_comment(repo, number, author, &marker, None).await?,
    };
    tracing::debug!(env = %wish.env, ?said, "the comment");
    Ok(())
}

/// Answers the commands in comments by reactions, each once: what was answered stays answered, whatever becomes of the command.
async fn answer(voice: &Voice, wish: &Wish) -> Result<(), GithubError> {
    let repo = &wish.audience.repo;
    let answered = || voice.answered.lock().unwrap_or_else(PoisonError::into_inner);
    for Answer { comment, kind } in &wish.audience.answers {
        let key = (repo.clone(), *comment);
        if answered().contains(&key) {
            continue;
        }
        let author = voice.author().await?;
        let is_own = |reaction: &KnownReaction| author.is(&reaction.author);
        let result = match voice.writer.reader().reactions(repo, *comment).await {
            Ok(known) if known.iter().any(is_own) => Ok(()),
            Ok(_) => voice.writer.react(repo, *comment, reaction(*kind)).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => drop(answered().insert(key)),
            // The comment was deleted meanwhile.
            Err(error) if matches!(error.problem(), GithubProblem::NotVisible { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

const fn reaction(kind: AnswerKind) -> Reaction {
    match kind {
        AnswerKind::Accepted => Reaction::Up,
        AnswerKind::NotUnderstood => Reaction::Confused,
        AnswerKind::NotAllowed => Reaction::Down,
    }
}

/// The hidden first line by which the comment is found again. A hash, because a name could have what ends an HTML comment.
fn marker(owner: &OwnerId, wish: &Wish) -> String {
    let hash = hex::encode(Sha256::digest(format!("{owner}\n{}", wish.env)));
    format!("<!-- hangar preview {} -->", hash.get(..16).unwrap_or_default())
}
