//! What every store must do, run on each of them.

use proptest::prelude::*;
use serde_json::json;

use super::support::{at, event, full_memory, machine_key, note, rejection};
use crate::memory::{Birth, Conclusion, Memory, Verb};
use crate::resource::{AppName, EnvName};
use crate::store::{MemoryStore, SqliteStore, Store};

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[test]
            fn $name() {
                super::$name(&super::MemoryStore::new().with_history_limit(4));
            })*
        }
        mod sqlite {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::SqliteStore::open(folder.path().join("h.db")).unwrap().with_history_limit(4));
            })*
        }
    };
}

on_every_store!(
    a_new_store_has_no_history,
    a_memory_comes_back_as_it_was_saved,
    the_last_saved_memory_counts,
    events_come_back_newest_last,
    events_are_told_apart_by_environment,
    old_events_are_dropped,
    statuses_are_replaced_and_removed,
    the_order_of_notes_and_deletions_is_kept,
);

fn a_new_store_has_no_history(store: &dyn Store) {
    assert_eq!(store.load().unwrap(), None);
    assert_eq!(store.events(None, 10).unwrap(), []);
    assert!(store.statuses().unwrap().is_empty());
}

fn a_memory_comes_back_as_it_was_saved(store: &dyn Store) {
    store.save(&full_memory()).unwrap();
    assert_eq!(store.load().unwrap(), Some(full_memory()));
}

fn the_last_saved_memory_counts(store: &dyn Store) {
    store.save(&full_memory()).unwrap();
    let mut memory = Memory::blank("run-2", at(100));
    memory.blank_since = None;
    store.save(&memory).unwrap();
    assert_eq!(store.load().unwrap(), Some(memory));
}

fn events_come_back_newest_last(store: &dyn Store) {
    for steps in 1..=4 {
        store.append(&event("staging", steps)).unwrap();
    }
    let events = store.events(None, 2).unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.at, event.what.clone())).collect();
    assert_eq!(
        told,
        [(at(3), json!({"type": "planned", "steps": 3})), (at(4), json!({"type": "planned", "steps": 4}))]
    );
    assert!(events[0].sequence < events[1].sequence);
}

fn events_are_told_apart_by_environment(store: &dyn Store) {
    for (env, steps) in [("a", 1), ("b", 2), ("a", 3)] {
        store.append(&event(env, steps)).unwrap();
    }
    let of = |env: &str| {
        let events = store.events(Some(&EnvName::new(env)), 10).unwrap();
        events.into_iter().map(|event| event.what["steps"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((of("a"), of("b"), of("c")), (vec![1, 3], vec![2], vec![]));
}

fn old_events_are_dropped(store: &dyn Store) {
    for steps in 1..=7 {
        store.append(&event("staging", steps)).unwrap();
    }
    let steps: Vec<_> = store.events(None, 100).unwrap().into_iter().map(|event| event.what["steps"].clone()).collect();
    assert_eq!(steps, [4, 5, 6, 7]);
}

fn statuses_are_replaced_and_removed(store: &dyn Store) {
    let (a, b) = (EnvName::new("a"), EnvName::new("b"));
    store.put_status(&a, &json!({"standing": "changes"})).unwrap();
    store.put_status(&b, &json!({"standing": "waiting"})).unwrap();
    store.put_status(&a, &json!({"standing": "converged"})).unwrap();
    store.remove_status(&b).unwrap();
    store.remove_status(&b).unwrap();
    let statuses: Vec<_> = store.statuses().unwrap().into_iter().collect();
    assert_eq!(statuses, [(a, json!({"standing": "converged"}))]);
}

fn the_order_of_notes_and_deletions_is_kept(store: &dyn Store) {
    let mut memory = full_memory();
    store.save(&memory).unwrap();
    memory.note(note(machine_key(1), Verb::Update, 9)); // moves from the middle to the end
    memory.deletions.remove(0);
    store.save(&memory).unwrap();
    memory.notes.reverse();
    store.save(&memory).unwrap();
    assert_eq!(store.load().unwrap(), Some(memory));
}

/// Something that happens to a memory between two saves.
#[derive(Debug, Clone)]
enum Happening {
    Note(u32, bool),
    Conclude(u32, bool),
    Delete(u32),
    ForgetDeletion,
    Reject(u32),
    Accept(u32),
    Born(u32),
    Restart,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        (0..4_u32, any::<bool>()).prop_map(|(slot, create)| Happening::Note(slot, create)),
        (0..4_u32, any::<bool>()).prop_map(|(slot, done)| Happening::Conclude(slot, done)),
        (0..2_u32).prop_map(Happening::Delete),
        Just(Happening::ForgetDeletion),
        (0..3_u32).prop_map(Happening::Reject),
        (0..3_u32).prop_map(Happening::Accept),
        (0..3_u32).prop_map(Happening::Born),
        Just(Happening::Restart),
    ];
    prop::collection::vec(one, 1..30)
}

fn happen(memory: &mut Memory, happening: &Happening, second: i64) {
    match happening {
        Happening::Note(slot, create) => {
            memory.note(note(machine_key(*slot), if *create { Verb::Create } else { Verb::Delete }, second));
        }
        Happening::Conclude(slot, true) => {
            memory.conclude(&machine_key(*slot), Verb::Create, Conclusion::Done { at: at(second), id: None });
        }
        Happening::Conclude(slot, false) => memory.conclude(&machine_key(*slot), Verb::Delete, Conclusion::NoEffect),
        Happening::Delete(what) => memory.deletions.push((format!("machine {what}"), at(0))),
        Happening::ForgetDeletion => drop(memory.deletions.pop()),
        Happening::Reject(what) => drop(memory.rejections.insert(what.to_string(), rejection(*what))),
        Happening::Accept(what) => drop(memory.rejections.remove(&what.to_string())),
        Happening::Born(app) => {
            let birth = Birth { at: at(second), id: Some(second.to_string()) };
            memory.born.insert(AppName::new(app.to_string()), birth);
        }
        Happening::Restart => (memory.started_at, memory.blank_since) = (at(second), None),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_a_memory_the_file_holds_what_was_saved_last(happenings in happenings()) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("h.db")).unwrap();
        let mut memory = Memory::blank("run", at(0));
        for (second, happening) in happenings.iter().enumerate() {
            happen(&mut memory, happening, i64::try_from(second).unwrap());
            store.save(&memory).unwrap();
            let reader = SqliteStore::open_read_only(store.path()).unwrap();
            let loaded = reader.load().unwrap();
            prop_assert_eq!(loaded.as_ref(), Some(&memory));
        }
    }
}
