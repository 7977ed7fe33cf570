//! Rules of services and checks.

use std::collections::BTreeSet;

use crate::spec::app::AppSpec;
use crate::spec::check::CheckType;
use crate::spec::diagnostic::Severity;
use crate::spec::duration::Duration;
use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::positions::child;
use crate::spec::service::{Handler, Port, Protocol, Service};

use super::app::{check_path, check_port, check_processes};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

pub(super) fn check(app: &AppSpec, groups: Option<&BTreeSet<String>>, findings: &mut Vec<Finding>) {
    let services = app.services.as_deref().unwrap_or_default();
    for (index, service) in services.iter().enumerate() {
        let pointer = format!("/services/{index}");
        check_service(&pointer, service, groups, findings);
        for (number, port) in service.ports.iter().enumerate() {
            check_public_port(&format!("{pointer}/ports/{number}"), port, service.protocol, findings);
        }
    }
    check_collisions(services, findings);
    for (name, check) in app.checks.iter().flatten() {
        let pointer = child("/checks", name);
        check_processes(&format!("{pointer}/processes"), &check.processes, groups, findings);
        if check.port.is_none() && services.is_empty() && groups.is_some() {
            let finding = Finding::error(&pointer, format!("the check `{name}` has no port")).at_key();
            let finding = finding.help("add `port`: the app has no service whose port could be meant");
            findings.push(finding.relies_on([format!("{pointer}/port"), "/services".to_owned()]));
        }
        let common = Common {
            kind: check.check_type,
            port: check.port,
            method: check.method.as_deref(),
            path: check.path.as_deref(),
            http_only: [
                ("method", check.method.is_some()),
                ("path", check.path.is_some()),
                ("protocol", check.protocol.is_some()),
                ("headers", !check.headers.is_empty()),
                ("tlsSkipVerify", check.tls_skip_verify.is_some()),
                ("tlsServerName", check.tls_server_name.is_some()),
            ],
        };
        check_common(&pointer, &common, findings);
        check_bounds(&format!("{pointer}/interval"), check.interval, 2, 3600, findings);
        check_bounds(&format!("{pointer}/timeout"), check.timeout, 1, 60, findings);
    }
}

fn check_service(pointer: &str, service: &Service, groups: Option<&BTreeSet<String>>, findings: &mut Vec<Finding>) {
    check_port(&format!("{pointer}/internalPort"), service.internal_port, findings);
    check_processes(&format!("{pointer}/processes"), &service.processes, groups, findings);
    if let Some(concurrency) = &service.concurrency
        && let (Some(soft), Some(hard)) = (concurrency.soft_limit, concurrency.hard_limit)
        && soft > hard
    {
        let finding =
            Finding::error(format!("{pointer}/concurrency/softLimit"), "the soft limit is above the hard limit");
        findings.push(finding.help(format!("at most {hard}")));
    }
    for (index, check) in service.checks.iter().enumerate() {
        let pointer = format!("{pointer}/checks/{index}");
        let common = Common {
            kind: check.kind,
            port: check.port,
            method: check.method.as_deref(),
            path: check.path.as_deref(),
            http_only: [
                ("method", check.method.is_some()),
                ("path", check.path.is_some()),
                ("protocol", check.protocol.is_some()),
                ("headers", !check.headers.is_empty()),
                ("tlsSkipVerify", check.tls_skip_verify.is_some()),
                ("tlsServerName", check.tls_server_name.is_some()),
            ],
        };
        check_common(&pointer, &common, findings);
        for (field, duration) in [("interval", check.interval), ("timeout", check.timeout)] {
            let mut clamped = Vec::new();
            check_bounds(&format!("{pointer}/{field}"), duration, 1, 60, &mut clamped);
            let warn = |finding: Finding| Finding {
                severity: Severity::Warning,
                ..finding.help("Fly takes the nearest of them")
            };
            findings.extend(clamped.into_iter().map(warn));
        }
    }
}

/// What checks of services and of machines have in common.
struct Common<'a> {
    kind: CheckType,
    port: Option<u16>,
    method: Option<&'a str>,
    path: Option<&'a str>,
    http_only: [(&'static str, bool); 6],
}

fn check_common(pointer: &str, check: &Common<'_>, findings: &mut Vec<Finding>) {
    if let Some(port) = check.port {
        check_port(&format!("{pointer}/port"), port, findings);
    }
    if check.kind == CheckType::Tcp {
        for (field, _) in check.http_only.iter().filter(|(_, given)| *given) {
            let finding = Finding::error(format!("{pointer}/{field}"), format!("`{field}` needs `type: http`"));
            findings.push(finding.at_key().relies_on([format!("{pointer}/type")]));
        }
    }
    if let Some(path) = check.path {
        check_path(&format!("{pointer}/path"), path, findings);
    }
    if let Some(method) = check.method
        && !METHODS.contains(&method.to_uppercase().as_str())
    {
        let finding = Finding::error(format!("{pointer}/method"), format!("`{method}` is not an HTTP method"));
        findings.push(finding.maybe_help(did_you_mean(method, METHODS)));
    }
}

fn check_bounds(pointer: &str, duration: Option<Duration>, least: u64, most: u64, findings: &mut Vec<Finding>) {
    let bounds = std::time::Duration::from_secs(least)..=std::time::Duration::from_secs(most);
    if let Some(duration) = duration.filter(|duration| !bounds.contains(&duration.to_std())) {
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        findings.push(Finding::error(pointer, format!("`{duration}` is not between `{least}` and `{most}`")));
    }
}

fn check_public_port(pointer: &str, port: &Port, protocol: Protocol, findings: &mut Vec<Finding>) {
    match (port.port, port.start_port, port.end_port) {
        (Some(_), None, None) => {}
        (None, Some(start), Some(end)) if start <= end => {}
        (None, Some(_), Some(_)) => {
            findings.push(Finding::error(format!("{pointer}/endPort"), "the range of ports ends before it begins"));
        }
        _ => {
            let finding = Finding::error(pointer, "a public port is either `port`, or `startPort` with `endPort`");
            findings.push(finding.help("write for example `port: 443`"));
        }
    }
    for (field, number) in [("port", port.port), ("startPort", port.start_port), ("endPort", port.end_port)] {
        if let Some(number) = number {
            check_port(&format!("{pointer}/{field}"), number, findings);
        }
    }
    check_handlers(pointer, port, protocol, findings);
    if let Some(tls) = &port.tls_options {
        check_words(&format!("{pointer}/tlsOptions/alpn"), tls.alpn.as_deref(), &["h2", "http/1.1"], findings);
        check_words(
            &format!("{pointer}/tlsOptions/versions"),
            tls.versions.as_deref(),
            &["TLSv1.2", "TLSv1.3"],
            findings,
        );
    }
}

fn check_handlers(pointer: &str, port: &Port, protocol: Protocol, findings: &mut Vec<Finding>) {
    let has = |handler| port.handlers.contains(&handler);
    let handlers = format!("{pointer}/handlers");
    if protocol == Protocol::Udp && !port.handlers.is_empty() {
        findings.push(Finding::error(&handlers, "UDP ports have no handlers").help("remove `handlers`"));
    }
    for (index, handler) in port.handlers.iter().enumerate() {
        if port.handlers.iter().take(index).any(|earlier| earlier == handler) {
            findings.push(Finding::error(format!("{handlers}/{index}"), "the handler stands twice"));
        }
    }
    if has(Handler::PgTls) && (has(Handler::Tls) || has(Handler::Http)) {
        findings.push(Finding::error(&handlers, "`pg_tls` excludes `tls` and `http`"));
    }
    let needs = [
        ("forceHttps", port.force_https == Some(true), "http", has(Handler::Http)),
        ("httpOptions", port.http_options.is_some(), "http", has(Handler::Http)),
        ("tlsOptions", port.tls_options.is_some(), "tls", has(Handler::Tls) || has(Handler::PgTls)),
        ("proxyProto", port.proxy_proto.is_some(), "proxy_proto", has(Handler::ProxyProto)),
    ];
    for (field, given, handler, there) in needs {
        if given && !there {
            let finding =
                Finding::error(format!("{pointer}/{field}"), format!("`{field}` needs the handler `{handler}`"))
                    .at_key();
            findings.push(finding.help(format!("add `{handler}` to `handlers`")).relies_on([handlers.as_str()]));
        }
    }
    if port.port == Some(443) && has(Handler::Http) && !has(Handler::Tls) {
        let finding = Finding::warning(&handlers, "port 443 without the handler `tls` speaks plain HTTP");
        findings.push(finding.help("write `handlers: [http, tls]`"));
    }
}

fn check_words(pointer: &str, words: Option<&[String]>, known: &[&str], findings: &mut Vec<Finding>) {
    for (index, word) in
        words.unwrap_or_default().iter().enumerate().filter(|(_, word)| !known.contains(&word.as_str()))
    {
        let finding = Finding::error(format!("{pointer}/{index}"), format!("`{word}` is unknown"));
        findings.push(finding.maybe_help(did_you_mean(word, known.iter().copied())));
    }
}

/// Notes public ports that two services of one group share.
fn check_collisions(services: &[Service], findings: &mut Vec<Finding>) {
    let mut taken: Vec<(Protocol, u16, u16, &[String])> = Vec::new();
    for (index, service) in services.iter().enumerate() {
        for (number, port) in service.ports.iter().enumerate() {
            let Some((first, last)) = range(port) else { continue };
            let collides = taken.iter().any(|(protocol, start, end, processes)| {
                *protocol == service.protocol
                    && first <= *end
                    && *start <= last
                    && share_group(processes, &service.processes)
            });
            if collides {
                let pointer = format!("/services/{index}/ports/{number}");
                let message = format!("the public port {first} is taken by another entry of this app");
                findings.push(Finding::error(pointer, message).relies_on(["/services"]));
            }
            taken.push((service.protocol, first, last, &service.processes));
        }
    }
}

fn range(port: &Port) -> Option<(u16, u16)> {
    port.port.map(|port| (port, port)).or_else(|| port.start_port.zip(port.end_port))
}

fn share_group(one: &[String], other: &[String]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|group| other.contains(group))
}
