//! Comments, labels, commit statuses.

use serde::Deserialize;
use serde_json::json;

use super::super::access::GithubAccess;
use super::super::feedback::{Comment, Status};
use super::super::objects::Objects;
use super::super::objects_feedback::REACTIONS;
use super::super::pages::page;
use super::super::state::{Github, Repo};
use super::super::{Asked, invalid, problem};
use super::not_found;
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Refusal, Reply};

/// The longest body of a comment, in characters.
const LONGEST_COMMENT: usize = 65_536;

/// The longest description of a status, in characters.
pub(super) const LONGEST_DESCRIPTION: usize = 140;

/// How many statuses a commit can have in one context.
const MOST_STATUSES: usize = 1_000;

#[derive(Deserialize)]
struct Body {
    body: String,
}

#[derive(Deserialize)]
struct NewReaction {
    content: String,
}

/// Labels come as an object, or as they are.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    Named { labels: Vec<String> },
    Bare(Vec<String>),
}

#[derive(Deserialize)]
struct NewStatus {
    state: String,
    target_url: Option<String>,
    description: Option<String>,
    context: Option<String>,
}

/// What is below a repository; `None` if it is not about any of this.
pub(super) fn route(github: &mut Github, asked: &Asked<'_>, full_name: &str, below: &[&str]) -> Option<Answer> {
    use Method::{Delete, Get, Patch, Post, Put};
    let (repo, _) = github.change(full_name)?;
    Some(match (asked.call.method, below) {
        (Get, ["issues", "comments", id]) => get_comment(repo, asked, id),
        (Patch, ["issues", "comments", id]) => edit_comment(repo, asked, id),
        (Delete, ["issues", "comments", id]) => delete_comment(repo, asked, id),
        (Get, ["issues", "comments", id, "reactions"]) => reactions(repo, asked, id),
        (Post, ["issues", "comments", id, "reactions"]) => react(repo, asked, id),
        (Get, ["issues", number, "comments"]) => comments(repo, asked, number),
        (Post, ["issues", number, "comments"]) => comment(repo, asked, number),
        (Get, ["issues", number, "labels"]) => labels(repo, asked, number),
        (Post | Put, ["issues", number, "labels"]) => set_labels(repo, asked, number),
        (Delete, ["issues", number, "labels", name]) => remove_label(repo, asked, number, name),
        (Post, ["statuses", sha]) => set_status(repo, asked, sha),
        (Get, ["commits", name @ .., "statuses"]) => statuses(repo, asked, &name.join("/")),
        (Get, ["commits", name @ .., "status"]) => combined(repo, asked, &name.join("/")),
        _ => return None,
    })
}

fn number_in(repo: &Repo, number: &str) -> Result<u64, Refusal> {
    number.parse().ok().filter(|number| repo.pulls.contains_key(number)).ok_or_else(not_found)
}

fn found<'r>(repo: &'r mut Repo, id: &str) -> Result<&'r mut Comment, Refusal> {
    id.parse().ok().and_then(|id: u64| repo.feedback.comments.get_mut(&id)).ok_or_else(not_found)
}

fn comments(repo: &Repo, asked: &Asked<'_>, number: &str) -> Answer {
    let number = number_in(repo, number)?;
    let comments: Vec<&Comment> = repo.feedback.comments.values().filter(|comment| comment.pull == number).collect();
    let objects = Objects::new(&asked.base);
    Ok(page(asked, repo, &format!("issues/{number}/comments"), &comments, |comment| objects.comment(repo, comment)))
}

fn comment(repo: &mut Repo, asked: &Asked<'_>, number: &str) -> Answer {
    let number = number_in(repo, number)?;
    asked.caller.require_to_comment(repo)?;
    let Body { body } = read_body(asked)?;
    let id = repo.comment(number, asked.caller.actor()?, &body, asked.call.now).ok_or_else(not_found)?;
    let comment = repo.feedback.comments.get(&id).ok_or_else(not_found)?;
    Ok(Reply::with(201, Objects::new(&asked.base).comment(repo, comment)))
}

fn get_comment(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    let comment = found(repo, id)?.clone();
    Ok(Reply::ok(Objects::new(&asked.base).comment(repo, &comment)))
}

fn edit_comment(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    let is_own = found(repo, id)?.author == asked.caller.actor()?;
    if is_own {
        asked.caller.require_to_comment(repo)?;
    } else {
        asked.caller.require(repo, GithubAccess::Write)?;
    }
    let Body { body } = read_body(asked)?;
    let comment = found(repo, id)?;
    (comment.body, comment.updated_at) = (body, asked.call.now);
    let comment = comment.clone();
    Ok(Reply::ok(Objects::new(&asked.base).comment(repo, &comment)))
}

fn delete_comment(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    let comment = found(repo, id)?.clone();
    let is_own = comment.author == asked.caller.actor()?;
    if is_own {
        asked.caller.require_to_comment(repo)?;
    } else {
        asked.caller.require(repo, GithubAccess::Write)?;
    }
    repo.feedback.comments.remove(&comment.id);
    Ok(Reply::empty(204))
}

fn reactions(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    let comment = found(repo, id)?.clone();
    let objects = Objects::new(&asked.base);
    let below = format!("issues/comments/{id}/reactions");
    Ok(page(asked, repo, &below, &comment.reactions, |reaction| objects.reaction(reaction)))
}

/// 201 for a new reaction, 200 for one that is there.
fn react(repo: &mut Repo, asked: &Asked<'_>, id: &str) -> Answer {
    asked.caller.require_to_comment(repo)?;
    let NewReaction { content } = parse(asked)?;
    if !REACTIONS.contains(&content.as_str()) {
        return Err(invalid("Reaction", "content", "invalid").into());
    }
    let (id, now) = (found(repo, id)?.id, asked.call.now);
    let given = repo.feedback.react(id, asked.caller.actor()?, &content, now).ok_or_else(not_found)?;
    let (reaction, is_new) = given;
    Ok(Reply::with(if is_new { 201 } else { 200 }, Objects::new(&asked.base).reaction(&reaction)))
}

fn read_body(asked: &Asked<'_>) -> Result<Body, Refusal> {
    let body: Body = parse(asked)?;
    if body.body.trim().is_empty() {
        return Err(invalid("IssueComment", "body", "missing_field").into());
    }
    if body.body.chars().count() > LONGEST_COMMENT {
        let mut refusal = invalid("IssueComment", "body", "custom");
        if let Some(error) = refusal.body.as_mut().and_then(|body| body.pointer_mut("/errors/0")) {
            *error = json!({"resource": "IssueComment", "field": "body", "code": "custom", "message": "body is too long (maximum is 65536 characters)"});
        }
        return Err(refusal.into());
    }
    Ok(body)
}

/// The body of a request, or 400.
pub(super) fn parse<T: serde::de::DeserializeOwned>(asked: &Asked<'_>) -> Result<T, Refusal> {
    let value: serde_json::Value =
        serde_json::from_slice(&asked.call.body).map_err(|_not_json| problem(400, "Problems parsing JSON"))?;
    serde_json::from_value(value).map_err(|error| problem(422, &format!("Invalid request. {error}")).into())
}

fn labels(repo: &Repo, asked: &Asked<'_>, number: &str) -> Answer {
    let number = number_in(repo, number)?;
    let pull = repo.pulls.get(&number).ok_or_else(not_found)?;
    let objects = Objects::new(&asked.base);
    Ok(page(asked, repo, &format!("issues/{number}/labels"), &pull.labels, |label| objects.label(repo, label)))
}

/// `POST` adds, `PUT` replaces. Labels that the repository does not have are made.
fn set_labels(repo: &mut Repo, asked: &Asked<'_>, number: &str) -> Answer {
    let number = number_in(repo, number)?;
    asked.caller.require(repo, GithubAccess::Triage)?;
    let (Labels::Named { labels: wanted } | Labels::Bare(wanted)) = parse(asked)?;
    let pull = repo.pulls.get_mut(&number).ok_or_else(not_found)?;
    if asked.call.method == Method::Put {
        pull.labels.clear();
    }
    for label in wanted {
        if !pull.labels.iter().any(|known| known.eq_ignore_ascii_case(&label)) {
            pull.labels.push(label);
        }
    }
    pull.updated_at = asked.call.now;
    shown_labels(repo, asked, number)
}

fn remove_label(repo: &mut Repo, asked: &Asked<'_>, number: &str, name: &str) -> Answer {
    let number = number_in(repo, number)?;
    asked.caller.require(repo, GithubAccess::Triage)?;
    let pull = repo.pulls.get_mut(&number).ok_or_else(not_found)?;
    let before = pull.labels.len();
    pull.labels.retain(|known| !known.eq_ignore_ascii_case(name));
    if pull.labels.len() == before {
        return Err(problem(404, "Label does not exist").into());
    }
    pull.updated_at = asked.call.now;
    shown_labels(repo, asked, number)
}

fn shown_labels(repo: &Repo, asked: &Asked<'_>, number: u64) -> Answer {
    let pull = repo.pulls.get(&number).ok_or_else(not_found)?;
    let objects = Objects::new(&asked.base);
    Ok(Reply::ok(pull.labels.iter().map(|label| objects.label(repo, label)).collect()))
}

/// Refuses a description that is too long.
pub(super) fn check_description(description: Option<&str>) -> Result<(), Refusal> {
    match description {
        Some(text) if text.chars().count() > LONGEST_DESCRIPTION => {
            Err(problem(422, "Validation Failed: description is too long (maximum is 140 characters)").into())
        }
        _ => Ok(()),
    }
}

fn set_status(repo: &mut Repo, asked: &Asked<'_>, sha: &str) -> Answer {
    asked.caller.require(repo, GithubAccess::Write)?;
    let wanted: NewStatus = parse(asked)?;
    if !repo.commits.contains_key(sha) {
        return Err(problem(422, &format!("No commit found for SHA: {sha}")).into());
    }
    if !matches!(wanted.state.as_str(), "error" | "failure" | "pending" | "success") {
        return Err(invalid("Status", "state", "custom").into());
    }
    check_description(wanted.description.as_deref())?;
    let context = wanted.context.unwrap_or_else(|| "default".to_owned());
    let same = |status: &&Status| status.sha == sha && status.context.eq_ignore_ascii_case(&context);
    if repo.feedback.statuses.iter().filter(same).count() >= MOST_STATUSES {
        return Err(problem(
            422,
            "Validation Failed: This SHA and context has reached the maximum number of statuses.",
        )
        .into());
    }
    let status = Status {
        id: repo.feedback.next_id(),
        sha: sha.to_owned(),
        context,
        state: wanted.state,
        description: wanted.description,
        target_url: wanted.target_url,
        creator: asked.caller.actor()?.to_owned(),
        at: asked.call.now,
    };
    let shown = Objects::new(&asked.base).status(repo, &status);
    repo.feedback.statuses.push(status);
    Ok(Reply::with(201, shown))
}

/// Newest first.
fn statuses(repo: &Repo, asked: &Asked<'_>, name: &str) -> Answer {
    let sha = repo.resolve(name).ok_or_else(not_found)?;
    let statuses: Vec<&Status> = repo.feedback.statuses.iter().rev().filter(|status| status.sha == sha).collect();
    let objects = Objects::new(&asked.base);
    Ok(page(asked, repo, &format!("commits/{name}/statuses"), &statuses, |status| objects.status(repo, status)))
}

fn combined(repo: &Repo, asked: &Asked<'_>, name: &str) -> Answer {
    let sha = repo.resolve(name).ok_or_else(not_found)?;
    let latest = repo.feedback.latest(sha);
    let any = |states: &[&str]| latest.iter().any(|status| states.contains(&status.state.as_str()));
    let state = match () {
        () if any(&["error", "failure"]) => "failure",
        () if latest.is_empty() || any(&["pending"]) => "pending",
        () => "success",
    };
    let objects = Objects::new(&asked.base);
    Ok(Reply::ok(json!({
        "state": state,
        "statuses": latest.iter().map(|status| objects.status(repo, status)).collect::<Vec<_>>(),
        "sha": sha,
        "total_count": latest.len(),
        "repository": objects.repository(repo, super::super::objects::Detail::Part),
        "commit_url": format!("{}/commits/{sha}", objects.repo_url(repo)),
        "url": format!("{}/commits/{sha}/status", objects.repo_url(repo)),
    })))
}
