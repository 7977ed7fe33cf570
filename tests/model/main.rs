//! The model check: the real planner, memory and checker under an exhaustive explorer, on an abstract platform.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod ablation;
mod deep;
mod engine;
mod explore;
mod fleet;
mod intern;
mod property;
mod request;
mod rest;
mod scenarios;
mod script;
mod small;
mod state;
mod view;
mod world;

use crate::engine::{Engine, Make};
use crate::explore::{Explorer, Search};
use crate::fleet::Specs;
use crate::state::{Bounds, Hand};

/// How long this thread has been on a processor, in seconds, where the system says so: the machine may be shared.
fn on_processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// Explores with all rules in force, finds nothing, and prints how much was explored.
fn must_hold(name: &str, specs: Specs, search: &Search) {
    let began = on_processor();
    let mut engine = Engine::new(specs, Make::default(), search.ages());
    let found = Explorer::new(&mut engine, search).run();
    if let Some(counterexample) = found.counterexample {
        panic!("{name}: {counterexample}");
    }
    let on_processor = began
        .zip(on_processor())
        .map_or_else(String::new, |(began, ended)| format!(" ({:.1} s on a processor)", ended - began));
    let rest = if search.converges { format!("; at most {} passes to rest", found.most_passes) } else { String::new() };
    println!(
        "\nshown: model: {name}: {} states, {} transitions, depth {}{}, in {:.1} s{on_processor}{rest}; {}; bounds: {}",
        found.states,
        found.transitions,
        found.depth,
        if found.is_complete { "" } else { ", NOT ALL" },
        found.took.as_secs_f64(),
        engine.sizes(),
        search.bounds,
    );
    assert!(found.is_complete, "{name}: there are more than {} states within the bounds", search.most_states);
}

fn search(bounds: Bounds) -> Search {
    Search { bounds, hands: Hand::EDITS.to_vec(), converges: true, only: Vec::new(), most_states: 4_000_000 }
}
