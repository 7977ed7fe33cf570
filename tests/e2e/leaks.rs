//! Values that were planted are looked for in everything that Hangar says, keeps and sends.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use hangar::event::Observer as _;
use hangar::report::live::{JsonLines, PlainLines};
use hangar::report::{self, RequestCount, Style};
use hangar::secret::SecretText;
use hangar::sim::{Fault, FaultKind, Matcher};
use hangar::store::SqliteStore;

use crate::given::demo;
use crate::world::{MASTER_KEY, World};

const APPS: &str = r"
worker:
  image: registry.fly.io/worker:v1
  secrets: {SHARED: {generate: {length: 40}}}
server:
  image: registry.fly.io/server:v1
  env: {PORT: '8080', DATABASE_HOST: 'db.internal'}
  ips: {v6: true}
  secrets:
    FROM_ENV: {fromEnv: PLANTED_VARIABLE}
    FROM_FILE: {fromFile: planted.key}
    SHARED: {value: '${{ fly.worker.secrets.SHARED }}'}
    URL: {value: 'https://app:${{ fly.server.secrets.FROM_ENV | urlencode }}@[${{ fly.server.ips.v6 }}]/'}
    ENCODED: {value: '${{ fly.server.secrets.FROM_ENV | base64 }}'}
";

const FROM_ENV: &str = "planted+variable/value&with=odd chars";
const FROM_FILE: &str = "planted-file-value-6a1f";
const TOKEN: &str = "sim_acme_token";

/// A buffer that a log is written to.
#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Every form of a planted value that would give it away.
fn forms(value: &str) -> Vec<String> {
    let encode = |engine: &base64::engine::GeneralPurpose| engine.encode(value).trim_end_matches('=').to_owned();
    let url: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    vec![
        value.to_owned(),
        encode(&base64::engine::general_purpose::STANDARD),
        encode(&base64::engine::general_purpose::URL_SAFE),
        hex::encode(value),
        url.replace('+', "%20"),
        url,
        serde_json::to_string(value).unwrap().trim_matches('"').to_owned(),
    ]
}

/// What was said, kept and sent, by where.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn add(&mut self, place: &str, text: impl Into<String>) {
        self.0.push((place.to_owned(), text.into()));
    }

    fn assert_without(&self, planted: &[(&str, String)]) {
        for (place, text) in &self.0 {
            assert!(!text.is_empty(), "nothing was looked at in {place}");
            for (what, value) in planted {
                for form in forms(value) {
                    assert!(!text.contains(&form), "{what} is shown in {place}: …{form}…");
                }
            }
        }
    }
}

/// Everything that can be said about the plan that would be made now.
async fn say_plan(world: &mut World, said: &mut Said) {
    let planned = world.diff().await;
    let (plan, requests) = (&planned.plan, RequestCount::default());
    said.add("the plan's debug form", format!("{plan:?} {plan:#?}"));
    said.add("what was observed", format!("{:?}", planned.observed));
    said.add("diff as text", report::diff_text(plan, &Style::default(), requests));
    said.add("diff as Markdown", report::diff_markdown(plan, hangar::cost::Cost::ZERO, requests));
    said.add("diff as JSON", report::diff_json(plan, requests));
    let loaded = world.load();
    said.add("the fleet's debug form", format!("{loaded:?}"));
    let statuses = report::status_of(&loaded.fleet, plan, &planned.observed, world.clock.now());
    said.add("status as JSON", report::status_json(&statuses, requests));
    said.add("status as text", report::status_text(&statuses, world.clock.now(), &Style::default(), requests));
    let session = world.session();
    said.add("the session's debug form", format!("{session:?}"));
}

fn say_live(world: &World, said: &mut Said) {
    for app in world.sim.apps() {
        for machine in world.sim.machines(&app.name) {
            said.add("a machine's config and metadata", machine.config.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_planted_value_is_said_kept_or_sent_anywhere() {
    let log = Buffer::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber alone, a place in the code that another test's thread reaches first is taken for silent ever after.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("state.db");
    let mut world = World::of(&demo(APPS));
    world.store = Arc::new(SqliteStore::open(&database).unwrap());
    world.set("PLANTED_VARIABLE", FROM_ENV);
    world.variables.files.insert("planted.key".to_owned(), SecretText::new(FROM_FILE));
    let mut said = Said::default();

    // A world is planned, created, changed, refused, cut off, and repaired.
    say_plan(&mut world, &mut said).await;
    let echo =
        serde_json::json!({"error": format!("invalid value {FROM_ENV} and {FROM_FILE} for {TOKEN}")}).to_string();
    let secrets = || Matcher::new(hangar::http::transport::Method::Post, "/v1/apps/demo-server/secrets");
    world.sim.inject(Fault::once(secrets(), FaultKind::StatusBefore { status: 400, body: echo.clone() }));
    let refused = world.reconcile().await;
    assert!(format!("{:?}", refused.failures).contains("[REDACTED]"), "the refusal repeated a value: {refused:#?}");
    said.add("failures", format!("{:?}", refused.failures));
    world.sim.inject(Fault::once(secrets(), FaultKind::StatusAfter { status: 500, body: echo }));
    world.reconcile().await;
    world.pass_time(Duration::from_mins(3)).await;
    world.converge().await;
    say_live(&world, &mut said);
    let mut planted = vec![
        ("the master key", MASTER_KEY.to_owned()),
        ("the variable", FROM_ENV.to_owned()),
        ("the file", FROM_FILE.to_owned()),
        ("the token", TOKEN.to_owned()),
        ("the generated secret", world.sim.secret_value("demo-worker", "SHARED").unwrap()),
        ("the composed secret", world.sim.secret_value("demo-server", "URL").unwrap()),
    ];
    let rotated = format!("rotated-{FROM_ENV}");
    world.set("PLANTED_VARIABLE", &rotated);
    world.edit("demo.yaml", "generate: {length: 40}", "generate: {length: 40, generation: 2}");
    world.edit("demo.yaml", "server:v1", "server:v2-crash");
    say_plan(&mut world, &mut said).await;
    let crashed = world.reconcile().await;
    assert!(!crashed.failures.is_empty());
    said.add("failures", format!("{:?}", crashed.failures));
    world.edit("demo.yaml", "server:v2-crash", "server:v3");
    world.converge().await;
    say_plan(&mut world, &mut said).await;
    say_live(&world, &mut said);
    planted.push(("the rotated variable", rotated));
    planted.push(("the rotated secret", world.sim.secret_value("demo-worker", "SHARED").unwrap()));

    let (plain, json) = (Buffer::default(), Buffer::default());
    let columns = report::live::Columns::of(&world.load().fleet);
    let lines = PlainLines::new(Box::new(plain.clone()), Style::default(), columns);
    let json_lines = JsonLines::new(Box::new(json.clone()));
    for event in world.recorder.events() {
        said.add("an event's debug form", format!("{event:?}"));
        lines.observe(&event);
        json_lines.observe(&event);
    }
    said.add("plain lines", plain.text());
    said.add("JSON lines", json.text());
    let requests: Vec<String> = world
        .sim
        .requests()
        .iter()
        .map(|request| format!("{} {}?{}", request.method, request.path, request.query))
        .collect();
    said.add("the paths and queries of requests", requests.join("\n"));
    said.add("the memory", format!("{:?}", world.store.load().unwrap()));
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if !bytes.is_empty() {
            said.add(&format!("the store's file {}", path.display()), String::from_utf8_lossy(&bytes));
        }
    }
    said.add("the log at level trace", log.text());
    assert!(log.text().contains("/v1/apps/demo-server/secrets"), "the log was looked at");
    said.assert_without(&planted);
}
