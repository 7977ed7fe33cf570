//! Secrets: written when they differ, recorded on machines, and not written where nothing would record them.

use super::world::{World, at, fleet, is_quiet, tells, tells_of, tells_one};
use crate::memory::{Conclusion, Verb};
use crate::resource::{MachineSlot, ResourceKey};

fn keyed(generation: u32) -> String {
    format!("web: {{image: 'x:1', secrets: {{KEY: {{generate: {{generation: {generation}}}}}}}}}")
}

const BARE: &str = "web: {image: 'x:1'}";

fn key() -> ResourceKey {
    ResourceKey::Secrets { app: "e-web".into() }
}

#[test]
fn the_reason_says_why_secrets_are_written() {
    let new = World::new(&keyed(1));
    tells_of(&new, &["set secrets of e-web: the app is new", "[secrets.KEY=>secret] set {KEY} unset {} mark {} first"]);
    let changed = World::of(&keyed(1)).want(&keyed(2));
    tells_of(&changed, &["set secrets of e-web: they are not as the spec has them", "set {KEY} unset {} mark {}"]);
    tells_of(&changed, &["update machine app/iad/0", "it has to take changed secrets [secrets.KEY=secret>secret]"]);
    let dropped = World::of(&keyed(1)).want(BARE);
    tells_of(&dropped, &["the spec no longer has them [secrets.KEY=secret>] set {} unset {KEY} mark {}"]);
    let by_hand = World::of(&keyed(1)).with(|world| world.secrets("e-web")[0].digest = "other".to_owned());
    tells_of(&by_hand, &["set secrets of e-web: KEY changed outside of Hangar", "set {KEY}"]);
    // Beside something to set, what is unset is not the reason.
    let both = World::of(&keyed(1)).want("web: {image: 'x:1', secrets: {NEW: {generate: {}}}}");
    tells_of(&both, &["they are not as the spec has them", "set {NEW} unset {KEY}"]);
    let protected = World::of(&keyed(1)).want("web: {image: 'x:1', protect: true}");
    tells_of(&protected, &["they are not as the spec has them", "set {} unset {KEY} mark {HANGAR_PROTECTED}"]);
}

#[test]
fn a_secret_that_is_gone_is_written_again_and_one_of_somebody_else_stays() {
    let gone = World::of(&keyed(1)).with(|world| world.secrets("e-web").clear());
    tells_of(&gone, &["set secrets of e-web", "[secrets.KEY=>secret] set {KEY}"]);
    let foreign = World::of(&keyed(1)).with(|world| {
        let mut other = world.secrets("e-web")[0].clone();
        other.name = "OTHER".to_owned();
        world.secrets("e-web").push(other);
    });
    is_quiet(&foreign);
    let tombstone = World::of(&keyed(1)).with(|world| {
        let mut other = world.secrets("e-web")[0].clone();
        other.name = "HANGAR_TOMBSTONE".to_owned();
        world.secrets("e-web").push(other);
    });
    tells(&tombstone, &["set secrets of e-web: the spec no longer has them set {} unset {HANGAR_TOMBSTONE} mark {}"]);
}

#[test]
fn nothing_is_written_that_no_machine_would_record() {
    let out_of_reach = |world: World| world.with(|world| world.machines("e-web")[0].host_ok = false);
    let changed = World::of(&keyed(1)).want(&keyed(2));
    tells_one(&out_of_reach(changed), &["waits HostUnreachable"]);
    let dropped = World::of(&keyed(1)).want(BARE);
    tells_one(&out_of_reach(dropped.clone()), &["waits HostUnreachable"]);
    // Our own marks need no record.
    let tombstone = |mut world: World| {
        let mut mark = world.secrets("e-web")[0].clone();
        mark.name = "HANGAR_TOMBSTONE".to_owned();
        world.secrets("e-web").push(mark);
        world
    };
    tells_of(&out_of_reach(tombstone(dropped)), &["set secrets of e-web", "set {} unset {HANGAR_TOMBSTONE} mark {}"]);
    let protected =
        World::of(&keyed(1)).want("web: {image: 'x:1', protect: true, secrets: {KEY: {generate: {generation: 2}}}}");
    tells_of(&out_of_reach(protected), &["set secrets of e-web", "set {} unset {} mark {HANGAR_PROTECTED}"]);
}

#[test]
fn what_is_there_already_is_not_written_again_and_again_while_no_machine_can_record_it() {
    let empty = World::of(&keyed(1)).with(|world| world.machines("e-web").clear());
    tells_of(&empty, &["set secrets of e-web", "set {KEY} unset {} mark {} first"]);
    // While an earlier creation may still take effect, no machine is made.
    let noted = empty.with(|world| {
        let slot = MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal: 0 };
        world.note(ResourceKey::Machine { app: "e-web".into(), slot }, Verb::Create, "launch");
    });
    tells_one(&noted, &["waits OwnWritePending: create machine app/iad/0"]);
    let missing = noted.with(|world| world.secrets("e-web").clear());
    tells_one(&missing, &["waits OwnWritePending: create machine app/iad/0"]);
    // Nor where its volume is withheld.
    let stored = "web: {image: 'x:1', secrets: {KEY: {generate: {}}}, volumes: {data: {mount: /data}}}";
    let withheld = World::of(stored).with(|world| {
        world.machines("e-web").clear();
        world.volumes("e-web")[0].attached_machine = Some("unseen".to_owned());
    });
    tells_one(&withheld, &["waits InTransition: create volume `data`"]);
}

#[test]
fn an_unanswered_write_of_secrets_is_waited_for_and_an_answered_one_is_not() {
    let changed = World::of(&keyed(1)).want(&keyed(2)).with(|world| world.note(key(), Verb::Update, ""));
    let text = "waits OwnWritePending: an earlier write of these secrets may still take effect (until 120)";
    tells(&changed, &[text]);
    let answered =
        changed.with(|world| world.memory.conclude(&key(), Verb::Update, Conclusion::Done { at: at(0), id: None }));
    tells_of(&answered, &["set secrets of e-web", "set {KEY}"]);
}

#[test]
fn a_value_that_is_not_at_hand_is_missing_only_where_it_is_needed() {
    let from_env = "web: {image: 'x:1', secrets: {KEY: {fromEnv: NOT_SET_ANYWHERE}}}";
    let mut missing = World::of(BARE);
    missing.fleet = fleet(&[("e", "", from_env)]);
    tells_of(&missing, &["blocked SecretUnavailable: secret `KEY` is needed: "]);
    missing.request.dry_run = true;
    tells_of(&missing, &["set secrets of e-web", "secrets.KEY=>unknown ("]);
    tells_of(&missing, &["update machine app/iad/0", "it has to take changed secrets [secrets.KEY=>secret]"]);
    let mut there = World::of(&keyed(1));
    there.fleet = fleet(&[("e", "", from_env)]);
    tells_one(&there, &["notice CannotCompare: secret `KEY` is there; whether it is as wanted cannot be told: "]);
}
