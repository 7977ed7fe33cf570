//! Named sets of faults, from a quiet day to a hostile one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edit::{Edit, EditAction};
use super::fault::Fault;
use super::kind::FaultKind;
use super::matcher::Matcher;
use crate::http::transport::Method;

/// A named set of faults. What it hits is drawn from the simulator's seed: the same seed and the same requests give the same faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Nothing fails; answers take from 5 to 60 ms.
    Calm,
    /// A usual bad day: every failure now and then, about one request in twelve.
    Flaky,
    /// A third of all requests fail in some way, reads are stale, machines die, people meddle, the clock jumps. It does not end by
    /// itself, but what people do does.
    Storm,
    /// Ten minutes of 5xx, from five seconds after the first request.
    Outage,
    /// Listings are partial: regions missing, pages short or empty, old, or (those of a whole organization) cut off without a word.
    Split,
    /// Somebody makes look-alikes of apps, machines and branches, and takes names just before they are used.
    Hostile,
}

impl Profile {
    /// All of them, mildest first.
    pub const ALL: [Self; 6] = [Self::Calm, Self::Flaky, Self::Storm, Self::Outage, Self::Split, Self::Hostile];

    /// The name, as it is written on the command line and in fault files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Flaky => "flaky",
            Self::Storm => "storm",
            Self::Outage => "outage",
            Self::Split => "split",
            Self::Hostile => "hostile",
        }
    }

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Its faults.
    pub fn faults(self) -> Vec<Fault> {
        match self {
            Self::Calm => vec![latency(5, 60)],
            Self::Flaky => flaky(),
            Self::Storm => storm(),
            Self::Outage => outage(),
            Self::Split => split(),
            Self::Hostile => hostile(),
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn flaky() -> Vec<Fault> {
    vec![
        latency(10, 300),
        any(0.02, FaultKind::unavailable()),
        any(0.005, FaultKind::status_before(408)),
        any(0.01, FaultKind::RateLimited { retry_after: None }),
        any(0.005, FaultKind::RateLimited { retry_after: Some(2) }),
        any(0.005, FaultKind::Refused),
        any(0.01, FaultKind::ResetBefore),
        any(0.005, FaultKind::HtmlError),
        any(0.005, FaultKind::Truncated),
        any(0.003, FaultKind::NotJson),
        reads(0.02, FaultKind::Stale { seconds: 5 }),
        writes(0.01, FaultKind::lost_in_500()),
        writes(0.005, FaultKind::status_after(408)),
        writes(0.01, FaultKind::ResetAfter),
        writes(0.003, FaultKind::TimeoutAfter),
        writes(0.005, FaultKind::Late { after_ms: 10_000 }),
    ]
}

fn storm() -> Vec<Fault> {
    vec![
        latency(50, 1_500),
        any(0.01, FaultKind::Latency { ms: 15_000 }),
        any(0.08, FaultKind::unavailable()),
        any(0.02, FaultKind::status_before(408)),
        any(0.02, FaultKind::status_before(504)),
        any(0.05, FaultKind::RateLimited { retry_after: None }),
        any(0.02, FaultKind::RateLimited { retry_after: Some(3) }),
        any(0.02, FaultKind::Refused),
        any(0.02, FaultKind::ResetBefore),
        any(0.005, FaultKind::TimeoutBefore),
        any(0.02, FaultKind::HtmlError),
        any(0.02, FaultKind::Truncated),
        any(0.01, FaultKind::NotJson),
        writes(0.04, FaultKind::lost_in_500()),
        writes(0.02, FaultKind::status_after(408)),
        writes(0.04, FaultKind::ResetAfter),
        writes(0.01, FaultKind::TimeoutAfter),
        writes(0.03, FaultKind::Late { after_ms: 30_000 }),
        reads(0.05, FaultKind::Stale { seconds: 30 }),
        reads(0.05, FaultKind::ShortPage { keep: 2 }),
        reads(0.03, FaultKind::ErrorRegions { regions: regions() }),
        edit(0.02, 3, EditAction::StopMachine),
        edit(0.02, 3, EditAction::CrashMachine),
        edit(0.01, 2, EditAction::DeleteMachine),
        edit(0.01, 2, EditAction::EditMachine),
        edit(0.01, 1, EditAction::ScaleMemory),
        edit(0.01, 1, EditAction::MigrateHost),
        edit(0.01, 1, EditAction::HostUnreachable { seconds: 45 }),
        edit(0.02, 4, EditAction::LeaseMachine { seconds: 13 }),
        edit(0.01, 1, EditAction::UnsetSecret),
        any(0.005, FaultKind::ClockJump { seconds: 40 }).times(2),
        any(0.005, FaultKind::ClockJump { seconds: -40 }).times(2),
    ]
}

fn outage() -> Vec<Fault> {
    const BEGINS: u64 = 5;
    const LASTS: u64 = 600;
    let during = |fault: Fault| fault.starting(BEGINS).lasting(LASTS);
    vec![
        latency(10, 100),
        during(writes(0.1, FaultKind::lost_in_500())),
        during(any(0.2, FaultKind::HtmlError)),
        during(any(0.2, FaultKind::status_before(502))),
        during(any(0.2, FaultKind::status_before(504))),
        during(Fault::always(Matcher::any(), FaultKind::unavailable())),
    ]
}

fn split() -> Vec<Fault> {
    // What is not known of any listing of one app: that it is cut off and does not say so.
    const BULK: [&str; 4] = ["/v1/apps", "/v1/orgs/*/machines", "/v1/orgs/*/volumes", "/api/v2/projects/*/branches"];
    let lies = BULK.into_iter().flat_map(|path| {
        let lie = |kind| Fault::sometimes(Matcher::new(Method::Get, path), 0.1, kind);
        [lie(FaultKind::PartialList { keep: 1 }), lie(FaultKind::EmptyList)]
    });
    let mut faults = vec![
        latency(5, 60),
        reads(0.3, FaultKind::ErrorRegions { regions: regions() }),
        reads(0.2, FaultKind::ShortPage { keep: 1 }),
        reads(0.1, FaultKind::ShortPage { keep: 0 }),
        reads(0.2, FaultKind::Stale { seconds: 45 }),
    ];
    faults.extend(lies);
    faults
}

fn hostile() -> Vec<Fault> {
    vec![
        latency(5, 60),
        edit(0.05, 3, EditAction::LookAlikeMachine),
        edit(0.05, 3, EditAction::LookAlikeApp),
        edit(0.3, 1, EditAction::SquatApp { org: None }),
        edit(0.3, 1, EditAction::SquatApp { org: Some("squatters".to_owned()) }),
        edit(0.3, 1, EditAction::SquatMachine),
        edit(0.05, 3, EditAction::LookAlikeBranch),
        edit(0.3, 1, EditAction::SquatBranch),
    ]
}

/// The regions that are missing when some are: where most machines are, and another one.
fn regions() -> Vec<String> {
    vec!["iad".to_owned(), "fra".to_owned()]
}

const fn latency(min_ms: u64, max_ms: u64) -> Fault {
    Fault::always(
        Matcher { method: None, path: String::new(), only: None },
        FaultKind::LatencyBetween { min_ms, max_ms },
    )
}

fn any(probability: f64, kind: FaultKind) -> Fault {
    Fault::sometimes(Matcher::any(), probability, kind)
}

fn reads(probability: f64, kind: FaultKind) -> Fault {
    Fault::sometimes(Matcher::reads(), probability, kind)
}

fn writes(probability: f64, kind: FaultKind) -> Fault {
    Fault::sometimes(Matcher::writes(), probability, kind)
}

fn edit(probability: f64, times: u32, action: EditAction) -> Fault {
    any(probability, FaultKind::Edit(Edit::new(action))).times(times)
}
