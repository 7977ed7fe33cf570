//! What people and the platform do at Vercel: builds that fail, variables and domains by hand. None of it is a request of the client.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::access::user_id;
use super::deployment::{Deployment, VercelBuild};
use super::objects_deployment::alias_uid;
use super::state::{Alias, AliasRequest, Bypass, CustomEnvironment, Domain, Project, Variable};
use crate::sim::edits::EditError;
use crate::sim::world::ids::Ids;
use crate::sim::world::schedule::after;
use crate::sim::{Simulator, World};

/// The person whose hand it is.
const PERSON: &str = "ann";

/// A variable, with its value: the simulator keeps nothing from tests. Never shown on a page.
#[derive(Clone, PartialEq, Eq)]
pub struct VercelVariableView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// `plain`, `encrypted` or `sensitive`.
    pub kind: String,
    /// The environments that it is for.
    pub target: Vec<String>,
    /// The branch that it is for; `None` for all.
    pub branch: Option<String>,
    /// The ids of the custom environments that it is for.
    pub environments: Vec<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// The id of the user who made it.
    pub created_by: String,
    /// The id of the user who changed it last, if anybody did.
    pub updated_by: Option<String>,
    /// When it was made or changed last.
    pub updated_at: DateTime<Utc>,
}

impl std::fmt::Debug for VercelVariableView {
    /// Leaves out the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VercelVariableView")
            .field("key", &self.key)
            .field("branch", &self.branch)
            .finish_non_exhaustive()
    }
}

/// A domain of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VercelDomainView {
    /// Its name.
    pub name: String,
    /// The branch that it follows; `None` for production.
    pub branch: Option<String>,
    /// The id of the custom environment that it is for.
    pub environment: Option<String>,
    /// Whether it is proved to be the team's.
    pub verified: bool,
}

/// A deployment.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct VercelDeploymentView {
    /// Its id.
    pub id: String,
    /// Its own host.
    pub host: String,
    /// The branch that it was made of.
    pub branch: Option<String>,
    /// The commit that it was made of.
    pub sha: Option<String>,
    /// `QUEUED`, `INITIALIZING`, `BUILDING`, `READY`, `ERROR`, `CANCELED`, `BLOCKED` or `DELETED`.
    pub state: &'static str,
    /// `git`, `redeploy`, `import`, `api-trigger-git-deploy` or `cli`.
    pub source: String,
    /// Whether it is for production.
    pub production: bool,
    /// The id of the custom environment that it is for.
    pub environment: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The hosts that lead to it.
    pub hosts: Vec<String>,
    /// The values of variables that it got, which no page shows.
    #[serde(skip)]
    pub env: BTreeMap<String, String>,
}

impl std::fmt::Debug for VercelDeploymentView {
    /// Leaves out the values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VercelDeploymentView")
            .field("id", &self.id)
            .field("branch", &self.branch)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The hand of people in one Vercel project; see [`Simulator::vercel`]. What needs the project panics nowhere: it is refused when the
/// project is not there.
#[derive(Debug, Clone)]
pub struct VercelHand {
    simulator: Simulator,
    team: String,
    name: String,
}

impl Simulator {
    /// What people do in the Vercel project `name` of the team `team`. What is pushed to its repository ([`Self::repository`]) makes
    /// deployments by itself.
    pub fn vercel(&self, team: &str, name: &str) -> VercelHand {
        VercelHand { simulator: self.clone(), team: team.to_owned(), name: name.to_owned() }
    }

    /// Somebody makes a Vercel project, connected with a GitHub repository (`owner/name`) if one is named, unless it is there.
    pub fn create_vercel_project(&self, team: &str, name: &str, repo: Option<&str>) -> VercelHand {
        let (now, config) = (self.now(), std::sync::Arc::clone(&self.inner.config));
        let mut state = self.present();
        let world = &mut state.world;
        world.vercel.ensure(team, name, repo, now);
        // What is pushed from now on is deployed.
        world.vercel.sync(&world.github, &config, now);
        drop(state);
        self.vercel(team, name)
    }

    /// Team and name of every Vercel project.
    pub fn vercel_projects(&self) -> Vec<(String, String)> {
        let state = self.present();
        state.world.vercel.projects.iter().map(|project| (project.team.clone(), project.name.clone())).collect()
    }

    /// Others in a Vercel team have made so many deployments in the hours before.
    pub fn others_deploy_at_vercel(&self, team: &str, count: u32) {
        let now = self.now();
        let World { vercel, config, .. } = &mut self.present().world;
        vercel.usage.others_deployed(team, config.vercel_plan(team), count, now);
    }

    /// A registered domain is in use in somebody else's Vercel account, or not any more.
    pub fn set_vercel_domain_taken(&self, apex: &str, taken: bool) {
        let vercel = &mut self.present().world.vercel;
        if taken {
            vercel.taken.insert(apex.to_owned());
        } else {
            vercel.taken.remove(apex);
        }
    }
}

impl VercelHand {
    /// Somebody adds a variable; returns its id.
    pub fn add_variable(
        &self,
        key: &str,
        value: &str,
        kind: &str,
        target: &[&str],
        branch: Option<&str>,
    ) -> Result<String, EditError> {
        self.change(|project, ids, now| {
            let id = ids.alphanumeric(16);
            project.env.push(Variable {
                id: id.clone(),
                key: key.to_owned(),
                value: value.to_owned(),
                kind: kind.to_owned(),
                target: target.iter().map(|target| (*target).to_owned()).collect(),
                branch: branch.map(str::to_owned),
                comment: None,
                environments: Vec::new(),
                created_at: now,
                updated_at: now,
                created_by: user_id(PERSON),
                updated_by: None,
            });
            id
        })
    }

    /// Somebody gives a variable another value.
    pub fn edit_variable(&self, id: &str, value: &str) -> Result<(), EditError> {
        self.change(|project, _, now| {
            if let Some(found) = project.env.iter_mut().find(|one| one.id == id) {
                value.clone_into(&mut found.value);
                found.updated_at = now;
                found.updated_by = Some(user_id(PERSON));
            }
        })
    }

    /// Somebody writes a comment beside a variable.
    pub fn comment_variable(&self, id: &str, comment: &str) -> Result<(), EditError> {
        self.change(|project, _, _| {
            if let Some(found) = project.env.iter_mut().find(|one| one.id == id) {
                found.comment = Some(comment.to_owned());
            }
        })
    }

    /// Somebody deletes a variable.
    pub fn delete_variable(&self, id: &str) -> Result<(), EditError> {
        self.change(|project, _, _| project.env.retain(|one| one.id != id))
    }

    /// Somebody adds a domain, for a branch or for production.
    pub fn add_domain(&self, name: &str, branch: Option<&str>) -> Result<(), EditError> {
        self.change(|project, _, now| {
            project.domains.push(Domain {
                name: name.to_owned(),
                branch: branch.map(str::to_owned),
                environment: None,
                redirect: None,
                redirect_status: None,
                verified: true,
                created_at: now,
                updated_at: now,
            });
        })
    }

    /// Somebody removes a domain.
    pub fn delete_domain(&self, name: &str) -> Result<(), EditError> {
        self.change(|project, _, _| project.domains.retain(|one| one.name != name))
    }

    /// Somebody makes a secret that goes past the protection; returns it.
    pub fn add_bypass(&self, note: &str) -> Result<String, EditError> {
        self.change(|project, ids, now| {
            let secret = ids.alphanumeric(32);
            let is_env_var = project.bypasses.is_empty();
            let note = Some(note.to_owned());
            let bypass = Bypass { created_at: now, created_by: user_id(PERSON), is_env_var, note };
            project.bypasses.insert(secret.clone(), bypass);
            secret
        })
    }

    /// The next build, of whatever, ends so. Several wait for their turn.
    pub fn next_build(&self, build: VercelBuild) -> Result<(), EditError> {
        self.change(|project, _, _| project.next_builds.push(build))
    }

    /// Builds of this branch or commit, or of commits whose message has this text, end so.
    pub fn builds_of(&self, text: &str, build: VercelBuild) -> Result<(), EditError> {
        self.change(|project, _, _| project.builds.push((text.to_owned(), build)))
    }

    /// Somebody makes a custom environment, to which pushes to `branch` are deployed; returns its id.
    pub fn add_environment(&self, slug: &str, branch: Option<&str>) -> Result<String, EditError> {
        self.change(|project, ids, now| {
            let id = format!("env_{}", ids.alphanumeric(24));
            let (slug, branch) = (slug.to_owned(), branch.map(str::to_owned));
            project.custom.push(CustomEnvironment { id: id.clone(), slug, branch, created_at: now });
            id
        })
    }

    /// Somebody promotes a deployment, which takes no time.
    pub fn send_production(&self, deployment: &str) -> Result<(), EditError> {
        self.change(|project, _, now| {
            let from = project.production(now).map(|one| one.id.clone());
            project.moves.push((now, deployment.to_owned()));
            project.assigns_domains = true;
            project.alias_request = Some(AliasRequest {
                kind: "promote".to_owned(),
                from,
                to: deployment.to_owned(),
                requested_at: now,
                ends_at: now,
                fails: false,
            });
        })
    }

    /// Whether new builds of production go there by themselves.
    pub fn set_assigns_domains(&self, assigns: bool) -> Result<(), EditError> {
        self.change(|project, _, _| project.assigns_domains = assigns)
    }

    /// The next promotion or rollback fails.
    pub fn next_move_fails(&self) -> Result<(), EditError> {
        self.change(|project, _, _| project.failing_moves = project.failing_moves.saturating_add(1))
    }

    /// Somebody of the team authorizes a deployment that is blocked.
    pub fn authorize(&self, deployment: &str) -> Result<(), EditError> {
        let times = self.simulator.inner.config.vercel_times;
        self.change(|project, _, now| {
            if let Some(found) = project.find_deployment(deployment).filter(|one| one.build == VercelBuild::Blocked) {
                found.build = VercelBuild::Ready;
                found.begin(now, &times);
            }
        })
    }

    /// Somebody cancels a deployment that is not built yet.
    pub fn cancel(&self, deployment: &str) -> Result<(), EditError> {
        self.change(|project, _, now| {
            if let Some(found) = project.find_deployment(deployment).filter(|one| one.state(now).is_under_way()) {
                found.canceled_at = Some(now);
            }
        })
    }

    /// Somebody else writes the project's variables for so long.
    pub fn hold_document(&self, duration: Duration) -> Result<(), EditError> {
        self.change(|project, _, now| project.busy_until = Some(after(now, duration)))
    }

    /// Somebody chooses the branch of production, where the project is connected with a repository.
    pub fn set_production_branch(&self, branch: &str) -> Result<(), EditError> {
        self.change(|project, _, _| {
            if let Some(link) = &mut project.link {
                link.set_production_branch(branch);
            }
        })
    }

    /// Whether pushes make deployments.
    pub fn set_creates_deployments(&self, creates: bool) -> Result<(), EditError> {
        self.change(|project, _, _| project.creates_deployments = creates)
    }

    /// Whether the project has lost sight of the branches of its repository.
    pub fn set_sourceless(&self, sourceless: bool) -> Result<(), EditError> {
        self.change(|project, _, _| project.sourceless = sourceless)
    }

    /// Its id.
    pub fn id(&self) -> Option<String> {
        self.read(|project, _| project.id.clone())
    }

    /// Its variables, in order of creation.
    pub fn variables(&self) -> Vec<VercelVariableView> {
        self.read(|project, _| project.env.iter().map(view_variable).collect()).unwrap_or_default()
    }

    /// Its domains.
    pub fn domains(&self) -> Vec<VercelDomainView> {
        let view = |one: &Domain| VercelDomainView {
            name: one.name.clone(),
            branch: one.branch.clone(),
            environment: one.environment.clone(),
            verified: one.verified,
        };
        self.read(|project, _| project.domains.iter().map(view).collect()).unwrap_or_default()
    }

    /// Its deployments, oldest first, deleted ones included.
    pub fn deployments(&self) -> Vec<VercelDeploymentView> {
        let view =
            |project: &Project, now| project.deployments.iter().map(|one| view_deployment(project, one, now)).collect();
        self.read(view).unwrap_or_default()
    }

    /// Somebody lets a host lead to a deployment.
    pub fn add_alias(&self, host: &str, deployment: &str) -> Result<(), EditError> {
        self.change(|project, _, now| {
            let alias = Alias { deployment: deployment.to_owned(), created_at: now };
            project.aliases.insert(host.to_owned(), alias);
        })
    }

    /// Somebody takes an alias away.
    pub fn delete_alias(&self, host: &str) -> Result<(), EditError> {
        self.change(|project, _, _| drop(project.aliases.remove(host)))
    }

    /// The aliases that somebody has assigned: host, and the id of the deployment.
    pub fn aliases(&self) -> BTreeMap<String, String> {
        let view = |project: &Project, _| {
            project.aliases.iter().map(|(host, alias)| (host.clone(), alias.deployment.clone())).collect()
        };
        self.read(view).unwrap_or_default()
    }

    /// The uid of the alias of a host.
    pub fn alias_uid(host: &str) -> String {
        alias_uid(host)
    }

    /// The notes of the secrets that go past its protection.
    pub fn bypass_notes(&self) -> Vec<Option<String>> {
        self.read(|project, _| project.bypasses.values().map(|bypass| bypass.note.clone()).collect())
            .unwrap_or_default()
    }

    /// Whether new builds of production go there by themselves.
    pub fn assigns_domains(&self) -> Option<bool> {
        self.read(|project, _| project.assigns_domains)
    }

    /// The secrets that go past its protection, each with its note: the simulator keeps nothing from tests.
    pub fn bypasses(&self) -> BTreeMap<String, Option<String>> {
        let all = |project: &Project, _| {
            project.bypasses.iter().map(|(secret, bypass)| (secret.clone(), bypass.note.clone())).collect()
        };
        self.read(all).unwrap_or_default()
    }

    /// The id of the deployment that is in production.
    pub fn production(&self) -> Option<String> {
        self.read(|project, now| project.production(now).map(|one| one.id.clone())).flatten()
    }

    fn read<T>(&self, read: impl FnOnce(&Project, DateTime<Utc>) -> T) -> Option<T> {
        let now = self.simulator.now();
        let mut state = self.simulator.present();
        let config = std::sync::Arc::clone(&state.world.config);
        let world = &mut state.world;
        world.vercel.sync(&world.github, &config, now);
        world.vercel.find(&self.team, &self.name).map(|project| read(project, now))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Project, &mut Ids, DateTime<Utc>) -> T) -> Result<T, EditError> {
        let now = self.simulator.now();
        let mut state = self.simulator.present();
        let config = std::sync::Arc::clone(&state.world.config);
        let world = &mut state.world;
        // What was pushed before was built with what was there before.
        world.vercel.sync(&world.github, &config, now);
        let (project, ids) = world
            .vercel
            .change(&self.team, &self.name)
            .ok_or_else(|| EditError::NotFound { what: format!("Vercel project `{}/{}`", self.team, self.name) })?;
        let done = change(project, ids, now);
        world.record(now);
        Ok(done)
    }
}

fn view_variable(one: &Variable) -> VercelVariableView {
    VercelVariableView {
        id: one.id.clone(),
        key: one.key.clone(),
        value: one.value.clone(),
        kind: one.kind.clone(),
        target: one.target.clone(),
        branch: one.branch.clone(),
        environments: one.environments.clone(),
        comment: one.comment.clone(),
        created_by: one.created_by.clone(),
        updated_by: one.updated_by.clone(),
        updated_at: one.updated_at,
    }
}

fn view_deployment(project: &Project, one: &Deployment, now: DateTime<Utc>) -> VercelDeploymentView {
    VercelDeploymentView {
        id: one.id.clone(),
        host: one.host.clone(),
        branch: one.branch().map(str::to_owned),
        sha: one.git.as_ref().map(|git| git.sha.clone()),
        state: one.state(now).as_str(),
        source: one.source.clone(),
        production: one.is_production(),
        environment: one.environment.clone(),
        created_at: one.created_at,
        hosts: if one.deleted_at.is_some() { Vec::new() } else { project.hosts_of(one, now) },
        env: one.env.clone(),
    }
}
