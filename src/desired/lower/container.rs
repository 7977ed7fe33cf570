//! Containers, and processes inside one machine.

use serde_json::{Value, json};

use super::file::{LoadFile, container_files};
use super::wire::{headers, object, renamed};
use super::{LowerError, restart, stop, texts};
use crate::spec::container::{Container, ContainerHealthcheck, HttpHealthcheck, MachineProcess};
use crate::spec::{Duration, StringList};

pub(super) fn containers(
    containers: &[Container],
    image: Option<&str>,
    load_file: &LoadFile<'_>,
) -> Result<Vec<Value>, LowerError> {
    containers
        .iter()
        .enumerate()
        .map(|(index, each)| container(each, image, &container_files(&each.files, index, load_file)?, index))
        .collect()
}

fn container(container: &Container, image: Option<&str>, files: &[Value], index: usize) -> Result<Value, LowerError> {
    let image = container.image.as_deref().or(image).ok_or_else(|| LowerError {
        pointer: format!("/containers/{index}"),
        message: format!("container `{}` has no image, and neither has its app", container.name),
    })?;
    Ok(object([
        ("name", Some(json!(container.name))),
        ("image", Some(json!(image))),
        ("cmd", list(container.command.as_ref())),
        ("entrypoint", list(container.entrypoint.as_ref())),
        ("exec", list(container.exec.as_ref())),
        ("user", container.user.as_ref().map(|user| json!(user))),
        ("env", Some(Value::Object(texts(&container.env)))),
        ("env_from", Some(renamed(&container.env_from))),
        ("secrets", container.secrets.as_ref().map(renamed)),
        ("files", Some(json!(files))),
        ("restart", container.restart.as_ref().map(restart)),
        ("stop", container.stop.as_ref().map(stop)),
        ("depends_on", Some(renamed(&container.depends_on))),
        ("healthchecks", Some(container.healthchecks.iter().map(healthcheck).collect())),
    ]))
}

pub(super) fn process(process: &MachineProcess) -> Value {
    object([
        ("cmd", list(process.command.as_ref())),
        ("entrypoint", list(process.entrypoint.as_ref())),
        ("exec", list(process.exec.as_ref())),
        ("user", process.user.as_ref().map(|user| json!(user))),
        ("env", Some(Value::Object(texts(&process.env)))),
        ("env_from", Some(renamed(&process.env_from))),
        ("secrets", process.secrets.as_ref().map(renamed)),
        ("ignore_app_secrets", process.ignore_app_secrets.map(Value::from)),
    ])
}

fn healthcheck(check: &ContainerHealthcheck) -> Value {
    object([
        ("name", Some(json!(check.name))),
        ("kind", check.kind.map(|kind| renamed(&kind))),
        ("interval", seconds(check.interval)),
        ("timeout", seconds(check.timeout)),
        ("grace_period", seconds(check.grace_period)),
        ("success_threshold", check.success_threshold.map(Value::from)),
        ("failure_threshold", check.failure_threshold.map(Value::from)),
        ("unhealthy", check.unhealthy.map(|unhealthy| renamed(&unhealthy))),
        ("http", check.http.as_ref().map(http)),
        ("tcp", check.tcp.as_ref().map(renamed)),
        ("exec", check.exec.as_ref().map(|exec| json!({"command": exec.command.as_slice()}))),
    ])
}

fn http(check: &HttpHealthcheck) -> Value {
    object([
        ("port", Some(json!(check.port))),
        ("path", check.path.as_ref().map(|path| json!(path))),
        ("method", check.method.as_ref().map(|method| json!(method))),
        ("scheme", check.scheme.map(|scheme| renamed(&scheme))),
        ("headers", headers(&check.headers)),
        ("tls_skip_verify", check.tls_skip_verify.map(Value::from)),
        ("tls_server_name", check.tls_server_name.as_ref().map(|name| json!(name))),
    ])
}

/// Container health checks count in whole seconds; part of a second counts as one.
fn seconds(duration: Option<Duration>) -> Option<Value> {
    Some(Value::from(u64::try_from(duration?.to_std().as_millis().div_ceil(1000)).unwrap_or(u64::MAX)))
}

fn list(list: Option<&StringList>) -> Option<Value> {
    list.map(|list| json!(list.as_slice()))
}
