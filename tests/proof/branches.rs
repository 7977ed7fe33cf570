//! What must be so of Neon after every single request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use hangar::http::transport::Method;
use hangar::sim::{Exchange, NeonBranchView, Simulator, Watcher};
use serde_json::Value;

/// Looks at every request to Neon, and remembers what must not have been.
///
/// A branch is the controller's when what was noted of it as it was made names the controller and the branch itself. One that people have
/// given over to it is called `adopted`: it may be changed, and never deleted. One that was the controller's, and is kept under another name,
/// may lose its computes and nothing else.
#[derive(Debug)]
pub(crate) struct Branches {
    owner: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What there was after the request before, by project and id.
    before: BTreeMap<(String, String), Branch>,
    /// Projects of which the last listing was incomplete.
    partial: BTreeSet<String>,
    broken: Vec<String>,
}

#[derive(Debug)]
struct Branch {
    is_ours: bool,
    is_adopted: bool,
    is_put_aside: bool,
    /// Whether it is of a preview, whose end needs no tombstone.
    is_preview: bool,
    computes: BTreeSet<String>,
    /// What the names of its computes say, which hold our marks.
    marks: String,
    /// The password of each role, and what else people can tell of it.
    passwords: BTreeMap<String, String>,
    shown: String,
    /// What people can tell of its computes.
    sizes: String,
}

impl Branch {
    fn is_marked(&self, letter: char) -> bool {
        let marks = self.marks.split("hangar:").flat_map(|name| name.split(','));
        marks.into_iter().any(|mark| mark.starts_with(letter))
    }
}

impl Branches {
    /// Looks at `sim`, which a controller with this owner id writes to, from now on.
    pub(crate) fn of(sim: &Simulator, owner: &str) -> Arc<Self> {
        let branches = Arc::new(Self { owner: owner.to_owned(), seen: Mutex::default() });
        branches.look_again(sim);
        let watcher: Arc<dyn Watcher> = Arc::<Self>::clone(&branches);
        sim.watch(watcher);
        branches
    }

    /// People did something by hand: what there is now is what the next request finds.
    pub(crate) fn look_again(&self, sim: &Simulator) {
        self.seen.lock().unwrap().before = self.picture(sim);
    }

    /// What was broken so far.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.seen.lock().unwrap().broken.clone()
    }

    fn picture(&self, sim: &Simulator) -> BTreeMap<(String, String), Branch> {
        let mut picture = BTreeMap::new();
        for project in sim.neon_projects() {
            for branch in sim.neon(&project).branches() {
                picture.insert((project.clone(), branch.id.clone()), self.branch(sim, &project, &branch));
            }
        }
        picture
    }

    fn branch(&self, sim: &Simulator, project: &str, branch: &NeonBranchView) -> Branch {
        let neon = sim.neon(project);
        let noted = |key: &str| branch.annotation.get(key).map(String::as_str);
        let computes = neon.endpoints(&branch.id);
        let named = |role: &String| Some((role.clone(), neon.password(&branch.id, role)?.expose().to_owned()));
        let sizes: Vec<_> = computes
            .iter()
            .map(|compute| (&compute.id, &compute.name, compute.sizes, compute.suspend_seconds))
            .collect();
        Branch {
            is_ours: noted("hangar_owner") == Some(&self.owner) && noted("hangar_name") == Some(&branch.name),
            is_adopted: branch.name == "adopted",
            is_put_aside: noted("hangar_owner") == Some(&self.owner)
                && noted("hangar_name")
                    .is_some_and(|name| branch.name.starts_with(&format!("{name}-before-deletion-"))),
            is_preview: noted("hangar_set").is_some(),
            marks: computes.iter().filter_map(|compute| compute.name.clone()).collect::<Vec<_>>().join(","),
            passwords: branch.roles.iter().filter_map(named).collect(),
            shown: format!("{branch:?}"),
            sizes: format!("{sizes:?}"),
            computes: computes.into_iter().map(|compute| compute.id).collect(),
        }
    }
}

impl Seen {
    fn judge(&mut self, owner: &str, exchange: &Exchange) {
        let segments: Vec<&str> = exchange.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let ["api", "v2", "projects", project, rest @ ..] = segments.as_slice() else { return };
        if exchange.method == Method::Get {
            // One branch searched for by its name is no listing.
            if matches!(rest, ["branches"] | ["endpoints"]) && !exchange.query.contains("search=") {
                self.note_listing(project, exchange);
            }
            return;
        }
        if !(200..300).contains(&exchange.status) {
            return;
        }
        let what = format!("{} {}", exchange.method.as_str(), exchange.path);
        let branch = match rest {
            ["branches"] => {
                self.judge_creation(owner, &what, &exchange.request);
                return;
            }
            ["branches", id, ..] => self.before.get(&((*project).to_owned(), (*id).to_owned())),
            ["endpoints", id, ..] => self.before.values().find(|branch| branch.computes.contains(*id)),
            _ => {
                self.broken.push(format!("{what}: it is nothing that is done to a branch"));
                return;
            }
        };
        let Some(branch) = branch else { return };
        let mut broken = Vec::new();
        let is_deletion = exchange.method == Method::Delete;
        let leaves_data = branch.is_put_aside && is_deletion && matches!(rest, ["endpoints", _]);
        // The name may be asked for again, where the answer was lost: that changes nothing.
        let is_renamed = branch.is_put_aside && exchange.method == Method::Patch && matches!(rest, ["branches", _]);
        let is_allowed = leaves_data || is_renamed || (branch.is_adopted && !is_deletion);
        if !branch.is_ours && !is_allowed {
            broken.push(format!("{what}: the branch is not ours"));
        }
        if rest.ends_with(&["reset_password"]) {
            broken.push(format!("{what}: nobody asked for another password"));
        }
        if is_deletion && matches!(rest, ["branches", _]) {
            if self.partial.contains(*project) {
                broken.push(format!("{what}: the last listing of the project was incomplete"));
            }
            if branch.is_marked('p') {
                broken.push(format!("{what}: it is protected"));
            }
            if !branch.is_marked('t') && !branch.is_preview {
                broken.push(format!("{what}: no tombstone stands on it"));
            }
        } else if is_deletion && !leaves_data {
            broken.push(format!("{what}: nothing within a branch is ever deleted"));
        }
        self.broken.append(&mut broken);
    }

    /// What is made is marked as ours from birth.
    fn judge_creation(&mut self, owner: &str, what: &str, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let (noted, name) = (&body["annotation_value"], &body["branch"]["name"]);
        if noted["hangar_owner"] != *owner || noted["hangar_name"] != *name || name.is_null() {
            self.broken.push(format!("{what}: what is made is not marked as ours"));
        }
    }

    fn note_listing(&mut self, project: &str, exchange: &Exchange) {
        let is_whole = exchange.status == 200 && exchange.reply.is_some();
        if is_whole {
            self.partial.remove(project);
        } else {
            self.partial.insert(project.to_owned());
        }
    }
}

impl Watcher for Branches {
    fn seen(&self, simulator: &Simulator, exchange: &Exchange) {
        if !exchange.path.starts_with("/api/v2/") {
            return;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.judge(&self.owner, exchange);
        if exchange.method == Method::Get {
            return;
        }
        let after = self.picture(simulator);
        let mut broken = Vec::new();
        for (key, before) in &seen.before {
            let Some(now) = after.get(key) else {
                if !before.is_ours {
                    broken.push(format!(
                        "{} {}: {key:?}, which is not ours, is gone",
                        exchange.method.as_str(),
                        exchange.path
                    ));
                }
                continue;
            };
            let is_same = now.shown == before.shown && (before.is_put_aside || now.sizes == before.sizes);
            if !before.is_ours && !before.is_adopted && !is_same {
                broken.push(format!(
                    "{}: {key:?}, which is not ours, was {} {} and is {} {}",
                    exchange.path, before.shown, before.sizes, now.shown, now.sizes
                ));
            }
            let is_reset = exchange.path.ends_with("/restore");
            let other =
                before.passwords.iter().find(|(role, old)| now.passwords.get(*role).is_some_and(|new| new != *old));
            if let Some((role, _)) = other.filter(|_| !is_reset) {
                broken.push(format!("{}: the password of `{role}` at {key:?} has changed", exchange.path));
            }
        }
        seen.broken.append(&mut broken);
        seen.before = after;
    }
}
