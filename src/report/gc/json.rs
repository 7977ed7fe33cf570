//! A collection for programs.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Collection, Departure, Goes};
use crate::plan::Notice;
use crate::report::diff_json::WithheldDocument;
use crate::report::{RequestCount, json};
use crate::resource::output;

/// The version of this form. It rises when a field changes its meaning or goes; fields may be added within a version.
const VERSION: u32 = 1;

/// A collection as JSON: the environments that go with when, why, whose and what they cost, what is withheld, and what is kept.
pub fn gc_json(collection: &Collection<'_>, requests: RequestCount) -> String {
    let plan = collection.plan;
    let environments = collection.departures.iter().map(EnvironmentDocument::of).collect();
    let notices = plan.notices.iter().cloned();
    json::pretty(&CollectionDocument {
        version: VERSION,
        seen_at: collection.seen_at,
        until: plan.made_at,
        environments,
        withheld: plan.withheld.iter().map(WithheldDocument::of).collect(),
        notices: notices.map(|notice| Notice { message: output::display(&notice.message), ..notice }).collect(),
        requests,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CollectionDocument {
    version: u32,
    seen_at: DateTime<Utc>,
    until: DateTime<Utc>,
    environments: Vec<EnvironmentDocument>,
    withheld: Vec<WithheldDocument>,
    notices: Vec<Notice>,
    requests: RequestCount,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentDocument {
    name: String,
    #[serde(flatten)]
    goes: Goes,
    reason: String,
    apps: Vec<String>,
    objects: Vec<String>,
    born_at: Option<DateTime<Utc>>,
    owner: Option<String>,
    pushed_at: Option<DateTime<Utc>>,
    /// Dollars; nothing where not all of it is known.
    cost_per_month: Option<String>,
}

impl EnvironmentDocument {
    fn of(departure: &Departure) -> Self {
        let cost = departure.cost.to_number();
        Self {
            name: departure.env.to_string(),
            goes: departure.goes,
            reason: output::display(&departure.reason),
            apps: departure.apps.iter().map(ToString::to_string).collect(),
            objects: departure.objects.iter().map(ToString::to_string).collect(),
            born_at: departure.born_at,
            owner: departure.owner.clone(),
            pushed_at: departure.pushed_at,
            cost_per_month: departure.cost.is_whole.then(|| cost.trim_start_matches('+').to_owned()),
        }
    }
}
