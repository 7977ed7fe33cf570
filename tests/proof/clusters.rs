//! What must be so of Managed Postgres after every single request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hangar::http::transport::Method;
use hangar::resource::OwnerId;
use hangar::resource::own_name::{last_word, marker};
use hangar::sim::{ClusterView, Exchange, Simulator, Watcher};

/// Looks at every request to Managed Postgres, and remembers what must not have been.
///
/// A cluster, a database or a user is the controller's when its name says so where it is; an empty database that says something of one
/// of those is its mark.
#[derive(Debug)]
pub(crate) struct Clusters {
    owner: OwnerId,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What there was after the request before, by id.
    before: BTreeMap<String, Cluster>,
    /// Whether the last listing of clusters failed.
    is_partial: bool,
    broken: Vec<String>,
    doubled: Vec<String>,
}

#[derive(Debug)]
struct Cluster {
    view: ClusterView,
    /// Whose it is: the environment, if it is the controller's.
    env: Option<String>,
    /// What is in it, each with what can be told of it, and with its environment if it is the controller's.
    content: BTreeMap<String, Part>,
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    env: Option<String>,
    is_mark: bool,
    shown: String,
}

impl Cluster {
    /// What is noted on what is called `bearer`.
    fn is_marked(&self, bearer: &str, letter: char) -> bool {
        let (begin, end) = (format!("hangar_{letter}"), format!("_{}", last_word(bearer)));
        self.view.databases.iter().any(|name| name.starts_with(&begin) && name.ends_with(&end))
    }

    /// Why what is called `name` must not be deleted.
    fn reason_to_stay(&self, env: &str, name: &str) -> Option<&'static str> {
        if self.is_marked(name, 'p') {
            return Some("it is protected");
        }
        // The end of a preview needs no tombstone; previews here are named after their numbers.
        let is_preview = last_word(env).parse::<u64>().is_ok();
        (!is_preview && !self.is_marked(name, 't')).then_some("no tombstone stands on it")
    }
}

impl Clusters {
    /// Looks at `sim`, which a controller with this owner id writes to, from now on.
    pub(crate) fn of(sim: &Simulator, owner: &str) -> Arc<Self> {
        let clusters = Arc::new(Self { owner: OwnerId::new(owner), seen: Mutex::default() });
        clusters.look_again(sim);
        let watcher: Arc<dyn Watcher> = Arc::<Self>::clone(&clusters);
        sim.watch(watcher);
        clusters
    }

    /// People did something by hand: what there is now is what the next request finds.
    pub(crate) fn look_again(&self, sim: &Simulator) {
        self.seen.lock().unwrap().before = self.picture(sim);
    }

    /// What was broken so far.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.seen.lock().unwrap().broken.clone()
    }

    /// What was made twice, which only one controller alone can avoid.
    pub(crate) fn doubled(&self) -> Vec<String> {
        self.seen.lock().unwrap().doubled.clone()
    }

    fn picture(&self, sim: &Simulator) -> BTreeMap<String, Cluster> {
        let orgs = sim.cluster_orgs().into_iter();
        let all = orgs.flat_map(|org| sim.clusters(&org).into_iter().map(move |view| (org.clone(), view)));
        all.map(|(org, view)| (view.id.clone(), self.cluster(sim, &org, view))).collect()
    }

    fn cluster(&self, sim: &Simulator, org: &str, view: ClusterView) -> Cluster {
        let of = |name: &str, within: &str| Some(marker(&self.owner, "postgres", name, within)?.env.to_string());
        let within = |name: &String| of(name, &view.name).or_else(|| of(name, &view.id));
        let ours: BTreeMap<&str, String> = view
            .databases
            .iter()
            .chain(&view.users)
            .filter_map(|name| Some((last_word(name), within(name)?)))
            .collect();
        let database = |name: &String| {
            let word = name.starts_with("hangar_").then(|| name.rsplit_once('_')).flatten().map(|(_, word)| word);
            let marked = word.and_then(|word| ours.get(word).cloned());
            let is_mark = word.is_some();
            (format!("database {name}"), Part { env: within(name).or(marked), is_mark, shown: String::new() })
        };
        let user = |(name, role): (&String, &String)| {
            let shown = format!("{role} {:?}", sim.cluster_password(&view.id, name));
            (format!("user {name}"), Part { env: within(name), is_mark: false, shown })
        };
        let content = view.databases.iter().map(database).chain(view.roles.iter().map(user)).collect();
        Cluster { env: of(&view.name, org), content, view }
    }

    fn judge(before: &Cluster, after: Option<&Cluster>, exchange: &Exchange) -> Vec<String> {
        let mut broken = Vec::new();
        let name = &before.view.name;
        let Some(after) = after.filter(|after| after.view.status != "deleting" || before.view.status == "deleting")
        else {
            let why = match &before.env {
                None => Some("it is not ours"),
                Some(env) => before.reason_to_stay(env, name),
            };
            broken.extend(why.map(|why| format!("the cluster {name} is gone: {why}")));
            return broken;
        };
        for (part, was) in &before.content {
            let now = after.content.get(part);
            let plain = part.split_once(' ').map_or(part.as_str(), |(_, plain)| plain);
            match (was.env.as_ref().or(before.env.as_ref()), now) {
                (None, now) if now != Some(was) => {
                    broken.push(format!("{part} in {name}, which is not ours, was {was:?} and is {now:?}"));
                }
                (Some(env), None) if !was.is_mark && part.starts_with("database") => {
                    let why = before.reason_to_stay(env, plain);
                    broken.extend(why.map(|why| format!("{part} in {name} is gone: {why}")));
                }
                (Some(_), Some(now)) => {
                    let password = |part: &Part| part.shown.split_once(' ').map(|(_, password)| password.to_owned());
                    let is_rotation = exchange.path.ends_with(&format!("/users/{plain}/rotate_password"));
                    if password(was) != password(now) && !is_rotation {
                        broken.push(format!("the password of {part} in {name} has changed"));
                    }
                }
                _ => {}
            }
        }
        let is_new = |part: &&String| !before.content.contains_key(*part);
        for part in after.content.keys().filter(is_new) {
            if after.content[part].env.is_none() && after.env.is_none() {
                broken.push(format!("{part} in {name} does not say that it is ours"));
            }
        }
        broken
    }
}

impl Watcher for Clusters {
    fn seen(&self, simulator: &Simulator, exchange: &Exchange) {
        if !exchange.path.starts_with("/v1/postgres") {
            return;
        }
        let mut seen = self.seen.lock().unwrap();
        if exchange.method == Method::Get {
            if exchange.path == "/v1/postgres" {
                seen.is_partial = exchange.status != 200;
            }
            return;
        }
        let after = self.picture(simulator);
        let mut broken = Vec::new();
        for (id, before) in &seen.before {
            broken.extend(Self::judge(before, after.get(id), exchange));
        }
        if exchange.method == Method::Delete && seen.is_partial {
            broken.push("the last listing of clusters failed".to_owned());
        }
        if exchange.method == Method::Delete && exchange.path.contains("/attachments/") {
            broken.push("nothing says who has noted that this app uses this cluster".to_owned());
        }
        let mut doubled = Vec::new();
        for (_, made) in after.iter().filter(|(id, _)| !seen.before.contains_key(*id)) {
            let name = &made.view.name;
            if made.env.is_none() {
                broken.push(format!("the cluster {name} does not say that it is ours"));
            }
            let is_there = |other: &Cluster| other.view.name == *name && other.view.status != "deleting";
            if seen.before.values().any(is_there) {
                doubled.push(format!("there are two clusters {name}"));
            }
        }
        seen.doubled.extend(doubled);
        let what = format!("{} {}", exchange.method.as_str(), exchange.path);
        seen.broken.extend(broken.into_iter().map(|broken| format!("{what}: {broken}")));
        seen.before = after;
    }
}
