//! Many writers at once: whatever they meet, there is one order of their
//! commits that explains it, and that order is the revisions'.

use super::model::{Model, Sketch, sketch};
use super::{Subject, answered, put_all, up_to};
use crate::{Commit, Outcome, Revision, Store};
use futures::future::join_all;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const WRITERS: usize = 16;
const COMMITS: usize = 25;
const ROOT: &str = "/shared/";

/// A commit, when it was under way, and what became of it.
struct Event {
    /// Ticks of a clock that all writers share.
    begun: u64,
    ended: u64,
    commit: Commit,
    outcome: Outcome,
}

/// 16 writers, a handful of keys.
pub async fn concurrent_commits_are_linearizable(store: Subject) {
    let start = answered(store.list("").await).revision;
    let mut watch = answered(store.watch(ROOT, start).await);
    let clock = Arc::new(AtomicU64::new(0));
    let mut random = TestRunner::deterministic();
    let writers = (0..WRITERS).map(|_| {
        let sketches = proptest::collection::vec(sketch(), COMMITS);
        let sketches = sketches.new_tree(&mut random).map(|tree| tree.current());
        let Ok(sketches) = sketches else {
            panic!("the strategy filters nothing");
        };
        tokio::spawn(write(store.share(), Arc::clone(&clock), sketches, start))
    });
    let writers: Vec<_> = writers.collect();
    let mut events = Vec::new();
    for writer in join_all(writers).await {
        match writer {
            Ok(told) => events.extend(told),
            Err(error) => panic!("a writer broke down: {error}"),
        }
    }
    let last = put_all(&*store, [crate::Op::put(format!("{ROOT}last"), "")]).await;
    let mut seen = up_to(&mut watch, last).await;
    seen.pop();

    let model = explain(&mut events, start);
    assert_eq!(seen, model.watched(ROOT, start));
    let mut entries = answered(store.list(ROOT).await).entries;
    entries.retain(|entry| entry.modified != last);
    assert_eq!(entries, model.listing(ROOT));
}

async fn write(
    store: Arc<dyn Store>,
    clock: Arc<AtomicU64>,
    sketches: Vec<Sketch>,
    start: Revision,
) -> Vec<Event> {
    let mut revisions = vec![start];
    let mut events = Vec::new();
    for sketch in sketches {
        let listing = answered(store.list(ROOT).await);
        // Half of the time something current to build on.
        revisions.extend(listing.entries.iter().map(|entry| entry.modified));
        let commit = sketch.draw(ROOT, &revisions);
        let begun = clock.fetch_add(1, SeqCst);
        let outcome = answered(store.commit(commit.clone()).await);
        let ended = clock.fetch_add(1, SeqCst);
        events.push(Event {
            begun,
            ended,
            commit,
            outcome,
        });
    }
    events
}

/// Replays the commits in the order of their revisions and checks that every
/// outcome was right at a moment while its commit was under way.
fn explain(events: &mut Vec<Event>, start: Revision) -> Model {
    let revision = |event: &Event| match event.outcome {
        Outcome::Committed(revision) => Some(revision),
        Outcome::Conflict => None,
        Outcome::Unknown => panic!("no answer was lost"),
    };
    let (mut made, refused): (Vec<Event>, Vec<Event>) = events
        .drain(..)
        .partition(|event| revision(event).is_some());
    made.sort_by_key(revision);
    assert!(
        made.len() > WRITERS && refused.len() > WRITERS,
        "both kinds were met"
    );

    // states[n]: after the first n of them.
    let mut states = vec![Model::default()];
    let mut latest_begin = 0;
    let mut before = start;
    for event in &made {
        let mut state = states[states.len() - 1].clone();
        assert!(
            state.holds(&event.commit.when),
            "wrongly committed: {:?}",
            event.commit
        );
        let at = revision(event).unwrap_or(start);
        assert!(at > before, "revision {at} was given twice");
        assert!(
            event.ended > latest_begin,
            "revision {at} ended before an earlier one began"
        );
        latest_begin = latest_begin.max(event.begun);
        before = at;
        state.apply(&event.commit.then, at);
        states.push(state);
    }
    for event in &refused {
        let first = made.iter().rposition(|other| other.ended < event.begun);
        let last = made.iter().rposition(|other| other.begun < event.ended);
        let first = first.map_or(0, |n| n + 1);
        let last = last.map_or(0, |n| n + 1);
        assert!(
            states[first..=last]
                .iter()
                .any(|state| !state.holds(&event.commit.when)),
            "wrongly refused: {:?}",
            event.commit
        );
    }
    states.pop().unwrap_or_default()
}
