//! The one thread that writes. It takes the requests that wait, gives each
//! its own savepoint and its own outcome, makes all of them durable with one
//! fsync and only then answers.

use super::queue::Queue;
use super::retention::{Now, Retention};
use super::schema::explain;
use super::tables::{Applied, Stamp, Tables};
use super::{Clock, Shared};
use crate::history::check_compaction;
use crate::{Batch, Commit, Error, LeaseId, Outcome, Revision};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer is asked for.
pub(super) enum Request {
    Commit(Commit, Reply<Outcome>),
    Committed(Uuid, Reply<Option<Revision>>),
    Grant(Duration, Reply<LeaseId>),
    End(LeaseId, Reply<()>),
    Compact(Revision, Reply<()>),
}

impl Request {
    /// What it writes, roughly.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Commit(commit, _) => commit.bytes(),
            _ => 0,
        }
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) position: Position,
    pub(super) retention: Retention,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    pub(super) head: watch::Sender<Revision>,
    /// Let go last.
    pub(super) _lock: super::file::Lock,
}

/// Where the store stands.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) revision: Revision,
    pub(super) compacted: Revision,
}

/// Why a whole group could not be written.
enum Failure {
    /// Certainly nothing of it is on the disk.
    Nothing(String),
    /// It may be on the disk: the sync itself failed.
    Unknown(String),
}

/// Answers one request, once it is known whether its group is durable.
type Settle = Box<dyn FnOnce(&Result<(), Failure>) + Send>;

/// A group on its way.
struct Round {
    position: Position,
    at: i64,
    batches: Vec<Batch>,
    conflicts: u64,
    commits: u64,
    /// Whether anything needs to reach the disk.
    wrote: bool,
    settle: Vec<Settle>,
}

impl Writer {
    /// Writes until the store is closed.
    pub(super) fn run(mut self, mut queue: Queue) {
        while let Some(group) = queue.next() {
            let size = group.len();
            let started = Instant::now();
            let (round, result) = self.write(group);
            queue.written(size, started.elapsed());
            self.finish(round, &result);
        }
    }

    fn write(&mut self, group: Vec<Request>) -> (Round, Result<(), Failure>) {
        let mut round = Round::new(self.position, seconds(&self.clock));
        let path = &self.shared.path;
        if let Some(failed) = self.shared.failed.get() {
            let result = Err(Failure::Nothing(failed.clone()));
            return (round.refuse(group), result);
        }
        let begun = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate);
        let mut transaction = match begun {
            Ok(transaction) => transaction,
            Err(error) => return (round.refuse(group), Err(nothing(path, &error))),
        };
        for request in group {
            round.take(&mut transaction, request);
        }
        let result = round.seal(transaction, self.retention, path);
        (round, result)
    }

    /// Tells the watches, then those who asked.
    fn finish(&mut self, round: Round, result: &Result<(), Failure>) {
        match result {
            Ok(()) => {
                let counters = &self.shared.counters;
                counters.conflicts.fetch_add(round.conflicts, Relaxed);
                counters.commits.fetch_add(round.commits, Relaxed);
                counters.fsyncs.fetch_add(u64::from(round.wrote), Relaxed);
                self.publish(round.position, round.batches);
            }
            Err(Failure::Nothing(why)) => tracing::warn!("nothing was written: {why}"),
            Err(Failure::Unknown(why)) => {
                tracing::error!("no more commits are taken: {why}");
                // Only this thread sets it, and only once: see `write`.
                let _first = self.shared.failed.set(why.clone());
            }
        }
        for settle in round.settle {
            settle(result);
        }
    }

    fn publish(&mut self, position: Position, batches: Vec<Batch>) {
        self.position = position;
        let mut recent = self.shared.recent();
        for batch in batches {
            recent.push(batch);
        }
        recent.forget(position.compacted);
        drop(recent);
        self.head.send_if_modified(|head| {
            let before = std::mem::replace(head, position.revision);
            before != *head
        });
    }
}

impl Round {
    fn new(position: Position, at: i64) -> Self {
        Self {
            position,
            at,
            batches: Vec::new(),
            conflicts: 0,
            commits: 0,
            wrote: false,
            settle: Vec::new(),
        }
    }

    /// Nothing is tried: all will hear why.
    fn refuse(mut self, group: Vec<Request>) -> Self {
        let unused = || Error::Unavailable("not tried".into());
        for request in group {
            match request {
                Request::Commit(_, reply) => self.promise_commit(reply, Err(unused())),
                Request::Committed(_, reply) => self.promise(reply, Err(unused())),
                Request::Grant(_, reply) => self.promise(reply, Err(unused())),
                Request::End(_, reply) | Request::Compact(_, reply) => {
                    self.promise(reply, Err(unused()));
                }
            }
        }
        self
    }

    fn take(&mut self, transaction: &mut Transaction<'_>, request: Request) {
        match request {
            Request::Commit(commit, reply) => {
                let result = self.commit(transaction, commit);
                self.promise_commit(reply, result);
            }
            Request::Committed(id, reply) => {
                let result = attempt(transaction, |tables| tables.committed(id));
                self.promise(reply, result);
            }
            Request::Grant(ttl, reply) => {
                let result = attempt(transaction, |tables| tables.grant(ttl));
                self.wrote |= result.is_ok();
                self.promise(reply, result);
            }
            Request::End(lease, reply) => {
                let stamp = self.stamp();
                let result = attempt(transaction, |tables| tables.end(lease, stamp));
                self.wrote |= result.is_ok();
                let result = result.map(|batch| self.batches_extend(batch));
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
        match attempt(transaction, |tables| tables.commit(commit, stamp))? {
            Applied::Written(batch) => {
                self.commits += 1;
                self.wrote = true;
                self.batches_extend(Some(batch));
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
            attempt(transaction, |tables| tables.forget(revision))?;
            self.position.compacted = revision;
            self.wrote = true;
        }
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            revision: self.position.revision.next(),
            at: self.at,
        }
    }

    fn batches_extend(&mut self, batch: Option<Batch>) {
        if let Some(batch) = batch {
            self.position.revision = batch.revision;
            self.batches.push(batch);
        }
    }

    /// Makes the group durable.
    fn seal(
        &mut self,
        transaction: Transaction<'_>,
        retention: Retention,
        path: &Path,
    ) -> Result<(), Failure> {
        // After some errors SQLite has rolled everything back by itself.
        if transaction.is_autocommit() {
            return Err(Failure::Nothing(format!(
                "{} broke the transaction off",
                path.display()
            )));
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
            // Whoever asked may have gone.
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

/// Runs one request in a savepoint of its own: if it fails, the others of the
/// group don't.
fn attempt<T>(
    transaction: &mut Transaction<'_>,
    act: impl FnOnce(Tables<'_>) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    let unavailable = |error: rusqlite::Error| Error::Unavailable(explain(&error));
    if transaction.is_autocommit() {
        return Err(Error::Unavailable("the transaction was broken off".into()));
    }
    // Rolled back when dropped.
    let savepoint = transaction.savepoint().map_err(unavailable)?;
    let value = act(Tables(&savepoint)).map_err(unavailable)?;
    savepoint.commit().map_err(unavailable)?;
    Ok(value)
}

fn nothing(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::Nothing(format!("{} {}", path.display(), explain(error)))
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

fn seconds(clock: &Clock) -> i64 {
    let since = clock()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
