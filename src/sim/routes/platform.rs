//! What the platform says about itself: regions and free capacity.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::config::Shortage;
use super::super::world::World;
use super::{Answer, Call, Refusal, Reply, check_org};

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
    count: Option<usize>,
}

pub(super) fn regions(world: &World) -> Reply {
    let regions: Vec<Value> = REGIONS
        .iter()
        .map(|(code, name, latitude, longitude)| {
            json!({
                "code": code, "name": name, "latitude": latitude, "longitude": longitude, "gateway_available": true,
                "requires_paid_plan": false, "deprecated": false, "geo_region": "", "mpg_available": true,
            })
        })
        .collect();
    Reply::ok(json!({"nearest": world.config.default_region, "regions": regions}))
}

/// Whether there is a region with this code.
pub(super) fn is_region(code: &str) -> bool {
    REGIONS.iter().any(|region| region.0 == code)
}

/// A dry run: where machines could be placed now. Regions without room are left out; 0 asks how many could be.
pub(super) fn placements(world: &World, call: &Call) -> Answer {
    let wanted: Placement = call.body()?;
    check_org(world, call, &wanted.org_slug)?;
    let named: Vec<&str> = wanted.region.as_deref().unwrap_or("any").split(',').map(str::trim).collect();
    let any = named.contains(&"any");
    let named: Vec<&str> = REGIONS.iter().map(|region| region.0).filter(|code| named.contains(code)).collect();
    if named.is_empty() && !any {
        return Err(Refusal::from(Reply::error(400, "invalid_argument: no such region")));
    }
    let everywhere = REGIONS.iter().map(|region| region.0);
    let default = world.config.default_region.as_str();
    let candidates: Vec<&str> = if named.is_empty() {
        std::iter::once(default).chain(everywhere.filter(|code| *code != default)).collect()
    } else {
        named
    };
    let mut roomy = candidates.into_iter().filter(|code| !world.capacity.lacks(Shortage::Region, code));
    let free = world.quotas(&wanted.org_slug).machines;
    let free = free.map_or(1000, |most| most.saturating_sub(world.count_machines(&wanted.org_slug)));
    let count = match wanted.count.unwrap_or(1) {
        0 => free,
        count if count > free => {
            let text = format!("organization \"{}\" has reached its machine limit", wanted.org_slug);
            return Err(Refusal::from(Reply::error(422, &text)));
        }
        count => count,
    };
    let Some(first) = roomy.next() else {
        let text = "resource_exhausted: there is no capacity in the regions that were asked for";
        return Err(Refusal::from(Reply::coded(422, text, "insufficient_capacity")));
    };
    let others: Vec<&str> = if any { Vec::new() } else { roomy.collect() };
    let first = json!({"region": first, "count": count, "concurrency": 1});
    let others = others.into_iter().map(|region| json!({"region": region, "count": 0, "concurrency": 1}));
    let shown: Vec<Value> = std::iter::once(first).chain(others).collect();
    Ok(Reply::ok(json!({"regions": shown})))
}
