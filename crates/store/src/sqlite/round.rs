//! One group of requests on its way through one transaction: each in its own
//! savepoint, all behind one sync, none answered before it.

use super::retention::{Now, Retention};
use super::schema::explain;
use super::tables::{Applied, Stamp, Tables};
use super::writer::{Position, Reply, Request};
use crate::history::check_compaction;
use crate::{Batch, Commit, Error, Outcome, Revision};
use rusqlite::{ErrorCode, Transaction};
use std::path::Path;

/// Why a whole group could not be written.
pub(super) enum Failure {
    /// Certainly nothing of it is on the disk.
    Nothing(String),
    /// It may be on the disk: the sync itself failed.
    Unknown(String),
}

/// Answers one request, once it is known whether its group is durable.
pub(super) type Settle = Box<dyn FnOnce(&Result<(), Failure>) + Send>;

/// A group on its way.
pub(super) struct Round<'a> {
    path: &'a Path,
    pub(super) position: Position,
    at: i64,
    pub(super) batches: Vec<Batch>,
    pub(super) conflicts: u64,
    pub(super) commits: u64,
    /// Whether anything needs to reach the disk.
    pub(super) wrote: bool,
    pub(super) settle: Vec<Settle>,
    /// Why nothing of it can be kept.
    broken: Option<String>,
}

impl<'a> Round<'a> {
    pub(super) fn new(path: &'a Path, position: Position, at: i64) -> Self {
        Self {
            path,
            position,
            at,
            batches: Vec::new(),
            conflicts: 0,
            commits: 0,
            wrote: false,
            settle: Vec::new(),
            broken: None,
        }
    }

    pub(super) fn write(
        &mut self,
        mut transaction: Transaction<'_>,
        group: Vec<Request>,
        retention: Retention,
    ) -> Result<(), Failure> {
        for request in group {
            self.take(&mut transaction, request);
        }
        self.seal(transaction, retention)
    }

    fn take(&mut self, transaction: &mut Transaction<'_>, request: Request) {
        match request {
            Request::Commit(commit, reply) => {
                let result = self.commit(transaction, commit);
                self.promise_commit(reply, result);
            }
            Request::Committed(id, reply) => {
                let result = self.attempt(transaction, |tables| tables.committed(id));
                self.promise(reply, result);
            }
            Request::Grant(ttl, reply) => {
                let result = self.attempt(transaction, |tables| tables.grant(ttl));
                self.wrote |= result.is_ok();
                self.promise(reply, result);
            }
            Request::End(lease, reply) => {
                let stamp = self.stamp();
                let result = self.attempt(transaction, |tables| tables.end(lease, stamp));
                self.wrote |= result.is_ok();
                let result = result.map(|batch| self.advance(batch));
                self.promise(reply, result);
            }
            Request::Compact(revision, reply) => {
                let result = self.compact(transaction, revision);
                self.promise(reply, result);
            }
        }
    }

    fn commit(
        &mut self,
        transaction: &mut Transaction<'_>,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        let stamp = self.stamp();
        match self.attempt(transaction, |tables| tables.commit(commit, stamp))? {
            Applied::Written(batch) => {
                self.commits += 1;
                self.wrote = true;
                self.advance(Some(batch));
                Ok(Outcome::Committed(stamp.revision))
            }
            Applied::Already(revision) => Ok(Outcome::Committed(revision)),
            Applied::Conflict => {
                self.conflicts += 1;
                Ok(Outcome::Conflict)
            }
            Applied::LeaseExpired => Err(Error::LeaseExpired),
        }
    }

    fn compact(
        &mut self,
        transaction: &mut Transaction<'_>,
        revision: Revision,
    ) -> Result<(), Error> {
        check_compaction(revision, self.position.revision)?;
        if revision > self.position.compacted {
            self.attempt(transaction, |tables| tables.forget(revision))?;
            self.position.compacted = revision;
            self.wrote = true;
        }
        Ok(())
    }

    /// Runs one request in a savepoint of its own: if it fails, the others of
    /// the group don't.
    fn attempt<T>(
        &mut self,
        transaction: &mut Transaction<'_>,
        act: impl FnOnce(Tables<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        // After some errors SQLite has rolled everything back by itself, and
        // a savepoint would begin a transaction of its own.
        if transaction.is_autocommit() {
            let why = format!("{} broke the transaction off", self.path.display());
            self.broken.get_or_insert(why);
        }
        if let Some(why) = &self.broken {
            return Err(Error::Unavailable(why.clone()));
        }
        in_savepoint(transaction, act).map_err(|(error, undone)| {
            let why = describe(self.path, &error);
            if !undone {
                self.broken = Some(why.clone());
            }
            Error::Unavailable(why)
        })
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            revision: self.position.revision.next(),
            at: self.at,
        }
    }

    /// The next revision is made, if there was anything to change.
    fn advance(&mut self, batch: Option<Batch>) {
        if let Some(batch) = batch {
            self.position.revision = batch.revision;
            self.batches.push(batch);
        }
    }

    /// Makes the group durable.
    fn seal(&mut self, transaction: Transaction<'_>, retention: Retention) -> Result<(), Failure> {
        let path = self.path;
        if let Some(why) = self.broken.take() {
            return Err(Failure::Nothing(why));
        }
        if !self.wrote {
            return transaction
                .rollback()
                .map_err(|error| nothing(path, &error));
        }
        self.round_off(Tables(&transaction), retention)
            .map_err(|error| nothing(path, &error))?;
        transaction
            .commit()
            .map_err(|error| commit_failed(path, &error))
    }

    fn round_off(&mut self, tables: Tables<'_>, retention: Retention) -> rusqlite::Result<()> {
        let now = Now {
            head: self.position.revision,
            compacted: self.position.compacted,
            made: self.batches.len(),
            at: self.at,
        };
        self.position.compacted = retention.sweep(tables, now)?;
        tables.set_position(self.position.revision, self.position.compacted)
    }

    fn promise<T: Send + 'static>(&mut self, reply: Reply<T>, result: Result<T, Error>) {
        self.settle.push(Box::new(move |durable| {
            let answer = match durable {
                Ok(()) => result,
                Err(Failure::Nothing(why) | Failure::Unknown(why)) => {
                    Err(Error::Unavailable(why.clone()))
                }
            };
            let _gone = reply.send(answer);
        }));
    }

    /// As `promise`; but a commit that may be on the disk is no error.
    fn promise_commit(&mut self, reply: Reply<Outcome>, result: Result<Outcome, Error>) {
        self.settle.push(Box::new(move |durable| {
            let answer = match (durable, &result) {
                (Ok(()), _) => result,
                (Err(Failure::Unknown(_)), Ok(Outcome::Committed(_))) => Ok(Outcome::Unknown),
                (Err(Failure::Nothing(why) | Failure::Unknown(why)), _) => {
                    Err(Error::Unavailable(why.clone()))
                }
            };
            let _gone = reply.send(answer);
        }));
    }
}

fn nothing(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::Nothing(describe(path, error))
}

pub(super) fn describe(path: &Path, error: &rusqlite::Error) -> String {
    format!("{} {}", path.display(), explain(error))
}

/// Acts, or undoes what it did; the error comes with whether that worked.
fn in_savepoint<T>(
    transaction: &mut Transaction<'_>,
    act: impl FnOnce(Tables<'_>) -> rusqlite::Result<T>,
) -> Result<T, (rusqlite::Error, bool)> {
    let mut savepoint = transaction.savepoint().map_err(|error| (error, true))?;
    match act(Tables(&savepoint)) {
        Ok(value) => match savepoint.commit() {
            Ok(()) => Ok(value),
            Err(error) => Err((error, false)),
        },
        Err(error) => {
            let undone = savepoint.rollback().is_ok();
            Err((error, undone))
        }
    }
}

/// A full disk or a foreign lock is found before the commit's last page is in
/// the log. Any other failure may have come after it, and then only a new
/// start tells whether the commit is there: what the kernel does with pages
/// after a failed sync is anybody's guess.
fn commit_failed(path: &Path, error: &rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => nothing(path, error),
        _ => Failure::Unknown(format!(
            "{} failed to sync ({error}): check the disk, then restart",
            path.display()
        )),
    }
}
