//! From the spec of one environment to its graph.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::app::{self, BuiltApp, Defaults};
use super::build::Context;
use super::graph::{CheckGate, Class, Environment, Gates, Level, Network, Object, SecretValue, Wanted};
use super::inputs::beside;
use super::jobs::{self, Sequence};
use super::objects;
use super::order::{self, Order};
use super::previews::Facts;
use super::problems::Problems;
use super::resolver::{Component, Place, Resolver, Use, app_place, app_pointer};
use super::secrets::{SecretKeeper, describe};
use crate::resource::marker::Finalizer;
use crate::resource::output::{self, Outputs};
use crate::resource::{Commit, ComponentName, EnvName, IpKind, OrgSlug, RepoNameError};
use crate::spec::environment::{self as written, DeletionPolicy};
use crate::spec::fly;
use crate::spec::flytoml::{merge_app, to_app_json};
use crate::spec::validate::gate::not_a_commit;
use crate::spec::{ParsedEnvironment, ParsedSpecs};

/// The graph of `parsed`, or why there is none, and all problems.
pub(super) fn build(
    parsed: &ParsedEnvironment,
    facts: Option<&Facts>,
    specs: &ParsedSpecs,
    secrets: SecretKeeper<'_>,
    context: &Context<'_>,
) -> (Wanted, Problems) {
    let mut resolver = Resolver::new(parsed, facts, secrets);
    let environment = assemble(&mut resolver, specs, context);
    let problems = resolver.problems;
    let wanted = match environment {
        Some(environment) if problems.errors.is_empty() && parsed.broken.is_empty() => {
            Wanted::Ready(Box::new(environment))
        }
        _ => Wanted::Broken { reason: problems.reason() },
    };
    (wanted, problems)
}

fn assemble(resolver: &mut Resolver<'_>, specs: &ParsedSpecs, context: &Context<'_>) -> Option<Environment> {
    let parsed = resolver.environment;
    let fly = parsed.spec.fly.as_ref();
    let spec = &parsed.spec;
    let elsewhere = [spec.neon.is_some(), spec.postgres.is_some(), spec.supabase.is_some(), spec.vercel.is_some()];
    if fly.is_none() && !elsewhere.contains(&true) {
        let place = Place { component: None, pointer: "/spec".to_owned() };
        if !["fly", "neon", "supabase", "vercel"].iter().any(|section| resolver.hides(&format!("/spec/{section}"))) {
            let help = "add `fly` with `org` and `apps`, or `neon`, `supabase` or `vercel`".to_owned();
            resolver.error(&place, "this environment has nothing in it", Some(help));
        }
        return None;
    }
    load_components(resolver, context);
    let network = fly.map_or(Network::Shared, |fly| network(resolver, &fly.network));
    let org = match fly {
        Some(_) => Some(OrgSlug::new(resolver.org().ok()?)),
        None => None,
    };
    let name = parsed.metadata.name.as_str();
    let is_named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
    let must_protect = spec.class == written::Class::Production
        || specs.policies.iter().any(|policy| is_named(&policy.spec.protected));
    let defaults = Defaults {
        protect: spec.is_protected() || must_protect,
        must_protect,
        retain: spec.deletion_policy == DeletionPolicy::Retain,
    };
    let approval = specs.policies.iter().any(|policy| is_named(&policy.spec.approval));
    let requires = gates(resolver, approval);
    let built = apps(resolver, &network, defaults, context);
    let mut objects = objects::build(resolver, defaults);
    let mut apps = connect(resolver, built, &mut objects);
    finalizers(resolver, &mut apps);
    Some(Environment {
        name: EnvName::new(name),
        origin: describe(&parsed.origin, "/metadata/name"),
        class: match spec.class {
            written::Class::Preview => Class::Preview,
            written::Class::Staging => Class::Staging,
            written::Class::Production => Class::Production,
        },
        level: match spec.level {
            written::Level::Full => Level::Full,
            written::Level::NoDelete => Level::NoDelete,
            written::Level::CreateOnly => Level::CreateOnly,
            written::Level::Observe => Level::Observe,
        },
        protect: defaults.protect,
        retain: defaults.retain,
        paused: spec.pause,
        preview: None,
        expires_at: spec.expires_at,
        idle_at: None,
        max_age: spec.ttl.as_ref().and_then(|ttl| ttl.max).map(crate::spec::Duration::to_std),
        sleep: None,
        requires,
        org,
        network,
        apps: apps.into_iter().map(|built| built.app).collect(),
        objects,
    })
}

/// Reads the fly.toml of every component that names one, and lays the spec's fields over it.
fn load_components(resolver: &mut Resolver<'_>, context: &Context<'_>) {
    let parsed = resolver.environment;
    for (name, json) in &parsed.app_json {
        let place = Place { component: None, pointer: app_place(name, "config").pointer };
        let config = json.get("config").and_then(Value::as_str);
        let mut component = Component {
            json: json.as_object().cloned().unwrap_or_default(),
            is_whole: config.is_none() && !resolver.hides(&place.pointer),
            config: None,
        };
        let path = config.and_then(|config| resolver.fill_plain(config, place.clone()));
        if let Some((base, origin)) = path.and_then(|path| load_config(resolver, &path, &place, context)) {
            if let Value::Object(merged) = merge_app(base, json.clone()) {
                component.json = merged;
            }
            component.is_whole = true;
            component.config = Some(origin);
        }
        resolver.components.insert(name.clone(), component);
    }
}

fn load_config(
    resolver: &mut Resolver<'_>,
    path: &str,
    place: &Place,
    context: &Context<'_>,
) -> Option<(Value, crate::spec::Origin)> {
    let read = |base: &Path, relative: &str| {
        let path = beside(base, relative)?;
        context.assets.read(&path).map(|bytes| (path, bytes))
    };
    let text = read(&resolver.environment.origin.path, path).and_then(|(path, bytes)| {
        Ok((path, String::from_utf8(bytes).map_err(|_error| "it is not UTF-8 text".to_owned())?))
    });
    let (file, text) = match text {
        Ok(found) => found,
        Err(error) => {
            resolver.error(place, format!("`{path}` cannot be read: {error}"), None);
            return None;
        }
    };
    match to_app_json(&text, &file, &|relative| read(&file, relative).map(|(_, bytes)| bytes)) {
        Ok(read) => {
            resolver.problems.diagnostics.extend(read.warnings);
            Some((read.app, read.origin))
        }
        Err(diagnostics) => {
            let all: Vec<String> =
                diagnostics.iter().map(|each| format!("{path}:{}: {}", each.line, each.message)).collect();
            resolver.problems.errors.push(all.join("; "));
            resolver.problems.diagnostics.extend(diagnostics);
            None
        }
    }
}

fn network(resolver: &mut Resolver<'_>, network: &fly::Network) -> Network {
    match network {
        fly::Network::Isolated => Network::Isolated,
        fly::Network::Shared => Network::Shared,
        fly::Network::Name(name) => {
            let place = Place { component: None, pointer: "/spec/fly/network/name".to_owned() };
            Network::Named(resolver.fill_plain(name, place).unwrap_or_default())
        }
    }
}

fn gates(resolver: &mut Resolver<'_>, approval: bool) -> Gates {
    let requires = &resolver.environment.spec.requires;
    Gates {
        approval: requires.approval || approval,
        environments: requires.environments.iter().map(EnvName::new).collect(),
        checks: requires.checks.as_ref().and_then(|checks| check_gate(resolver, checks)),
    }
}

/// The checks that are required, of the commit that the environment is of unless another one is named.
fn check_gate(resolver: &mut Resolver<'_>, checks: &written::RequiredChecks) -> Option<CheckGate> {
    const POINTER: &str = "/spec/requires/checks";
    let mut fill = |field: &str, written: Option<&str>, usual: &str| {
        // What is not written stands nowhere but in the gate itself.
        let pointer = written.map_or_else(|| POINTER.to_owned(), |_| format!("{POINTER}/{field}"));
        let place = Place { component: None, pointer };
        Some((resolver.fill_known(written.unwrap_or(usual), place.clone())?, place))
    };
    let repo = fill("repo", checks.repo.as_deref(), "${{ repo.fullName }}");
    let sha = fill("commit", checks.commit.as_ref().map(crate::spec::Text::as_str), "${{ head.sha }}");
    let ((repo, repo_place), (sha, sha_place)) = (repo?, sha?);
    if let Some(problem) = not_a_commit(&sha) {
        resolver.error(&sha_place, problem, None);
        return None;
    }
    match repo.parse() {
        Ok(repo) => Some(CheckGate { commit: Commit { repo, sha }, names: checks.names.clone() }),
        Err(error) => {
            let error: RepoNameError = error;
            resolver.error(&repo_place, error.to_string(), None);
            None
        }
    }
}

fn apps(resolver: &mut Resolver<'_>, network: &Network, defaults: Defaults, context: &Context<'_>) -> Vec<BuiltApp> {
    let spec_path = Arc::clone(&resolver.environment.origin.path);
    let load_file = |relative: &str| context.assets.read(&beside(&spec_path, relative)?);
    let names: Vec<String> = resolver.environment.app_json.keys().cloned().collect();
    names.iter().filter_map(|component| app::build(resolver, component, network, defaults, &load_file)).collect()
}

/// How long a finalizer may take where the spec says nothing.
const FINALIZER_TIMEOUT: Duration = Duration::from_mins(10);

/// Gives each app what is run in it before anything of the environment is deleted. The time of each counts from the end of those
/// before it, at the latest.
fn finalizers(resolver: &mut Resolver<'_>, apps: &mut [BuiltApp]) {
    let parsed = resolver.environment;
    let mut within = 0_u64;
    for (index, finalizer) in parsed.spec.finalizers.iter().enumerate() {
        let timeout = finalizer.timeout.map_or(FINALIZER_TIMEOUT, crate::spec::Duration::to_std);
        within = within.saturating_add(timeout.as_secs().max(1));
        let words = finalizer.command.as_slice().iter().enumerate();
        let command: Option<Vec<String>> = words
            .map(|(word, text)| {
                let pointer = format!("/spec/finalizers/{index}/command/{word}");
                resolver.fill_plain(text, Place { component: None, pointer })
            })
            .collect();
        // An app that could not be built is a problem that was told before.
        let built = apps.iter_mut().find(|built| built.app.component.as_str() == finalizer.component);
        if let (Some(command), Some(built)) = (command, built) {
            built.app.finalizers.push(Finalizer { within, name: finalizer.name.clone(), command });
        }
    }
}

/// Checks every use of another component's outputs, and puts the apps in order by them.
fn connect(resolver: &mut Resolver<'_>, mut apps: Vec<BuiltApp>, elsewhere: &mut Vec<Object>) -> Vec<BuiltApp> {
    let uses = std::mem::take(&mut resolver.uses);
    let mut outputs = Outputs::new();
    let mut order = Order::new();
    let mut by_part = objects::Used::new();
    let sequence = Sequence::of(&resolver.environment.spec, |name| {
        let parts = elsewhere.iter().filter(|object| object.component.as_str() == name);
        parts.map(|object| object.part.clone()).collect()
    });
    for (part, before) in &sequence.after {
        order.entry(part.to_string()).or_default().extend(before.iter().map(ToString::to_string));
    }
    for each in &uses {
        match output_path(&apps, each) {
            Ok(Some(path)) => drop(outputs.insert(each.path.clone(), output::placeholder(&path).into())),
            Ok(None) => {}
            Err((message, help)) => resolver.error(&each.place, message, Some(help)),
        }
        let dependent = each.place.component.clone().unwrap_or_default();
        by_part.entry(dependent.clone()).or_default().insert(each.of.clone());
        if dependent != each.of {
            order.entry(dependent).or_default().insert(each.of.clone());
        }
    }
    for built in &mut apps {
        for (own, path) in fill_outputs(built, &outputs) {
            let of = objects::part_of(&path).unwrap_or_else(|| path.split('.').nth(1).unwrap_or_default().to_owned());
            by_part.entry(own.clone()).or_default().insert(of.clone());
            if of != own {
                order.entry(own.clone()).or_default().insert(of);
            }
        }
    }
    for object in elsewhere.iter() {
        let of_object = order.entry(object.part.to_string()).or_default();
        of_object.extend(object.after.iter().map(ToString::to_string));
    }
    if let Some(cycle) = order::cycle(&planned_together(&order, &apps, &sequence)) {
        report_cycle(resolver, &uses, &cycle);
    }
    for built in &mut apps {
        let after = order.get(built.app.component.as_str()).into_iter().flatten();
        built.app.after = after.map(ComponentName::new).collect();
        for job in &mut built.app.jobs {
            let after = order.get(job.part.as_str()).into_iter().flatten();
            job.after = after.map(ComponentName::new).collect();
            job.is_first = sequence.first.contains(&job.part);
        }
        jobs::sort(&mut built.app.jobs);
    }
    for object in elsewhere.iter_mut() {
        let after = order.get(object.part.as_str()).into_iter().flatten();
        object.after = after.map(ComponentName::new).collect();
    }
    let attachments = objects::attachments(elsewhere, &apps, &by_part);
    elsewhere.extend(attachments);
    apps
}

/// The order with each job that comes before the machines of its app as a part of that app: they are planned together, so what one of
/// them waits for the other waits for as well.
fn planned_together(order: &Order, apps: &[BuiltApp], sequence: &Sequence) -> Order {
    let apps_of_jobs: std::collections::BTreeMap<&str, &str> = apps
        .iter()
        .flat_map(|built| built.app.jobs.iter().map(|job| (&job.part, built.app.component.as_str())))
        .filter(|(part, _)| sequence.first.contains(*part))
        .map(|(part, app)| (part.as_str(), app))
        .collect();
    let whole = |part: &str| (*apps_of_jobs.get(part).unwrap_or(&part)).to_owned();
    let mut together = Order::new();
    for (part, before) in order {
        let own = whole(part);
        let before: Vec<String> = before.iter().map(|part| whole(part)).filter(|part| *part != own).collect();
        together.entry(own).or_default().extend(before);
    }
    together
}

/// The path under which the output that `each` names will be known. Nothing where it is known already.
fn output_path(apps: &[BuiltApp], each: &Use) -> Result<Option<String>, (String, String)> {
    let words: Vec<&str> = each.path.split('.').collect();
    let Some(built) = apps.iter().find(|built| built.app.component.as_str() == each.of) else {
        return Ok(None);
    };
    match words.as_slice() {
        [_, of, "ips", name] => {
            let has = |kind: &IpKind| kind.expression_name() == *name;
            if built.app.ips.keys().any(has) {
                return Ok(Some(each.path.clone()));
            }
            Err((
                format!("`{of}` has no `{name}` address"),
                format!("ask for one with `ips: {{{name}: true}}` in `{of}`"),
            ))
        }
        [_, of, "volumes", key, "id"] => match built.volumes.get(*key).map(Vec::as_slice) {
            Some([slot]) => Ok(Some(output::volume_id_path(of, slot))),
            slots => Err((
                format!("`{of}` has {} volumes `{key}`, one for each machine", slots.map_or(0, <[_]>::len)),
                "only the id of a single volume can be used".to_owned(),
            )),
        },
        _ => Ok(None),
    }
}

/// Replaces the names that expressions use for outputs by their paths, and returns all paths that the app and its jobs wait for, each
/// with the part that does.
fn fill_outputs(built: &mut BuiltApp, outputs: &Outputs) -> Vec<(String, String)> {
    let mut of_jobs = Vec::new();
    for job in &mut built.app.jobs {
        job.machine.config = output::resolve(&job.machine.config, outputs);
        of_jobs.extend(output::waits_for_in(&job.machine.config).into_iter().map(|path| (job.part.to_string(), path)));
    }
    let mut paths = Vec::new();
    for machine in &mut built.app.machines {
        machine.config = output::resolve(&machine.config, outputs);
        paths.extend(output::waits_for_in(&machine.config));
        for value in machine.metadata.values_mut() {
            *value = output::resolve_text(value, outputs);
            paths.extend(output::waits_for(value));
        }
    }
    for secret in built.app.secrets.values_mut() {
        if let SecretValue::Known(text) = secret {
            *text = output::resolve_text(text.expose(), outputs).into();
            paths.extend(output::waits_for(text.expose()));
        }
    }
    let own = built.app.component.to_string();
    of_jobs.into_iter().chain(paths.into_iter().map(|path| (own.clone(), path))).collect()
}

fn report_cycle(resolver: &mut Resolver<'_>, uses: &[Use], cycle: &[String]) {
    let (first, second) = (cycle.first().cloned().unwrap_or_default(), cycle.get(1).cloned().unwrap_or_default());
    let found = uses.iter().find(|each| each.place.component.as_ref() == Some(&first) && each.of == second);
    let pointer = || jobs::pointer_of(&first).unwrap_or_else(|| app_pointer(&first));
    let place =
        found.map_or_else(|| Place { component: Some(first.clone()), pointer: pointer() }, |found| found.place.clone());
    let message = format!("these parts wait for each other in a circle: {}", cycle.join(" -> "));
    let help = "names and URLs of apps (`.name`, `.url`, `.hostname`, `.internal`) and domains (`vercel.<component>.domain`) do not count, because they are known beforehand";
    resolver.error(&place, message, Some(help.to_owned()));
}

/// Whether `name` fits `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, fits) in [
            ("production", "production", true),
            ("production", "production-eu", false),
            ("prod-*", "prod-eu", true),
            ("prod-*", "prod", false),
            ("*", "anything", true),
            ("*-eu", "prod-eu", true),
            ("a*b*c", "aXbYc", true),
            ("a*b", "ab", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
