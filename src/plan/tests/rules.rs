//! Each of these rules switched off once, in the smallest world that shows what it is for. (The model check shows the harm.)

use super::world::{World, at, fleet, incomplete};
use crate::desired::Wanted;
use crate::memory::Verb;
use crate::observed::{MachineState, Presence, Volume};
use crate::resource::ResourceKey;
use crate::rules::{Rule, Rules};

const ONE: &str = "web: {image: 'x:1'}";

/// Asserts that a line that begins so is told without the rule, and not with it.
#[track_caller]
pub(super) fn only_without(rule: Rule, world: &World, start: &str) {
    let told = |rules| {
        let told = world.clone().with(|world| world.request.rules = rules).told_unchecked();
        (told.iter().any(|line| line.starts_with(start)), told)
    };
    let (with, without) = (told(Rules::default()), told(Rules::without(rule)));
    assert!(!with.0 && without.0, "{rule:?}: {:#?} {:#?}", with.1, without.1);
}

/// `gone` is not wanted any more, and `kept` is. The tombstone stands since this second, if at all.
fn orphan(since: Option<i64>) -> World {
    let mut world = World::living(&[("gone", "", ONE), ("kept", "", ONE)]);
    world.fleet = fleet(&[("kept", "", ONE)]);
    world.mark("gone-web", 0, |marker| marker.tombstone = since.map(at));
    world
}

fn presence(world: &mut World, app: &str) -> crate::observed::AppRow {
    match &world.detail(app).presence {
        Presence::Here(row) => row.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_known_stops_what_would_rely_on_it() {
    let unseen = World::new(ONE).with(|world| {
        world.detail("e-web").presence = Presence::Unknown { reason: "no answer".to_owned() };
    });
    only_without(Rule::PresenceMustBeKnown, &unseen, "create app e-web");
    let unread = World::of(ONE).with(|world| world.detail("e-web").machines = super::world::unknown("no answer"));
    only_without(Rule::ReadingsMustBeComplete, &unread, "create machine app/iad/0 of e-web");
    let source = orphan(Some(-400)).with(|world| world.fleet.source = incomplete());
    only_without(Rule::IncompleteSourceStopsCollection, &source, "delete app gone-web");
    let listing = orphan(Some(-400)).with(|world| world.scope.machines.completeness = incomplete());
    only_without(Rule::IncompleteListingStopsCollection, &listing, "delete app gone-web");
    let broken = orphan(Some(-400)).with(|world| {
        world.fleet.environments.insert("gone".into(), Wanted::Broken { reason: "it cannot be read".to_owned() });
    });
    only_without(Rule::BrokenSpecStopsCollection, &broken, "delete app gone-web: its spec names no app");
    let network = World::new(ONE).with(|world| world.scope.apps.completeness = incomplete());
    only_without(Rule::IncompleteListingGivesNoNetwork, &network, "create app e-web");
}

#[test]
fn grace_and_the_budget_hold_what_would_go() {
    only_without(Rule::TombstoneFirst, &orphan(None), "delete app gone-web");
    only_without(Rule::GraceOfOrphans, &orphan(Some(-10)), "delete app gone-web");
    let spent = orphan(Some(-400)).with(|world| {
        world.policy.budget.max_deletions = 1;
        world.memory.deletions.push(("other".to_owned(), at(-60)));
    });
    let told = spent.clone().with(|world| world.request.rules = Rules::without(Rule::BudgetCountsTheWindow));
    assert!(told.told_unchecked().iter().any(|line| line.starts_with("delete app gone-web")));
    only_without(Rule::BudgetCountsTheWindow, &spent, "delete app gone-web");
    only_without(Rule::Budget, &spent, "delete app gone-web");
    let consent = spent.clone().with(|world| world.memory.acknowledge("of another set"));
    only_without(Rule::ConsentIsToOneSet, &consent, "mark app gone-web: a person has let its deletion go on");
    // Without any consent at all that rule is not what holds it.
    let none = spent.with(|world| world.request.rules = Rules::without(Rule::ConsentIsToOneSet));
    assert!(none.told_unchecked().iter().any(|line| line.starts_with("blocked BudgetExceeded")));
    let empty = orphan(Some(-400)).with(|world| world.fleet.environments.clear());
    only_without(Rule::EmptySourceStopsDeletions, &empty, "delete app gone-web");
    let held = orphan(Some(-400)).with(|world| {
        world.machines("gone-web")[0].metadata.insert("hangar_held".to_owned(), "1799999000".to_owned());
    });
    only_without(Rule::BudgetLatches, &held, "delete app gone-web");
}

#[test]
fn a_marker_says_whose_it_is_and_of_which_environment() {
    let other = World::of(ONE).want("web: {image: 'x:2'}").with(|world| {
        world.mark("e-web", 0, |marker| marker.env = "other".into());
    });
    only_without(Rule::MarkerNamesItsEnvironment, &other, "update machine app/iad/0 of e-web");
    let clone = World::of(ONE).want("web: {image: 'x:2'}").with(|world| {
        world.machines("e-web")[0].name = "clone".to_owned();
    });
    only_without(Rule::MarkerNamesItsObject, &clone, "update machine app/iad/0 of e-web");
    let squatted = World::of(ONE).with(|world| {
        let row = crate::observed::AppRow { network: String::new(), ..presence(world, "e-web") };
        world.detail("e-web").presence = Presence::Here(row);
        world.machines("e-web").clear();
        let birth = crate::memory::Birth { at: at(-500), id: Some("another".to_owned()) };
        world.memory.born.insert("e-web".into(), birth);
    });
    only_without(Rule::EvidenceNamesTheServersId, &squatted, "create machine app/iad/0 of e-web");
    only_without(Rule::EvidenceOfOwnAttempt, &squatted, "create machine app/iad/0 of e-web");
    only_without(Rule::OwnedMeansMarked, &squatted, "create machine app/iad/0 of e-web");
    // A birth is asked for also where that rule does not hold.
    let unborn = squatted.with(|world| {
        world.memory.born.clear();
        world.request.rules = Rules::without(Rule::EvidenceNamesTheServersId);
    });
    assert!(unborn.told_unchecked().iter().all(|line| line.starts_with("blocked NotOurs")));
    let unmarked = World::new(ONE).with(|world| world.request.rules = Rules::without(Rule::MarkedFromBirth));
    assert_eq!(unmarked.told_unchecked()[0], "create app e-web: it does not exist [org=>o]");
}

#[test]
fn hands_are_kept_off_what_is_not_drift() {
    let field = World::of(ONE).with(|world| {
        world.machines("e-web")[0].config.as_mut().unwrap()["dns"] = serde_json::json!({"skip_registration": true});
    });
    only_without(Rule::UnsetFieldsStay, &field, "update machine app/iad/0 of e-web");
    let sleeper = "web: {image: 'x:1', services: [{internalPort: 80, autostop: stop, autostart: true, ports: [{port: 80, handlers: [http]}]}], ips: {}}";
    let asleep = World::of(sleeper).with(|world| world.machines("e-web")[0].state = MachineState::Stopped);
    only_without(Rule::RestingMachinesRest, &asleep, "start machine app/iad/0 of e-web");
    let stored = "web: {image: 'x:1', volumes: {data: {mount: /data}}}";
    let left = |apps: &str| {
        World::of(apps).with(|world| {
            let one = world.volumes("e-web")[0].clone();
            world.volumes("e-web").push(Volume { id: "extra".to_owned(), attached_machine: None, ..one });
            world.memory.volumes.insert("extra".to_owned(), "e-web".into());
        })
    };
    let retained = left("web: {image: 'x:1', volumes: {data: {mount: /data, deletionPolicy: retain}}}");
    only_without(Rule::RetainedStays, &retained, "delete volume data@extra/iad/0 of e-web");
    let unknown = left(stored).with(|world| world.memory.volumes.clear());
    only_without(Rule::UnknownVolumesStay, &unknown, "delete volume data@extra/iad/0 of e-web");
    let bound = World::of(stored).with(|world| world.machines("e-web").clear());
    only_without(Rule::UnseenMachineKeepsItsVolume, &bound, "create volume data@app/iad/0 of e-web");
}

#[test]
fn an_open_key_is_waited_for() {
    let keyed = |generation: u32| {
        format!("web: {{image: 'x:1', secrets: {{KEY: {{generate: {{generation: {generation}}}}}}}}}")
    };
    let secrets = World::of(&keyed(1)).want(&keyed(2)).with(|world| {
        world.note(ResourceKey::Secrets { app: "e-web".into() }, Verb::Update, "");
    });
    only_without(Rule::OpenKeyStopsUpdate, &secrets, "set secrets of e-web");
    let app = |world: &mut World, verb| world.note(ResourceKey::App { app: "gone-web".into() }, verb, "");
    let noted = orphan(Some(-400)).with(|world| app(world, Verb::Update));
    only_without(Rule::OpenKeyStopsDeletion, &noted, "delete app gone-web");
    let marking = orphan(None).with(|world| app(world, Verb::Update));
    only_without(Rule::OpenKeyStopsMarking, &marking, "mark app gone-web");
    let creating = World::new(ONE).with(|world| {
        world.note(ResourceKey::App { app: "e-web".into() }, Verb::Create, "hangar-us-0");
    });
    only_without(Rule::OpenKeyStopsCreation, &creating, "create app e-web");
    let quarantined = orphan(Some(-400)).with(|world| world.memory.blank_since = Some(world.now));
    only_without(Rule::QuarantineStopsDeletion, &quarantined, "delete app gone-web");
}
