//! The values that cross the store's trait.

use crate::Error;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Operations in one commit, conditions not counted: 64 nested transactions
/// of 64, the most that an etcd with its default limits takes.
pub const MAX_OPS: usize = 64 * 64;

/// Bytes of keys and values in one commit: etcd's request limit of 1.5 MiB
/// less room for framing.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A point in the store's history. 0 is the empty store; each commit adds 1
/// or, on a shared etcd, more.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One key and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, e.g. `/config/v2.0/routers/ID`.
    pub key: String,
    /// The value; meaningless to the store.
    pub value: Vec<u8>,
    /// The revision that created the key.
    pub created: Revision,
    /// The revision that last wrote it.
    pub modified: Revision,
}

/// The entries under a prefix, all at the same revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In key order.
    pub entries: Vec<Entry>,
    /// The store's revision when it was read; watch from here.
    pub revision: Revision,
}

/// What must hold for a commit to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No such key.
    Absent(String),
    /// The key is there, whatever its value.
    Exists(String),
    /// The key was last written at exactly this revision.
    AtRevision(String, Revision),
    /// No key starts with this prefix.
    NoneUnder(String),
    /// No key under the prefix was written after this revision. Deletions are
    /// not seen (etcd can't compare them): pair it with `Exists` where one matters.
    NothingNewer(String, Revision),
}

/// A change that a commit makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes the value, under a lease if one is given.
    Put {
        /// The key.
        key: String,
        /// The new value.
        value: Vec<u8>,
        /// The lease that the key lives under.
        lease: Option<LeaseId>,
    },
    /// Removes the key; no error where there is none.
    Delete {
        /// The key.
        key: String,
    },
}

impl Op {
    /// A put without a lease.
    pub fn put(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        }
    }

    /// A deletion.
    pub fn delete(key: impl Into<String>) -> Self {
        Self::Delete { key: key.into() }
    }
}

/// All or nothing: `then`, if every condition of `when` holds. A key may
/// stand in `then` once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Resolves an unknown outcome; new for every commit.
    pub id: Uuid,
    /// All must hold.
    pub when: Vec<Condition>,
    /// Applied together, in one revision.
    pub then: Vec<Op>,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable, at this revision.
    Committed(Revision),
    /// A condition did not hold: nothing was written.
    Conflict,
    /// The answer was lost: ask [`crate::Store::committed`].
    Unknown,
}

/// One revision's changes under a watched prefix, never split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The revision.
    pub revision: Revision,
    /// In key order.
    pub changes: Vec<Change>,
}

/// One key's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Created or written.
    Put(Entry),
    /// Gone, by a commit or with its lease.
    Delete {
        /// The key.
        key: String,
    },
}

/// Revisions as they happen. Ends after its first error.
pub type Watch = BoxStream<'static, Result<Batch, Error>>;

/// A lease's handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub i64);
