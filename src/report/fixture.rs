//! A small fleet, and a world that does what a plan says, so that every rendered plan is one that the planner really makes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::desired::{
    App, Class, Completeness, Environment, Fleet, Gates, IpRequest, Level, Machine, Network, SecretValue, Volume,
    Wanted,
};
use crate::memory::Memory;
use crate::observed::{self, AppDetail, AppRow, Listing, MachineState, Observed, Presence, Reading, Scope};
use crate::plan::{Action, MachineWrite, Plan, Request, plan};
use crate::policy::Policy;
use crate::resource::marker::WriterStamp;
use crate::resource::output::{Outputs, placeholder, resolve, volume_id_path};
use crate::resource::secret_record::short_digest;
use crate::resource::{AppName, IpKind, MachineSlot, OrgSlug, ResourceKey, VolumeSlot};
use crate::secret::SecretText;
use crate::template::Fingerprinter;

/// A Saturday at noon.
pub(super) fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-21T12:00:50Z").unwrap().to_utc()
}

pub(super) const SECRET: &str = "hunter2-planted-secret";

pub(super) fn slot(ordinal: u32) -> MachineSlot {
    MachineSlot { group: "app".into(), region: "iad".into(), ordinal }
}

pub(super) fn machine(ordinal: u32, image: &str) -> Machine {
    Machine {
        slot: slot(ordinal),
        config: json!({
            "image": image,
            "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
            "env": {"PORT": "8080", "LOG_LEVEL": "info"},
            "services": [{"protocol": "tcp", "internal_port": 8080, "autostop": "off",
                "ports": [{"port": 443, "handlers": ["http", "tls"]}]}],
        }),
        metadata: BTreeMap::new(),
        volume: None,
        always_on: true,
        has_checks: true,
    }
}

pub(super) fn app(component: &str, name: &str) -> App {
    let image = format!("registry.fly.io/chat-images:{component}-4be1f09");
    App {
        component: component.into(),
        name: name.into(),
        adopt: false,
        protect: false,
        retain: false,
        image: image.clone(),
        after: BTreeSet::new(),
        secrets: BTreeMap::new(),
        ips: BTreeMap::from([(IpKind::SharedV4, IpRequest::default()), (IpKind::V6, IpRequest::default())]),
        certificates: BTreeSet::new(),
        volumes: Vec::new(),
        machines: vec![machine(0, &image)],
        health_timeout: Duration::from_mins(5),
    }
}

impl App {
    pub(super) fn with_secret(mut self, name: &str) -> Self {
        self.secrets.insert(name.to_owned(), SecretValue::Known(SecretText::new(SECRET)));
        self
    }

    pub(super) fn with_machines(mut self, count: u32) -> Self {
        self.machines = (0..count).map(|ordinal| machine(ordinal, &self.image)).collect();
        self
    }

    pub(super) fn with_volume(mut self) -> Self {
        for wanted in &mut self.machines {
            let slot = VolumeSlot { name: "chat_data".into(), machine: wanted.slot.clone() };
            let id = placeholder(&volume_id_path(self.component.as_str(), &slot));
            wanted.config["mounts"] = json!([{"path": "/data", "name": "chat_data", "volume": id}]);
            wanted.volume = Some(slot.clone());
            self.volumes.push(Volume {
                slot,
                size_gb: 1,
                snapshot_retention: None,
                auto_backup: None,
                encrypted: true,
                unique_zone: false,
                from_snapshot: None,
                retain: false,
            });
        }
        self
    }

    pub(super) fn with_env(mut self, name: &str, value: &str) -> Self {
        for wanted in &mut self.machines {
            wanted.config["env"][name] = value.into();
        }
        self
    }

    pub(super) fn with_image(mut self, image: &str) -> Self {
        self.image = image.to_owned();
        for wanted in &mut self.machines {
            wanted.config["image"] = image.into();
        }
        self
    }
}

pub(super) fn environment(name: &str, apps: Vec<App>) -> Environment {
    Environment {
        name: name.into(),
        origin: format!("specs/{name}.yaml:1"),
        class: Class::Staging,
        level: Level::Full,
        protect: false,
        retain: false,
        paused: false,
        expires_at: None,
        max_age: None,
        requires: Gates::default(),
        org: "acme".into(),
        network: Network::Isolated,
        apps,
    }
}

/// What is wanted, what is live, and the rules.
#[derive(Debug)]
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) observed: Observed,
    pub(super) memory: Memory,
    pub(super) policy: Policy,
    pub(super) request: Request,
    pub(super) now: DateTime<Utc>,
    minted: u32,
}

impl World {
    pub(super) fn new(environments: Vec<Environment>) -> Self {
        let mut memory = Memory::blank("i1", now() - TimeDelta::days(1));
        memory.blank_since = None;
        let mut world = Self {
            fleet: Fleet {
                owner: "acme".into(),
                environments: BTreeMap::new(),
                source: Completeness::Complete,
                commit: Some("4be1f09c".into()),
                fingerprinter: Some(Fingerprinter::new(&SecretText::new("master"))),
            },
            observed: Observed::default(),
            memory,
            policy: Policy::default(),
            request: Request::default(),
            now: now(),
            minted: 0,
        };
        world.want(environments);
        world
    }

    /// Replaces what is wanted.
    pub(super) fn want(&mut self, environments: Vec<Environment>) {
        self.fleet.environments.clear();
        for env in environments {
            for app in &env.apps {
                self.detail(&env.org, &app.name);
            }
            self.fleet.environments.insert(env.name.clone(), Wanted::Ready(Box::new(env)));
        }
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.fleet, &self.observed, &self.memory, &self.policy, &self.request, self.now)
    }

    /// Does what plans say until nothing is left to do.
    pub(super) fn converge(mut self) -> Self {
        for _ in 0..3 {
            let plan = self.plan();
            let mut outputs = Outputs::new();
            for step in &plan.steps {
                self.carry_out(&step.org, &step.key, &step.action, &mut outputs);
            }
        }
        assert_eq!(self.plan().steps.len(), 0, "{:#?}", self.plan().steps);
        self
    }

    fn listing<T>(items: Vec<T>) -> Listing<T> {
        Listing { items, completeness: Completeness::Complete, started_at: now() }
    }

    pub(super) fn scope(&mut self, org: &OrgSlug) -> &mut Scope {
        self.observed.scopes.entry(org.clone()).or_insert_with(|| Scope {
            apps: Self::listing(Vec::new()),
            machines: Self::listing(Vec::new()),
            volumes: Self::listing(Vec::new()),
            details: BTreeMap::new(),
        })
    }

    pub(super) fn detail(&mut self, org: &OrgSlug, app: &AppName) -> &mut AppDetail {
        fn known<T>(value: T) -> Reading<T> {
            Reading::Known { value, started_at: now() }
        }
        self.scope(org).details.entry(app.clone()).or_insert_with(|| AppDetail {
            presence: Presence::Absent { started_at: now() },
            machines: known(Vec::new()),
            volumes: known(Vec::new()),
            secrets: known(Vec::new()),
            ips: known(Vec::new()),
            certificates: known(Vec::new()),
        })
    }

    fn id(&mut self, prefix: &str) -> String {
        self.minted += 1;
        format!("{prefix}{:06}", self.minted)
    }

    /// The `index`th live machine of an app, to be changed behind our back.
    pub(super) fn machine(&mut self, app: &str, index: usize) -> &mut observed::Machine {
        &mut known(&mut self.detail(&"acme".into(), &app.into()).machines)[index]
    }

    /// Sets the tombstone of an environment's oldest machines, as an earlier pass has done.
    fn bury(&mut self, env: &str, ago: TimeDelta) {
        for detail in self.scope(&"acme".into()).details.values_mut() {
            for machine in known(&mut detail.machines) {
                if let Some(Ok(marker)) = &mut machine.marker
                    && marker.env.as_str() == env
                {
                    marker.tombstone = Some(now() - ago);
                }
            }
        }
    }

    fn carry_out(&mut self, org: &OrgSlug, key: &ResourceKey, action: &Action, outputs: &mut Outputs) {
        let app = key.app().clone();
        let id = self.id("148e21");
        let minted = self.minted;
        match action {
            Action::CreateApp { network } => {
                let row = AppRow {
                    id,
                    name: app.clone(),
                    network: network.clone().unwrap_or_default(),
                    status: "deployed".into(),
                };
                self.scope(org).apps.items.push(row.clone());
                self.detail(org, &app).presence = Presence::Here(row);
            }
            Action::SetSecrets(write) => {
                let secrets = known(&mut self.detail(org, &app).secrets);
                secrets.retain(|secret| !write.unset.contains(&secret.name) && !write.set.contains_key(&secret.name));
                secrets.extend(write.set.keys().map(|name| observed::Secret {
                    name: name.clone(),
                    digest: format!("digest-{name}-{minted}"),
                    created_at: Some(now()),
                }));
            }
            Action::CreateVolume { volume, .. } => {
                outputs.insert(volume_id_path("server", &volume.slot), id.clone());
                known(&mut self.detail(org, &app).volumes).push(observed::Volume {
                    app: app.clone(),
                    id,
                    name: volume.slot.name.clone(),
                    region: volume.slot.machine.region.clone(),
                    state: "created".into(),
                    size_gb: volume.size_gb,
                    attached_machine: None,
                    snapshot_retention: Some(5),
                    auto_backup: Some(true),
                    host_ok: true,
                    created_at: Some(now()),
                });
            }
            Action::AllocateIp(_) => {
                let ResourceKey::Ip { ip, .. } = key else { unreachable!() };
                let address = match ip {
                    IpKind::V4 | IpKind::SharedV4 => format!("66.241.125.{minted}"),
                    IpKind::V6 | IpKind::PrivateV6 => format!("2a09:8280:1::{minted}"),
                };
                known(&mut self.detail(org, &app).ips).push(observed::Ip { address, kind: Some(*ip) });
            }
            Action::AddCertificate => {
                let ResourceKey::Certificate { hostname, .. } = key else { unreachable!() };
                known(&mut self.detail(org, &app).certificates).push(observed::Certificate {
                    hostname: hostname.clone(),
                    configured: true,
                    status: "Ready".into(),
                });
            }
            Action::CreateMachine(write) => {
                let machine = self.made(org, &app, id, write, outputs);
                self.scope(org).machines.items.push(machine.clone());
                known(&mut self.detail(org, &app).machines).push(machine);
            }
            Action::UpdateMachine { id, write, .. } => {
                let machine = self.made(org, &app, id.clone(), write, outputs);
                let machines = known(&mut self.detail(org, &app).machines);
                *machines.iter_mut().find(|machine| machine.id == *id).unwrap() = machine;
            }
            Action::WaitHealthy { .. } => {}
            other => panic!("the world does not know how to {}", other.name()),
        }
    }

    fn made(
        &mut self,
        org: &OrgSlug,
        app: &AppName,
        id: String,
        write: &MachineWrite,
        outputs: &Outputs,
    ) -> observed::Machine {
        let mut marker = write.marker.clone();
        marker.launch = "l1".into();
        marker.writer = Some(WriterStamp { instance: "i1".into(), at: now() });
        for secret in known(&mut self.detail(org, app).secrets) {
            if let Some(record) = marker.secrets.0.get_mut(&secret.name) {
                record.digest = short_digest(&secret.digest);
            }
        }
        let mut metadata = write.metadata.clone();
        metadata.extend(marker.to_metadata());
        let config: Value = resolve(&write.config, outputs);
        observed::Machine {
            app: app.clone(),
            version: format!("01K{id}"),
            id,
            name: marker.name.clone(),
            region: marker.slot.region.clone(),
            state: MachineState::Started,
            image: config["image"].as_str().unwrap_or_default().to_owned(),
            image_digest: Some(format!("sha256:{}", "9f86d081884c7d65".repeat(4))),
            config: Some(config),
            metadata,
            marker: Some(Ok(marker)),
            host_ok: true,
            checks: vec![observed::Check { name: "http".into(), passing: true, output: "200 OK".into() }],
            last_exit: None,
            created_at: Some(now() - TimeDelta::hours(26)),
        }
    }
}

fn known<T>(reading: &mut Reading<T>) -> &mut T {
    match reading {
        Reading::Known { value, .. } => value,
        Reading::Unknown { reason } => panic!("not known: {reason}"),
    }
}

/// A fleet at work: one environment in sync, one with every sort of change, one new, one gated, and three that nobody wants any
/// more: to be marked, in grace, to be deleted.
pub(super) fn rich() -> World {
    let server = |env: &str| {
        app("server", &format!("{env}-chat-server"))
            .with_machines(3)
            .with_volume()
            .with_secret("WORKER_SECRET")
            .with_env("FLY_WORKER_APP", &format!("{env}-chat-worker"))
    };
    let worker = |env: &str| app("worker", &format!("{env}-chat-worker")).with_secret("WORKER_SECRET");
    let env = |name: &str| environment(name, vec![worker(name), server(name)]);
    let mut world = World::new(["production", "staging", "pr-5", "pr-7", "pr-8"].map(env).into()).converge();
    world.bury("pr-5", TimeDelta::minutes(2));
    world.bury("pr-7", TimeDelta::minutes(10));

    let mut staging = environment(
        "staging",
        vec![
            worker("staging").with_volume().with_image("registry.fly.io/chat-images:worker-77aa0b1"),
            server("staging")
                .with_env("FLY_WORKER_IMAGE", "registry.fly.io/chat-images:worker-77aa0b1")
                .with_env("LOG_LEVEL", "debug"),
        ],
    );
    let worker_app = &mut staging.apps[0];
    worker_app.certificates.insert("chat.example.com".into());
    let unavailable = "environment variable OPENAI_API_KEY is not set".to_owned();
    worker_app.secrets.insert("OPENAI_API_KEY".into(), SecretValue::Unavailable { reason: unavailable });
    worker_app.secrets.insert("WORKER_SECRET".into(), SecretValue::Known(SecretText::new(format!("{SECRET}-2"))));
    let mut gated = environment("gated", vec![app("web", "gated-web")]);
    gated.requires.environments.push("staging".into());
    let callback = format!("http://[{}]:8080", placeholder("fly.worker.ips.v6"));
    let mut preview = environment("pr-9", vec![worker("pr-9"), server("pr-9").with_env("CALLBACK", &callback)]);
    preview.apps[1].after.insert("worker".into());
    preview.class = Class::Preview;
    preview.expires_at = Some(now() + TimeDelta::days(3));
    world.want(vec![env("production"), staging, preview, gated]);
    world.request.dry_run = true;
    world
}

/// What stops changes: a spec that cannot be read, a name that is taken, an app that is not ours, and a person's consent.
pub(super) fn troubled() -> World {
    let mut consent = environment("production", vec![app("web", "acme-web")]);
    consent.requires.approval = true;
    let mut world = World::new(vec![
        consent,
        environment("taken", vec![app("web", "taken-web"), app("api", "foreign-api"), app("new", "taken-new")]),
    ]);
    world.detail(&"acme".into(), &"taken-web".into()).presence = Presence::Elsewhere;
    let row = AppRow { id: "x".into(), name: "foreign-api".into(), network: String::new(), status: "deployed".into() };
    world.detail(&"acme".into(), &"foreign-api".into()).presence = Presence::Here(row);
    let reason =
        "specs/broken.yaml:4:9: unknown field `imagee`\n  4 |   imagee: alpine\n    |   ^^^^^^ did you mean `image`?";
    world.fleet.environments.insert("broken".into(), Wanted::Broken { reason: reason.into() });
    world
}

/// Text that tries everything: a terminal's escapes, direction, a fence's end, HTML, Markdown, a mention, our own placeholder.
pub(super) const HOSTILE: &str =
    "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\n```\n</details><script>alert(1)</script> @acme #1 | [x](y) ~~~ \u{E001}";

/// The text that tries everything, wherever a spec or a provider can put one.
pub(super) fn hostile() -> World {
    let web = app("web", "hostile-web").with_secret("WORKER_SECRET");
    let mut world = World::new(vec![environment("hostile", vec![web.clone()])]).converge();
    let mut changed = web.with_env("VALUE", HOSTILE).with_env(HOSTILE, "x").with_image(HOSTILE).with_machines(2);
    changed.certificates.insert(HOSTILE.into());
    world.want(vec![environment("hostile", vec![changed])]);
    world.fleet.environments.insert("broken".into(), Wanted::Broken { reason: HOSTILE.into() });
    world.fleet.commit = Some(HOSTILE.into());
    let machine = world.machine("hostile-web", 0);
    machine.version = HOSTILE.into();
    machine.image = HOSTILE.into();
    machine.image_digest = Some(HOSTILE.into());
    machine.checks[0] = observed::Check { name: HOSTILE.into(), passing: false, output: HOSTILE.into() };
    world
}
