//! etcd dies or stands still, and comes back.

use crate::daemon::{Daemon, OLDEST};
use crate::wire::Wire;
use crate::{commit, keys, made, next, put};
use futures::future::join_all;
use sdwan_store::etcd::{Etcd, Options, Timeouts};
use sdwan_store::{Commit, Condition, Error, Op, Outcome, Revision, Store};
use std::sync::Arc;
use std::time::Duration;

/// A store that gives up while etcd stands still, well before a test does. It
/// has committed once, so that it has all it needs for the next.
async fn hasty(address: &str) -> Etcd {
    let options = Options {
        timeouts: Timeouts {
            attempt: Duration::from_millis(200),
            call: Duration::from_millis(400),
            ..Timeouts::default()
        },
        ..Options::at(vec![address.to_owned()])
    };
    // A busy machine may not answer as fast.
    for _ in 0..100 {
        if let Ok(store) = Etcd::open(options.clone()).await
            && let Ok(Outcome::Committed(_)) = store.commit(commit([], [])).await
        {
            return store;
        }
    }
    panic!("etcd is too slow");
}

#[tokio::test]
async fn a_watch_goes_on_after_a_restart() {
    let mut daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    let mut revisions = Vec::new();
    let mut seen = Vec::new();
    for round in 0..3 {
        for n in 0..5 {
            revisions.push(put(&store, format!("/{round}/{n}")).await);
        }
        // Half of them are told before etcd dies.
        for _ in 0..3 {
            seen.push(next(&mut watch).await.unwrap().unwrap().revision);
        }
        daemon.kill();
        daemon.restart().await;
    }
    revisions.push(put(&store, "/last").await);
    while seen.last() != revisions.last() {
        seen.push(next(&mut watch).await.unwrap().unwrap().revision);
    }
    assert_eq!(seen, revisions);
}

#[tokio::test]
async fn a_watch_that_missed_a_compaction_says_so() {
    let mut daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    let first = put(&store, "/before").await;
    daemon.kill();
    daemon.restart().await;
    // Nobody reads the watch: it has not noticed yet.
    put(&store, "/missed").await;
    let head = put(&store, "/compacted").await;
    store.compact(head).await.unwrap();
    let mut end = next(&mut watch).await.unwrap();
    if let Ok(batch) = &end {
        assert_eq!(batch.revision, first, "what had arrived before");
        end = next(&mut watch).await.unwrap();
    }
    assert!(
        matches!(end, Err(Error::Compacted { oldest }) if oldest == head),
        "{end:?}"
    );
    assert!(next(&mut watch).await.is_none());
}

#[tokio::test]
async fn watches_end_with_the_store() {
    let daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    drop(store);
    let end = next(&mut watch).await.unwrap();
    assert!(matches!(end, Err(Error::Unavailable(_))), "{end:?}");
    assert!(next(&mut watch).await.is_none());
}

/// What was sent to an etcd that stands still it may carry out much later:
/// whoever has been told that a commit was not made relies on that.
#[tokio::test]
async fn a_commit_is_made_before_one_asks_or_not_at_all() {
    let daemon = Daemon::start(OLDEST).await;
    let patient = daemon.store().await;
    let store = hasty(&daemon.address).await;
    let mut expected = Vec::new();
    for n in 0..12 {
        let key = format!("/{n:02}");
        let sent = commit([Condition::Absent(key.clone())], [Op::put(&key, "")]);
        daemon.stand_still();
        let outcome = store.commit(sent.clone()).await.unwrap();
        daemon.go_on();
        assert_eq!(outcome, Outcome::Unknown);
        let told = patient.committed(sent.id).await.unwrap();
        let again = n % 2 == 0;
        if again {
            // As good as asking: it is made once.
            let revision = made(patient.commit(sent.clone()).await.unwrap());
            assert!(told.is_none_or(|told| told == revision));
            assert_eq!(patient.committed(sent.id).await.unwrap(), Some(revision));
        }
        if again || told.is_some() {
            expected.push(key);
        }
    }
    expected.sort();
    assert_eq!(keys(&patient, "/").await, expected);
}

#[tokio::test]
async fn a_commit_that_arrives_after_one_has_asked_is_not_made() {
    let daemon = Daemon::start(OLDEST).await;
    let wire = Wire::to(&daemon.address).await;
    let asked = daemon.store().await;
    let store = hasty(&wire.address).await;
    for n in 0..10 {
        let key = format!("/late/{n}");
        let sent = commit([Condition::Absent(key.clone())], [Op::put(&key, "")]);
        wire.hold(true);
        assert_eq!(store.commit(sent.clone()).await.unwrap(), Outcome::Unknown);
        assert_eq!(asked.committed(sent.id).await.unwrap(), None);
        wire.hold(false);
        // Answers to what was sent later over the same wire.
        for _ in 0..3 {
            let _answer = store.list("/late/").await;
        }
    }
    assert!(keys(&asked, "/late/").await.is_empty());
}

#[tokio::test]
async fn a_retry_after_an_unknown_outcome_is_applied_once() {
    let daemon = Daemon::start(OLDEST).await;
    let store = hasty(&daemon.address).await;
    let patient = daemon.store().await;
    for n in 0..6 {
        let key = format!("/k/{n}");
        let sent = commit([Condition::Absent(key.clone())], [Op::put(&key, "")]);
        daemon.stand_still();
        assert_eq!(store.commit(sent.clone()).await.unwrap(), Outcome::Unknown);
        daemon.go_on();
        let mut outcome = Outcome::Unknown;
        // A slow machine may need more than one of the hasty tries.
        for _ in 0..50 {
            match store.commit(sent.clone()).await {
                Ok(Outcome::Unknown) | Err(Error::Unavailable(_)) => {}
                other => {
                    outcome = other.unwrap();
                    break;
                }
            }
        }
        let revision = made(outcome);
        let entries = patient.list(&key).await.unwrap().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (entries[0].created, entries[0].modified),
            (revision, revision)
        );
    }
}

const WRITERS: usize = 8;

/// Acknowledged is durable, refused is not there, unknown is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_under_way_while_etcd_dies_are_told_truly() {
    let mut daemon = Daemon::start(OLDEST).await;
    let store = Arc::new(daemon.store().await);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writers = (0..WRITERS).map(|writer| {
        let (store, stopped) = (Arc::clone(&store), stopped.clone());
        tokio::spawn(async move {
            let mut events = Vec::new();
            for n in 0.. {
                if *stopped.borrow() {
                    break;
                }
                let key = format!("/{writer}/{n}");
                let sent = commit([Condition::Absent(key.clone())], [Op::put(&key, "")]);
                events.push((sent.clone(), store.commit(sent).await));
            }
            events
        })
    });
    let writers: Vec<_> = writers.collect();
    for n in 1..=3 {
        // Some commits happen between two deaths.
        while store.list("/").await.unwrap().entries.len() < 50 * n {
            tokio::task::yield_now().await;
        }
        daemon.kill();
        daemon.restart().await;
    }
    stop.send(true).unwrap();
    let events = join_all(writers).await;
    let events: Vec<(Commit, _)> = events.into_iter().flat_map(Result::unwrap).collect();
    let entries = store.list("/").await.unwrap().entries;
    for (sent, outcome) in events {
        let key = sent.then[0].key();
        let made = match outcome {
            Ok(Outcome::Committed(revision)) => Some(revision),
            Ok(Outcome::Unknown) => store.committed(sent.id).await.unwrap(),
            Err(Error::Unavailable(_)) => None,
            other => panic!("{key}: {other:?}"),
        };
        let entry = entries.iter().find(|entry| entry.key == key);
        assert_eq!(entry.map(|entry| entry.modified), made, "{key}");
    }
}

#[tokio::test]
async fn without_etcd_nothing_is_written_and_the_error_says_where() {
    let mut daemon = Daemon::start(OLDEST).await;
    let store = hasty(&daemon.address).await;
    daemon.kill();
    let refused = store.commit(commit([], [Op::put("/k", "")])).await;
    // The first one may have met the connection as it broke.
    assert!(
        matches!(refused, Err(Error::Unavailable(_)) | Ok(Outcome::Unknown)),
        "{refused:?}"
    );
    let refused = store.commit(commit([], [Op::put("/k", "")])).await;
    let Err(Error::Unavailable(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains(&daemon.address), "{why}");
    assert!(store.list("/").await.is_err());
    daemon.restart().await;
    assert!(keys(&daemon.store().await, "/").await.is_empty());
}

#[tokio::test]
async fn another_member_takes_over() {
    let mut members = Daemon::cluster(OLDEST, 3, &[]).await;
    let endpoints = members.iter().map(|member| member.address.clone());
    let store = Etcd::open(Options::at(endpoints.collect())).await.unwrap();
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    let mut revisions = vec![put(&store, "/0").await];
    for member in members.iter_mut().take(2) {
        // The one that is talked to: the endpoints are asked in their order.
        member.kill();
        let key = format!("/{}", revisions.len());
        revisions.push(put(&store, key).await);
        member.restart().await;
    }
    let mut seen = Vec::new();
    while seen.len() < revisions.len() {
        seen.push(next(&mut watch).await.unwrap().unwrap().revision);
    }
    assert_eq!(seen, revisions);
    assert_eq!(keys(&store, "/").await, ["/0", "/1", "/2"]);
}

/// Its connections stay open, but nothing comes over them.
#[tokio::test]
async fn a_member_that_stands_still_is_left() {
    let members = Daemon::cluster(OLDEST, 3, &[]).await;
    let endpoints = members.iter().map(|member| member.address.clone());
    let options = Options::at(endpoints.collect());
    let store = Etcd::open(Options {
        timeouts: Timeouts {
            attempt: Duration::from_secs(1),
            ..Timeouts::default()
        },
        ..options
    });
    let store = store.await.unwrap();
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    let mut revisions = vec![put(&store, "/0").await];
    members[0].stand_still();
    let absent = Condition::Absent("/1".into());
    let sent = commit([absent], [Op::put("/1", "")]);
    revisions.push(made(store.commit(sent.clone()).await.unwrap()));
    let mut seen = Vec::new();
    while seen.len() < revisions.len() {
        seen.push(next(&mut watch).await.unwrap().unwrap().revision);
    }
    members[0].go_on();
    revisions.push(put(&store, "/2").await);
    seen.push(next(&mut watch).await.unwrap().unwrap().revision);
    assert_eq!(seen, revisions);
    assert_eq!(store.committed(sent.id).await.unwrap(), Some(revisions[1]));
    assert_eq!(keys(&store, "/").await, ["/0", "/1", "/2"]);
}
