//! The file's format: its marks, its tables, and the check on opening that it
//! is a file of ours, whole, and not from a newer version.

use crate::Revision;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// `SDWN`: tells `file` and us that the database is ours.
const APPLICATION_ID: i64 = 0x5344_574E;

/// The format that this version writes. A change of the tables raises it and
/// brings older files up in [`prepare`].
const VERSION: i64 = 1;

/// Keys are blobs, so that their order is that of their bytes whatever
/// characters they hold. `sqlite3`'s shell prints them as text all the same.
const TABLES: &str = "
    -- One row: where the store stands.
    CREATE TABLE store (
        revision  INTEGER NOT NULL,
        compacted INTEGER NOT NULL
    ) STRICT;
    INSERT INTO store VALUES (0, 0);

    -- What is there now.
    CREATE TABLE entries (
        key      BLOB NOT NULL PRIMARY KEY,
        value    BLOB NOT NULL,
        created  INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        lease    INTEGER
    ) STRICT;
    CREATE INDEX entries_modified ON entries (modified);
    CREATE INDEX entries_lease ON entries (lease) WHERE lease IS NOT NULL;

    -- What each revision after store.compacted changed; a value of NULL is a
    -- deletion.
    CREATE TABLE changes (
        revision INTEGER NOT NULL,
        key      BLOB NOT NULL,
        value    BLOB,
        created  INTEGER NOT NULL,
        PRIMARY KEY (revision, key)
    ) STRICT, WITHOUT ROWID;

    -- Which commit made a revision, and when (seconds since 1970); no id: a
    -- lease's end.
    CREATE TABLE revisions (
        revision INTEGER NOT NULL PRIMARY KEY,
        at       INTEGER NOT NULL,
        id       BLOB UNIQUE
    ) STRICT;

    -- ttl in milliseconds.
    CREATE TABLE leases (
        id  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        ttl INTEGER NOT NULL
    ) STRICT;
";

/// How long a statement waits for somebody else's lock on the file, e.g. an
/// operator's `sqlite3`.
const BUSY: Duration = Duration::from_secs(5);

/// A connection to an existing file. An absolute path, so that no name is
/// taken for a `file:` URI.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    debug_assert!(path.is_absolute());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(connection)
}

/// Makes the tables in an empty file, or checks that they are ours; then sets
/// how commits reach the disk.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), String> {
    if is_empty(connection)? {
        create(connection).map_err(|error| explain(&error))?;
    } else {
        check(connection)?;
    }
    durably(connection)
}

/// That the file is a store of ours, in a format that this version reads.
pub(super) fn check(connection: &Connection) -> Result<(), String> {
    let application = pragma(connection, "application_id")?;
    if application != APPLICATION_ID {
        return Err("is another program's database: name another file".into());
    }
    let version = pragma(connection, "user_version")?;
    if version > VERSION {
        return Err(format!(
            "has format {version}, written by a newer sdwan; this one reads up to {VERSION}: \
             upgrade sdwan, or restore a backup from before"
        ));
    }
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| explain(&error))?;
    match found.as_str() {
        "ok" => Ok(()),
        damage => Err(format!(
            "is damaged ({}): restore a backup",
            damage.replace('\n', " ")
        )),
    }
}

fn is_empty(connection: &Connection) -> Result<bool, String> {
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| explain(&error))?;
    Ok(tables == 0 && pragma(connection, "application_id")? == 0)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, String> {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(|error| explain(&error))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Each commit is on the disk before it is answered: the log is synced with
/// every transaction, on macOS through the drive's own cache.
fn durably(connection: &Connection) -> Result<(), String> {
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| explain(&error))?;
    if mode != "wal" {
        return Err("is on a file system without shared memory: put it on a local disk".into());
    }
    settle_log(connection)?;
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(|error| explain(&error))
}

/// Moves what a crash left in the log to its place. After a failed sync the
/// log may be whole in the kernel's memory and not on the disk; what came
/// after that in the same log would be lost with it.
fn settle_log(connection: &Connection) -> Result<(), String> {
    let busy: bool = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|error| explain(&error))?;
    if busy {
        tracing::warn!("another program reads the database: its log can't be emptied now");
    }
    Ok(())
}

/// SQLite's refusal in words that say what to do.
pub(super) fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "is not a database: name another file".into(),
        Some(ErrorCode::DatabaseCorrupt) => format!("is damaged ({error}): restore a backup"),
        Some(ErrorCode::DiskFull) => "has no room left on its disk: make some".into(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "is locked by another program, e.g. an open sqlite3: end that".into()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            format!("can't be read and written ({error}): check its and its folder's permissions")
        }
        _ => format!("can't be used: {error}"),
    }
}

/// Larger revisions than SQLite's integers hold stand for "never yet".
impl ToSql for Revision {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Revision {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let value = value.as_i64()?;
        let revision = u64::try_from(value).map_err(|_| FromSqlError::OutOfRange(value))?;
        Ok(Self(revision))
    }
}
