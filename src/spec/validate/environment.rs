//! Rules of one environment.

use std::time::Duration as StdDuration;

use crate::spec::broken::Broken;
use crate::spec::document::{Manifest, Metadata};
use crate::spec::environment::EnvironmentSpec;
use crate::spec::finding::Finding;
use crate::spec::fly::{FlySpec, Network};
use crate::spec::positions::child;

use super::app::{Scope, validate_app};
use super::{finalizer, gate, job, names};

/// Shortest and longest life that can be asked for.
pub const TTL_BOUNDS: (StdDuration, StdDuration) = (StdDuration::from_mins(1), StdDuration::from_hours(24 * 3650));

pub(super) fn check(manifest: &Manifest<EnvironmentSpec>, broken: &Broken) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_name(&manifest.metadata, &mut findings);
    if manifest.spec.report.is_some() {
        let finding =
            Finding::error("/spec/report", "this environment is of no pull request that could be told").at_key();
        findings.push(finding.help("remove it; `report` belongs into the template of a `PreviewSet`"));
    }
    gate::check_outside_template(&manifest.spec, &mut findings);
    findings.extend(check_spec(manifest, broken));
    findings
}

/// The rules of everything but the name, which a template makes with expressions.
pub(super) fn check_spec(manifest: &Manifest<EnvironmentSpec>, broken: &Broken) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_life(&manifest.spec, &mut findings);
    for key in manifest.spec.params.keys() {
        let sound = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !key.is_empty();
        if !sound {
            let message = format!("the parameter name `{key}` may have only letters, digits, `_` and `-`");
            findings.push(Finding::error(child("/spec/params", key), message).at_key());
        }
    }
    finalizer::check(&manifest.spec, &mut findings);
    job::check(&manifest.spec, &mut findings);
    gate::check(&manifest.spec, &mut findings);
    if let Some(fly) = &manifest.spec.fly {
        check_fly(fly, broken, &mut findings);
    }
    findings
}

/// A document's name: a DNS label without expressions.
pub(super) fn check_name(metadata: &Metadata, findings: &mut Vec<Finding>) {
    let name = &metadata.name;
    if names::has_expression(name) {
        let finding = Finding::error("/metadata/name", "the name of a document may not contain expressions");
        findings.push(finding.help("write the name out, for example `staging`"));
    } else if let Some(problem) = names::label(name, names::MAX_LABEL) {
        findings.push(Finding::error("/metadata/name", format!("the name `{name}` {problem}")));
    }
}

fn check_life(spec: &EnvironmentSpec, findings: &mut Vec<Finding>) {
    if spec.ttl.is_some() && spec.expires_at.is_some() {
        let finding = Finding::error("/spec/expiresAt", "`ttl` and `expiresAt` exclude each other").at_key();
        findings.push(finding.help("keep one of them"));
    }
    if let Some(ttl) = &spec.ttl {
        match ttl.max {
            None => findings
                .push(Finding::error("/spec/ttl", "`ttl` says nothing").help("write for example `ttl: {max: 14d}`")),
            Some(max) if max.to_std() < TTL_BOUNDS.0 || max.to_std() > TTL_BOUNDS.1 => {
                findings.push(Finding::error("/spec/ttl/max", format!("`{max}` is not between `1m` and `3650d`")));
            }
            Some(_) => {}
        }
    }
}

fn check_fly(fly: &FlySpec, broken: &Broken, findings: &mut Vec<Finding>) {
    if let Some(problem) = final_text(&fly.org).and_then(|org| names::label(org, names::MAX_LABEL)) {
        let finding = Finding::error("/spec/fly/org", format!("the organization `{}` {problem}", fly.org));
        findings.push(finding.help("write the slug, as `fly orgs list` shows it"));
    }
    if let Some(problem) = fly.region.as_deref().and_then(final_text).and_then(names::region) {
        let region = fly.region.as_deref().unwrap_or_default();
        findings.push(Finding::error("/spec/fly/region", format!("`{region}` {problem}")));
    }
    if let Network::Name(name) = &fly.network {
        check_network(name, findings);
    }
    for (component, app) in &fly.apps {
        let pointer = child("/spec/fly/apps", component);
        if let Some(problem) = names::label(component, names::MAX_LABEL) {
            findings.push(Finding::error(&pointer, format!("the component name `{component}` {problem}")).at_key());
        }
        let config = child(&pointer, "config");
        let scope = if app.config.is_some() || broken.hides(&config) { Scope::Overlay } else { Scope::Whole };
        if app.region.is_none() && fly.region.is_none() && scope == Scope::Whole {
            let finding = Finding::error(&pointer, format!("the app `{component}` has no region")).at_key();
            let finding = finding.help("add `region: iad` to the app or to `fly`");
            findings.push(finding.relies_on([child(&pointer, "region"), "/spec/fly/region".to_owned()]));
        }
        findings.extend(validate_app(app, scope).into_iter().map(|finding| finding.below(&pointer)));
    }
}

fn check_network(name: &str, findings: &mut Vec<Finding>) {
    const POINTER: &str = "/spec/fly/network/name";
    if name.starts_with("hangar-") {
        let finding = Finding::error(POINTER, "network names that begin with `hangar-` mark what Hangar owns");
        findings.push(finding.help("choose another name, or `network: isolated`"));
    } else if let Some(problem) = final_text(name).and_then(names::group) {
        findings.push(Finding::error(POINTER, format!("the network name `{name}` {problem}")));
    }
}

/// The text, unless it holds an expression and is checked once that is evaluated.
pub(super) fn final_text(text: &str) -> Option<&str> {
    (!names::has_expression(text)).then_some(text)
}
