//! What is SQLite's own business: commits that share a sync, history in the
//! file, bounded; leases over a restart.

#![allow(clippy::unwrap_used)]

use futures::StreamExt as _;
use futures::future::join_all;
use sdwan_store::sqlite::{Options, Sqlite};
use sdwan_store::{Change, Commit, Condition, Error, LeaseId, Op, Outcome, Revision, Stats, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use uuid::Uuid;

const HOUR: u64 = 3600;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    (folder, path)
}

async fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Options::default()).await.unwrap()
}

fn commit(when: Vec<Condition>, then: Vec<Op>) -> Commit {
    let id = Uuid::new_v4();
    Commit { id, when, then }
}

async fn put(store: &Sqlite, key: &str) -> Revision {
    let put = commit(vec![], vec![Op::put(key, key)]);
    match store.commit(put).await.unwrap() {
        Outcome::Committed(revision) => revision,
        other => panic!("{other:?}"),
    }
}

/// The revisions that a watch tells, as many as there are.
async fn seen(store: &Sqlite, after: u64, count: usize) -> Vec<u64> {
    let watch = store.watch("/", Revision(after)).await.unwrap();
    watch
        .take(count)
        .map(|batch| batch.unwrap().revision.0)
        .collect()
        .await
}

/// The oldest revision that a watch can start after.
async fn oldest(store: &Sqlite) -> u64 {
    match store.watch("/", Revision(0)).await {
        Ok(_) => 0,
        Err(Error::Compacted { oldest }) => oldest.0,
        Err(other) => panic!("{other:?}"),
    }
}

/// Somebody else has the file until all of them wait.
#[tokio::test]
async fn waiting_commits_share_a_sync_and_keep_their_own_outcomes() {
    const CLIENTS: u64 = 16;
    let (_folder, path) = place();
    let store = open(&path).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Every second one wants what only one can have.
    let commits = (0..CLIENTS).map(|n| {
        let own = Op::put(format!("/own/{n}"), "");
        store.commit(match n % 2 {
            0 => commit(vec![], vec![own]),
            _ => commit(
                vec![Condition::Absent("/one".into())],
                vec![own, Op::put("/one", "")],
            ),
        })
    });
    let mut commits = std::pin::pin!(join_all(commits));
    assert!(futures::poll!(&mut commits).is_pending());
    other.execute_batch("ROLLBACK").unwrap();

    let outcomes: Vec<_> = commits.await.into_iter().map(Result::unwrap).collect();
    let made: Vec<_> = outcomes
        .iter()
        .filter(|outcome| **outcome != Outcome::Conflict)
        .collect();
    // In the order in which they came.
    let expected: Vec<_> = (1..=CLIENTS / 2 + 1)
        .map(|n| Outcome::Committed(Revision(n)))
        .collect();
    assert_eq!(made, expected.iter().collect::<Vec<_>>());
    let Stats {
        commits,
        fsyncs,
        conflicts,
    } = store.stats();
    assert_eq!((commits, conflicts), (CLIENTS / 2 + 1, CLIENTS / 2 - 1));
    // Those that the writer had taken before, and all others.
    assert!((1..=2).contains(&fsyncs), "{fsyncs} syncs");
    assert_eq!(
        store.list("/own/").await.unwrap().entries.len() as u64,
        commits
    );
}

#[tokio::test]
async fn a_refusal_costs_no_sync() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let refused = commit(vec![Condition::Exists("/k".into())], vec![]);
    assert_eq!(store.commit(refused).await.unwrap(), Outcome::Conflict);
    assert_eq!(store.committed(Uuid::new_v4()).await.unwrap(), None);
    let expected = Stats {
        conflicts: 1,
        ..Stats::default()
    };
    assert_eq!(store.stats(), expected);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_commit_to_the_writer() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let left = commit(vec![], vec![Op::put("/left", "")]);
    let id = left.id;
    {
        let mut call = std::pin::pin!(store.commit(left));
        let _pending = futures::poll!(&mut call);
    }
    // Asked behind it, so the answer is final.
    let revision = store.committed(id).await.unwrap();
    assert_eq!(revision, Some(Revision(1)));
}

#[tokio::test]
async fn everything_is_there_again_after_reopening() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let first = commit(vec![], vec![Op::put("/a", "1"), Op::put("/b", "2")]);
    store.commit(first.clone()).await.unwrap();
    store
        .commit(commit(vec![], vec![Op::delete("/a")]))
        .await
        .unwrap();
    let before = store.list("").await.unwrap();
    let history = store.watch("", Revision(0)).await.unwrap();
    let history: Vec<_> = history.take(2).map(Result::unwrap).collect().await;
    store.close().await;

    let store = open(&path).await;
    assert_eq!(store.list("").await.unwrap(), before);
    assert_eq!(store.committed(first.id).await.unwrap(), Some(Revision(1)));
    let again = store.watch("", Revision(0)).await.unwrap();
    let again: Vec<_> = again.take(2).map(Result::unwrap).collect().await;
    assert_eq!(again, history);
    assert_eq!(put(&store, "/c").await, Revision(3));
}

#[tokio::test]
async fn a_watch_goes_from_the_file_to_what_happens_now() {
    let (_folder, path) = place();
    let store = open(&path).await;
    for n in 0..600 {
        put(&store, &format!("/{}", n % 10)).await;
    }
    store.close().await;
    let store = open(&path).await;
    let now = async {
        for n in 0..20 {
            put(&store, &format!("/{n}")).await;
        }
    };
    let (seen, ()) = tokio::join!(seen(&store, 5, 615), now);
    assert_eq!(seen, (6..=620).collect::<Vec<_>>());
}

#[tokio::test]
async fn watches_end_with_the_store() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    put(&store, "/k").await;
    watch.next().await.unwrap().unwrap();
    store.close().await;
    let end = watch.next().await.unwrap();
    assert!(matches!(end, Err(Error::Unavailable(_))), "{end:?}");
    assert!(watch.next().await.is_none());
}

/// Options with a clock that the test sets, in seconds.
fn with_clock(options: Options) -> (Options, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(1_000_000));
    let clock = Arc::clone(&time);
    let now = move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Relaxed));
    let clock = Arc::new(now);
    (Options { clock, ..options }, time)
}

/// Rows of a table, read beside the store.
fn rows(path: &Path, table: &str) -> u64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    connection
        .query_row(&count, [], |row| row.get::<_, i64>(0))
        .unwrap()
        .unsigned_abs()
}

#[tokio::test]
async fn old_history_is_dropped_by_count() {
    let (_folder, path) = place();
    let options = Options {
        retain_revisions: 10,
        ..Options::default()
    };
    let store = Sqlite::open(&path, options.clone()).await.unwrap();
    for n in 0..50 {
        put(&store, &format!("/{n}")).await;
    }
    assert_eq!(oldest(&store).await, 40);
    assert_eq!(seen(&store, 40, 10).await, (41..=50).collect::<Vec<_>>());
    assert_eq!(rows(&path, "changes"), 10);
    assert_eq!(store.list("/").await.unwrap().entries.len(), 50);
    store.close().await;
    let store = Sqlite::open(&path, options).await.unwrap();
    assert_eq!(oldest(&store).await, 40);
}

#[tokio::test]
async fn old_history_is_dropped_by_age_and_ids_after_more_than_an_hour() {
    let (_folder, path) = place();
    let (options, time) = with_clock(Options {
        retain_age: Duration::from_secs(60),
        ..Options::default()
    });
    let store = Sqlite::open(&path, options).await.unwrap();
    let first = commit(vec![], vec![Op::put("/first", "")]);
    store.commit(first.clone()).await.unwrap();
    for n in 0..9 {
        put(&store, &format!("/{n}")).await;
    }
    time.fetch_add(HOUR, Relaxed);
    for n in 0..5 {
        put(&store, &format!("/{n}")).await;
    }
    assert_eq!(oldest(&store).await, 10);
    assert_eq!(rows(&path, "changes"), 5);
    assert_eq!(store.committed(first.id).await.unwrap(), Some(Revision(1)));

    time.fetch_add(3 * HOUR, Relaxed);
    for n in 0..15 {
        put(&store, &format!("/{n}")).await;
    }
    assert_eq!(rows(&path, "revisions"), 15);
    assert_eq!(store.committed(first.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_clock_that_goes_back_drops_nothing_too_much() {
    let (_folder, path) = place();
    let (options, time) = with_clock(Options::default());
    let store = Sqlite::open(&path, options).await.unwrap();
    put(&store, "/a").await;
    time.store(0, Relaxed);
    put(&store, "/b").await;
    assert_eq!(oldest(&store).await, 0);
    assert_eq!(seen(&store, 0, 2).await, [1, 2]);
}

#[tokio::test]
async fn leases_run_anew_after_reopening() {
    let (_folder, path) = place();
    let store = open(&path).await;
    let ttl = Duration::from_secs(3);
    let short = store.grant(ttl).await.unwrap();
    let long = store.grant(Duration::from_secs(HOUR)).await.unwrap();
    let held = |key: &str, lease: LeaseId| Op::Put {
        key: key.into(),
        value: vec![],
        lease: Some(lease),
    };
    let put = commit(vec![], vec![held("/short", short), held("/long", long)]);
    store.commit(put).await.unwrap();
    store.close().await;

    let store = open(&path).await;
    let listing = store.list("/").await.unwrap();
    assert_eq!(
        listing.entries.len(),
        2,
        "no time passes while it is closed"
    );
    store.keep_alive(short).await.unwrap();
    let mut watch = store.watch("/", listing.revision).await.unwrap();
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!(
        batch.changes,
        [Change::Delete {
            key: "/short".into()
        }]
    );
    store.keep_alive(long).await.unwrap();
    assert!(
        store.grant(ttl).await.unwrap() > long,
        "no id is used again"
    );
}
