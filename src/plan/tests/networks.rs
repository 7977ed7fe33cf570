//! The network of an isolated environment: its own place in the pool, kept while anything of it is there or under way.

use super::world::{World, fleet, incomplete, tells_of, tells_one};
use crate::memory::Verb;
use crate::observed::AppRow;
use crate::resource::{MachineSlot, ResourceKey};

const ONE: &str = "web: {image: 'x:1'}";

fn app(name: &str) -> ResourceKey {
    ResourceKey::App { app: name.into() }
}

/// The networks of the apps that are created.
fn networks(world: &World) -> Vec<String> {
    let of = |line: String| Some(line.split_once("network=>")?.1.split(']').next()?.to_owned());
    world.told().into_iter().filter(|line| line.starts_with("create app")).filter_map(of).collect()
}

#[test]
fn each_environment_gets_the_first_free_place_and_its_apps_share_it() {
    let two = World::wanting(&[("a", "", "web: {image: 'x:1'}, api: {image: 'x:1'}"), ("b", "", ONE)]);
    assert_eq!(networks(&two), ["hangar-us-0", "hangar-us-0", "hangar-us-1"]);
    let row = |network: &str| AppRow {
        id: "1".to_owned(),
        name: "theirs".into(),
        network: network.to_owned(),
        status: String::new(),
    };
    let listed = |network: &str| networks(&World::new(ONE).with(|world| world.scope.apps.items.push(row(network))));
    assert_eq!(listed("hangar-us-0"), ["hangar-us-1"]);
    assert_eq!(listed("hangar-us-1"), ["hangar-us-0"]);
    assert_eq!(listed("hangar-them-0"), ["hangar-us-0"]);
    // What was only read directly counts as well.
    let read = World::of(ONE).with(|world| {
        world.fleet = fleet(&[("e", "", ONE), ("f", "", ONE)]);
        world.look();
    });
    assert_eq!(networks(&read.with(|world| world.is_listed = false)), ["hangar-us-1"]);
}

#[test]
fn an_environment_stays_in_the_place_that_it_has() {
    let grown = World::living(&[("a", "", ONE), ("b", "", ONE)]).with(|world| {
        world.fleet = fleet(&[("a", "", ONE), ("b", "", "web: {image: 'x:1'}, api: {image: 'x:1'}")]);
        world.look();
    });
    assert_eq!(networks(&grown), ["hangar-us-1"]);
    let partial = grown.with(|world| world.scope.apps.completeness = incomplete());
    assert_eq!(networks(&partial), ["hangar-us-1"], "that is known without the listing");
}

#[test]
fn a_place_is_kept_for_a_creation_that_is_under_way() {
    let noted = |key: ResourceKey, verb: Verb, env: &str| {
        World::new("web: {image: 'x:1'}, api: {image: 'x:1'}").with(|world| {
            world.note(key, verb, "hangar-us-0");
            world.memory.notes[0].env = env.into();
        })
    };
    let made = |key: ResourceKey, verb: Verb, env: &str| networks(&noted(key, verb, env));
    // Another's creation takes the place; our own is the place.
    assert_eq!(made(app("other"), Verb::Create, "f"), ["hangar-us-1", "hangar-us-1"]);
    assert_eq!(made(app("e-api"), Verb::Create, "e"), ["hangar-us-0"]);
    // No other write does.
    assert_eq!(made(app("other"), Verb::Update, "f"), ["hangar-us-0", "hangar-us-0"]);
    let machine = || ResourceKey::Machine {
        app: "other".into(),
        slot: MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal: 0 },
    };
    assert_eq!(made(machine(), Verb::Create, "f"), ["hangar-us-0", "hangar-us-0"]);
    let taken = |world: World| {
        world.with(|world| {
            let network = "hangar-us-0".to_owned();
            let row = AppRow { id: "1".to_owned(), name: "theirs".into(), network, status: String::new() };
            world.scope.apps.items.push(row);
        })
    };
    assert_eq!(networks(&taken(noted(app("other"), Verb::Update, "e"))), ["hangar-us-1", "hangar-us-1"]);
    assert_eq!(networks(&taken(noted(machine(), Verb::Create, "e"))), ["hangar-us-1", "hangar-us-1"]);
}

#[test]
fn no_place_is_given_away_by_an_incomplete_listing() {
    let partial = World::new(ONE).with(|world| world.scope.apps.completeness = incomplete());
    let text = "the apps of organization `o` were not listed completely, so no free network is known";
    tells_one(&partial, &["waits ObservationIncomplete", text]);
    let noted = World::new(ONE).with(|world| world.note(app("e-web"), Verb::Create, "hangar-us-0"));
    tells_of(
        &noted,
        &["waits OwnWritePending: create app `e-web`: our own write to app e-web may still", "(until 120)"],
    );
}
