//! Rules between documents.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::app::AppSpec;
use crate::spec::diagnostic::{Diagnostics, Origin, line_and_column};
use crate::spec::document::{Document, Kind, Manifest};
use crate::spec::environment::EnvironmentSpec;
use crate::spec::finding::did_you_mean;
use crate::spec::manifest::Draft;
use crate::spec::parse::Read;
use crate::spec::positions::child;
use crate::spec::preview::PreviewSetSpec;

use super::names;

pub(super) fn check(read: &Read, problems: &mut Diagnostics) {
    let drafts = read.drafts.as_slice();
    check_unique_names(drafts, problems);
    check_one_controller(drafts, problems);
    check_app_names(drafts, problems);
    check_required_environments(read, problems);
}

fn environments(drafts: &[Draft]) -> impl Iterator<Item = (&Draft, &Manifest<EnvironmentSpec>, &Origin)> {
    drafts.iter().filter_map(|draft| match &draft.document {
        Some(Document::Environment(manifest)) => Some((draft, &**manifest, &draft.origin)),
        _ => None,
    })
}

/// Where something stands, for a person: `file:line`.
fn place(origin: &Origin, pointer: &str) -> String {
    let (line, _) = line_and_column(&origin.text, origin.positions.at(pointer).value.start);
    format!("{}:{line}", origin.path.display())
}

fn check_unique_names(drafts: &[Draft], problems: &mut Diagnostics) {
    const POINTER: &str = "/metadata/name";
    let mut seen: BTreeMap<(Kind, &str), &Origin> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.kind != Some(Kind::Controller)) {
        let Some((kind, name)) = draft.kind.zip(draft.name.as_deref()) else {
            continue;
        };
        if let Some(first) = seen.get(&(kind, name)) {
            let message = format!("there is another {kind} `{name}`");
            let help = format!("the other one is in {}", place(first, POINTER));
            problems.push(&draft.origin, POINTER, message, Some(help));
        } else {
            seen.insert((kind, name), &draft.origin);
        }
    }
}

fn check_one_controller(drafts: &[Draft], problems: &mut Diagnostics) {
    let mut controllers = drafts.iter().filter(|draft| draft.kind == Some(Kind::Controller));
    let Some(first) = controllers.next() else { return };
    for draft in controllers {
        let help = format!("the other one is in {}", place(&first.origin, "/kind"));
        problems.push(&draft.origin, "/kind", "there is more than one Controller", Some(help));
    }
}

/// Names of Fly apps are unique in all of Fly, so no two components may claim one.
fn check_app_names(drafts: &[Draft], problems: &mut Diagnostics) {
    let mut claimed: BTreeMap<String, (String, &str, &Origin)> = BTreeMap::new();
    for (draft, manifest, origin) in environments(drafts) {
        let environment = manifest.metadata.name.as_str();
        for (component, app) in manifest.spec.fly.iter().flat_map(|fly| &fly.apps) {
            let (app_pointer, name) =
                (child("/spec/fly/apps", component), static_app_name(environment, component, app));
            let written = child(&app_pointer, "name");
            let Some(name) = name.filter(|_| !draft.broken.hides("/metadata/name") && !draft.broken.hides(&written))
            else {
                continue;
            };
            let pointer = if app.name.is_some() { written } else { app_pointer };
            if let Some((other_pointer, other, other_origin)) = claimed.get(&name) {
                let message = if *other == environment {
                    format!("two apps of this environment are named `{name}`")
                } else {
                    format!("the app `{name}` belongs to the environment `{other}` already")
                };
                let help = format!("the other one is in {}", place(other_origin, other_pointer));
                problems.push(origin, &pointer, message, Some(help));
            } else {
                claimed.insert(name, (pointer, environment, origin));
            }
        }
    }
}

/// An app's name as far as it is known before evaluation: with no expression but `env.name`.
fn static_app_name(environment: &str, component: &str, app: &AppSpec) -> Option<String> {
    let Some(name) = &app.name else {
        return Some(format!("{environment}-{component}"));
    };
    let mut parts = name.split("${{");
    let mut known = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}")?;
        if expression.trim() != "env.name" {
            return None;
        }
        known.push_str(environment);
        known.push_str(rest);
    }
    Some(known)
}

fn check_required_environments(read: &Read, problems: &mut Diagnostics) {
    let drafts = read.drafts.as_slice();
    // A document whose kind cannot be told may well be the one that is meant.
    let documents = drafts.iter().filter(|draft| draft.kind.is_none_or(|kind| kind == Kind::Environment));
    let known: BTreeSet<&str> =
        documents.filter_map(|draft| draft.name.as_deref()).chain(names_of_sets(drafts)).collect();
    // The names of previews are not known before there are any.
    let may_be_preview =
        |name: &str| templates(drafts).any(|(_, _, set)| may_become(&set.spec.template.metadata.name, name));
    let mut requires: BTreeMap<&str, &[String]> = BTreeMap::new();
    let plain = environments(drafts).map(|(draft, manifest, origin)| {
        (draft, origin, String::new(), manifest.metadata.name.as_str(), &manifest.spec.requires.environments)
    });
    let of_sets = templates(drafts).map(|(draft, origin, set)| {
        let template = &set.spec.template;
        (
            draft,
            origin,
            "/spec/template".to_owned(),
            template.metadata.name.as_str(),
            &template.spec.requires.environments,
        )
    });
    for (draft, origin, above, own, required_by_own) in plain.chain(of_sets) {
        requires.insert(own, required_by_own);
        for (index, required) in required_by_own.iter().enumerate() {
            let pointer = draft.broken.as_written(&format!("{above}/spec/requires/environments/{index}"));
            if required == own {
                problems.push(origin, &pointer, "an environment cannot require itself", None);
            } else if !read.has_unknown
                && !names::has_expression(required)
                && !known.contains(required.as_str())
                && !may_be_preview(required)
            {
                let help = did_you_mean(required, known.iter().copied().filter(|name| *name != own));
                problems.push(origin, &pointer, format!("there is no environment `{required}`"), help);
            }
        }
    }
    for (_, manifest, origin) in environments(drafts) {
        let own = manifest.metadata.name.as_str();
        if let Some(cycle) = cycle(own, &requires) {
            // Once per cycle: at the environment that comes first by name.
            let message = format!("environments require each other: {}", cycle.join(" → "));
            if cycle.len() > 2 && cycle.iter().min() == Some(&own) {
                problems.push_key(origin, "/spec/requires/environments", message, None);
            }
        }
    }
}

/// The sets of previews whose templates can be read.
fn templates(drafts: &[Draft]) -> impl Iterator<Item = (&Draft, &Origin, &Manifest<PreviewSetSpec>)> {
    drafts.iter().filter_map(|draft| match &draft.document {
        Some(Document::PreviewSet(manifest)) => Some((draft, &draft.origin, &**manifest)),
        _ => None,
    })
}

/// Whether `template`, a name with expressions, may become `name`: it begins and ends with the same words.
fn may_become(template: &str, name: &str) -> bool {
    let Some((first, rest)) = template.split_once("${{") else { return false };
    let last = rest.rsplit_once("}}").map_or("", |(_, last)| last);
    name.strip_prefix(first).is_some_and(|rest| rest.ends_with(last))
}

/// The names of environments that sets of one branch make.
fn names_of_sets(drafts: &[Draft]) -> impl Iterator<Item = &str> {
    let all = templates(drafts).map(|(_, _, set)| set.spec.template.metadata.name.as_str());
    all.filter(|name| !names::has_expression(name))
}

/// The way from an environment back to itself, if there is one.
fn cycle<'a>(start: &'a str, requires: &BTreeMap<&'a str, &'a [String]>) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let last = way.last().copied().unwrap_or(start);
        for next in requires.get(last).copied().unwrap_or_default() {
            let longer = || way.iter().copied().chain([next.as_str()]).collect();
            if next == start {
                return Some(longer());
            }
            if seen.insert(next.as_str()) {
                ways.push(longer());
            }
        }
    }
    None
}
