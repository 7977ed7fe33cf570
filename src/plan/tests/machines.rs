//! One machine per slot, as the spec has it: made, updated, started, replaced, marked, and no more of them.

use super::world::{World, at, is_quiet, tells, tells_of, tells_one};
use crate::memory::Verb;
use crate::observed::{Exit, Machine, MachineState};
use crate::resource::{MachineSlot, ResourceKey};

const ONE: &str = "web: {image: 'x:1'}";

fn with_machine(world: World, change: impl FnOnce(&mut Machine)) -> World {
    world.with(|world| change(&mut world.machines("e-web")[0]))
}

fn key() -> ResourceKey {
    let slot = MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal: 0 };
    ResourceKey::Machine { app: "e-web".into(), slot }
}

#[test]
fn a_new_machine_shows_what_people_look_for_first() {
    let spec = "web: {image: 'x:1', memory: 512MB, env: {A: b}, volumes: {data: {mount: /data}}}";
    let told = World::new(spec).told();
    for part in ["region=>iad, image=>x:1", "guest=>{", "\"memory_mb\":512", "env.A=>b", "mount=>/data"] {
        assert!(
            told[2].starts_with("create machine app/iad/0 of e-web: it does not exist") && told[2].contains(part),
            "{told:#?}"
        );
    }
    let second = World::of(ONE).want("web: {image: 'x:1', count: 2}");
    tells_of(&second, &["create machine app/iad/1 of e-web: its slot is empty"]);
    let again = World::of(ONE).with(|world| world.machines("e-web").clear());
    tells_of(&again, &["create machine app/iad/0 of e-web: it does not exist"]);
}

#[test]
fn what_is_made_to_rest_is_not_waited_for() {
    let told = World::new("web: {image: 'x:1', schedule: daily}").told();
    assert!(told.last().unwrap().contains("to rest after[0]"), "{told:#?}");
    let job = World::new("web: {image: 'x:1', autoDestroy: true}");
    tells_of(&job, &["wait machine app/iad/0 of e-web: until it runs or ends"]);
    let once = World::new("web: {image: 'x:1', restart: {policy: \"no\"}}");
    tells_of(&once, &["wait machine app/iad/0 of e-web: until it runs or ends"]);
    let always = World::new("web: {image: 'x:1', restart: {policy: always}}");
    assert!(always.told().last().unwrap().starts_with("wait machine app/iad/0 of e-web: until it runs after"));
}

#[test]
fn a_name_that_is_taken_in_the_app_is_waited_for_or_left_to_a_person() {
    let going = |state: &str| with_machine(World::of(ONE), |machine| machine.state = MachineState::parse(state));
    let text = "waits InTransition: create machine app/iad/0: its predecessor m1 is being destroyed";
    tells(&going("destroying"), &[text]);
    tells_of(&going("destroyed"), &["create machine app/iad/0 of e-web"]);
    let strange = with_machine(World::of(ONE), |machine| machine.marker = None);
    tells_of(&strange, &["blocked NotOurs: a machine named `app-iad-0` (m1) is in the app and is not ours"]);
    // Of another name it is only told.
    let renamed = strange.with(|world| world.machines("e-web")[0].name = "mine".to_owned());
    tells_of(&renamed, &["create machine app/iad/0 of e-web"]);
    tells_of(&renamed, &["notice Unmanaged: 1 machine of `e-web` without our marker left alone: m1"]);
}

#[test]
fn many_strange_machines_are_told_by_five_names() {
    let strange = |count: usize| {
        World::of(ONE).with(|world| {
            let one = world.machines("e-web")[0].clone();
            for index in 0..count {
                let (id, name) = (format!("s{index}"), format!("stranger-{index}"));
                world.machines("e-web").push(Machine { id, name, marker: None, ..one.clone() });
            }
        })
    };
    tells_one(&strange(5), &["notice Unmanaged: 5 machines of `e-web`", "left alone: s0, s1, s2, s3, s4"]);
    assert!(!strange(5).told()[0].contains('…'));
    tells_one(&strange(6), &["6 machines", "s0, s1, s2, s3, s4, …"]);
}

#[test]
fn a_machine_in_a_state_that_is_no_place_to_act_from_is_left_alone() {
    let changed = |change: fn(&mut Machine)| with_machine(World::of(ONE).want("web: {image: 'x:2'}"), change);
    let starting = changed(|machine| machine.state = MachineState::parse("starting"));
    tells(&starting, &["waits InTransition: machine app/iad/0 (m1) is starting"]);
    let strange = changed(|machine| machine.state = MachineState::parse("hovering"));
    tells_one(&strange, &["blocked InTransition", "(m1) is in state `hovering`, which this version does not know"]);
    let silent = "waits HostUnreachable: the host of machine app/iad/0 (m1) does not answer; nothing is done to it until it does";
    tells(&changed(|machine| machine.host_ok = false), &[silent]);
    tells(&changed(|machine| machine.config = None), &[silent]);
    let noted = World::of(ONE).want("web: {image: 'x:2'}").with(|world| world.note(key(), Verb::Update, "m1"));
    tells_one(&noted, &["waits OwnWritePending: judge machine app/iad/0 (m1): our own write", "(until 120)"]);
}

#[test]
fn a_resting_machine_is_started_where_nothing_else_would_start_it() {
    let stopped = |exit: Option<Exit>| {
        with_machine(World::of(ONE), |machine| {
            machine.state = MachineState::Stopped;
            machine.last_exit = exit;
        })
    };
    let exit = |code, oom_killed, requested| Some(Exit { code, oom_killed, requested, at: at(-5) });
    for (exit, reason) in [
        (None, "it is stopped and nothing would start it [state=stopped>started]"),
        (exit(1, true, false), "it ran out of memory and does not run"),
        (exit(7, false, false), "it exited with code 7 and does not run"),
        (exit(7, false, true), "it is stopped and nothing would start it"),
    ] {
        let told = stopped(exit).told();
        assert!(told[0].starts_with(&format!("start machine app/iad/0 of e-web: {reason}")), "{told:#?}");
        assert_eq!(told[1], "wait machine app/iad/0 of e-web: until it runs after[0]");
    }
    for state in ["created", "suspended", "failed"] {
        tells_of(
            &with_machine(World::of(ONE), |machine| machine.state = MachineState::parse(state)),
            &["start machine"],
        );
    }
    // What may sleep is not woken, and is updated in its sleep.
    let service = |image: &str| {
        format!(
            "web: {{image: '{image}', services: [{{internalPort: 80, autostop: stop, autostart: true, ports: [{{port: 80, handlers: [http]}}]}}], ips: {{}}}}"
        )
    };
    let asleep = with_machine(World::of(&service("x:1")), |machine| machine.state = MachineState::Stopped);
    is_quiet(&asleep);
    tells_one(&asleep.want(&service("x:2")), &["update machine app/iad/0", "[image=x:1>x:2] to rest"]);
    let awake = World::of(&service("x:1")).want(&service("x:2"));
    tells_of(&awake, &["wait machine app/iad/0 of e-web: until it runs or sleeps after[0]"]);
    let told =
        with_machine(World::of(ONE).want("web: {image: 'x:2'}"), |machine| machine.state = MachineState::Stopped)
            .told();
    assert!(!told[0].contains("to rest") && told.len() == 2, "{told:#?}");
}

#[test]
fn machines_are_changed_one_after_the_other() {
    let world = World::of("web: {image: 'x:1', count: 3}").want("web: {image: 'x:2', count: 3}");
    let afters: Vec<Vec<usize>> =
        world.plan().steps.iter().map(|step| step.after.iter().map(|id| id.0).collect()).collect();
    assert_eq!(afters, [vec![], vec![0], vec![1], vec![2], vec![3], vec![4]]);
    let fewer = World::of("web: {image: 'x:1', count: 2}").want("web: {image: 'x:2'}");
    let text = "destroy machine app/iad/1 of e-web: the spec no longer has its slot [state=started>] after[1]";
    assert_eq!(fewer.told()[2], text, "{:#?}", fewer.told());
}

#[test]
fn what_others_put_into_a_machine_stays_and_what_the_spec_drops_goes() {
    let by_hand = with_machine(World::of(ONE), |machine| {
        machine.config.as_mut().unwrap()["dns"] = serde_json::json!({"skip_registration": true});
        machine.metadata.insert("theirs".to_owned(), "1".to_owned());
    });
    is_quiet(&by_hand);
    let team = "web: {image: 'x:1', metadata: {team: a}}";
    let told = World::of(ONE).want(team).told();
    assert!(
        told[0].contains("mark machine app/iad/0 of e-web: our record of it changes [metadata.team=>a] on m1 {"),
        "{told:#?}"
    );
    assert!(told[0].contains("team=a") && told.len() == 1, "{told:#?}");
    tells_one(&World::of(team).want(ONE), &["[metadata.team=a>] on m1 {", "team=-"]);
    is_quiet(&with_machine(World::of(team), |machine| {
        machine.metadata.insert("theirs".to_owned(), "1".to_owned());
    }));
    let changed =
        with_machine(World::of(team), |machine| drop(machine.metadata.insert("team".to_owned(), "b".to_owned())));
    tells_one(&changed, &["[metadata.team=b>a] on m1 {team=a}"]);
}

#[test]
fn of_two_machines_in_one_slot_the_younger_goes_after_grace() {
    let doubled = |marked: Option<i64>| {
        World::of(ONE).with(|world| {
            let mut double = world.machines("e-web")[0].clone();
            double.id = "double".to_owned();
            double.created_at = Some(at(-400));
            world.machines("e-web").insert(0, double);
            world.mark("e-web", 0, |marker| marker.tombstone = marked.map(at));
        })
    };
    let since = at(0).timestamp();
    let text = format!(
        "mark machine app/iad/0 of e-web: m1 holds the same slot and is older; this one goes after grace on double {{hangar_tombstone={since}}}"
    );
    tells(&doubled(None), &[&text]);
    tells_one(&doubled(Some(-299)), &["waits Grace: destroy surplus machine double: grace lasts until", "(until 1)"]);
    tells(&doubled(Some(-300)), &["destroy machine app/iad/0 of e-web: m1 holds the same slot"]);
    let quarantined = doubled(Some(-300)).with(|world| world.memory.blank_since = Some(world.now));
    tells_one(&quarantined, &["waits Quarantine: destroy surplus machine double"]);
    let surplus =
        World::of("web: {image: 'x:1', count: 2}").want(ONE).with(|world| world.memory.blank_since = Some(world.now));
    tells_one(&surplus, &["waits Quarantine: destroy machine app/iad/1"]);
}

#[test]
fn an_adopted_app_fills_its_slots_with_the_machines_that_are_there() {
    let adopted = "web: {image: 'x:1', count: 2, adopt: true}";
    let found = || {
        World::of("web: {image: 'x:1', count: 2}").with(|world| {
            let crate::observed::Presence::Here(row) = &mut world.detail("e-web").presence else { panic!() };
            row.network = String::new();
            for machine in world.machines("e-web") {
                machine.marker = None;
                machine.metadata.clear();
                machine.name = format!("quiet-{}", machine.id);
            }
            world.machines("e-web")[0].created_at = Some(at(-900));
            world.fleet = super::world::fleet_on("network: shared,", adopted);
        })
    };
    let told = found().told();
    assert!(
        told[0].contains("machine app/iad/0 of e-web: it is taken over") && told[0].contains(" on m1 {"),
        "{told:#?}"
    );
    assert!(
        told[1].contains("machine app/iad/1 of e-web: it is taken over") && told[1].contains(" on m2 {"),
        "{told:#?}"
    );
    assert_eq!(told.len(), 2, "{told:#?}");
    // What a hand or an earlier life has left of our marks goes.
    let marked = found().with(|world| {
        world.machines("e-web")[0].metadata.insert("hangar_held".to_owned(), "1".to_owned());
    });
    tells_of(&marked, &["machine app/iad/0 of e-web: it is taken over", "hangar_held=-"]);
    let other = found().with(|world| world.machines("e-web")[0].config.as_mut().unwrap()["image"] = "y:1".into());
    tells_of(&other, &["update machine app/iad/0 of e-web: it is taken over, and is not as the spec has it"]);
    // Of another group or region, or with a marker of somebody else, it fits no slot.
    let elsewhere = found().with(|world| world.machines("e-web")[0].region = "ams".to_owned());
    tells_of(&elsewhere, &["machine app/iad/0 of e-web: it is taken over", "on m2"]);
    tells_of(&elsewhere, &["create machine app/iad/1 of e-web"]);
    tells_of(&elsewhere, &["notice Unmanaged: 1 machine of `e-web` without our marker left alone: m1"]);
    let group = found().with(|world| {
        world.machines("e-web")[0].metadata.insert("fly_process_group".to_owned(), "other".to_owned());
    });
    tells_of(&group, &["machine app/iad/0 of e-web: it is taken over", "on m2"]);
    // One that is taken over already leaves the next slot to the other.
    let half = found().with(|world| {
        let ours = World::of("web: {image: 'x:1', count: 2}").machines("e-web")[0].clone();
        world.machines("e-web")[0] = ours;
    });
    tells_of(&half, &["machine app/iad/1 of e-web: it is taken over", "on m2"]);
    // In an app that we made, a machine without a marker is nobody's to take over.
    let ours = World::of("web: {image: 'x:1', adopt: true}").with(|world| {
        let machine = &mut world.machines("e-web")[0];
        machine.marker = None;
        machine.metadata.clear();
        machine.name = "quiet".to_owned();
    });
    tells_of(&ours, &["create machine app/iad/0 of e-web"]);
    let not_asked =
        found().with(|world| world.fleet = super::world::fleet_on("network: shared,", "web: {image: 'x:1', count: 2}"));
    tells_one(&not_asked, &["blocked NotOurs"]);
}

#[test]
fn a_change_that_no_update_makes_replaces_the_machine() {
    let spec = |mount: &str| format!("web: {{image: 'x:1', volumes: {{{mount}: {{mount: /data}}}}}}");
    let world = World::of(&spec("data")).want(&spec("other"));
    let told = world.told();
    let find =
        |start: &str| told.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{told:#?}"));
    let destroyed = find("destroy machine app/iad/0 of e-web: a change needs a new machine");
    let created = find("create machine app/iad/0 of e-web: it takes the place of the destroyed one [image=>x:1]");
    assert!(destroyed < created && told[created].contains(&format!("{destroyed}")), "{told:#?}");
    assert!(
        told.iter().any(|line| line.starts_with("wait") && line.ends_with(&format!("after[{created}]"))),
        "{told:#?}"
    );
    let write = world.plan().steps.into_iter().find_map(|step| match step.action {
        crate::plan::Action::CreateMachine(write) => Some(write),
        _ => None,
    });
    let config = write.unwrap().config;
    assert_eq!((config["image"].as_str(), config["mounts"].as_array().unwrap().len()), (Some("x:1"), 1), "{config}");
    let held = World::living(&[("e", "level: noDelete,", &spec("data"))])
        .with(|world| world.fleet = super::world::fleet(&[("e", "level: noDelete,", &spec("other"))]));
    tells_of(&held, &["blocked Level: replace machine app/iad/0 of e-web, because a change needs a new machine"]);
    let quarantined = world.with(|world| world.memory.blank_since = Some(world.now));
    tells_of(&quarantined, &["waits Quarantine: create volume `other`"]);
}
