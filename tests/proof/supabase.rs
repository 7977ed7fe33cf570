//! What must be so of Supabase after every single request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use hangar::http::transport::Method;
use hangar::resource::OwnerId;
use hangar::resource::own_name;
use hangar::sim::{Exchange, Simulator, SupabaseBranchView, Watcher};

/// Looks at every request to Supabase, and remembers what must not have been.
///
/// A branch is the controller's when its name, up to the first dot, is one that only the controller makes. What follows are marks.
#[derive(Debug)]
pub(crate) struct PreviewBranches {
    owner: OwnerId,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What there was after the request before, by id.
    before: BTreeMap<String, SupabaseBranchView>,
    /// Projects of which the branches could not be listed last time.
    partial: BTreeSet<String>,
    broken: Vec<String>,
}

impl PreviewBranches {
    /// Looks at `sim`, which a controller with this owner id writes to, from now on.
    pub(crate) fn of(sim: &Simulator, owner: &str) -> Arc<Self> {
        let branches = Arc::new(Self { owner: OwnerId::new(owner), seen: Mutex::default() });
        branches.look_again(sim);
        let watcher: Arc<dyn Watcher> = Arc::<Self>::clone(&branches);
        sim.watch(watcher);
        branches
    }

    /// People did something by hand: what there is now is what the next request finds.
    pub(crate) fn look_again(&self, sim: &Simulator) {
        self.seen.lock().unwrap().before = picture(sim);
    }

    /// What was broken so far.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.seen.lock().unwrap().broken.clone()
    }

    fn is_ours(&self, branch: &SupabaseBranchView) -> bool {
        let name = branch.name.split('.').next().unwrap_or_default();
        own_name::read(&self.owner, name, &branch.parent).is_some()
    }

    /// Why a branch of ours must not be deleted.
    fn reason_to_stay(&self, branch: &SupabaseBranchView) -> Option<&'static str> {
        let (name, marks) = branch.name.split_once('.').unwrap_or((&branch.name, ""));
        let (env, _) = own_name::read(&self.owner, name, &branch.parent)?;
        let is_marked = |letter| marks.split('.').any(|mark| mark.starts_with(letter));
        if is_marked('p') {
            return Some("it is protected");
        }
        // The end of a preview needs no tombstone; previews here are named after their numbers.
        let is_preview = own_name::last_word(&env).parse::<u64>().is_ok();
        (!is_preview && !is_marked('t')).then_some("no tombstone stands on it")
    }

    /// What one request has made of it, and should not have.
    fn judge(
        &self,
        before: &BTreeMap<String, SupabaseBranchView>,
        after: &BTreeMap<String, SupabaseBranchView>,
    ) -> Vec<String> {
        // How far it is changes by itself.
        let shown = |one: &SupabaseBranchView| (one.name.clone(), one.git_branch.clone(), one.persistent);
        let mut broken = Vec::new();
        for (id, branch) in before.iter().filter(|(_, branch)| !self.is_ours(branch)) {
            let now = after.get(id);
            if now.map(shown) != Some(shown(branch)) {
                broken.push(format!("the branch {}, which is not ours, is {now:?}", branch.name));
            }
        }
        for branch in before.iter().filter(|(id, _)| !after.contains_key(*id)).map(|(_, branch)| branch) {
            let why = self.reason_to_stay(branch);
            broken.extend(why.map(|why| format!("the branch {} is gone: {why}", branch.name)));
        }
        for (id, branch) in after.iter().filter(|(id, _)| !before.contains_key(*id)) {
            if !self.is_ours(branch) {
                broken.push(format!(
                    "the branch {} ({id}) is made, and its name does not say that it is ours",
                    branch.name
                ));
            }
            let name = |one: &SupabaseBranchView| one.name.split('.').next().map(str::to_owned);
            if before.values().any(|other| name(other) == name(branch)) {
                broken.push(format!("the branch {} is made twice", branch.name));
            }
        }
        broken
    }
}

fn picture(sim: &Simulator) -> BTreeMap<String, SupabaseBranchView> {
    let projects = sim.supabase_projects();
    let all = projects.iter().flat_map(|project| sim.supabase_branches(project));
    all.map(|branch| (branch.id.clone(), branch)).collect()
}

impl Watcher for PreviewBranches {
    fn seen(&self, simulator: &Simulator, exchange: &Exchange) {
        let segments: Vec<&str> = exchange.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut seen = self.seen.lock().unwrap();
        match (exchange.method, segments.as_slice()) {
            (Method::Get, [_, "projects", project, "branches"]) if exchange.status == 200 => {
                seen.partial.remove(*project);
            }
            (Method::Get, [_, "projects", project, "branches"]) => drop(seen.partial.insert((*project).to_owned())),
            (Method::Get, _) => {}
            (_, [_, "projects", _, "branches"] | [_, "branches", ..]) => {
                let after = picture(simulator);
                let mut broken = self.judge(&seen.before, &after);
                let gone = seen.before.values().filter(|one| !after.contains_key(&one.id));
                let blind = gone.filter(|one| seen.partial.contains(&one.parent));
                broken.extend(blind.map(|one| format!("{} is gone: the last listing of its project failed", one.name)));
                let what = format!("{} {}", exchange.method.as_str(), exchange.path);
                seen.broken.extend(broken.into_iter().map(|broken| format!("{what}: {broken}")));
                seen.before = after;
            }
            _ => {}
        }
    }
}
