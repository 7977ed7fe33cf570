//! Whose database a file is, and which version it has.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// Marks a database as ours in its header: `HNGR` in ASCII.
const APPLICATION_ID: u32 = 0x484e_4752;

/// The steps from an empty database to the newest version, in order. One that was released is never edited.
const MIGRATIONS: [(u32, &str); 3] = [
    (1, include_str!("migrations/0001_memory_and_history.sql")),
    (2, include_str!("migrations/0002_acknowledged_sets.sql")),
    (3, include_str!("migrations/0003_births.sql")),
];

/// The newest version.
const KNOWN: u32 = match MIGRATIONS.last() {
    Some((number, _)) => *number,
    None => 0,
};

/// What a file turned out to be, when it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nothing is in it yet.
    Empty,
    /// A store of this version, which is known.
    Store(u32),
}

/// Looks whose database it is, without changing it.
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<Identity, StoreError> {
    let failed = |error| StoreError::database(path, "read the version", error);
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).map_err(failed);
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application, found, tables) {
        (0, 0, 0) => Ok(Identity::Empty),
        (APPLICATION_ID, found, _) if found <= KNOWN => Ok(Identity::Store(found)),
        (APPLICATION_ID, found, _) => Err(StoreError::Newer { path: path.to_owned(), found, known: KNOWN }),
        _ => Err(StoreError::NotOurs { path: path.to_owned() }),
    }
}

/// Refuses a store that would have to be brought up to date first.
pub(super) fn require_current(identity: Identity, path: &Path) -> Result<(), StoreError> {
    match identity {
        Identity::Empty => Err(StoreError::Missing { path: path.to_owned() }),
        Identity::Store(found) if found < KNOWN => {
            Err(StoreError::Older { path: path.to_owned(), found, known: KNOWN })
        }
        Identity::Store(_) => Ok(()),
    }
}

/// Brings a store up to date: each step whole or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::database(path, "bring the tables up to date", error);
    for (number, sql) in MIGRATIONS {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Asked anew inside of the transaction: two processes may have come here at once.
        let done: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        if done < number {
            transaction.execute_batch(sql).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            transaction.pragma_update(None, "user_version", number).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
