//! What a step sends, what is noted of it first, and what it tells afterwards.

use std::sync::{Arc, Mutex};

use hangar::event::What;
use hangar::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use hangar::store::Store;
use serde_json::Value;

use crate::support::environment;
use crate::world::World;

/// A write, as it went past: its method and path, its body, and the detail of the note that was newest by then.
type Write = (String, Value, String);

/// Writes down every write with the note that was made before it.
struct Listener {
    inner: SharedTransport,
    store: Arc<dyn Store>,
    heard: Mutex<Vec<Write>>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Transport for Listener {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.method != Method::Get {
            let memory = self.store.load().unwrap();
            let detail = memory.and_then(|memory| Some(memory.notes.last()?.detail.clone())).unwrap_or_default();
            let what = format!("{} {}", request.method.as_str(), request.url);
            let body = serde_json::from_slice(&request.body).unwrap_or_default();
            self.heard.lock().unwrap().push((what, body, detail));
        }
        self.inner.send(request).await
    }
}

/// Reconciles, and returns the writes and the text of what steps have produced.
async fn heard(world: &mut World) -> (Vec<Write>, Vec<String>) {
    let before = world.recorder.events().len();
    let (inner, store) = (world.sim.transport(), Arc::clone(&world.store));
    let listener = Arc::new(Listener { inner, store, heard: Mutex::default() });
    let transport: SharedTransport = Arc::<Listener>::clone(&listener);
    world.reconcile_over(transport).await;
    let produced = world.recorder.events().into_iter().skip(before).filter_map(|event| match event.what {
        What::StepFinished { outcome: hangar::event::Outcome::Done { produced }, .. } => produced,
        _ => None,
    });
    let produced = produced.collect();
    let heard = listener.heard.lock().unwrap().clone();
    (heard, produced)
}

fn only<'w>(writes: &'w [Write], start: &str, end: &str) -> &'w Write {
    let found: Vec<&Write> =
        writes.iter().filter(|(what, ..)| what.starts_with(start) && what.ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{start} {end}: {writes:#?}");
    found[0]
}

fn spec(image: &str, volume: &str, ips: &str) -> String {
    let app = format!(
        "web: {{image: 'registry.fly.io/demo:{image}', size: shared-cpu-2x, ips: {{{ips}}}, volumes: {{data: {{mount: /data, {volume}}}}}}}"
    );
    environment("demo", "", &app)
}

#[tokio::test(start_paused = true)]
async fn a_creation_sends_what_the_spec_says_and_notes_what_tells_its_effect() {
    let volume = "size: 3GB, snapshotRetention: 9, autoBackup: false, encrypted: false, uniqueZone: false";
    let mut world = World::with(&[("demo.yaml", &spec("v1", volume, "v4: true"))]);
    let (writes, produced) = heard(&mut world).await;
    let (_, body, noted) = only(&writes, "POST", "/v1/apps");
    assert_eq!(body["network"], **noted, "the network tells whose an app is of which no answer came");
    assert!(noted.starts_with("hangar-hangar-"), "{noted}");
    let (_, body, _) = only(&writes, "POST", "/volumes");
    for (field, expected) in [
        ("name", "\"data\""),
        ("size_gb", "3"),
        ("snapshot_retention", "9"),
        ("auto_backup_enabled", "false"),
        ("encrypted", "false"),
        ("require_unique_zone", "false"),
    ] {
        assert_eq!(body[field].to_string(), expected, "{field}");
    }
    assert_eq!(body["compute"]["cpus"], 2, "so that it is put where the machine fits");
    let (_, body, noted) = only(&writes, "POST", "/machines");
    assert_eq!(noted.len(), 12);
    assert_eq!(body["config"]["metadata"]["hangar_launch"], **noted);
    let machine = world.only_machine("demo-web");
    assert!(produced.iter().any(|text| text.starts_with(&format!("{} sha256:", machine.id))), "{produced:?}");
    let memory = world.store.load().unwrap().unwrap();
    assert!(memory.born[&"demo-web".into()].id.is_some(), "the answer names the app that was made");
    // Then what there is is named by its id.
    world.put("demo.yaml", &spec("v2", &volume.replace("3GB", "4GB"), ""));
    let address = world.sim.ips("demo-web")[0].ip.clone();
    let (writes, _) = heard(&mut world).await;
    assert_eq!(only(&writes, "PUT", "/extend").2, world.sim.volumes("demo-web")[0].id);
    assert_eq!(only(&writes, "POST", &format!("/machines/{}", machine.id)).2, machine.id);
    let released = writes.iter().find(|(what, _, noted)| what.starts_with("DELETE") && *noted == address);
    assert!(released.is_some(), "{writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_made_from_the_snapshot_that_the_spec_names() {
    let mut world = World::with(&[("demo.yaml", &spec("v1", "size: 3GB, fromSnapshot: vs_none", ""))]);
    let (writes, _) = heard(&mut world).await;
    let sent = writes.iter().find(|(what, ..)| what.starts_with("POST") && what.ends_with("/volumes")).unwrap();
    assert_eq!(sent.1["snapshot_id"], "vs_none");
}
