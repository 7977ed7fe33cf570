//! A pass that finds nothing to do: by `--once`, which reads everything closely, and by the loop, which knows what it saw last.

use std::sync::Arc;
use std::time::Duration;

use hangar::controller::{Daemon, Loaded};
use hangar::event::Silent;
use hangar::execute::Stop;
use hangar::plan::Request;
use serde_json::{Value, json};

use crate::fleet::{Fixed, World, must_be_converged, on_paused_clock, once};
use crate::meter::{Metered, Span, process_peak};
use crate::table::Section;

const MB: f64 = 1_000_000.0;
/// As many as there are by default.
const WORKERS: usize = 4;

pub(crate) fn section(sizes: &[usize]) -> Section {
    let kinds = ["once", "first look", "resync"];
    let rows =
        kinds.iter().flat_map(|kind| sizes.iter().map(|size| crate::in_child("pass", &[kind, &size.to_string()])));
    Section {
        name: "passes",
        about: "nothing to do, 3 apps with a machine each per environment, one organization, 50 ms per answer",
        columns: &[
            ("kind", "pass"),
            ("environments", "environments"),
            ("requests", "requests"),
            ("processorMilliseconds", "CPU ms"),
            ("heapPeakMegabytes", "heap peak MB"),
            ("processPeakMegabytes", "process with simulator MB"),
            ("wallSeconds", "wall s"),
        ],
        rows: rows.collect(),
    }
}

pub(crate) fn measure(kind: &str, environments: usize) -> Value {
    on_paused_clock(async {
        let mut world = World::of(environments, WORKERS);
        let loaded = Arc::new(world.load());
        world.converge(&loaded).await;
        match kind {
            "once" => once_again(&mut world, loaded).await,
            "first look" | "resync" => by_loop(kind, &mut world).await,
            other => panic!("there is no pass `{other}`"),
        }
    })
}

/// `hangar reconcile --once` when all is as it should be. The memory of the last run is there.
async fn once_again(world: &mut World, loaded: Arc<Loaded>) -> Value {
    let transport = world.metered(false);
    let session = world.session(loaded, Arc::<Metered>::clone(&transport), Arc::new(Silent));
    let span = Span::begin();
    let began = world.clock.now();
    let outcome = once(&session).await;
    let row = row("once", world, &transport, &span, transport.simulator(), began);
    must_be_converged(&outcome);
    assert_eq!(world.sim.writes(), 0, "there was something to do");
    row
}

/// The looks of the loop: the first, in which it sees everything closely, or one after that, reading the specs again included.
async fn by_loop(kind: &str, world: &mut World) -> Value {
    let transport = world.metered(false);
    let stop = Stop::default();
    let daemon = Daemon {
        feedback: hangar::controller::Feedback::default(),
        source: Arc::new(Fixed(world.snapshot.clone())),
        variables: Arc::new(world.variables.clone()),
        shared: world.shared(Arc::<Metered>::clone(&transport)),
        journal: world.journal(),
        observer: Arc::new(Silent),
        stop: stop.clone(),
        request: Request::default(),
    };
    let span = Span::begin();
    let began = world.clock.now();
    let running = tokio::spawn(daemon.run());
    // It has looked at everything closely when it has asked for nothing for a while; it lists again at the next resync (10 minutes).
    let (mut seen, mut quiet, mut ended) = (0, 0, began);
    while quiet < 60 {
        world.clock.sleep(Duration::from_secs(1)).await;
        let now = transport.requests();
        (quiet, ended) = if now == seen { (quiet + 1, ended) } else { (0, world.clock.now()) };
        seen = now;
    }
    if kind == "first look" {
        let mut row = row(kind, world, &transport, &span, transport.simulator(), began);
        row["wallSeconds"] = json!((ended - began).as_seconds_f64());
        assert_eq!(world.sim.writes(), 0, "there was something to do");
        running.abort();
        return row;
    }
    world.sim.clear_requests();
    let (before, simulator) = (transport.requests(), transport.simulator());
    let span = Span::begin();
    // Until the next look is over: the periods are spread by a tenth, and one look serves everything that is near.
    while transport.requests() == before {
        world.clock.sleep(Duration::from_secs(1)).await;
    }
    let began = world.sim.requests()[0].at;
    world.clock.sleep(Duration::from_secs(20)).await;
    let ended = world.sim.requests().last().expect("there were requests").at + crate::fleet::LATENCY;
    let spent = transport.simulator().saturating_sub(simulator);
    let mut row = row(kind, world, &transport, &span, spent, began);
    row["requests"] = json!(transport.requests() - before);
    row["wallSeconds"] = json!((ended - began).as_seconds_f64());
    assert_eq!(world.sim.writes(), 0, "there was something to do");
    assert!(!running.is_finished(), "the loop has ended");
    running.abort();
    row
}

fn row(
    kind: &str,
    world: &World,
    transport: &Metered,
    span: &Span,
    simulator: Duration,
    began: chrono::DateTime<chrono::Utc>,
) -> Value {
    let processor = span.processor().saturating_sub(simulator);
    json!({
        "kind": kind,
        "environments": world.snapshot.files.len() - 1,
        "requests": transport.requests(),
        "processorMilliseconds": processor.as_secs_f64() * 1000.0,
        "simulatorMilliseconds": simulator.as_secs_f64() * 1000.0,
        "heapPeakMegabytes": span.heap_peak() as f64 / MB,
        "processPeakMegabytes": process_peak().map(|bytes| bytes as f64 / MB),
        "wallSeconds": (world.clock.now() - began).as_seconds_f64(),
    })
}
