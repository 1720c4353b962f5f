//! Commits with more conditions than etcd compares in one transaction.

use crate::daemon::{Daemon, NEWER, OLDEST};
use crate::{commit, made, next};
use sdwan_store::{Change, Condition, Error, LeaseId, Op, Outcome, Revision, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const KEYS: usize = 150;
const ROUNDS: usize = 25;

fn key(n: usize) -> String {
    format!("/k/{n:03}")
}

fn all_exist() -> Vec<Condition> {
    (0..KEYS).map(|n| Condition::Exists(key(n))).collect()
}

async fn fill(store: &dyn Store, lease: Option<LeaseId>) {
    let puts = (0..KEYS).map(|n| Op::Put {
        key: key(n),
        value: vec![],
        // One of them is held by the lease.
        lease: lease.filter(|_| n == 7),
    });
    let puts: Vec<_> = puts.collect();
    made(store.commit(commit([], puts)).await.unwrap());
}

/// One deletes and puts again, the other commits if all are there: whenever
/// it was made, they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_all_hold_at_the_commits_revision() {
    for release in [OLDEST, NEWER] {
        let daemon = Daemon::start(release).await;
        let store = Arc::new(daemon.store().await);
        fill(&*store, None).await;
        let mut watch = store.watch("/", Revision(0)).await.unwrap();
        let moving = Arc::clone(&store);
        let mover = tokio::spawn(async move {
            for n in 0..4 * ROUNDS {
                for op in [Op::delete(key(n % KEYS)), Op::put(key(n % KEYS), "")] {
                    made(moving.commit(commit([], [op])).await.unwrap());
                }
            }
        });
        let mut marks = Vec::new();
        for n in 0..ROUNDS {
            let mark = Op::put("/mark", n.to_string());
            match store.commit(commit(all_exist(), [mark])).await {
                Ok(Outcome::Committed(revision)) => marks.push(revision),
                // Or it has looked in vain for as long as it may.
                Ok(Outcome::Conflict) | Err(Error::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        mover.await.unwrap();
        marks.push(made(
            store
                .commit(commit(all_exist(), [Op::put("/mark", "last")]))
                .await
                .unwrap(),
        ));
        let mut there = BTreeSet::new();
        let mut seen = Vec::new();
        while seen.last() != marks.last() {
            let batch = next(&mut watch).await.unwrap().unwrap();
            for change in batch.changes {
                match change {
                    Change::Put(entry) if entry.key == "/mark" => {
                        assert_eq!(there.len(), KEYS, "at {}", batch.revision);
                        seen.push(batch.revision);
                    }
                    Change::Put(entry) => drop(there.insert(entry.key)),
                    Change::Delete { key } => drop(there.remove(&key)),
                }
            }
        }
        assert_eq!(seen, marks);
    }
}

/// A key may go with its lease, of which no commit tells.
#[tokio::test]
async fn a_key_that_went_with_its_lease_is_missed() {
    let daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    let lease = store.grant(Duration::from_secs(600)).await.unwrap();
    fill(&store, Some(lease)).await;
    let exist = || commit(all_exist(), []);
    made(store.commit(exist()).await.unwrap());
    store.revoke(lease).await.unwrap();
    assert_eq!(store.commit(exist()).await.unwrap(), Outcome::Conflict);
}

/// Every kind of condition, one that fails among many that hold.
#[tokio::test]
async fn each_kind_is_judged_among_many() {
    let daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    fill(&store, None).await;
    let at = store.list("/k/").await.unwrap().entries[0].modified;
    let text = String::from;
    let table = [
        (Condition::Absent(text("/new")), true),
        (Condition::Absent(key(3)), false),
        (Condition::Exists(text("/new")), false),
        (Condition::AtRevision(key(3), at), true),
        (Condition::AtRevision(key(3), Revision(at.0 - 1)), false),
        (Condition::AtRevision(text("/new"), Revision(0)), false),
        (Condition::NoneUnder(text("/other/")), true),
        (Condition::NoneUnder(text("/k/")), false),
        (Condition::NothingNewer(text("/k/"), at), true),
        (
            Condition::NothingNewer(text("/k/"), Revision(at.0 - 1)),
            false,
        ),
    ];
    for (condition, holds) in table {
        let mut when = all_exist();
        when.insert(when.len() / 2, condition.clone());
        let sent = commit(when, [Op::delete("/nowhere")]);
        let outcome = store.commit(sent.clone()).await.unwrap();
        assert_eq!(
            outcome != Outcome::Conflict,
            holds,
            "{condition:?}: {outcome:?}"
        );
        if holds {
            // The same again is the same.
            assert_eq!(store.commit(sent).await.unwrap(), outcome);
        }
    }
}
