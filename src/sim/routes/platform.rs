//! What the platform says about itself: regions, free capacity, and who the caller is.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::world::World;
use super::{Answer, Call, Refusal, Reply, check_org, org_name};

/// Code, name, latitude, longitude of the regions that the simulator has.
const REGIONS: [(&str, &str, f64, f64); 12] = [
    ("ams", "Amsterdam, Netherlands", 52.37, 4.90),
    ("cdg", "Paris, France", 48.86, 2.35),
    ("dfw", "Dallas, Texas (US)", 32.78, -96.81),
    ("ewr", "Secaucus, NJ (US)", 40.79, -74.06),
    ("fra", "Frankfurt, Germany", 50.11, 8.68),
    ("gru", "Sao Paulo, Brazil", -23.55, -46.63),
    ("iad", "Ashburn, Virginia (US)", 39.02, -77.46),
    ("lhr", "London, United Kingdom", 51.52, -0.10),
    ("nrt", "Tokyo, Japan", 35.62, 139.75),
    ("sin", "Singapore, Singapore", 1.30, 103.87),
    ("sjc", "San Jose, California (US)", 37.35, -121.96),
    ("syd", "Sydney, Australia", -33.87, 151.21),
];

#[derive(Deserialize)]
struct Placement {
    org_slug: String,
    region: Option<String>,
    count: Option<u64>,
}

pub(super) fn regions(world: &World) -> Reply {
    let regions: Vec<Value> = REGIONS
        .iter()
        .map(|(code, name, latitude, longitude)| {
            json!({
                "code": code, "name": name, "latitude": latitude, "longitude": longitude, "gateway_available": true,
                "requires_paid_plan": false, "deprecated": false, "geo_region": "", "mpg_available": false,
            })
        })
        .collect();
    Reply::ok(json!({"nearest": world.config.default_region, "regions": regions}))
}

/// A dry run: there is always room.
pub(super) fn placements(world: &World, call: &Call) -> Answer {
    let wanted: Placement = call.body()?;
    check_org(world, call, &wanted.org_slug)?;
    let count = wanted.count.unwrap_or(1);
    let named: Vec<&str> = wanted.region.as_deref().unwrap_or("any").split(',').map(str::trim).collect();
    let regions: Vec<&str> = REGIONS.iter().map(|region| region.0).filter(|code| named.contains(code)).collect();
    let regions =
        if regions.is_empty() && named.contains(&"any") { vec![world.config.default_region.as_str()] } else { regions };
    if regions.is_empty() {
        return Err(Refusal::from(Reply::error(400, "invalid_argument: no such region")));
    }
    let shown: Vec<Value> = regions
        .iter()
        .enumerate()
        .map(|(place, region)| json!({"region": region, "count": if place == 0 { count } else { 0 }, "concurrency": 1}))
        .collect();
    Ok(Reply::ok(json!({"regions": shown})))
}

pub(super) fn current_token(world: &World, call: &Call) -> Reply {
    let slug = call.caller.org.as_deref().unwrap_or("personal");
    let token = json!({
        "token_id": format!("simulated-{slug}"), "organization": org_name(world, slug), "org_slug": slug, "apps": [],
        "user": "", "source_machine_id": "", "restricted_to_machine": "",
    });
    Reply::ok(json!({"tokens": [token]}))
}
