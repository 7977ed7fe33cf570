//! What Neon holds: projects with their branches, computes, roles, databases and operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::past::Past;
use super::setup::{NeonLimits, NeonPlan, NeonTimes, SimNeonProject};
use super::usage::Usage;
use super::work::Operation;
use crate::sim::world::ids::Ids;

/// All projects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Neon {
    pub(super) ids: Ids,
    pub(super) projects: BTreeMap<String, Project>,
    #[serde(skip)]
    pub(super) times: Arc<NeonTimes>,
    #[serde(skip)]
    pub(super) usage: Usage,
    #[serde(skip)]
    pub(super) past: Past,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Project {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) org: String,
    pub(super) region: String,
    pub(super) plan: NeonPlan,
    pub(super) limits: NeonLimits,
    pub(super) history_seconds: i64,
    pub(super) store_passwords: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) branches: BTreeMap<String, Branch>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// Oldest first.
    pub(super) operations: Vec<Operation>,
    /// How the next operations of a kind end otherwise than well.
    pub(super) mishaps: Vec<Mishap>,
    last_database: u64,
    pub(super) last_chain: u64,
}

/// An operation that is not going to end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mishap {
    pub(super) action: String,
    pub(super) end: String,
    pub(super) error: String,
}

/// A branch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Branch {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parent_id: Option<String>,
    pub(super) parent_lsn: Option<String>,
    pub(super) parent_timestamp: Option<DateTime<Utc>>,
    pub(super) state: BranchState,
    pub(super) pending: Option<BranchState>,
    pub(super) state_changed_at: DateTime<Utc>,
    pub(super) default: bool,
    pub(super) protected: bool,
    pub(super) archived: bool,
    pub(super) init_source: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) ttl_seconds: Option<i64>,
    pub(super) last_reset_at: Option<DateTime<Utc>>,
    pub(super) restored_from: Option<String>,
    pub(super) restored_as: Option<String>,
    pub(super) annotation: Option<BTreeMap<String, String>>,
    pub(super) roles: Vec<Role>,
    pub(super) databases: Vec<Database>,
    /// Until then it answers 404 to whoever asks for it by its id.
    pub(super) visible_from: DateTime<Utc>,
}

/// Where a branch is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BranchState {
    Init,
    Resetting,
    Ready,
    Archived,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) no_login: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Database {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// A compute.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) branch_id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) read_write: bool,
    pub(super) state: EndpointState,
    pub(super) pending: Option<EndpointState>,
    pub(super) min_cu: f64,
    pub(super) max_cu: f64,
    /// 0 stands for the default of five minutes, -1 for never.
    pub(super) suspend_seconds: i64,
    pub(super) disabled: bool,
    pub(super) settings: serde_json::Value,
    pub(super) last_active: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndpointState {
    Init,
    Active,
    Idle,
}

impl Default for Neon {
    fn default() -> Self {
        Self::from_seed(1, Arc::default())
    }
}

impl Neon {
    pub(crate) const fn from_seed(seed: u64, times: Arc<NeonTimes>) -> Self {
        // Other ids than those of the rest of the platform.
        Self {
            ids: Ids::from_seed(seed ^ 0x6e65_6f6e),
            projects: BTreeMap::new(),
            times,
            usage: Usage::EMPTY,
            past: Past::EMPTY,
        }
    }

    /// How long things take from now on; a saved world does not know.
    pub(crate) fn set_times(&mut self, times: NeonTimes) {
        self.times = Arc::new(times);
    }

    /// Makes a project with a branch `main`, unless it is there.
    pub(crate) fn ensure(&mut self, wanted: &SimNeonProject, now: DateTime<Utc>) {
        if self.projects.contains_key(&wanted.id) {
            return;
        }
        let mut project = Project {
            id: wanted.id.clone(),
            name: wanted.name.clone(),
            org: wanted.org.clone(),
            region: wanted.region.clone(),
            plan: wanted.plan,
            limits: wanted.limits.clone(),
            history_seconds: i64::try_from(wanted.history.as_secs()).unwrap_or(i64::MAX),
            store_passwords: wanted.store_passwords,
            created_at: now,
            branches: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            operations: Vec::new(),
            mishaps: Vec::new(),
            last_database: 0,
            last_chain: 0,
        };
        let mut main = Branch::new(&self.ids.neon("br"), "main", now);
        main.default = true;
        main.state = BranchState::Ready;
        for name in &wanted.roles {
            main.roles.push(Role::new(name, &mut self.ids, now));
        }
        let owner = wanted.roles.first().cloned().unwrap_or_default();
        for name in &wanted.databases {
            let id = project.next_database();
            main.databases.push(Database::new(id, name, &owner, now));
        }
        let mut compute = Endpoint::new(&self.ids.neon("ep"), &main.id, true, now);
        compute.state = EndpointState::Idle;
        project.endpoints.insert(compute.id.clone(), compute);
        project.branches.insert(main.id.clone(), main);
        self.past.began(&project);
        self.projects.insert(project.id.clone(), project);
    }

    /// The project to be changed, with what mints ids, and how long things take.
    pub(super) fn change(&mut self, id: &str) -> Option<(&mut Project, &mut Ids, Arc<NeonTimes>)> {
        self.past.touch();
        let project = self.projects.get_mut(id)?;
        Some((project, &mut self.ids, Arc::clone(&self.times)))
    }
}

impl Ids {
    /// An id in Neon's manner: a prefix, two words, and what makes it unique.
    pub(super) fn neon(&mut self, prefix: &str) -> String {
        let name = self.machine_name();
        let words = name.rsplit_once('-').map_or(name.as_str(), |(words, _)| words);
        format!("{prefix}-{words}-{}", self.alphanumeric(8))
    }
}

impl Project {
    pub(super) fn named(&self, name: &str) -> Option<&Branch> {
        self.branches.values().find(|branch| branch.name == name)
    }

    pub(super) fn default_branch(&self) -> Option<&Branch> {
        self.branches.values().find(|branch| branch.default)
    }

    /// The ids of the branches whose parent this one is.
    pub(super) fn children(&self, id: &str) -> Vec<String> {
        let children = self.branches.values().filter(|branch| branch.parent_id.as_deref() == Some(id));
        children.map(|branch| branch.id.clone()).collect()
    }

    pub(super) fn endpoints_of<'p>(&'p self, branch: &'p str) -> impl Iterator<Item = &'p Endpoint> {
        self.endpoints.values().filter(move |endpoint| endpoint.branch_id == branch)
    }

    pub(super) const fn next_database(&mut self) -> u64 {
        self.last_database = self.last_database.saturating_add(1);
        self.last_database
    }

    /// The host of a compute; behind the pooler with `pooled`.
    pub(super) fn host(&self, endpoint: &str, pooled: bool) -> String {
        let (cloud, place) = self.region.split_once('-').unwrap_or(("aws", &self.region));
        format!("{endpoint}{}.{place}.{cloud}.neon.tech", if pooled { "-pooler" } else { "" })
    }

    /// The earliest moment from which a branch can be made or restored.
    pub(super) fn history_begins(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let history = TimeDelta::try_seconds(self.history_seconds).unwrap_or(TimeDelta::MAX);
        now.checked_sub_signed(history).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

impl Branch {
    /// A branch that begins to be.
    pub(super) fn new(id: &str, name: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            parent_id: None,
            parent_lsn: None,
            parent_timestamp: None,
            state: BranchState::Init,
            pending: None,
            state_changed_at: now,
            default: false,
            protected: false,
            archived: false,
            init_source: "parent-data".to_owned(),
            created_at: now,
            updated_at: now,
            expires_at: None,
            ttl_seconds: None,
            last_reset_at: None,
            restored_from: None,
            restored_as: None,
            annotation: None,
            roles: Vec::new(),
            databases: Vec::new(),
            visible_from: now,
        }
    }

    pub(super) fn enter(&mut self, state: BranchState, now: DateTime<Utc>) {
        (self.state, self.pending, self.state_changed_at, self.updated_at) = (state, None, now, now);
    }

    pub(super) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    pub(super) fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name == name)
    }
}

impl BranchState {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Resetting => "resetting",
            Self::Ready => "ready",
            Self::Archived => "archived",
        }
    }
}

impl EndpointState {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Active => "active",
            Self::Idle => "idle",
        }
    }
}

impl Role {
    pub(super) fn new(name: &str, ids: &mut Ids, now: DateTime<Utc>) -> Self {
        let password = password(ids);
        Self { name: name.to_owned(), password, no_login: false, created_at: now, updated_at: now }
    }
}

/// A new password, in the form that Neon's have.
pub(super) fn password(ids: &mut Ids) -> String {
    format!("npg_{}", ids.alphanumeric(16))
}

impl Database {
    pub(super) fn new(id: u64, name: &str, owner: &str, now: DateTime<Utc>) -> Self {
        Self { id, name: name.to_owned(), owner: owner.to_owned(), created_at: now, updated_at: now }
    }
}

impl Endpoint {
    pub(super) fn new(id: &str, branch: &str, read_write: bool, now: DateTime<Utc>) -> Self {
        Self {
            id: id.to_owned(),
            branch_id: branch.to_owned(),
            name: None,
            read_write,
            state: EndpointState::Init,
            pending: None,
            min_cu: 0.25,
            max_cu: 0.25,
            suspend_seconds: 0,
            disabled: false,
            settings: serde_json::json!({"pg_settings": {}}),
            last_active: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// When it is suspended, if nobody connects to it until then.
    pub(super) fn idle_at(&self) -> Option<DateTime<Utc>> {
        let seconds = match self.suspend_seconds {
            ..0 => return None,
            0 => 300,
            seconds => seconds,
        };
        let is_idle_later = self.state == EndpointState::Active && self.pending.is_none();
        let since = self.last_active.filter(|_| is_idle_later)?;
        since.checked_add_signed(TimeDelta::try_seconds(seconds)?)
    }
}
