//! The containers of a machine: each one begins when what it depends on is there, and some never begin.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::image::Behaviour;

/// The containers of a machine config.
pub(crate) fn containers_of(config: &Value) -> &[Value] {
    config.get("containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Refuses containers that could never work: without name or image, with one name twice, or with dependencies on nothing or in a
/// circle.
pub(crate) fn check_containers(config: &Value) -> Result<(), String> {
    let containers = containers_of(config);
    let mut names = BTreeSet::new();
    for container in containers {
        let name = text(container, "name");
        if name.is_empty() || text(container, "image").is_empty() {
            return Err("invalid_argument: config.containers: each container needs a name and an image".to_owned());
        }
        if !names.insert(name) {
            return Err(format!("invalid_argument: config.containers: the name {name} is used twice"));
        }
    }
    // Whatever can begin once its dependencies have begun, begins; what is left over waits for itself.
    let mut begun = BTreeSet::new();
    loop {
        let before = begun.len();
        for container in containers {
            for (on, condition) in dependencies(container) {
                if !names.contains(on) {
                    return Err(format!("invalid_argument: config.containers: {on} is not a container of the machine"));
                }
                if !matches!(condition, "started" | "healthy" | "exited_successfully") {
                    return Err(format!("invalid_argument: config.containers: unknown condition {condition}"));
                }
            }
            if dependencies(container).all(|(on, _)| begun.contains(on)) {
                begun.insert(text(container, "name"));
            }
        }
        if begun.len() == containers.len() {
            return Ok(());
        }
        if begun.len() == before {
            return Err("invalid_argument: config.containers: dependencies go in a circle".to_owned());
        }
    }
}

/// When each container begins, counted from the start of its machine; `None` if it waits for ever. `settle` is how long it takes from
/// the start of a container until it is healthy, or has ended.
pub(crate) fn beginnings<'c>(
    config: &'c Value,
    behaviours: &BTreeMap<String, Behaviour>,
    settle: Duration,
) -> BTreeMap<&'c str, Option<Duration>> {
    let containers = containers_of(config);
    let mut known: BTreeMap<&str, Option<Duration>> = BTreeMap::new();
    // Dependencies form no circle, so that each round settles at least one.
    while known.len() < containers.len() {
        let before = known.len();
        for container in containers {
            let ready = |(on, condition): (&str, &str)| {
                let begun = known.get(on)?;
                let other = containers.iter().find(|other| text(other, "name") == on);
                let behaviour = behaviours.get(on).copied().unwrap_or(Behaviour::Healthy);
                Some(begun.and_then(|begun| match condition {
                    "healthy" if !other.is_some_and(has_healthchecks) => None,
                    "healthy" => behaviour.is_sound().then(|| begun.saturating_add(settle)),
                    "exited_successfully" => (behaviour == Behaviour::Finishes).then(|| begun.saturating_add(settle)),
                    _ => Some(begun),
                }))
            };
            let ready: Option<Vec<Option<Duration>>> = dependencies(container).map(ready).collect();
            if let Some(ready) = ready {
                let begins = ready.into_iter().collect::<Option<Vec<Duration>>>();
                known.insert(text(container, "name"), begins.map(|all| all.into_iter().max().unwrap_or_default()));
            }
        }
        if known.len() == before {
            break;
        }
    }
    known
}

/// The containers as the machine shows them. `running` is how long the machine has run, if it runs.
pub(crate) fn render_containers(
    config: &Value,
    behaviours: &BTreeMap<String, Behaviour>,
    running: Option<Duration>,
    settle: Duration,
) -> Vec<Value> {
    let beginnings = beginnings(config, behaviours, settle);
    let state = |container: &Value| {
        let name = text(container, "name");
        let behaviour = behaviours.get(name).copied().unwrap_or(Behaviour::Healthy);
        let since = match (running, beginnings.get(name).copied().flatten()) {
            (None, _) => return "stopped",
            (Some(running), Some(begins)) => running.checked_sub(begins),
            (Some(_), None) => None,
        };
        match since {
            None => "created",
            Some(since) if since >= settle && behaviour == Behaviour::Finishes => "stopped",
            Some(since) if since >= settle && behaviour == Behaviour::Unhealthy && stops_unhealthy(container) => {
                "stopped"
            }
            Some(_) => "started",
        }
    };
    let shown = containers_of(config).iter();
    shown.map(|container| json!({"name": text(container, "name"), "state": state(container)})).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The names of what a container depends on, and in which condition.
fn dependencies(container: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = container.get("depends_on").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| {
        let condition = text(one, "condition");
        (text(one, "name"), if condition.is_empty() { "started" } else { condition })
    })
}

fn healthchecks(container: &Value) -> &[Value] {
    container.get("healthchecks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn has_healthchecks(container: &Value) -> bool {
    !healthchecks(container).is_empty()
}

fn stops_unhealthy(container: &Value) -> bool {
    healthchecks(container).iter().any(|check| text(check, "unhealthy") == "stop")
}
