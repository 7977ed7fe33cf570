//! Worlds that tests start from, and ways to look at them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use hangar::controller::{Outcome, Planned, Verdict};
use hangar::execute::event::{Outcome as Ended, What};
use hangar::http::transport::{Method, Request};
use hangar::plan::{Action, Reason, Step};
use hangar::sim::{MachineView, SimConfig};
use serde_json::Value;

use crate::support::QUARANTINE;
use crate::world::World;

/// One environment `demo` with these components under `apps` (YAML, not indented).
pub(crate) fn demo(apps: &str) -> String {
    let mut text = String::from(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: demo}\nspec:\n  fly:\n    org: acme\n    region: iad\n    apps:\n",
    );
    for line in apps.lines() {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

/// One component `name` with these fields (YAML, not indented).
pub(crate) fn component(name: &str, fields: &str) -> String {
    let mut text = format!("{name}:\n");
    for line in fields.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// The environment `demo` with the one component `web`, whose app is `demo-web`.
pub(crate) fn web(fields: &str) -> String {
    demo(&component("web", fields))
}

/// The organizations of chat-dev, and the variables that its specs read.
pub(crate) const CHAT_DEV_ORGS: [&str; 3] = ["chat-dev", "chat-dev-staging", "chat-dev-previews"];

impl World {
    /// A world with the one file `demo.yaml`.
    pub(crate) fn of(text: &str) -> Self {
        Self::with(&[("demo.yaml", text)])
    }

    /// The same, created and converged; the log of requests and the events are empty.
    pub(crate) async fn running(text: &str) -> Self {
        let mut world = Self::of(text);
        world.converge().await;
        world
    }

    /// A world with all files of the folder `specs/chat-dev`, its organizations, and its variables.
    pub(crate) fn chat_dev() -> Self {
        let mut config = SimConfig::default();
        for org in CHAT_DEV_ORGS {
            config = config.with_org(org, &format!("sim_{org}_token"));
        }
        let mut world = Self::configured(&[], config);
        world.files = folder("specs/chat-dev");
        world.variables.variables.remove("FLY_API_TOKEN");
        for (name, org) in
            [("PRODUCTION", "chat-dev"), ("STAGING", "chat-dev-staging"), ("PREVIEWS", "chat-dev-previews")]
        {
            world.set(&format!("FLY_API_TOKEN_{name}"), &format!("sim_{org}_token"));
            world.set(&format!("CHAT_DEV_WORKER_TOKEN_{name}"), &format!("planted-worker-token-{org}"));
        }
        world
    }

    /// Gives `demo.yaml` this text.
    pub(crate) fn respec(&mut self, text: &str) {
        self.files.insert("demo.yaml".to_owned(), text.to_owned());
    }

    pub(crate) fn assert_converged(&self, outcome: &Outcome) {
        assert_eq!(
            outcome.worst(),
            Verdict::Converged,
            "failures: {:#?}\nwithheld: {:#?}\nevents: {:#?}",
            outcome.failures,
            outcome.last.plan.withheld,
            self.endings()
        );
    }

    /// Reconciles once more, and asserts that this is converged and writes nothing.
    pub(crate) async fn must_rest(&mut self) {
        self.sim.clear_requests();
        let outcome = self.reconcile().await;
        self.assert_converged(&outcome);
        assert_eq!(self.writes(), Vec::<String>::new(), "{:#?}", changes_of(&outcome));
    }

    /// What a plan made now would do, one line per step but for the waits.
    pub(crate) async fn planned_steps(&mut self) -> Vec<String> {
        let planned = self.diff().await;
        steps(&planned)
    }

    /// Reconciles and returns what was written, one `METHOD path` each.
    pub(crate) async fn written_by_reconcile(&mut self) -> Vec<String> {
        self.sim.clear_requests();
        let outcome = self.reconcile().await;
        self.assert_converged(&outcome);
        self.writes()
    }

    /// The machines of an app by slot, with their ids.
    pub(crate) fn slots(&self, app: &str) -> BTreeMap<String, String> {
        let machines = self.sim.machines(app);
        machines
            .into_iter()
            .map(|machine| (machine.metadata("hangar_slot").unwrap_or("none").to_owned(), machine.id))
            .collect()
    }

    /// How every step ended that did not end well, and how long each took that did.
    pub(crate) fn endings(&self) -> Vec<String> {
        let events = self.recorder.events();
        events
            .iter()
            .filter_map(|event| match &event.what {
                What::StepFinished { step, outcome, .. } => {
                    let ended = match outcome {
                        Ended::Done { .. } => "done".to_owned(),
                        Ended::Failed { reason, message, .. } => format!("failed: {reason}: {message}"),
                        Ended::Unknown { message } => format!("unknown: {message}"),
                        Ended::Skipped { message } => format!("skipped: {message}"),
                    };
                    Some(format!("{} {}: {ended}", step.action, step.key))
                }
                _ => None,
            })
            .collect()
    }
}

/// Every file below a folder of the package, by its name.
pub(crate) fn folder(path: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let entries = std::fs::read_dir(&root).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The steps of a plan but for the waits: what is done to what, and the fields that change.
pub(crate) fn steps(planned: &Planned) -> Vec<String> {
    planned.plan.steps.iter().filter(|step| !matches!(step.action, Action::WaitHealthy { .. })).map(line_of).collect()
}

fn line_of(step: &Step) -> String {
    let fields: Vec<String> = step
        .changes
        .iter()
        .map(|change| {
            let sign = match (&change.old, &change.new) {
                (None, _) => "+",
                (_, None) => "-",
                _ => "~",
            };
            format!("{sign}{}", change.path)
        })
        .collect();
    format!("{} {} [{}]", step.action.name(), step.key, fields.join(" "))
}

fn changes_of(outcome: &Outcome) -> Vec<String> {
    steps(&outcome.last)
}

/// The reasons of a plan's notices.
pub(crate) fn noticed(planned: &Planned) -> Vec<Reason> {
    planned.plan.notices.iter().map(|notice| notice.reason).collect()
}

/// What is withheld in a plan: reason and message.
pub(crate) fn held(planned: &Planned) -> Vec<(Reason, String)> {
    planned.plan.withheld.iter().map(|withheld| (withheld.reason, withheld.message.clone())).collect()
}

/// A machine's config without its metadata and without the ids that the platform mints.
pub(crate) fn bare_config(machine: &MachineView) -> Value {
    let mut config = machine.config.clone();
    if let Some(map) = config.as_object_mut() {
        map.remove("metadata");
    }
    if let Some(volume) = config.pointer_mut("/mounts/0/volume") {
        *volume = Value::from("vol");
    }
    config
}

/// Everything that is live, as text: exact, but for ids that the platform mints, hashes, and moments.
pub(crate) fn portrait(world: &World) -> String {
    const VOLATILE: [&str; 4] = ["hangar_hash", "hangar_launch", "hangar_writer", "hangar_secrets"];
    let mut text = String::new();
    for app in world.sim.apps() {
        let name = &app.name;
        text.push_str(&format!("app {name} (organization {}, network {:?})\n", app.org, app.network));
        let machines = world.sim.machines(name);
        for ip in world.sim.ips(name) {
            text.push_str(&format!("  ip {}\n", ip.kind));
        }
        for secret in world.sim.secret_names(name) {
            text.push_str(&format!("  secret {secret}\n"));
        }
        for certificate in world.sim.certificates(name) {
            text.push_str(&format!("  certificate {}\n", certificate.hostname));
        }
        for volume in world.sim.volumes(name) {
            let holder = machines.iter().find(|machine| Some(&machine.id) == volume.attached_machine.as_ref());
            let holder = holder.map_or("nothing", |machine| machine.name.as_str());
            text.push_str(&format!("  volume {} {} {} GB on {holder}\n", volume.name, volume.region, volume.size_gb));
        }
        for machine in machines {
            let mut config = bare_config(&machine);
            config["metadata"] = machine.config["metadata"].clone();
            if let Some(metadata) = config["metadata"].as_object_mut() {
                metadata.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            }
            let json = serde_json::to_string_pretty(&config).unwrap().replace('\n', "\n    ");
            let checks: Vec<String> = machine.checks.iter().map(|(name, status)| format!("{name} {status}")).collect();
            text.push_str(&format!(
                "  machine {} {} {} [{}]\n",
                machine.name,
                machine.region,
                machine.state,
                checks.join(", ")
            ));
            text.push_str(&format!("    {json}\n"));
        }
    }
    text
}

impl World {
    /// Lets the quarantine of a run that began without a store pass: only then anything is removed.
    pub(crate) async fn past_quarantine(&mut self) {
        self.pass_time(QUARANTINE).await;
    }
}

impl World {
    /// A person sends a request without a body, with the organization's token.
    pub(crate) async fn post_by_hand(&self, path: &str) {
        let request = Request {
            method: Method::Post,
            url: format!("https://api.machines.dev{path}"),
            headers: vec![("authorization".to_owned(), "Bearer sim_acme_token".to_owned())],
            body: Bytes::new(),
            timeout: Duration::from_secs(10),
        };
        let answer = self.sim.transport().send(request).await.unwrap();
        assert!(answer.status < 300, "{answer:?}");
    }
}
