//! Branches and commits.

use super::super::objects::Objects;
use super::super::pages::page;
use super::super::state::Repo;
use super::super::{Asked, problem};
use crate::sim::routes::{Answer, Reply};

pub(super) fn list(repo: &Repo, asked: &Asked<'_>, objects: &Objects<'_>) -> Reply {
    // None is protected here.
    let branches: Vec<(&String, &String)> =
        if asked.call.flag("protected") { Vec::new() } else { repo.branches.iter().collect() };
    page(asked, repo, "branches", &branches, |(name, sha)| objects.branch(repo, name, sha))
}

pub(super) fn get(repo: &Repo, objects: &Objects<'_>, name: &str) -> Answer {
    let found = repo.branches.get(name).and_then(|sha| Some((sha, repo.commits.get(sha)?)));
    let (sha, commit) = found.ok_or_else(|| problem(404, "Branch not found"))?;
    Ok(Reply::ok(objects.whole_branch(repo, name, sha, commit)))
}

pub(super) fn commit(repo: &Repo, objects: &Objects<'_>, name: &str) -> Answer {
    let found = repo.resolve(name).and_then(|sha| Some((sha, repo.commits.get(sha)?)));
    let (sha, commit) = found.ok_or_else(|| problem(422, &format!("No commit found for SHA: {name}")))?;
    Ok(Reply::ok(objects.commit(repo, sha, commit)))
}
