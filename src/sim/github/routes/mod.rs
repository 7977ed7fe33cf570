//! The routes of GitHub's API. Each one is a plain function from what GitHub holds and a request to an answer.

mod branches;
mod checks;
mod deployments;
mod feedback;
mod pulls;

use serde_json::json;

use super::access::GithubAccess;
use super::objects::{Detail, Objects};
use super::state::{Github, Repo};
use super::{Asked, problem, usage};
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Refusal, Reply};

/// Answers the request to `path`.
pub(super) fn route(github: &mut Github, asked: &Asked<'_>, path: &[&str]) -> Answer {
    let objects = Objects::new(&asked.base);
    match (asked.call.method, path) {
        (Method::Get, ["rate_limit"]) => Ok(usage::overview(github.usage.numbers(&asked.caller, asked.call.now))),
        (Method::Get, ["user"]) => Ok(Reply::ok(objects.account(asked.caller.person()?))),
        (method, ["repos", owner, name, below @ ..]) => {
            let full_name = format!("{owner}/{name}");
            let repo = github.find(&full_name).filter(|repo| asked.caller.access_to(repo).is_some());
            let repo = repo.ok_or_else(not_found)?;
            if !repo.is_named(&full_name) {
                return Ok(moved(asked, repo, below, method));
            }
            let full_name = repo.full_name();
            below_repo(github, asked, &full_name, below)
        }
        (_, ["repositories", id, below @ ..]) => {
            let repo = id.parse().ok().and_then(|id| github.by_id(id)).ok_or_else(not_found)?;
            asked.caller.require(repo, GithubAccess::Read)?;
            let full_name = repo.full_name();
            below_repo(github, asked, &full_name, below)
        }
        _ => Err(not_found()),
    }
}

fn below_repo(github: &mut Github, asked: &Asked<'_>, full_name: &str, below: &[&str]) -> Answer {
    let more = [feedback::route, deployments::route, checks::route];
    if let Some(answer) = more.iter().find_map(|route| route(github, asked, full_name, below)) {
        return answer;
    }
    let objects = Objects::new(&asked.base);
    let repo = github.find(full_name).ok_or_else(not_found)?;
    match (asked.call.method, below) {
        (Method::Get, []) => Ok(Reply::ok(objects.repository(repo, Detail::Full))),
        (Method::Get, ["pulls"]) => pulls::list(repo, asked, &objects),
        (Method::Get, ["pulls", number]) => pulls::get(repo, &objects, number),
        (Method::Get, ["pulls", number, "files"]) => pulls::files(repo, asked, &objects, number),
        (Method::Get, ["branches"]) => Ok(branches::list(repo, asked, &objects)),
        (Method::Get, ["branches", name @ ..]) => branches::get(repo, &objects, &name.join("/")),
        (Method::Get, ["commits", name @ ..]) => branches::commit(repo, &objects, &name.join("/")),
        (Method::Get, ["collaborators", login, "permission"]) => {
            asked.caller.require(repo, GithubAccess::Write)?;
            Ok(permission(repo, &objects, login))
        }
        _ => Err(not_simulated(asked)),
    }
}

/// What someone may do.
fn permission(repo: &Repo, objects: &Objects<'_>, login: &str) -> Reply {
    let known = repo.people.iter().find(|(name, _)| name.eq_ignore_ascii_case(login)).map(|(_, access)| *access);
    let access = if repo.owner.eq_ignore_ascii_case(login) { Some(GithubAccess::Admin) } else { known };
    let (permission, role) = match access {
        None if repo.private => ("none", ""),
        None | Some(GithubAccess::Read) => ("read", "read"),
        Some(GithubAccess::Triage) => ("read", "triage"),
        Some(GithubAccess::Write) => ("write", "write"),
        Some(GithubAccess::Admin) => ("admin", "admin"),
    };
    Reply::ok(json!({"permission": permission, "role_name": role, "user": objects.collaborator(login, role)}))
}

/// Where a renamed repository is now.
fn moved(asked: &Asked<'_>, repo: &Repo, below: &[&str], method: Method) -> Reply {
    let mut url = format!("{}/repositories/{}", asked.base, repo.id);
    for segment in below {
        url.push('/');
        url.push_str(segment);
    }
    if !asked.call.query.is_empty() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&asked.call.query);
        url.push('?');
        url.push_str(&query.finish());
    }
    let (status, message) = if method.is_read() { (301, "Moved Permanently") } else { (307, "Temporary Redirect") };
    let body = json!({"message": message, "url": url, "documentation_url": "https://docs.github.com/rest"});
    let mut reply = Reply::with(status, body);
    reply.headers.push(("location".to_owned(), url));
    reply
}

fn not_found() -> Refusal {
    problem(404, "Not Found").into()
}

/// 501: a client must never take an answer of the simulator's ignorance for one of GitHub.
fn not_simulated(asked: &Asked<'_>) -> Refusal {
    let path = asked.call.segments.join("/");
    problem(501, &format!("not implemented: the simulator has no {} /{path}", asked.call.method.as_str())).into()
}
