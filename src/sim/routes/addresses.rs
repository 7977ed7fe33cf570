//! IP addresses. Nothing is unique: each request for a dedicated address allocates one more.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::super::world::address::{Address, Kind};
use super::{Answer, Call, Refusal, Reply, check_org};

#[derive(Deserialize)]
struct Assign {
    #[serde(rename = "type")]
    kind: Option<String>,
    region: Option<String>,
    org_slug: Option<String>,
    network: Option<String>,
    service_name: Option<String>,
}

pub(super) fn list(world: &World, call: &Call, app: &str) -> Answer {
    let app = call.app(world, app)?;
    let ips: Vec<Value> = app.addresses.iter().map(Address::render).collect();
    Ok(Reply::ok(json!({"ips": ips})))
}

pub(super) fn assign(world: &mut World, call: &Call, app_name: &str) -> Answer {
    let app = call.app(world, app_name)?;
    let (org, own_network) = (app.org.clone(), app.network.clone());
    let wanted: Assign = call.body()?;
    let kinds: &[Kind] = match wanted.kind.as_deref() {
        Some("v4") => &[Kind::V4],
        Some("v6") => &[Kind::V6],
        Some("shared_v4") => &[Kind::SharedV4],
        Some("private_v6") => &[Kind::PrivateV6],
        Some("egress_v4") => &[Kind::EgressV4],
        Some("egress_v6") => &[Kind::EgressV6],
        Some("egress_pair") => &[Kind::EgressV4, Kind::EgressV6],
        _ => return Err(Refusal::from(Reply::error(400, "invalid ip address type"))),
    };
    // An app has one shared address: asking again gives the same one.
    let shared = app.addresses.iter().find(|address| address.kind == Kind::SharedV4);
    if let (Some(address), [Kind::SharedV4]) = (shared, kinds) {
        return Ok(Reply::ok(address.render()));
    }
    let network = match kinds {
        [Kind::PrivateV6] => {
            let slug = wanted.org_slug.unwrap_or_else(|| org.clone());
            check_org(world, call, &slug)?;
            let name = wanted.network.unwrap_or_else(|| if slug == org { own_network } else { String::new() });
            if !world.has_network(&slug, &name) {
                return Err(Refusal::from(Reply::error(400, "network not found")));
            }
            Some((name, slug))
        }
        _ => None,
    };
    let number = network.as_ref().map_or(0, |(name, slug)| world.network_number(slug, name));
    let addresses: Vec<Address> = kinds
        .iter()
        .map(|kind| Address {
            ip: kind.mint(number, &mut world.ids),
            kind: *kind,
            region: wanted.region.clone().filter(|region| !region.is_empty()).unwrap_or_else(|| "global".to_owned()),
            service_name: wanted.service_name.clone().unwrap_or_default(),
            created_at: call.now,
            network: network.clone(),
        })
        .collect();
    let shown = match addresses.as_slice() {
        [four, six] => {
            let mut shown = four.render();
            if let Some(map) = shown.as_object_mut() {
                map.insert("ip".to_owned(), Value::Null);
                map.insert("ip_pair".to_owned(), json!({"v4": four.ip, "v6": six.ip}));
            }
            shown
        }
        _ => addresses.first().map(Address::render).unwrap_or_default(),
    };
    if let Some(app) = world.apps.get_mut(app_name) {
        app.addresses.extend(addresses);
    }
    Ok(Reply::ok(shown))
}

pub(super) fn release(world: &mut World, call: &Call, app: &str, ip: &str) -> Answer {
    call.app(world, app)?;
    let app = world.apps.get_mut(app).ok_or_else(|| Refusal::from(Reply::app_not_found()))?;
    let before = app.addresses.len();
    app.addresses.retain(|address| address.ip != ip);
    if app.addresses.len() == before {
        Err(Refusal::from(Reply::error(404, "ip address not found")))
    } else {
        Ok(Reply::empty(204))
    }
}
