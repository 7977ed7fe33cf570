//! The file of the SQLite store: who may use it, what it may be, and what survives.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use super::support::{event, full_memory, machine_key, note};
use crate::memory::{Memory, Verb};
use crate::resource::EnvName;
use crate::store::rows::{Changes, Part, Rows, rows_of};
use crate::store::{SqliteStore, Store, StoreError};

/// What another process would find if this one were killed now: the files as they are, with nothing closed or flushed.
fn as_after_a_kill(store: &SqliteStore, to: &Path) -> SqliteStore {
    std::fs::create_dir_all(to).unwrap();
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", store.path().display());
        if Path::new(&from).exists() {
            std::fs::copy(&from, to.join(format!("h.db{suffix}"))).unwrap();
        }
    }
    SqliteStore::open(to.join("h.db")).unwrap()
}

#[test]
fn nothing_that_was_saved_is_lost_by_a_kill_between_two_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("h.db")).unwrap();
    let mut memory = full_memory();
    for ordinal in 0..5 {
        memory.note(note(machine_key(ordinal), Verb::Create, i64::from(ordinal)));
        store.save(&memory).unwrap();
        store.append(&event("staging", usize::try_from(ordinal).unwrap())).unwrap();
        let next = as_after_a_kill(&store, &folder.path().join(ordinal.to_string()));
        assert_eq!(next.load().unwrap().as_ref(), Some(&memory));
        assert_eq!(next.events(None, 100).unwrap(), store.events(None, 100).unwrap());
    }
}

#[test]
fn everything_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/h.db");
    let env = EnvName::new("staging");
    {
        let store = SqliteStore::open(&path).unwrap();
        store.save(&full_memory()).unwrap();
        store.append(&event("staging", 1)).unwrap();
        store.put_status(&env, &json!({"a": 1})).unwrap();
    }
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.load().unwrap(), Some(full_memory()));
    assert_eq!(store.events(Some(&env), 9).unwrap().len(), 1);
    assert_eq!(store.statuses().unwrap().get(&env), Some(&json!({"a": 1})));
}

#[test]
fn a_save_without_a_load_before_it_replaces_what_an_earlier_run_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    SqliteStore::open(&path).unwrap().save(&full_memory()).unwrap();
    let blank = Memory::blank("run-2", super::support::at(9));
    SqliteStore::open(&path).unwrap().save(&blank).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap().load().unwrap(), Some(blank));
}

#[test]
fn one_more_note_writes_one_row() {
    let all = Part::ALL.into();
    let mut memory = full_memory();
    let before = rows_of(&memory, &all, &Rows::new()).unwrap();
    memory.note(note(machine_key(7), Verb::Create, 9));
    let after = rows_of(&memory, &all, &before).unwrap();
    let changes = Changes::between(&all, &before, &after);
    assert_eq!((changes.put.len(), changes.remove.len()), (1, 0));
    memory.notes.remove(0);
    let later = rows_of(&memory, &all, &after).unwrap();
    let changes = Changes::between(&all, &after, &later);
    assert_eq!((changes.put.len(), changes.remove.len()), (0, 1));
    assert!(Changes::between(&all, &later, &rows_of(&memory, &all, &later).unwrap()).is_empty());
}

#[test]
fn whatever_part_of_a_memory_changes_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let full = full_memory();
    let changes: [fn(&mut Memory); 13] = [
        |memory| memory.instance.push('x'),
        |memory| memory.started_at = super::support::at(77),
        |memory| memory.blank_since = Some(super::support::at(78)),
        |memory| memory.notes.clear(),
        |memory| memory.organizations.clear(),
        |memory| memory.born.clear(),
        |memory| memory.volumes.clear(),
        |memory| memory.freed.clear(),
        |memory| memory.deletions.clear(),
        |memory| memory.acknowledged.clear(),
        |memory| memory.expired.clear(),
        |memory| memory.missing_images.clear(),
        |memory| memory.rejections.clear(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = full.clone();
        change(&mut other);
        assert_ne!(other, full, "{index}");
        for last in [&other, &full] {
            let store = SqliteStore::open(&path).unwrap();
            for memory in [&full, &other, last] {
                store.save(memory).unwrap();
            }
            drop(store);
            assert_eq!(SqliteStore::open(&path).unwrap().load().unwrap().as_ref(), Some(last), "{index}");
        }
    }
}

#[test]
fn a_second_controller_is_told_that_the_store_is_in_use_and_gets_it_when_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let first = SqliteStore::open(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another controller"));
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn history_can_be_read_while_a_controller_runs_and_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let controller = SqliteStore::open(&path).unwrap();
    controller.append(&event("staging", 1)).unwrap();
    let reader = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(reader.events(None, 9).unwrap().len(), 1);
    controller.append(&event("staging", 2)).unwrap();
    assert_eq!(reader.events(None, 9).unwrap().len(), 2);
    for error in [
        reader.save(&full_memory()),
        reader.append(&event("staging", 3)),
        reader.put_status(&EnvName::new("a"), &json!(1)),
    ] {
        assert!(matches!(error, Err(StoreError::ReadOnly { .. })), "{error:?}");
    }
    assert_eq!(controller.events(None, 9).unwrap().len(), 2);
}

#[test]
fn reading_a_store_that_is_not_there_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    assert!(matches!(SqliteStore::open_read_only(&path), Err(StoreError::Missing { .. })));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(SqliteStore::open_read_only(&path), Err(StoreError::Missing { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "dear diary, ".repeat(500);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is put beside it");
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE users (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::NotOurs { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_store_of_a_newer_version_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: 3, .. }), "{error}");
    assert!(matches!(SqliteStore::open_read_only(&path), Err(StoreError::Newer { .. })));
}

#[test]
fn a_store_of_an_older_version_is_not_read_before_it_was_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 0).unwrap();
    assert!(matches!(SqliteStore::open_read_only(&path), Err(StoreError::Older { found: 0, .. })));
}

#[test]
fn apps_that_an_older_version_has_made_are_still_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = SqliteStore::open(&path).unwrap();
    store.save(&full_memory()).unwrap();
    drop(store);
    let older = "UPDATE memory SET value = json_extract(value, '$.at') WHERE part = 'born'; \
                 UPDATE memory SET value = '\"' || value || '\"' WHERE part = 'born'; PRAGMA user_version = 2";
    Connection::open(&path).unwrap().execute_batch(older).unwrap();
    let read = SqliteStore::open(&path).unwrap().load().unwrap().unwrap();
    let mut expected = full_memory();
    expected.born.values_mut().for_each(|birth| birth.id = None);
    assert_eq!(read.born, expected.born);
    assert!(!read.born.is_empty());
}

#[test]
fn rows_that_make_no_sense_are_a_damaged_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    for sql in
        ["UPDATE memory SET value = '{' WHERE part = 'note'", "UPDATE memory SET part = 'dream' WHERE part = 'born'"]
    {
        let store = SqliteStore::open(&path).unwrap();
        store.save(&full_memory()).unwrap();
        drop(store);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = SqliteStore::open(&path).unwrap().load().unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_failed_save_leaves_the_memory_that_was_saved_before_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("h.db")).unwrap();
    let before = full_memory();
    store.save(&before).unwrap();
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("CREATE TRIGGER no BEFORE INSERT ON memory BEGIN SELECT RAISE(ABORT, 'no'); END").unwrap();
    let mut after = before.clone();
    after.volumes.clear();
    after.note(note(machine_key(7), Verb::Create, 9));
    store.save(&after).unwrap_err();
    assert_eq!(store.load().unwrap(), Some(before));
    other.execute_batch("DROP TRIGGER no").unwrap();
    store.save(&after).unwrap();
    assert_eq!(store.load().unwrap(), Some(after));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_any_of_its_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    store.save(&full_memory()).unwrap();
    let modes: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    assert!(modes.len() >= 3 && modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}
