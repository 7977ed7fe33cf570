//! The planner alone: what was observed goes in, a plan comes out. No request, no simulator, one thread.

use std::sync::Arc;

use hangar::check;
use hangar::event::Silent;
use hangar::observed::Observed;
use hangar::plan::{Request, plan};
use serde_json::{Value, json};

use crate::fleet::{World, on_paused_clock};
use crate::meter::{Span, process_peak};
use crate::table::Section;

/// How often the same is planned; the shortest time counts, because everything else on the machine only adds to it.
const REPEATS: usize = 5;

pub(crate) fn section(sizes: &[usize]) -> Section {
    let cases = ["no change", "all new"];
    let rows =
        cases.iter().flat_map(|case| sizes.iter().map(|size| crate::in_child("planner", &[case, &size.to_string()])));
    Section {
        name: "planner",
        about: "one plan of all environments, 3 apps each, from what was observed in detail",
        columns: &[
            ("case", "case"),
            ("environments", "environments"),
            ("steps", "steps"),
            ("milliseconds", "plan ms"),
            ("environmentsPerSecond", "environments/s"),
            ("checkMilliseconds", "check ms"),
            ("inputBytesPerEnvironment", "input B/environment"),
            ("planningBytesPerEnvironment", "planning B/environment"),
            ("inputAndPlanningMegabytes", "together MB"),
        ],
        rows: rows.collect(),
    }
}

pub(crate) fn measure(case: &str, environments: usize) -> Value {
    on_paused_clock(async {
        let mut world = World::of(environments, 4);
        let whole = Span::begin();
        let loaded = Arc::new(world.load());
        let wanted_bytes = whole.heap_kept();
        if case == "no change" {
            world.converge(&loaded).await;
        }
        let session = world.session(Arc::clone(&loaded), world.sim.transport(), Arc::new(Silent));
        let all = loaded.fleet.environments.keys().cloned().collect();
        let seen = Span::begin();
        let observed: Observed = session.observe(&all).await.expect("a store in memory works");
        let observed_bytes = seen.heap_kept();
        let (memory, request, now) = (session.journal.memory(), Request::default(), world.clock.now());
        let mut best = f64::MAX;
        let (mut peak, mut steps, mut check_best) = (0, 0, f64::MAX);
        for _ in 0..REPEATS {
            let span = Span::begin();
            let made = plan(&loaded.fleet, &observed, &memory, &loaded.policy, &request, now);
            best = best.min(span.processor().as_secs_f64());
            peak = span.heap_peak();
            steps = made.steps.len();
            assert_eq!(steps == 0, case == "no change", "{:#?}", made.steps.first());
            let span = Span::begin();
            assert_eq!(check::check(&made, &loaded.fleet, &observed, &memory, &loaded.policy), []);
            check_best = check_best.min(span.processor().as_secs_f64());
        }
        let count = environments as f64;
        json!({
            "case": case,
            "environments": environments,
            "steps": steps,
            "milliseconds": best * 1000.0,
            "environmentsPerSecond": count / best,
            "checkMilliseconds": check_best * 1000.0,
            "inputBytesPerEnvironment": (wanted_bytes + observed_bytes) as f64 / count,
            "wantedBytesPerEnvironment": wanted_bytes as f64 / count,
            "planningBytesPerEnvironment": peak as f64 / count,
            "inputAndPlanningMegabytes": (wanted_bytes + observed_bytes + peak) as f64 / 1_000_000.0,
            "processPeakMegabytes": process_peak().map(|bytes| bytes as f64 / 1_000_000.0),
        })
    })
}
