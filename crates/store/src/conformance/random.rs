//! Random histories, one commit after the other, against the model.

use super::model::{Model, PREFIXES, Sketch, sketch};
use super::{Subject, answered, up_to};
use crate::{Outcome, Revision, Store};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::runtime::Handle;

const CASES: u32 = 64;

/// The same outcomes, listings and watches as the model's, for any history.
pub async fn random_histories_match_the_model(store: Subject) {
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let case = AtomicUsize::new(0);
    let histories = prop::collection::vec(sketch(), 1..24);
    let result = tokio::task::block_in_place(|| {
        runner.run(&histories, |history| {
            // Each case has a corner of the store to itself.
            let root = format!("/{}/", case.fetch_add(1, Relaxed));
            Handle::current().block_on(play(&*store, &root, &history));
            Ok(())
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

async fn play(store: &dyn Store, root: &str, history: &[Sketch]) {
    let mut model = Model::default();
    let mut revisions = vec![answered(store.list(root).await).revision];
    for sketch in history {
        let commit = sketch.draw(root, &revisions);
        match answered(store.commit(commit.clone()).await) {
            Outcome::Committed(revision) => {
                assert!(model.holds(&commit.when), "should conflict: {commit:?}");
                assert!(Some(&revision) > revisions.last(), "{revision} is not new");
                model.apply(&commit.then, revision);
                revisions.push(revision);
            }
            Outcome::Conflict => {
                assert!(
                    !model.holds(&commit.when),
                    "should not conflict: {commit:?}"
                );
            }
            Outcome::Unknown => panic!("no answer was lost"),
        }
    }
    let prefixes = PREFIXES.map(|prefix| format!("{root}{prefix}"));
    for prefix in &prefixes {
        let listing = answered(store.list(prefix).await);
        assert_eq!(listing.entries, model.listing(prefix), "{prefix}");
    }
    // All at once: a backend may take its time to catch up with the past.
    let watches = prefixes.iter().flat_map(|prefix| {
        let starts = revisions.iter();
        starts.map(|after| same_watch(store, &model, prefix, *after))
    });
    join_all(watches).await;
}

async fn same_watch(store: &dyn Store, model: &Model, prefix: &str, after: Revision) {
    let expected = model.watched(prefix, after);
    if let Some(last) = expected.last() {
        let mut watch = answered(store.watch(prefix, after).await);
        assert_eq!(
            up_to(&mut watch, last.revision).await,
            expected,
            "{prefix} after {after}"
        );
    }
}
