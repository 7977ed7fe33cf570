//! Pull requests.

use super::super::objects::{Detail, Objects};
use super::super::pages::page;
use super::super::state::{Pull, Repo};
use super::super::{Asked, invalid};
use super::not_found;
use crate::sim::routes::{Answer, Refusal, Reply};

pub(super) fn list(repo: &Repo, asked: &Asked<'_>, objects: &Objects<'_>) -> Answer {
    let query = |name, usual| asked.call.query(name).unwrap_or(usual);
    let (state, sort) = (query("state", "open"), query("sort", "created"));
    let direction = query("direction", if sort == "created" { "desc" } else { "asc" });
    if !matches!(state, "open" | "closed" | "all") {
        return Err(invalid("PullRequest", "state", "invalid").into());
    }
    let head = asked.call.query("head").and_then(|head| head.split_once(':'));
    let base = asked.call.query("base");
    let wanted = |pull: &&Pull| {
        (state == "all" || pull.is_open() == (state == "open"))
            && head.is_none_or(|(owner, branch)| {
                pull.head.branch == branch && pull.head_owner(repo).eq_ignore_ascii_case(owner)
            })
            && base.is_none_or(|base| pull.base == base)
    };
    let mut pulls: Vec<&Pull> = repo.pulls.values().filter(wanted).collect();
    match sort {
        "created" | "long-running" => pulls.sort_by_key(|pull| (pull.created_at, pull.number)),
        "updated" => pulls.sort_by_key(|pull| (pull.updated_at, pull.number)),
        "popularity" => {}
        _ => return Err(invalid("PullRequest", "sort", "invalid").into()),
    }
    if direction == "desc" {
        pulls.reverse();
    }
    let here = objects.repository(repo, Detail::Part);
    Ok(page(asked, repo, "pulls", &pulls, |pull| objects.pull(repo, &here, pull)))
}

pub(super) fn get(repo: &Repo, objects: &Objects<'_>, number: &str) -> Answer {
    let pull = find(repo, number)?;
    Ok(Reply::ok(objects.whole_pull(repo, pull, 0)))
}

pub(super) fn files(repo: &Repo, asked: &Asked<'_>, objects: &Objects<'_>, number: &str) -> Answer {
    let pull = find(repo, number)?;
    let below = format!("pulls/{}/files", pull.number);
    Ok(page(asked, repo, &below, &pull.files, |name| objects.file(repo, pull, name)))
}

fn find<'r>(repo: &'r Repo, number: &str) -> Result<&'r Pull, Refusal> {
    number.parse().ok().and_then(|number: u64| repo.pulls.get(&number)).ok_or_else(not_found)
}
