//! What Neon is set up with: its projects, who may call it, how much a plan allows, how long things take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a token may do in its projects, by the names that Neon gives them. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NeonAccess {
    /// Read.
    CanView,
    /// Change what is in a project.
    CanEdit,
    /// Change the project itself.
    CanManage,
}

impl NeonAccess {
    /// Its name at Neon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CanView => "CAN_VIEW",
            Self::CanEdit => "CAN_EDIT",
            Self::CanManage => "CAN_MANAGE",
        }
    }
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeonKey {
    /// A person's: lists of projects need `org_id`.
    Personal,
    /// An organization's: it may not ask who the user is.
    Organization,
}

/// A key that Neon accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct SimNeonToken {
    /// The key.
    pub token: String,
    /// Whose it is.
    pub key: NeonKey,
    /// The ids of the projects that it sees; others answer 404.
    pub projects: Vec<String>,
    /// What it may do in them.
    pub access: NeonAccess,
}

impl SimNeonToken {
    /// An organization's key that may do everything in one project.
    pub fn new(token: &str, project: &str) -> Self {
        Self {
            token: token.to_owned(),
            key: NeonKey::Organization,
            projects: vec![project.to_owned()],
            access: NeonAccess::CanManage,
        }
    }
}

impl std::fmt::Debug for SimNeonToken {
    /// Leaves out the key itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimNeonToken")
            .field("key", &self.key)
            .field("projects", &self.projects)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// What a project is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeonPlan {
    /// Nothing: ten branches, and no choice of when a compute is suspended.
    Free,
    /// Usage.
    Launch,
    /// More usage.
    Scale,
}

/// How much a project may have; `None` is no limit. Beyond: 422 with a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeonLimits {
    /// Branches, archived ones and the root included: `BRANCHES_LIMIT_EXCEEDED`.
    pub branches: Option<usize>,
    /// Branches without a parent: `ROOT_BRANCHES_LIMIT_EXCEEDED`.
    pub root_branches: Option<usize>,
    /// Protected branches: `BRANCHES_PROTECTED_LIMIT_EXCEEDED`.
    pub protected_branches: Option<usize>,
    /// Computes: `ENDPOINTS_LIMIT_EXCEEDED`.
    pub endpoints: Option<usize>,
    /// Computes that run, or begin to: `ACTIVE_ENDPOINTS_LIMIT_EXCEEDED`.
    pub active_endpoints: Option<usize>,
    /// Roles of one branch: `ROLES_LIMIT_EXCEEDED`.
    pub roles: Option<usize>,
    /// Databases of one branch: `DATABASES_LIMIT_EXCEEDED`.
    pub databases: Option<usize>,
}

impl NeonPlan {
    /// What the plan allows. Paid plans bill branches beyond those that are included, so there is no limit of them.
    pub const fn limits(self) -> NeonLimits {
        let (branches, roots, protected) = match self {
            Self::Free => (Some(10), 3, 0),
            Self::Launch => (None, 5, 2),
            Self::Scale => (None, 25, 5),
        };
        NeonLimits {
            branches,
            root_branches: Some(roots),
            protected_branches: Some(protected),
            endpoints: None,
            active_endpoints: Some(20),
            roles: Some(500),
            databases: Some(500),
        }
    }
}

/// A project that exists, with one branch `main` that has a compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimNeonProject {
    /// Its id, such as `quiet-river-100001`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the organization that it belongs to.
    pub org: String,
    /// Where it is, such as `aws-us-east-2`.
    pub region: String,
    /// What it is paid for.
    pub plan: NeonPlan,
    /// How much it may have; what the plan allows unless it is changed.
    pub limits: NeonLimits,
    /// The roles of `main`; the first one owns the databases.
    pub roles: Vec<String>,
    /// The databases of `main`.
    pub databases: Vec<String>,
    /// For how long back a branch can be made or restored.
    pub history: Duration,
    /// Whether passwords can be read back; without, 412.
    pub store_passwords: bool,
}

impl SimNeonProject {
    /// A project on the Launch plan, with the role `neondb_owner` and the database `neondb`.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            org: "org-quiet-river-100001".to_owned(),
            region: "aws-us-east-2".to_owned(),
            plan: NeonPlan::Launch,
            limits: NeonPlan::Launch.limits(),
            roles: vec!["neondb_owner".to_owned()],
            databases: vec!["neondb".to_owned()],
            history: Duration::from_hours(24),
            store_passwords: true,
        }
    }

    /// The same on another plan, with its limits.
    #[must_use]
    pub const fn on(mut self, plan: NeonPlan) -> Self {
        self.plan = plan;
        self.limits = plan.limits();
        self
    }
}

/// How long things take at Neon, and how consistent it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeonTimes {
    /// Each operation. Those of one request follow each other, and until all are done the project takes no other write.
    pub operation: Duration,
    /// From the end of its operations until a new branch is `ready`; until then 422 for what acts on it.
    pub settle: Duration,
    /// How long a new branch answers 404 when it is read by its id.
    pub missing_after_create: Duration,
    /// How late the background job is that deletes branches that have expired.
    pub expiry_lag: Duration,
    /// How long until an operation that has failed is tried again.
    pub retry: Duration,
}

impl Default for NeonTimes {
    fn default() -> Self {
        Self {
            operation: Duration::from_millis(400),
            settle: Duration::ZERO,
            missing_after_create: Duration::ZERO,
            expiry_lag: Duration::from_mins(5),
            retry: Duration::from_secs(5),
        }
    }
}
