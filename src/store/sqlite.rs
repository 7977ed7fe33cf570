//! The store in a SQLite file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OpenFlags, Row as SqlRow, TransactionBehavior, params};
use serde_json::Value;

use super::error::StoreError;
use super::lock::{self, WriterLock};
use super::migrate::{self, identify, migrate};
use super::rows::{Changes, Part, Row, RowKey, Rows, memory_of, parts_that_differ, rows_of, take_over};
use super::{DEFAULT_HISTORY_LIMIT, Store, StoredEvent};
use crate::event::Event;
use crate::memory::Memory;
use crate::resource::EnvName;

/// How long another program's hold on the database is waited out. A backup or a query of a person takes moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in a SQLite file that only its owner can read.
///
/// It writes ahead (WAL), so that history can be read while a controller runs, with `synchronous = FULL`: each transaction is on
/// disk before it counts as done. `NORMAL` would be faster and would survive the end of the process, but a power failure could take
/// the last notes with it, and then a write that was sent would be unknown to the controller that starts afterwards.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    history_limit: u32,
    inner: Mutex<Inner>,
    /// Held until the store is closed; absent in a store that was opened for reading.
    _lock: Option<WriterLock>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// What is in the file; absent when that is not known.
    saved: Option<Saved>,
}

/// A memory as it is in the file.
#[derive(Debug)]
struct Saved {
    rows: Rows,
    /// The memory that they are of, where it was seen.
    memory: Option<Memory>,
}

impl SqliteStore {
    /// Opens the store at `path` as the one controller that uses it. Makes what is missing: folders, file, tables.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| StoreError::io(parent, "create the folder", source))?;
        }
        lock::create_private(&path)?;
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        identify(&connection, &path)?;
        let lock = WriterLock::take(&path)?;
        lock::make_private(&path)?;
        let failed = |error| StoreError::database(&path, "set the journal mode", error);
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        migrate(&mut connection, &path)?;
        Ok(Self::new(path, connection, Some(lock)))
    }

    /// Opens the store at `path` for reading, also while a controller uses it. Everything that writes is refused.
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let identity = identify(&connection, &path)?;
        migrate::require_current(identity, &path)?;
        Ok(Self::new(path, connection, None))
    }

    fn new(path: PathBuf, connection: Connection, lock: Option<WriterLock>) -> Self {
        let inner = Mutex::new(Inner { connection, saved: None });
        Self { path, history_limit: DEFAULT_HISTORY_LIMIT, inner, _lock: lock }
    }

    /// Keeps only the newest `events` events.
    #[must_use]
    pub fn with_history_limit(mut self, events: u32) -> Self {
        self.history_limit = events;
        self
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A panic elsewhere leaves no half-done state here: SQLite rolls back a transaction that was not committed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
        move |error| StoreError::database(&self.path, action, error)
    }

    fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), reason: reason.into() }
    }

    fn read_rows(&self, connection: &Connection) -> Result<Rows, StoreError> {
        let failed = self.failed("read the memory");
        let mut statement =
            connection.prepare_cached("SELECT part, key, position, value FROM memory").map_err(&failed)?;
        let found = statement
            .query_map([], |row| {
                let value = Row { position: row.get(2)?, value: row.get(3)? };
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, value))
            })
            .map_err(&failed)?;
        found
            .map(|row| {
                let (part, key, row) = row.map_err(&failed)?;
                let part =
                    Part::parse(&part).ok_or_else(|| self.damaged(format!("unknown part of memory `{part}`")))?;
                Ok((RowKey { part, key }, row))
            })
            .collect()
    }

    fn write(connection: &mut Connection, changes: &Changes<'_>) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut remove = transaction.prepare_cached("DELETE FROM memory WHERE part = ?1 AND key = ?2")?;
            for key in &changes.remove {
                remove.execute(params![key.part.name(), key.key])?;
            }
            let mut put = transaction.prepare_cached(
                "INSERT INTO memory (part, key, position, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (part, key) DO UPDATE SET position = excluded.position, value = excluded.value",
            )?;
            for (key, row) in &changes.put {
                put.execute(params![key.part.name(), key.key, row.position, row.value])?;
            }
        }
        transaction.commit()
    }

    fn stored_event(&self, row: &SqlRow<'_>) -> Result<StoredEvent, StoreError> {
        let failed = self.failed("read an event");
        let sequence: i64 = row.get(0).map_err(&failed)?;
        let at: String = row.get(1).map_err(&failed)?;
        let env: String = row.get(2).map_err(&failed)?;
        let what: String = row.get(3).map_err(&failed)?;
        let bad = |reason: String| self.damaged(format!("event {sequence}: {reason}"));
        let at = DateTime::parse_from_rfc3339(&at).map_err(|error| bad(error.to_string()))?.with_timezone(&Utc);
        let what = serde_json::from_str(&what).map_err(|error| bad(error.to_string()))?;
        Ok(StoredEvent { sequence, at, env: EnvName::new(env), what })
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::database(path, "open the database", error);
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    Ok(connection)
}

impl Store for SqliteStore {
    fn load(&self) -> Result<Option<Memory>, StoreError> {
        let mut inner = self.lock();
        let rows = self.read_rows(&inner.connection)?;
        let memory = memory_of(&rows).map_err(|error| self.damaged(error.to_string()))?;
        inner.saved = Some(Saved { rows, memory: memory.clone() });
        Ok(memory)
    }

    fn save(&self, memory: &Memory) -> Result<(), StoreError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Saved { mut rows, memory: before } = match inner.saved.take() {
            Some(saved) => saved,
            None => Saved { rows: self.read_rows(&inner.connection)?, memory: None },
        };
        let parts = match &before {
            Some(before) => parts_that_differ(before, memory),
            None => Part::ALL.into(),
        };
        let after =
            rows_of(memory, &parts, &rows).map_err(|source| StoreError::Encode { what: "the memory", source })?;
        let changes = Changes::between(&parts, &rows, &after);
        if !changes.is_empty() {
            // After an error `saved` stays empty: what is in the file is read again before it is compared with anything.
            Self::write(&mut inner.connection, &changes).map_err(self.failed("save the memory"))?;
        }
        let gone: Vec<RowKey> = changes.remove.into_iter().cloned().collect();
        for key in &gone {
            rows.remove(key);
        }
        rows.extend(after);
        let saved = match before {
            Some(mut before) => {
                take_over(&mut before, memory, &parts);
                before
            }
            None => memory.clone(),
        };
        inner.saved = Some(Saved { rows, memory: Some(saved) });
        Ok(())
    }

    fn append(&self, event: &Event) -> Result<(), StoreError> {
        let what =
            serde_json::to_string(&event.what).map_err(|source| StoreError::Encode { what: "an event", source })?;
        let at = event.at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let mut inner = self.lock();
        let failed = self.failed("add an event");
        let transaction =
            inner.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        transaction
            .prepare_cached("INSERT INTO event (at, env, what) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![at, event.env.as_str(), what]))
            .map_err(&failed)?;
        let too_old = transaction.last_insert_rowid().saturating_sub(i64::from(self.history_limit));
        transaction
            .prepare_cached("DELETE FROM event WHERE sequence <= ?1")
            .and_then(|mut delete| delete.execute([too_old]))
            .map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }

    fn events(&self, env: Option<&EnvName>, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let inner = self.lock();
        let failed = self.failed("read events");
        let sql = match env {
            Some(_) => "SELECT sequence, at, env, what FROM event WHERE env = ?2 ORDER BY sequence DESC LIMIT ?1",
            None => "SELECT sequence, at, env, what FROM event WHERE ?2 IS NULL ORDER BY sequence DESC LIMIT ?1",
        };
        let mut statement = inner.connection.prepare_cached(sql).map_err(&failed)?;
        let mut found = statement.query(params![limit, env.map(EnvName::as_str)]).map_err(&failed)?;
        let mut events = Vec::new();
        while let Some(row) = found.next().map_err(&failed)? {
            events.push(self.stored_event(row)?);
        }
        events.reverse();
        Ok(events)
    }

    fn put_status(&self, env: &EnvName, status: &Value) -> Result<(), StoreError> {
        let sql = "INSERT INTO status (env, status) VALUES (?1, ?2)
                   ON CONFLICT (env) DO UPDATE SET status = excluded.status WHERE status <> excluded.status";
        self.lock()
            .connection
            .prepare_cached(sql)
            .and_then(|mut put| put.execute(params![env.as_str(), status.to_string()]))
            .map_err(self.failed("save a status"))
            .map(drop)
    }

    fn remove_status(&self, env: &EnvName) -> Result<(), StoreError> {
        self.lock()
            .connection
            .prepare_cached("DELETE FROM status WHERE env = ?1")
            .and_then(|mut remove| remove.execute([env.as_str()]))
            .map_err(self.failed("remove a status"))
            .map(drop)
    }

    fn statuses(&self) -> Result<BTreeMap<EnvName, Value>, StoreError> {
        let inner = self.lock();
        let failed = self.failed("read statuses");
        let mut statement = inner.connection.prepare_cached("SELECT env, status FROM status").map_err(&failed)?;
        let found =
            statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(&failed)?;
        found
            .map(|row| {
                let (env, status) = row.map_err(&failed)?;
                let status =
                    serde_json::from_str(&status).map_err(|error| self.damaged(format!("status of {env}: {error}")))?;
                Ok((EnvName::new(env), status))
            })
            .collect()
    }
}
