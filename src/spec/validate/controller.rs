//! Rules of the controller's settings.

use crate::spec::controller::{ControllerSpec, CredentialSource, SourceSpec};
use crate::spec::document::Manifest;
use crate::spec::duration::Duration;
use crate::spec::finding::Finding;
use crate::spec::positions::child;

use super::environment::check_name;
use super::names;

/// Longest identity of a controller: it is part of the names of private networks.
const MAX_OWNER: usize = 20;

pub(super) fn check(manifest: &Manifest<ControllerSpec>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let spec = &manifest.spec;
    check_name(&manifest.metadata, &mut findings);
    if let Some(problem) = names::label(&spec.owner, MAX_OWNER) {
        findings.push(Finding::error("/spec/owner", format!("the owner `{}` {problem}", spec.owner)));
    }
    if let Some(SourceSpec::Git(git)) = &spec.source {
        if git.url.trim().is_empty() {
            findings.push(Finding::error("/spec/source/git/url", "the address is empty"));
        }
        check_least("/spec/source/git/interval", git.interval, 10, &mut findings);
    }
    if let Some(source) = &spec.master_key {
        check_credential("/spec/masterKey", source, &mut findings);
    }
    for (field, duration) in [("resync", spec.resync), ("deepResync", spec.deep_resync)] {
        check_least(&format!("/spec/{field}"), duration, 10, &mut findings);
    }
    if spec.workers.is_some_and(|workers| !(1..=64).contains(&workers)) {
        findings.push(Finding::error("/spec/workers", "the number of workers is not between 1 and 64"));
    }
    if let Some(github) = &spec.github {
        check_address("/spec/github/baseUrl", github.base_url.as_deref(), &mut findings);
        check_least("/spec/github/interval", github.interval, 10, &mut findings);
        if let Some(token) = &github.token {
            check_credential("/spec/github/token", token, &mut findings);
        }
        if let Some(app) = &github.app {
            check_credential("/spec/github/app/privateKey", &app.private_key, &mut findings);
            if github.token.is_some() {
                let finding = Finding::error("/spec/github/app", "`app` and `token` exclude each other").at_key();
                findings.push(finding.help("keep one of them"));
            }
        }
        if let Some(webhook) = &github.webhook {
            check_credential("/spec/github/webhook/secret", &webhook.secret, &mut findings);
            if spec.server.is_none() {
                let finding = Finding::error("/spec/github/webhook", "nothing is served that could take webhooks");
                let finding = finding.at_key().help("add `server: {listen: \"0.0.0.0:8080\"}` beside `github`");
                findings.push(finding.relies_on(["/spec/server".to_owned()]));
            }
        }
    }
    for (host, login) in &spec.registries {
        let pointer = child("/spec/registries", host);
        if host.is_empty() || host.contains('/') {
            let finding = Finding::error(&pointer, format!("`{host}` is not the host of a registry")).at_key();
            findings.push(finding.help("write it as in image references, for example `ghcr.io`"));
        }
        check_credential(&child(&pointer, "password"), &login.password, &mut findings);
    }
    if let Some(server) = &spec.server
        && server.listen.parse::<std::net::SocketAddr>().is_err()
    {
        let message = format!("`{}` is not an address and a port", server.listen);
        let finding = Finding::error("/spec/server/listen", message);
        findings.push(finding.help("write for example `0.0.0.0:8080`, or `127.0.0.1:8080` for this machine alone"));
    }
    if let Some(fly) = &spec.fly {
        check_address("/spec/fly/baseUrl", fly.base_url.as_deref(), &mut findings);
        for (slug, organization) in &fly.organizations {
            let pointer = child("/spec/fly/organizations", slug);
            if let Some(problem) = names::label(slug, names::MAX_LABEL) {
                findings.push(Finding::error(&pointer, format!("the organization `{slug}` {problem}")).at_key());
            }
            check_credential(&format!("{pointer}/token"), &organization.token, &mut findings);
        }
    }
    findings
}

fn check_address(pointer: &str, url: Option<&str>, findings: &mut Vec<Finding>) {
    let url = url.unwrap_or("https://");
    if !url.starts_with("https://") && !url.starts_with("http://") {
        let finding = Finding::error(pointer, format!("`{url}` is not an address"));
        findings.push(finding.help("begin it with `https://` or `http://`"));
    }
}

fn check_credential(pointer: &str, source: &CredentialSource, findings: &mut Vec<Finding>) {
    match source {
        CredentialSource::FromEnv(name) => {
            if names::variable(name).is_some() {
                // The text is not repeated: it may be the token itself, put here by mistake.
                let finding =
                    Finding::error(format!("{pointer}/fromEnv"), "this is not the name of an environment variable");
                findings.push(
                    finding.help("write the variable's name, not the token, for example `fromEnv: FLY_API_TOKEN`"),
                );
            }
        }
        CredentialSource::FromFile(path) if path.is_empty() => {
            findings.push(Finding::error(format!("{pointer}/fromFile"), "the path is empty"));
        }
        CredentialSource::FromFile(_) => {}
    }
}

fn check_least(pointer: &str, duration: Option<Duration>, seconds: u64, findings: &mut Vec<Finding>) {
    if let Some(duration) = duration.filter(|duration| duration.as_secs() < seconds) {
        findings
            .push(Finding::error(pointer, format!("`{duration}` is too short")).help(format!("at least `{seconds}s`")));
    }
}
