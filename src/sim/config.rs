//! What a simulator is set up with: who may call it, how long things take, how consistent it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::github::{GithubAccess, SimGithubApp, SimGithubToken};
use super::neon::{NeonTimes, SimNeonProject, SimNeonToken};
use super::supabase::{SimSupabaseProject, SimSupabaseToken};
use super::vercel::{SimVercelProject, SimVercelTeam, SimVercelToken, VercelPlan, VercelTimes};

/// What a token may do in its organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Full,
    /// Only requests that cannot change anything; others answer 403.
    ReadOnly,
}

/// An organization that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimOrg {
    /// Its slug, as in `org_slug`.
    pub slug: String,
    /// Its display name.
    pub name: String,
}

/// A token that is accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct SimToken {
    /// The token string, without any scheme in front.
    pub token: String,
    /// The slug of the one organization that it sees.
    pub org: String,
    /// What it may do there.
    pub access: Access,
}

impl std::fmt::Debug for SimToken {
    /// Leaves out the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimToken").field("org", &self.org).field("access", &self.access).finish_non_exhaustive()
    }
}

/// A registry that shows its images to one user only.
#[derive(Clone, PartialEq, Eq)]
pub struct SimRegistry {
    /// Its host, as image references name it.
    pub host: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for SimRegistry {
    /// Leaves out the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimRegistry").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Something that the platform has too little of in a region. Each shows in a refusal of its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortage {
    /// No host for new machines: 422 with the status `insufficient_capacity`.
    Region,
    /// No host for new volumes: 422 with the status `volume_placement_capacity`.
    VolumePlacement,
    /// The hosts of existing volumes are full: 412 for a new machine that mounts one.
    VolumeHost,
    /// The hosts of existing machines are full: 409 for updates and starts.
    Host,
    /// The hosts are under maintenance: 503 for new machines and updates.
    Maintenance,
}

/// How much an organization may have; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Apps. Beyond: 422.
    pub apps: Option<usize>,
    /// Machines that are not destroyed. Beyond: 422, the text names the machine limit.
    pub machines: Option<usize>,
    /// Machines in one app, as for organizations without a payment method. Beyond: 422.
    pub machines_per_app: Option<usize>,
    /// Volumes that are not deleted. Beyond: 422.
    pub volumes: Option<usize>,
    /// Memory of all machines in one region, in MiB. Beyond: 403.
    pub memory_mb_per_region: Option<u64>,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It passes.
    Passing,
    /// It warns.
    Warning,
    /// It is critical.
    Critical,
    /// It passes and is critical by turns, each for [`SimConfig::flap`].
    Flapping,
}

/// The set-up of a [`Simulator`](super::Simulator). The defaults are a quick, consistent platform with rate limits and without any
/// organization; durations of the machine life cycle are typical observed values.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Where all identifiers are derived from. Two runs with the same seed and the same requests are equal.
    pub seed: u64,
    /// The organizations that exist.
    pub orgs: Vec<SimOrg>,
    /// The tokens that are accepted.
    pub tokens: Vec<SimToken>,
    /// The repositories that GitHub has, as `owner/name`.
    pub repos: Vec<String>,
    /// The tokens that GitHub accepts.
    pub github_tokens: Vec<SimGithubToken>,
    /// The GitHub Apps that are installed.
    pub github_apps: Vec<SimGithubApp>,
    /// The teams at Vercel.
    pub vercel_teams: Vec<SimVercelTeam>,
    /// The projects at Vercel that are there from the beginning.
    pub vercel_projects: Vec<SimVercelProject>,
    /// The tokens that Vercel accepts.
    pub vercel_tokens: Vec<SimVercelToken>,
    /// How long things take at Vercel.
    pub vercel_times: VercelTimes,
    /// The projects that Neon has.
    pub neon_projects: Vec<SimNeonProject>,
    /// The keys that Neon accepts.
    pub neon_tokens: Vec<SimNeonToken>,
    /// How long things take at Neon.
    pub neon_times: NeonTimes,
    /// The projects at Supabase that are there from the beginning.
    pub supabase_projects: Vec<SimSupabaseProject>,
    /// The tokens that Supabase accepts.
    pub supabase_tokens: Vec<SimSupabaseToken>,
    /// Registries that are not public.
    pub registries: Vec<SimRegistry>,
    /// Accept every organization slug, GitHub repository, and project of Vercel and Neon, and every token that starts with `sim_` for all
    /// of them (for demonstrations).
    pub open_orgs: bool,
    /// Enforce the documented limits with 429.
    pub rate_limits: bool,
    /// How long every request takes before it is looked at.
    pub latency: Duration,
    /// The region used when a request names none.
    pub default_region: String,
    /// From a machine's start to `started`. A machine that is created is prepared before, for a quarter of this.
    pub boot: Duration,
    /// The same for an image whose tag contains `slow`.
    pub slow_boot: Duration,
    /// From `stopping` (or `suspending`) to `stopped` (`suspended`).
    pub stop: Duration,
    /// From `destroying` to `destroyed`.
    pub destroy: Duration,
    /// How long an updated machine is `replacing`.
    pub replace: Duration,
    /// From `started` to passing checks, and from `started` to the first exit of an image that crashes.
    pub settle: Duration,
    /// How long checks that flap stay as they are.
    pub flap: Duration,
    /// How long a machine with `auto_destroy` or `schedule` runs before its process ends.
    pub job: Duration,
    /// How long a machine with a command of its own that is run once (restart policy `no`, or none that finds it by name) runs before its
    /// process ends with code 0; until somebody ends it where absent.
    pub command: Option<Duration>,
    /// How long a destroyed machine is still served, as `destroyed`, before 404.
    pub destroyed_visible: Duration,
    /// From the deletion of an app to its disappearance.
    pub app_delete: Duration,
    /// How long a new app answers 404 to requests without its affinity cookie (observed: up to 5 s).
    pub app_missing_after_create: Duration,
    /// How long a new machine answers 404 to requests without the affinity cookie of its app (observed: up to 5 s).
    pub machine_missing_after_create: Duration,
    /// How far the organization-wide listings and the list of apps lag behind (the assumption S).
    pub listing_lag: Duration,
    /// How long a volume stays bound after its machine was destroyed (observed: up to a minute).
    pub volume_bound_after_destroy: Duration,
    /// How long a volume that was made from another one or from a snapshot is `hydrating` or `restoring`. It can be mounted meanwhile.
    pub volume_copy: Duration,
    /// How long a deleted volume is listed as `pending_destroy` (documented: 24 h).
    pub volume_pending_destroy: Duration,
    /// How long a machine may still be given the secrets from before a write, unless the request names `min_secrets_version`.
    pub vault_lag: Duration,
    /// How far the list of an app's secrets lags behind, unless the request names `min_version`.
    pub secrets_lag: Duration,
    /// From the request for a Postgres cluster to `ready`, and from its deletion to `deleted`.
    pub postgres: Duration,
    /// From the request for a Supabase branch until everything in it is done. Its database answers after half of this.
    pub supabase: Duration,
    /// What there is too little of from the beginning, and where (a region's code).
    pub shortages: Vec<(Shortage, String)>,
    /// How much each organization may have.
    pub quotas: Quotas,
    /// The most objects on one page of an organization-wide listing, whatever `limit` says (documented: 1000).
    pub org_page: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            orgs: Vec::new(),
            tokens: Vec::new(),
            repos: Vec::new(),
            github_tokens: Vec::new(),
            github_apps: Vec::new(),
            vercel_teams: Vec::new(),
            vercel_projects: Vec::new(),
            vercel_tokens: Vec::new(),
            vercel_times: VercelTimes::default(),
            neon_projects: Vec::new(),
            neon_tokens: Vec::new(),
            neon_times: NeonTimes::default(),
            supabase_projects: Vec::new(),
            supabase_tokens: Vec::new(),
            registries: Vec::new(),
            open_orgs: false,
            rate_limits: true,
            latency: Duration::ZERO,
            default_region: "iad".to_owned(),
            boot: Duration::from_millis(1200),
            slow_boot: Duration::from_secs(20),
            stop: Duration::from_millis(800),
            destroy: Duration::from_millis(500),
            replace: Duration::from_millis(1500),
            settle: Duration::from_secs(1),
            flap: Duration::from_secs(10),
            job: Duration::from_secs(2),
            command: None,
            destroyed_visible: Duration::from_mins(1),
            app_delete: Duration::from_millis(500),
            app_missing_after_create: Duration::ZERO,
            machine_missing_after_create: Duration::ZERO,
            listing_lag: Duration::ZERO,
            volume_bound_after_destroy: Duration::ZERO,
            volume_copy: Duration::from_secs(5),
            volume_pending_destroy: Duration::from_hours(24),
            vault_lag: Duration::ZERO,
            secrets_lag: Duration::ZERO,
            postgres: Duration::from_secs(30),
            supabase: Duration::from_mins(2),
            shortages: Vec::new(),
            quotas: Quotas::default(),
            org_page: 1000,
        }
    }
}

impl SimConfig {
    /// Adds an organization and a token with full access to it.
    #[must_use]
    pub fn with_org(mut self, slug: &str, token: &str) -> Self {
        if !self.orgs.iter().any(|org| org.slug == slug) {
            self.orgs.push(SimOrg { slug: slug.to_owned(), name: slug.to_owned() });
        }
        self.tokens.push(SimToken { token: token.to_owned(), org: slug.to_owned(), access: Access::Full });
        self
    }

    /// Adds a GitHub repository, `owner/name`, and a token of the account `hangar-bot` that may write in it.
    #[must_use]
    pub fn with_repo(mut self, full_name: &str, token: &str) -> Self {
        if !self.repos.iter().any(|repo| repo == full_name) {
            self.repos.push(full_name.to_owned());
        }
        self.github_tokens.push(SimGithubToken::new(token, "hangar-bot", full_name, GithubAccess::Write));
        self
    }

    /// Adds a Vercel project, connected with a GitHub repository (`owner/name`) if one is named, and a token that may do everything in
    /// its team.
    #[must_use]
    pub fn with_vercel(mut self, team: &str, project: &str, repo: Option<&str>, token: &str) -> Self {
        if !self.vercel_teams.iter().any(|known| known.slug == team) {
            self.vercel_teams.push(SimVercelTeam::new(team));
        }
        if let Some(repo) = repo
            && !self.repos.iter().any(|known| known == repo)
        {
            self.repos.push(repo.to_owned());
        }
        let (name, repo) = (project.to_owned(), repo.map(str::to_owned));
        let project = SimVercelProject { name, team: team.to_owned(), repo, production_branch: None };
        self.vercel_projects.push(project);
        if !self.vercel_tokens.iter().any(|known| known.token == token) {
            self.vercel_tokens.push(SimVercelToken::new(token, team));
        }
        self
    }

    /// Lets `branch` be that of production in the projects of this name.
    #[must_use]
    pub fn with_production_branch(mut self, project: &str, branch: &str) -> Self {
        for known in self.vercel_projects.iter_mut().filter(|known| known.name == project) {
            known.production_branch = Some(branch.to_owned());
        }
        self
    }

    /// What a Vercel team pays for.
    pub(super) fn vercel_plan(&self, team: &str) -> VercelPlan {
        self.vercel_teams.iter().find(|known| known.slug == team).map_or(VercelPlan::Pro, |team| team.plan)
    }

    /// Adds a project of Neon, and a key that may do everything in it.
    #[must_use]
    pub fn with_neon(mut self, project: SimNeonProject, token: &str) -> Self {
        self.neon_tokens.push(SimNeonToken::new(token, &project.id));
        self.neon_projects.push(project);
        self
    }

    /// Adds a Supabase project by its reference (20 lower-case letters) in the organization `acme`, and a token (`sbp_…`) that may do
    /// everything there.
    #[must_use]
    pub fn with_supabase(mut self, reference: &str, token: &str) -> Self {
        let organization = "acme".to_owned();
        let region = "us-east-1".to_owned();
        let project =
            SimSupabaseProject { reference: reference.to_owned(), organization: organization.clone(), region };
        self.supabase_projects.push(project);
        self.supabase_tokens.push(SimSupabaseToken { token: token.to_owned(), organization, read_only: false });
        self
    }

    /// Adds a token that may only read in `slug`.
    #[must_use]
    pub fn with_read_only_token(mut self, slug: &str, token: &str) -> Self {
        self.tokens.push(SimToken { token: token.to_owned(), org: slug.to_owned(), access: Access::ReadOnly });
        self
    }
}
