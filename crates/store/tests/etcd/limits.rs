//! What can't be done is refused clearly.

use crate::daemon::{Daemon, NEWER, OLDEST};
use crate::{commit, keys, made, next, put};
use sdwan_store::etcd::{Etcd, Options};
use sdwan_store::{Condition, Error, MAX_BYTES, MAX_OPS, Op, Revision, Store};

#[tokio::test]
async fn an_etcd_with_a_lower_limit_refuses_what_is_too_large_for_it() {
    for release in [OLDEST, NEWER] {
        let daemon = Daemon::start_with(release, &["--max-request-bytes", "10000"]).await;
        let store = daemon.store().await;
        // Over etcd's limit, and over what is read from the connection at all.
        for bytes in [20_000, 900_000] {
            let large = commit([], [Op::put("/large", vec![7; bytes])]);
            let id = large.id;
            let refused = store.commit(large).await;
            assert!(
                matches!(refused, Err(Error::TooLarge { .. })),
                "{refused:?}"
            );
            assert_eq!(store.committed(id).await.unwrap(), None);
        }
        assert!(keys(&store, "").await.is_empty());
    }
}

#[tokio::test]
async fn options_that_cannot_work_are_named() {
    for (options, part) in [
        (Options::at(vec![]), "no endpoint"),
        (Options::at(vec!["localhost".into()]), "expected HOST:PORT"),
        (Options::at(vec!["unix://x:1".into()]), "http://"),
        (
            Options {
                prefix: "p".repeat(33),
                ..Options::at(vec!["localhost:2379".into()])
            },
            "over 32 bytes",
        ),
    ] {
        let Err(Error::Open(why)) = Etcd::open(options).await else {
            panic!("taken, without {part}");
        };
        assert!(why.contains(part), "{why}");
    }
}

#[tokio::test]
async fn a_long_listing_comes_in_parts_of_one_revision() {
    let daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    let mut expected = Vec::new();
    for batch in 0..6 {
        let names: Vec<_> = (0..200).map(|n| format!("/{batch}/{n:03}")).collect();
        let puts = names.iter().map(|key| Op::put(key, vec![7; 4000]));
        let puts: Vec<_> = puts.collect();
        store.commit(commit([], puts)).await.unwrap();
        expected.extend(names);
    }
    let listing = store.list("/").await.unwrap();
    let found: Vec<_> = listing.entries.iter().map(|entry| &entry.key).collect();
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
    assert!(
        listing
            .entries
            .iter()
            .all(|entry| entry.value.len() == 4000)
    );
    // Nothing in it is newer than what it says it is at.
    put(&store, "/later").await;
    assert!(
        listing
            .entries
            .iter()
            .all(|entry| entry.modified <= listing.revision)
    );
}

/// Whatever is at its limit, the requests are within etcd's.
#[tokio::test]
async fn the_largest_commits_fit_behind_the_longest_prefix() {
    for release in [OLDEST, NEWER] {
        let daemon = Daemon::start(release).await;
        let options = Options {
            prefix: "p".repeat(32),
            ..daemon.options()
        };
        let store = Etcd::open(options).await.unwrap();
        let key = |length: usize, n: usize| format!("/{n:0width$}", width = length - 1);
        let each = MAX_BYTES / MAX_OPS;
        let puts: Vec<_> = (0..MAX_OPS).map(|n| Op::put(key(each, n), "")).collect();
        // As many conditions as one transaction compares, and one more.
        for count in [63, 64] {
            let exist = |n| Condition::Absent(key(4, n));
            let when: Vec<_> = (0..count).map(exist).collect();
            let puts = puts[count..].to_vec();
            made(store.commit(commit(when, puts)).await.unwrap());
        }
        let deletes = (0..MAX_OPS).map(|n| Op::delete(key(each, n)));
        let deletes: Vec<_> = deletes.collect();
        made(store.commit(commit([], deletes)).await.unwrap());
        assert!(keys(&store, "").await.is_empty());
        // A range counts twice.
        let none = |n| Condition::NoneUnder(key(each / 2, n));
        let none: Vec<_> = (0..MAX_OPS).map(none).collect();
        made(store.commit(commit(none, [])).await.unwrap());
    }
}

/// etcd sends what a watch has to catch up with in parts of 2 MiB, which end
/// within revisions.
#[tokio::test]
async fn a_watch_puts_large_revisions_together() {
    const KEYS: usize = 15;
    for release in [OLDEST, NEWER] {
        let daemon = Daemon::start(release).await;
        let store = daemon.store().await;
        let mut revisions = Vec::new();
        for _ in 0..8 {
            let puts = (0..KEYS).map(|n| Op::put(format!("/{n:02}"), vec![7; 60_000]));
            let puts: Vec<_> = puts.collect();
            revisions.push(made(store.commit(commit([], puts)).await.unwrap()));
        }
        let mut watch = store.watch("/", Revision(0)).await.unwrap();
        for revision in revisions {
            let batch = next(&mut watch).await.unwrap().unwrap();
            assert_eq!((batch.revision, batch.changes.len()), (revision, KEYS));
        }
    }
}
