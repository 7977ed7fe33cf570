//! A sound plan with all that it was made from, to be read against a world, a memory or a policy in which it is not sound any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::check::check;
use crate::desired::{Completeness, Context, Ended, Fleet, SecretInputs, build};
use crate::memory::Memory;
use crate::observed::machine::{Machine, MachineState};
use crate::observed::{AppDetail, AppRow, Listing, Observed, Presence, Reading, Scope, Secret};
use crate::plan::{Action, Plan, Request, plan};
use crate::policy::Policy;
use crate::resource::marker::{MachineMarker, network_name};
use crate::resource::{MachineSlot, OwnerId};
use crate::spec::{SourceFile, parse};

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

/// A fleet of these environments, each with an app `<name>-web` in organization `acme`; `more` goes into the spec of the first.
pub(super) fn fleet(names: &[&str], more: &str) -> Fleet {
    let more = std::iter::once(more).chain(std::iter::repeat(""));
    fleet_of(&names.iter().copied().zip(more).collect::<Vec<_>>())
}

/// The same, with what goes into the spec of each.
pub(super) fn fleet_of(environments: &[(&str, &str)]) -> Fleet {
    let mut yaml = String::new();
    for (name, more) in environments {
        yaml.push_str(&format!(
            "---\napiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {{{more} fly: {{org: acme, region: iad, apps: {{web: {{image: 'x:1', ips: {{v6: true}}}}}}}}}}\n"
        ));
    }
    let specs = parse(&[SourceFile { path: "a.yaml".into(), bytes: yaml.into_bytes() }]).unwrap();
    let none: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let secrets =
        SecretInputs { master_key: Some("0123456789abcdef0123456789abcdef".into()), ..SecretInputs::default() };
    let owner = OwnerId::from("us");
    let context = Context {
        owner: &owner,
        secrets: &secrets,
        assets: &none,
        source: &Completeness::Complete,
        repos: &BTreeMap::new(),
        commit: None,
    };
    build(&specs, &context).fleet
}

pub(super) fn listing<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, completeness: Completeness::Complete, started_at: at(0) }
}

pub(super) fn row(env: &str, place: u32) -> AppRow {
    AppRow {
        id: format!("id-{env}"),
        name: format!("{env}-web").as_str().into(),
        network: network_name(&"us".into(), place),
        status: "deployed".to_owned(),
    }
}

pub(super) fn marker(env: &str) -> MachineMarker {
    let slot = MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal: 0 };
    MachineMarker {
        owner: "us".into(),
        env: env.into(),
        set: None,
        app: format!("{env}-web").as_str().into(),
        component: "web".into(),
        name: slot.machine_name(),
        slot,
        launch: String::new(),
        writer: None,
        hash: String::new(),
        fields: crate::resource::field::FieldSet::default(),
        secrets: crate::resource::secret_record::SecretRecord::default(),
        secrets_version: None,
        ips: BTreeSet::new(),
        certificates: BTreeSet::new(),
        protect: false,
        retain: false,
        finalizers: Vec::new(),
        keep_until: None,
        redeploy: None,
        generation: None,
        tombstone: None,
    }
}

pub(super) fn machine(marker: &MachineMarker) -> Machine {
    let metadata = marker.to_metadata();
    Machine {
        app: marker.app.clone(),
        id: format!("m-{}", marker.env),
        name: marker.name.clone(),
        region: "iad".to_owned(),
        state: MachineState::Started,
        version: "v1".to_owned(),
        config: None,
        marker: MachineMarker::parse(&metadata),
        metadata,
        image: "x:1".to_owned(),
        image_digest: None,
        host_ok: true,
        checks: Vec::new(),
        last_exit: None,
        started_at: None,
        created_at: Some(at(-1000)),
    }
}

/// What is live: one app per marker, each in a network place of its own.
pub(super) fn observed(markers: &[MachineMarker]) -> Observed {
    let rows = markers.iter().zip(0..).map(|(marker, place)| row(marker.env.as_str(), place)).collect();
    let scope = Scope {
        apps: listing(rows),
        machines: listing(markers.iter().map(machine).collect()),
        volumes: listing(Vec::new()),
        details: BTreeMap::new(),
        out_of_reach: None,
    };
    Observed { scopes: BTreeMap::from([("acme".into(), scope)]), ..Observed::default() }
}

pub(super) fn scope(observed: &mut Observed) -> &mut Scope {
    observed.scopes.get_mut(&"acme".into()).unwrap()
}

pub(super) fn unread(presence: Presence) -> AppDetail {
    fn none<T>() -> Reading<T> {
        Reading::Unknown { reason: "not read".to_owned() }
    }
    AppDetail { presence, machines: none(), volumes: none(), secrets: none(), ips: none(), certificates: none() }
}

pub(super) fn memory() -> Memory {
    let mut memory = Memory::blank("this", at(-600));
    memory.blank_since = None;
    memory
}

/// Everything that a plan is made from and read against.
pub(super) struct Case {
    pub(super) fleet: Fleet,
    pub(super) observed: Observed,
    pub(super) memory: Memory,
    pub(super) policy: Policy,
    pub(super) plan: Plan,
}

impl Case {
    pub(super) fn of(fleet: Fleet, observed: Observed, request: &Request) -> Self {
        let (memory, policy) = (memory(), Policy::default());
        let plan = plan(&fleet, &observed, &memory, &policy, request, at(0));
        let case = Self { fleet, observed, memory, policy, plan };
        assert!(!case.plan.steps.is_empty(), "{:#?}", case.plan.withheld);
        assert_eq!(case.broken(), Vec::<&str>::new());
        case
    }

    /// `gone` has stood with a tombstone for longer than grace, next to a wanted environment: it is deleted.
    pub(super) fn orphan() -> Self {
        let gone = MachineMarker { tombstone: Some(at(-400)), ..marker("gone") };
        let case = Self::of(fleet(&["kept"], ""), observed(&[gone, marker("kept")]), &Request::default());
        assert!(matches!(case.plan.steps[0].action, Action::DeleteApp { .. }));
        case
    }

    /// `gone` was a preview whose pull request is closed, and has no tombstone: it is deleted all the same.
    pub(super) fn ended() -> Self {
        let mut fleet = fleet(&["kept"], "");
        let ended = Ended { set: "set".to_owned(), at: at(-1), reason: "pull request a/b#1 was closed".to_owned() };
        fleet.ended.insert("gone".into(), ended);
        let case = Self::of(fleet, observed(&[marker("gone"), marker("kept")]), &Request::default());
        assert!(matches!(case.plan.steps[0].action, Action::DeleteApp { .. }));
        case
    }

    /// Two new environments are created.
    pub(super) fn creation() -> Self {
        let mut observed = observed(&[]);
        for app in ["one-web", "two-web"] {
            scope(&mut observed).details.insert(app.into(), unread(Presence::Absent { started_at: at(0) }));
        }
        Self::of(fleet(&["one", "two"], ""), observed, &Request::default())
    }

    pub(super) fn broken(&self) -> Vec<&'static str> {
        let mut rules: Vec<&str> = check(&self.plan, &self.fleet, &self.observed, &self.memory, &self.policy)
            .into_iter()
            .map(|violation| violation.rule)
            .collect();
        rules.dedup();
        rules
    }

    /// Asserts that exactly this rule is broken after `change`.
    pub(super) fn breaks(mut self, rule: &str, change: impl FnOnce(&mut Self)) {
        change(&mut self);
        let broken = self.broken();
        assert!(!broken.is_empty() && broken.iter().all(|found| found.starts_with(rule)), "{rule}: {broken:?}");
    }

    /// Takes the machine away, so that only the names of these secrets and the network say something of the app.
    pub(super) fn leave_only(&mut self, secrets: &[&str], network: &str) {
        let scope = scope(&mut self.observed);
        scope.machines.items.remove(0);
        scope.apps.items[0].network = network.to_owned();
        let secret =
            |name: &&str| Secret { name: (*name).to_owned(), digest: String::new(), created_at: Some(at(-400)) };
        let secrets = Reading::Known { value: secrets.iter().map(secret).collect(), started_at: at(0) };
        let presence = Presence::Here(scope.apps.items[0].clone());
        scope.details.insert("gone-web".into(), AppDetail { secrets, ..unread(presence) });
    }

    pub(super) fn mark(&mut self, change: impl FnOnce(&mut MachineMarker)) {
        let mut changed = MachineMarker { tombstone: Some(at(-400)), ..marker("gone") };
        change(&mut changed);
        scope(&mut self.observed).machines.items[0] = machine(&changed);
    }
}
