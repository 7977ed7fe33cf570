//! Each rule, broken once: a sound plan is read against a world, a memory or a policy in which it is not sound any more.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::desired::{Completeness, Context, Ended, NamePattern, PreviewSet, SecretInputs, build};
use crate::memory::{Note, NoteOutcome};
use crate::observed::machine::{Machine, MachineState};
use crate::observed::{AppRow, Listing, Reading, Scope, Secret};
use crate::plan::{Purpose, Request, plan};
use crate::resource::marker::{MachineMarker, WriterStamp, app_marker_secret, network_name};
use crate::resource::{MachineSlot, OwnerId};
use crate::spec::{SourceFile, parse};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

/// A fleet of these environments, each with an app `<name>-web` in organization `acme`; `more` goes into the spec of the first.
fn fleet(names: &[&str], more: &str) -> Fleet {
    let mut yaml = String::new();
    for (index, name) in names.iter().enumerate() {
        let more = if index == 0 { more } else { "" };
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

fn listing<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, completeness: Completeness::Complete, started_at: at(0) }
}

fn row(env: &str, place: u32) -> AppRow {
    AppRow {
        id: format!("id-{env}"),
        name: format!("{env}-web").as_str().into(),
        network: network_name(&"us".into(), place),
        status: "deployed".to_owned(),
    }
}

fn marker(env: &str) -> MachineMarker {
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
        keep_until: None,
        redeploy: None,
        tombstone: None,
    }
}

fn machine(marker: &MachineMarker) -> Machine {
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
        created_at: Some(at(-1000)),
    }
}

/// What is live: one app per marker, each in a network place of its own.
fn observed(markers: &[MachineMarker]) -> Observed {
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

fn scope(observed: &mut Observed) -> &mut Scope {
    observed.scopes.get_mut(&"acme".into()).unwrap()
}

fn unread(presence: Presence) -> AppDetail {
    fn none<T>() -> Reading<T> {
        Reading::Unknown { reason: "not read".to_owned() }
    }
    AppDetail { presence, machines: none(), volumes: none(), secrets: none(), ips: none(), certificates: none() }
}

fn memory() -> Memory {
    let mut memory = Memory::blank("this", at(-600));
    memory.blank_since = None;
    memory
}

/// Everything that a plan is made from and read against.
struct Case {
    fleet: Fleet,
    observed: Observed,
    memory: Memory,
    policy: Policy,
    plan: Plan,
}

impl Case {
    fn of(fleet: Fleet, observed: Observed, request: &Request) -> Self {
        let (memory, policy) = (memory(), Policy::default());
        let plan = plan(&fleet, &observed, &memory, &policy, request, at(0));
        let case = Self { fleet, observed, memory, policy, plan };
        assert!(!case.plan.steps.is_empty(), "{:#?}", case.plan.withheld);
        assert_eq!(case.broken(), Vec::<&str>::new());
        case
    }

    /// `gone` has stood with a tombstone for longer than grace, next to a wanted environment: it is deleted.
    fn orphan() -> Self {
        let gone = MachineMarker { tombstone: Some(at(-400)), ..marker("gone") };
        let case = Self::of(fleet(&["kept"], ""), observed(&[gone, marker("kept")]), &Request::default());
        assert!(matches!(case.plan.steps[0].action, Action::DeleteApp { .. }));
        case
    }

    /// `gone` was a preview whose pull request is closed, and has no tombstone: it is deleted all the same.
    fn ended() -> Self {
        let mut fleet = fleet(&["kept"], "");
        let ended = Ended { set: "set".to_owned(), at: at(-1), reason: "pull request a/b#1 was closed".to_owned() };
        fleet.ended.insert("gone".into(), ended);
        let case = Self::of(fleet, observed(&[marker("gone"), marker("kept")]), &Request::default());
        assert!(matches!(case.plan.steps[0].action, Action::DeleteApp { .. }));
        case
    }

    /// Two new environments are created.
    fn creation() -> Self {
        let mut observed = observed(&[]);
        for app in ["one-web", "two-web"] {
            scope(&mut observed).details.insert(app.into(), unread(Presence::Absent { started_at: at(0) }));
        }
        Self::of(fleet(&["one", "two"], ""), observed, &Request::default())
    }

    fn broken(&self) -> Vec<&'static str> {
        let mut rules: Vec<&str> = check(&self.plan, &self.fleet, &self.observed, &self.memory, &self.policy)
            .into_iter()
            .map(|violation| violation.rule)
            .collect();
        rules.dedup();
        rules
    }

    /// Asserts that exactly this rule is broken after `change`.
    fn breaks(mut self, rule: &str, change: impl FnOnce(&mut Self)) {
        change(&mut self);
        let broken = self.broken();
        assert!(!broken.is_empty() && broken.iter().all(|found| found.starts_with(rule)), "{rule}: {broken:?}");
    }

    /// Takes the machine away, so that only the names of these secrets and the network say something of the app.
    fn leave_only(&mut self, secrets: &[&str], network: &str) {
        let scope = scope(&mut self.observed);
        scope.machines.items.remove(0);
        scope.apps.items[0].network = network.to_owned();
        let secret =
            |name: &&str| Secret { name: (*name).to_owned(), digest: String::new(), created_at: Some(at(-400)) };
        let secrets = Reading::Known { value: secrets.iter().map(secret).collect(), started_at: at(0) };
        let presence = Presence::Here(scope.apps.items[0].clone());
        scope.details.insert("gone-web".into(), AppDetail { secrets, ..unread(presence) });
    }

    fn mark(&mut self, change: impl FnOnce(&mut MachineMarker)) {
        let mut changed = MachineMarker { tombstone: Some(at(-400)), ..marker("gone") };
        change(&mut changed);
        scope(&mut self.observed).machines.items[0] = machine(&changed);
    }
}

/// `left-web`, which older tooling has left with one machine, is adopted by a pattern.
fn adoption() -> Case {
    let mut observed = observed(&[marker("kept")]);
    let left = AppRow { network: String::new(), ..row("left", 0) };
    let machine = Machine { marker: None, metadata: BTreeMap::new(), ..machine(&marker("left")) };
    let detail = AppDetail {
        machines: Reading::Known { value: vec![machine.clone()], started_at: at(0) },
        secrets: Reading::Known { value: Vec::new(), started_at: at(0) },
        ..unread(Presence::Here(left.clone()))
    };
    let scope = scope(&mut observed);
    scope.details.insert(left.name.clone(), detail);
    scope.apps.items.push(left);
    scope.machines.items.push(machine);
    let pattern = NamePattern::written("left-*").unwrap();
    let purpose = Purpose::Adopt(crate::plan::Adoption { pattern, consent: None });
    Case::of(fleet(&["kept"], ""), observed, &Request { purpose, dry_run: true, ..Request::default() })
}

#[test]
fn nothing_is_adopted_that_says_it_is_somebodys() {
    let rule = "nothing is adopted by a pattern that says it is somebody's";
    let mark = |case: &mut Case, key: &str, marker: Option<&str>| {
        let machine = scope(&mut case.observed).machines.items.last_mut().unwrap();
        machine.metadata.insert(key.to_owned(), marker.unwrap_or("true").to_owned());
        machine.marker = MachineMarker::parse(&machine.metadata);
    };
    for key in ["hangar_protect", "hangar_retain"] {
        adoption().breaks(rule, |case| mark(case, key, None));
    }
    adoption().breaks(rule, |case| mark(case, "hangar_owner", Some("them")));
    adoption().breaks(rule, |case| {
        let theirs = MachineMarker { owner: "them".into(), ..marker("left") };
        *scope(&mut case.observed).machines.items.last_mut().unwrap() = machine(&theirs);
    });
    adoption().breaks(rule, |case| scope(&mut case.observed).apps.items[1].network = "hangar-them-0".to_owned());
    adoption().breaks(rule, |case| case.policy.protected.push("left-*".to_owned()));
    for name in ["HANGAR_OWNED_0123456789ABCDEF", marker::PROTECTED_SECRET, marker::RETAINED_SECRET] {
        adoption().breaks(rule, |case| {
            let detail = scope(&mut case.observed).details.values_mut().next().unwrap();
            let Reading::Known { value, .. } = &mut detail.secrets else { panic!() };
            value.push(Secret { name: name.to_owned(), digest: String::new(), created_at: None });
        });
    }
    adoption().breaks(rule, |case| scope(&mut case.observed).details.clear());
}

#[test]
fn nothing_is_adopted_that_may_be_wanted_and_nothing_but_one_set() {
    let rule = "nothing is adopted by a pattern that a spec may ask for";
    let gap = || Completeness::Incomplete { reason: String::new() };
    adoption().breaks(rule, |case| case.fleet.source = gap());
    adoption().breaks(rule, |case| scope(&mut case.observed).volumes.completeness = gap());
    adoption().breaks(rule, |case| case.fleet = fleet(&["left"], ""));
    adoption().breaks(rule, |case| {
        let broken = Wanted::Broken { reason: String::new() };
        case.fleet.environments.insert("broken".into(), broken);
    });
    adoption().breaks("what is adopted by a pattern is one set", |case| {
        if let Action::AdoptApp { consent, .. } = &mut case.plan.steps[0].action {
            consent.clear();
        }
    });
}

#[test]
fn an_ended_preview_is_deleted_only_while_its_end_is_known_and_nobody_asks_for_it() {
    let rule = "an orphan is deleted only on complete listings";
    Case::ended().breaks(rule, |case| case.fleet.ended.clear());
    Case::ended().breaks(rule, |case| case.leave_only(&[], "hangar-us-0"));
    Case::ended().breaks(rule, |case| case.fleet.ended.values_mut().for_each(|ended| ended.at = at(1)));
    Case::ended().breaks(rule, |case| case.fleet.source = Completeness::Incomplete { reason: String::new() });
    Case::ended().breaks(rule, |case| {
        let kept = case.fleet.environments.values().next().cloned().unwrap();
        case.fleet.environments.insert("gone".into(), kept);
    });
}

#[test]
fn nothing_is_deleted_that_a_set_may_want_of_which_not_everything_is_known() {
    let rule = "nothing is deleted that a set of previews may want";
    let is_of = |case: &mut Case, set: Option<&str>, silent_names: &str| {
        case.mark(|marker| marker.set = set.map(str::to_owned));
        let set = |completeness, names| PreviewSet { completeness, is_empty: false, names: NamePattern::of(names) };
        let incomplete = Completeness::Incomplete { reason: "no answer".to_owned() };
        let silent = set(incomplete, silent_names);
        let whole = set(Completeness::Complete, "go${{ pr.number }}");
        case.fleet.sets = BTreeMap::from([("silent".to_owned(), silent), ("whole".to_owned(), whole)]);
    };
    for case in [Case::orphan, Case::ended] {
        case().breaks(rule, |case| is_of(case, None, "pr-${{ pr.number }}"));
        case().breaks(rule, |case| is_of(case, Some("silent"), "pr-${{ pr.number }}"));
        case().breaks(rule, |case| is_of(case, Some("unknown"), "pr-${{ pr.number }}"));
        case().breaks(rule, |case| is_of(case, Some("whole"), "${{ pr.number }}"));
        let mut case = case();
        is_of(&mut case, Some("whole"), "pr-${{ pr.number }}");
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
}

#[test]
fn several_previews_of_a_set_that_names_none_are_deleted_only_when_a_person_has_let_them_go() {
    let rule = "what a set of previews leaves that suddenly names none";
    let of_set = |case: &mut Case, is_empty: bool, others: &[&str]| {
        let names = NamePattern::of("${{ branch.slug }}");
        case.fleet.sets =
            BTreeMap::from([("chat".to_owned(), PreviewSet { completeness: Completeness::Complete, is_empty, names })]);
        case.mark(|marker| marker.set = Some("chat".to_owned()));
        for env in others {
            let more = machine(&MachineMarker { set: Some("chat".to_owned()), ..marker(env) });
            scope(&mut case.observed).machines.items.push(more);
        }
    };
    Case::orphan().breaks(rule, |case| of_set(case, true, &["pr-1", "pr-2"]));
    Case::orphan().breaks(rule, |case| {
        of_set(case, true, &[]);
        let held = ("hangar_emptied".to_owned(), "1".to_owned());
        scope(&mut case.observed).machines.items[0].metadata.extend([held]);
    });
    for (is_empty, others) in [(true, &["pr-1"][..]), (true, &["pr-1", "pr-1"]), (false, &["pr-1", "pr-2"])] {
        let mut case = Case::orphan();
        of_set(&mut case, is_empty, others);
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
}

#[test]
fn an_orphan_is_not_deleted_on_incomplete_listings_or_specs_or_within_grace() {
    let rule = "an orphan is deleted only on complete listings";
    let incomplete = || Completeness::Incomplete { reason: "no answer".to_owned() };
    Case::orphan().breaks(rule, |case| scope(&mut case.observed).apps.completeness = incomplete());
    Case::orphan().breaks(rule, |case| scope(&mut case.observed).machines.completeness = incomplete());
    Case::orphan().breaks(rule, |case| case.fleet.source = incomplete());
    Case::orphan().breaks(rule, |case| {
        case.fleet.environments.insert("broken".into(), Wanted::Broken { reason: String::new() });
    });
    Case::orphan().breaks(rule, |case| case.policy.grace = std::time::Duration::from_secs(401));
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.tombstone = None));
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.tombstone = Some(at(-10))));
}

#[test]
fn nothing_is_deleted_that_is_protected_or_retained() {
    let rule = "nothing protected is deleted";
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.protect = true));
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.retain = true));
    Case::orphan().breaks(rule, |case| case.policy.protected = vec!["go*".to_owned()]);
    // Also beside a marker that cannot be read, and in the name of a secret.
    Case::orphan().breaks(rule, |case| {
        let mut other = machine(&marker("gone"));
        other.id = "another".to_owned();
        other.metadata = BTreeMap::from([("hangar_protect".to_owned(), "true".to_owned())]);
        other.marker = None;
        scope(&mut case.observed).machines.items.push(other);
    });
}

#[test]
fn nothing_is_deleted_without_evidence_that_it_is_ours() {
    let rule = "nothing is written where no evidence says that it is ours";
    let ours = app_marker_secret(&"us".into(), &"gone-web".into());
    // Neither a machine nor the network nor a secret's name says so; then a secret's name does.
    Case::orphan().breaks(rule, |case| case.leave_only(&[marker::TOMBSTONE_SECRET], ""));
    let mut case = Case::orphan();
    case.leave_only(&[marker::TOMBSTONE_SECRET, &ours], "");
    assert_eq!(case.broken(), Vec::<&str>::new());
    // The network does, and somebody else's marker or one that cannot be read speaks against it.
    let mut case = Case::orphan();
    case.leave_only(&[marker::TOMBSTONE_SECRET], &network_name(&"us".into(), 0));
    assert_eq!(case.broken(), Vec::<&str>::new());
    for damage in [("hangar_owner", "them"), ("hangar_slot", "nonsense")] {
        Case::orphan().breaks(rule, |case| {
            case.leave_only(&[marker::TOMBSTONE_SECRET], &network_name(&"us".into(), 0));
            let mut theirs = machine(&marker("gone"));
            theirs.metadata.insert(damage.0.to_owned(), damage.1.to_owned());
            theirs.marker = MachineMarker::parse(&theirs.metadata);
            scope(&mut case.observed).machines.items.push(theirs);
        });
    }
}

#[test]
fn nothing_is_deleted_while_another_instance_writes() {
    let stamp = |instance: &str, second| Some(WriterStamp { instance: instance.to_owned(), at: at(second) });
    Case::orphan().breaks("nothing is deleted while another instance", |case| {
        case.mark(|marker| marker.writer = stamp("that", -10));
    });
    for writer in [stamp("this", -10), stamp("that", -700)] {
        let mut case = Case::orphan();
        case.mark(|marker| marker.writer = writer);
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
}

#[test]
fn nothing_is_deleted_in_quarantine_or_while_its_key_is_open() {
    Case::orphan().breaks("nothing is deleted in quarantine", |case| case.memory.blank_since = Some(at(-119)));
    Case::orphan().breaks("nothing is deleted while its key is open", |case| {
        let key = case.plan.steps[0].key.clone();
        case.memory.note(Note {
            key,
            env: "gone".into(),
            verb: Verb::Update,
            detail: String::new(),
            sent_at: at(-100),
            outcome: NoteOutcome::Unknown,
        });
    });
}

#[test]
fn no_more_is_deleted_than_the_budget_allows() {
    Case::orphan().breaks("no more is deleted than the budget", |case| case.policy.budget.max_deletions = 0);
    Case::orphan().breaks("no more is deleted than the budget", |case| {
        case.policy.budget.max_deletions = 1;
        case.memory.deletions.push(("another".to_owned(), at(-60)));
    });
    // The same deletion is counted once, and one that a person asked for not at all.
    let mut case = Case::orphan();
    case.policy.budget.max_deletions = 1;
    case.memory.deletions.push(("gone".to_owned(), at(-60)));
    assert_eq!(case.broken(), Vec::<&str>::new());
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    let mut case = Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &request);
    case.policy.budget.max_deletions = 0;
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn what_a_person_destroys_must_not_be_protected_either() {
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    let case = || Case::of(fleet(&["gone"], ""), observed(&[marker("gone")]), &request);
    case().breaks("nothing protected is deleted", |case| case.fleet = fleet(&["gone"], "class: production,"));
    case().breaks("nothing protected is deleted", |case| case.policy.protected = vec!["gone".to_owned()]);
}

#[test]
fn steps_are_within_the_level_and_only_in_environments_that_are_at_work() {
    Case::creation().breaks("a step is within the level", |case| {
        case.fleet = fleet(&["one", "two"], "level: observe,");
    });
    let at_rest = "nothing is done in an environment that is paused";
    Case::creation().breaks(at_rest, |case| case.fleet = fleet(&["one", "two"], "pause: true,"));
    Case::creation().breaks(at_rest, |case| case.policy.regions = BTreeSet::from(["ams".to_owned()]));
    Case::creation().breaks(at_rest, |case| {
        case.fleet.environments.insert("one".into(), Wanted::Broken { reason: String::new() });
    });
}

#[test]
fn isolated_environments_do_not_share_a_network() {
    Case::creation().breaks("an isolated environment gets a network of its own", |case| {
        for step in &mut case.plan.steps {
            if let Action::CreateApp { network } = &mut step.action {
                *network = Some(network_name(&"us".into(), 5));
            }
        }
    });
    Case::creation().breaks("an isolated environment gets a network of its own", |case| {
        scope(&mut case.observed).apps.items.push(row("other", 1));
    });
}

#[test]
fn nothing_is_created_while_its_key_is_open_and_nothing_minted_twice() {
    Case::creation().breaks("nothing is created while its key is open", |case| {
        case.memory.note(Note {
            key: case.plan.steps[0].key.clone(),
            env: "one".into(),
            verb: Verb::Create,
            detail: String::new(),
            sent_at: at(-100),
            outcome: NoteOutcome::Unknown,
        });
    });
    Case::creation().breaks("what Fly mints an id for is not made in quarantine", |case| {
        case.memory.blank_since = Some(at(-1));
        // Without the creation of its app in the same plan nothing shows that no earlier run has made the address.
        let minted = case.plan.steps.iter().find(|step| step.key.is_minted()).unwrap().clone();
        let network = network_name(&"us".into(), 0);
        scope(&mut case.observed).apps.items.push(AppRow { network, ..row("one", 0) });
        case.plan.steps = vec![Step { id: StepId(0), after: Vec::new(), ..minted }];
    });
}

#[test]
fn the_order_of_steps_is_sound() {
    Case::creation().breaks("a step's id is its place", |case| case.plan.steps.last_mut().unwrap().id = StepId(77));
    Case::creation().breaks("a step comes after every step", |case| case.plan.steps[0].after = vec![StepId(3)]);
    Case::creation().breaks("a step belongs to an environment of the plan", |case| {
        case.plan.environments.remove(&"one".into());
    });
    Case::creation().breaks("one plan does not do two things to one object", |case| {
        let mut twice = case.plan.steps[0].clone();
        twice.id = StepId(case.plan.steps.len());
        case.plan.steps.push(twice);
    });
    Case::orphan().breaks("a delete carries the proof for its own app", |case| {
        let mut observed = observed(&[
            MachineMarker { tombstone: Some(at(-400)), ..marker("gone") },
            MachineMarker { tombstone: Some(at(-400)), env: "gone".into(), ..marker("kept") },
        ]);
        std::mem::swap(&mut observed, &mut case.observed);
        case.plan.steps[0].key = ResourceKey::App { app: "kept-web".into() };
    });
}

#[test]
fn an_own_write_that_is_long_past_opens_nothing() {
    let mut case = Case::orphan();
    case.memory.note(Note {
        key: case.plan.steps[0].key.clone(),
        env: "gone".into(),
        verb: Verb::Update,
        detail: String::new(),
        sent_at: at(0) - TimeDelta::seconds(121),
        outcome: NoteOutcome::Unknown,
    });
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn a_level_holds_back_what_it_says_and_nothing_of_what_a_person_asks_for() {
    let rule = "a step is within the level";
    // What is no longer asked for of an environment that is still wanted.
    let component = || {
        let part = MachineMarker { app: "kept-old".into(), tombstone: Some(at(-400)), ..marker("kept") };
        let mut observed = observed(&[marker("kept"), part]);
        scope(&mut observed).apps.items[1].name = "kept-old".into();
        let case = Case::of(fleet(&["kept"], ""), observed, &Request::default());
        assert!(case.plan.steps.iter().any(|step| matches!(step.action, Action::DeleteApp { .. })));
        case
    };
    for level in ["level: noDelete,", "level: createOnly,", "level: observe,"] {
        component().breaks(rule, |case| case.fleet = fleet(&["kept"], level));
    }
    // Creating is what `createOnly` and `noDelete` are for.
    for level in ["level: noDelete,", "level: createOnly,"] {
        let mut case = Case::creation();
        case.fleet = fleet(&["one", "two"], level);
        assert_eq!(case.broken(), Vec::<&str>::new(), "{level}");
    }
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    for more in ["level: observe,", "pause: true,"] {
        let mut case = Case::of(fleet(&["gone"], ""), observed(&[marker("gone")]), &request);
        case.fleet = fleet(&["gone"], more);
        assert_eq!(case.broken(), Vec::<&str>::new(), "{more}");
    }
}

#[test]
fn a_tombstone_in_the_name_of_a_secret_is_judged_as_one_on_a_machine() {
    let rule = "an orphan is deleted only on complete listings";
    let network = network_name(&"us".into(), 0);
    Case::orphan().breaks(rule, |case| case.leave_only(&["OTHER"], &network));
    Case::orphan().breaks(rule, |case| {
        case.leave_only(&[marker::TOMBSTONE_SECRET], &network);
        let detail = scope(&mut case.observed).details.values_mut().next().unwrap();
        let Reading::Known { value, .. } = &mut detail.secrets else { panic!() };
        value[0].created_at = Some(at(-401));
    });
    // Somebody else's tombstone is none.
    Case::orphan().breaks("", |case| case.mark(|marker| marker.owner = "them".into()));
    // At the very end of grace it may go.
    let mut case = Case::orphan();
    case.policy.grace = std::time::Duration::from_secs(400);
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn a_person_may_end_what_was_just_changed_and_nothing_that_may_still_change() {
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    let rule = "nothing is deleted while its key is open";
    let note = |case: &mut Case, verb, outcome| {
        let (key, env, detail) = (case.plan.steps[0].key.clone(), "gone".into(), String::new());
        case.memory.note(Note { key, env, verb, detail, sent_at: at(-10), outcome });
    };
    let done = || NoteOutcome::Done { at: at(-5) };
    let requested = || Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &request);
    let mut case = requested();
    note(&mut case, Verb::Update, done());
    assert_eq!(case.broken(), Vec::<&str>::new());
    requested().breaks(rule, |case| note(case, Verb::Update, NoteOutcome::Unknown));
    requested().breaks(rule, |case| note(case, Verb::Create, done()));
    // Where no person has asked, an answered change is an obstacle as well: a listing may not show it yet.
    Case::orphan().breaks(rule, |case| note(case, Verb::Update, done()));
    // What is noted of another object says nothing.
    let mut case = Case::orphan();
    note(&mut case, Verb::Update, NoteOutcome::Unknown);
    case.memory.notes[0].key = ResourceKey::App { app: "kept-web".into() };
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn the_newest_stamp_is_what_counts_of_other_writers() {
    let rule = "nothing is deleted while another instance";
    let stamp = |instance: &str, second| Some(WriterStamp { instance: instance.to_owned(), at: at(second) });
    let beside = |case: &mut Case, first: Option<WriterStamp>, second: Option<WriterStamp>| {
        case.mark(|marker| marker.writer = first);
        let mut other = machine(&MachineMarker { writer: second, ..marker("gone") });
        other.id = "another".to_owned();
        scope(&mut case.observed).machines.items.push(other);
    };
    Case::orphan().breaks(rule, |case| beside(case, stamp("this", -20), stamp("that", -10)));
    let mut case = Case::orphan();
    beside(&mut case, stamp("this", -10), stamp("that", -20));
    assert_eq!(case.broken(), Vec::<&str>::new());
    // Stamped in the moment that this run began: it was before.
    let mut case = Case::orphan();
    case.mark(|marker| marker.writer = stamp("that", -600));
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn what_carries_the_mark_of_another_environment_is_not_deleted() {
    let rule = "nothing is written where no evidence says that it is ours";
    Case::orphan().breaks(rule, |case| {
        let mut other = machine(&MachineMarker { app: "gone-web".into(), ..marker("kept") });
        other.id = "another".to_owned();
        scope(&mut case.observed).machines.items.push(other);
    });
    // A marker that names another app is a copy, and no evidence.
    Case::orphan().breaks("", |case| {
        case.mark(|marker| marker.app = "kept-web".into());
        let scope = scope(&mut case.observed);
        scope.machines.items[0].app = "gone-web".into();
        scope.apps.items[0].network = String::new();
    });
}

#[test]
fn machines_are_destroyed_marked_and_started_only_by_their_own_marker() {
    let rule = "nothing is written where no evidence says that it is ours";
    // A surplus machine of a wanted environment.
    let surplus = || {
        let mut second = marker("kept");
        second.slot.ordinal = 1;
        second.name = second.slot.machine_name();
        let mut observed = observed(&[marker("kept")]);
        let scope = scope(&mut observed);
        scope.machines.items.push(Machine { id: "m-extra".to_owned(), ..machine(&second) });
        let detail = AppDetail {
            machines: Reading::Known { value: scope.machines.items.clone(), started_at: at(0) },
            volumes: Reading::Known { value: Vec::new(), started_at: at(0) },
            secrets: Reading::Known { value: Vec::new(), started_at: at(0) },
            ips: Reading::Known { value: Vec::new(), started_at: at(0) },
            certificates: Reading::Known { value: Vec::new(), started_at: at(0) },
            ..unread(Presence::Here(scope.apps.items[0].clone()))
        };
        scope.details.insert("kept-web".into(), detail);
        let case = Case::of(fleet(&["kept"], ""), observed, &Request::default());
        let is_destroyed = |step: &Step| matches!(&step.action, Action::DestroyMachine { id, .. } if id == "m-extra");
        assert!(case.plan.steps.iter().any(is_destroyed), "{:#?}", case.plan);
        case
    };
    let change = |case: &mut Case, change: fn(&mut Vec<Machine>)| {
        let scope = scope(&mut case.observed);
        change(&mut scope.machines.items);
        let detail = scope.details.values_mut().next().unwrap();
        let Reading::Known { value, .. } = &mut detail.machines else { panic!() };
        change(value);
    };
    surplus().breaks(rule, |case| change(case, |machines| machines.truncate(1)));
    surplus().breaks(rule, |case| change(case, |machines| machines[1].marker = None));
    // Marks of an orphan, on a machine that lost its marker.
    let marking = || {
        let case = Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &Request::default());
        assert!(matches!(case.plan.steps[0].action, Action::MarkMachine { .. }));
        case
    };
    marking().breaks(rule, |case| scope(&mut case.observed).machines.items[0].marker = None);
}
