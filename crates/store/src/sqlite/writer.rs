//! The one thread that writes: takes the requests that wait, makes all of
//! them durable together, tells the watches and then answers.

use super::queue::Queue;
use super::retention::Retention;
use super::round::{Failure, Round, describe};
use super::{Clock, Shared};
use crate::{Batch, Commit, Error, LeaseId, Outcome, Revision};
use rusqlite::{Connection, Transaction, TransactionBehavior};
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

    /// Answers that it was not even tried.
    fn refuse(self, why: &str) {
        let why = Error::Unavailable(why.to_owned());
        // Whoever asked may have gone.
        let _gone = match self {
            Self::Commit(_, reply) => reply.send(Err(why)).is_err(),
            Self::Committed(_, reply) => reply.send(Err(why)).is_err(),
            Self::Grant(_, reply) => reply.send(Err(why)).is_err(),
            Self::End(_, reply) | Self::Compact(_, reply) => reply.send(Err(why)).is_err(),
        };
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

impl Writer {
    /// Writes until the store is closed.
    pub(super) fn run(mut self, mut queue: Queue) {
        let shared = Arc::clone(&self.shared);
        while let Some(group) = queue.next() {
            let size = group.len();
            let started = Instant::now();
            let transaction = match begin(&mut self.connection, &shared) {
                Ok(transaction) => transaction,
                Err(why) => {
                    group.into_iter().for_each(|request| request.refuse(&why));
                    continue;
                }
            };
            let mut round = Round::new(&shared.path, self.position, seconds(&self.clock));
            let result = round.write(transaction, group, self.retention);
            queue.written(size, started.elapsed());
            self.finish(round, &result);
        }
    }

    /// Tells the watches, then those who asked.
    fn finish(&mut self, round: Round<'_>, result: &Result<(), Failure>) {
        match result {
            Ok(()) => {
                let counters = &self.shared.counters;
                counters.conflicts.fetch_add(round.conflicts, Relaxed);
                counters.commits.fetch_add(round.commits, Relaxed);
                counters.fsyncs.fetch_add(u64::from(round.wrote), Relaxed);
                self.publish(round.position, round.batches);
            }
            Err(Failure::Nothing(_)) => {}
            Err(Failure::Unknown(why)) => {
                tracing::error!("no more commits are taken: {why}");
                // Only this thread sets it, and only once: see `begin`.
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

/// A transaction, unless none is to be had.
fn begin<'c>(connection: &'c mut Connection, shared: &Shared) -> Result<Transaction<'c>, String> {
    if let Some(failed) = shared.failed.get() {
        return Err(failed.clone());
    }
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| describe(&shared.path, &error))
}

fn seconds(clock: &Clock) -> i64 {
    let since = clock()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
