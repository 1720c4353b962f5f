//! The memory store keeps the trait's promises, and the clock that tokio has.
#![allow(clippy::unwrap_used)]

use futures::StreamExt as _;
use sdwan_store::conformance::Subject;
use sdwan_store::memory::Memory;
use sdwan_store::{Change, Commit, Error, Op, Outcome, Revision, Store};
use std::time::Duration;
use tokio::time::{Instant, advance};
use uuid::Uuid;

sdwan_store::conformance!(async { Subject::new(Memory::new()) });

async fn put(store: &Memory, op: Op) -> Revision {
    let commit = Commit {
        id: Uuid::new_v4(),
        when: vec![],
        then: vec![op],
    };
    match store.commit(commit).await.unwrap() {
        Outcome::Committed(revision) => revision,
        other => panic!("{other:?}"),
    }
}

fn held(key: &str, lease: sdwan_store::LeaseId) -> Op {
    Op::Put {
        key: key.into(),
        value: vec![],
        lease: Some(lease),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_when_its_time_is_over_and_not_before() {
    const TTL: Duration = Duration::from_secs(10);
    let store = Memory::new();
    let lease = store.grant(TTL).await.unwrap();
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    put(&store, held("/k", lease)).await;
    watch.next().await.unwrap().unwrap();

    advance(TTL - Duration::from_millis(1)).await;
    store.keep_alive(lease).await.unwrap();
    let anew = Instant::now();
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!(batch.changes, [Change::Delete { key: "/k".into() }]);
    let lived = anew.elapsed();
    assert!(
        lived >= TTL && lived < TTL + Duration::from_millis(5),
        "{lived:?}"
    );
}

#[tokio::test]
async fn old_history_is_dropped_by_count() {
    let store = Memory::retaining(3);
    for n in 0..5 {
        put(&store, Op::put(format!("/{n}"), "")).await;
    }
    let gone = store.watch("/", Revision(1)).await.err().unwrap();
    assert!(
        matches!(
            gone,
            Error::Compacted {
                oldest: Revision(2)
            }
        ),
        "{gone:?}"
    );
    let watch = store.watch("/", Revision(2)).await.unwrap();
    let seen: Vec<_> = watch
        .take(3)
        .map(|batch| batch.unwrap().revision.0)
        .collect()
        .await;
    assert_eq!(seen, [3, 4, 5]);
}

#[tokio::test]
async fn a_watch_that_reads_too_late_ends_once() {
    let store = Memory::retaining(3);
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    for n in 0..5 {
        put(&store, Op::put(format!("/{n}"), "")).await;
    }
    let late = watch.next().await.unwrap();
    assert!(
        matches!(
            late,
            Err(Error::Compacted {
                oldest: Revision(2)
            })
        ),
        "{late:?}"
    );
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn watches_end_with_the_store() {
    let store = Memory::new();
    let watch = store.watch("/", Revision(0)).await.unwrap();
    put(&store, Op::put("/k", "")).await;
    drop(store);
    let ends: Vec<_> = watch.collect().await;
    assert!(
        matches!(ends[..], [Ok(_), Err(Error::Unavailable(_))]),
        "{ends:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn ids_are_kept_for_an_hour() {
    let store = Memory::new();
    let commit = Commit {
        id: Uuid::new_v4(),
        when: vec![],
        then: vec![],
    };
    let made = store.commit(commit.clone()).await.unwrap();
    advance(Duration::from_secs(3600)).await;
    put(&store, Op::put("/k", "")).await;
    let told = store.committed(commit.id).await.unwrap();
    assert_eq!(told.map(Outcome::Committed), Some(made));
}
