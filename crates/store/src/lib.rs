//! An ordered key-value store with etcd's model behind one trait.
//!
//! Why: the orchestrator must run from one file on one machine and from a
//! cluster without anything above this crate knowing which. Keys are ordered
//! text, every commit makes exactly one revision, a watch delivers whole
//! revisions in order. The crate knows nothing of what the values mean.
//!
//! [`memory::Memory`] is for tests, [`sqlite::Sqlite`] the embedded default,
//! [`etcd::Etcd`] for several servers on one store;
//! `conformance` holds every backend to the same promises and `faults` breaks
//! them on demand (both with the feature `testing`).
//!
//! ```
//! use futures::StreamExt;
//! use sdwan_store::{Commit, Condition, Op, Outcome, Store, memory::Memory};
//! use uuid::Uuid;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sdwan_store::Error> {
//! let store = Memory::new();
//! let claim = |by: &str| Commit {
//!     id: Uuid::new_v4(),
//!     when: vec![Condition::Absent("/names/edge-1".into())],
//!     then: vec![Op::put("/names/edge-1", by)],
//! };
//!
//! // List, then watch from there: nothing is missed in between.
//! let listing = store.list("/names/").await?;
//! let mut watch = store.watch("/names/", listing.revision).await?;
//!
//! let Outcome::Committed(revision) = store.commit(claim("one")).await? else {
//!     panic!("the name is free");
//! };
//! assert_eq!(store.commit(claim("two")).await?, Outcome::Conflict);
//!
//! let batch = watch.next().await.expect("the store is open")?;
//! assert_eq!(batch.revision, revision);
//! assert_eq!(batch.changes[0].key(), "/names/edge-1");
//! # Ok(())
//! # }
//! ```

mod condition;
#[cfg(feature = "testing")]
pub mod conformance;
mod error;
pub mod etcd;
#[cfg(feature = "testing")]
pub mod faults;
mod follow;
mod history;
mod lease;
pub mod memory;
pub mod sqlite;
mod types;

pub use error::Error;
pub use types::{
    Batch, Change, Commit, Condition, Entry, LeaseId, Listing, MAX_BYTES, MAX_OPS, Op, Outcome,
    Revision, Stats, Watch,
};

use std::time::Duration;
use uuid::Uuid;

/// How long every backend keeps the ids of commits: longer than promised.
const IDS_KEPT: Duration = Duration::from_secs(2 * 3600);

/// What every backend offers. All of them pass the same conformance suite.
///
/// A call whose future is dropped may still be carried out: of a commit the
/// outcome is then unknown.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// Every entry whose key starts with `prefix`, in key order, at one
    /// revision; the empty prefix lists all. What was committed before the
    /// call is in it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn list(&self, prefix: &str) -> Result<Listing, Error>;

    /// Every revision after `after` that touches `prefix`, whole and in order.
    /// `after` may lie ahead: the watch then begins when the store gets there.
    ///
    /// However slowly it is read, it neither delays a commit nor misses a
    /// revision; but history is retained within bounds only.
    ///
    /// # Errors
    /// [`Error::Compacted`] when revisions after `after` are no longer
    /// retained: list again. Also later, as an item of the watch.
    /// [`Error::Unavailable`] likewise, when the backend does not answer.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error>;

    /// All of `then` in one new revision if all of `when` hold, else nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`] as [`Commit::check`];
    /// [`Error::LeaseExpired`] when a lease that it names is gone;
    /// [`Error::Unavailable`] when nothing was sent. In all of them nothing
    /// was written. When it was sent and the answer is lost, that is
    /// [`Outcome::Unknown`], not an error.
    async fn commit(&self, commit: Commit) -> Result<Outcome, Error>;

    /// The revision that the commit with this id made, if it was made;
    /// resolves [`Outcome::Unknown`]. Ids are kept for at least an hour.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error>;

    /// A lease: keys put under it vanish, in one revision, when it runs out.
    /// A backend may round `ttl` up to what it can keep (etcd: to seconds).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a `ttl` of zero, [`Error::Unavailable`] when
    /// the backend does not answer.
    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error>;

    /// Starts the lease's time anew.
    ///
    /// # Errors
    /// [`Error::LeaseExpired`] when it has run out or was revoked,
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error>;

    /// Ends the lease and deletes its keys now. Revoking twice is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn revoke(&self, lease: LeaseId) -> Result<(), Error>;

    /// Forgets the history up to `revision`; watches from before it end with
    /// [`Error::Compacted`]. Entries are never touched. Compacting to where
    /// the store was compacted already, or before, is no error.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a revision that is yet to come,
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn compact(&self, revision: Revision) -> Result<(), Error>;

    /// What it has done since it was opened; zeros where a backend does not
    /// count.
    fn stats(&self) -> Stats {
        Stats::default()
    }
}
