//! Reading beside the writer: a few connections of their own, each read in
//! one snapshot. In WAL mode neither side waits for the other.

use super::schema;
use crate::history::Page;
use crate::{Batch, Change, Entry, Error, Listing, Revision};
use rusqlite::{CachedStatement, Connection, Row, Transaction, params};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Reads at once; more wait.
const CONNECTIONS: usize = 4;

/// What one page of history holds at the most, give or take a revision.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
const PAGE_REVISIONS: usize = 256;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// A read's failure: SQLite's, or an answer of the store.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Store(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Ends the reads to come and closes the idle connections.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    pub(super) async fn list(self: &Arc<Self>, prefix: &str) -> Result<Listing, Error> {
        let prefix = prefix.to_owned();
        self.read(move |snapshot| Ok(list(snapshot, &prefix)?))
            .await
    }

    /// A page of the history that the file retains.
    pub(super) async fn page(
        self: &Arc<Self>,
        prefix: &str,
        after: Revision,
    ) -> Result<Page, Error> {
        let prefix = prefix.to_owned();
        self.read(move |snapshot| page(snapshot, &prefix, after))
            .await
    }

    async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::Unavailable("it was closed".into()))?;
        let readers = Arc::clone(self);
        let result = tokio::task::spawn_blocking(move || {
            let result = readers.read_now(read);
            drop(permit);
            result
        });
        match result.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Sqlite(error))) => Err(Error::Unavailable(format!(
                "{} {}",
                self.path.display(),
                schema::explain(&error)
            ))),
            Err(_) => Err(Error::Unavailable("a read was broken off".into())),
        }
    }

    fn read_now<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let value = read(&connection.transaction()?)?;
        // After an error the connection isn't trusted with another read.
        if !self.permits.is_closed() {
            self.idle().push(connection);
        }
        Ok(value)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = schema::connect(&self.path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first key, in bytes, after all that start with the prefix. No byte of
/// UTF-8 is above 0xF4, so the last one can always grow.
pub(super) fn after_all(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(0xFF),
    }
    end
}

pub(super) fn list(snapshot: &Transaction<'_>, prefix: &str) -> rusqlite::Result<Listing> {
    let (revision, _) = position(snapshot)?;
    let mut select = snapshot.prepare_cached(
        "SELECT key, value, created, modified FROM entries
         WHERE key >= ?1 AND key < ?2 ORDER BY key",
    )?;
    let rows = select.query_map(params![prefix.as_bytes(), after_all(prefix)], |row| {
        Ok(Entry {
            key: key(row, 0)?,
            value: row.get(1)?,
            created: row.get(2)?,
            modified: row.get(3)?,
        })
    })?;
    let entries = rows.collect::<Result<_, _>>()?;
    Ok(Listing { entries, revision })
}

/// The store's revision and the one up to which its history is gone.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<(Revision, Revision)> {
    connection
        .prepare_cached("SELECT revision, compacted FROM store")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn page(snapshot: &Transaction<'_>, prefix: &str, after: Revision) -> Result<Page, Failure> {
    let (head, oldest) = position(snapshot)?;
    if after < oldest {
        return Err(Failure::Store(Error::Compacted { oldest }));
    }
    let mut select = snapshot.prepare_cached(
        "SELECT revision, key, value, created FROM changes
         WHERE revision > ?1 AND key >= ?2 AND key < ?3 ORDER BY revision, key",
    )?;
    Ok(fill(&mut select, prefix, after, head.max(after))?)
}

/// Whole revisions until the page is full, or all up to `head`.
fn fill(
    select: &mut CachedStatement<'_>,
    prefix: &str,
    after: Revision,
    head: Revision,
) -> rusqlite::Result<Page> {
    let mut rows = select.query(params![after, prefix.as_bytes(), after_all(prefix)])?;
    let mut batches: Vec<Batch> = Vec::new();
    let mut bytes = 0;
    let mut through = head;
    while let Some(row) = rows.next()? {
        let revision = row.get(0)?;
        if batches.last().is_none_or(|last| last.revision != revision) {
            if let Some(last) = batches.last()
                && (bytes > PAGE_BYTES || batches.len() >= PAGE_REVISIONS)
            {
                through = last.revision;
                break;
            }
            let changes = Vec::new();
            batches.push(Batch { revision, changes });
        }
        let change = change(row, revision)?;
        if let Change::Put(entry) = &change {
            bytes += entry.value.len();
        }
        if let Some(batch) = batches.last_mut() {
            batch.changes.push(change);
        }
    }
    let batches = batches.into_iter().map(Arc::new).collect();
    Ok(Page { batches, through })
}

fn change(row: &Row<'_>, modified: Revision) -> rusqlite::Result<Change> {
    let key = key(row, 1)?;
    Ok(match row.get(2)? {
        None => Change::Delete { key },
        Some(value) => Change::Put(Entry {
            key,
            value,
            created: row.get(3)?,
            modified,
        }),
    })
}

/// A key's bytes as the text that they were.
pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    String::from_utf8(row.get(column)?).map_err(|error| {
        let kind = rusqlite::types::Type::Blob;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}
