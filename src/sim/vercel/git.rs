//! The git integration: what is pushed to the connected repository becomes a deployment.
//!
//! It is carried out when somebody looks: whatever was pushed until then gets the deployment that it has had since.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::access::user_id;
use super::deployment::{NewDeployment, Source, VercelBuild};
use super::state::{Project, Vercel};
use crate::sim::config::SimConfig;
use crate::sim::github::{GitView, Github};
use crate::sim::world::schedule::after;

/// The most commits of one branch that get a deployment at once.
const COMMITS: usize = 20;

impl Vercel {
    /// Makes the deployments of everything that was pushed since somebody looked last.
    pub(crate) fn sync(&mut self, github: &Github, config: &SimConfig, now: DateTime<Utc>) {
        let appear = config.vercel_times.appear;
        let mut due = Vec::new();
        for project in &mut self.projects {
            let Some(git) = project.link.as_ref().and_then(|link| github.git(&link.repo)) else { continue };
            let pushed = project.pushed(&git, |at| after(at, appear) <= now);
            due.extend(
                pushed.into_iter().map(|(at, source, fork)| (after(at, appear), project.id.clone(), source, fork)),
            );
        }
        if due.is_empty() {
            return;
        }
        due.sort_by(|(one, _, a, _), (other, _, b, _)| (one, &a.branch).cmp(&(other, &b.branch)));
        self.past.touch();
        for (at, id, source, is_fork) in due {
            let Self { projects, ids, usage, .. } = self;
            let Some(project) = projects.iter_mut().find(|project| project.id == id) else { continue };
            let is_production = !is_fork && source.branch == project.production_branch();
            if !project.creates_deployments {
                continue;
            }
            let plan = config.vercel_plan(&project.team);
            if config.rate_limits && usage.count_deployment(&project.team, plan, at).is_err() {
                continue;
            }
            if is_fork && project.fork_protection {
                project.next_builds.insert(0, VercelBuild::Blocked);
            }
            let custom = project.custom.iter().find(|known| known.branch.as_ref() == Some(&source.branch));
            let environment = custom.filter(|_| !is_fork && !is_production).map(|known| known.id.clone());
            let new = NewDeployment {
                source: "git",
                target: is_production.then(|| "production".to_owned()),
                environment,
                creator: user_id(&source.author),
                meta: meta_of(&source),
                git: Some(source),
            };
            project.deploy(ids, new, at, &config.vercel_times);
        }
        self.record(now, DateTime::<Utc>::MIN_UTC);
    }
}

impl Project {
    /// The commits that were pushed since the last look and are due, oldest first, and whether each comes from a fork.
    fn pushed(
        &mut self,
        git: &GitView<'_>,
        is_due: impl Fn(DateTime<Utc>) -> bool,
    ) -> Vec<(DateTime<Utc>, Source, bool)> {
        let Some(link) = &mut self.link else { return Vec::new() };
        if !link.is_chosen {
            git.default_branch.clone_into(&mut link.production_branch);
        }
        let heads = git.heads();
        link.seen.retain(|key, _| heads.iter().any(|head| head.key == *key));
        if !std::mem::replace(&mut link.began, true) {
            // What was there before the project was connected is not deployed.
            link.seen = heads.iter().map(|head| (head.key.clone(), head.sha.clone())).collect();
            return Vec::new();
        }
        let default_head = git.branch(git.default_branch).unwrap_or_default();
        let mut found = Vec::new();
        for head in heads {
            let seen = link.seen.get(&head.key).cloned();
            let mut news = Vec::new();
            let mut next = Some(head.sha.clone());
            while let Some(sha) = next.take().filter(|sha| seen.as_ref() != Some(sha)) {
                let Some(commit) = git.commit(&sha) else { break };
                if is_due(commit.at) {
                    news.push((sha.clone(), commit));
                }
                // A new branch begins behind what the default branch has.
                let parent = commit.parent.as_deref();
                let is_own = seen.is_some() || !git.is_ancestor(parent, default_head);
                if is_own && news.len() < COMMITS {
                    next.clone_from(&commit.parent);
                }
            }
            if seen.is_some() && !git.is_ancestor(seen.as_deref(), &head.sha) {
                // A forced push.
                news.truncate(1);
            }
            let Some((newest, _)) = news.first() else { continue };
            link.seen.insert(head.key.clone(), newest.clone());
            for (sha, commit) in news.into_iter().rev() {
                let source = Source {
                    repo_id: git.id,
                    org: git.owner.to_owned(),
                    repo: git.name.to_owned(),
                    branch: head.branch.clone(),
                    sha,
                    message: commit.message.clone(),
                    author: commit.author.clone(),
                    pull: head.pull,
                };
                found.push((commit.at, source, head.is_fork));
            }
        }
        found
    }
}

/// What a deployment's `meta` says of its commit.
pub(super) fn meta_of(source: &Source) -> BTreeMap<String, String> {
    let pairs = [
        ("githubDeployment", "1".to_owned()),
        ("githubOrg", source.org.clone()),
        ("githubRepo", source.repo.clone()),
        ("githubRepoId", source.repo_id.to_string()),
        ("githubCommitOrg", source.org.clone()),
        ("githubCommitRepo", source.repo.clone()),
        ("githubCommitRepoId", source.repo_id.to_string()),
        ("githubCommitRef", source.branch.clone()),
        ("githubCommitSha", source.sha.clone()),
        ("githubCommitMessage", source.message.clone()),
        ("githubCommitAuthorName", source.author.clone()),
        ("githubCommitAuthorLogin", source.author.clone()),
    ];
    let mut meta: BTreeMap<String, String> = pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    if let Some(pull) = source.pull {
        meta.insert("githubPrId".to_owned(), pull.to_string());
    }
    meta
}
