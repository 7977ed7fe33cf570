//! Whether an app is there and ours, and what apps have to wait for.

use super::world::{World, at, fleet, fleet_on, is_quiet, tells, tells_of, tells_one, unknown};
use crate::observed::{AppRow, Presence};
use crate::resource::marker::WriterStamp;

/// `b` follows the image of `a`.
fn pair(image: &str) -> String {
    format!("a: {{image: '{image}'}}, b: {{image: 'x:1', env: {{USES: '${{{{ fly.a.image }}}}'}}}}")
}

fn row(world: &mut World) -> &mut AppRow {
    match &mut world.detail("e-web").presence {
        Presence::Here(row) => row,
        other => panic!("{other:?}"),
    }
}

const WEB: &str = "web: {image: 'x:1'}";

#[test]
fn an_app_is_changed_after_those_it_uses_and_not_while_one_of_them_is_stuck() {
    let changed = World::of(&pair("x:1")).want(&pair("x:2"));
    let told = changed.told();
    assert_eq!(told.len(), 4, "{told:#?}");
    for (line, start, end) in [
        (0, "update machine app/iad/0 of e-a", "[image=x:1>x:2]"),
        (1, "wait machine app/iad/0 of e-a", "after[0]"),
        (2, "update machine app/iad/0 of e-b", "[env.USES=x:1>x:2] after[0, 1]"),
        (3, "wait machine app/iad/0 of e-b", "after[2]"),
    ] {
        assert!(told[line].starts_with(start) && told[line].ends_with(end), "{told:#?}");
    }
    let stuck = changed.with(|world| world.machines("e-a")[0].host_ok = false);
    tells(
        &stuck,
        &[
            "waits HostUnreachable: the host of machine app/iad/0 (m1) does not answer; nothing is done to it until it does",
            "waits DependencyBlocked: update machine app/iad/0 (m2): it uses a, which is not as wanted yet",
        ],
    );
}

#[test]
fn an_app_whose_existence_is_not_known_is_not_created() {
    let see = |presence| World::new(WEB).with(|world| world.detail("e-web").presence = presence);
    let none = Presence::Unknown { reason: "no answer".to_owned() };
    tells(&see(none), &["waits ObservationIncomplete: whether app `e-web` exists cannot be told: no answer"]);
    tells_one(&see(Presence::Elsewhere), &["blocked NameTaken", "`e-web` is taken", "another `name` for `web`"]);
    let unseen = World::new(WEB).with(|world| world.scope.details.clear());
    tells(&unseen, &["waits ObservationIncomplete: app `e-web` was not looked at in this pass"]);
}

#[test]
fn an_app_of_which_a_part_was_not_read_is_left_alone_and_the_part_is_named() {
    let unread = |part: fn(&mut World)| World::of(WEB).want("web: {image: 'x:2'}").with(part);
    let of = |part| format!("waits ObservationIncomplete: app `e-web` was not read completely: {part}");
    tells(&unread(|world| world.detail("e-web").machines = unknown("1")), &[&of("machines (1)")]);
    tells(&unread(|world| world.detail("e-web").secrets = unknown("2")), &[&of("secrets (2)")]);
    tells(&unread(|world| world.detail("e-web").volumes = unknown("3")), &[&of("volumes (3)")]);
    tells(&unread(|world| world.detail("e-web").ips = unknown("4")), &[&of("addresses (4)")]);
    let both = unread(|world| {
        world.detail("e-web").machines = unknown("1");
        world.detail("e-web").ips = unknown("4");
    });
    tells(&both, &[&of("machines (1), addresses (4)")]);
}

#[test]
fn an_app_of_another_environment_or_of_nobody_is_left_alone() {
    let world = World::of(WEB).with(|world| world.mark("e-web", 0, |marker| marker.env = "other".into()));
    tells_of(&world, &["blocked NotOurs", "belongs to environment `other`", "destroy `other` first"]);
    let strange = World::of(WEB).with(|world| {
        world.machines("e-web")[0].marker = None;
        row(world).network = String::new();
    });
    tells_one(&strange, &["blocked NotOurs", "(it carries no marker of ours)", "give `web` another `name`"]);
    // Empty, and our own attempt as far as the memory knows: what a crash between creation and marker leaves behind.
    let empty = strange.with(|world| world.machines("e-web").clear());
    tells_one(&empty, &["blocked NotOurs"]);
    let born = |id: &str| {
        empty.clone().with(|world| {
            let birth = crate::memory::Birth { at: at(-500), id: Some(id.to_owned()) };
            world.memory.born.insert("e-web".into(), birth);
        })
    };
    tells_of(&born("id-e-web"), &["create machine app/iad/0 of e-web"]);
    tells_one(&born("another"), &["blocked NotOurs"]);
}

#[test]
fn a_network_that_is_not_the_wanted_one_is_told_and_stays() {
    for (wanted, live, is_right) in [
        ("", "hangar-us-0", true),
        ("", "hangar-us-7", true),
        ("", "hangar-them-0", false),
        ("", "", false),
        ("network: shared,", "", true),
        ("network: shared,", "default", true),
        ("network: shared,", "hangar-us-0", false),
        ("network: {name: mine},", "mine", true),
        ("network: {name: mine},", "default", false),
        ("network: {name: mine},", "", false),
    ] {
        let mut world = World::of(WEB);
        world.fleet = fleet_on(wanted, WEB);
        row(&mut world).network = live.to_owned();
        if is_right {
            is_quiet(&world);
        } else {
            let name = if live.is_empty() { "the default network" } else { live };
            tells_one(&world, &["notice Immutable", &format!("app `e-web` lives on {name},"), "destroy and create"]);
        }
    }
}

#[test]
fn another_instance_that_has_written_since_this_run_began_stops_deletions() {
    let fewer = |stamps: &[(&str, i64)]| {
        World::of("web: {image: 'x:1', count: 2}").want(WEB).with(|world| {
            for (index, (instance, second)) in stamps.iter().enumerate() {
                let writer = WriterStamp { instance: (*instance).to_owned(), at: at(*second) };
                world.mark("e-web", index, |marker| marker.writer = Some(writer));
            }
        })
    };
    for stamps in [&[][..], &[("this", -10)], &[("that", -1001)], &[("that", -1000)], &[("that", -20), ("this", -10)]] {
        tells_of(&fewer(stamps), &["destroy machine app/iad/1 of e-web: the spec no longer has its slot"]);
    }
    for stamps in [&[("that", -999)][..], &[("this", -20), ("that", -10)]] {
        let parts = ["blocked AnotherWriter: destroy machine app/iad/1", "(that) writes under owner `us`"];
        tells_of(&fewer(stamps), &parts);
    }
}

#[test]
fn what_is_to_be_retained_is_marked_on_machines_and_as_a_secret() {
    let volume = |more: &str| format!("web: {{image: 'x:1', {more} volumes: {{data: {{mount: /data, size: 1GB}}}}}}");
    let by_volume = "web: {image: 'x:1', volumes: {data: {mount: /data, size: 1GB, deletionPolicy: retain}}}";
    let by_app = volume("deletionPolicy: retain,");
    let expected = |world: &World| {
        tells(
            world,
            &[
                "set secrets of e-web: the app needs our marker set {} unset {} mark {HANGAR_RETAINED}",
                "mark machine app/iad/0 of e-web: our record of it changes on m2 {hangar_retain=true}",
            ],
        );
    };
    expected(&World::of(&volume("")).want(by_volume));
    expected(&World::of(&volume("")).want(&by_app));
    let mut by_env = World::of(&volume(""));
    by_env.fleet = fleet(&[("e", "deletionPolicy: retain,", &volume(""))]);
    expected(&by_env);
    // And back: the marks go where it is no longer to be kept.
    let mut back = World::of(&by_app);
    back.fleet = fleet(&[("e", "", &volume(""))]);
    tells(
        &back,
        &[
            "set secrets of e-web: the spec no longer has them set {} unset {HANGAR_RETAINED} mark {}",
            "mark machine app/iad/0 of e-web: our record of it changes on m2 {hangar_retain=-}",
        ],
    );
}

#[test]
fn what_is_protected_is_marked_on_machines_and_as_a_secret() {
    let expected = |world: &World| {
        tells_of(world, &["set secrets of e-web", "mark {HANGAR_PROTECTED}"]);
        tells_of(world, &["mark machine app/iad/0 of e-web", "hangar_protect=true"]);
    };
    for (more, apps) in
        [("protect: true,", WEB), ("class: production,", WEB), ("", "web: {image: 'x:1', protect: true}")]
    {
        let mut world = World::of(WEB);
        world.fleet = fleet(&[("e", more, apps)]);
        expected(&world);
    }
    expected(&World::of(WEB).with(|world| world.policy.protected = vec!["e*".to_owned()]));
    let spared = World::of(WEB).with(|world| world.policy.protected = vec!["other".to_owned()]);
    is_quiet(&spared);
}

#[test]
fn an_app_on_a_shared_network_is_marked_by_a_secret_until_a_machine_says_whose_it_is() {
    let shared = |apps: &str| {
        let mut world = World::new(apps);
        world.fleet = fleet_on("network: shared,", apps);
        world
    };
    let world = shared(WEB);
    assert!(world.told()[1].contains("mark {HANGAR_OWNED_") && world.told()[1].ends_with("first after[0]"));
    let isolated = World::new(WEB).told();
    assert!(!isolated.iter().any(|line| line.contains("HANGAR_OWNED_")), "{isolated:#?}");
    let settled = world.with(World::settle);
    is_quiet(&settled.clone().with(|world| world.secrets("e-web").clear()));
    // Without a machine it is the secret that says so, once.
    let bare = settled.with(|world| world.machines("e-web").clear());
    assert!(!bare.told().iter().any(|line| line.starts_with("set")), "{:#?}", bare.told());
}
