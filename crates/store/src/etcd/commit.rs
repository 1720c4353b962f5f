//! A commit's way: sent once, and where the answer is lost, made sure of
//! before it is sent again.

use super::Etcd;
use super::cluster::{Again, rpc};
use super::failure::{Failure, Refusal};
use super::txn::{self, Record};
use super::wire::{self, Compare, TxnResponse};
use super::witness::{self, Verdict};
use crate::{Commit, Error, Op, Outcome};
use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};
use tokio::time::Instant;
use uuid::Uuid;

/// What one try came to.
enum Try {
    Done(Result<Outcome, Error>),
    /// Its record is another than it was taken for.
    Record(Record),
    /// Something moved while it was looked at.
    Moved,
    /// Nobody knows.
    Lost(String),
    /// This lease of the record's, or one that the commit names, is gone.
    NoLease(i64),
}

impl Etcd {
    pub(super) async fn make(&self, commit: &Commit) -> Result<Outcome, Error> {
        let deadline = self.cluster.deadline();
        let mut record = Record::None;
        let mut leases_were_gone = false;
        // An earlier call with this id may be under way to this day.
        let mut lost = !self.begin(commit.id);
        loop {
            if lost {
                record = match self.resolve(commit.id, deadline).await {
                    Ok(Record::Made(revision)) => {
                        self.end(commit.id);
                        return Ok(Outcome::Committed(revision));
                    }
                    Ok(void) => void,
                    Err(failure) => {
                        let why = failure.into_error();
                        tracing::warn!(commit = %commit.id, %why, "the commit's outcome is unknown");
                        return Ok(Outcome::Unknown);
                    }
                };
                lost = false;
            }
            match self.once(commit, record, deadline).await {
                Try::Done(outcome) => {
                    self.end(commit.id);
                    return outcome;
                }
                Try::Record(other) => record = other,
                Try::Moved if Instant::now() < deadline => {}
                Try::Moved => {
                    self.end(commit.id);
                    let why = "what the commit's many conditions speak of kept changing";
                    return Err(Error::Unavailable(why.into()));
                }
                Try::Lost(why) => {
                    tracing::debug!(commit = %commit.id, why, "a commit's answer is lost");
                    lost = true;
                }
                // With a fresh one for the record it is one that the commit names.
                Try::NoLease(_) if leases_were_gone && names_a_lease(commit) => {
                    self.end(commit.id);
                    return Err(Error::LeaseExpired);
                }
                Try::NoLease(of_record) => {
                    self.ids.forget(of_record).await;
                    leases_were_gone = true;
                }
            }
        }
    }

    async fn once(&self, commit: &Commit, record: Record, deadline: Instant) -> Try {
        let looks = commit.when.len() >= txn::COMPARES;
        let (record, conditions) = if looks {
            match self.look(commit, deadline).await {
                Ok(Verdict::Holds { record, conditions }) => (record, conditions),
                Ok(Verdict::Made(revision)) => {
                    return Try::Done(Ok(Outcome::Committed(revision)));
                }
                Ok(Verdict::Conflict) => return Try::Done(Ok(Outcome::Conflict)),
                Err(error) => return Try::Done(Err(error)),
            }
        } else {
            let conditions = commit.when.iter();
            let conditions = conditions.map(|when| txn::condition(&self.layout, when));
            (record, conditions.collect())
        };
        let ids = match self.ids.lease(&self.cluster, deadline).await {
            Ok(ids) => ids,
            Err(failure) => return Try::Done(Err(failure.into_error())),
        };
        let answer = self.send(commit, record, conditions, ids, deadline).await;
        match answer {
            Ok(answer) if answer.succeeded => {
                let revision = wire::head(answer.header.as_ref());
                Try::Done(Ok(Outcome::Committed(revision)))
            }
            Ok(answer) => match txn::refused_by(&answer) {
                Record::Made(revision) => Try::Done(Ok(Outcome::Committed(revision))),
                Record::Void(at) if record != Record::Void(at) => Try::Record(Record::Void(at)),
                _ if looks => Try::Moved,
                _ => Try::Done(Ok(Outcome::Conflict)),
            },
            Err(Failure::Lost(why)) => Try::Lost(why),
            Err(Failure::Refused(Refusal::NoLease)) => Try::NoLease(ids),
            Err(failure) => Try::Done(Err(failure.into_error())),
        }
    }

    async fn send(
        &self,
        commit: &Commit,
        record: Record,
        conditions: Vec<Compare>,
        ids: i64,
        deadline: Instant,
    ) -> Result<TxnResponse, Failure> {
        let request = txn::commit(&self.layout, commit, record, conditions, ids);
        let cluster = &self.cluster;
        cluster
            .call(rpc::TXN, &request, Again::Unsent, deadline)
            .await
    }

    async fn look(&self, commit: &Commit, deadline: Instant) -> Result<Verdict, Error> {
        let question = witness::question(&self.layout, commit);
        let answer = self
            .cluster
            .call(rpc::TXN, &question, Again::Harmless, deadline)
            .await
            .map_err(Failure::into_error)?;
        witness::judge(&self.layout, commit, &answer)
    }

    /// What became of a commit: made, or void from now on.
    pub(super) async fn resolve(&self, id: Uuid, deadline: Instant) -> Result<Record, Failure> {
        loop {
            let ids = self.ids.lease(&self.cluster, deadline).await?;
            let request = txn::void(&self.layout, id, ids);
            let call = self
                .cluster
                .call(rpc::TXN, &request, Again::Harmless, deadline);
            let answer: TxnResponse = match call.await {
                Err(Failure::Refused(Refusal::NoLease)) => {
                    self.ids.forget(ids).await;
                    continue;
                }
                answer => answer?,
            };
            return Ok(if answer.succeeded {
                Record::Void(wire::head(answer.header.as_ref()))
            } else {
                txn::refused_by(&answer)
            });
        }
    }

    /// Whether no commit with this id was under way so far; now one is.
    fn begin(&self, id: Uuid) -> bool {
        self.under_way().insert(id)
    }

    /// What became of it is known.
    pub(super) fn end(&self, id: Uuid) {
        self.under_way().remove(&id);
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn names_a_lease(commit: &Commit) -> bool {
    let names = |op: &Op| matches!(op, Op::Put { lease: Some(_), .. });
    commit.then.iter().any(names)
}
