//! Services, their ports, and checks.

use serde_json::{Map, Value, json};

use super::wire::{go, headers, object, renamed};
use crate::spec::AppSpec;
use crate::spec::check::{Check, ServiceCheck};
use crate::spec::service::{Port, Service};

pub(super) fn service(service: &Service) -> Value {
    object([
        ("protocol", Some(renamed(&service.protocol))),
        ("internal_port", Some(json!(service.internal_port))),
        ("ports", Some(service.ports.iter().map(port).collect())),
        ("concurrency", service.concurrency.as_ref().map(renamed)),
        ("autostop", service.autostop.map(|autostop| renamed(&autostop))),
        ("autostart", service.autostart.map(Value::from)),
        ("min_machines_running", service.min_machines_running.map(Value::from)),
        ("checks", Some(service.checks.iter().map(service_check).collect())),
    ])
}

fn port(port: &Port) -> Value {
    let mut wire = renamed(port);
    if let Value::Object(wire) = &mut wire
        && let Some(version) = wire.remove("proxy_proto")
    {
        wire.insert("proxy_proto_options".to_owned(), json!({"version": version}));
    }
    wire
}

fn service_check(check: &ServiceCheck) -> Value {
    object([
        ("type", Some(renamed(&check.kind))),
        ("port", check.port.map(Value::from)),
        ("interval", go(check.interval)),
        ("timeout", go(check.timeout)),
        ("grace_period", go(check.grace_period)),
        ("method", check.method.as_ref().map(|method| json!(method))),
        ("path", check.path.as_ref().map(|path| json!(path))),
        ("protocol", check.protocol.map(|protocol| renamed(&protocol))),
        ("headers", headers(&check.headers)),
        ("tls_skip_verify", check.tls_skip_verify.map(Value::from)),
        ("tls_server_name", check.tls_server_name.as_ref().map(|name| json!(name))),
    ])
}

/// The machine checks of one group. One without a port asks the port of the group's first service.
pub(super) fn checks(app: &AppSpec, group: &str, first: Option<&Service>) -> Map<String, Value> {
    let is_in = |check: &Check| check.processes.is_empty() || check.processes.iter().any(|name| name == group);
    app.checks
        .iter()
        .flatten()
        .filter(|(_, check)| is_in(check))
        .map(|(name, check)| (name.clone(), machine_check(check, first)))
        .collect()
}

fn machine_check(check: &Check, first: Option<&Service>) -> Value {
    object([
        ("type", Some(renamed(&check.check_type))),
        ("kind", check.kind.map(|kind| renamed(&kind))),
        ("port", check.port.or(first.map(|service| service.internal_port)).map(Value::from)),
        ("interval", go(check.interval)),
        ("timeout", go(check.timeout)),
        ("grace_period", go(check.grace_period)),
        ("method", check.method.as_ref().map(|method| json!(method))),
        ("path", check.path.as_ref().map(|path| json!(path))),
        ("protocol", check.protocol.map(|protocol| renamed(&protocol))),
        ("headers", headers(&check.headers)),
        ("tls_skip_verify", check.tls_skip_verify.map(Value::from)),
        ("tls_server_name", check.tls_server_name.as_ref().map(|name| json!(name))),
    ])
}
