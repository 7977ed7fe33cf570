//! What must be so after every single request, whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use hangar::http::transport::Method;
use hangar::sim::{EditRecord, Exchange, Simulator, Watcher};
use serde_json::Value;

use crate::branches::Branches;
use crate::clusters::Clusters;
use crate::projects::Projects;
use crate::pulls::is_wanted;
use crate::supabase::PreviewBranches;

/// The metadata key that says whose a machine is.
const OWNER_KEY: &str = "hangar_owner";

/// Looks at every request and remembers what must not have been.
///
/// What belongs to whom is told from the outside: an app is the controller's when a request made it (or its spec adopts it); a machine is
/// when it carries the controller's mark, made for it and not for its original. Everything else was put there by people.
#[derive(Debug)]
pub(crate) struct Invariants {
    owner: String,
    seen: Mutex<Seen>,
    branches: Arc<Branches>,
    projects: Arc<Projects>,
    clusters: Arc<Clusters>,
    supabase: Arc<PreviewBranches>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Apps that were made by requests, by the id that the platform gives each.
    made: BTreeSet<String>,
    /// What there was after the request before.
    before: BTreeMap<String, App>,
    /// Organizations whose last listing was incomplete.
    partial: BTreeSet<String>,
    /// Slots with more than one machine, and since which pass.
    doubled: BTreeMap<(String, String), u32>,
    pass: u32,
    /// Whether people have asked for deletions themselves, so that no listing is needed.
    requested: bool,
    /// Whether two controllers have run at once by mistake: each may have made what only one of them would have made once.
    by_two: bool,
    /// Whether the controller has at some time lost what it remembered.
    has_lost_store: bool,
    broken: Vec<String>,
}

/// An app, as far as rules speak of it.
#[derive(Debug, Clone, Default)]
struct App {
    id: String,
    org: String,
    /// Machines, and whether each is the controller's.
    machines: BTreeMap<String, Machine>,
}

#[derive(Debug, Clone)]
struct Machine {
    is_ours: bool,
    slot: String,
    protected: bool,
}

impl Invariants {
    /// Looks at `sim`, which a controller with this owner id writes to, from now on.
    pub(crate) fn of(sim: &Simulator, owner: &str) -> Arc<Self> {
        let invariants = Arc::new(Self {
            owner: owner.to_owned(),
            seen: Mutex::default(),
            branches: Branches::of(sim, owner),
            projects: Projects::of(sim, owner),
            clusters: Clusters::of(sim, owner),
            supabase: PreviewBranches::of(sim, owner),
        });
        {
            let mut seen = invariants.seen.lock().unwrap();
            seen.before = invariants.picture(sim);
            // What carries the mark now was made by a run before this one.
            let ours: Vec<String> =
                seen.before.values().filter(|app| app.is_marked()).map(|app| app.id.clone()).collect();
            seen.made.extend(ours);
        }
        let watcher: Arc<dyn Watcher> = Arc::<Self>::clone(&invariants);
        sim.watch(watcher);
        invariants
    }

    /// People did something by hand: what there is now is what the next request finds.
    pub(crate) fn look_again(&self, sim: &Simulator) {
        self.seen.lock().unwrap().before = self.picture(sim);
        self.branches.look_again(sim);
        self.projects.look_again(sim);
        self.clusters.look_again(sim);
        self.supabase.look_again(sim);
    }

    /// Two controllers of one owner are about to run at once.
    pub(crate) fn two_at_once(&self) {
        self.seen.lock().unwrap().by_two = true;
    }

    /// The controller remembers nothing any more: what a stale listing does not show, it cannot know.
    pub(crate) fn store_lost(&self) {
        self.seen.lock().unwrap().has_lost_store = true;
    }

    /// A pass without faults has ended: what was doubled when it began must not be doubled any more.
    pub(crate) fn end_of_pass(&self, sim: &Simulator) {
        let mut seen = self.seen.lock().unwrap();
        seen.before = self.picture(sim);
        seen.pass += 1;
        let doubled = seen.doubled_now();
        let pass = seen.pass;
        for slot in &doubled {
            let since = *seen.doubled.entry(slot.clone()).or_insert(pass);
            if pass > since {
                seen.broken.push(format!("slot {slot:?} has had more than one machine for longer than a pass"));
            }
        }
        seen.doubled.retain(|slot, _| doubled.contains(slot));
    }

    fn picture(&self, sim: &Simulator) -> BTreeMap<String, App> {
        let apps = sim.apps().into_iter().map(|app| {
            let machines = sim.machines(&app.name).into_iter().map(|machine| {
                let metadata = |key: &str| machine.metadata(key).map(str::to_owned);
                let picture = Machine {
                    // As the mark says it: a clone made by hand has the metadata of its original, but another name.
                    is_ours: metadata(OWNER_KEY).as_deref() == Some(self.owner.as_str())
                        && metadata("hangar_app").as_deref() == Some(app.name.as_str())
                        && metadata("hangar_name").as_deref() == Some(machine.name.as_str()),
                    slot: metadata("hangar_slot").unwrap_or_else(|| machine.name.clone()),
                    protected: machine.metadata("hangar_protect").is_some(),
                };
                (machine.id.clone(), picture)
            });
            let picture = App { id: app.id, org: app.org, machines: machines.collect() };
            (app.name, picture)
        });
        apps.collect()
    }

    /// What was broken so far.
    pub(crate) fn broken(&self) -> Vec<String> {
        let mut broken = self.seen.lock().unwrap().broken.clone();
        broken.extend(self.branches.broken());
        broken.extend(self.projects.broken());
        broken.extend(self.clusters.broken());
        broken.extend(self.supabase.broken());
        let (by_two, has_lost_store) = {
            let seen = self.seen.lock().unwrap();
            (seen.by_two, seen.has_lost_store)
        };
        if !by_two {
            broken.extend(self.projects.doubled(has_lost_store));
            broken.extend(self.clusters.doubled());
        }
        broken
    }

    /// Ends the test where anything was broken.
    pub(crate) fn hold(&self) {
        let broken = self.broken();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

impl App {
    fn is_marked(&self) -> bool {
        self.machines.values().any(|machine| machine.is_ours)
    }
}

impl Seen {
    fn doubled_now(&self) -> BTreeSet<(String, String)> {
        let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
        for (name, app) in &self.before {
            for machine in app.machines.values().filter(|machine| machine.is_ours) {
                *counts.entry((name.clone(), machine.slot.clone())).or_default() += 1;
            }
        }
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(slot, _)| slot).collect()
    }

    fn is_ours(&self, app: &App) -> bool {
        self.made.contains(&app.id) || app.is_marked()
    }

    fn judge(&mut self, simulator: &Simulator, exchange: &Exchange) {
        let segments: Vec<&str> = exchange.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let what = || format!("{} {}", exchange.method.as_str(), exchange.path);
        let ["v1", rest @ ..] = segments.as_slice() else { return };
        if let (Method::Get, ["orgs", org, "machines" | "volumes"]) = (exchange.method, rest) {
            self.note_listing(org, exchange);
            return;
        }
        let is_write = exchange.method != Method::Get && (200..300).contains(&exchange.status);
        if let (true, Method::Post, ["postgres", _, "attachments"]) = (is_write, exchange.method, rest) {
            let body = serde_json::from_slice::<Value>(&exchange.request).unwrap_or_default();
            let attached = body.get("app_name").and_then(Value::as_str).and_then(|name| self.before.get(name));
            if !attached.is_some_and(|app| self.is_ours(app)) {
                self.broken.push(format!("{}: the app is not ours", what()));
            }
            return;
        }
        let ["apps", name, below @ ..] = rest else { return };
        if is_write && !matches!(below, ["machines", _, "lease"]) {
            // What an edit between two requests has put there was never seen before.
            let by_hand = |edit: &EditRecord| {
                edit.made && edit.app == *name && edit.machine.as_deref().is_none_or(|made| below.get(1) == Some(&made))
            };
            if simulator.edits().iter().any(by_hand) {
                self.broken.push(format!("{}: somebody else has just put it there", what()));
            }
        }
        if is_write && exchange.method == Method::Delete && below.is_empty() && is_wanted(simulator, name, exchange.at)
        {
            self.broken.push(format!("{}: its pull request has been open and unlabelled for minutes", what()));
        }
        let Some(app) = self.before.get(*name).filter(|_| is_write) else { return };
        let mut broken = Vec::new();
        let of_machine = match below {
            ["machines", id, ..] => app.machines.get(*id),
            _ => None,
        };
        match (exchange.method, below) {
            // A lease keeps others away for seconds and changes nothing.
            (_, ["machines", _, "lease"]) => {}
            _ if !self.is_ours(app) => broken.push(format!("{}: the app is not ours", what())),
            (_, ["machines", _, ..]) if of_machine.is_some_and(|machine| !machine.is_ours) => {
                broken.push(format!("{}: the machine is not ours", what()));
            }
            (Method::Delete, [] | ["machines", _] | ["volumes", _]) => {
                if self.partial.contains(&app.org) && !self.requested {
                    broken.push(format!("{}: the last listing of `{}` was incomplete", what(), app.org));
                }
                if of_machine.is_some_and(|machine| machine.protected) && below.is_empty() {
                    broken.push(format!("{}: it is protected", what()));
                }
            }
            _ => {}
        }
        self.broken.append(&mut broken);
    }

    fn note_listing(&mut self, org: &str, exchange: &Exchange) {
        let failed = exchange
            .reply
            .as_ref()
            .and_then(|reply| reply.get("error_regions"))
            .and_then(Value::as_array)
            .is_some_and(|regions| !regions.is_empty());
        if failed {
            self.partial.insert(org.to_owned());
        } else if exchange.status == 200 {
            self.partial.remove(org);
        }
    }
}

impl Watcher for Invariants {
    fn seen(&self, simulator: &Simulator, exchange: &Exchange) {
        let mut seen = self.seen.lock().unwrap();
        seen.judge(simulator, exchange);
        if exchange.method == Method::Get {
            return;
        }
        seen.before = self.picture(simulator);
        let segments: Vec<&str> = exchange.path.split('/').filter(|segment| !segment.is_empty()).collect();
        if exchange.method == Method::Post && segments == ["v1", "apps"] && (200..300).contains(&exchange.status) {
            let name = serde_json::from_slice::<Value>(&exchange.request).ok();
            let name = name.as_ref().and_then(|body| body.get("app_name").or_else(|| body.get("name")));
            let id = name.and_then(Value::as_str).and_then(|name| seen.before.get(name)).map(|app| app.id.clone());
            seen.made.extend(id);
        }
    }
}
