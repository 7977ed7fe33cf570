//! Tokens: who the caller is, and tokens for one app.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::normalise::parse_go_duration;
use super::super::world::schedule::after;
use super::super::world::tokens::DeployToken;
use super::{Answer, Call, Refusal, Reply, org_name};

#[derive(Deserialize)]
struct Wanted {
    expiry: Option<String>,
}

/// How long a token lives if nobody says otherwise: 20 years, as flyctl asks for.
const TWENTY_YEARS: std::time::Duration = std::time::Duration::from_hours(175_200);

pub(super) fn current(world: &World, call: &Call) -> Reply {
    let slug = call.caller.org.as_deref().unwrap_or("personal");
    let apps: Vec<Value> = call.caller.app.iter().map(|app| Value::from(app.as_str())).collect();
    let token = json!({
        "token_id": call.caller.token_id.clone().unwrap_or_else(|| format!("simulated-{slug}")),
        "organization": org_name(world, slug), "org_slug": slug, "apps": apps,
        "user": "", "source_machine_id": "", "restricted_to_machine": "",
    });
    Reply::ok(json!({"tokens": [token]}))
}

/// A token that can do everything to this app, and nothing else. It does not look like a macaroon: flyctl would take those apart.
pub(super) fn deploy(world: &mut World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    let (org, app_id) = (app.org.clone(), app.id.clone());
    let Wanted { expiry } = call.body()?;
    let lifetime = match expiry.as_deref().filter(|text| !text.is_empty()).map(parse_go_duration) {
        None => TWENTY_YEARS,
        Some(Some(nanos)) if nanos > 0 => std::time::Duration::from_nanos(nanos),
        Some(_) => {
            return Err(Refusal::from(Reply::error(400, "invalid_argument: expiry: must be a duration such as 720h")));
        }
    };
    let token = format!("sim_deploy_{}", world.ids.hex(32));
    let made = DeployToken { id: world.ids.hex(16), org, app_id, expires_at: after(call.now, lifetime) };
    world.tokens.add(&token, made);
    Ok(Reply::ok(json!({"token": format!("FlyV1 {token}")})))
}
