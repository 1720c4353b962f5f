//! A server's way to the store: each message takes its time, can get lost,
//! and is on its way even when its sender is gone.

use super::judge::Judge;
use super::process::Process;
use crate::support::World;
use futures::StreamExt as _;
use futures::stream::unfold;
use sdwan_store::{
    Batch, Change, Commit, Condition, Error, LeaseId, Listing, Op, Outcome, Revision, Store, Watch,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

/// A bug, planted to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// What is owed to a peer is not written down.
    OwedIsLost,
    /// Nobody checks that a claim stands.
    ClaimIsUnchecked,
    /// A watch leaves out one revision.
    WatchHasGap,
}

/// The one store, for all seats.
pub struct Shared {
    world: Arc<World>,
    judge: Arc<Judge>,
    plant: Option<Plant>,
    log: Mutex<Log>,
    moved: Notify,
}

/// Every revision: watches read here, so that they wake in one order.
#[derive(Default)]
struct Log {
    batches: VecDeque<Arc<Batch>>,
    /// What happened up to here is forgotten.
    floor: Revision,
    /// Revisions until the one that a watch leaves out.
    until_gap: u64,
}

impl Log {
    fn after(&self, cursor: Revision) -> Result<Option<Arc<Batch>>, Error> {
        if cursor < self.floor {
            let oldest = self.floor;
            return Err(Error::Compacted { oldest });
        }
        let next = self
            .batches
            .partition_point(|batch| batch.revision <= cursor);
        Ok(self.batches.get(next).cloned())
    }
}

impl Shared {
    pub fn new(world: Arc<World>, judge: Arc<Judge>, plant: Option<Plant>, gap: u64) -> Arc<Self> {
        let log = Log {
            until_gap: gap,
            ..Log::default()
        };
        Arc::new(Self {
            world,
            judge,
            plant,
            log: Mutex::new(log),
            moved: Notify::new(),
        })
    }

    /// Keeps the log, for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut watch = self.world.store.watch("/", Revision(0)).await.unwrap();
        while let Some(batch) = watch.next().await {
            let batch = batch.unwrap();
            self.judge.trace.note(|| {
                let changes: Vec<String> = batch.changes.iter().map(told).collect();
                format!("revision {}: {}", batch.revision, changes.join(" "))
            });
            self.log.lock().unwrap().batches.push_back(Arc::new(batch));
            self.moved.notify_waiters();
        }
    }

    /// Forgets all history.
    pub fn compact(&self) {
        let mut log = self.log.lock().unwrap();
        if let Some(last) = log.batches.back() {
            log.floor = last.revision;
            log.batches.clear();
        }
    }

    async fn commit(&self, by: &str, mut commit: Commit) -> Result<Outcome, Error> {
        self.spoil(&mut commit);
        let then = commit.then.clone();
        let outcome = self.world.store.commit(commit).await;
        if let Ok(Outcome::Committed(revision)) = outcome {
            self.judge.committed(by, revision, &then).await;
        } else {
            self.judge
                .trace
                .note(|| format!("{by}'s commit: {outcome:?}"));
        }
        outcome
    }

    fn spoil(&self, commit: &mut Commit) {
        match self.plant {
            Some(Plant::OwedIsLost) => commit.then.iter_mut().for_each(strip_owed),
            Some(Plant::ClaimIsUnchecked) => {
                let of_claims =
                    |condition: &Condition| condition.subject().starts_with("/cluster/claims/");
                commit.when.retain(|condition| !of_claims(condition));
            }
            Some(Plant::WatchHasGap) | None => {}
        }
    }

    fn leaves_out(&self) -> bool {
        if self.plant != Some(Plant::WatchHasGap) {
            return false;
        }
        let mut log = self.log.lock().unwrap();
        let now = log.until_gap == 1;
        log.until_gap = log.until_gap.saturating_sub(1);
        now
    }
}

fn strip_owed(op: &mut Op) {
    if let Op::Put { key, value, .. } = op
        && key.starts_with("/owned/")
    {
        let mut record: serde_json::Value = serde_json::from_slice(value).unwrap();
        record["owed"] = serde_json::json!([]);
        *value = serde_json::to_vec(&record).unwrap();
    }
}

/// See the module.
#[derive(Clone)]
pub struct Seat {
    pub shared: Arc<Shared>,
    pub process: Arc<Process>,
}

impl Seat {
    /// One call that changes nothing, or that may as well get lost.
    async fn ask<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.process.runs().await;
        self.reach().await?;
        self.process.travel().await;
        self.reach().await?;
        let answer = answer.await;
        self.process.travel().await;
        self.process.runs().await;
        self.reach().await?;
        answer
    }

    /// The store does not answer while it is cut off; sometimes that shows
    /// only after a while.
    async fn reach(&self) -> Result<(), Error> {
        if !self.process.store_is_cut() {
            return Ok(());
        }
        if self.process.chance.up_to(3) == 0 {
            let patience = self.process.chance.up_to(3000);
            tokio::time::sleep(Duration::from_millis(patience)).await;
        }
        Err(Error::Unavailable("it is cut off".into()))
    }

    /// The commit once it is sent, whoever waits for it.
    async fn deliver(self, commit: Commit) -> Result<Outcome, Error> {
        let lost = self.process.loses_commit();
        self.process.travel().await;
        if self.process.store_is_cut() || lost == Some(false) {
            return Ok(Outcome::Unknown);
        }
        let outcome = self.shared.commit(self.process.name(), commit).await;
        self.process.travel().await;
        if self.process.store_is_cut() || lost == Some(true) {
            return Ok(Outcome::Unknown);
        }
        outcome
    }

    /// The next item of a watch that stands at this revision, and where it
    /// stands then; nowhere after an error.
    async fn next(self, cursor: Option<Revision>, breaks: u64) -> Option<Step> {
        let mut cursor = cursor?;
        loop {
            let changed = self.process.changed();
            let moved = self.shared.moved.notified();
            if self.process.breaks() != breaks {
                self.process.runs().await;
                return Some((Err(Error::Unavailable("it broke".into())), None));
            }
            let found = self.shared.log.lock().unwrap().after(cursor);
            match found {
                Err(error) => return Some((Err(error), None)),
                Ok(Some(batch)) if self.shared.leaves_out() => cursor = batch.revision,
                Ok(Some(batch)) => {
                    self.process.travel().await;
                    self.process.runs().await;
                    if self.process.breaks() == breaks {
                        return Some((Ok(Batch::clone(&batch)), Some(batch.revision)));
                    }
                }
                Ok(None) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = moved => {}
                },
            }
        }
    }
}

type Step = (Result<Batch, Error>, Option<Revision>);

#[async_trait::async_trait]
impl Store for Seat {
    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        self.ask(self.shared.world.store.list(prefix)).await
    }

    async fn watch(&self, _prefix: &str, after: Revision) -> Result<Watch, Error> {
        let breaks = self.process.breaks();
        self.ask(async { self.shared.log.lock().unwrap().after(after).map(drop) })
            .await?;
        let seat = self.clone();
        let watch = unfold(Some(after), move |cursor| seat.clone().next(cursor, breaks));
        Ok(watch.boxed())
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        self.process.runs().await;
        self.reach().await?;
        let (answer, answered) = oneshot::channel();
        let seat = self.clone();
        tokio::spawn(async move {
            // Nobody may be there to hear it.
            let _ = answer.send(seat.deliver(commit).await);
        });
        let outcome = answered.await.unwrap();
        self.process.runs().await;
        outcome
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error> {
        self.ask(self.shared.world.store.committed(id)).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        self.ask(self.shared.world.store.grant(ttl)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error> {
        self.ask(self.shared.world.store.keep_alive(lease)).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.ask(self.shared.world.store.revoke(lease)).await
    }

    async fn compact(&self, _revision: Revision) -> Result<(), Error> {
        Ok(())
    }
}

/// Who has a router says more than that somebody has.
fn told(change: &Change) -> String {
    match change {
        Change::Put(entry) if entry.key.starts_with("/cluster/claims/") => {
            format!("{}={}", entry.key, String::from_utf8_lossy(&entry.value))
        }
        Change::Put(entry) => entry.key.clone(),
        Change::Delete { key } => format!("-{key}"),
    }
}
