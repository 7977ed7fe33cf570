//! Operations: what the control plane does after a request was answered, one after the other, and what happens by itself.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::setup::NeonTimes;
use super::state::{BranchState, EndpointState, Neon, Project};
use crate::sim::world::ids::Ids;
use crate::sim::world::schedule::after;

/// Operations that are over are forgotten when there are more than this.
const MOST_OPERATIONS: usize = 2000;

/// Something that the control plane does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) branch_id: Option<String>,
    pub(super) endpoint_id: Option<String>,
    pub(super) action: String,
    pub(super) created_at: DateTime<Utc>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// How it has ended; `None` while it goes on.
    ended: Option<String>,
    pub(super) error: Option<String>,
    pub(super) failures: u32,
    pub(super) retry_at: Option<DateTime<Utc>>,
    effect: Effect,
    /// Those of one request; if one ends badly, the later ones are not begun.
    chain: u64,
}

/// What is so once an operation has finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    Nothing,
    BranchIsReady(String),
    BranchIsGone(String),
    EndpointIs(String, EndpointState),
    EndpointIsGone(String),
    Password { branch: String, role: String, password: String },
    RoleIsGone { branch: String, role: String },
    DatabaseIsGone { branch: String, database: String },
}

/// An operation to come.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) action: &'static str,
    pub(super) branch: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) effect: Effect,
}

impl Step {
    /// About a branch.
    pub(super) fn branch(action: &'static str, branch: &str, effect: Effect) -> Self {
        Self { action, branch: Some(branch.to_owned()), endpoint: None, effect }
    }

    /// About a compute of a branch.
    pub(super) fn endpoint(action: &'static str, branch: &str, endpoint: &str, effect: Effect) -> Self {
        Self { endpoint: Some(endpoint.to_owned()), ..Self::branch(action, branch, effect) }
    }
}

impl Operation {
    /// Its status at `now`.
    pub(super) fn status(&self, now: DateTime<Utc>) -> &str {
        match &self.ended {
            Some(ended) => ended,
            None if self.retry_at.is_some_and(|retry_at| now < retry_at) => "failed",
            None if now < self.starts_at => "scheduling",
            None => "running",
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// When something about it changed last.
    pub(super) fn updated_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let reached = if self.ended.is_some() { self.ends_at } else { self.starts_at };
        reached.min(now).max(self.created_at)
    }

    pub(super) fn duration_ms(&self, now: DateTime<Utc>) -> i64 {
        (self.updated_at(now) - self.starts_at.min(now)).num_milliseconds().max(0)
    }
}

impl Project {
    /// Whether operations run, so that the project takes no write.
    pub(super) fn is_busy(&self) -> bool {
        self.operations.iter().any(|operation| !operation.is_over())
    }

    /// Lets these operations run one after the other. Returns their ids.
    pub(super) fn run(
        &mut self,
        steps: Vec<Step>,
        ids: &mut Ids,
        times: &NeonTimes,
        now: DateTime<Utc>,
    ) -> Vec<String> {
        self.last_chain = self.last_chain.saturating_add(1);
        let mut starts_at = now;
        let mut begun = Vec::new();
        for step in steps {
            let ends_at = after(starts_at, times.operation);
            let hex = ids.hex(32);
            let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
            let id = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
            begun.push(id.clone());
            self.operations.push(Operation {
                id,
                branch_id: step.branch,
                endpoint_id: step.endpoint,
                action: step.action.to_owned(),
                created_at: now,
                starts_at,
                ends_at,
                ended: None,
                error: None,
                failures: 0,
                retry_at: None,
                effect: step.effect,
                chain: self.last_chain,
            });
            starts_at = ends_at;
        }
        let over = self.operations.iter().take_while(|operation| operation.is_over()).count();
        let many = self.operations.len().saturating_sub(MOST_OPERATIONS);
        self.operations.drain(..many.min(over));
        begun
    }

    /// When something happens next by itself.
    fn next(&self, times: &NeonTimes) -> Option<(DateTime<Utc>, Happening)> {
        let running = self.operations.iter().filter(|operation| !operation.is_over());
        let mut next: Option<(DateTime<Utc>, Happening)> = running
            .min_by_key(|operation| operation.ends_at)
            .map(|operation| (operation.ends_at, Happening::Ends(operation.id.clone())));
        let mut consider = |at: DateTime<Utc>, happening: Happening| {
            if next.as_ref().is_none_or(|(known, _)| at < *known) {
                next = Some((at, happening));
            }
        };
        let is_busy = self.is_busy();
        for branch in self.branches.values() {
            if branch.state == BranchState::Init && branch.pending.is_none() && !is_busy {
                let settled = after(branch.updated_at, times.settle);
                consider(settled, Happening::Settles(branch.id.clone()));
            }
            if let Some(expires_at) = branch.expires_at.filter(|_| !is_busy) {
                consider(after(expires_at, times.expiry_lag), Happening::Expires(branch.id.clone()));
            }
        }
        for endpoint in self.endpoints.values().filter(|_| !is_busy) {
            if let Some(at) = endpoint.idle_at() {
                consider(at, Happening::Sleeps(endpoint.id.clone()));
            }
        }
        next
    }

    fn happen(&mut self, happening: &Happening, at: DateTime<Utc>, ids: &mut Ids, times: &NeonTimes) {
        match happening {
            Happening::Ends(id) => self.end(id, at, times),
            Happening::Settles(id) => {
                if let Some(branch) = self.branches.get_mut(id) {
                    let state = if branch.archived { BranchState::Archived } else { BranchState::Ready };
                    branch.enter(state, at);
                }
            }
            Happening::Expires(id) => {
                if let Some(branch) = self.branches.get_mut(id) {
                    branch.expires_at = None;
                }
                // A parent stays.
                if self.children(id).is_empty() {
                    let steps = self.deletion(id);
                    self.run(steps, ids, times, at);
                }
            }
            Happening::Sleeps(id) => {
                if let Some(endpoint) = self.endpoints.get_mut(id) {
                    (endpoint.state, endpoint.updated_at) = (EndpointState::Idle, at);
                }
            }
        }
    }

    /// What deleting a branch takes.
    pub(super) fn deletion(&self, id: &str) -> Vec<Step> {
        let running = self.endpoints_of(id).filter(|endpoint| endpoint.state == EndpointState::Active);
        let stopped = |endpoint: &str| Effect::EndpointIs(endpoint.to_owned(), EndpointState::Idle);
        let mut steps: Vec<Step> = running
            .map(|endpoint| Step::endpoint("suspend_compute", id, &endpoint.id, stopped(&endpoint.id)))
            .collect();
        steps.push(Step::branch("delete_timeline", id, Effect::BranchIsGone(id.to_owned())));
        steps
    }

    /// An operation has come to its end.
    fn end(&mut self, id: &str, at: DateTime<Utc>, times: &NeonTimes) {
        let Some(index) = self.operations.iter().position(|operation| operation.id == id) else { return };
        let Some(operation) = self.operations.get_mut(index) else { return };
        let (chain, action) = (operation.chain, operation.action.clone());
        let mishap = self.mishaps.iter().position(|mishap| mishap.action == action);
        let mishap = mishap.map(|mishap| self.mishaps.remove(mishap));
        let Some(mishap) = mishap else {
            operation.ended = Some("finished".to_owned());
            operation.retry_at = None;
            let effect = operation.effect.clone();
            self.apply(effect, at);
            return;
        };
        operation.error = Some(mishap.error);
        operation.failures = operation.failures.saturating_add(1);
        if mishap.end == "failed" {
            // The control plane tries again.
            let retry_at = after(at, times.retry);
            operation.retry_at = Some(retry_at);
            let by = after(retry_at, times.operation) - operation.ends_at;
            self.delay(chain, index, by);
            return;
        }
        let goes_on = mishap.end == "skipped";
        operation.ended = Some(mishap.end);
        if goes_on {
            return;
        }
        for later in self.operations.iter_mut().filter(|later| later.chain == chain && later.ended.is_none()) {
            (later.ended, later.ends_at) = (Some("cancelled".to_owned()), at);
        }
    }

    /// Moves the end of an operation, and all that comes after it in its chain.
    fn delay(&mut self, chain: u64, index: usize, by: TimeDelta) {
        let later = |moment: DateTime<Utc>| moment.checked_add_signed(by).unwrap_or(moment);
        for (place, operation) in self.operations.iter_mut().enumerate().filter(|(_, one)| one.chain == chain) {
            if place >= index && operation.ended.is_none() {
                operation.ends_at = later(operation.ends_at);
                if place > index {
                    operation.starts_at = later(operation.starts_at);
                }
            }
        }
    }

    fn apply(&mut self, effect: Effect, at: DateTime<Utc>) {
        match effect {
            Effect::Nothing => {}
            Effect::BranchIsReady(id) => {
                if let Some(branch) = self.branches.get_mut(&id) {
                    if branch.state == BranchState::Resetting {
                        branch.enter(BranchState::Ready, at);
                    }
                    (branch.pending, branch.updated_at) = (None, at);
                }
            }
            Effect::BranchIsGone(id) => {
                self.branches.remove(&id);
                self.endpoints.retain(|_, endpoint| endpoint.branch_id != id);
            }
            Effect::EndpointIs(id, state) => {
                if let Some(endpoint) = self.endpoints.get_mut(&id) {
                    (endpoint.state, endpoint.pending, endpoint.updated_at) = (state, None, at);
                    if state == EndpointState::Active {
                        endpoint.last_active = Some(at);
                    }
                }
            }
            Effect::EndpointIsGone(id) => {
                self.endpoints.remove(&id);
            }
            Effect::Password { branch, role, password } => {
                let branch = self.branches.get_mut(&branch);
                let role = branch.and_then(|branch| branch.roles.iter_mut().find(|one| one.name == role));
                if let Some(role) = role {
                    (role.password, role.updated_at) = (password, at);
                }
            }
            Effect::RoleIsGone { branch, role } => {
                if let Some(branch) = self.branches.get_mut(&branch) {
                    branch.roles.retain(|one| one.name != role);
                }
            }
            Effect::DatabaseIsGone { branch, database } => {
                if let Some(branch) = self.branches.get_mut(&branch) {
                    branch.databases.retain(|one| one.name != database);
                }
            }
        }
    }
}

/// Something that happens by itself.
#[derive(Debug)]
enum Happening {
    /// An operation ends.
    Ends(String),
    /// A new branch is ready.
    Settles(String),
    /// The background job finds a branch that has expired.
    Expires(String),
    /// Nobody has used a compute.
    Sleeps(String),
}

impl Neon {
    /// Lets everything happen that is due by `now`.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        let Self { projects, ids, times, past, .. } = self;
        for project in projects.values_mut() {
            while let Some((at, happening)) = project.next(times).filter(|(at, _)| *at <= now) {
                past.touch();
                project.happen(&happening, at, ids, times);
            }
        }
    }
}
