//! The store that fails on demand does so, and only then.

#![allow(clippy::unwrap_used)]

use futures::StreamExt as _;
use sdwan_store::faults::{Fault, Faulty};
use sdwan_store::memory::Memory;
use sdwan_store::{Commit, Error, Op, Outcome, Revision, Store};
use std::sync::Arc;
use uuid::Uuid;

fn faulty() -> Faulty {
    Faulty::new(Arc::new(Memory::new()))
}

fn put(key: &str) -> Commit {
    Commit {
        id: Uuid::new_v4(),
        when: vec![],
        then: vec![Op::put(key, "")],
    }
}

#[tokio::test]
async fn commits_meet_the_faults_in_order() {
    let store = faulty();
    store.next_commits([Some(Fault::Unavailable), None, Some(Fault::LostRequest)]);
    store.next_commits([Some(Fault::LostAnswer)]);
    let refused = store.commit(put("/refused")).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let mut outcomes = Vec::new();
    for key in ["/passes", "/lost", "/made", "/after"] {
        outcomes.push(store.commit(put(key)).await.unwrap());
    }
    let made = |revision| Outcome::Committed(Revision(revision));
    assert_eq!(
        outcomes,
        [made(1), Outcome::Unknown, Outcome::Unknown, made(3)]
    );
    let entries = store.list("/").await.unwrap().entries;
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["/after", "/made", "/passes"]);
}

#[tokio::test]
async fn a_cut_watch_ends_once_and_resumes() {
    let store = faulty();
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    store.commit(put("/1")).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().revision, Revision(1));
    store.cut_watches();
    let end = watch.next().await.unwrap();
    assert!(matches!(end, Err(Error::Unavailable(_))), "{end:?}");
    assert!(watch.next().await.is_none());

    store.commit(put("/2")).await.unwrap();
    let mut again = store.watch("/", Revision(1)).await.unwrap();
    assert_eq!(again.next().await.unwrap().unwrap().revision, Revision(2));
}

#[tokio::test]
async fn while_it_is_down_nothing_answers() {
    let store = faulty();
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    store.set_down(true);
    assert!(matches!(
        watch.next().await,
        Some(Err(Error::Unavailable(_)))
    ));
    let commit = store.commit(put("/k")).await;
    assert!(matches!(commit, Err(Error::Unavailable(_))), "{commit:?}");
    assert!(matches!(store.list("/").await, Err(Error::Unavailable(_))));
    assert!(matches!(
        store.committed(Uuid::nil()).await,
        Err(Error::Unavailable(_))
    ));
    store.set_down(false);
    assert_eq!(store.list("/").await.unwrap().entries, []);
}
