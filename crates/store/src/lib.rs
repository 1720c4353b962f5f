//! An ordered key-value store with etcd's model behind one trait.
//!
//! Why: the orchestrator must run from one file on one machine and from a
//! cluster without anything above this crate knowing which. Keys are ordered
//! text, every commit makes exactly one revision, a watch delivers whole
//! revisions in order. The crate knows nothing of what the values mean.

mod condition;
#[cfg(feature = "testing")]
pub mod conformance;
mod error;
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
    Revision, Watch,
};

use std::time::Duration;
use uuid::Uuid;

/// How long every backend keeps the ids of commits: longer than promised.
const IDS_KEPT: Duration = Duration::from_secs(2 * 3600);

/// What every backend offers. All of them pass the same conformance suite.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// Every entry whose key starts with `prefix`, in key order, at one revision.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn list(&self, prefix: &str) -> Result<Listing, Error>;

    /// Every revision after `after` that touches `prefix`, whole and in order.
    ///
    /// # Errors
    /// [`Error::Compacted`] when revisions after `after` are no longer
    /// retained: list again. Also later, as an item of the watch.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error>;

    /// All of `then` in one new revision if all of `when` hold, else nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_OPS`] or [`MAX_BYTES`],
    /// [`Error::Unavailable`] when nothing was sent. When it was sent and the
    /// answer is lost, that is [`Outcome::Unknown`], not an error.
    async fn commit(&self, commit: Commit) -> Result<Outcome, Error>;

    /// The revision that the commit with this id made, if it was made;
    /// resolves [`Outcome::Unknown`]. Ids are kept for at least an hour.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, Error>;

    /// A lease: keys put under it vanish, in one revision, when it runs out.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error>;

    /// Starts the lease's time anew.
    ///
    /// # Errors
    /// [`Error::LeaseExpired`] when it has run out or was revoked.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), Error>;

    /// Ends the lease and deletes its keys now. Revoking twice is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn revoke(&self, lease: LeaseId) -> Result<(), Error>;

    /// Forgets the history up to `revision`; watches from before it end with
    /// [`Error::Compacted`]. Entries are never touched.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the backend does not answer.
    async fn compact(&self, revision: Revision) -> Result<(), Error>;
}
