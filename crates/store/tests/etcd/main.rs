//! The etcd store on real etcds keeps the trait's promises, also where etcd
//! stands still, dies or refuses.
#![allow(clippy::unwrap_used)]

mod daemon;
mod faults;
mod limits;
mod many_conditions;
mod others;
mod strangers;
mod tls;
mod wire;

use daemon::Daemon;
use futures::StreamExt as _;
use sdwan_store::conformance::Subject;
use sdwan_store::{Batch, Commit, Condition, Op, Outcome, Revision, Store, Watch};
use std::time::Duration;
use uuid::Uuid;

async fn fresh(release: &str) -> Subject {
    let daemon = Daemon::start(release).await;
    Subject::keeping(daemon.store().await, daemon)
}

mod v3_4 {
    sdwan_store::conformance!(super::fresh(super::daemon::OLDEST));
}

mod v3_5 {
    sdwan_store::conformance!(super::fresh(super::daemon::NEWER));
}

fn commit(when: impl Into<Vec<Condition>>, then: impl Into<Vec<Op>>) -> Commit {
    Commit {
        id: Uuid::new_v4(),
        when: when.into(),
        then: then.into(),
    }
}

async fn put(store: &dyn Store, key: impl Into<String>) -> Revision {
    made(store.commit(commit([], [Op::put(key, "")])).await.unwrap())
}

#[track_caller]
fn made(outcome: Outcome) -> Revision {
    match outcome {
        Outcome::Committed(revision) => revision,
        other => panic!("not committed: {other:?}"),
    }
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let entries = store.list(prefix).await.unwrap().entries;
    entries.into_iter().map(|entry| entry.key).collect()
}

/// Long enough for the busiest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn next(watch: &mut Watch) -> Option<Result<Batch, sdwan_store::Error>> {
    let next = tokio::time::timeout(PATIENCE, watch.next()).await;
    next.expect("waited in vain for the watch")
}
