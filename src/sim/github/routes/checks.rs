//! Check runs. Only Apps write them, so that nobody does here but by hand.

use serde_json::{Value, json};

use super::super::Asked;
use super::super::feedback::CheckRun;
use super::super::objects::Objects;
use super::super::pages::page;
use super::super::state::{Github, Repo};
use super::not_found;
use crate::http::transport::Method;
use crate::sim::routes::{Answer, Reply};

/// What is below a repository; `None` if it is not about any of this.
pub(super) fn route(github: &mut Github, asked: &Asked<'_>, full_name: &str, below: &[&str]) -> Option<Answer> {
    let repo = github.find(full_name)?;
    match (asked.call.method, below) {
        (Method::Get, ["commits", name, "check-runs"]) => Some(list(repo, asked, name)),
        (Method::Get, ["check-runs", id]) => {
            let found = id.parse().ok().and_then(|id: u64| repo.feedback.checks.iter().find(|run| run.id == id));
            Some(found.map(|run| Reply::ok(Objects::new(&asked.base).check_run(repo, run))).ok_or_else(not_found))
        }
        _ => None,
    }
}

/// Newest first.
fn list(repo: &Repo, asked: &Asked<'_>, name: &str) -> Answer {
    let sha = repo.resolve(name).ok_or_else(not_found)?;
    let is_named = |run: &&CheckRun| asked.call.query("check_name").is_none_or(|wanted| wanted == run.name);
    let runs: Vec<&CheckRun> =
        repo.feedback.checks.iter().rev().filter(|run| run.sha == sha).filter(is_named).collect();
    let objects = Objects::new(&asked.base);
    let below = format!("commits/{name}/check-runs");
    let mut reply = page(asked, repo, &below, &runs, |run| objects.check_run(repo, run));
    if let Some(rows @ Value::Array(_)) = reply.body.take() {
        reply.body = Some(json!({"total_count": runs.len(), "check_runs": rows}));
    }
    Ok(reply)
}
