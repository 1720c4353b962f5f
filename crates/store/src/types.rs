//! The values that cross the store's trait.

use crate::Error;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use uuid::Uuid;

/// Operations in one commit, and as many conditions: what an etcd with its
/// default limits takes in transactions nested twice.
pub const MAX_OPS: usize = 64 * 64;

/// Bytes of keys and values in one commit, those of its conditions counted
/// too: etcd's request limit of 1.5 MiB less room for framing.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A point in the store's history. 0 is the empty store; each commit adds 1
/// or, on a shared etcd, more.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The one after this.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

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
    /// The revision that created the key. A key that was deleted and put
    /// again was created by the later put.
    pub created: Revision,
    /// The revision that last wrote it.
    pub modified: Revision,
}

/// The entries under a prefix, all at the same revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the keys' bytes.
    pub entries: Vec<Entry>,
    /// The store's revision when it was read; watch from here.
    pub revision: Revision,
}

/// What must hold for a commit to happen. Prefixes are compared by bytes; the
/// empty one stands for every key.
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

impl Condition {
    /// The key, or the prefix, that it speaks of.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Absent(key)
            | Self::Exists(key)
            | Self::AtRevision(key, _)
            | Self::NoneUnder(key)
            | Self::NothingNewer(key, _) => key,
        }
    }

    /// Whether it speaks of a whole prefix.
    const fn is_range(&self) -> bool {
        matches!(self, Self::NoneUnder(_) | Self::NothingNewer(..))
    }
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
        /// The lease that the key lives under from now on. `None` frees a key
        /// from the lease that it had.
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

    /// The key that it writes or removes.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
        }
    }
}

/// All or nothing: `then`, if every condition of `when` holds. A key may
/// stand in `then` once.
///
/// The conditions are judged before the leases that `then` names: where both
/// fail, the outcome is a conflict. A commit that changes nothing, because
/// `then` is empty or deletes what isn't there, makes a revision all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Resolves an unknown outcome; new for every commit. The same id is
    /// never applied twice: committing it again answers with the revision
    /// that it made, so a retry after an unknown outcome is safe.
    pub id: Uuid,
    /// All must hold.
    pub when: Vec<Condition>,
    /// Applied together, in one revision.
    pub then: Vec<Op>,
}

impl Commit {
    /// What every backend refuses before it looks at its data, so that no
    /// commit works on one backend and not on another.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_OPS`] or [`MAX_BYTES`];
    /// [`Error::Invalid`] for an empty key or a key twice in `then`.
    pub fn check(&self) -> Result<(), Error> {
        limit(self.then.len(), MAX_OPS, "operations")?;
        limit(self.when.len(), MAX_OPS, "conditions")?;
        limit(self.bytes(), MAX_BYTES, "bytes")?;
        let mut seen = HashSet::with_capacity(self.then.len());
        for key in self.then.iter().map(Op::key) {
            if key.is_empty() {
                return Err(Error::Invalid("a key is empty".into()));
            }
            if !seen.insert(key) {
                return Err(Error::Invalid(format!(
                    "the key {key:?} stands in it twice"
                )));
            }
        }
        let empty = |when: &&Condition| !when.is_range() && when.subject().is_empty();
        match self.when.iter().find(empty) {
            Some(_) => Err(Error::Invalid("a condition's key is empty".into())),
            None => Ok(()),
        }
    }

    /// A range goes over etcd's wire as two keys, so it counts twice.
    pub(crate) fn bytes(&self) -> usize {
        let conditions = self.when.iter().map(|when| {
            let len = when.subject().len();
            if when.is_range() { 2 * len } else { len }
        });
        conditions.chain(self.then.iter().map(Op::bytes)).sum()
    }
}

fn limit(count: usize, limit: usize, what: &str) -> Result<(), Error> {
    if count <= limit {
        return Ok(());
    }
    Err(Error::TooLarge {
        what: format!("{count} {what}"),
        limit: format!("{limit} {what}"),
    })
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable, at this revision.
    Committed(Revision),
    /// A condition did not hold: nothing was written.
    Conflict,
    /// The answer was lost: ask [`crate::Store::committed`], or commit again
    /// with the same id.
    Unknown,
}

/// One revision's changes under a watched prefix, never split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The revision.
    pub revision: Revision,
    /// In the order of the keys' bytes, each key once.
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

impl Change {
    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key } => key,
        }
    }
}

/// Revisions as they happen. Ends after its first error; ends with
/// [`Error::Unavailable`] when the store closes.
pub type Watch = BoxStream<'static, Result<Batch, Error>>;

/// A lease's handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub i64);

/// Counts since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that made a revision.
    pub commits: u64,
    /// Syncs of the log that made them, and grants and ends of leases, durable.
    pub fsyncs: u64,
    /// Commits whose conditions did not hold.
    pub conflicts: u64,
}
