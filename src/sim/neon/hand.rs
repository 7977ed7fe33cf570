//! What people do at Neon beside the client, and what is made to go wrong there.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::setup::{NeonLimits, NeonPlan, NeonTimes, SimNeonProject};
use super::state::{Branch, BranchState, Endpoint, EndpointState, Mishap, Project, Role};
use super::views::{NeonBranchView, NeonEndpointView, NeonOperationView};
use super::work::{Effect, Step};
use crate::secret::SecretText;
use crate::sim::Simulator;
use crate::sim::edits::EditError;
use crate::sim::world::ids::Ids;

/// The hand of people in one project of Neon; see [`Simulator::neon`]. What it does takes no time and no operation.
#[derive(Debug, Clone)]
pub struct NeonHand {
    simulator: Simulator,
    project: String,
}

impl Simulator {
    /// What people do in the project of Neon with this id. It need not exist yet, but has to once something is done in it.
    pub fn neon(&self, project: &str) -> NeonHand {
        NeonHand { simulator: self.clone(), project: project.to_owned() }
    }

    /// Somebody makes a project of Neon, unless it is there.
    pub fn create_neon_project(&self, project: &SimNeonProject) -> NeonHand {
        let now = self.now();
        self.present().world.neon.ensure(project, now);
        self.neon(&project.id)
    }

    /// The ids of all projects of Neon.
    pub fn neon_projects(&self) -> Vec<String> {
        self.present().world.neon.projects.keys().cloned().collect()
    }

    /// From now on things take so long at Neon; operations that run already keep their time.
    pub fn set_neon_times(&self, times: NeonTimes) {
        self.present().world.neon.set_times(times);
    }
}

impl NeonHand {
    /// All branches, by name.
    pub fn branches(&self) -> Vec<NeonBranchView> {
        let mut branches: Vec<_> =
            self.look(|project, _| project.branches.values().map(NeonBranchView::of).collect()).unwrap_or_default();
        branches.sort_by(|one, other| one.name.cmp(&other.name));
        branches
    }

    /// The branch of this name.
    pub fn branch(&self, name: &str) -> Option<NeonBranchView> {
        self.look(|project, _| project.named(name).map(NeonBranchView::of)).flatten()
    }

    /// The computes of a branch.
    pub fn endpoints(&self, branch_id: &str) -> Vec<NeonEndpointView> {
        let shown = |project: &Project, _| {
            project.endpoints_of(branch_id).map(|endpoint| NeonEndpointView::of(project, endpoint)).collect()
        };
        self.look(shown).unwrap_or_default()
    }

    /// All operations that are remembered, oldest first.
    pub fn operations(&self) -> Vec<NeonOperationView> {
        let shown = |project: &Project, now| {
            project.operations.iter().map(|operation| NeonOperationView::of(operation, now)).collect()
        };
        self.look(shown).unwrap_or_default()
    }

    /// The password of a role.
    pub fn password(&self, branch_id: &str, role: &str) -> Option<SecretText> {
        let find = |project: &Project, _| {
            let role = project.branches.get(branch_id)?.role(role)?;
            Some(SecretText::new(role.password.as_str()))
        };
        self.look(find).flatten()
    }

    /// Somebody makes a branch of the default branch, or of the branch with the id `parent`, with a compute. Returns its id.
    pub fn create_branch(&self, name: &str, parent: Option<&str>) -> Result<String, EditError> {
        self.change(|project, ids, now| {
            if project.named(name).is_some() {
                return Err(EditError::Refused { status: 409, text: format!("branch `{name}` exists") });
            }
            let source = match parent {
                Some(id) => project.branches.get(id),
                None => project.default_branch(),
            };
            let source = source.ok_or_else(|| no_branch(parent.unwrap_or("default")))?.clone();
            let mut branch = Branch::new(&ids.neon("br"), name, now);
            branch.parent_id = Some(source.id.clone());
            (branch.roles, branch.databases) = (source.roles, source.databases);
            branch.enter(BranchState::Ready, now);
            let mut compute = Endpoint::new(&ids.neon("ep"), &branch.id, true, now);
            compute.state = EndpointState::Idle;
            let id = branch.id.clone();
            project.endpoints.insert(compute.id.clone(), compute);
            project.branches.insert(id.clone(), branch);
            Ok(id)
        })
    }

    /// Somebody deletes a branch, and with it everything that is in it.
    pub fn delete_branch(&self, id: &str) -> Result<(), EditError> {
        self.change(|project, _, _| {
            project.branches.remove(id).ok_or_else(|| no_branch(id))?;
            project.endpoints.retain(|_, endpoint| endpoint.branch_id != id);
            Ok(())
        })
    }

    /// The owner of the project changes the plan, and with it the limits.
    pub fn set_plan(&self, plan: NeonPlan) -> Result<(), EditError> {
        self.change(|project, _, _| {
            (project.plan, project.limits) = (plan, plan.limits());
            Ok(())
        })
    }

    /// Somebody removes the computes of a branch; what is in it stays.
    pub fn delete_endpoints(&self, branch_id: &str) -> Result<(), EditError> {
        self.change(|project, _, _| {
            project.endpoints.retain(|_, endpoint| endpoint.branch_id != branch_id);
            Ok(())
        })
    }

    /// Somebody gives a branch another name.
    pub fn rename_branch(&self, id: &str, name: &str) -> Result<(), EditError> {
        self.change_branch(id, |branch, _| name.clone_into(&mut branch.name))
    }

    /// What is noted of a branch is this, as if it had been made with it.
    pub fn annotate_branch(&self, id: &str, annotation: &BTreeMap<String, String>) -> Result<(), EditError> {
        self.change_branch(id, |branch, _| branch.annotation = Some(annotation.clone()))
    }

    /// Somebody protects a branch, or no longer.
    pub fn protect_branch(&self, id: &str, protected: bool) -> Result<(), EditError> {
        self.change_branch(id, |branch, _| branch.protected = protected)
    }

    /// Somebody says when a branch goes by itself.
    pub fn expire_branch(&self, id: &str, at: Option<DateTime<Utc>>) -> Result<(), EditError> {
        self.change_branch(id, |branch, now| {
            branch.expires_at = at;
            branch.ttl_seconds = at.map(|at| (at - now).num_seconds());
        })
    }

    /// Somebody adds a role to a branch.
    pub fn create_role(&self, id: &str, name: &str) -> Result<(), EditError> {
        self.change(|project, ids, now| {
            let branch = project.branches.get_mut(id).ok_or_else(|| no_branch(id))?;
            branch.roles.push(Role::new(name, ids, now));
            Ok(())
        })
    }

    /// Somebody sets another password for a role.
    pub fn set_password(&self, id: &str, role: &str, password: &str) -> Result<(), EditError> {
        self.change(|project, _, now| {
            let branch = project.branches.get_mut(id).ok_or_else(|| no_branch(id))?;
            let known = branch.roles.iter_mut().find(|known| known.name == role);
            let known = known.ok_or_else(|| EditError::NotFound { what: format!("role `{role}`") })?;
            (known.password, known.updated_at) = (password.to_owned(), now);
            Ok(())
        })
    }

    /// Somebody connects to a compute, which wakes it.
    pub fn connect(&self, endpoint: &str) -> Result<(), EditError> {
        self.change(|project, _, now| {
            let found = project.endpoints.get_mut(endpoint);
            let found = found.ok_or_else(|| EditError::NotFound { what: format!("compute `{endpoint}`") })?;
            (found.state, found.last_active) = (EndpointState::Active, Some(now));
            Ok(())
        })
    }

    /// Something of others runs in the project for so long: until then it takes no write.
    pub fn keep_busy(&self, length: Duration) -> Result<(), EditError> {
        self.change(|project, ids, now| {
            let times = NeonTimes { operation: length, ..NeonTimes::default() };
            let step = Step { action: "check_availability", branch: None, endpoint: None, effect: Effect::Nothing };
            project.run(vec![step], ids, &times, now);
            Ok(())
        })
    }

    /// The next operation of this kind ends so: `error`, `cancelled` or `skipped` for good, `failed` until it is tried again.
    pub fn fail_next(&self, action: &str, end: &str, error: &str) -> Result<(), EditError> {
        self.change(|project, _, _| {
            let mishap = Mishap { action: action.to_owned(), end: end.to_owned(), error: error.to_owned() };
            project.mishaps.push(mishap);
            Ok(())
        })
    }

    /// How much the project may have from now on.
    pub fn set_limits(&self, limits: NeonLimits) -> Result<(), EditError> {
        self.change(|project, _, _| {
            project.limits = limits;
            Ok(())
        })
    }

    fn look<T>(&self, look: impl FnOnce(&Project, DateTime<Utc>) -> T) -> Option<T> {
        let now = self.simulator.now();
        let state = self.simulator.present();
        state.world.neon.projects.get(&self.project).map(|project| look(project, now))
    }

    fn change_branch(&self, id: &str, change: impl FnOnce(&mut Branch, DateTime<Utc>)) -> Result<(), EditError> {
        self.change(|project, _, now| {
            let branch = project.branches.get_mut(id).ok_or_else(|| no_branch(id))?;
            change(branch, now);
            branch.updated_at = now;
            Ok(())
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Project, &mut Ids, DateTime<Utc>) -> Result<T, EditError>,
    ) -> Result<T, EditError> {
        let now = self.simulator.now();
        let mut state = self.simulator.present();
        let found = state.world.neon.change(&self.project);
        let (project, ids, _) =
            found.ok_or_else(|| EditError::NotFound { what: format!("project `{}`", self.project) })?;
        let done = change(project, ids, now)?;
        state.world.record(now);
        Ok(done)
    }
}

fn no_branch(id: &str) -> EditError {
    EditError::NotFound { what: format!("branch `{id}`") }
}
