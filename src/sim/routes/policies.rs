//! Network policies: kept and shown, not enforced.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::policy::Policy;
use super::{Answer, Call, Refusal, Reply};

#[derive(Deserialize)]
struct Wanted {
    id: Option<String>,
    name: Option<String>,
    selector: Option<Value>,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize, serde::Serialize)]
struct Rule {
    action: String,
    direction: String,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize, serde::Serialize)]
struct Port {
    protocol: String,
    port: u16,
}

fn not_found() -> Refusal {
    Refusal::from(Reply::error(404, "network policy not found"))
}

fn invalid(text: &str) -> Refusal {
    Refusal::from(Reply::error(400, &format!("invalid_argument: {text}")))
}

pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    Ok(Reply::ok(app.policies.values().map(Policy::render).collect()))
}

pub(super) fn get(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let app = call.app(world, app)?;
    app.policies.get(id).map(|policy| Reply::ok(policy.render())).ok_or_else(not_found)
}

/// Creates a policy, or with an id replaces it.
pub(super) fn write(world: &mut World, call: &Call, app: &str) -> Answer {
    let known = call.app(world, app)?;
    let wanted: Wanted = call.body()?;
    let name = wanted.name.filter(|name| !name.is_empty()).ok_or_else(|| invalid("name: a name is required"))?;
    let selector = wanted.selector.unwrap_or_else(|| json!({"all": true}));
    let selects = ["all", "machines", "metadata"].iter().any(|key| selector.get(key).is_some());
    if !selects {
        return Err(invalid("selector: needs all, machines or metadata"));
    }
    for rule in &wanted.rules {
        if rule.action != "allow" || !matches!(rule.direction.as_str(), "ingress" | "egress") {
            return Err(invalid("rules: action must be allow, and direction ingress or egress"));
        }
    }
    if let Some(id) = wanted.id.as_ref().filter(|id| !known.policies.contains_key(*id)) {
        return Err(Refusal::from(Reply::error(404, &format!("network policy {id} not found"))));
    }
    let id = wanted.id.unwrap_or_else(|| world.ids.alphanumeric(16));
    let rules = serde_json::to_value(wanted.rules).unwrap_or_default();
    let policy = Policy { id: id.clone(), name, selector, rules };
    let shown = policy.render();
    if let Some(app) = world.apps.get_mut(app) {
        app.policies.insert(id, policy);
    }
    Ok(Reply::ok(shown))
}

pub(super) fn delete(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    call.app(world, app)?;
    let removed = world.apps.get_mut(app).and_then(|app| app.policies.remove(id));
    removed.map(|_| Reply::empty(204)).ok_or_else(not_found)
}
