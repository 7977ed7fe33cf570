//! A faithful in-memory server for the Fly Machines REST API, and for parts of GitHub's, Vercel's and Neon's.
//!
//! ```text
//! transport (in process, socket) ─> server (log, faults, auth, limits) ─> routes ─> world (apps, machines, volumes, secrets …)
//! ```
//!
//! It knows nothing of the rest of Hangar. Time, and with it everything that happens by itself, comes from the clock that it is
//! given; identifiers come from a seed: two runs with the same requests at the same times are equal.
//!
//! No image is pulled. What a tag contains says how its image behaves, also when it is pinned by the digest that the tag resolved to:
//!
//! | tag contains | the image |
//! |---|---|
//! | `crash` | exits with code 1 shortly after each start |
//! | `oom` | is killed for want of memory shortly after each start (code 137) |
//! | `oneshot` | ends with code 0 shortly after start |
//! | `unhealthy` | runs, but its checks are critical |
//! | `flap` | runs, and its checks pass and are critical by turns |
//! | `slow` | takes 20 s to boot |
//! | `missing` | does not exist (`MANIFEST_UNKNOWN`) |
//! | anything else | runs, and its checks pass a second after start |
//!
//! Beside it there is as much of GitHub, Vercel and Neon (`github`, `vercel`, `neon`) as previews need, on the same clock, with the same
//! faults and the same log. What is pushed to a repository there is deployed here.
//!
//! A machine with `auto_destroy` is a job: its process ends with code 0 after two seconds. One with a `schedule` rests, and is a job when
//! its time comes. One with `standbys` rests.

mod accidents;
mod admin;
mod admin_github;
mod admin_neon;
mod admin_platform;
mod auth;
mod clusters;
mod config;
pub mod contract;
mod edits;
mod faults;
mod github;
mod inspect;
mod limits;
mod log;
mod neon;
mod registry;
mod routes;
mod server;
mod snapshot;
mod supabase;
mod transport;
mod vercel;
mod watch;
mod web;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use accidents::Traffic;
pub use clusters::ClusterView;
pub use config::{Access, CheckResult, Quotas, Shortage, SimConfig, SimOrg, SimRegistry, SimToken};
pub use edits::EditError;
pub use faults::{
    CrashPoint, Edit, EditAction, EditRecord, Fault, FaultError, FaultFile, FaultFileError, FaultKind, Matcher, Only,
    Profile,
};
pub use github::{
    CommentView, DeploymentView, GithubAccess, NewPull, PullView, RepositoryHand, SentWebhook, SimGithubApp,
    SimGithubToken, StatusView, WebhookDelivery, WebhookTarget,
};
pub use inspect::{AddressView, AppView, CertificateView, MachineView, VolumeView};
pub use log::{RequestListener, RequestRecord};
pub use neon::{
    NeonAccess, NeonBranchView, NeonEndpointView, NeonHand, NeonKey, NeonLimits, NeonOperationView, NeonPlan,
    NeonTimes, SimNeonProject, SimNeonToken,
};
pub use snapshot::SnapshotError;
pub use supabase::{SimSupabaseProject, SimSupabaseToken, SupabaseBranchView};
pub use vercel::{
    SimVercelProject, SimVercelTeam, SimVercelToken, VercelBuild, VercelDeploymentView, VercelDomainView, VercelHand,
    VercelPlan, VercelTimes, VercelVariableView,
};
pub use watch::{Exchange, Watcher};

use crate::clock::SharedClock;
use crate::http::transport::SharedTransport;
use faults::{Faults, KillPoint};
use limits::Limits;
use log::Log;
use routes::Call;
use world::World;
use world::ids::Ids;

/// The simulator. Clones share one world.
#[derive(Debug, Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<SimConfig>,
    clock: SharedClock,
    state: Mutex<State>,
    /// Told after every change, for those who wait for a machine.
    changed: tokio::sync::Notify,
}

#[derive(Debug)]
struct State {
    world: World,
    faults: Faults,
    log: Log,
    limits: Limits,
    /// Requests whose effect comes later, by their number in the log.
    late: BTreeMap<u64, Call>,
    request_ids: Ids,
    watchers: watch::Watchers,
    /// By how much the platform's clock is ahead.
    skew: chrono::TimeDelta,
    /// Names of apps and ids of machines that no request has made.
    by_hand: BTreeSet<String>,
}

impl Simulator {
    /// An empty platform.
    pub fn new(config: SimConfig, clock: SharedClock) -> Self {
        let config = Arc::new(config);
        let world = World::new(Arc::clone(&config));
        Self::of_world(world, config, clock)
    }

    fn of_world(mut world: World, config: Arc<SimConfig>, clock: SharedClock) -> Self {
        for repo in &config.repos {
            world.github.ensure(repo, clock.now());
        }
        world.vercel.ensure_all(&config, clock.now());
        world.vercel.sync(&world.github, &config, clock.now());
        world.neon.set_times(config.neon_times.clone());
        for project in &config.neon_projects {
            world.neon.ensure(project, clock.now());
        }
        let state = State {
            world,
            faults: Faults::from_seed(config.seed),
            log: Log::default(),
            limits: Limits::default(),
            late: BTreeMap::new(),
            request_ids: Ids::from_seed(!config.seed),
            watchers: watch::Watchers::default(),
            skew: chrono::TimeDelta::zero(),
            by_hand: BTreeSet::new(),
        };
        Self { inner: Arc::new(Inner { config, clock, state: Mutex::new(state), changed: tokio::sync::Notify::new() }) }
    }

    /// A transport that calls the simulator in process, whatever host its requests name.
    pub fn transport(&self) -> SharedTransport {
        Arc::new(transport::InProcess::new(self))
    }

    /// Every request so far (or since [`Self::clear_requests`]), in order of arrival. Connections that were refused are not among them.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.lock().log.records()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.lock().log.clear();
    }

    /// How many of the requests could not have had an effect.
    pub fn reads(&self) -> usize {
        self.requests().iter().filter(|request| request.is_read()).count()
    }

    /// How many of the requests could have had an effect.
    pub fn writes(&self) -> usize {
        self.requests().iter().filter(|request| !request.is_read()).count()
    }

    /// Adds a fault. Of those that spoil an answer, the first one that matches a request hits it.
    pub fn inject(&self, fault: Fault) {
        // What is due has to happen before the past begins.
        let mut state = self.present();
        state.faults.inject(fault);
        let memory = state.faults.longest_stale();
        state.world.remember(memory);
    }

    /// The faults that are still set, with what is left of their counts.
    pub fn faults(&self) -> Vec<Fault> {
        self.lock().faults.list()
    }

    /// Removes all faults. What they have done stays: edits, the platform's clock, hosts that do not answer until their time is up.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.world.remember(std::time::Duration::ZERO);
    }

    /// Sets the faults of a profile in place of those that are set.
    pub fn set_profile(&self, profile: Profile) {
        self.clear_faults();
        for fault in profile.faults() {
            self.inject(fault);
        }
        self.lock().faults.profile = Some(profile);
    }

    /// The profile that was set last, unless faults were cleared since.
    pub fn profile(&self) -> Option<Profile> {
        self.lock().faults.profile
    }

    /// Where the faults that are set from now on draw from, instead of the simulator's seed.
    pub fn seed_faults(&self, seed: u64) {
        self.lock().faults.reseed(seed);
    }

    /// Lets everything end in the request number `count` from now (1 is the next one): its connection breaks at `point`, and every
    /// later one is refused until [`Self::revive`].
    pub fn kill_after(&self, count: u32, point: CrashPoint) {
        self.lock().faults.kill_at(KillPoint { remaining: count.max(1), writes_only: false, point });
    }

    /// The same, counting only requests that could have an effect.
    pub fn kill_after_writes(&self, count: u32, point: CrashPoint) {
        self.lock().faults.kill_at(KillPoint { remaining: count.max(1), writes_only: true, point });
    }

    /// Whether the kill point was reached.
    pub fn is_dead(&self) -> bool {
        self.lock().faults.dead
    }

    /// Lets requests through again and removes the kill point.
    pub fn revive(&self) {
        self.lock().faults.revive();
    }

    /// The state, as it is now or was at the last request.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, with everything carried out that is due.
    fn present(&self) -> MutexGuard<'_, State> {
        let now = self.inner.clock.now();
        let mut state = self.lock();
        let now = state.platform_time(now);
        state.advance(now);
        state
    }
}

#[cfg(test)]
pub(crate) mod tests;
