//! What Vercel holds: projects with their variables, domains, deployments and aliases.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::access::VercelTimes;
use super::deployment::{Deployment, NewDeployment, ReadyState, VercelBuild};
use super::names::{branch_host, deployment_host};
use super::past::Past;
use super::usage::Usage;
use crate::sim::config::SimConfig;
use crate::sim::world::ids::Ids;

/// All projects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Vercel {
    pub(super) ids: Ids,
    pub(super) projects: Vec<Project>,
    /// Domains that are in use in somebody else's account.
    pub(super) taken: BTreeSet<String>,
    #[serde(skip)]
    pub(super) usage: Usage,
    #[serde(skip)]
    pub(super) past: Past,
}

/// A project.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) name: String,
    /// The slug of its team.
    pub(super) team: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) link: Option<Link>,
    /// Whether it can see the branches of its repository.
    pub(super) sourceless: bool,
    /// Whether pushes make deployments.
    pub(super) creates_deployments: bool,
    pub(super) fork_protection: bool,
    /// In order of creation.
    pub(super) env: Vec<Variable>,
    pub(super) domains: Vec<Domain>,
    pub(super) deployments: Vec<Deployment>,
    /// Those that somebody has assigned, by host.
    pub(super) aliases: BTreeMap<String, Alias>,
    /// Automatic aliases that somebody has removed, as `host deployment`.
    pub(super) unassigned: BTreeSet<String>,
    /// By their secret.
    pub(super) bypasses: BTreeMap<String, Bypass>,
    /// Where production was sent by hand, and since when.
    pub(super) moves: Vec<(DateTime<Utc>, String)>,
    /// Whether production domains go to the newest deployment by themselves.
    pub(super) assigns_domains: bool,
    pub(super) alias_request: Option<AliasRequest>,
    /// The environments that the team has made.
    #[serde(default)]
    pub(super) custom: Vec<CustomEnvironment>,
    /// How many of the next promotions and rollbacks fail.
    #[serde(default)]
    pub(super) failing_moves: u32,
    /// How builds end, by what is in branch, commit or message.
    pub(super) builds: Vec<(String, VercelBuild)>,
    /// How the next ones end.
    pub(super) next_builds: Vec<VercelBuild>,
    /// Somebody else is writing the project's document until then.
    pub(super) busy_until: Option<DateTime<Utc>>,
    /// How many requests had arrived when the variables were written last.
    #[serde(skip)]
    pub(super) written_after: u64,
}

/// An environment that the team has made, besides production and previews.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CustomEnvironment {
    pub(super) id: String,
    pub(super) slug: String,
    /// The branch whose pushes are deployed there.
    pub(super) branch: Option<String>,
    pub(super) created_at: DateTime<Utc>,
}

/// The connection with a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Link {
    /// `owner/name`.
    pub(super) repo: String,
    pub(super) production_branch: String,
    /// Whether somebody has chosen it; otherwise it is the repository's default branch.
    #[serde(default)]
    pub(super) is_chosen: bool,
    /// The newest commit of each branch that was looked at.
    pub(super) seen: BTreeMap<String, String>,
    /// Whether the branches were looked at before.
    pub(super) began: bool,
}

/// A variable.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Variable {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) value: String,
    /// `plain`, `encrypted`, `sensitive`.
    pub(super) kind: String,
    pub(super) target: Vec<String>,
    pub(super) branch: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) environments: Vec<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) created_by: String,
    pub(super) updated_by: Option<String>,
}

/// A domain of a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Domain {
    pub(super) name: String,
    pub(super) branch: Option<String>,
    /// The id of the custom environment that it is for.
    #[serde(default)]
    pub(super) environment: Option<String>,
    pub(super) redirect: Option<String>,
    pub(super) redirect_status: Option<u64>,
    pub(super) verified: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// An alias that somebody has assigned. It does not follow later deployments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alias {
    pub(super) deployment: String,
    pub(super) created_at: DateTime<Utc>,
}

/// A secret that goes past the protection of deployments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bypass {
    pub(super) created_at: DateTime<Utc>,
    pub(super) created_by: String,
    pub(super) is_env_var: bool,
    pub(super) note: Option<String>,
}

/// A promotion or a rollback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AliasRequest {
    /// `promote` or `rollback`.
    pub(super) kind: String,
    pub(super) from: Option<String>,
    pub(super) to: String,
    pub(super) requested_at: DateTime<Utc>,
    pub(super) ends_at: DateTime<Utc>,
    pub(super) fails: bool,
}

impl Default for Vercel {
    fn default() -> Self {
        Self::from_seed(1)
    }
}

impl Vercel {
    pub(crate) const fn from_seed(seed: u64) -> Self {
        Self {
            // Other ids than those of the rest of the platform.
            ids: Ids::from_seed(seed ^ 0x7665_7263_656c),
            projects: Vec::new(),
            taken: BTreeSet::new(),
            usage: Usage::EMPTY,
            past: Past::EMPTY,
        }
    }

    /// Makes the projects of the set-up that are not there.
    pub(crate) fn ensure_all(&mut self, config: &SimConfig, now: DateTime<Utc>) {
        for project in &config.vercel_projects {
            self.ensure(&project.team, &project.name, project.repo.as_deref(), now);
            let found = self.projects.iter_mut().find(|one| one.team == project.team && one.name == project.name);
            if let (Some(branch), Some(link)) = (&project.production_branch, found.and_then(|one| one.link.as_mut())) {
                link.set_production_branch(branch);
            }
        }
    }

    /// Makes a project, unless it is there.
    pub(super) fn ensure(&mut self, team: &str, name: &str, repo: Option<&str>, now: DateTime<Utc>) {
        if self.projects.iter().any(|project| project.team == team && project.name == name) {
            return;
        }
        let link = repo.map(|repo| Link {
            repo: repo.to_owned(),
            production_branch: "main".to_owned(),
            is_chosen: false,
            seen: BTreeMap::new(),
            began: false,
        });
        self.past.touch();
        self.projects.push(Project {
            id: format!("prj_{}", self.ids.alphanumeric(28)),
            name: name.to_owned(),
            team: team.to_owned(),
            created_at: now,
            link,
            sourceless: false,
            creates_deployments: true,
            fork_protection: true,
            env: Vec::new(),
            domains: Vec::new(),
            deployments: Vec::new(),
            aliases: BTreeMap::new(),
            unassigned: BTreeSet::new(),
            bypasses: BTreeMap::new(),
            moves: Vec::new(),
            assigns_domains: true,
            alias_request: None,
            custom: Vec::new(),
            failing_moves: 0,
            builds: Vec::new(),
            next_builds: Vec::new(),
            busy_until: None,
            written_after: 0,
        });
    }

    /// The project of this id or name in a team.
    pub(super) fn find(&self, team: &str, id_or_name: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.is(team, id_or_name))
    }

    /// The same, to be changed, with what mints ids.
    pub(super) fn change(&mut self, team: &str, id_or_name: &str) -> Option<(&mut Project, &mut Ids)> {
        self.past.touch();
        let project = self.projects.iter_mut().find(|project| project.is(team, id_or_name))?;
        Some((project, &mut self.ids))
    }

    /// The projects of a team.
    pub(super) fn of_team<'v>(&'v self, team: &str) -> impl Iterator<Item = &'v Project> + use<'v> {
        let team = team.to_owned();
        self.projects.iter().filter(move |project| project.team == team)
    }

    /// A deployment of a team by its id, its own host, or a host that leads to it now; and its project.
    pub(super) fn deployment(
        &self,
        team: &str,
        id_or_host: &str,
        now: DateTime<Utc>,
    ) -> Option<(&Project, &Deployment)> {
        let host = id_or_host.trim_start_matches("https://").trim_end_matches('/');
        let is_it = |one: &Deployment| one.id == id_or_host || one.host == host;
        let all = || {
            let projects = self.projects.iter().filter(|project| project.team == team);
            projects.flat_map(|project| project.deployments.iter().map(move |one| (project, one)))
        };
        let by_host = || all().find(|(project, one)| project.hosts_of(one, now).iter().any(|known| known == host));
        all().find(|(_, one)| is_it(one)).or_else(by_host)
    }
}

impl Link {
    pub(super) fn set_production_branch(&mut self, branch: &str) {
        (self.production_branch, self.is_chosen) = (branch.to_owned(), true);
    }
}

impl Project {
    fn is(&self, team: &str, id_or_name: &str) -> bool {
        self.team == team && (self.id == id_or_name || self.name == id_or_name)
    }

    pub(super) fn production_branch(&self) -> &str {
        self.link.as_ref().map_or("main", |link| &link.production_branch)
    }

    pub(super) fn find_deployment(&mut self, id: &str) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|one| one.id == id)
    }

    /// Adds a deployment, which takes the variables as they are, and cancels those of the same branch that wait. Returns its id.
    pub(super) fn deploy(
        &mut self,
        ids: &mut Ids,
        new: NewDeployment,
        at: DateTime<Utc>,
        times: &VercelTimes,
    ) -> String {
        let build = self.how_it_ends(&new);
        let branch = new.git.as_ref().map(|git| git.branch.clone());
        let mut deployment = Deployment {
            id: format!("dpl_{}", ids.alphanumeric(28)),
            host: deployment_host(&self.name, &ids.alphanumeric(9), &self.team),
            number: u64::try_from(self.deployments.len()).unwrap_or(u64::MAX),
            source: new.source.to_owned(),
            env: self.values_for(&new),
            target: new.target,
            environment: new.environment,
            creator: new.creator,
            git: new.git,
            meta: new.meta,
            build,
            created_at: at,
            initializing_at: at,
            building_at: at,
            ended_at: at,
            aliased_at: at,
            canceled_at: None,
            deleted_at: None,
            assigns_domains: self.assigns_domains,
        };
        deployment.begin(at, times);
        if deployment.source == "git" {
            let waiting = |one: &&mut Deployment| {
                one.source == "git" && one.branch() == branch.as_deref() && one.state(at) == ReadyState::Queued
            };
            for older in self.deployments.iter_mut().filter(waiting) {
                older.canceled_at = Some(at);
            }
        }
        let id = deployment.id.clone();
        self.deployments.push(deployment);
        id
    }

    fn how_it_ends(&mut self, new: &NewDeployment) -> VercelBuild {
        if !self.next_builds.is_empty() {
            return self.next_builds.remove(0);
        }
        let Some(git) = &new.git else { return VercelBuild::Ready };
        let fits = |text: &str| git.branch == text || git.sha == text || git.message.contains(text);
        let chosen = self.builds.iter().rev().find(|(text, _)| fits(text));
        chosen.map_or(VercelBuild::Ready, |(_, build)| build.clone())
    }

    /// The values that a deployment gets: those of its branch come before those of all previews.
    fn values_for(&self, new: &NewDeployment) -> BTreeMap<String, String> {
        let target = new.target.as_deref().unwrap_or("preview");
        let branch = new.git.as_ref().map(|git| git.branch.as_str());
        let mut values = BTreeMap::new();
        for of_branch in [false, true] {
            for variable in &self.env {
                let is_there = match &new.environment {
                    Some(environment) => variable.environments.contains(environment),
                    None => variable.target.iter().any(|known| known == target),
                };
                let applies = is_there
                    && variable.branch.is_some() == of_branch
                    && (!of_branch || variable.branch.as_deref() == branch);
                if applies {
                    values.insert(variable.key.clone(), variable.value.clone());
                }
            }
        }
        values
    }

    /// The deployment that a branch's hosts lead to.
    pub(super) fn newest_of_branch(&self, branch: &str, now: DateTime<Utc>) -> Option<&Deployment> {
        let of_branch = |one: &&Deployment| one.branch() == Some(branch) && one.environment.is_none();
        let routed = self.deployments.iter().filter(|one| of_branch(one) && one.was_routed(now));
        routed.max_by_key(|one| (one.created_at, one.number)).filter(|one| one.is_routed(now))
    }

    /// The deployment that the hosts of a custom environment lead to.
    fn newest_of_environment(&self, environment: &str, now: DateTime<Utc>) -> Option<&Deployment> {
        let of_it = |one: &&Deployment| one.environment.as_deref() == Some(environment) && one.is_routed(now);
        self.deployments.iter().filter(of_it).max_by_key(|one| (one.created_at, one.number))
    }

    /// The custom environment of this id or slug.
    pub(super) fn environment(&self, id_or_slug: &str) -> Option<&CustomEnvironment> {
        self.custom.iter().find(|known| known.id == id_or_slug || known.slug == id_or_slug)
    }

    /// When which deployment came to production, by itself or by hand.
    fn arrivals(&self, now: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, &str)> {
        let by_itself = self
            .deployments
            .iter()
            .filter(move |one| one.is_production() && one.assigns_domains && one.was_routed(now))
            .map(|one| (one.aliased_at, one.id.as_str()));
        let by_hand = self.moves.iter().filter(move |(at, _)| *at <= now).map(|(at, id)| (*at, id.as_str()));
        by_itself.chain(by_hand)
    }

    /// Whether a deployment is or was in production.
    pub(super) fn was_in_production(&self, deployment: &Deployment, now: DateTime<Utc>) -> bool {
        self.arrivals(now).any(|(_, id)| id == deployment.id)
    }

    /// The deployment that is in production.
    pub(super) fn production(&self, now: DateTime<Utc>) -> Option<&Deployment> {
        let (_, id) = self.arrivals(now).max_by_key(|(at, _)| *at)?;
        self.deployments.iter().find(|one| one.id == id && one.deleted_at.is_none())
    }

    /// The hosts that Vercel makes up for a deployment.
    pub(super) fn automatic_hosts(&self, deployment: &Deployment) -> Vec<String> {
        let mut hosts = Vec::new();
        if let Some(environment) = &deployment.environment {
            hosts.extend(self.environment_host(environment));
        } else if let Some(branch) = deployment.branch() {
            hosts.push(branch_host(&self.name, branch, &self.team));
        }
        if deployment.is_production() {
            hosts.push(format!("{}.vercel.app", self.name));
            hosts.push(format!("{}-{}.vercel.app", self.name, self.team));
        }
        hosts
    }

    fn environment_host(&self, environment: &str) -> Option<String> {
        let found = self.environment(environment)?;
        Some(format!("{}-env-{}-{}.vercel.app", self.name, found.slug, self.team))
    }

    /// The hosts that lead to a deployment now: automatic ones, domains, and those that somebody has assigned.
    pub(super) fn hosts_of(&self, deployment: &Deployment, now: DateTime<Utc>) -> Vec<String> {
        let mut hosts = Vec::new();
        if let Some(environment) = &deployment.environment
            && self.newest_of_environment(environment, now).is_some_and(|newest| newest.id == deployment.id)
        {
            hosts.extend(self.environment_host(environment));
            let fits = |domain: &&Domain| domain.verified && domain.environment.as_ref() == Some(environment);
            hosts.extend(self.domains.iter().filter(fits).map(|domain| domain.name.clone()));
        }
        if deployment.is_routed(now)
            && let Some(branch) = deployment.branch()
            && self.newest_of_branch(branch, now).is_some_and(|newest| newest.id == deployment.id)
        {
            hosts.push(branch_host(&self.name, branch, &self.team));
            hosts.extend(self.domains_of(Some(branch)));
        }
        if self.production(now).is_some_and(|current| current.id == deployment.id) {
            hosts.push(format!("{}.vercel.app", self.name));
            hosts.push(format!("{}-{}.vercel.app", self.name, self.team));
            hosts.extend(self.domains_of(None));
        }
        hosts.retain(|host| !self.aliases.contains_key(host));
        hosts.retain(|host| !self.unassigned.contains(&unassigned(host, &deployment.id)));
        let by_hand = self.aliases.iter().filter(|(_, alias)| alias.deployment == deployment.id);
        hosts.extend(by_hand.map(|(host, _)| host.clone()));
        hosts
    }

    fn domains_of<'p>(&'p self, branch: Option<&'p str>) -> impl Iterator<Item = String> + 'p {
        let fits = move |domain: &&Domain| {
            let is_of_branch = domain.branch.as_deref() == branch && domain.environment.is_none();
            domain.verified && domain.redirect.is_none() && is_of_branch
        };
        self.domains.iter().filter(fits).map(|domain| domain.name.clone())
    }
}

/// How it is written down that an automatic alias was removed.
pub(super) fn unassigned(host: &str, deployment: &str) -> String {
    format!("{host} {deployment}")
}
