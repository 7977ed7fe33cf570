//! What failed is not tried again before its time, and not with the other machines of its group either.

use super::world::{World, at, is_quiet, tells, tells_of, tells_one};
use crate::memory::Rejection;
use crate::observed::{Check, Exit, MachineState};
use crate::plan::Action;

const TWO: &str = "web: {image: 'x:1', count: 2}";
const TWO_NEXT: &str = "web: {image: 'x:2', count: 2}";
const ONE: &str = "web: {image: 'x:1'}";

/// What failures of what is wanted now of a slot are remembered by.
fn trial(world: &World, slot: &str) -> String {
    let of = |step: &crate::plan::Step| match &step.action {
        Action::CreateMachine(write) | Action::UpdateMachine { write, .. } => Some(write.trial.clone()),
        Action::WaitHealthy { hash, .. } => Some(hash.clone()),
        _ => None,
    };
    let steps = world.plan().steps;
    steps.iter().filter(|step| step.key.to_string().contains(slot)).find_map(of).unwrap()
}

/// Remembers that what is wanted of a slot (by this hash) failed, and may be tried again at `retry`.
fn rejected(world: &World, slot: &str, hash: &str, retry: i64) -> World {
    let rejection = Rejection {
        hash: hash.to_owned(),
        reason: "CrashLoop".to_owned(),
        message: "it exited with code 1".to_owned(),
        at: at(-60),
        retry_at: at(retry),
        attempts: 1,
    };
    let key = format!("machine {slot} of e-web");
    world.clone().with(|world| drop(world.memory.rejections.insert(key, rejection)))
}

fn check(passing: bool) -> Check {
    Check { name: "up".to_owned(), passing, output: String::new() }
}

#[test]
fn what_failed_with_one_machine_is_given_to_none_of_its_group_until_it_may_be_tried_again() {
    let world = World::of(TWO).want(TWO_NEXT);
    let hash = trial(&world, "app/iad/0");
    let failed = "machine app/iad/0 of e-web was tried and failed: it exited with code 1";
    tells(
        &rejected(&world, "app/iad/0", &hash, 60),
        &[
            &format!("blocked RolloutRejected: {failed} (until 60)"),
            &format!("blocked RolloutRejected: machine app/iad/1 is left as it is, because {failed} (until 60)"),
        ],
    );
    // Its time has come, or something else is wanted by now.
    for world in [rejected(&world, "app/iad/0", &hash, 0), rejected(&world, "app/iad/0", "another", 60)] {
        assert_eq!(world.told().iter().filter(|line| line.starts_with("update")).count(), 2, "{:#?}", world.told());
    }
    // A machine that is not there yet is not made with it either.
    let missing = world.with(|world| drop(world.machines("e-web").pop()));
    let told = rejected(&missing, "app/iad/0", &hash, 60).told();
    assert!(told.len() == 2 && told[1].contains("machine app/iad/1 is left as it is"), "{told:#?}");
}

#[test]
fn groups_fail_apart() {
    let groups =
        |image: &str| format!("web: {{image: '{image}', processes: {{one: {{command: a}}, two: {{command: b}}}}}}");
    let world = World::of(&groups("x:1")).want(&groups("x:2"));
    let hash = trial(&world, "one/iad/0");
    let told = rejected(&world, "one/iad/0", &hash, 60).told();
    assert!(told.iter().any(|line| line.starts_with("update machine two/iad/0")), "{told:#?}");
    assert!(!told.iter().any(|line| line.starts_with("update machine one/iad/0")), "{told:#?}");
}

#[test]
fn a_failed_machine_is_not_touched_unless_its_checks_show_that_it_is_well() {
    let world = World::of(ONE).with(|world| world.machines("e-web")[0].state = MachineState::Stopped);
    tells_of(&world, &["start machine app/iad/0 of e-web", "it is stopped and nothing would start it"]);
    let hash = trial(&world, "app/iad/0");
    tells_one(&rejected(&world, "app/iad/0", &hash, 60), &["blocked RolloutRejected", "was tried and failed"]);
    let started = |checks: Vec<Check>| {
        rejected(&world, "app/iad/0", &hash, 60).with(|world| {
            world.machines("e-web")[0].state = MachineState::Started;
            world.machines("e-web")[0].checks = checks;
        })
    };
    for checks in [vec![], vec![check(false)], vec![check(true), check(false)]] {
        tells_one(&started(checks), &["blocked RolloutRejected"]);
    }
    // It is well: one last wait confirms it, and clears what was remembered.
    let well = started(vec![check(true)]);
    tells(&well, &["wait machine app/iad/0 of e-web: until it runs"]);
    let stopped = well.with(|world| world.machines("e-web")[0].state = MachineState::Stopped);
    tells_one(&stopped, &["blocked RolloutRejected"]);
    // What failed was something else.
    let other = rejected(&world, "app/iad/0", "another", 60).with(|world| {
        world.machines("e-web")[0].state = MachineState::Started;
    });
    is_quiet(&other);
}

#[test]
fn a_failed_machine_that_is_passing_says_what_failed() {
    let world = World::of(ONE).with(|world| world.machines("e-web")[0].state = MachineState::Stopped);
    let hash = trial(&world, "app/iad/0");
    let passing =
        |world: World| world.with(|world| world.machines("e-web")[0].state = MachineState::parse("restarting"));
    tells_one(&passing(rejected(&world, "app/iad/0", &hash, 60)), &["blocked RolloutRejected"]);
    tells(&passing(world), &["waits InTransition: machine app/iad/0 (m1) is restarting"]);
}

/// Something that happens to a machine.
type Change = fn(&mut crate::observed::Machine);

#[test]
fn a_rollout_goes_on_only_behind_a_machine_that_is_well() {
    // The first has the new configuration already.
    let halfway = |change: fn(&mut crate::observed::Machine)| {
        let mut world = World::of(TWO).want(TWO_NEXT);
        let done = World::of(TWO_NEXT).machines("e-web")[0].clone();
        world.machines("e-web")[0] = done;
        change(&mut world.machines("e-web")[0]);
        world
    };
    let went_on = |world: &World| world.told().iter().any(|line| line.starts_with("update machine app/iad/1"));
    assert!(went_on(&halfway(|_| {})));
    let exit = |code, oom_killed, requested, ago: i64| Exit { code, oom_killed, requested, at: at(-ago) };
    let ails: [(Change, &str); 5] = [
        (|machine| machine.checks = vec![check(true), check(false)], "runs, but up does not pass"),
        (|machine| machine.state = MachineState::parse("starting"), "is starting"),
        (
            |machine| machine.last_exit = Some(Exit { code: 3, oom_killed: false, requested: false, at: at(-59) }),
            "runs again, but exited with code 3 at",
        ),
        (
            |machine| machine.last_exit = Some(Exit { code: 0, oom_killed: true, requested: false, at: at(-59) }),
            "runs again, but ran out of memory at",
        ),
        (
            |machine| machine.last_exit = Some(Exit { code: 1, oom_killed: true, requested: false, at: at(0) }),
            "runs again, but ran out of memory at",
        ),
    ];
    for (ail, why) in ails {
        let world = halfway(ail);
        let text =
            "machine app/iad/1 is left as it is, because machine app/iad/0 (m1) has the same configuration already and";
        tells_of(&world, &["waits Unhealthy", text, why]);
        assert!(!went_on(&world), "{why}");
    }
    let mut fine = vec![
        halfway(|machine| machine.state = MachineState::Stopped),
        halfway(|machine| machine.checks = vec![check(true)]),
    ];
    for exit in
        [exit(3, false, true, 10), exit(0, false, false, 10), exit(3, false, false, 60), exit(3, false, false, 61)]
    {
        fine.push(halfway(|_| {}).with(|world| world.machines("e-web")[0].last_exit = Some(exit)));
    }
    // Checks speak louder than an exit.
    fine.push(halfway(|machine| machine.checks = vec![check(true)]).with(|world| {
        world.machines("e-web")[0].last_exit = Some(exit(3, false, false, 10));
    }));
    for world in fine {
        assert!(went_on(&world), "{:#?}", world.told());
    }
    // A machine that is not as wanted proves nothing.
    let old = World::of(TWO).want(TWO_NEXT).with(|world| world.machines("e-web")[0].checks = vec![check(false)]);
    assert!(went_on(&old));
}

#[test]
fn a_machine_that_is_as_wanted_and_not_well_is_told() {
    let sick = World::of(ONE).with(|world| world.machines("e-web")[0].checks = vec![check(false)]);
    tells(&sick, &["waits Unhealthy: machine app/iad/0 (m1) runs, but up does not pass"]);
}

#[test]
fn the_secrets_that_it_was_tried_with_are_part_of_what_failed() {
    let keyed = |generation: u32| {
        format!("web: {{image: 'x:1', secrets: {{KEY: {{generate: {{generation: {generation}}}}}}}}}")
    };
    let tried = |generation| trial(&World::of(&keyed(1)).want(&keyed(generation)), "app/iad/0");
    assert_ne!(tried(2), tried(3));
    assert_eq!(tried(2), tried(2));
    assert_ne!(trial(&World::new(ONE), "app"), trial(&World::new("web: {image: 'x:2'}"), "app"));
    assert_ne!(trial(&World::new(ONE), "app"), trial(&World::new("web: {image: 'x:1', metadata: {team: a}}"), "app"));
}
