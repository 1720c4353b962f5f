//! Watches: whole revisions, in order, none missing.

use super::{Subject, answered, commit, made, next, put_all, soon, up_to};
use crate::{Batch, Change, Entry, Error, Listing, Op, Revision, Store};
use futures::StreamExt as _;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More than a backend may keep in memory for its watches.
const BURST: usize = 1500;

/// One revision is one batch, its keys in order, puts with their entries.
pub async fn a_watch_delivers_whole_revisions(store: Subject) {
    let mut watch = answered(store.watch("", Revision(0)).await);
    let first = put_all(&*store, [Op::put("/b", "1"), Op::put("/a", "2")]).await;
    let second = put_all(
        &*store,
        [
            Op::put("/c", ""),
            Op::put("/b", "3"),
            Op::delete("/a"),
            Op::delete("/x"),
        ],
    )
    .await;
    let put = |key: &str, value: &str, created, modified| {
        Change::Put(Entry {
            key: key.into(),
            value: value.into(),
            created,
            modified,
        })
    };
    let expected = [
        Batch {
            revision: first,
            changes: vec![put("/a", "2", first, first), put("/b", "1", first, first)],
        },
        Batch {
            revision: second,
            changes: vec![
                Change::Delete { key: "/a".into() },
                put("/b", "3", first, second),
                put("/c", "", second, second),
            ],
        },
    ];
    assert_eq!(up_to(&mut watch, second).await, expected);
    // The same when read later.
    let mut late = answered(store.watch("", Revision(0)).await);
    assert_eq!(up_to(&mut late, second).await, expected);
}

/// Of a revision that touches two prefixes each watch sees its own part.
pub async fn a_watch_sees_its_prefix_only(store: Subject) {
    let mut watch = answered(store.watch("/a/", Revision(0)).await);
    put_all(&*store, [Op::put("/a", ""), Op::put("/aa/", "")]).await;
    put_all(&*store, [Op::delete("/a/nothing")]).await;
    let revision = put_all(&*store, [Op::put("/a/1", ""), Op::put("/b/1", "")]).await;
    let batch = next(&mut watch).await;
    assert_eq!(batch.revision, revision);
    let keys: Vec<_> = batch.changes.iter().map(Change::key).collect();
    assert_eq!(keys, ["/a/1"]);
}

/// A watch from any revision begins with the one after it.
pub async fn a_watch_resumes_from_every_revision(store: Subject) {
    let mut revisions = vec![Revision(0)];
    for n in 0..20 {
        revisions.push(put_all(&*store, [Op::put(format!("/{}", n % 7), n.to_string())]).await);
    }
    let last = revisions[20];
    for (n, after) in revisions.iter().enumerate().take(20) {
        let mut watch = answered(store.watch("/", *after).await);
        let seen: Vec<_> = up_to(&mut watch, last)
            .await
            .iter()
            .map(|b| b.revision)
            .collect();
        assert_eq!(seen, revisions[n + 1..]);
    }
}

/// A watch may begin where the store is yet to come.
pub async fn a_watch_from_ahead_waits(store: Subject) {
    let first = put_all(&*store, [Op::put("/0", "")]).await;
    let ahead = Revision(first.0 + 2);
    let mut watch = answered(store.watch("", ahead).await);
    let mut later = Vec::new();
    for n in 1..6 {
        later.push(put_all(&*store, [Op::put(format!("/{n}"), "")]).await);
    }
    let seen = up_to(&mut watch, later[4]).await;
    let seen: Vec<_> = seen.iter().map(|batch| batch.revision).collect();
    later.retain(|revision| *revision > ahead);
    assert_eq!(seen, later);
}

/// Nobody reads while a burst passes; all of it is read afterwards.
pub async fn a_slow_watch_loses_nothing(store: Subject) {
    let mut slow = answered(store.watch("/", Revision(0)).await);
    let puts = (0..BURST).map(|n| store.commit(commit([], [Op::put(format!("/{n}"), "")])));
    let mut made: Vec<_> = join_all(puts).await.into_iter().map(made).collect();
    made.sort_unstable();
    let seen: Vec<_> = up_to(&mut slow, made[BURST - 1])
        .await
        .iter()
        .map(|b| b.revision)
        .collect();
    assert_eq!(seen, made);
}

/// From the compacted revision itself it still works; nothing else is lost.
pub async fn a_watch_from_before_the_compaction_is_refused(store: Subject) {
    let revisions = three(&*store).await;
    let before = answered(store.list("").await).entries;
    answered(store.compact(revisions[1]).await);
    let refused = store.watch("", Revision(0)).await.err();
    assert!(
        matches!(refused, Some(Error::Compacted { oldest }) if oldest == revisions[1]),
        "{refused:?}"
    );
    let mut watch = answered(store.watch("", revisions[1]).await);
    assert_eq!(next(&mut watch).await.revision, revisions[2]);
    assert_eq!(answered(store.list("").await).entries, before);
    // Once more is no error.
    answered(store.compact(revisions[0]).await);
}

/// A watch that has not read in time ends with the error, and once.
pub async fn a_watch_left_behind_by_the_compaction_ends(store: Subject) {
    let mut watch = answered(store.watch("", Revision(0)).await);
    let revisions = three(&*store).await;
    answered(store.compact(revisions[2]).await);
    // What a backend had already sent may still arrive, in order.
    let mut seen = Vec::new();
    loop {
        match soon("the watch's end", watch.next()).await {
            Some(Ok(batch)) => seen.push(batch.revision),
            Some(Err(Error::Compacted { .. })) => break,
            // Everything had been sent in time: then it goes on.
            other => panic!("neither a revision nor compacted: {other:?}"),
        }
        if seen.len() == revisions.len() {
            return assert_eq!(seen, revisions);
        }
    }
    assert!(revisions.starts_with(&seen), "{seen:?}");
    assert!(soon("the stream's end", watch.next()).await.is_none());
}

/// One that has read everything goes on.
pub async fn a_watch_outlives_a_compaction_behind_it(store: Subject) {
    let mut watch = answered(store.watch("", Revision(0)).await);
    let revisions = three(&*store).await;
    up_to(&mut watch, revisions[2]).await;
    answered(store.compact(revisions[2]).await);
    let more = put_all(&*store, [Op::put("/more", "")]).await;
    assert_eq!(next(&mut watch).await.revision, more);
}

async fn three(store: &dyn Store) -> Vec<Revision> {
    let mut revisions = Vec::new();
    for n in 0..3 {
        revisions.push(put_all(store, [Op::put(format!("/{n}"), "")]).await);
    }
    revisions
}

/// What has not happened can't be forgotten.
pub async fn a_compaction_ahead_is_refused(store: Subject) {
    let revision = put_all(&*store, [Op::put("/k", "")]).await;
    let ahead = store.compact(Revision(revision.0 + 1_000_000)).await;
    assert!(matches!(ahead, Err(Error::Invalid(_))), "{ahead:?}");
    let _still_whole = answered(store.watch("", Revision(0)).await);
}

/// Whoever lists and watches from there has the store's own state, while
/// others write.
pub async fn listing_then_watching_leaves_no_gap(store: Subject) {
    let writers = (0..4).map(|writer| tokio::spawn(write_some(store.share(), writer)));
    let writers: Vec<_> = writers.collect();
    let mut followers = Vec::new();
    for _ in 0..8 {
        let listing = answered(store.list("/").await);
        let watch = answered(store.watch("/", listing.revision).await);
        followers.push((listing, watch));
        put_all(&*store, [Op::put("/tick", "")]).await;
    }
    for writer in join_all(writers).await {
        assert!(writer.is_ok());
    }
    let last = put_all(&*store, [Op::put("/last", "")]).await;
    let expected = answered(store.list("/").await).entries;
    for (listing, mut watch) in followers {
        let batches = up_to(&mut watch, last).await;
        assert_eq!(replay(listing, batches), expected);
    }
}

async fn write_some(store: Arc<dyn Store>, writer: usize) {
    for n in 0..40 {
        let shared = Op::put(format!("/shared/{}", n % 5), format!("{writer}-{n}"));
        let own = format!("/own/{writer}/{}", n % 3);
        let own = if n % 4 == 3 {
            Op::delete(own)
        } else {
            Op::put(own, n.to_string())
        };
        put_all(&*store, [shared, own]).await;
    }
}

/// The entries after these revisions.
fn replay(listing: Listing, batches: Vec<Batch>) -> Vec<Entry> {
    let by_key = |entry: Entry| (entry.key.clone(), entry);
    let mut entries: BTreeMap<_, _> = listing.entries.into_iter().map(by_key).collect();
    let mut at = listing.revision;
    for batch in batches {
        assert!(batch.revision > at, "{} after {at}", batch.revision);
        at = batch.revision;
        for change in batch.changes {
            match change {
                Change::Put(entry) => entries.insert(entry.key.clone(), entry),
                Change::Delete { key } => entries.remove(&key),
            };
        }
    }
    entries.into_values().collect()
}
