//! The memory store's state and how each call changes it; no locks, no tasks.

use crate::condition::{View, all_hold};
use crate::history::Recent;
use crate::{
    Batch, Change, Commit, Entry, Error, IDS_KEPT, LeaseId, Listing, Op, Outcome, Revision,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::ops::Bound;
use tokio::time::Instant;
use uuid::Uuid;

/// Bytes of history kept, whatever the number of revisions.
const HISTORY_BYTES: usize = 256 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct State {
    entries: BTreeMap<String, Slot>,
    leases: HashMap<LeaseId, BTreeSet<String>>,
    granted: i64,
    commits: HashMap<Uuid, Revision>,
    commits_by_age: VecDeque<(Instant, Uuid)>,
    history: Recent,
}

/// What stands under a key.
#[derive(Debug)]
struct Slot {
    value: Vec<u8>,
    created: Revision,
    modified: Revision,
    lease: Option<LeaseId>,
}

impl State {
    pub(super) fn new(retained: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            leases: HashMap::new(),
            granted: 0,
            commits: HashMap::new(),
            commits_by_age: VecDeque::new(),
            history: Recent::new(Revision(0), retained, HISTORY_BYTES),
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.history.head()
    }

    pub(super) fn history(&self) -> &Recent {
        &self.history
    }

    pub(super) fn list(&self, prefix: &str) -> Listing {
        let entries = self
            .under(prefix)
            .map(|(key, slot)| slot.entry(key.clone()))
            .collect();
        Listing {
            entries,
            revision: self.revision(),
        }
    }

    pub(super) fn committed(&self, id: Uuid) -> Option<Revision> {
        self.commits.get(&id).copied()
    }

    pub(super) fn commit(&mut self, commit: Commit) -> Result<Outcome, Error> {
        if let Some(revision) = self.committed(commit.id) {
            return Ok(Outcome::Committed(revision));
        }
        let Ok(hold) = all_hold(self, &commit.when);
        if !hold {
            return Ok(Outcome::Conflict);
        }
        let mut leases = commit.then.iter().filter_map(|op| match op {
            Op::Put { lease, .. } => *lease,
            Op::Delete { .. } => None,
        });
        if leases.any(|lease| !self.leases.contains_key(&lease)) {
            return Err(Error::LeaseExpired);
        }
        let revision = self.write(commit.then);
        self.remember(commit.id, revision);
        Ok(Outcome::Committed(revision))
    }

    pub(super) fn grant(&mut self) -> LeaseId {
        self.granted += 1;
        let lease = LeaseId(self.granted);
        self.leases.insert(lease, BTreeSet::new());
        lease
    }

    /// Forgets the lease and deletes its keys, if it has any, in one revision.
    pub(super) fn end(&mut self, lease: LeaseId) {
        let keys = self.leases.remove(&lease).unwrap_or_default();
        if !keys.is_empty() {
            self.write(keys.into_iter().map(|key| Op::Delete { key }).collect());
        }
    }

    pub(super) fn compact(&mut self, revision: Revision) -> Result<(), Error> {
        crate::history::check_compaction(revision, self.revision())?;
        self.history.forget(revision);
        Ok(())
    }

    /// Makes the next revision.
    fn write(&mut self, mut ops: Vec<Op>) -> Revision {
        let revision = self.revision().next();
        ops.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let changes = ops
            .into_iter()
            .filter_map(|op| match op {
                Op::Put { key, value, lease } => Some(self.put(key, value, lease, revision)),
                Op::Delete { key } => self.delete(key),
            })
            .collect();
        self.history.push(Batch { revision, changes });
        revision
    }

    fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        lease: Option<LeaseId>,
        revision: Revision,
    ) -> Change {
        let before = self.entries.get(&key);
        let slot = Slot {
            value,
            created: before.map_or(revision, |before| before.created),
            modified: revision,
            lease,
        };
        self.detach(&key);
        if let Some(held) = lease.and_then(|lease| self.leases.get_mut(&lease)) {
            held.insert(key.clone());
        }
        let entry = slot.entry(key.clone());
        self.entries.insert(key, slot);
        Change::Put(entry)
    }

    fn delete(&mut self, key: String) -> Option<Change> {
        self.detach(&key);
        self.entries.remove(&key)?;
        Some(Change::Delete { key })
    }

    /// Takes the key from the lease that it has.
    fn detach(&mut self, key: &str) {
        let lease = self.entries.get(key).and_then(|slot| slot.lease);
        if let Some(held) = lease.and_then(|lease| self.leases.get_mut(&lease)) {
            held.remove(key);
        }
    }

    fn remember(&mut self, id: Uuid, revision: Revision) {
        let now = Instant::now();
        self.commits.insert(id, revision);
        self.commits_by_age.push_back((now, id));
        while let Some(&(at, old)) = self.commits_by_age.front() {
            if now.duration_since(at) <= IDS_KEPT {
                break;
            }
            self.commits.remove(&old);
            self.commits_by_age.pop_front();
        }
    }

    fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Slot)> {
        self.entries
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }
}

impl Slot {
    fn entry(&self, key: String) -> Entry {
        Entry {
            key,
            value: self.value.clone(),
            created: self.created,
            modified: self.modified,
        }
    }
}

impl View for State {
    type Error = Infallible;

    fn modified(&self, key: &str) -> Result<Option<Revision>, Infallible> {
        Ok(self.entries.get(key).map(|slot| slot.modified))
    }

    fn any_newer(&self, prefix: &str, than: Revision) -> Result<bool, Infallible> {
        Ok(self.under(prefix).any(|(_, slot)| slot.modified > than))
    }
}
