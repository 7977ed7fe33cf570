//! The state of the simulated platform, and how it moves with time.
//!
//! ```text
//! World ── apps ── machines, volumes, vault, addresses, certificates, policies
//!       ├─ postgres: clusters of databases
//!       ├─ tokens: those that were made by request
//!       ├─ capacity: what there is no room for, and what organizations may have
//!       └─ schedule: what happens by itself, and when
//! ```

pub(crate) mod address;
pub(crate) mod app;
pub(crate) mod apps;
pub(crate) mod capacity;
pub(crate) mod certificate;
pub(crate) mod checks;
pub(crate) mod container;
pub(crate) mod ids;
pub(crate) mod image;
pub(crate) mod index;
pub(crate) mod lifecycle;
pub(crate) mod machine;
pub(crate) mod normalise;
pub(crate) mod policy;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod schedule;
pub(crate) mod timetable;
pub(crate) mod tokens;
pub(crate) mod vault;
pub(crate) mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::config::SimConfig;
use super::github::Github;
use super::neon::Neon;
use super::supabase::Supabase;
use super::vercel::Vercel;
use super::web::Ledger;
use app::App;
use apps::Apps;
use capacity::Capacity;
use ids::Ids;
use image::Images;
use index::Index;
use lifecycle::Stage;
use postgres::Clusters;
use schedule::{Due, Schedule, before};
use tokens::Tokens;

/// Everything that exists.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct World {
    #[serde(skip)]
    pub(crate) config: Arc<SimConfig>,
    pub(crate) apps: Apps,
    /// The app that has the certificate of each hostname.
    pub(crate) hostnames: BTreeMap<String, String>,
    pub(crate) clusters: Clusters,
    pub(crate) tokens: Tokens,
    pub(crate) capacity: Capacity,
    /// What commands answer that are run in machines.
    pub(crate) commands: Vec<Command>,
    pub(crate) ids: Ids,
    pub(crate) images: Images,
    pub(crate) schedule: Schedule,
    /// The number of each private network, by `organization/name`. A network is for ever.
    networks: BTreeMap<String, u32>,
    /// Hostnames whose DNS points where their certificates want it.
    pub(crate) ready_hostnames: std::collections::BTreeSet<String>,
    pub(crate) index: Index,
    /// How far back reads can be answered from; the past is kept for no longer than that and the listing lag.
    #[serde(skip)]
    memory: std::time::Duration,
    /// What flyctl wrote down of its deployments.
    #[serde(default)]
    pub(crate) ledger: Ledger,
    #[serde(default)]
    pub(crate) github: Github,
    #[serde(default)]
    pub(crate) vercel: Vercel,
    #[serde(default)]
    pub(crate) neon: Neon,
    #[serde(default)]
    pub(crate) supabase: Supabase,
}

impl World {
    pub(crate) fn new(config: Arc<SimConfig>) -> Self {
        let github = Github::from_seed(config.seed);
        let vercel = Vercel::from_seed(config.seed);
        let neon = Neon::from_seed(config.seed, Arc::new(config.neon_times.clone()));
        let supabase = Supabase::of(&config);
        Self {
            ids: Ids::from_seed(config.seed),
            capacity: Capacity::of(&config),
            config,
            apps: Apps::default(),
            hostnames: BTreeMap::new(),
            clusters: Clusters::default(),
            tokens: Tokens::default(),
            commands: Vec::new(),
            images: Images::default(),
            schedule: Schedule::default(),
            networks: BTreeMap::new(),
            ready_hostnames: std::collections::BTreeSet::new(),
            index: Index::default(),
            memory: std::time::Duration::ZERO,
            ledger: Ledger::default(),
            github,
            vercel,
            neon,
            supabase,
        }
    }

    /// Carries out the earliest thing that is due at `now`. Requests that take effect late are handed back, for only the routes can
    /// carry them out.
    pub(crate) fn step(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Option<u64>)> {
        let (at, due) = self.schedule.pop(now)?;
        let late = if let Due::LateRequest { number } = due { Some(number) } else { None };
        self.carry_out(at, due);
        self.record(at);
        Some((at, late))
    }

    fn carry_out(&mut self, at: DateTime<Utc>, due: Due) {
        match due {
            Due::Machine { app, id, generation, step } => {
                let Some((app, mut stage)) = self.stage(&app) else {
                    return;
                };
                let Some(machine) = app.machines.get_mut(&id) else {
                    return;
                };
                if machine.generation != generation {
                    return;
                }
                if step == lifecycle::Step::Forgotten {
                    app.machines.remove(&id);
                } else {
                    machine.carry_out(step, at, &mut stage);
                }
            }
            Due::FreeVolume { app, id, machine } => {
                let volume = self.apps.get_mut(&app).and_then(|app| app.volumes.get_mut(&id));
                if let Some(volume) =
                    volume.filter(|volume| volume.attached_machine.as_deref() == Some(machine.as_str()))
                {
                    volume.attached_machine = None;
                    volume.updated_at = at;
                }
            }
            Due::PurgeVolume { app, id } => {
                if let Some(app) = self.apps.get_mut(&app) {
                    app.volumes.remove(&id);
                }
            }
            Due::RemoveApp { app, app_id } => {
                if self.apps.get(&app).is_some_and(|found| found.id == app_id) {
                    self.remove_app(&app);
                }
            }
            Due::Run { app, id } => {
                let Some((app, mut stage)) = self.stage(&app) else {
                    return;
                };
                if let Some(machine) = app.machines.get_mut(&id) {
                    machine.run_by_schedule(at, &mut stage);
                }
            }
            Due::HostAnswers { app, id } => {
                self.set_reachable(&app, &id, true);
            }
            Due::LateRequest { .. } => {}
        }
    }

    /// An app goes, and with it all that belongs to it.
    fn remove_app(&mut self, name: &str) {
        let Some(app) = self.apps.remove(name) else { return };
        for hostname in app.certificates.keys() {
            self.hostnames.remove(hostname);
        }
        self.clusters.forget_app(name);
    }

    /// Whether the host of a machine answers, and with it that of its volume.
    pub(crate) fn set_reachable(&mut self, app: &str, id: &str, reachable: bool) {
        let Some(app) = self.apps.get_mut(app) else { return };
        let Some(machine) = app.machines.get_mut(id) else { return };
        machine.unreachable = !reachable;
        if let Some(volume) = machine.volume().and_then(|volume| app.volumes.get_mut(volume)) {
            volume.unreachable = !reachable;
        }
    }

    /// An app, together with what its machines need to move.
    pub(crate) fn stage(&mut self, app: &str) -> Option<(&mut App, Stage<'_>)> {
        let Self { apps, ids, schedule, config, commands, .. } = self;
        let app = apps.get_mut(app)?;
        Some((app, Stage { ids, schedule, config, commands }))
    }

    /// The number of the network `name` of `org`; the network is made on first use.
    pub(crate) fn network_number(&mut self, org: &str, name: &str) -> u32 {
        let key = format!("{org}/{name}");
        if let Some(number) = self.networks.get(&key) {
            return *number;
        }
        let number = self.ids.number();
        self.networks.insert(key, number);
        number
    }

    /// Whether `org` has a network of this name.
    pub(crate) fn has_network(&self, org: &str, name: &str) -> bool {
        name.is_empty() || self.networks.contains_key(&format!("{org}/{name}"))
    }

    /// The names of the networks of `org`, the unnamed default network left out.
    pub(crate) fn networks(&self, org: &str) -> Vec<String> {
        let prefix = format!("{org}/");
        self.networks
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Notes what the organization-wide listings will show of this moment, once they have caught up with it.
    pub(crate) fn record(&mut self, at: DateTime<Utc>) {
        self.github.record(at, before(at, self.memory));
        self.vercel.record(at, before(at, self.memory));
        self.neon.record(at, before(at, self.memory));
        let memory = self.config.listing_lag.max(self.memory);
        if memory.is_zero() {
            drop(self.apps.take_touched());
        } else {
            self.index.record(at, before(at, memory), &mut self.apps);
        }
    }

    /// From now on, keeps the past for so long; with no length at all nothing is kept, and nothing is spent on it.
    pub(crate) fn remember(&mut self, memory: std::time::Duration) {
        self.github.remember(!memory.is_zero());
        self.vercel.remember(!memory.is_zero());
        self.neon.remember(!memory.is_zero());
        let before = self.config.listing_lag.max(self.memory);
        self.memory = memory;
        let after = self.config.listing_lag.max(memory);
        if after.is_zero() {
            self.index.forget();
        } else if before.is_zero() {
            self.index.begin(&self.apps);
        }
    }
}

/// What a command answers in the machines of an app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) app: String,
    /// Words that the command line contains.
    pub(crate) words: String,
    pub(crate) exit_code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A moment as the API writes it: RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
