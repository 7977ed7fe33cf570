//! What must be so of Vercel after every single request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use hangar::http::transport::Method;
use hangar::sim::{Exchange, Simulator, VercelVariableView, Watcher};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Team and name of a project.
type Name = (String, String);

/// Looks at every request to Vercel, and remembers what must not have been.
///
/// A variable is the controller's when its comment names the controller, or when it is a mark under the name that belongs to it; a domain
/// when such a mark names it; a secret when its note names the controller; and a deployment when such a mark names its branch.
#[derive(Debug)]
pub(crate) struct Projects {
    owner: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    before: BTreeMap<Name, Project>,
    /// Projects of which the variables could not be listed last time.
    partial: BTreeSet<String>,
    /// Whether the last listing of deployments showed the world as it was.
    is_stale: bool,
    broken: Vec<String>,
    /// What was made twice, each with whether the listing before it could not show the first one.
    doubled: Vec<(bool, String)>,
}

/// What there is in a project.
#[derive(Debug)]
struct Project {
    variables: BTreeMap<String, Variable>,
    /// Domains, each with what people can tell of it.
    domains: BTreeMap<String, String>,
    /// Aliases, each with the deployment that it leads to.
    aliases: BTreeMap<String, String>,
    /// Secrets that pass the protection, each with its note.
    bypasses: BTreeMap<String, Option<String>>,
    deployments: BTreeMap<String, Deployment>,
    /// The values of the controller's marks, the newest first: where an environment moves, it has two for a moment.
    marks: Vec<Value>,
}

#[derive(Debug)]
struct Variable {
    is_ours: bool,
    is_mark: bool,
    branch: Option<String>,
    updated_at: DateTime<Utc>,
    shown: String,
}

#[derive(Debug)]
struct Deployment {
    branch: Option<String>,
    sha: Option<String>,
    state: &'static str,
    production: bool,
    created_at: DateTime<Utc>,
}

/// The name of the variable that holds the mark of an environment.
pub(crate) fn mark_key(owner: &str, env: &str) -> String {
    let hash = hex::encode_upper(Sha256::digest(format!("{owner}\n{env}")));
    format!("HANGAR_ENVIRONMENT_{}", &hash[..12])
}

impl Project {
    fn mark_of_domain(&self, domain: &str) -> Option<&Value> {
        self.marks.iter().find(|mark| has(&mark["domains"], domain))
    }

    fn mark_of_alias(&self, alias: &str) -> Option<&Value> {
        self.marks.iter().find(|mark| has(&mark["aliases"], alias))
    }

    fn has_deployment(&self, id: &str) -> bool {
        self.deployments.get(id).is_some_and(|one| one.state != "DELETED")
    }

    fn mark_of_branch(&self, branch: Option<&String>) -> Option<&Value> {
        self.marks
            .iter()
            .find(|mark| mark["deployment"] == true && mark["branch"].as_str() == branch.map(String::as_str))
    }

    fn mark_of_env(&self, env: &str) -> Option<&Value> {
        self.marks.iter().find(|mark| mark["env"] == env)
    }
}

fn has(list: &Value, text: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|each| each == text))
}

/// Why what goes by `slot` in `mark` must not be deleted.
fn reason_to_stay(mark: &Value, slot: &str) -> Option<&'static str> {
    let marks = &mark["marks"][slot];
    if !marks["hangar_protect"].is_null() {
        return Some("it is protected");
    }
    // The end of a preview needs no tombstone.
    let may_go = !marks["hangar_tombstone"].is_null() || !mark["set"].is_null();
    (!may_go).then_some("no tombstone stands on it")
}

/// What a write has made of aliases, and should not have. One goes with the deployment that it leads to, whoever has made it.
fn judge_aliases(before: &Project, after: &Project, broken: &mut Vec<String>) {
    for (alias, deployment) in &before.aliases {
        let now = after.aliases.get(alias);
        match before.mark_of_alias(alias) {
            None if now != Some(deployment) && after.has_deployment(deployment) => {
                broken.push(format!("the alias {alias}, which is not ours, leads to {now:?}"));
            }
            Some(mark) if now.is_none() && after.has_deployment(deployment) => {
                let why = reason_to_stay(mark, &format!("alias {alias}"));
                broken.extend(why.map(|why| format!("the alias {alias} is gone: {why}")));
            }
            _ => {}
        }
    }
    for alias in after.aliases.keys().filter(|alias| !before.aliases.contains_key(*alias)) {
        if before.mark_of_alias(alias).is_none() {
            broken.push(format!("the alias {alias} was not noted as ours before it was made"));
        }
    }
}

impl Projects {
    /// Looks at `sim`, which a controller with this owner id writes to, from now on.
    pub(crate) fn of(sim: &Simulator, owner: &str) -> Arc<Self> {
        let projects = Arc::new(Self { owner: owner.to_owned(), seen: Mutex::default() });
        projects.look_again(sim);
        let watcher: Arc<dyn Watcher> = Arc::<Self>::clone(&projects);
        sim.watch(watcher);
        projects
    }

    /// People did something by hand: what there is now is what the next request finds.
    pub(crate) fn look_again(&self, sim: &Simulator) {
        self.seen.lock().unwrap().before = self.picture(sim);
    }

    /// What was broken so far.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.seen.lock().unwrap().broken.clone()
    }

    /// What was made twice, which only one controller alone can avoid; and one that has lost its store only where it was shown the first.
    pub(crate) fn doubled(&self, has_lost_store: bool) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let doubled = seen.doubled.iter().filter(|(is_stale, _)| !(*is_stale && has_lost_store));
        doubled.map(|(_, what)| what.clone()).collect()
    }

    fn picture(&self, sim: &Simulator) -> BTreeMap<Name, Project> {
        sim.vercel_projects().into_iter().map(|name| (name.clone(), self.project(sim, &name))).collect()
    }

    fn project(&self, sim: &Simulator, (team, name): &Name) -> Project {
        let vercel = sim.vercel(team, name);
        let mut variables = vercel.variables();
        variables.sort_by_key(|one| std::cmp::Reverse(one.updated_at));
        let deployments = vercel.deployments().into_iter().map(|one| {
            let (state, production, created_at) = (one.state, one.production, one.created_at);
            (one.id, Deployment { branch: one.branch, sha: one.sha, state, production, created_at })
        });
        Project {
            marks: variables.iter().filter_map(|one| self.mark(one)).collect(),
            variables: variables.iter().map(|one| (one.id.clone(), self.variable(one))).collect(),
            domains: vercel.domains().into_iter().map(|one| (one.name.clone(), format!("{one:?}"))).collect(),
            aliases: vercel.aliases(),
            bypasses: vercel.bypasses(),
            deployments: deployments.collect(),
        }
    }

    fn variable(&self, one: &VercelVariableView) -> Variable {
        let is_mark = self.mark(one).is_some();
        let noted =
            one.comment.as_deref().is_some_and(|comment| comment.starts_with(&format!("hangar {}/", self.owner)));
        let VercelVariableView { key, value, kind, target, branch, comment, .. } = one;
        Variable {
            is_ours: is_mark || noted,
            is_mark,
            branch: branch.clone(),
            updated_at: one.updated_at,
            shown: format!("{key} {value} {kind} {target:?} {branch:?} {comment:?}"),
        }
    }

    /// The value of the mark that a variable is.
    fn mark(&self, one: &VercelVariableView) -> Option<Value> {
        let mark: Value = serde_json::from_str(&one.value).ok().filter(|_| one.kind == "plain")?;
        let (owner, env) = (mark["owner"].as_str()?, mark["env"].as_str()?);
        (owner == self.owner && one.key == mark_key(owner, env)).then_some(mark)
    }

    /// The environment that the note of a secret names, if the controller has written it.
    fn noted<'n>(&self, note: Option<&'n String>) -> Option<&'n str> {
        note?.strip_prefix("hangar ")?.strip_prefix(self.owner.as_str())?.strip_prefix('/')
    }

    /// What a write has made of one project, and should not have.
    fn judge(&self, before: &Project, after: &Project) -> Vec<String> {
        let mut broken = Vec::new();
        for (id, variable) in &before.variables {
            let now = after.variables.get(id);
            if !variable.is_ours && now.map(|now| &now.shown) != Some(&variable.shown) {
                broken.push(format!("the variable {}, which is not ours, is {now:?}", variable.shown));
            }
        }
        let is_new = |id: &&String| !before.variables.contains_key(*id);
        for variable in after.variables.keys().filter(is_new).map(|id| &after.variables[id]) {
            if !variable.is_ours {
                broken.push(format!("the variable {} is not marked as ours", variable.shown));
            }
        }
        for (domain, shown) in &before.domains {
            let now = after.domains.get(domain);
            match before.mark_of_domain(domain) {
                None if now != Some(shown) => {
                    broken.push(format!("the domain {shown}, which is not ours, is {now:?}"));
                }
                Some(mark) if now.is_none() => {
                    let why = reason_to_stay(mark, &format!("domain {domain}"));
                    broken.extend(why.map(|why| format!("the domain {domain} is gone: {why}")));
                }
                _ => {}
            }
        }
        for domain in after.domains.keys().filter(|domain| !before.domains.contains_key(*domain)) {
            if before.mark_of_domain(domain).is_none() {
                broken.push(format!("the domain {domain} was not noted as ours before it was added"));
            }
        }
        judge_aliases(before, after, &mut broken);
        self.judge_bypasses(before, after, &mut broken);
        for (id, deployment) in before.deployments.iter().filter(|(_, one)| one.state != "DELETED") {
            if after.deployments.get(id).is_some_and(|now| now.state != "DELETED") {
                continue;
            }
            let why = match before.mark_of_branch(deployment.branch.as_ref()) {
                _ if deployment.production => Some("it is in production"),
                None => Some("it is not ours"),
                Some(mark) => reason_to_stay(mark, "deployment"),
            };
            broken.extend(why.map(|why| format!("the deployment {id} of {:?} is gone: {why}", deployment.branch)));
        }
        broken
    }

    fn judge_bypasses(&self, before: &Project, after: &Project, broken: &mut Vec<String>) {
        for (secret, note) in &before.bypasses {
            let now = after.bypasses.get(secret);
            match self.noted(note.as_ref()) {
                None if now != Some(note) => {
                    broken.push(format!("the secret noted {note:?} is not ours, and is {now:?}"))
                }
                Some(env) if now.is_none() => {
                    let why = before.mark_of_env(env).and_then(|mark| reason_to_stay(mark, "bypass secret"));
                    broken.extend(why.map(|why| format!("the secret noted {note:?} is gone: {why}")));
                }
                _ => {}
            }
        }
        let is_new = |(secret, _): &(&String, &Option<String>)| !before.bypasses.contains_key(*secret);
        for (_, note) in after.bypasses.iter().filter(is_new) {
            if self.noted(note.as_ref()).is_none() {
                broken.push(format!("the secret noted {note:?} is not noted as ours"));
            }
        }
    }

    /// What a deployment that was made on request is about, and whether there was need of it.
    fn judge_deployment(&self, seen: &mut Seen, after: &BTreeMap<Name, Project>, exchange: &Exchange) {
        let body: Value = serde_json::from_slice(&exchange.request).unwrap_or_default();
        let noted = body["meta"]["hangar"].as_str().map(str::to_owned);
        if self.noted(noted.as_ref()).is_none() {
            seen.broken.push(format!("a deployment is not noted as ours: {noted:?}"));
        }
        let Some(id) = exchange.reply.as_ref().and_then(|reply| reply["id"].as_str()) else { return };
        let Some((name, made)) = after.iter().find_map(|(name, project)| Some((name, project.deployments.get(id)?)))
        else {
            return;
        };
        let Some(before) = seen.before.get(name) else { return };
        let alike = |one: &&Deployment| {
            one.branch == made.branch && one.sha == made.sha && !matches!(one.state, "DELETED" | "ERROR" | "CANCELED")
        };
        let newest = before.deployments.values().filter(alike).map(|one| one.created_at).max();
        let of_branch =
            before.variables.values().filter(|one| one.is_ours && !one.is_mark && one.branch == made.branch);
        let changed = of_branch.map(|one| one.updated_at).max();
        if newest.is_some_and(|newest| changed.is_none_or(|changed| newest >= changed)) {
            let of = &made.branch;
            let what = format!("{id} of {of:?} is made though the one of {newest:?} has what was written {changed:?}");
            seen.doubled.push((seen.is_stale, what));
        }
    }
}

impl Watcher for Projects {
    fn seen(&self, simulator: &Simulator, exchange: &Exchange) {
        let segments: Vec<&str> = exchange.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let [_, "projects" | "deployments", rest @ ..] = segments.as_slice() else { return };
        let mut seen = self.seen.lock().unwrap();
        if seen.before.is_empty() {
            return;
        }
        if exchange.method == Method::Get {
            match rest {
                [] if segments[1] == "deployments" => {
                    seen.is_stale = exchange.faults.iter().any(|fault| fault.starts_with("stale"));
                }
                [project, "env"] if exchange.status == 200 => drop(seen.partial.remove(*project)),
                [project, "env"] => drop(seen.partial.insert((*project).to_owned())),
                _ => {}
            }
            return;
        }
        let after = self.picture(simulator);
        let what = format!("{} {}", exchange.method.as_str(), exchange.path);
        if exchange.method == Method::Delete
            && let [project, ..] = rest
            && seen.partial.contains(*project)
        {
            seen.broken.push(format!("{what}: the last listing of the project failed"));
        }
        if exchange.method == Method::Post && segments[1..] == ["deployments"] && (200..300).contains(&exchange.status)
        {
            self.judge_deployment(&mut seen, &after, exchange);
        }
        let mut broken = Vec::new();
        for (name, before) in &seen.before {
            match after.get(name) {
                Some(after) => broken.extend(self.judge(before, after)),
                None => broken.push(format!("the project {name:?} is gone")),
            }
        }
        seen.broken.extend(broken.into_iter().map(|broken| format!("{what}: {broken}")));
        seen.before = after;
    }
}
