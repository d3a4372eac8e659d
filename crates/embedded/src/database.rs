//! Connections: one that writes, a few that read, one that watches for changes.
//!
//! In WAL mode readers never wait for a writer. Writers of one process queue at a lock, those of
//! several processes at SQLite's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use packhouse_registry::ports::{StoreError, StoreResult};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::fault;
use crate::folder::{link_once, random_name, sync_dir};
use crate::rows::SqlRows;

/// The schema's steps; `PRAGMA user_version` says how many were taken.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("jobs.sql"),
    include_str!("listings.sql"),
    include_str!("advised.sql"),
];

/// How long a writer waits for writers of other processes.
const BUSY: Duration = Duration::from_secs(10);

/// From this size on, the log is folded into the database after a write, off the answer's path.
const LOG_BYTES: u64 = 4 << 20;

/// Readers that are kept open between reads.
const IDLE_READERS: usize = 4;

/// When a commit reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Before it returns.
    Synced,
    /// With the next synced commit, which writes to the same log. For rows that no read returns and
    /// that a publisher repeats: a power cut may take them, and nothing else.
    Deferred,
}

pub(crate) struct Database {
    path: PathBuf,
    log: PathBuf,
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    watcher: Mutex<Watcher>,
    checkpointing: AtomicBool,
}

struct Writer {
    connection: Connection,
    durability: Durability,
}

struct Watcher {
    connection: Connection,
    /// `PRAGMA data_version`: differs whenever another connection committed.
    data_version: i64,
    generation: u64,
}

impl Database {
    pub(crate) fn open(path: PathBuf) -> StoreResult<Self> {
        create(&path)?;
        let mut connection = connect(&path)?;
        prepare_for_writes(&mut connection)?;
        let watcher = Watcher { connection: reader(&path)?, data_version: -1, generation: 0 };
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Ok(Self {
            log: log.into(),
            writer: Mutex::new(Writer { connection, durability: Durability::Synced }),
            readers: Mutex::new(Vec::new()),
            watcher: Mutex::new(watcher),
            checkpointing: AtomicBool::new(false),
            path,
        })
    }

    /// Runs `verb` in one serializable transaction; an error undoes it.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        verb: impl FnOnce(&mut SqlRows<'_>) -> StoreResult<T>,
    ) -> StoreResult<T> {
        let mut writer = lock(&self.writer);
        if writer.durability != durability {
            let level = match durability {
                Durability::Synced => "FULL",
                Durability::Deferred => "NORMAL",
            };
            writer.connection.pragma_update(None, "synchronous", level).map_err(fault::sqlite)?;
            writer.durability = durability;
        }
        let transaction = writer
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fault::sqlite)?;
        let answer = verb(&mut SqlRows::new(&transaction))?;
        transaction.commit().map_err(fault::sqlite)?;
        Ok(answer)
    }

    /// Runs `read` on a reader of its own. One statement sees one state.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&SqlRows<'_>) -> StoreResult<T>,
    ) -> StoreResult<T> {
        let idle = lock(&self.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => reader(&self.path)?,
        };
        let answer = read(&SqlRows::new(&connection));
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        answer
    }

    /// How often what reads return has changed. Without a change since the last call this costs
    /// one look at shared memory.
    pub(crate) fn generation(&self) -> StoreResult<u64> {
        let mut watcher = lock(&self.watcher);
        let version = {
            let mut look =
                watcher.connection.prepare_cached("PRAGMA data_version").map_err(fault::sqlite)?;
            look.query_row([], |row| row.get(0)).map_err(fault::sqlite)?
        };
        if watcher.data_version != version {
            // In this order a change in between is seen by the next call.
            let generation: i64 = watcher
                .connection
                .prepare_cached("SELECT value FROM generation")
                .and_then(|mut look| look.query_row([], |row| row.get(0)))
                .map_err(fault::sqlite)?;
            watcher.generation = generation.unsigned_abs();
            watcher.data_version = version;
        }
        Ok(watcher.generation)
    }

    /// Whether the log has grown so far that [`Database::checkpoint`] should run.
    pub(crate) fn is_log_long(&self) -> bool {
        std::fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_BYTES)
    }

    /// Folds the log into the database as far as readers allow, without waiting for anybody.
    pub(crate) fn checkpoint(&self) -> StoreResult<()> {
        if self.checkpointing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let done = connect(&self.path).and_then(|connection| {
            let fold = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            fold.map_err(fault::sqlite)
        });
        self.checkpointing.store(false, Ordering::Release);
        done.and_then(|()| self.start_log())
    }

    /// Writes a row so that a log is begun: SQLite syncs a new log's head, and a new log's name, with
    /// the first commit to it, and no publish should wait for that. It has to be a change: SQLite
    /// does not write a row that stays as it is.
    pub(crate) fn start_log(&self) -> StoreResult<()> {
        self.write(Durability::Synced, |rows| rows.bump_generation())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> StoreResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX; // every connection stands behind a lock of ours
    let connection = Connection::open_with_flags(path, flags).map_err(fault::sqlite)?;
    connection.busy_timeout(BUSY).map_err(fault::sqlite)?;
    connection.set_prepared_statement_cache_capacity(48);
    // Bounded memory: at most 1 MiB of pages for each connection, none mapped.
    connection
        .execute_batch(
            "PRAGMA cache_size = -1024; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;",
        )
        .map_err(fault::sqlite)?;
    Ok(connection)
}

/// Makes an empty ledger beside its place and links it there, whole: one sync instead of SQLite's
/// seven, and of processes that start at once one is first.
fn create(path: &Path) -> StoreResult<()> {
    if path.try_exists().map_err(fault::file)? {
        return Ok(());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", random_name().map_err(fault::file)?));
    let temporary = PathBuf::from(name);
    let made = connect(&temporary).and_then(|mut connection| {
        connection.execute_batch("PRAGMA synchronous = OFF;").map_err(fault::sqlite)?;
        set_journal(&connection)?;
        migrate(&mut connection)?;
        // Closing folds the log into the file.
        connection.close().map_err(|(_, error)| fault::sqlite(error))
    });
    let linked = made.and_then(|()| {
        let file = fs_err::File::open(&temporary).map_err(fault::file)?;
        file.sync_all().map_err(fault::file)?;
        link_once(&temporary, path).map_err(fault::file)
    });
    let removed = fs_err::remove_file(&temporary);
    linked?;
    removed.map_err(fault::file)?;
    path.parent().map_or(Ok(()), sync_dir).map_err(fault::file)
}

fn reader(path: &Path) -> StoreResult<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true).map_err(fault::sqlite)?;
    Ok(connection)
}

fn prepare_for_writes(connection: &mut Connection) -> StoreResult<()> {
    set_journal(connection)?;
    // Folding the log costs two more syncs: `Database::checkpoint` does it when nobody waits.
    // A folded log keeps its length unless told otherwise, and would look long for ever.
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = {};",
            LOG_BYTES / 4
        ))
        .map_err(fault::sqlite)?;
    migrate(connection)
}

fn set_journal(connection: &Connection) -> StoreResult<()> {
    // Changing the journal does not wait for locks by itself; processes that start at once do it
    // one after the other.
    let start = Instant::now();
    loop {
        let set =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match set {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::Broken(format!(
                    "ledger.sqlite cannot keep a write-ahead log here (its journal is `{mode}`): put the data folder on a local disk"
                )));
            }
            Err(e) => match fault::sqlite(e) {
                StoreError::Unavailable(_) if start.elapsed() < BUSY => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                other => return Err(other),
            },
        }
    }
}

fn migrate(connection: &mut Connection) -> StoreResult<()> {
    let known = MIGRATIONS.len();
    if taken(connection)? == known {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(fault::sqlite)?;
    let done = taken(&transaction)?; // another process may have been first
    if done > known {
        return Err(StoreError::Broken(format!(
            "ledger.sqlite has schema {done}, this program knows {known}: use a newer version of Packhouse"
        )));
    }
    for step in &MIGRATIONS[done..] {
        transaction.execute_batch(step).map_err(fault::sqlite)?;
    }
    let version = i64::try_from(known).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", version).map_err(fault::sqlite)?;
    transaction.commit().map_err(fault::sqlite)
}

fn taken(connection: &Connection) -> StoreResult<usize> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    usize::try_from(version.map_err(fault::sqlite)?).map_err(|e| fault::record("schema version", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_folded_is_short_again() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().join("ledger.sqlite")).unwrap();
        let round = || {
            for _ in 0..100_000 {
                if database.is_log_long() {
                    database.checkpoint().unwrap();
                    return;
                }
                database.write(Durability::Deferred, |rows| rows.bump_generation()).unwrap();
            }
            panic!("the log does not grow");
        };
        for _ in 0..2 {
            round();
            assert!(!database.is_log_long(), "each write would fold it again");
        }
    }
}
