//! All specs of a fleet as one graph.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::environment;
use super::graph::{Completeness, Environment, Fleet, Wanted};
use super::inputs::{Assets, SecretInputs};
use super::objects;
use super::previews::{self, Asks, Expanded, NamePattern, RepoListing};
use super::problems::Problems;
use super::secrets::{SecretKeeper, describe};
use crate::resource::{AppName, EnvName, OwnerId, RepoName};
use crate::spec::controller::CredentialSource;
use crate::spec::{Diagnostics, Origin, ParsedPreviewSet, ParsedSpecs};
use crate::template::{Fingerprinter, MASTER_KEY_MINIMUM};

/// What a graph is built from besides the specs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The controller's identity.
    pub owner: &'a OwnerId,
    /// The secrets that this machine has.
    pub secrets: &'a SecretInputs,
    /// The local files that specs name.
    pub assets: &'a dyn Assets,
    /// Whether all sources answered completely.
    pub source: &'a Completeness,
    /// What the repositories have that previews are made from.
    pub repos: &'a BTreeMap<RepoName, RepoListing>,
    /// The commit that the specs come from, where they come from git.
    pub commit: Option<&'a str>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("owner", &self.owner).field("commit", &self.commit).finish_non_exhaustive()
    }
}

/// A fleet, and what was found on the way.
#[derive(Debug, Clone)]
pub struct Built {
    /// The graph.
    pub fleet: Fleet,
    /// Problems with their places. An environment with an error is [`Wanted::Broken`]; the others are not affected.
    pub diagnostics: Diagnostics,
    /// What the template of each set of previews makes of an invented pull request of its first repository, by the name of the set.
    pub templates: BTreeMap<String, Wanted>,
    /// Why values of secrets are not known on this machine, those of broken environments included.
    pub unavailable: BTreeSet<String>,
}

/// Builds the graph of all environments. Their names are unique: the reader of specs saw to it.
pub fn build(specs: &ParsedSpecs, context: &Context<'_>) -> Built {
    let master_key_place = master_key_place(specs);
    let secrets = SecretKeeper { owner: context.owner, inputs: context.secrets, master_key_place: &master_key_place };
    let (mut diagnostics, mut unavailable) = (Diagnostics::default(), BTreeSet::new());
    let mut environments: BTreeMap<EnvName, (Origin, Wanted)> = BTreeMap::new();
    for parsed in &specs.environments {
        let name = EnvName::new(&parsed.metadata.name);
        let (wanted, problems) = environment::build(parsed, None, specs, secrets, context);
        diagnostics.extend(problems.diagnostics);
        unavailable.extend(problems.unavailable);
        environments.insert(name, (parsed.origin.clone(), wanted));
    }
    let limits = specs.policies.iter().filter_map(|policy| policy.spec.previews.as_ref()?.max_ttl);
    let longest = limits.min().map(crate::spec::Duration::to_std);
    let mut templates = BTreeMap::new();
    let (mut sets, mut ended, mut audiences) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut provenances, mut app_names) = (BTreeMap::new(), BTreeMap::new());
    for set in &specs.preview_sets {
        let mut is_sound = true;
        for (probe, facts) in previews::probes(set) {
            let (wanted, problems) = environment::build(&probe, Some(&facts), specs, secrets, context);
            is_sound &= matches!(wanted, Wanted::Ready(_));
            templates.entry(set.metadata.name.clone()).or_insert(wanted);
            diagnostics.extend(problems.diagnostics);
            unavailable.extend(problems.unavailable);
        }
        let mut expansion = previews::expand(set, context, longest);
        diagnostics.extend(expansion.problems.diagnostics);
        app_names.insert(set.metadata.name.clone(), names_of_apps(set, &expansion.set.names));
        sets.insert(set.metadata.name.clone(), expansion.set);
        for preview in expansion.previews {
            let name = EnvName::new(&preview.environment.metadata.name);
            if let Some((other, _)) = environments.get(&name) {
                diagnostics.extend(refuse_taken_name(&preview, other));
                expansion.audiences.retain(|(of, _)| *of != name);
                expansion.provenances.remove(&name);
                continue;
            }
            let (mut wanted, problems) =
                environment::build(&preview.environment, Some(&preview.facts), specs, secrets, context);
            if is_sound {
                diagnostics.extend(problems.diagnostics);
            }
            unavailable.extend(problems.unavailable);
            if let Wanted::Ready(environment) = &mut wanted {
                environment.idle_at = preview.idle_at;
                environment.max_age = preview.max_age;
                environment.sleep = preview.sleep;
                wake_by_requests(environment);
                environment.preview = Some(preview.preview);
            }
            environments.insert(name, (preview.environment.origin, wanted));
        }
        ended.extend(expansion.ended);
        provenances.extend(expansion.provenances);
        for (name, audience) in expansion.audiences {
            if audience.asks == Asks::Preview || !audiences.contains_key(&name) {
                audiences.insert(name, audience);
            }
        }
    }
    ended.retain(|name, _| !environments.contains_key(name));
    for parsed in &specs.environments {
        // The name of what was a preview once may be another environment's.
        provenances.remove(&EnvName::new(&parsed.metadata.name));
    }
    audiences.retain(|name, audience| (audience.asks == Asks::Preview) == environments.contains_key(name));
    diagnostics.extend(refuse_shared_names(&mut environments));
    let key = context.secrets.master_key.as_ref();
    Built {
        fleet: Fleet {
            owner: context.owner.clone(),
            environments: environments.into_iter().map(|(name, (_, wanted))| (name, wanted)).collect(),
            source: context.source.clone(),
            sets,
            ended,
            audiences,
            provenances,
            app_names,
            scopes: specs.preview_sets.iter().flat_map(objects::named_scopes).collect(),
            commit: context.commit.map(str::to_owned),
            fingerprinter: key.filter(|key| key.expose().chars().count() >= MASTER_KEY_MINIMUM).map(Fingerprinter::new),
        },
        diagnostics,
        templates,
        unavailable,
    }
}

/// Lets a request start the machines that sleep with their preview, unless the spec says whether one does.
fn wake_by_requests(environment: &mut Environment) {
    if environment.sleep.is_none() {
        return;
    }
    let machines = environment.apps.iter_mut().flat_map(|app| &mut app.machines).filter(|machine| machine.always_on);
    let services = machines.filter_map(|machine| machine.config.get_mut("services")?.as_array_mut()).flatten();
    for service in services.filter_map(Value::as_object_mut) {
        service.entry("autostart").or_insert(Value::Bool(true));
    }
}

/// The names that the apps of a set's previews can have.
fn names_of_apps(set: &ParsedPreviewSet, env: &NamePattern) -> Vec<NamePattern> {
    let components = set.template.app_json.iter();
    let name = |(component, json): (&String, &Value)| {
        let default = || format!("${{{{ env.name }}}}-{component}");
        let name = json.get("name").and_then(Value::as_str).map_or_else(default, str::to_owned);
        NamePattern::of_app(&name, env)
    };
    components.map(name).collect()
}

/// Where the master key is looked for, for people.
fn master_key_place(specs: &ParsedSpecs) -> String {
    match specs.controller.as_ref().and_then(|controller| controller.spec.master_key.as_ref()) {
        Some(CredentialSource::FromFile(path)) => format!("the file `{path}`"),
        Some(CredentialSource::FromEnv(name)) => format!("the environment variable `{name}`"),
        None => "the environment variable `HANGAR_MASTER_KEY`".to_owned(),
    }
}

/// A preview whose name belongs to another environment is not made: a branch must not reach what it is not.
fn refuse_taken_name(preview: &Expanded, other: &Origin) -> Diagnostics {
    const NAME: &str = "/metadata/name";
    let name = &preview.environment.metadata.name;
    let subject = &preview.preview.subject;
    let message = format!("{subject} has no preview, because its name `{name}` belongs to another environment");
    let help = format!("the other one is in {}; begin the names of previews differently", describe(other, NAME));
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(&preview.environment.origin, NAME, message, Some(help));
    diagnostics
}

/// An app belongs to one environment: where two claim it, neither may touch it.
fn refuse_shared_names(environments: &mut BTreeMap<EnvName, (Origin, Wanted)>) -> Diagnostics {
    let mut claims: BTreeMap<AppName, Vec<(EnvName, String)>> = BTreeMap::new();
    for (name, (_, wanted)) in &*environments {
        if let Wanted::Ready(environment) = wanted {
            for app in &environment.apps {
                claims.entry(app.name.clone()).or_default().push((name.clone(), app.component.to_string()));
            }
        }
    }
    let mut diagnostics = Diagnostics::default();
    for (app, claimants) in claims.into_iter().filter(|(_, claimants)| claimants.len() > 1) {
        let who: Vec<String> = claimants.iter().map(|(env, component)| format!("`{component}` of `{env}`")).collect();
        for (env, component) in &claimants {
            let Some((origin, wanted)) = environments.get_mut(env) else {
                continue;
            };
            let mut problems = Problems::default();
            let place = super::resolver::app_place(component, "name");
            let message = format!("the app `{app}` is claimed more than once: by {}", who.join(" and by "));
            let help = "give each its own `name`, for example with `${{ env.name }}` in it".to_owned();
            problems.error(origin, &place.pointer, message, Some(help));
            *wanted = Wanted::Broken { reason: problems.reason() };
            diagnostics.extend(problems.diagnostics);
        }
    }
    diagnostics
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "chat_dev_tests.rs"]
mod chat_dev;
