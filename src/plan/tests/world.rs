//! A small world: environments as specs ask for them, what is live, and a hand that carries plans out at once and without faults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::desired::{Completeness, Context, Fleet, SecretInputs, build};
use crate::memory::{Memory, Note, NoteOutcome, Verb};
use crate::observed::machine::{Machine, MachineState};
use crate::observed::{
    AppDetail, AppRow, Certificate, Checks, Images, Ip, Listing, Object, ObjectScope, ObjectState, Observed, Presence,
    Reading, Scope, Secret, Volume,
};
use crate::plan::{Action, MachineWrite, Plan, Request, Stance, Step, plan};
use crate::policy::Policy;
use crate::resource::marker::MachineMarker;
use crate::resource::object::Fields;
use crate::resource::output::{self, Outputs, volume_id_path};
use crate::resource::secret_record::short_digest;
use crate::resource::{Change, ObjectKey, ResourceKey, ScopeKey};
use crate::secret::SecretText;
use crate::spec::{SourceFile, parse};

/// This many seconds after the moment at which everything in these tests begins.
pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

pub(super) fn known<T>(value: T) -> Reading<T> {
    Reading::Known { value, started_at: at(0) }
}

pub(super) fn unknown<T>(reason: &str) -> Reading<T> {
    Reading::Unknown { reason: reason.to_owned() }
}

pub(super) fn incomplete() -> Completeness {
    Completeness::Incomplete { reason: "iad does not answer".to_owned() }
}

/// The fleet of these environments in organization `o`: each a name, further lines of its spec, and its apps.
pub(super) fn fleet(environments: &[(&str, &str, &str)]) -> Fleet {
    build_fleet(environments.iter().map(|(name, more, apps)| environment(name, more, "", apps)).collect())
}

/// The fleet of the environment `e` with this line on its network.
pub(super) fn fleet_on(network: &str, apps: &str) -> Fleet {
    build_fleet(environment("e", "", network, apps))
}

fn environment(name: &str, more: &str, network: &str, apps: &str) -> String {
    format!(
        "---\napiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {{{more} fly: {{org: o, region: iad, {network} apps: {{{apps}}}}}}}\n"
    )
}

fn build_fleet(mut yaml: String) -> Fleet {
    if yaml.is_empty() {
        yaml.push_str("apiVersion: hangar/v1\nkind: Policy\nmetadata: {name: none}\nspec: {}\n");
    }
    let specs = parse(&[SourceFile { path: "a.yaml".into(), bytes: yaml.into_bytes() }]).unwrap();
    let secrets =
        SecretInputs { master_key: Some("0123456789abcdef0123456789abcdef".into()), ..SecretInputs::default() };
    let assets: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let context = Context {
        owner: &"us".into(),
        secrets: &secrets,
        assets: &assets,
        source: &Completeness::Complete,
        repos: &BTreeMap::new(),
        commit: None,
    };
    build(&specs, &context).fleet
}

/// Everything that a plan is made from.
#[derive(Clone)]
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) scope: Scope,
    pub(super) objects: BTreeMap<ScopeKey, ObjectScope>,
    pub(super) images: Images,
    pub(super) checks: Checks,
    pub(super) memory: Memory,
    pub(super) policy: Policy,
    pub(super) request: Request,
    pub(super) now: DateTime<Utc>,
    /// Whether listings show the apps of which something is known: they lag at times.
    pub(super) is_listed: bool,
    outputs: Outputs,
    made: usize,
}

impl World {
    /// These environments are wanted, and nothing is there yet.
    pub(super) fn wanting(environments: &[(&str, &str, &str)]) -> Self {
        fn nothing<T>() -> Listing<T> {
            Listing { items: Vec::new(), completeness: Completeness::Complete, started_at: at(0) }
        }
        let (apps, machines, volumes) = (nothing(), nothing(), nothing());
        let mut memory = Memory::blank("this", at(-1000));
        memory.blank_since = None;
        let mut world = Self {
            fleet: fleet(environments),
            scope: Scope { apps, machines, volumes, details: BTreeMap::new(), out_of_reach: None },
            objects: BTreeMap::new(),
            images: Images::new(),
            checks: Checks::new(),
            memory,
            policy: Policy::default(),
            request: Request::default(),
            now: at(0),
            is_listed: true,
            outputs: Outputs::new(),
            made: 0,
        };
        world.look();
        world
    }

    /// The environment `e` with these apps is wanted, and nothing is there yet.
    pub(super) fn new(apps: &str) -> Self {
        Self::wanting(&[("e", "", apps)])
    }

    /// Everything that these environments ask for is there.
    pub(super) fn living(environments: &[(&str, &str, &str)]) -> Self {
        let mut world = Self::wanting(environments);
        world.settle();
        world
    }

    /// The environment `e` with these apps is there.
    pub(super) fn of(apps: &str) -> Self {
        Self::living(&[("e", "", apps)])
    }

    /// From now on these apps are wanted of the environment `e`.
    pub(super) fn want(mut self, apps: &str) -> Self {
        self.fleet = fleet(&[("e", "", apps)]);
        self.look();
        self
    }

    /// The same with this changed.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// A direct look at every wanted app finds those that are not listed absent.
    pub(super) fn look(&mut self) {
        for wanted in self.fleet.environments.values() {
            let crate::desired::Wanted::Ready(env) = wanted else { continue };
            for app in &env.apps {
                self.scope.details.entry(app.name.clone()).or_insert_with(|| AppDetail {
                    presence: Presence::Absent { started_at: at(0) },
                    machines: unknown("not there"),
                    volumes: unknown("not there"),
                    secrets: unknown("not there"),
                    ips: unknown("not there"),
                    certificates: unknown("not there"),
                });
            }
            for object in &env.objects {
                let nothing = Listing { items: Vec::new(), completeness: Completeness::Complete, started_at: at(0) };
                let scope = ObjectScope { objects: nothing, out_of_reach: None, room: None };
                self.objects.entry(object.key.scope.clone()).or_insert(scope);
            }
        }
    }

    /// The object of this name.
    pub(super) fn object(&mut self, name: &str) -> &mut Object {
        let mut all = self.objects.values_mut().flat_map(|scope| &mut scope.objects.items);
        all.find(|object| object.key.name == name).unwrap()
    }

    pub(super) fn detail(&mut self, app: &str) -> &mut AppDetail {
        self.scope.details.get_mut(&app.into()).unwrap()
    }

    pub(super) fn machines(&mut self, app: &str) -> &mut Vec<Machine> {
        value(&mut self.detail(app).machines)
    }

    pub(super) fn volumes(&mut self, app: &str) -> &mut Vec<Volume> {
        value(&mut self.detail(app).volumes)
    }

    pub(super) fn secrets(&mut self, app: &str) -> &mut Vec<Secret> {
        value(&mut self.detail(app).secrets)
    }

    pub(super) fn ips(&mut self, app: &str) -> &mut Vec<Ip> {
        value(&mut self.detail(app).ips)
    }

    /// Changes the marker of an app's machine number `index`, and what stands for it in the metadata.
    pub(super) fn mark(&mut self, app: &str, index: usize, change: impl FnOnce(&mut MachineMarker)) {
        let machine = &mut self.machines(app)[index];
        let mut marker = machine.marker.clone().unwrap().unwrap();
        change(&mut marker);
        machine.metadata.retain(|key, _| !key.starts_with("hangar_"));
        machine.metadata.extend(marker.to_metadata());
        machine.marker = MachineMarker::parse(&machine.metadata);
    }

    /// Notes a write of ours that has had no answer yet.
    pub(super) fn note(&mut self, key: ResourceKey, verb: Verb, detail: &str) {
        let (env, detail, outcome) = ("e".into(), detail.to_owned(), NoteOutcome::Unknown);
        self.memory.note(Note { key, env, verb, detail, sent_at: self.now, outcome });
    }

    /// What is seen: the listings show what is known of the apps.
    fn observed(&self) -> Observed {
        let mut scope = self.scope.clone();
        let details = || self.scope.details.values();
        scope.machines.items.extend(details().filter_map(|detail| detail.machines.known()).flatten().cloned());
        scope.volumes.items.extend(details().filter_map(|detail| detail.volumes.known()).flatten().cloned());
        let rows = details().filter_map(|detail| match &detail.presence {
            Presence::Here(row) => Some(row.clone()),
            _ => None,
        });
        scope.apps.items.extend(rows.filter(|_| self.is_listed));
        let scopes = BTreeMap::from([("o".into(), scope)]);
        Observed { scopes, objects: self.objects.clone(), images: self.images.clone(), checks: self.checks.clone() }
    }

    pub(super) fn plan(&self) -> Plan {
        let (plan, observed) = self.plan_unchecked();
        let broken = crate::check::check(&plan, &self.fleet, &observed, &self.memory, &self.policy);
        assert!(broken.is_empty(), "{broken:?}");
        plan
    }

    fn plan_unchecked(&self) -> (Plan, Observed) {
        let observed = self.observed();
        (plan(&self.fleet, &observed, &self.memory, &self.policy, &self.request, self.now), observed)
    }

    /// What the plan says: its steps, what it withholds, and what people should know, a line each.
    pub(super) fn told(&self) -> Vec<String> {
        lines(&self.plan())
    }

    /// The same, whatever the checker thinks of it.
    pub(super) fn told_unchecked(&self) -> Vec<String> {
        lines(&self.plan_unchecked().0)
    }

    /// Carries out plans until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..5 {
            let plan = self.plan();
            for step in &plan.steps {
                self.carry_out(step);
            }
        }
        assert_eq!(self.told(), Vec::<String>::new());
    }

    fn next(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}", self.made)
    }

    fn carry_out(&mut self, step: &Step) {
        if let Some(key) = step.key.object() {
            self.carry_out_object(key, step);
            return;
        }
        let app = step.key.app().unwrap().clone();
        let name = app.as_str();
        match (&step.action, &step.key) {
            (Action::CreateApp { network }, _) => {
                let network = network.clone().unwrap_or_default();
                let row = AppRow { id: format!("id-{app}"), name: app.clone(), network, status: String::new() };
                let detail = AppDetail {
                    presence: Presence::Here(row),
                    machines: known(Vec::new()),
                    volumes: known(Vec::new()),
                    secrets: known(Vec::new()),
                    ips: known(Vec::new()),
                    certificates: known(Vec::new()),
                };
                self.scope.details.insert(app, detail);
            }
            (Action::SetSecrets(write), _) => {
                let secrets = self.secrets(name);
                secrets.retain(|secret| !write.set.contains_key(&secret.name) && !write.unset.contains(&secret.name));
                for name in write.set.keys().chain(&write.markers) {
                    let (name, digest) = (name.clone(), format!("digest of {name}"));
                    secrets.push(Secret { name, digest, created_at: Some(at(0)) });
                }
            }
            (Action::CreateVolume { volume, .. }, ResourceKey::Volume { slot, .. }) => {
                let id = self.next("vol");
                let component = step.component.as_ref().unwrap().as_str();
                self.outputs.insert(volume_id_path(component, slot), id.as_str().into());
                self.outputs.insert(format!("fly.{component}.volumes.{}.id", slot.name), id.as_str().into());
                self.volumes(name).push(Volume {
                    app,
                    id,
                    name: slot.name.clone(),
                    region: slot.machine.region.clone(),
                    state: "created".to_owned(),
                    size_gb: volume.size_gb,
                    attached_machine: None,
                    snapshot_retention: Some(volume.snapshot_retention.unwrap_or(5)),
                    auto_backup: Some(volume.auto_backup.unwrap_or(true)),
                    host_ok: true,
                    created_at: Some(at(-500)),
                });
            }
            (Action::AllocateIp(_), ResourceKey::Ip { ip, .. }) => {
                let address = format!("address-{ip}");
                let component = step.component.as_ref().unwrap().as_str();
                self.outputs.insert(crate::plan::outputs::ip_path(component, *ip), address.as_str().into());
                self.ips(name).push(Ip { address, kind: Some(*ip) });
            }
            (Action::AddCertificate, ResourceKey::Certificate { hostname, .. }) => {
                let certificate = Certificate { hostname: hostname.clone(), configured: true, status: "ready".into() };
                value(&mut self.detail(name).certificates).push(certificate);
            }
            (Action::CreateMachine(write), _) => {
                let id = self.next("m");
                let machine = self.machine(&app, id, write);
                self.machines(name).push(machine);
            }
            (Action::UpdateMachine { id, write, .. }, _) => {
                let machine = self.machine(&app, id.clone(), write);
                *self.machines(name).iter_mut().find(|machine| machine.id == *id).unwrap() = machine;
            }
            (Action::MarkMachine { id, metadata }, _) => {
                let machine = self.machines(name).iter_mut().find(|machine| machine.id == *id).unwrap();
                for (key, value) in metadata {
                    machine.metadata.remove(key);
                    machine.metadata.extend(value.clone().map(|value| (key.clone(), value)));
                }
                machine.marker = MachineMarker::parse(&machine.metadata);
            }
            (Action::WaitHealthy { .. }, _) => {}
            (other, key) => panic!("nobody carries out {} {key} here", other.name()),
        }
    }

    fn carry_out_object(&mut self, key: &ObjectKey, step: &Step) {
        let outputs = self.outputs.clone();
        let filled = |fields: &Fields| -> Fields {
            fields.iter().map(|(name, value)| (name.clone(), output::resolve(value, &outputs))).collect()
        };
        match &step.action {
            Action::CreateObject(change) => {
                let id = self.next("object");
                let object = Object {
                    key: key.clone(),
                    id,
                    marker: Some(change.marker.clone()),
                    made_by: None,
                    marks: change.marks.clone(),
                    state: ObjectState::Ready,
                    fields: filled(&change.fields),
                    bulk: String::new(),
                    fingerprints: BTreeMap::new(),
                    outputs: BTreeMap::new(),
                    is_close: true,
                    held_by: None,
                    created_at: Some(at(-500)),
                };
                self.objects.get_mut(&key.scope).unwrap().objects.items.push(object);
            }
            Action::UpdateObject { change, .. } => self.object(&key.name).fields.extend(filled(&change.fields)),
            Action::MarkObject { marks, .. } => {
                for (mark, value) in marks {
                    let live = &mut self.object(&key.name).marks;
                    live.remove(mark);
                    live.extend(value.clone().map(|value| (mark.clone(), value)));
                }
            }
            Action::WaitObject { .. } => {
                let component = step.component.as_ref().unwrap().to_string();
                for (name, _) in key.object.outputs() {
                    let value: SecretText = format!("{name} of {}", key.name).as_str().into();
                    self.outputs.insert(format!("{component}.{name}"), value.clone());
                    self.object(&key.name).outputs.insert((*name).to_owned(), value);
                }
            }
            Action::DeleteObject { id, .. } => {
                self.objects.get_mut(&key.scope).unwrap().objects.items.retain(|object| object.id != *id);
            }
            other => panic!("nobody carries out {} {key} here", other.name()),
        }
    }

    /// The machine that a write leaves behind; what it mounts is attached to it.
    fn machine(&mut self, app: &crate::resource::AppName, id: String, write: &MachineWrite) -> Machine {
        let mut config = output::resolve(&write.config, &self.outputs);
        assert_eq!(output::waits_for_in(&config), Vec::<String>::new());
        if let Some(mount) = config.pointer_mut("/mounts/0") {
            let volume = self.volumes(app.as_str()).iter_mut().find(|volume| mount["volume"] == *volume.id).unwrap();
            volume.attached_machine = Some(id.clone());
            mount["name"] = volume.name.as_str().into();
        }
        let mut marker = write.marker.clone();
        for name in &write.pending_digests {
            marker.secrets.0.get_mut(name).unwrap().digest = short_digest(&format!("digest of {name}"));
        }
        let mut metadata = write.metadata.clone();
        metadata.extend(marker.to_metadata());
        let image = config.get("image").and_then(|image| image.as_str()).unwrap_or_default().to_owned();
        Machine {
            app: app.clone(),
            id,
            name: marker.name.clone(),
            region: marker.slot.region.clone(),
            state: if write.start { MachineState::Started } else { MachineState::Stopped },
            version: "v1".to_owned(),
            config: Some(config),
            marker: MachineMarker::parse(&metadata),
            metadata,
            image,
            image_digest: None,
            host_ok: true,
            checks: Vec::new(),
            last_exit: None,
            started_at: None,
            created_at: Some(at(-500)),
        }
    }
}

fn value<T>(reading: &mut Reading<T>) -> &mut T {
    match reading {
        Reading::Known { value, .. } => value,
        Reading::Unknown { reason } => panic!("{reason}"),
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(step_line);
    let withheld = plan.withheld.iter().map(|withheld| {
        let stance = if withheld.stance == Stance::Waiting { "waits" } else { "blocked" };
        let until = withheld.until.map(|until| format!(" (until {})", (until - at(0)).num_seconds()));
        format!("{stance} {}: {}{}", withheld.reason, withheld.message, until.unwrap_or_default())
    });
    let notices = plan.notices.iter().map(|notice| format!("notice {}: {}", notice.reason, notice.message));
    steps.chain(withheld).chain(notices).collect()
}

fn step_line(step: &Step) -> String {
    let changes: Vec<String> = step
        .changes
        .iter()
        .map(|change| format!("{}={}>{}", change.path, shown(change.old.as_ref()), shown(change.new.as_ref())))
        .collect();
    let after: Vec<String> = step.after.iter().map(|id| id.0.to_string()).collect();
    let part = |title: &str, parts: &[String]| {
        if parts.is_empty() { String::new() } else { format!(" {title}[{}]", parts.join(", ")) }
    };
    let (head, tail) = (part("", &changes), part("after", &after));
    format!("{} {}: {}{head}{}{tail}", step.action.name(), step.key, step.reason, details(&step.action))
}

fn shown(change: Option<&Change>) -> String {
    match change {
        None => String::new(),
        Some(Change::Plain(serde_json::Value::String(text))) => text.clone(),
        Some(Change::Plain(value)) => value.to_string(),
        Some(Change::Secret) => "secret".to_owned(),
        Some(Change::Unknown(reason)) => format!("unknown ({reason})"),
    }
}

/// What only the action itself says.
fn details(action: &Action) -> String {
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>().join("+");
    match action {
        Action::SetSecrets(write) => format!(
            " set {{{}}} unset {{{}}} mark {{{}}}{}",
            names(write.set.keys().collect()),
            names(write.unset.iter().collect()),
            names(write.markers.iter().collect()),
            if write.is_first { " first" } else { "" }
        ),
        Action::MarkMachine { id, metadata } => {
            let all = metadata.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("-")));
            format!(" on {id} {{{}}}", all.collect::<Vec<_>>().join(", "))
        }
        Action::MarkObject { marks, .. } => {
            let all = marks.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("-")));
            format!(" {{{}}}", all.collect::<Vec<_>>().join(", "))
        }
        Action::DeleteObject { proof, .. } => format!(" counts as {:?}", proof.unit()),
        Action::AllocateIp(request) => format!(" network {:?} org {:?}", request.network, request.org),
        Action::CreateMachine(write) | Action::UpdateMachine { write, .. } if !write.start => " to rest".to_owned(),
        Action::DeleteApp { proof } => format!(" counts as {:?}", proof.unit()),
        Action::WaitHealthy { may_end, may_sleep, .. } => {
            format!("{}{}", if *may_end { " or ends" } else { "" }, if *may_sleep { " or sleeps" } else { "" })
        }
        _ => String::new(),
    }
}

/// Asserts that exactly this is told.
#[track_caller]
pub(super) fn tells(world: &World, expected: &[&str]) {
    assert_eq!(world.told(), expected, "{:#?}", world.told());
}

/// Asserts that nothing but one line with all of these parts is told.
#[track_caller]
pub(super) fn tells_one(world: &World, parts: &[&str]) {
    let told = world.told();
    assert!(told.len() == 1 && parts.iter().all(|part| told[0].contains(part)), "{parts:?}: {told:#?}");
}

/// Asserts that some line has all of these parts.
#[track_caller]
pub(super) fn tells_of(world: &World, parts: &[&str]) {
    let told = world.told();
    assert!(told.iter().any(|line| parts.iter().all(|part| line.contains(part))), "{parts:?}: {told:#?}");
}

/// A quiet world: nothing is told at all.
#[track_caller]
pub(super) fn is_quiet(world: &World) {
    tells(world, &[]);
}
