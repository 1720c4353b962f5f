//! Every promise of [`Store`], as tests that each backend runs.
//!
//! A backend's test file says how to make an empty store and calls the macro:
//!
//! ```
//! use sdwan_store::{conformance::Subject, memory::Memory};
//!
//! sdwan_store::conformance!(async { Subject::new(Memory::new()) });
//! ```
//!
//! Nothing here takes revisions to be consecutive, nor the store to answer at
//! once: an etcd that others use as well can pass.

mod commits;
mod concurrent;
mod leases;
mod model;
mod random;
mod watches;

pub use commits::*;
pub use concurrent::*;
pub use leases::*;
pub use random::*;
pub use watches::*;

use crate::{Batch, Commit, Condition, Error, Op, Outcome, Revision, Store, Watch};
use futures::StreamExt as _;
use std::any::Any;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// One test for each promise, each with a store that `$fresh` makes: an
/// expression whose value is a future of a [`Subject`].
#[macro_export]
macro_rules! conformance {
    ($fresh:expr) => {
        $crate::conformance! { @tests $fresh;
            a_commit_makes_one_revision
            a_key_remembers_who_created_it
            a_commit_without_changes_makes_a_revision
            each_condition_holds_when_it_says
            conditions_see_the_state_before_the_commit
            a_conflict_writes_nothing
            a_key_twice_is_refused
            an_empty_key_is_refused
            the_largest_commit_is_taken
            a_larger_commit_is_refused
            the_same_id_is_applied_once
            a_lost_answer_is_resolved_by_id
            a_lost_request_is_resolved_by_id
            keys_are_ordered_and_matched_by_bytes
            values_are_any_bytes
            a_watch_delivers_whole_revisions
            a_watch_sees_its_prefix_only
            a_watch_resumes_from_every_revision
            a_watch_from_ahead_waits
            a_slow_watch_loses_nothing
            a_watch_from_before_the_compaction_is_refused
            a_watch_left_behind_by_the_compaction_ends
            a_watch_outlives_a_compaction_behind_it
            a_compaction_ahead_is_refused
            listing_then_watching_leaves_no_gap
            keys_vanish_with_their_lease
            a_lease_kept_alive_outlives_another
            a_revoked_lease_is_gone_at_once
            a_put_decides_the_lease_of_its_key
            a_conflict_comes_before_an_expired_lease
            a_lease_without_time_is_refused
            random_histories_match_the_model
            concurrent_commits_are_linearizable
        }
    };
    (@tests $fresh:expr; $($promise:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::conformance::$promise($fresh.await).await;
            }
        )+
    };
}

/// An empty store to test, and what must live as long as it does.
pub struct Subject {
    store: Arc<dyn Store>,
    _keep: Box<dyn Any + Send + Sync>,
}

impl Subject {
    /// A store that needs nothing.
    pub fn new(store: impl Store) -> Self {
        Self::keeping(store, ())
    }

    /// A store, and e.g. the folder of its file.
    pub fn keeping(store: impl Store, keep: impl Any + Send + Sync) -> Self {
        Self {
            store: Arc::new(store),
            _keep: Box::new(keep),
        }
    }

    /// The store, to be shared.
    #[must_use]
    pub fn share(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

impl Deref for Subject {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// Long enough for the busiest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What must happen by itself.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// A commit with a new id.
fn commit(when: impl Into<Vec<Condition>>, then: impl Into<Vec<Op>>) -> Commit {
    Commit {
        id: Uuid::new_v4(),
        when: when.into(),
        then: then.into(),
    }
}

/// Commits without conditions; it must succeed.
async fn put_all(store: &dyn Store, then: impl Into<Vec<Op>>) -> Revision {
    made(store.commit(commit([], then)).await)
}

/// The revision of a commit that must have succeeded.
#[track_caller]
fn made(outcome: Result<Outcome, Error>) -> Revision {
    match outcome {
        Ok(Outcome::Committed(revision)) => revision,
        other => panic!("not committed: {other:?}"),
    }
}

/// What the store must always be able to tell.
#[track_caller]
fn answered<T>(answer: Result<T, Error>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => panic!("no answer: {error}"),
    }
}

/// The keys under the prefix, in the order of the listing.
async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let listing = answered(store.list(prefix).await);
    listing.entries.into_iter().map(|entry| entry.key).collect()
}

/// The watch's next revision; there must be one.
async fn next(watch: &mut Watch) -> Batch {
    match soon("the watch's next revision", watch.next()).await {
        Some(Ok(batch)) => batch,
        other => panic!("not a revision: {other:?}"),
    }
}

/// The watch's revisions up to this one, which must be among them.
async fn up_to(watch: &mut Watch, last: Revision) -> Vec<Batch> {
    let mut batches = Vec::new();
    while batches
        .last()
        .is_none_or(|batch: &Batch| batch.revision < last)
    {
        batches.push(next(watch).await);
    }
    assert_eq!(
        batches.last().map(|batch| batch.revision),
        Some(last),
        "the watch skipped revision {last}"
    );
    batches
}
